"""One monotonic clock in nanoseconds, the pacer that holds an environment to its rate, and a fake clock for tests."""

from __future__ import annotations

import time
from typing import Protocol

now_ns = time.perf_counter_ns
"""The clock of every frame, event and block: CLOCK_MONOTONIC on Linux, which X11 servers use as well.

``time.monotonic_ns`` is the same clock there, but ticks every 15.6 ms only on Windows before Python 3.13."""


class Clock(Protocol):
    """What the pacer needs of a clock."""

    def now_ns(self) -> int: ...

    def sleep_until(self, t_ns: int) -> None: ...


class MonotonicClock:
    """The real clock. Sleeps to within some tens of microseconds: the system's sleep, then a short spin.

    The spin is short because it costs CPU time: on Linux ``time.sleep`` wakes about 60 us late.
    """

    SPIN_NS = 120_000

    def now_ns(self) -> int:
        return now_ns()

    def sleep_until(self, t_ns: int) -> None:
        left = t_ns - now_ns()
        if left > self.SPIN_NS:
            time.sleep((left - self.SPIN_NS) * 1e-9)
        while now_ns() < t_ns:
            pass


class FakeClock:
    """A clock for tests: time passes only by :meth:`sleep_until` and :meth:`advance`."""

    def __init__(self, start_ns: int = 0) -> None:
        self._t_ns = start_ns

    def now_ns(self) -> int:
        return self._t_ns

    def sleep_until(self, t_ns: int) -> None:
        self._t_ns = max(self._t_ns, t_ns)

    def advance(self, ns: int) -> None:
        self._t_ns += ns


class Pacer:
    """Elastic real-time ticks (the idea of rtgym): each tick is due one period after the last one was due.

    A step that comes late starts at once, and the schedule keeps its phase while the delay is shorter than one
    period, so that the mean rate holds; beyond that the missed ticks are given up, and the schedule starts anew.
    """

    def __init__(self, period_ns: int, clock: Clock | None = None) -> None:
        self.period_ns = period_ns
        self.clock: Clock = clock or MonotonicClock()
        self._due_ns = self.clock.now_ns()

    def restart(self) -> None:
        """Start a new schedule: the first tick is due one period from now."""
        self._due_ns = self.clock.now_ns()

    def wait(self) -> int:
        """Wait for the next tick. Returns how late it is, in ns (0 or more)."""
        due_ns = self._due_ns + self.period_ns
        self.clock.sleep_until(due_ns)
        late_ns = self.clock.now_ns() - due_ns
        self._due_ns = due_ns if late_ns < self.period_ns else due_ns + late_ns
        return late_ns
