"""Private displays start, are what they say, and always go."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from gameon_env.desktop import x11
from gameon_env.desktop.capture import open_capture
from gameon_env.desktop.display import PrivateDisplay, current_display, display_alive, monitors, screen_size
from gameon_env.desktop.region import Region
from gameon_env.errors import CaptureError, DisplayError, MissingProgramError


def test_it_has_the_size_asked_for_and_goes_on_close() -> None:
    display = PrivateDisplay((240, 320))
    assert display.name.startswith(":")
    assert display.alive
    assert display_alive(display.name)
    assert screen_size(display.name) == (240, 320)
    assert monitors(display.name) == [Region(0, 0, 320, 240)]
    display.close()
    display.close()
    assert not display.alive
    assert not display_alive(display.name)
    assert not psutil.pid_exists(display.pid)


def test_several_at_once_have_their_own_numbers() -> None:
    displays = [PrivateDisplay((64, 64), gl=False) for _ in range(3)]
    assert len({display.name for display in displays}) == 3
    for display in displays:
        display.close()


def test_no_auto_repeat_and_no_pointer_in_the_picture() -> None:
    with PrivateDisplay((64, 64), gl=False, cursor=False) as display:
        connection = x11.connect(display.name)
        assert connection.get_keyboard_control().global_auto_repeat == 0
        root = connection.screen().root
        context = root.create_gc(foreground=0x123456)
        root.fill_rectangle(context, 0, 0, 64, 64)
        root.warp_pointer(32, 32)
        connection.sync()
        capture = open_capture(display.name, Region(0, 0, 64, 64))
        assert (capture.grab().rgb() == (0x12, 0x34, 0x56)).all()
        capture.close()
        connection.close()


def test_what_a_game_noted_down_on_it_is_forgotten() -> None:
    """As GTK notes there what it found out of OpenGL, so that a second game would begin otherwise than the first."""
    with PrivateDisplay((64, 64)) as display:
        display.forget_game()
        connection = x11.connect(display.name)
        root = connection.screen().root
        before = set(root.list_properties())
        string = connection.intern_atom("STRING")
        root.change_property(connection.intern_atom("_A_NOTE"), string, 8, b"found")
        connection.sync()
        assert len(root.list_properties()) == len(before) + 1
        display.forget_game()
        assert set(root.list_properties()) == before
        connection.close()
    with pytest.raises(DisplayError):
        display.forget_game()


def test_a_server_that_dies_is_noticed() -> None:
    with PrivateDisplay((64, 64), gl=False) as display:
        psutil.Process(display.pid).kill()
        psutil.Process(display.pid).wait()
        assert not display.alive
    number = display.name.removeprefix(":")
    assert not Path(f"/tmp/.X{number}-lock").exists()


def test_it_ends_with_an_interpreter_that_forgets_it() -> None:
    script = "from gameon_env.desktop.display import PrivateDisplay as P; d = P((64, 64), gl=False); print(d.pid)"
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert not psutil.pid_exists(int(run.stdout))


def test_a_forked_child_does_not_take_it_along() -> None:
    with PrivateDisplay((64, 64), gl=False) as display:
        script = (
            "import os, sys\nfrom gameon_env.desktop.display import PrivateDisplay as P\nd = P((64, 64), gl=False)\n"
            "pid = os.fork()\nif pid == 0: d.close(); os._exit(0)\nos.waitpid(pid, 0); print(d.alive)"
        )
        run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
        assert run.stdout.strip() == "True"
        assert display.alive


def test_a_missing_xvfb_names_the_command_that_brings_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(MissingProgramError, match="apt-get install xvfb"):
        PrivateDisplay((64, 64))


def test_an_xvfb_that_fails_is_quoted(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    program = tmp_path / "Xvfb"
    program.write_text("#!/bin/sh\necho no room for another screen >&2\nexit 1\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    with pytest.raises(DisplayError, match="no room for another screen"):
        PrivateDisplay((64, 64))


@pytest.mark.parametrize("size", [(0, 10), (10, 40_000)])
def test_impossible_sizes(size: tuple[int, int]) -> None:
    with pytest.raises(DisplayError, match="height, width"):
        PrivateDisplay(size)


def test_the_current_display(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    monkeypatch.delenv("XDG_SESSION_TYPE", raising=False)
    monkeypatch.setenv("DISPLAY", ":5")
    assert current_display() == ":5"
    monkeypatch.delenv("DISPLAY")
    with pytest.raises(DisplayError, match='display="private"'):
        current_display()


@pytest.mark.parametrize(("name", "value"), [("WAYLAND_DISPLAY", "wayland-0"), ("XDG_SESSION_TYPE", "wayland")])
def test_a_wayland_session_is_refused(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    monkeypatch.setenv("DISPLAY", ":0")
    monkeypatch.setenv(name, value)
    with pytest.raises(DisplayError, match="Wayland"):
        current_display()


def test_a_display_that_is_not_there() -> None:
    assert not display_alive(":4321")
    assert not display_alive("no display name")
    with pytest.raises(CaptureError, match=":4321"):
        screen_size(":4321")


def test_the_machine_layer_imports_without_its_backends() -> None:
    """Each backend's package is imported where it is chosen: another system has other ones, or none."""
    script = """
import importlib, pkgutil, sys
for name in ("Xlib", "pynput", "mss", "sounddevice", "psutil"):
    sys.modules[name] = None
import gameon_env.desktop
for module in pkgutil.iter_modules(gameon_env.desktop.__path__):
    importlib.import_module(f"gameon_env.desktop.{module.name}")
"""
    environment = {name: value for name, value in os.environ.items() if name != "DISPLAY"}
    environment["PYTHONPATH"] = os.pathsep.join(filter(None, sys.path))
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, env=environment, check=False)
    assert run.returncode == 0, run.stderr


def test_a_process_with_more_than_a_thousand_open_files() -> None:
    """Past them select() fails, which python-xlib uses too."""
    script = """
import os, resource
limits = resource.getrlimit(resource.RLIMIT_NOFILE)
resource.setrlimit(resource.RLIMIT_NOFILE, (max(limits[0], min(2048, limits[1])), limits[1]))
held = [os.open(os.devnull, os.O_RDONLY) for _ in range(1100)]
from gameon_env.desktop.changes import open_changes
from gameon_env.desktop.display import PrivateDisplay
from gameon_env.desktop.inject import open_injector
from gameon_env.desktop.region import Region
from gameon_env.desktop.watchdog import Watchdog
from gameon_env.desktop.x11 import Wire, connect
with PrivateDisplay((64, 64), gl=False) as display, Watchdog.start(display.name, private=True) as watchdog:
    changes = open_changes(display.name, Region(0, 0, 64, 64), backend="damage")
    while changes.wait(0.1) is not None:
        pass
    connection = connect(display.name)
    root = connection.screen().root
    root.fill_rectangle(root.create_gc(foreground=0x123456), 0, 0, 64, 64)
    connection.sync()
    print(changes.wait(30) is not None)
    injector = open_injector(display.name, watchdog=watchdog)
    injector.press("key:w")
    injector.flush()
    eye = Wire(display.name)
    print(*eye.held())
    for one in (injector, eye, changes, connection):
        one.close()
"""
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, env=environment, check=False)
    assert run.stdout.split() == ["True", "key:w"], run.stderr
