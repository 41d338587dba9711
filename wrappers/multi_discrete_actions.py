"""One choice per key, per group of keys that exclude each other, and per axis."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import gymnasium
import numpy as np
import numpy.typing as npt

from gameon_env.controls import Controls
from gameon_env.errors import ActionError, UnknownNameError, suggest
from gameon_env.keys import BUTTONS
from wrappers.action_coding import ActionCoding, CodedActions, Vectors, controls_of
from wrappers.axis_bins import AxisBins, axis_values

OPPOSITES = (
    ("key:a", "key:d"),
    ("key:w", "key:s"),
    ("key:left", "key:right"),
    ("key:up", "key:down"),
    ("key:numpad_4", "key:numpad_6"),
    ("key:numpad_8", "key:numpad_2"),
)
"""Keys that say opposite things in most games."""


class ChoiceCoding(ActionCoding):
    """Several choices at once.

    Attributes:
        groups: of keys and buttons: a choice is none of them (0), the first (1) ...; most groups have one member.
        bins: by axis, the values of its choices.
    """

    def __init__(
        self,
        controls: Sequence[str],
        exclusive: Sequence[Sequence[str]],
        bins: Mapping[str, npt.NDArray[np.float32]],
    ) -> None:
        self.controls = tuple(controls)
        self.groups = _groups(self.controls, exclusive)
        self.bins = dict(bins)
        index = {name: i for i, name in enumerate(self.controls)}
        self._members = [[index[name] for name in group] for group in self.groups]
        self._axes = [index[name] for name in self.bins]
        sizes = [len(group) + 1 for group in self.groups] + [len(values) for values in self.bins.values()]
        self.space = gymnasium.spaces.MultiDiscrete(sizes)

    @property
    def choices(self) -> tuple[str, ...]:
        """What each choice is about, as in ``key:a|key:d``."""
        return (*("|".join(group) for group in self.groups), *self.bins)

    def decode(self, actions: npt.NDArray[Any]) -> Vectors:
        vectors = np.zeros((len(actions), len(self.controls)), np.float32)
        for column, members in enumerate(self._members):
            for choice, control in enumerate(members, start=1):
                vectors[:, control] = actions[:, column] == choice
        for column, (control, values) in enumerate(
            zip(self._axes, self.bins.values(), strict=True), start=len(self._members)
        ):
            vectors[:, control] = values[actions[:, column]]
        return vectors

    def encode(self, vectors: Vectors) -> npt.NDArray[np.int64]:
        """Of several keys of a group, the first; of an axis, the nearest value."""
        actions = np.zeros((len(vectors), len(self._members) + len(self._axes)), np.int64)
        for column, members in enumerate(self._members):
            held = vectors[:, members] >= 0.5
            actions[:, column] = np.where(held.any(axis=1), held.argmax(axis=1) + 1, 0)
        for column, (control, values) in enumerate(
            zip(self._axes, self.bins.values(), strict=True), start=len(self._members)
        ):
            actions[:, column] = np.abs(vectors[:, control, None] - values).argmin(axis=1)
        return actions

    def to_json(self) -> dict[str, Any]:
        return {
            "kind": "choices",
            "controls": list(self.controls),
            "groups": [list(group) for group in self.groups],
            "bins": {name: [float(value) for value in values] for name, values in self.bins.items()},
        }


class MultiDiscreteActions(CodedActions, gymnasium.utils.RecordConstructorArgs):
    """Actions are several choices at once: held or not for each key, one of some values for each axis.

    Args:
        env: an environment with named controls.
        mouse_bins: values of each axis: an odd number of them, close together near rest; ``"csgo"``, the mouse counts
            of the Counter-Strike cloning paper (23 x 15, fewer where ``mouse_scale_px`` is smaller); or by control, a
            number or the values themselves.
        exclusive: groups of keys of which at most one is held, as ``[["key:left", "key:right"]]``; without it, the
            opposite keys in :data:`OPPOSITES`; ``[]`` for none.

    Raises:
        ActionError: bins or groups that cannot be.
        UnknownNameError: a name that is none of the game's controls.
    """

    def __init__(
        self,
        env: gymnasium.Env[Any, Any],
        mouse_bins: AxisBins = 11,
        exclusive: Sequence[Sequence[str]] | None = None,
    ) -> None:
        gymnasium.utils.RecordConstructorArgs.__init__(self, mouse_bins=mouse_bins, exclusive=exclusive)
        controls = controls_of(env, "MultiDiscreteActions")
        groups = _opposites(controls) if exclusive is None else exclusive
        super().__init__(env, ChoiceCoding(controls.names, groups, axis_values(controls, mouse_bins)))


def _opposites(controls: Controls) -> list[tuple[str, ...]]:
    return [pair for pair in OPPOSITES if all(name in controls.index for name in pair)]


def _groups(controls: tuple[str, ...], exclusive: Sequence[Sequence[str]]) -> tuple[tuple[str, ...], ...]:
    """All keys and buttons in groups, in the order of each group's first control."""
    group_of: dict[str, tuple[str, ...]] = {}
    for group in exclusive:
        for name in group:
            if name not in controls:
                near = suggest(name, controls)
                raise UnknownNameError(f"exclusive names {name!r}, which is no control of this game.{near}")
            if name not in BUTTONS:
                raise ActionError(f"exclusive names the axis {name}: only keys and buttons can exclude each other")
            if name in group_of:
                raise ActionError(f"exclusive names {name} twice: a key can be in one group only")
            group_of[name] = tuple(group)
    return tuple(dict.fromkeys(group_of.get(name, (name,)) for name in controls if name in BUTTONS))
