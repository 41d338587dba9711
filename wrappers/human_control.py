"""A person plays, by real keyboard and mouse; the environment watches and says what was done."""

from __future__ import annotations

from typing import Any, SupportsFloat

import gymnasium
import numpy as np
import numpy.typing as npt

from gameon_env.clock import now_ns
from gameon_env.controls import StepBinner
from gameon_env.desktop.listen import Listener, open_listener
from gameon_env.envs.desktop_env import DesktopEnv
from gameon_env.errors import InputError
from gameon_env.events import InputEvent

Observation = npt.NDArray[np.uint8]
Action = npt.NDArray[np.float32]


class HumanControl(gymnasium.Wrapper[Observation, Action, Observation, Action]):
    """A person, or another process, plays the game through real input events.

    Nothing is injected meanwhile, not even releases. ``step`` ignores its action (None is fine), and puts what was
    really done between the two observations into ``info["action"]`` ``(A,) float32`` (axes are not clipped) and
    ``info["presses"]`` ``(A,) uint8``, with ``info["actor"] = "human"``. While the game's window does not have the
    focus on a shared display, nothing of what is typed elsewhere is kept.

    Args:
        env: a ``GameOn-Desktop-v0`` environment, wrapped or not.
        backend: how to listen: ``auto``, ``x11`` or ``pynput``.

    Raises:
        InputError: the environment is none of ours, or input cannot be heard here.
    """

    def __init__(self, env: gymnasium.Env[Observation, Action], backend: str = "auto") -> None:
        super().__init__(env)
        if not isinstance(env.unwrapped, DesktopEnv):
            raise InputError(
                f"HumanControl needs a GameOn-Desktop-v0 environment, whose game real events reach; got {env.unwrapped}"
            )
        self._desktop = env.unwrapped
        self._desktop.passive = True
        self._backend = backend
        self._listener: Listener | None = None
        self._listening_on = ""
        self._binner = StepBinner(self._desktop.controls)

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Observation, dict[str, Any]]:
        """Reset the game and start to listen. What is held already counts as held."""
        observation, info = self.env.reset(seed=seed, options=options)
        listener = self._listen()
        listener.drain()
        self._binner = self._begin(listener)
        info["actor"] = "human"
        return observation, info

    def step(self, action: Action | None = None) -> tuple[Observation, SupportsFloat, bool, bool, dict[str, Any]]:
        """Wait for the next tick and say what was done meanwhile."""
        observation, reward, terminated, truncated, info = self.env.step(self._desktop.controls.zeros())
        over = terminated or truncated
        if info["focused"] or over:
            self._binner.add(self._heard(over))
        else:
            self._binner = self._begin(self._listen())
        done = self._binner.take(now_ns() if over else info["t_ns"])
        info["action"], info["presses"] = done.inputs, done.presses
        info["actor"] = "human"
        return observation, reward, terminated, truncated, info

    def close(self) -> None:
        """Stop listening and close the environment."""
        self._close_listener()
        self._desktop.passive = False
        super().close()

    def _begin(self, listener: Listener) -> StepBinner:
        listener.drain()
        return StepBinner(
            self._desktop.controls, listener.held(), origin=self._desktop.game_origin, pointer=listener.pointer()
        )

    def _listen(self) -> Listener:
        if self._listener is None or self._listening_on != self._desktop.display_name:
            self._close_listener()
            self._listening_on = self._desktop.display_name
            self._listener = open_listener(self._listening_on, self._backend)
            self._listener.start()
        return self._listener

    def _heard(self, over: bool) -> list[InputEvent]:
        if self._listener is None:
            return []
        try:
            return self._listener.drain()
        except InputError:
            if not over:
                raise
            self._close_listener()  # the episode ended because the display went away
            return []

    def _close_listener(self) -> None:
        if self._listener is not None:
            self._listener.close()
            self._listener = None
