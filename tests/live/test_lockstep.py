"""The virtual clock: everything that takes time takes virtual time, in the same order each time, and ends cleanly."""

from __future__ import annotations

import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import psutil
import pytest

from gameon_env.desktop.lockstep.lockstep_error import LockstepError
from gameon_env.desktop.lockstep.session import LockstepSession
from gameon_env.desktop.process import GameProcess
from tests.live._lockstep_play import LONG, SECOND, compiled, launch, measured, play

pytestmark = pytest.mark.skipif(
    sys.platform != "linux" or shutil.which("cc") is None, reason="lockstep needs Linux and a C compiler"
)


@pytest.fixture(scope="module")
def probe(tmp_path_factory: pytest.TempPathFactory) -> str:
    return compiled("lockstep_probe.c", tmp_path_factory.mktemp("probe"))


@pytest.fixture
def session() -> Iterator[LockstepSession]:
    session = LockstepSession(limit_s=10)
    yield session
    session.close()


@pytest.mark.parametrize(("what", "count"), [("sleeps", 7), ("files", 11), ("locks", 15), ("timers", 9)])
def test_waits_take_virtual_time(session: LockstepSession, probe: str, what: str, count: int) -> None:
    found = measured(play(session, probe, what))
    assert len(found) == count
    signals = found.pop("signals", None)
    assert signals in (None, (4, 0))
    for name, (ns, result) in found.items():
        if name == "timerfd_count":
            assert (ns, result) == (pytest.approx(0, abs=10_000), 6)  # every second for 5 s, and the first
        elif name.endswith("_ready"):
            assert ns < 10_000, name
            assert result == 1
        else:
            assert LONG <= ns < LONG + 10_000, name
    assert session.clock.unseen_waits == []


def test_every_clock_shows_the_virtual_time(session: LockstepSession, probe: str) -> None:
    found = measured(play(session, probe, "clocks"))
    assert found.pop("clock_getres") == (0, 1)
    assert len(found) == 8
    for name, (ns, _) in found.items():
        assert ns == pytest.approx(LONG, abs=SECOND if name == "time" else 10_000_000), name


def test_random_numbers_and_the_date_come_from_the_seed(session: LockstepSession, probe: str) -> None:
    first, same, other = (play(session, probe, "random", seed=seed).split() for seed in (3, 3, 4))
    assert first == same
    assert not set(first) & set(other)
    assert len(set(first)) == 5


