"""Calls that few games make, under the virtual clock: each waits in virtual time, and none goes unseen."""

from __future__ import annotations

import errno
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator

import pytest

from gameon_env.desktop.lockstep.session import LockstepSession
from tests.live._lockstep_play import LONG, compiled, measured, play

pytestmark = pytest.mark.skipif(
    sys.platform != "linux" or shutil.which("cc") is None, reason="lockstep needs Linux and a C compiler"
)


@pytest.fixture(scope="module")
def probe(tmp_path_factory: pytest.TempPathFactory) -> str:
    return compiled("lockstep_calls.c", tmp_path_factory.mktemp("probe"))


@pytest.fixture
def session() -> Iterator[LockstepSession]:
    session = LockstepSession(limit_s=10)
    yield session
    assert session.clock.unseen_waits == []
    session.close()


def check_times(found: dict[str, tuple[int, int]]) -> dict[str, int]:
    """All took their time, but for what is ready, which says 1. Returns the results of those that waited."""
    ready = {name: row for name, row in found.items() if name.endswith("_ready")}
    for name, (ns, result) in ready.items():
        assert ns < 10_000, name
        assert result == 1, name
    for name, (ns, _) in found.items() - ready.items():
        assert is_long(ns), name
    return {name: result for name, (_, result) in found.items() if name not in ready}


def is_long(ns: int) -> bool:
    return abs(ns - LONG) < 10_000


def test_a_semaphore_that_a_handler_posts_wakes_who_waits_for_it(session: LockstepSession, probe: str) -> None:
    found = measured(play(session, probe, "handler_posts"))
    ns, result = found["worker"]
    assert is_long(ns)
    assert result == 0


def test_reads_by_streams_and_a_shell_that_waits(session: LockstepSession, probe: str) -> None:
    assert check_times(measured(play(session, probe, "streams"))) == {
        "fgets": 1, "fread": 6, "getline": 6, "fscanf": 2, "getc": 1, "pclose": 0, "shell": 0,
    }  # fmt: skip


def test_waits_for_signals(session: LockstepSession, probe: str) -> None:
    found = measured(play(session, probe, "signals"))
    assert found.pop("alarms") == (2, 0)
    assert check_times(found) == {
        "sigtimedwait": -1, "sigtimedwait_alarm": signal.SIGALRM, "sigwaitinfo": signal.SIGALRM,
        "sigwait": signal.SIGALRM, "sigsuspend": -1,
    }  # fmt: skip


def test_messages_and_semaphores_between_processes(session: LockstepSession, probe: str) -> None:
    results = check_times(measured(play(session, probe, "messages")))
    assert results == {
        "recvmmsg": 2, "recvmmsg_one": 1, "readv": 1, "recvfrom_chk": 1,
        **({"mq_timedreceive": -1, "mq_timedsend": -1} if "mq_timedsend" in results else {}),
        **({"semtimedop": -1, "semop": 0} if "semop" in results else {}),
    }  # fmt: skip


def test_calls_by_number(session: LockstepSession, probe: str) -> None:
    results = check_times(measured(play(session, probe, "numbers")))
    assert results.pop("timerfd") == 8
    assert {"ppoll", "pselect6", "epoll_pwait"} <= set(results)
    assert set(results.values()) == {0}


def test_limits_of_sockets_and_signals_that_interrupt_a_read(session: LockstepSession, probe: str) -> None:
    found = measured(play(session, probe, "reads"))
    assert found.pop("alarms") == (3, 0)
    assert check_times(found) == {
        "recv_limit": errno.EAGAIN, "read_limit": errno.EAGAIN, "interrupted": errno.EINTR,
        "interrupted_again": errno.EINTR, "restarted": 1,
    }  # fmt: skip


def test_clocks_that_are_asked_oddly_and_times_that_never_come(session: LockstepSession, probe: str) -> None:
    assert check_times(measured(play(session, probe, "clocks"))) == {
        "nanosleep": -1, "clock_nanosleep": errno.EINTR, "pselect": -1, "select": -1, "timer": 8, "timer_again": -1,
    }  # fmt: skip


def test_randomness_has_no_end_and_comes_from_the_seed(session: LockstepSession, probe: str) -> None:
    first, same, other = (play(session, probe, "random", seed=seed) for seed in (3, 3, 4))
    assert len(measured(first)) == 5
    check_times(measured(first))
    assert first == same != other


def test_locks_and_joins_with_a_limit_and_threads_that_are_cancelled(session: LockstepSession, probe: str) -> None:
    assert check_times(measured(play(session, probe, "threads"))) == {
        **dict.fromkeys(("clockrdlock", "clockwrlock", "timedjoin", "clockjoin"), errno.ETIMEDOUT), "joined": 0,
        **dict.fromkeys(("in_sleep", "in_semaphore", "in_poll", "in_condition", "in_join"), -1), "not_at_all": 0,
    }  # fmt: skip


def test_processes_wake_one_another_by_what_they_share(session: LockstepSession, probe: str) -> None:
    results = check_times(measured(play(session, probe, "family")))
    assert results == {"timedwait": errno.ETIMEDOUT, "signal": 0, "futex": 1}


def test_a_futex_call_that_changes_a_second_word(session: LockstepSession, probe: str) -> None:
    """Qt's semaphores wake by it: without it no Qt program with a session bus begins."""
    assert check_times(measured(play(session, probe, "wake_op"))) == {"both": 2}
    kernel = subprocess.run([probe, "wake_codes"], capture_output=True, text=True, check=True).stdout
    assert play(session, probe, "wake_codes").split() == kernel.split()
