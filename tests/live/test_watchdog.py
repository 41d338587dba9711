"""After an agent is killed, nothing of it stays: no key down, no game, no display, no folder."""

from __future__ import annotations

import os
import shutil
import signal
import struct
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from gameon_env.desktop import reaper
from gameon_env.desktop.display import PrivateDisplay
from gameon_env.desktop.inject import open_injector
from gameon_env.desktop.process import GameProcess
from gameon_env.desktop.watchdog import Watchdog
from gameon_env.desktop.x11 import Wire
from gameon_env.errors import DisplayError
from tests.physical import PhysicalDevices

BENCH = Path(__file__).parents[2] / "scripts" / "bench" / "kill_agent.py"

AGENT = """
import os, sys, time
from pathlib import Path
from gameon_env.desktop.inject import open_injector
from gameon_env.desktop.watchdog import Watchdog
display, private = sys.argv[1], sys.argv[2] == "private"
watchdog = Watchdog.start(display, private=private)
watchdog.guard_folder(Path(sys.argv[3]))
injector = open_injector(display, sys.argv[4], watchdog=watchdog)
injector.press("key:w"); injector.press("mouse:right"); injector.press("key:e"); injector.flush()
injector.release("key:e"); injector.flush()
print(watchdog.pid, flush=True)
if sys.argv[5] == "fork" and os.fork() == 0:
    print(os.getpid(), flush=True)
    time.sleep(600)
{end}
"""


def wait_for(done: Callable[[], bool], timeout_s: float = 20.0) -> bool:
    deadline = time.monotonic() + timeout_s
    while not done() and time.monotonic() < deadline:
        time.sleep(0.005)
    return done()


