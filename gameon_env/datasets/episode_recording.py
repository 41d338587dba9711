"""An episode of a trajectory file as a recording: its rows are its steps."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from gameon_env.data_processing.mel import MEL_BINS, MEL_RATE_HZ
from gameon_env.data_processing.step_table import LASTING_AXES
from gameon_env.data_processing.trajectory import Episode
from gameon_env.datasets.pictures import inner_size, place, resized
from gameon_env.datasets.recording import (
    AudioFeatures,
    AudioSource,
    Floats,
    Int64,
    Mask,
    Pixels,
    RecordedSteps,
    Recording,
    waveform_samples,
)
from gameon_env.datasets.session_checks import MAX_NS, MAX_POSITIVE, MAX_SIDE, MAX_VALUE, MIN_POSITIVE
from gameon_env.errors import DatasetError, TrajectoryError
from gameon_env.keys import BUTTONS

S = TypeVar("S", bound=np.generic)


class EpisodeRecording(Recording):
    """One finished episode; its last row is never a step.

    Raises:
        TrajectoryError: it has no RGB frames or no named controls, or holds what no trajectory file of ours does.
    """

    def __init__(self, episode: Episode, number: int, id: str | None = None) -> None:
        self.episode = episode
        self.path = episode.path
        metadata = episode.metadata
        for column, remedy in (
            ("video", "record with RGB frames (render_mode='rgb_array', or observations that are pictures)"),
            ("inputs", "record an environment with named controls"),
        ):
            if column not in episode.columns:
                raise TrajectoryError(
                    f"{self.path} has no column {column!r}, so that it cannot be learned from: {remedy}"
                )
        names = episode.controls
        if not names or len(set(names)) != len(names):
            raise TrajectoryError(f"{self.path}: its controls are {names}, expected names, each once")
        self.controls = _of_the_game(metadata, names)
        self._columns = [names.index(name) for name in self.controls]
        self.id = id or f"{self.path.name}:{number}"
        session = metadata.get("session")
        self.group = session if isinstance(session, str) and session else self.id
        game = metadata.get("game")
        self.game = game if isinstance(game, str) else ""
        self.mouse_scale_px = self._scale("mouse_scale_px")
        self.wheel_scale = self._scale("wheel_scale")
        self.fps = episode.fps
        if self.fps is not None and not MIN_POSITIVE <= self.fps <= MAX_POSITIVE:
            raise TrajectoryError(f"{self.path}: {self.fps:g} steps a second are none that a game has: it is damaged")
        self.num_frames = episode.num_steps + 1
        self.size = self._picture_size()
        times = episode.timestamps
        if times[0] < 0 or times[-1] > MAX_NS or np.any(np.diff(times) < 0):
            raise TrajectoryError(f"{self.path}: the times of episode {number} do not rise from 0, as they must")
        self.duration_ns = int(times[-1])
        self.has_rewards = bool(episode.metadata.get("has_rewards", True))
        stat = self.path.stat()
        known = json.dumps(metadata, sort_keys=True, default=str)
        text = f"{number} {stat.st_size} {stat.st_mtime_ns} {known}"
        self.fingerprint = hashlib.sha256(text.encode()).hexdigest()[:32]

    def steps(self, *, fps: float | None = None, frame_skip: int = 1, latency_ms: float = 0.0) -> RecordedSteps:
        episode = self.episode
        merged = frame_skip * self._rows_a_step(fps)
        inputs, rewards = episode.inputs[:, self._columns], episode.rewards
        if not (np.abs(inputs) < MAX_VALUE).all():
            raise TrajectoryError(f"{self.path}: its inputs hold what is no number, or none that a device gives")
        counted = "presses" in episode.columns
        presses = episode.presses[:, self._columns] if counted else np.zeros(inputs.shape, np.uint8)
        later = self._rows_later(latency_ms)
        times = episode.timestamps
        begins, stops, runs = _groups(episode.is_valid[:-1], merged, later)
        if not len(begins):
            none = np.zeros(0, np.int64)
            shape = (0, len(self.controls))
            return RecordedSteps(
                none, none, np.zeros(shape, np.float32), np.zeros(shape, np.uint8), rewards[:0], runs, none
            )
        acts = begins + later
        lengths = stops - begins
        with np.errstate(all="ignore"):  # a reward may be infinite, or not known
            gained = _reduced(np.add, rewards, acts, lengths)
        return RecordedSteps(
            t_ns=times[begins],
            frame=begins,
            inputs=_merged_inputs(inputs, self.controls, acts, lengths),
            presses=np.minimum(_reduced(np.add, presses.astype(np.int64), acts, lengths), 255).astype(np.uint8),
            rewards=gained,
            runs=runs,
            end_ns=times[stops],
        )

    def frames(self, rows: npt.ArrayLike, size: tuple[int, int] | None = None, letterbox: bool = False) -> Pixels:
        wanted = np.asarray(rows, np.int64)
        if wanted.ndim != 1 or (len(wanted) and not 0 <= wanted.min() <= wanted.max() < self.num_frames):
            raise IndexError(f"{self.id} has rows 0 to {self.num_frames - 1}; asked for {wanted}")
        follows = len(wanted) > 0 and bool(np.all(np.diff(wanted) == 1))
        read = self.episode.video(slice(int(wanted[0]), int(wanted[-1]) + 1) if follows else wanted)
        if size is None or size == self.size:
            return read
        inner = inner_size(self.size, size, letterbox)
        pictures = np.zeros((len(wanted), *size, 3), np.uint8)
        for target, picture in zip(pictures, read, strict=True):
            place(resized(picture, inner), target)
        return pictures

    def audio_sources(self) -> tuple[AudioSource, ...]:
        if "audio" not in self.episode.columns:
            return ()
        source = self.episode.metadata.get("audio_source")
        return (
            ("microphone",) if source == "microphone" else ("system", "microphone") if source == "both" else ("system",)
        )

    def audio(
        self,
        step_t_ns: npt.ArrayLike,
        step_end_ns: npt.ArrayLike,
        source: AudioSource = "system",
        features: AudioFeatures = "mel",
        rate_hz: float | None = None,
        interval_ns: float | None = None,
    ) -> tuple[Floats, Mask]:
        times = np.asarray(step_t_ns, np.int64)
        if interval_ns is None:
            interval_ns = (
                float(np.median(np.asarray(step_end_ns, np.int64) - times)) if len(times) else 1e9 / (self.fps or 30)
            )
        width = MEL_BINS if features == "mel" else waveform_samples(rate_hz or MEL_RATE_HZ, interval_ns)
        sources = self.audio_sources()
        if not sources or (source != "both" and source not in sources):
            return np.zeros((len(times), width), np.float32), np.zeros(len(times), bool)
        rows = np.searchsorted(self.episode.timestamps, times, side="right") - 1
        there = rows >= 0
        values = self.episode.column("audio", np.maximum(rows, 0)).astype(np.float32, copy=False)
        if values.shape[1] != width:
            raise TrajectoryError(
                f"{self.path} holds {values.shape[1]} values of sound a step; asked for are {width} ({features}). "
                "Ask for what it holds, or for none: include_audio=False"
            )
        if "audio_mask" in self.episode.columns:
            there &= self.episode.column("audio_mask", np.maximum(rows, 0)).astype(bool)
        values[rows < 0] = 0
        return values, there

    def _rows_a_step(self, fps: float | None) -> int:
        if fps is None:
            return 1
        if self.fps is None:
            raise DatasetError(f"{self.id} does not say its rate, so that fps={fps:g} cannot be made of it: fps=None")
        ratio = self.fps / fps
        if round(ratio) < 1 or abs(ratio - round(ratio)) > 1e-3 * ratio:
            near = max(1, round(ratio))
            raise DatasetError(
                f"{self.id} has {self.fps:g} steps a second: fps must divide that without rest, fps={fps:g} does not. "
                f"The nearest that does is {self.fps / near:g}"
            )
        return round(ratio)

    def _rows_later(self, latency_ms: float) -> int:
        if not latency_ms:
            return 0
        if self.fps is None:
            raise DatasetError(f"{self.id} does not say its rate, so that latency_ms cannot be counted in its steps")
        return round(latency_ms * self.fps / 1000)

    def _scale(self, name: str) -> float | None:
        value = self.episode.metadata.get(name)
        if isinstance(value, bool) or not isinstance(value, int | float) or not MIN_POSITIVE <= value <= MAX_POSITIVE:
            return None
        return float(value)

    def _picture_size(self) -> tuple[int, int]:
        height, width = self.episode.video(slice(0, 1)).shape[1:3]
        if not (0 < height <= MAX_SIDE and 0 < width <= MAX_SIDE):
            raise TrajectoryError(f"{self.path}: its pictures are {height}x{width}, expected 1 to {MAX_SIDE} each way")
        return height, width


def _of_the_game(metadata: Mapping[str, Any], names: tuple[str, ...]) -> tuple[str, ...]:
    """An export of several games has the controls of all of them, and says which are this game's own."""
    own = metadata.get("game_controls")
    if not isinstance(own, list) or not own or not all(isinstance(name, str) for name in own):
        return names
    return tuple(dict.fromkeys(own)) if set(own) <= set(names) else names


