"""The time in which a game is played: the real one, or a virtual one that is granted."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from typing import Protocol

from gameon_env.clock import now_ns
from gameon_env.desktop.lockstep.session import LockstepSession
from gameon_env.desktop.process import GameProcess
from gameon_env.desktop.windows import wait_for_window
from gameon_env.errors import GameCrashError, WindowError

LOOK_EVERY_NS = 20_000_000
"""How much time a starting game gets between two looks for its window."""


class GameTime(Protocol):
    """What a running game needs of time."""

    @property
    def virtual(self) -> bool:
        """Whether it passes only when it is granted."""

    def now_ns(self) -> int:
        """The time, in ns; it never goes back."""

    def sleep(self, seconds: float) -> None:
        """Let the game have so much time."""

    def launch(self, program: str, seed: int, env: Mapping[str, str]) -> dict[str, str]:
        """The variables that the game must be started with: ``env``, which wins, and what holds it to this time."""

    def begin(self, process: GameProcess, display: str, title: str | None, timeout_s: float) -> None:
        """Let the game that was launched come to the point where it shows a window."""

    @property
    def unseen_waits(self) -> list[str]:
        """What the game waited for that a virtual clock does not see: where another run may part from this one."""

    @property
    def fixed_layout(self) -> bool:
        """Whether the game's memory is laid out the same each time."""

    def release(self) -> None:
        """The game is about to be ended."""

    def close(self) -> None:
        """The game was ended."""


class RealTime:
    """The machine's clock."""

    virtual = False

    def now_ns(self) -> int:
        return now_ns()

    def sleep(self, seconds: float) -> None:
        time.sleep(seconds)

    def launch(self, program: str, seed: int, env: Mapping[str, str]) -> dict[str, str]:
        return dict(env)

    def begin(self, process: GameProcess, display: str, title: str | None, timeout_s: float) -> None:
        """Nothing: whoever looks for the window waits for it."""

    @property
    def unseen_waits(self) -> list[str]:
        return []

    @property
    def fixed_layout(self) -> bool:
        return False

    def release(self) -> None:
        """Nothing."""

    def close(self) -> None:
        """Nothing."""


class LockstepTime:
    """A virtual clock, on Linux: the game runs only as far as it is granted.

    Args:
        limit_s: real seconds that the game may take over one grant.
    """

    virtual = True

    def __init__(self, limit_s: float = 20.0) -> None:
        self._session = LockstepSession(limit_s=limit_s)
        self._owner_pid = os.getpid()

    def now_ns(self) -> int:
        return self._session.now_ns

    def sleep(self, seconds: float) -> None:
        if seconds > 0:
            self.advance(max(int(seconds * 1e9), 1))

    def advance(self, ns: int) -> None:
        """Grant so much time, and wait until the game has used it.

        Raises:
            LockstepError: it does not; the message says where it is.
        """
        self._session.advance(ns)

    def launch(self, program: str, seed: int, env: Mapping[str, str]) -> dict[str, str]:
        return self._session.launch(program, seed, env)

    def begin(self, process: GameProcess, display: str, title: str | None, timeout_s: float) -> None:
        self._session.begin(lambda: process.poll() is None, timeout_s, limit_s=timeout_s)
        end_ns = self.now_ns() + int(timeout_s * 1e9)
        while self.now_ns() < end_ns:
            self._session.advance(LOOK_EVERY_NS, timeout_s)
            try:
                wait_for_window(display, process=process, title=title, timeout_s=0).close()
            except WindowError:
                # No faster than real time: on a busy machine the game may wait for its display, which knows no other.
                time.sleep(LOOK_EVERY_NS / 1e9)
                continue
            except GameCrashError:
                return  # whoever looks for the window says why there is none
            return

    @property
    def unseen_waits(self) -> list[str]:
        return list(self._session.clock.unseen_waits)

    @property
    def fixed_layout(self) -> bool:
        return self._session.clock.fixed_layout

    def release(self) -> None:
        if os.getpid() == self._owner_pid:
            self._session.release()

    def close(self) -> None:
        if os.getpid() == self._owner_pid:
            self._session.close()
