"""The time of an environment: the real one, or a virtual one of which each step grants one period."""

from __future__ import annotations

from typing import Protocol

from gameon_env.clock import Pacer
from gameon_env.errors import ProfileError
from gameon_env.games.game_time import GameTime, LockstepTime, RealTime
from gameon_env.games.profile import Profile


class Ticks(Protocol):
    """What a step waits for."""

    def restart(self) -> None:
        """The first tick is due one period from now."""

    def wait(self) -> int:
        """Wait for the next tick. Returns how late it is, in ns."""


class LockstepTicks:
    """Grants the game one period at each tick; over many ticks the rate is exact.

    After a step that took longer, as one in which the game opened its window anew, they go on from then.

    Args:
        time: the game's virtual clock.
        fps: ticks per second of game time.
    """

    def __init__(self, time: LockstepTime, fps: float) -> None:
        self._time = time
        self._fps = fps
        self._start_ns = time.now_ns()
        self._ticks = 0

    def restart(self) -> None:
        self._start_ns = self._time.now_ns()
        self._ticks = 0

    def wait(self) -> int:
        self._ticks += 1
        left_ns = self._due_ns() - self._time.now_ns()
        if left_ns <= 0:
            self.restart()
            self._ticks = 1
            left_ns = self._due_ns() - self._time.now_ns()
        self._time.advance(left_ns)
        return 0

    def _due_ns(self) -> int:
        return self._start_ns + round(self._ticks * 1e9 / self._fps)


def choose_time(time: str, profile: Profile, *, private: bool) -> GameTime:
    """The game's time.

    Args:
        time: ``real`` or ``lockstep``.
        private: the game is launched on a private display.

    Raises:
        ProfileError: lockstep for a game that is not launched on a private display, or that cannot be played in it.
    """
    if time == "real":
        return RealTime()
    if profile.launch is None or not private:
        raise ProfileError(
            f"{profile.path}: time='lockstep' holds the clock of a game that is launched on a private display "
            "(display='private', on Linux with Xvfb: apt-get install xvfb); use time='real' for any other"
        )
    if not profile.launch.lockstep:
        raise ProfileError(f"{profile.path}: this game cannot be played in lockstep (launch.lockstep): use time='real'")
    return LockstepTime(profile.launch.step_limit_s)


def choose_pacer(time: GameTime, fps: float) -> Ticks:
    """What an environment at ``fps`` steps a second waits for in each step."""
    if isinstance(time, LockstepTime):
        return LockstepTicks(time, fps)
    return Pacer(int(1e9 / fps))
