"""Threads and processes under the virtual clock: what they do at their ends, and those that wait for each other."""

from __future__ import annotations

import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from gameon_env.desktop.lockstep.session import LockstepSession
from tests.live._lockstep_play import LONG, compiled, measured, play

pytestmark = pytest.mark.skipif(
    sys.platform != "linux" or shutil.which("cc") is None, reason="lockstep needs Linux and a C compiler"
)
MS = 1_000_000


@pytest.fixture(scope="module")
def probe(tmp_path_factory: pytest.TempPathFactory) -> str:
    return compiled("lockstep_threads.c", tmp_path_factory.mktemp("probe"))


@pytest.fixture
def session() -> Iterator[LockstepSession]:
    session = LockstepSession(limit_s=10)
    yield session
    assert session.clock.unseen_waits == []
    session.close()


def test_what_a_thread_tells_in_its_destructors_is_heard(session: LockstepSession, probe: str) -> None:
    ((_, (ns, result)),) = measured(play(session, probe, "destructors")).items()
    assert ns < MS
    assert result == 1


def test_waits_go_on_in_real_time_while_a_process_ends(session: LockstepSession, probe: str, tmp_path: Path) -> None:
    source, library = Path(__file__).with_name("lockstep_late.c"), tmp_path / "late.so"
    subprocess.run(["cc", "-O1", "-shared", "-fPIC", str(source), "-o", str(library), "-pthread"], check=True)
    variables = session.launch(probe, 1, {"LD_PRELOAD": str(library)})
    before = time.monotonic()
    with subprocess.Popen([probe, "ends"], env=variables, stdout=subprocess.PIPE, text=True) as game:
        session.begin(lambda: game.poll() is None)
        session.advance(2000 * MS)
        output, _ = game.communicate(timeout=10)
    assert game.returncode == 0
    ns, result = measured(output)["late"]
    assert result == -1
    assert 50 * MS <= ns < 1000 * (time.monotonic() - before) * MS


def test_who_looks_at_the_clock_does_not_keep_others_from_going_on(session: LockstepSession, probe: str) -> None:
    found = measured(play(session, probe, "spins"))
    assert {name: result for name, (_, result) in found.items()} == {"one": 1, "several": 6}
    assert all(ns < MS for ns, _ in found.values())


def test_a_collector_that_stops_all_threads_takes_no_time(session: LockstepSession, probe: str) -> None:
    before = time.monotonic()
    lines = play(session, probe, "collects").splitlines()
    assert len(lines) == 20
    assert time.monotonic() - before < 8  # of half a second each, where it waited for a handler that posts nothing
    for line in lines:
        ns, result = measured(line)["collection"]
        assert ns < MS
        assert result == 1


def test_writes_wait_for_their_readers_under_the_clock(session: LockstepSession, probe: str) -> None:
    found = measured(play(session, probe, "writes"))
    assert found == {f"way{way}": (1_000_000, 3) for way in range(5)}


def test_a_wait_for_room_that_never_comes_has_its_limit(session: LockstepSession, probe: str) -> None:
    ns, result = measured(play(session, probe, "room"))["poll"]
    assert ns == pytest.approx(LONG, abs=MS)
    assert result == 0


def test_a_send_has_its_sockets_limit(session: LockstepSession, probe: str) -> None:
    ns, result = measured(play(session, probe, "limit"))["send"]
    assert ns == pytest.approx(LONG, abs=MS)
    assert result == -1


def test_small_records_stay_whole(session: LockstepSession, probe: str) -> None:
    assert measured(play(session, probe, "records"))["whole"] == (0, 1500)


def test_streams_wait_for_every_piece_of_a_line(session: LockstepSession, probe: str) -> None:
    ns, lines = measured(play(session, probe, "pieces"))["lines"]
    assert ns == pytest.approx(LONG, abs=MS)
    assert lines == 10


def test_a_signal_interrupts_a_stream(session: LockstepSession, probe: str) -> None:
    found = measured(play(session, probe, "interrupted"))
    assert found["fgets"] == (pytest.approx(LONG, abs=MS), 0)
    assert found["error"] == (0, 1)


def test_a_terminal_of_its_own_for_a_child(session: LockstepSession) -> None:
    code = (
        "import os, pty, time\n"
        "pid, terminal = pty.fork()\n"
        "if not pid:\n"
        "    time.sleep(1000)\n"
        "    os.write(1, b'well')\n"
        "    os._exit(3)\n"
        "start = time.monotonic()\n"
        "text = os.read(terminal, 100)\n"
        "print(text, round(time.monotonic() - start), os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))\n"
    )
    assert play(session, sys.executable, "-c", code).strip() == "b'well' 1000 3"


WRAPS = """
#define _GNU_SOURCE
#include <dlfcn.h>
#include <unistd.h>
ssize_t write(int file, const void *data, size_t size) {
    static ssize_t (*real)(int, const void *, size_t);
    if (!real) real = (ssize_t (*)(int, const void *, size_t))dlsym(dlopen("libc.so.6", RTLD_LAZY), "write");
    return real(file, data, size);
}
"""


