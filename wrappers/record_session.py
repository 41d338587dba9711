"""RecordSession: what is played in an environment, by an agent or a person, as free-running sessions."""

from __future__ import annotations

from pathlib import Path
from typing import Any, SupportsFloat

import gymnasium
import numpy as np
import numpy.typing as npt
from gymnasium.utils import RecordConstructorArgs

from gameon_env.envs.desktop_env import DesktopEnv
from gameon_env.errors import GameOnError
from gameon_env.games.profile import Attach
from gameon_env.recording.recorder import SessionRecorder

Observation = npt.NDArray[np.uint8]
Action = npt.NDArray[np.float32]


class RecordSession(gymnasium.Wrapper[Observation, Action, Observation, Action], RecordConstructorArgs):
    """Records the display of a ``GameOn-Desktop-v0`` environment while it is played: every picture and every input
    with its own time, as ``gameon record`` does; who played is told by where the input came from.

    On a private display, and of a game that runs already, all episodes are one session. A game that is launched on a
    display that a person uses gets a session for each episode, of its part of the screen while it has the focus, for
    its window may be another one after a reset.

    Args:
        env: the environment, wrapped or not.
        data_dir: where ``gameon.db`` and ``sessions/`` lie; ``./data`` without it.
        **choices: of :class:`gameon_env.recording.recorder.SessionRecorder`, ``fps`` or ``codec`` for instance.
            Sound is not recorded, and there are no hotkeys, unless asked for.

    Attributes:
        sessions: the recorders so far, in order; the last one may still run.

    Raises:
        GameOnError: the environment is none of ours, or is in lockstep.
    """

    def __init__(
        self, env: gymnasium.Env[Observation, Action], data_dir: str | Path | None = None, **choices: Any
    ) -> None:
        RecordConstructorArgs.__init__(self, data_dir=data_dir, **choices)
        super().__init__(env)
        if not isinstance(env.unwrapped, DesktopEnv):
            raise GameOnError(
                f"RecordSession needs a GameOn-Desktop-v0 environment, whose display it records; got {env.unwrapped}. "
                "Any environment's steps are recorded by wrappers.RecordEpisode"
            )
        if env.unwrapped.time != "real":
            raise GameOnError(
                f"a session has the times of the real clock, and this game runs in {env.unwrapped.time}: record its "
                "steps, with the game's own times, by wrappers.RecordEpisode, or make the environment with time='real'"
            )
        self._desktop = env.unwrapped
        self._choices = {"data_dir": data_dir, "system_audio": False, "pause_key": None, "stop_key": None} | choices
        self._generation = 0
        self.sessions: list[SessionRecorder] = []

    @property
    def _per_episode(self) -> bool:
        return self._desktop.display_shared and self._desktop.profile.launch is not None

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Observation, dict[str, Any]]:
        """As the environment's; the recording begins with the display, or where it is shared with the first picture.

        Raises:
            GameOnError: it cannot be recorded; nothing is left behind.
        """
        self._desktop.open_display()
        if self._per_episode or self._generation != self._desktop.display_generation:
            self._stop()
        if not self._desktop.display_shared:
            self._start(Attach(monitor=0), only_focused=False, gamepads=False)
        observation, info = self.env.reset(seed=seed, options=options)
        if self._desktop.display_shared:
            left, top = self._desktop.game_origin
            height, width = self._desktop.controls.window_size
            attach = self._desktop.profile.attach or Attach(region=(left, top, width, height))
            self._start(attach, seed=info.get("seed"))
        return observation, info

    def step(self, action: Action) -> tuple[Observation, SupportsFloat, bool, bool, dict[str, Any]]:
        """As the environment's."""
        observation, reward, terminated, truncated, info = self.env.step(action)
        if (terminated or truncated) and self._per_episode:
            self._stop()
        return observation, reward, terminated, truncated, info

    def close(self) -> None:
        """Complete the session, then close the environment.

        Raises:
            GameOnError: the session could not be completed; ``gameon recover`` can.
        """
        try:
            self._stop()
        finally:
            self.env.close()

    def _start(self, attach: Attach, **choices: Any) -> None:
        if self.sessions and self._generation == self._desktop.display_generation and self.sessions[-1].running:
            return
        recorder = SessionRecorder(
            str(self._desktop.profile.path),
            display=self._desktop.display_name,
            attach=attach,
            **{"title": self._desktop.profile.name, **choices, **self._choices},
        )
        recorder.start()
        self._generation = self._desktop.display_generation
        self.sessions.append(recorder)

    def _stop(self) -> None:
        if self.sessions:
            self.sessions[-1].stop()
