"""Other action spaces for the same controls, in both directions: what the action wrappers have in common."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, SupportsFloat

import gymnasium
import numpy as np
import numpy.typing as npt

from gameon_env.controls import Controls
from gameon_env.datasets.recordings import find_recordings
from gameon_env.errors import ActionError, TrajectoryError
from gameon_env.keys import BUTTONS

Vectors = npt.NDArray[np.float32]

SAME = 0.01
"""Axis values that differ by less are the same: less than a mouse count at usual scales."""


@dataclass(frozen=True)
class Conversion:
    """Recorded vectors as actions of another kind.

    Attributes:
        actions: ``(N, ...)`` of the coding's space.
        vectors: ``(N, A) float32``, what these actions do.
        lost: by control, the share of steps in which a key or button differs from the recording, or an axis' mean
            absolute difference (1.0 is full scale); controls that lost nothing are left out.
        exact: share of the steps that lost nothing.
    """

    actions: npt.NDArray[Any]
    vectors: Vectors
    lost: Mapping[str, float]
    exact: float

    def __str__(self) -> str:
        lost = [
            f"{name} wrong in {100 * value:.1f} % of steps" if name in BUTTONS else f"{name} off by {value:.3f}"
            for name, value in self.lost.items()
        ]
        return f"{100 * self.exact:.1f} % of {len(self.actions)} steps exact; {', '.join(lost) or 'nothing lost'}"


class ActionCoding(ABC):
    """Actions of another kind for the same controls.

    Attributes:
        controls: A names, the vector's order.
        space: of the actions.
    """

    controls: tuple[str, ...]
    space: gymnasium.Space[Any]

    @abstractmethod
    def decode(self, actions: npt.NDArray[Any]) -> Vectors:
        """Actions ``(N, ...)`` of the space as vectors ``(N, A) float32``."""

    @abstractmethod
    def encode(self, vectors: Vectors) -> npt.NDArray[Any]:
        """The nearest actions ``(N, ...)`` to vectors ``(N, A) float32`` within their bounds."""

    @abstractmethod
    def to_json(self) -> dict[str, Any]:
        """All that makes one coding differ from another, for what is saved with an agent."""

    def to_vector(self, action: Any) -> Vectors:
        """The vector ``(A,) float32`` that an action does.

        Raises:
            ActionError: it is no action of :attr:`space`.
        """
        given = np.asarray(action)
        plain = given.item() if given.ndim == 0 and given.dtype.kind in "iu" else given
        if not self.space.contains(plain):
            raise ActionError(
                f"an action must lie in {self.space} here; got {action!r}. Vectors of named controls become such "
                "actions by to_action(vector)"
            )
        vector: Vectors = self.decode(given[None])[0]
        return vector

    def to_action(self, vector: npt.ArrayLike) -> Any:
        """The nearest action to a vector ``(A,)``; :meth:`to_actions` says what is lost.

        Raises:
            ActionError: wrong shape, or NaN.
        """
        return self.encode(self._checked(np.asarray(vector, np.float32)[None]))[0]

    def to_actions(self, vectors: npt.ArrayLike) -> Conversion:
        """The nearest actions to recorded vectors ``(N, A)``, and what is lost.

        Raises:
            ActionError: wrong shape, or NaN.
        """
        wanted = self._checked(np.asarray(vectors, np.float32))
        actions = self.encode(wanted)
        done = self.decode(actions)
        buttons = np.array([name in BUTTONS for name in self.controls])
        differ = np.where(buttons, (wanted >= 0.5) != (done >= 0.5), np.abs(wanted - done))
        means = differ.mean(axis=0) if len(differ) else np.zeros(len(self.controls))
        same = differ < np.where(buttons, 0.5, SAME)
        lost = {
            name: float(mean)
            for name, mean, always in zip(self.controls, means, same.all(axis=0), strict=True)
            if not always
        }
        return Conversion(actions, done, lost, float(same.all(axis=1).mean()) if len(same) else 1.0)

    def _checked(self, vectors: Vectors) -> Vectors:
        if vectors.ndim != 2 or vectors.shape[1] != len(self.controls) or np.isnan(vectors).any():
            raise ActionError(
                f"a vector must hold {len(self.controls)} numbers, one per control {list(self.controls)}; "
                f"got shape {vectors.shape[1:]}{' with NaN' if np.isnan(vectors).any() else ''}"
            )
        low = np.array([0.0 if name in BUTTONS else -1.0 for name in self.controls], np.float32)
        return np.clip(vectors, low, np.float32(1.0))


class CodedActions(gymnasium.Wrapper[Any, Any, Any, Any]):
    """Lets an agent act through an :class:`ActionCoding`.

    ``info["action"]`` stays the vector that was really applied, so that ``RecordEpisode`` outside records what any
    other agent's recording holds. ``HumanControl`` goes inside; ``step(None)`` passes on to it.

    Args:
        env: an environment with named controls, and vectors of them as actions.
        coding: for these controls.
    """

    def __init__(self, env: gymnasium.Env[Any, Any], coding: ActionCoding) -> None:
        super().__init__(env)
        self.action_coding = coding
        self.action_space = coding.space

    def step(self, action: Any) -> tuple[Any, SupportsFloat, bool, bool, dict[str, Any]]:
        """Take a step with what the action does.

        Raises:
            ActionError: it is no action of the space.
        """
        if action is None:
            return self.env.step(None)
        vector = self.action_coding.to_vector(action)
        observation, reward, terminated, truncated, info = self.env.step(vector)
        info.setdefault("action", vector)
        return observation, reward, terminated, truncated, info

    def to_vector(self, action: Any) -> Vectors:
        """See :meth:`ActionCoding.to_vector`."""
        return self.action_coding.to_vector(action)

    def to_action(self, vector: npt.ArrayLike) -> Any:
        """See :meth:`ActionCoding.to_action`."""
        return self.action_coding.to_action(vector)

    def to_actions(self, vectors: npt.ArrayLike) -> Conversion:
        """See :meth:`ActionCoding.to_actions`."""
        return self.action_coding.to_actions(vectors)


def controls_of(env: gymnasium.Env[Any, Any], wrapper: str) -> Controls:
    """The named controls whose vectors are ``env``'s actions.

    Raises:
        ActionError: it has none, or its actions are something else already.
    """
    controls = getattr(env.unwrapped, "controls", None)
    if not isinstance(controls, Controls):
        raise ActionError(
            f"{wrapper} needs an environment with named controls, as gym.make('GameOn-Desktop-v0') makes; "
            f"got {env.unwrapped}"
        )
    if env.action_space != controls.space:
        raise ActionError(
            f"{wrapper} turns vectors of named controls into other actions, but the actions of {env} are "
            f"{env.action_space} already: put {wrapper} directly around the environment (StickyKeys, HumanControl and "
            "RecordEpisode may lie between)"
        )
    return controls


def recorded_vectors(data: Any, controls: Sequence[str]) -> Vectors:
    """All recorded actions ``(N, A) float32``, in the order of ``controls``.

    Args:
        data: the path of recordings, their ``Windows``, a sequence of episodes or recordings, or the vectors
            themselves.
        controls: A names.

    Raises:
        TrajectoryError: there are none, or they are of other controls.
    """
    if isinstance(data, np.ndarray):
        return _ordered(data.astype(np.float32, copy=False), tuple(controls), controls, "the vectors")
    if isinstance(data, str | Path):
        data = find_recordings(data)
    if hasattr(data, "inputs"):
        data = [data]
    if hasattr(data, "columns"):
        return _ordered(data.columns.inputs, data.controls, controls, repr(data))
    parts = [_ordered(_inputs(episode), episode.controls, controls, repr(episode)) for episode in data]
    if not sum(map(len, parts)):
        raise TrajectoryError("the recordings hold no action: record some first, with gameon record")
    return np.concatenate(parts)


def _inputs(episode: Any) -> Vectors:
    inputs: Vectors = episode.inputs[episode.is_valid] if hasattr(episode, "is_valid") else episode.steps().inputs
    return inputs


def _ordered(inputs: Vectors, names: Sequence[str] | None, controls: Sequence[str], where: str) -> Vectors:
    if names is None or set(names) != set(controls) or inputs.shape[1:] != (len(controls),):
        raise TrajectoryError(
            f"{where} is of the controls {list(names or ())}, the environment has {list(controls)}: "
            "use recordings of this game, made with the same profile"
        )
    return inputs[:, [list(names).index(name) for name in controls]]
