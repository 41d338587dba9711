"""Keys that stay as they are for a while: for agents that decide anew at each step, and games that want holds."""

from __future__ import annotations

from typing import Any, SupportsFloat

import gymnasium
import numpy as np

from gameon_env.errors import ActionError
from wrappers.action_coding import Vectors, controls_of


class StickyKeys(gymnasium.Wrapper[Any, Any, Any, Any], gymnasium.utils.RecordConstructorArgs):
    """Keys and buttons keep their state, by chance or for some steps. Axes pass as they are.

    Actions stay vectors of named controls, and ``info["action"]`` is what was really applied: recordings need no
    conversion. Other action wrappers go outside: ``DiscreteActions(StickyKeys(env))``.

    Args:
        env: an environment with named controls.
        probability: that at a step all keys and buttons stay as they were, as in the Arcade Learning Environment's
            sticky actions (0.25 there), which make a game of fixed course one that must be looked at. Repeatable by
            ``reset(seed=...)``.
        hold: a key that went down stays down for at least so many steps, so that an agent that explores by
            independent samples gives holds instead of taps.

    Raises:
        ActionError: a probability outside of [0, 1), or ``hold`` less than 1.
    """

    def __init__(self, env: gymnasium.Env[Any, Any], probability: float = 0.0, hold: int = 1) -> None:
        gymnasium.utils.RecordConstructorArgs.__init__(self, probability=probability, hold=hold)
        super().__init__(env)
        self._controls = controls_of(env, "StickyKeys")
        if not 0 <= probability < 1:
            raise ActionError(f"probability must be at least 0 and less than 1; it is {probability!r}")
        if isinstance(hold, bool) or not isinstance(hold, int) or hold < 1:
            raise ActionError(f"hold must be a whole number of steps, at least 1; it is {hold!r}")
        self._probability, self._hold = probability, hold
        self._rng = np.random.default_rng()
        self._held = np.zeros(len(self._controls), bool)
        self._steps_down = np.zeros(len(self._controls), np.int64)

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        """Reset the environment; nothing is held."""
        if seed is not None:
            self._rng = np.random.default_rng(seed)
        self._held[:] = False
        self._steps_down[:] = 0
        return self.env.reset(seed=seed, options=options)

    def step(self, action: Any) -> tuple[Any, SupportsFloat, bool, bool, dict[str, Any]]:
        """Take a step with the keys that stick.

        Raises:
            ActionError: wrong shape, or NaN.
        """
        if action is None:  # a person plays
            return self.env.step(None)
        vector = self._stuck(self._controls.clip(action))
        observation, reward, terminated, truncated, info = self.env.step(vector)
        info.setdefault("action", vector)
        return observation, reward, terminated, truncated, info

    def _stuck(self, vector: Vectors) -> Vectors:
        wanted = vector >= 0.5
        if self._probability and self._rng.random() < self._probability:
            wanted = self._held
        wanted = wanted | (self._held & (self._steps_down < self._hold))
        self._held = wanted & self._controls.is_button
        self._steps_down = np.where(self._held, self._steps_down + 1, 0)
        return np.where(self._controls.is_button, self._held, vector).astype(np.float32)