def _groups(valid: Mask, merged: int, later: int) -> tuple[Int64, Int64, Int64]:
    """First row of each step, its stop, and ``(R, 2)`` runs of steps: within unbroken valid rows, whose actions, which
    are ``later`` rows on, are so too."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], valid, [False]]).astype(np.int8)))
    begins: list[Int64] = []
    stops: list[Int64] = []
    runs, count = [], 0
    for first, stop in edges.reshape(-1, 2).tolist():
        rows = np.arange(max(first, first - later), min(stop, stop - later), merged)
        if len(rows):
            begins.append(rows)
            stops.append(np.append(rows[1:], min(stop, stop - later)))
            runs.append((count, count + len(rows)))
            count += len(rows)
    empty = [np.zeros(0, np.int64)]
    return np.concatenate(begins or empty), np.concatenate(stops or empty), np.array(runs, np.int64).reshape(-1, 2)


def _merged_inputs(inputs: Floats, controls: tuple[str, ...], acts: Int64, lengths: Int64) -> Floats:
    result = np.empty((len(acts), inputs.shape[1]), np.float32)
    for i, name in enumerate(controls):
        if name in BUTTONS:
            result[:, i] = _reduced(np.maximum, inputs[:, i], acts, lengths)
        elif name in LASTING_AXES:
            result[:, i] = inputs[acts + lengths - 1, i]
        else:
            result[:, i] = _reduced(np.add, inputs[:, i], acts, lengths)
    return result


def _reduced(how: np.ufunc, values: npt.NDArray[S], acts: Int64, lengths: Int64) -> npt.NDArray[S]:
    """``how`` over ``values[acts[k] : acts[k] + lengths[k]]`` for each k."""
    if np.all(lengths == 1):
        return values[acts]
    # reduceat takes pairs: the odd ones are what lies between two groups, and is left out.
    pairs = np.stack([acts, acts + lengths], axis=1).ravel()
    padded = np.concatenate([values, np.zeros((1, *values.shape[1:]), values.dtype)])
    result: npt.NDArray[S] = how.reduceat(padded, pairs, axis=0)[::2]
    return result
