"""How many threads are worth having beside what else runs on this machine."""

from __future__ import annotations

import os

import psutil

LOOK_S = 0.3
BUSY_PERCENT = 50.0


def idle_cores() -> int:
    """How many of the cores that this process may use have little else to do now; at least 1.

    PyTorch's threads wait for each other after every operation, and do so by spinning. One that has to share its core
    holds all the others up: on 2 cores with other busy programs a batch took 0.15 s with one thread, 0.5 to 9 s with
    two, and ten times the processor's time.
    """
    busy: list[float] = psutil.cpu_percent(LOOK_S, percpu=True)
    mine = usable_cores()
    if max(mine) >= len(busy):  # in some containers the cores are counted anew, in that list alone
        return max(1, min(len(mine), sum(share < BUSY_PERCENT for share in busy)))
    return max(1, sum(busy[core] < BUSY_PERCENT for core in mine))


def usable_cores() -> set[int]:
    """The numbers of the cores that this process may use."""
    return os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else set(range(os.cpu_count() or 1))
