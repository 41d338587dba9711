"""One action is one of a list of named combinations: for agents such as DQN."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import gymnasium
import numpy as np
import numpy.typing as npt

from gameon_env.errors import ActionError
from gameon_env.games.combinations import Combination, read_combinations
from gameon_env.keys import BUTTONS
from wrappers.action_coding import ActionCoding, CodedActions, Vectors, controls_of, recorded_vectors
from wrappers.axis_bins import companded

Combinations = Mapping[str, Sequence[str] | Combination] | Sequence[Sequence[str] | Combination]

_ROWS_AT_ONCE = 1 << 16


class CombinationCoding(ActionCoding):
    """One of K combinations, as a number.

    Attributes:
        combinations: by name, what is not at rest; their order is that of the numbers.
        vectors: ``(K, A) float32``.
    """

    def __init__(self, controls: Sequence[str], combinations: Combinations) -> None:
        self.controls = tuple(controls)
        named = combinations if isinstance(combinations, Mapping) else _named(combinations)
        self.combinations = read_combinations(named, self.controls, _error)
        if not self.combinations:
            raise ActionError("there must be at least one combination; an empty list of them was given")
        self.names = tuple(self.combinations)
        self.vectors: Vectors = np.zeros((len(self.names), len(self.controls)), np.float32)
        for row, combination in zip(self.vectors, self.combinations.values(), strict=True):
            for control, value in combination.items():
                row[self.controls.index(control)] = value
        self.space = gymnasium.spaces.Discrete(len(self.names))

    def decode(self, actions: npt.NDArray[Any]) -> Vectors:
        vectors: Vectors = self.vectors[actions]
        return vectors

    def encode(self, vectors: Vectors) -> npt.NDArray[np.int64]:
        """A key that differs counts as much as an axis that is off by all its way from rest; of equals, the first."""
        buttons = np.array([name in BUTTONS for name in self.controls])
        wanted = np.where(buttons, vectors >= 0.5, vectors).astype(np.float32)
        parts = [
            np.abs(wanted[first : first + _ROWS_AT_ONCE, None] - self.vectors).sum(axis=2).argmin(axis=1)
            for first in range(0, len(wanted), _ROWS_AT_ONCE)
        ]
        return np.concatenate(parts).astype(np.int64) if parts else np.zeros(0, np.int64)

    def to_json(self) -> dict[str, Any]:
        combinations = [[name, combination] for name, combination in self.combinations.items()]
        return {"kind": "combinations", "controls": list(self.controls), "combinations": combinations}


class DiscreteActions(CodedActions, gymnasium.utils.RecordConstructorArgs):
    """Actions are numbers: each one of a list of named combinations of controls.

    >>> env = DiscreteActions(gym.make("GameOn-Desktop-v0", game="doom"), {
    ...     "nothing": [], "forward": ["key:up"], "fire_left": ["key:left", "key:left_ctrl"]})
    >>> env.step(2)                            # turns left and fires
    >>> env.to_action(recorded_vector)         # the nearest combination's number

    Args:
        env: an environment with named controls.
        combinations: by name (or without names, in a list) the keys and buttons held, or values by control; without
            it, those in the profile's ``[actions]``.

    Attributes:
        combinations: by name, what is not at rest; their order is that of the numbers.

    Raises:
        ActionError: there are no combinations, two that are the same, or one that this game cannot do.
    """

    def __init__(self, env: gymnasium.Env[Any, Any], combinations: Combinations | None = None) -> None:
        controls = controls_of(env, "DiscreteActions")
        coding = CombinationCoding(controls.names, _of_profile(env) if combinations is None else combinations)
        gymnasium.utils.RecordConstructorArgs.__init__(self, combinations=coding.combinations)
        super().__init__(env, coding)
        self.combinations = coding.combinations

    @classmethod
    def from_dataset(
        cls, env: gymnasium.Env[Any, Any], data: Any, n: int = 16, *, axis_bins: int = 5
    ) -> DiscreteActions:
        """With the ``n`` combinations most often seen in recordings; doing nothing is always the first.

        Args:
            env: an environment with the recordings' controls.
            data: the path of recordings, their ``Windows``, a sequence of episodes, or vectors ``(N, A)``.
            n: how many; fewer where fewer were seen.
            axis_bins: axis values are told apart in so many bins; a combination has their mean.

        Raises:
            ActionError: ``n`` is less than 2.
            TrajectoryError: there are no recorded actions, or of other controls.
        """
        controls = controls_of(env, "DiscreteActions")
        return cls(env, frequent_combinations(recorded_vectors(data, controls.names), controls.names, n, axis_bins))


def frequent_combinations(
    vectors: Vectors, controls: Sequence[str], n: int, axis_bins: int = 5
) -> dict[str, dict[str, float]]:
    """The ``n`` combinations most often seen in ``vectors (N, A)``, by name; doing nothing first."""
    if n < 2 or axis_bins < 3 or axis_bins % 2 == 0:
        raise ActionError(f"n must be at least 2 and axis_bins odd, at least 3; got n={n}, axis_bins={axis_bins}")
    buttons = np.array([name in BUTTONS for name in controls])
    values = np.where(buttons, vectors >= 0.5, np.clip(vectors, -1, 1)).astype(np.float32)
    nearest = np.abs(values[..., None] - companded(axis_bins)).argmin(axis=2) - axis_bins // 2
    cells = np.where(buttons, values, nearest).astype(np.int8)
    kinds, kind_of, _ = np.unique(cells, axis=0, return_inverse=True, return_counts=True)
    counts = Counter(kind_of.ravel().tolist())
    found: dict[str, dict[str, float]] = {"nothing": {}}
    for kind, _ in sorted(counts.items(), key=lambda item: (-item[1], item[0])):
        if len(found) == n:
            break
        mean = values[kind_of.ravel() == kind].mean(axis=0)
        where = np.flatnonzero(kinds[kind]).tolist()
        combination = {controls[i]: round(float(mean[i]), 3) for i in where}
        if combination:
            found[_name(combination)] = combination
    return found


def _name(combination: Combination) -> str:
    return "+".join(control if control in BUTTONS else f"{control}={value:g}" for control, value in combination.items())


def _named(combinations: Sequence[Sequence[str] | Combination]) -> dict[str, Any]:
    """Combinations without names are called by what they hold."""
    named: dict[str, Any] = {}
    for combination in combinations:
        values = combination if isinstance(combination, Mapping) else dict.fromkeys(combination, 1.0)
        name = "+".join(values) if not isinstance(combination, Mapping) else _name(combination)
        if (name or "nothing") in named:
            raise _error(name or "nothing", "is there twice: keep one of them")
        named[name or "nothing"] = combination
    return named


def _of_profile(env: gymnasium.Env[Any, Any]) -> Mapping[str, Combination]:
    profile = getattr(env.unwrapped, "profile", None)
    combinations: Mapping[str, Combination] = getattr(profile, "actions", {})
    if not combinations:
        where = "this environment has no profile" if profile is None else f"{profile.path} has no [actions]"
        raise ActionError(
            f"{where}: give combinations={{'nothing': [], ...}}, take the most frequent ones of recordings by "
            "DiscreteActions.from_dataset(env, recordings), or add [actions] to the profile (gameon games --help)"
        )
    return combinations


def _error(name: str, problem: str) -> ActionError:
    return ActionError(f"combination {name!r} {problem}")
