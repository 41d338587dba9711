"""One game under the virtual clock over all its launches: what an environment needs of it."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping

from gameon_env.desktop.lockstep.controller import LockstepClock
from gameon_env.desktop.lockstep.detect import check_program
from gameon_env.desktop.lockstep.lockstep_error import LockstepError

END_WAIT_S = 2.0
"""How long a game of which no thread is left may take to be over."""


class LockstepSession:
    """The virtual clock of one game, which may be launched again and again; its time never goes back.

    Per launch: :meth:`launch`, then :meth:`begin`, then :meth:`advance` for each step, and :meth:`release` before the
    game is told to end. :meth:`close` ends it.

    Args:
        limit_s: real seconds that the game may take over one grant.
    """

    def __init__(self, *, limit_s: float = 20.0) -> None:
        self.limit_s = limit_s
        self._clock: LockstepClock | None = None
        self._alive: Callable[[], bool] = lambda: False
        self._before_ns = 0

    @property
    def now_ns(self) -> int:
        """The virtual time: ns of all launches so far."""
        return self._before_ns + (self._clock.now_ns if self._clock is not None else 0)

    @property
    def clock(self) -> LockstepClock:
        """The clock of this launch. Raises ``LockstepError`` before the first one."""
        if self._clock is None:
            raise LockstepError("no game was launched in lockstep")
        return self._clock

    def launch(self, program: str, seed: int, env: Mapping[str, str] | None = None) -> dict[str, str]:
        """A new clock for a new launch. Returns the variables that the game must be started with, those of ``env`` too.

        Raises:
            LockstepError: the program is out of reach (static, Go, setuid), or this is not Linux.
            MissingProgramError: the program, or the C compiler, is not installed.
        """
        check_program(program)
        self.close()
        self._clock = LockstepClock(seed=seed, limit_s=self.limit_s, env=env)
        return dict(self._clock.environment)

    def begin(self, alive: Callable[[], bool], timeout_s: float = 10.0, limit_s: float | None = None) -> None:
        """Wait until the launched game is under the clock.

        Args:
            alive: whether the game's process is there.
            timeout_s: how long it may take to load.
            limit_s: real seconds that it may take from there to its first wait, where that is more than usual.

        Raises:
            LockstepError: it is not.
        """
        self._alive = alive
        self.clock.begin(alive, timeout_s, limit_s)

    def advance(self, ns: int, limit_s: float | None = None) -> None:
        """Grant so much time, and wait until the game has used it. A game that ended meanwhile is over then.

        Args:
            ns: how much.
            limit_s: real seconds that it may take, where that is more than usual.

        Raises:
            LockstepError: the game does not use it up, and the message says where it is; or it left the clock.
        """
        clock = self.clock
        clock.advance(ns, limit_s)
        if clock.abandoned:
            end = time.monotonic() + END_WAIT_S
            while self._alive():
                if time.monotonic() > end:
                    raise LockstepError(
                        "the game goes on, but no thread of it is under the virtual clock any more: it may have "
                        'started a program that is setuid, statically linked, or in a sandbox; use time="real"'
                    )
                time.sleep(0.001)

    def release(self) -> None:
        """Let the game run free, so that it can end as it likes."""
        if self._clock is not None:
            self._clock.release()

    def close(self) -> None:
        """Let go of the game that runs, if any: it ends by itself. May be called twice."""
        clock, self._clock = self._clock, None
        if clock is not None:
            self._before_ns += clock.now_ns
            clock.close()
