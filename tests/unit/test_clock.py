"""The pacer's elastic ticks, on a fake clock."""

from __future__ import annotations

from gameon_env.clock import FakeClock, MonotonicClock, Pacer


def test_ticks_come_one_period_apart() -> None:
    clock = FakeClock()
    pacer = Pacer(100, clock)
    ticks = []
    for work in (10, 90, 0, 50):
        clock.advance(work)
        assert pacer.wait() == 0
        ticks.append(clock.now_ns())
    assert ticks == [100, 200, 300, 400]


def test_a_late_step_starts_at_once_and_the_phase_is_kept() -> None:
    clock = FakeClock()
    pacer = Pacer(100, clock)
    clock.advance(130)
    assert pacer.wait() == 30
    assert clock.now_ns() == 130
    pacer.wait()
    assert clock.now_ns() == 200


def test_missed_ticks_are_given_up() -> None:
    clock = FakeClock()
    pacer = Pacer(100, clock)
    clock.advance(1000)
    assert pacer.wait() == 900
    pacer.wait()
    assert clock.now_ns() == 1100


def test_the_real_clock_never_wakes_early() -> None:
    clock = MonotonicClock()
    for delay_ns in (0, 50_000, 3_000_000):
        due_ns = clock.now_ns() + delay_ns
        clock.sleep_until(due_ns)
        assert clock.now_ns() >= due_ns
