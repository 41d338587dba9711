"""DAgger: a policy learns from a person's corrections of its own play, beside the recordings it began with.

A clone of recordings alone has never seen the states that its own mistakes lead to. Here it plays, a person takes over
where it goes wrong, and what they do there is the lesson.

>>> env = RecordEpisode(HumanTakeover(gym.make("GameOn-Desktop-v0", game="rescue")), "corrections")
>>> evaluate(env, Policy.load("policy.safetensors"), seeds=[1, 2, 3])      # the person takes over at will
>>> lessons = aggregate(load_episodes("recordings"), load_episodes("corrections"))
>>> retrain("policy.safetensors", lessons, "better.safetensors", minutes=5)
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from gameon_env.data_processing.trajectory import Episode
from gameon_env.errors import PolicyError, TrajectoryError
from gameon_env.keys import MOUSE_POSITION
from gameon_env.learning.cloning_config import CloningConfig, CloningResult
from gameon_env.learning.policy import PolicySpec, read_policy
from gameon_env.learning.steps import StepEpisode
from gameon_env.optional import require

CORRECTION_WEIGHT = 2.0
"""How often a correction is shown for each time that a recorded step is. Corrections are few, and they are about what
the policy gets wrong."""

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Lessons:
    """What a round of learning is made of.

    Attributes:
        episodes: the recordings, then those with corrections.
        keep: per episode ``(T + 1,) bool``, the rows that are learned from.
        weights: per episode ``(T + 1,) float64``, how often each is shown in an epoch.
        recorded_steps, corrected_steps: how many rows are kept of either.
    """

    episodes: tuple[StepEpisode, ...]
    keep: tuple[npt.NDArray[np.bool_], ...]
    weights: tuple[Floats, ...]
    recorded_steps: int
    corrected_steps: int


def aggregate(
    recordings: Sequence[StepEpisode],
    corrections: Sequence[Episode],
    correction_weight: float = CORRECTION_WEIGHT,
) -> Lessons:
    """Recordings, and the steps of ``corrections`` in which a person acted.

    Steps in which the agent acted are no lessons: that nobody interrupted does not mean that it was right, and its
    own actions as targets would confirm its mistakes. A step that the person interrupted weighs as much as the part of
    it that was theirs. Letting go of everything before giving the game back is no answer to what is seen, and left out.

    Args:
        recordings: of a player, as the policy was made of; all their steps are lessons.
        corrections: recorded through :class:`wrappers.HumanTakeover`, of all rounds.
        correction_weight: how often a correction is shown for each time that a recorded step is.

    Raises:
        TrajectoryError: nobody acted in any of ``corrections``, or the weight is not positive.
    """
    if not correction_weight > 0:
        raise TrajectoryError(f"correction_weight must be a number greater than 0; it is {correction_weight!r}")
    corrected = [(episode, corrected_rows(episode)) for episode in corrections]
    corrected = [(episode, rows) for episode, rows in corrected if rows.any()]
    if not corrected:
        raise TrajectoryError(
            f"in none of the {len(corrections)} episodes did a person act, so that there is nothing to learn from "
            "them: take over with the keyboard or the mouse while the agent plays, and give back with F10"
        )
    return Lessons(
        episodes=(*recordings, *(episode for episode, _ in corrected)),
        keep=(*(np.asarray(episode.is_valid) for episode in recordings), *(rows for _, rows in corrected)),
        weights=(
            *(np.ones(episode.num_steps + 1) for episode in recordings),
            *(correction_weight * _human_share(episode) for episode, _ in corrected),
        ),
        recorded_steps=sum(int(episode.is_valid.sum()) for episode in recordings),
        corrected_steps=sum(int(rows.sum()) for _, rows in corrected),
    )


def corrected_rows(episode: Episode) -> npt.NDArray[np.bool_]:
    """``(T + 1,) bool``: where a person acted, but for their rest before they gave the game back."""
    human: npt.NDArray[np.bool_] = episode.by_human.copy()
    places = [i for i, name in enumerate(episode.controls or ()) if name in MOUSE_POSITION]
    resting = np.logical_not(np.delete(episode.inputs, places, axis=1).any(axis=1))
    given_back = human[:-1] & ~human[1:] & episode.is_valid[1:]
    for row in np.flatnonzero(given_back).tolist():
        while row >= 0 and human[row] and resting[row]:
            human[row] = False
            row -= 1
    return human


def retrain(
    policy: str | Path,
    lessons: Lessons,
    output: str | Path,
    *,
    minutes: float | None = None,
    epochs: int | None = None,
    fresh: bool = False,
    progress: bool = True,
    **changes: Any,
) -> CloningResult:
    """Train a policy on, with the settings that it was made with.

    Args:
        policy: the file of one that behavioral cloning has made with PyTorch.
        lessons: what to learn from.
        output: the new policy's file.
        minutes, epochs: the budget; the old one's where neither is given.
        fresh: begin with fresh weights instead of the policy's.
        progress: show a bar.
        **changes: other settings of the :class:`~gameon_env.learning.cloning_config.CloningConfig`.

    Raises:
        PolicyError: the policy is damaged or of another kind, or is one of other recordings.
        TrajectoryError: the episodes do not belong together.
        StorageError: the new one cannot be written.
    """
    require("torch", "gameon train dagger")
    from gameon_env.learning.behavioral_cloning import clone

    spec, _ = read_policy(policy)
    config = config_of(spec)
    if minutes is not None or epochs is not None:
        # A budget in minutes alone is not ended by the epochs of the old one.
        changes |= {"minutes": minutes, "epochs": 1_000_000 if epochs is None else epochs}
    return clone(
        lessons.episodes,
        output,
        replace(config, **changes),
        keep=lessons.keep,
        weights=lessons.weights,
        start=None if fresh else policy,
        progress=progress,
    )


def config_of(spec: PolicySpec) -> CloningConfig:
    """The settings that a cloned policy was made with.

    Raises:
        PolicyError: it was made in another way than by cloning with PyTorch.
    """
    if spec.network != "clone_cnn":
        raise PolicyError(
            "corrections are learned by policies that 'gameon train bc' made with PyTorch; "
            f"this one's network is {spec.network!r}"
        )
    known = {field.name for field in fields(CloningConfig)} - {"device"}
    made_with = {name: value for name, value in dict(spec.training.get("config", {})).items() if name in known}
    seen = {"stack": spec.stack, "spacing": spec.spacing, "bins": spec.head.bins, "mu": spec.head.mu}
    return CloningConfig(**{**made_with, **seen, "lines": bool(spec.network_kwargs.get("lines", False))})


def _human_share(episode: Episode) -> Floats:
    if "human_share" in episode.columns:
        return np.asarray(episode.column("human_share"), np.float64)
    return np.ones(episode.num_steps + 1)