def runs(pid: int) -> bool:
    try:
        return bool(psutil.Process(pid).status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


def start_agent(
    display: str,
    folder: Path,
    private: bool = False,
    backend: str = "x11",
    end: str = "time.sleep(600)",
    fork: str = "",
    python: str = sys.executable,
) -> tuple[subprocess.Popen[str], int]:
    command = [python, "-c", AGENT.replace("{end}", end), display, "private" if private else "shared"]
    environment = os.environ | {"DISPLAY": display, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    agent = subprocess.Popen(
        [*command, str(folder), backend, fork],
        stdout=subprocess.PIPE,
        text=True,
        env=environment,
        start_new_session=True,
    )
    assert agent.stdout is not None
    return agent, int(agent.stdout.readline())


def finish(agent: subprocess.Popen[str]) -> None:
    agent.kill()
    agent.wait()
    assert agent.stdout is not None
    agent.stdout.close()


@pytest.mark.parametrize("backend", ["x11", "pynput"])
def test_on_a_shared_display_only_what_the_dead_one_held(backend: str, tmp_path: Path) -> None:
    folder = tmp_path / "home"
    (folder / "deep").mkdir(parents=True)
    with PrivateDisplay((120, 160), gl=False) as display, PhysicalDevices(display.name) as person:
        eye = Wire(display.name)
        person.press("key:up")
        agent, watchdog = start_agent(display.name, folder, backend=backend)
        assert eye.held() == {"key:w", "key:up", "mouse:right"}
        finish(agent)
        assert wait_for(lambda: not runs(watchdog))
        assert eye.held() == {"key:up"}
        assert not folder.exists()
        eye.close()


@pytest.mark.parametrize(
    "end", ["os.kill(os.getpid(), 9)", "os.abort()", "sys.exit(0)", "1 / 0", "os.killpg(0, 15)", "os._exit(0)"]
)
def test_however_it_ends_nothing_stays_down(end: str, tmp_path: Path) -> None:
    with PrivateDisplay((120, 160), gl=False) as display:
        eye = Wire(display.name)
        agent, watchdog = start_agent(display.name, tmp_path / "home", end=end + "\n")
        agent.wait(20)
        assert wait_for(lambda: not runs(watchdog))
        assert eye.held() == frozenset()
        finish(agent)
        eye.close()


def test_on_a_private_display_all_that_is_down(tmp_path: Path) -> None:
    with PrivateDisplay((120, 160), gl=False) as display:
        eye = Wire(display.name)
        other = open_injector(display.name)
        other.press("key:up")
        other.flush()
        agent, watchdog = start_agent(display.name, tmp_path / "home", private=True)
        assert eye.held() == {"key:w", "key:up", "mouse:right"}
        finish(agent)
        assert wait_for(lambda: not runs(watchdog))
        assert eye.held() == frozenset()
        other.close()
        eye.close()


def test_signals_to_the_owner_and_its_group_do_not_reach_the_watchdog(tmp_path: Path) -> None:
    with PrivateDisplay((120, 160), gl=False) as display:
        agent, watchdog = start_agent(display.name, tmp_path / "home", end="time.sleep(600)")
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            os.kill(watchdog, number)
        eye = Wire(display.name)
        assert runs(watchdog)
        assert eye.held() == {"key:w", "mouse:right"}
        os.killpg(agent.pid, signal.SIGTERM)
        assert wait_for(lambda: not runs(watchdog))
        assert eye.held() == frozenset()
        finish(agent)
        eye.close()


def test_a_forked_child_that_lives_on_does_not_hide_the_death(tmp_path: Path) -> None:
    with PrivateDisplay((120, 160), gl=False) as display:
        eye = Wire(display.name)
        agent, watchdog = start_agent(display.name, tmp_path / "home", fork="fork")
        assert agent.stdout is not None
        child = int(agent.stdout.readline())
        finish(agent)
        assert wait_for(lambda: not runs(watchdog))
        assert runs(child)
        assert eye.held() == frozenset()
        os.kill(child, signal.SIGKILL)
        eye.close()


def test_an_orderly_end_only_releases(tmp_path: Path) -> None:
    with PrivateDisplay((120, 160), gl=False) as display:
        eye = Wire(display.name)
        other = open_injector(display.name)
        other.press("key:up")
        other.flush()
        with GameProcess.launch(["sleep", "600"], display=None) as game:
            watchdog = Watchdog.start(display.name, private=True)
            watchdog.guard_process_group(game)
            watchdog.guard_display(display.pid)
            watchdog.guard_folder(tmp_path)
            held = open_injector(display.name, watchdog=watchdog)
            held.press("key:w")
            held.flush()
            assert watchdog.alive
            watchdog.close()
            watchdog.close()
            assert not watchdog.alive
            assert not psutil.pid_exists(watchdog.pid)
            assert game.poll() is None
        assert display.alive
        assert tmp_path.exists()
        assert eye.held() == {"key:up"}
        held.close()
        other.close()
        eye.close()


def test_a_process_with_a_dead_ones_number_is_not_hit() -> None:
    with GameProcess.launch(["sleep", "600"], display=None) as innocent:
        own = reaper.read_entry(innocent.pid)
        assert own is not None
        assert reaper.members(innocent.pid, own.start, innocent.token) == {innocent.pid}
        assert reaper.members(innocent.pid, own.start - 1, "another game's token") == set()


def test_kills_in_the_middle_of_a_press() -> None:
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    run = subprocess.run(
        [sys.executable, str(BENCH), "--kills", "4"], capture_output=True, text=True, env=environment, check=False
    )
    assert run.returncode == 0, run.stdout + run.stderr
    assert "2 in the middle of a press, 0 left" in run.stdout
    assert "own display: 2 kills, 0 left" in run.stdout


def test_packages_that_only_the_owner_knows_of(tmp_path: Path) -> None:
    """From PYTHONPATH, as by ``pip install --user`` and ``--target``: the interpreter itself has none of them."""
    with PrivateDisplay((120, 160), gl=False) as display:
        eye = Wire(display.name)
        agent, watchdog = start_agent(display.name, tmp_path / "home", python=str(Path(sys.executable).resolve()))
        assert eye.held() == {"key:w", "mouse:right"}
        finish(agent)
        assert wait_for(lambda: not runs(watchdog))
        assert eye.held() == frozenset()
        eye.close()


def test_a_watchdog_that_could_release_nothing_is_not_ready() -> None:
    program = [sys.executable, "-I", "-S", reaper.__file__, str(os.getpid()), ":1", "shared"]
    run = subprocess.run(program, input="hold k25\nbye\n", capture_output=True, text=True, check=False)
    assert run.returncode != 0
    assert run.stdout == ""
    assert "Xlib" in run.stderr


def test_a_display_whose_cookie_is_for_any_host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As ``xauth nlist | sed 's/^..../ffff/'`` makes it for a container."""
    fields = (b"", b"", b"MIT-MAGIC-COOKIE-1", bytes(range(16)))
    authority = tmp_path / "Xauthority"
    authority.write_bytes(struct.pack(">H", 65535) + b"".join(struct.pack(">H", len(one)) + one for one in fields))
    # A server that asks for the cookie, under the name of the one that the display starts.
    program = tmp_path / "Xvfb"
    program.write_text(f'#!/bin/sh\nexec {shutil.which("Xvfb")} "$@" -auth {authority}\n')
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    with PrivateDisplay((120, 160), gl=False) as display:
        with pytest.raises(DisplayError):
            Wire(display.name)
        monkeypatch.setenv("XAUTHORITY", str(authority))
        eye = Wire(display.name)
        agent, watchdog = start_agent(display.name, tmp_path / "home")
        assert eye.held() == {"key:w", "mouse:right"}
        finish(agent)
        assert wait_for(lambda: not runs(watchdog))
        assert eye.held() == frozenset()
        eye.close()