def test_the_account_has_the_home_that_the_game_was_given(
    session: LockstepSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", "/nowhere/home")
    code = "import os, pwd; print(pwd.getpwuid(os.getuid()).pw_dir, pwd.getpwuid(1).pw_name)"
    home, other = play(session, sys.executable, "-c", code).split()
    assert home == "/nowhere/home"
    assert other


def test_the_address_space_is_laid_out_the_same(session: LockstepSession, probe: str) -> None:
    layouts = {play(session, probe, "layout") for _ in range(3)}
    if not session.clock.fixed_layout:
        pytest.skip("this container does not allow personality()")
    assert len(layouts) == 1


def test_threads_run_in_the_same_order_each_time(session: LockstepSession, probe: str) -> None:
    runs = {play(session, probe, "crew") for _ in range(4)}
    assert len(runs) == 1
    assert runs.pop().split()[0] == "400"


def test_children_live_in_the_same_time(session: LockstepSession, probe: str) -> None:
    found = measured(play(session, probe, "family"))
    assert found.pop("pclose")[1] == 3
    assert {name: result for name, (_, result) in found.items()} == {
        "fork": 7, "spawn": 3, "system": 3, "popen": 5, "vfork": 3,
    }  # fmt: skip
    for name, (ns, _) in found.items():
        assert LONG <= ns < LONG + 10_000, name


def test_a_loop_that_waits_by_asking_for_the_time_goes_on(session: LockstepSession, probe: str) -> None:
    assert play(session, probe, "spin_clock") == "tick 0\ntick 1\ntick 2"


PYTHON = """
import asyncio, queue, random, subprocess, sys, threading, time, os
results = queue.Queue()
def worker(n):
    for i in range(5):
        time.sleep(random.random() * 100)
        results.put((n, i, time.monotonic()))
threads = [threading.Thread(target=worker, args=(n,)) for n in range(3)]
[t.start() for t in threads]
for _ in range(15):
    print(results.get(timeout=10_000))
[t.join() for t in threads]
event = threading.Event()
print(event.wait(500), time.time())
async def nap():
    await asyncio.gather(asyncio.sleep(300), asyncio.sleep(200))
asyncio.run(nap())
print(subprocess.run([sys.executable, "-c", "import time; time.sleep(100); print(7)"], capture_output=True).stdout)
print(time.time(), time.perf_counter(), os.urandom(8), random.random())
"""


def test_python_with_threads_asyncio_and_children_is_repeatable(session: LockstepSession) -> None:
    runs = [play(session, sys.executable, "-c", PYTHON) for _ in range(2)]
    assert runs[0] == runs[1]
    assert "b'7\\n'" in runs[0]
    assert len(runs[0].splitlines()) == 18
    assert play(session, sys.executable, "-c", PYTHON, seed=2) != runs[0]


def test_the_game_runs_as_far_as_it_is_granted_and_no_further(session: LockstepSession, probe: str) -> None:
    with launch(session, probe, "frames") as game:
        start = session.now_ns
        frames = []
        for _ in range(10):
            session.advance(SECOND)
            frames.append(len(game.output_tail(10_000).splitlines()))
        assert session.now_ns == start + 10 * SECOND
        steps = {later - earlier for earlier, later in pairwise(frames)}
        assert steps <= {60, 61}
        time.sleep(0.05)
        assert len(game.output_tail(10_000).splitlines()) == frames[-1]


def test_launcher_scripts_and_time_that_never_goes_back(session: LockstepSession, probe: str, tmp_path: Path) -> None:
    script = tmp_path / "launcher"
    script.write_text(f'#!/bin/sh\nsleep 100\ncd /\n{probe} nap > /dev/null\nexec {probe} frames "$@"\n')
    script.chmod(0o755)
    for _ in range(2):
        before = session.now_ns
        with launch(session, str(script)) as game:
            session.advance(1099 * SECOND)
            assert "frame" not in game.output_tail(5)
            session.advance(2 * SECOND)
            assert "frame" in game.output_tail(5)
        assert session.now_ns > before + 1100 * SECOND


def test_a_game_that_waits_for_a_socket_is_no_error(session: LockstepSession) -> None:
    code = "import socket; s = socket.create_server(('127.0.0.1', 0)); print('up', flush=True); s.accept()"
    with launch(session, sys.executable, "-c", code) as game:
        for _ in range(3):
            session.advance(SECOND)
        assert game.output_tail() == "up"
        assert session.clock.unseen_waits == []
        assert "accept" in session.clock.waits()


def test_a_game_that_never_sleeps_is_an_error_that_says_where_it_is(probe: str) -> None:
    session = LockstepSession(limit_s=0.5)
    variables = session.launch(probe, 1)
    with GameProcess.launch([probe, "spin"], display=None, env=variables) as game:
        with pytest.raises(LockstepError, match=rf"within 0.5 s.*\nprobe \(pid {game.pid}, .*runs.*kernel: R"):
            session.begin(lambda: True)
        session.close()


def test_a_wait_that_is_not_seen_lets_the_others_go_on_and_is_told(session: LockstepSession, probe: str) -> None:
    with launch(session, probe, "unseen"):
        for _ in range(3):
            session.advance(SECOND)
        assert session.now_ns >= 3 * SECOND
        assert len(session.clock.unseen_waits) == 1


def test_a_crash_ends_the_step(session: LockstepSession, probe: str) -> None:
    with launch(session, probe, "crash") as game:
        session.advance(10 * SECOND)
        assert game.poll() == -signal.SIGABRT
        session.advance(SECOND)


def test_a_game_without_the_library_is_an_error(session: LockstepSession, probe: str) -> None:
    variables = session.launch(probe, 1) | {"LD_PRELOAD": ""}
    with (
        GameProcess.launch([probe, "frames"], display=None, env=variables) as game,
        pytest.raises(LockstepError, match="did not load the library"),
    ):
        session.begin(lambda: game.poll() is None, timeout_s=0.3)


def test_a_launcher_that_drops_the_library_is_an_error(session: LockstepSession, probe: str) -> None:
    code = f"import os; os.environ.pop('LD_PRELOAD'); os.execv({probe!r}, [{probe!r}, 'frames'])"
    with launch(session, sys.executable, "-c", code), pytest.raises(LockstepError, match="no thread of it is under"):
        session.advance(SECOND)


def test_a_game_that_ends_at_once_is_an_error(session: LockstepSession) -> None:
    variables = session.launch("sh", 1) | {"LD_PRELOAD": ""}
    with (
        GameProcess.launch(["sh", "-c", "exit 3"], display=None, env=variables) as game,
        pytest.raises(LockstepError, match="ended before"),
    ):
        session.begin(lambda: game.poll() is None)


def test_the_game_ends_when_its_clock_is_closed(session: LockstepSession, probe: str) -> None:
    with launch(session, probe, "frames") as game:
        session.advance(SECOND)
        session.close()
        deadline = time.monotonic() + 10
        while game.poll() is None and time.monotonic() < deadline:
            time.sleep(0.005)
        assert game.poll() == 113


EXIT = """
import atexit, threading, time
worker = threading.Thread(target=lambda: [time.sleep(0.01) for _ in range(10**7)], daemon=True)
worker.start()
import signal, sys
signal.signal(signal.SIGTERM, lambda *_: sys.exit(5))
print("up", flush=True)
while True:
    time.sleep(0.1)
"""


def test_a_game_may_end_as_it_likes_when_it_is_released(session: LockstepSession) -> None:
    with launch(session, sys.executable, "-c", EXIT) as game:
        session.advance(SECOND)
        assert game.output_tail() == "up"
        then = session.now_ns
        session.release()
        game.close(grace_s=10)
        assert game.poll() == 5
        assert session.now_ns == then


CONTROLLER = """
import sys, time
from gameon_env.desktop.lockstep.session import LockstepSession
import os, subprocess
session = LockstepSession()
game = subprocess.Popen(
    [sys.argv[1], "frames"], env=os.environ | session.launch(sys.argv[1], 1), stdout=subprocess.DEVNULL
)
session.begin(lambda: True)
session.advance(10**9)
print(game.pid, flush=True)
time.sleep(600)
"""


def test_the_game_ends_when_its_controller_is_killed(probe: str) -> None:
    with subprocess.Popen([sys.executable, "-c", CONTROLLER, probe], stdout=subprocess.PIPE) as controller:
        assert controller.stdout is not None
        pid = int(controller.stdout.readline())
        game = psutil.Process(pid)
        controller.kill()
    _, alive = psutil.wait_procs([game], timeout=20)
    assert not alive


def test_nothing_is_left_in_shared_memory_or_open(session: LockstepSession, probe: str) -> None:
    def left() -> tuple[set[str], int]:
        return {path.name for path in Path("/dev/shm").glob("*gameon*")}, len(list(Path("/proc/self/fd").iterdir()))

    play(session, probe, "random")
    session.close()
    before = left()
    for _ in range(20):
        play(session, probe, "random")
        session.close()
    assert left() == before
