"""Several clocks in one process, each held by a thread of its own, as the vector environment holds them."""

from __future__ import annotations

import sys
from concurrent.futures import ThreadPoolExecutor

import pytest

from gameon_env.desktop.lockstep.controller import LockstepClock

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="lockstep is for Linux")


def test_threads_do_not_take_each_others_clock() -> None:
    grants = 60_000  # with one clock for all, one of eight threads was lost in most runs
    clocks = [LockstepClock(seed=seed, limit_s=5.0) for seed in range(8)]

    def grant(clock: LockstepClock) -> int:
        for _ in range(grants):
            clock.advance(1000)
        return clock.now_ns

    with ThreadPoolExecutor(len(clocks)) as pool:
        assert list(pool.map(grant, clocks)) == [grants * 1000] * len(clocks)
    for clock in clocks:
        clock.close()