def test_a_library_between_us_and_the_c_librarys_finds_its_own(
    session: LockstepSession, probe: str, tmp_path: Path
) -> None:
    (tmp_path / "wraps.c").write_text(WRAPS)
    library = tmp_path / "wraps.so"
    subprocess.run(["cc", "-shared", "-fPIC", str(tmp_path / "wraps.c"), "-o", str(library)], check=True)
    variables = session.launch(probe, 1, {"LD_PRELOAD": str(library)})
    with subprocess.Popen([probe, "pieces"], env=variables, stdout=subprocess.PIPE, text=True) as game:
        session.begin(lambda: game.poll() is None)
        session.advance(2 * LONG)
        output, _ = game.communicate(timeout=10)
    assert measured(output)["lines"][1] == 10


def test_the_frame_in_which_a_child_is_seen_to_be_over_is_the_same(session: LockstepSession, probe: str) -> None:
    frames = {measured(play(session, probe, "asks"))["frames"][1] for _ in range(4)}
    assert len(frames) == 1
    assert frames <= {19, 20, 21}


def test_a_helper_that_reads_commands_answers_at_once(session: LockstepSession, probe: str) -> None:
    code = (
        "import subprocess, sys, time\n"
        "pipes = {'stdin': subprocess.PIPE, 'stdout': subprocess.PIPE, 'text': True}\n"
        "engine = subprocess.Popen([sys.argv[1], 'answers'], **pipes)\n"
        "for number in range(20):\n"
        "    time.sleep(100)\n"
        "    start = time.monotonic()\n"
        "    engine.stdin.write(f'move {number}\\n')\n"
        "    engine.stdin.flush()\n"
        "    assert engine.stdout.readline() == f'best move {number}\\n'\n"
        "    assert time.monotonic() - start < 0.01\n"
        "engine.stdin.close()\n"
        "engine.wait()\n"
        "print('well')\n"
    )
    assert play(session, sys.executable, "-c", code, probe).strip() == "well"


def test_much_is_sent_to_a_child_and_between_processes(session: LockstepSession) -> None:
    code = (
        "import multiprocessing, subprocess, sys, time\n"
        "text = 'x' * 300_000\n"
        "counted = subprocess.run(['wc', '-c'], input=text, text=True, stdout=subprocess.PIPE).stdout\n"
        "def send(end):\n"
        "    for _ in range(5):\n"
        "        end.send_bytes(text.encode())\n"
        "        time.sleep(100)\n"
        "mine, theirs = multiprocessing.Pipe()\n"
        "process = multiprocessing.get_context('fork').Process(target=send, args=(theirs,))\n"
        "process.start()\n"
        "start = time.monotonic()\n"
        "times = [(len(mine.recv_bytes()), round(time.monotonic() - start, 1)) for _ in range(5)]\n"
        "process.join()\n"
        "print(int(counted), times)\n"
    )
    expected = f"300000 {[(300_000, 100.0 * number) for number in range(5)]}"
    assert play(session, sys.executable, "-c", code).strip() == expected


def test_functions_that_are_looked_up_in_the_c_library_are_ours(session: LockstepSession) -> None:
    code = (
        "import ctypes, time\n"
        "for name in (None, 'libc.so.6'):\n"
        "    start = time.monotonic()\n"
        "    ctypes.CDLL(name).sleep(1000)\n"
        "    print(round(time.monotonic() - start))\n"
    )
    assert play(session, sys.executable, "-c", code).split() == ["1000", "1000"]


def test_what_is_not_there_is_an_error_of_the_look_up(session: LockstepSession) -> None:
    code = (
        "import ctypes\n"
        "own = ctypes.CDLL(None)\n"
        "own.dlopen.restype = own.dlsym.restype = own.dlerror.restype = ctypes.c_void_p\n"
        "own.dlsym.argtypes = ctypes.c_void_p, ctypes.c_char_p\n"
        "for name in (b'no_such_function', b'printf'):\n"
        "    own.dlerror()\n"
        "    print(bool(own.dlsym(own.dlopen(None, 1), name)), bool(own.dlerror()))\n"
    )
    assert play(session, sys.executable, "-c", code).splitlines() == ["False True", "True False"]


def test_a_game_that_runs_free_sees_its_files_and_the_date(session: LockstepSession, probe: str) -> None:
    variables = session.launch(probe, 1)
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen([probe, "saves"], env=variables, bufsize=0, **pipes) as game:
        assert game.stdin is not None
        assert game.stdout is not None
        session.begin(lambda: game.poll() is None)
        session.advance(1000 * MS)
        session.release()
        game.stdin.write(b"go on\n")
        assert game.stdout.readline() == b"freed 1 0\n"
        game.send_signal(signal.SIGTERM)
        name, date, later = game.stdout.readline().split()
        assert (name, later) == (b"saved", b"1")
        assert int(date) > 1_700_000_000
        assert game.wait(10) == 5


def test_a_lock_that_a_dead_process_holds_is_taken_from_it(session: LockstepSession, probe: str) -> None:
    """Nobody has taken note of its death yet: its parent is here, and waits for the lock."""
    variables = session.launch(probe, 1)
    with subprocess.Popen([probe, "answers"], env=variables, stdin=subprocess.PIPE) as game:
        session.begin(lambda: game.poll() is None)
        session.clock._state.lock = game.pid
        game.kill()
        waiting = threading.Thread(target=session.advance, args=(1000 * MS,), daemon=True)
        waiting.start()
        waiting.join(20)
        held, session.clock._state.lock = session.clock._state.lock, 0
        waiting.join(20)
        assert held == 0
