"""All controls in [-1, 1]: for agents such as SAC, whose networks speak in a box around 0."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import gymnasium
import numpy as np
import numpy.typing as npt

from gameon_env.keys import BUTTONS
from wrappers.action_coding import ActionCoding, CodedActions, Vectors, controls_of


class SymmetricCoding(ActionCoding):
    """Axes as they are; keys and buttons are held from 0 on, at rest below."""

    def __init__(self, controls: Sequence[str]) -> None:
        self.controls = tuple(controls)
        self._buttons = np.array([name in BUTTONS for name in self.controls])
        self.space = gymnasium.spaces.Box(-1.0, 1.0, (len(self.controls),), np.float32)

    def to_vector(self, action: Any) -> Vectors:
        """As an environment of named controls takes it: values beyond [-1, 1], as of noise that explores, are clipped.

        Raises:
            ActionError: wrong shape, or NaN.
        """
        given = np.asarray(action)
        if given.dtype.kind in "fiub" and not np.isnan(given).any():
            given = np.clip(given, -1.0, 1.0).astype(np.float32)
        return super().to_vector(given)

    def decode(self, actions: npt.NDArray[Any]) -> Vectors:
        return np.where(self._buttons, actions >= 0, actions).astype(np.float32)

    def encode(self, vectors: Vectors) -> npt.NDArray[np.float32]:
        return np.where(self._buttons, np.where(vectors >= 0.5, 1.0, -1.0), vectors).astype(np.float32)

    def to_json(self) -> dict[str, Any]:
        return {"kind": "symmetric", "controls": list(self.controls)}


class SymmetricActions(CodedActions, gymnasium.utils.RecordConstructorArgs):
    """Actions ``(A,) float32`` in [-1, 1]: axes as they are, keys and buttons held from 0 on.

    Args:
        env: an environment with named controls.
    """

    def __init__(self, env: gymnasium.Env[Any, Any]) -> None:
        gymnasium.utils.RecordConstructorArgs.__init__(self)
        super().__init__(env, SymmetricCoding(controls_of(env, "SymmetricActions").names))
