"""The steps of recorded episodes as a network learns from them: stacked frames, and the action that answered them."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import psutil

from gameon_env.errors import TrajectoryError
from gameon_env.learning.action_head import ActionHead
from gameon_env.learning.policy import PolicySpec


class StepEpisode(Protocol):
    """An episode of T steps to learn from: of a trajectory file, or a run of a session."""

    @property
    def path(self) -> Path:
        """Where it was recorded."""

    @property
    def metadata(self) -> Mapping[str, Any]:
        """What is known of it: ``game``, ``mouse_scale_px`` ..."""

    @property
    def controls(self) -> tuple[str, ...] | None:
        """The names of ``inputs``' columns."""

    @property
    def fps(self) -> float | None:
        """Steps a second."""

    @property
    def num_steps(self) -> int:
        """T."""

    @property
    def inputs(self) -> npt.NDArray[Any]:
        """``(T + 1, A) float32``: the last row is no action."""

    @property
    def is_valid(self) -> npt.NDArray[np.bool_]:
        """``(T + 1,) bool``: which rows have an action."""

    def video(self, rows: Any = ...) -> npt.NDArray[np.uint8]:
        """Frames ``(n, H, W, 3) uint8`` of ``rows (n,)``."""


class Steps:
    """All steps of all episodes, numbered through; frames in RAM where they fit, otherwise read when needed.

    Attributes:
        inputs: ``(N, A) float32``, the action that answers each step's frame.
        episode_of: ``(N,)``, which episode a step belongs to.
        weights: ``(N,) float64``, how often a step is shown; None where each is shown once.
    """

    def __init__(
        self,
        episodes: Sequence[StepEpisode],
        *,
        stack: int = 1,
        spacing: int = 1,
        latency_ms: float = 0.0,
        memory_fraction: float = 0.6,
        keep: Sequence[npt.NDArray[np.bool_]] | None = None,
        weights: Sequence[npt.NDArray[np.floating[Any]]] | None = None,
    ) -> None:
        if not episodes:
            raise TrajectoryError("there are no episodes to learn from: record some first")
        self.episodes = episodes
        self.stack, self.spacing = stack, spacing
        self.controls = _common([episode.controls for episode in episodes], "controls", episodes)
        if not self.controls:
            raise TrajectoryError(f"{episodes[0].path}: actions without named controls cannot be cloned")
        self.fps = _common([episode.fps for episode in episodes], "fps", episodes)
        self.game = _common([episode.metadata.get("game") for episode in episodes], "game", episodes)
        self.mouse_scale_px = _common([e.metadata.get("mouse_scale_px") for e in episodes], "mouse_scale_px", episodes)
        reach, longest = (stack - 1) * spacing, max(episode.num_steps for episode in episodes)
        if reach >= longest:
            raise TrajectoryError(
                f"{stack} frames {spacing} steps apart reach {reach} steps back, and the longest episode has {longest} "
                "steps: take a smaller stack or spacing"
            )
        sizes = [episode.video(np.arange(1)).shape[1:3] for episode in episodes]
        self.observation_size: tuple[int, int] = _common(sizes, "frame size", episodes)

        # Runs of sessions were read with it already, to the fraction of a step.
        left_ms = [max(latency_ms - getattr(episode, "latency_ms", 0.0), 0.0) for episode in episodes]
        laters = [round(ms * (self.fps or 0) / 1000) for ms in left_ms]
        frames = [_answered(e, later) for e, later in zip(episodes, laters, strict=True)]
        if keep is not None:
            frames = [f[wanted[f + later]] for f, wanted, later in zip(frames, keep, laters, strict=True)]
        answers = [f + later for f, later in zip(frames, laters, strict=True)]
        self.inputs = np.concatenate([e.inputs[rows] for e, rows in zip(episodes, answers, strict=True)])
        self.inputs = self.inputs.astype(np.float32, copy=False)
        self.weights: npt.NDArray[np.float64] | None = None
        if weights is not None:
            self.weights = np.concatenate([w[rows] for w, rows in zip(weights, answers, strict=True)]).astype(float)
        self.episode_of = np.concatenate([np.full(len(f), number) for number, f in enumerate(frames)])
        self._frame_of = np.concatenate(frames)
        if not len(self.inputs):
            raise TrajectoryError(
                f"the {len(episodes)} episodes hold no step with an action: nothing was pressed or moved in them, or "
                "they are shorter than latency_ms. Record some play"
            )

        height, width = self.observation_size
        self._offsets = np.cumsum([0, *(episode.num_steps for episode in episodes)])
        needed = int(self._offsets[-1]) * height * width * 3
        self._frames: npt.NDArray[np.uint8] | None = None
        if needed <= memory_fraction * psutil.virtual_memory().available:
            self._frames = np.empty((int(self._offsets[-1]), height, width, 3), dtype=np.uint8)
            for offset, episode in zip(self._offsets, episodes, strict=False):
                for first in range(0, episode.num_steps, 256):
                    rows = np.arange(first, min(first + 256, episode.num_steps))
                    self._frames[offset + rows] = episode.video(rows)

    def split(self, fraction: float, rng: np.random.Generator) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
        """Numbers of the steps for training and for validation.

        Validation is about ``fraction`` of the steps: whole episodes where some are that long together, otherwise the
        end of the longest one. Episodes differ in length, and one that is long may be nearly all there is.
        """
        steps = np.arange(len(self.inputs))
        sizes = np.bincount(self.episode_of, minlength=len(self.episodes))
        wanted, held = fraction * len(steps), 0
        chosen: list[int] = []
        for number in rng.permutation(len(self.episodes)).tolist():
            if abs(held + sizes[number] - wanted) < abs(held - wanted) and held + sizes[number] < len(steps):
                chosen.append(number)
                held += int(sizes[number])
        if held < wanted / 2:
            longest = np.flatnonzero(self.episode_of == sizes.argmax())
            held_out = np.isin(steps, longest[len(longest) - math.ceil(min(wanted, len(longest) - 1)) :])
        else:
            held_out = np.isin(self.episode_of, chosen)
        if held_out.all() or not held_out.any():
            raise TrajectoryError(f"{len(steps)} recorded steps are too few to learn and to validate: record more")
        return steps[~held_out], steps[held_out]

    def epoch(self, training: npt.NDArray[np.int64], rng: np.random.Generator) -> npt.NDArray[np.int64]:
        """The steps of one pass over ``training`` in a random order, each as often as its weight says.

        The part of a weight that is no whole number is the probability of one time more.
        """
        if self.weights is not None:
            training = np.repeat(training, np.floor(self.weights[training] + rng.random(len(training))).astype(int))
        return rng.permutation(training)

    def stacks(self, steps: npt.NDArray[np.int64]) -> npt.NDArray[np.uint8]:
        """The network's input for some steps: ``(n, H, W, 3 * stack) uint8``, oldest frame first.

        Before an episode's first frame there is nothing: that frame is repeated, as it is when playing.
        """
        episode = self.episode_of[steps][:, None]
        ages = np.arange(self.stack - 1, -1, -1) * self.spacing
        rows = np.maximum(self._frame_of[steps][:, None] - ages, 0)
        if self._frames is not None:
            frames = self._frames[rows + self._offsets[episode]]
        else:
            frames = np.empty((*rows.shape, *self.observation_size, 3), dtype=np.uint8)
            for number in np.unique(episode):
                mine = episode[:, 0] == number
                wanted, where = np.unique(rows[mine], return_inverse=True)
                frames[mine] = self.episodes[number].video(wanted)[where.reshape(rows[mine].shape)]
        return np.ascontiguousarray(np.moveaxis(frames, 1, 3)).reshape(len(steps), *self.observation_size, -1)

    def head(self, training: npt.NDArray[np.int64], bins: int = 21, mu: float = 20.0) -> ActionHead:
        """The head for these controls; a hold counts as long when 99 % of the holds in ``training`` are shorter."""
        head = ActionHead(self.controls, bins=bins, mu=mu)
        longest = []
        for button in head.buttons:
            held = (self.inputs[training, button] >= 0.5).astype(np.int8)
            edges = np.flatnonzero(np.diff(np.concatenate(([0], held, [0]))))
            holds = edges[1::2] - edges[::2]
            longest.append(max(1, math.ceil(np.quantile(holds, 0.99))) if len(holds) else 1)
        return replace(head, max_hold_steps=tuple(longest))

    def policy_spec(self, head: ActionHead, network_kwargs: dict[str, Any]) -> PolicySpec:
        """The saved policy's description."""
        return PolicySpec(
            head=head,
            observation_size=self.observation_size,
            stack=self.stack,
            spacing=self.spacing,
            network="clone_cnn",
            network_kwargs=network_kwargs,
            game=self.game,
            fps=self.fps,
            mouse_scale_px=self.mouse_scale_px,
            play={"draw_at_repeats": True},
        )


def _answered(episode: StepEpisode, later: int) -> npt.NDArray[np.int64]:
    """The steps whose frame is answered by the action ``later`` steps on; none before the player's first one.

    A person needs a moment to begin. A clone that learned to wait at the start would wait there for ever.
    """
    steps = np.flatnonzero(episode.is_valid[: max(episode.num_steps - later, 0)])
    active = np.flatnonzero(episode.inputs.any(axis=1))
    return steps[steps + later >= active[0]] if len(active) else steps[:0]


def _common(values: Sequence[Any], what: str, episodes: Sequence[StepEpisode]) -> Any:
    for value, episode in zip(values, episodes, strict=True):
        if value != values[0]:
            raise TrajectoryError(
                f"the episodes do not belong together: {episodes[0].path} has {what} {values[0]}, "
                f"{episode.path} has {value}. Train on recordings of one game made with the same settings."
            )
    return values[0]
