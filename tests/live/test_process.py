"""Game processes are started as asked, watched, and ended whole."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import cv2
import psutil
import pytest

from gameon_env.desktop.process import GameProcess, game_environment
from gameon_env.errors import GameCrashError, MissingProgramError


def wait_for(done: Callable[[], bool], timeout_s: float = 10.0) -> bool:
    deadline = time.monotonic() + timeout_s
    while not done() and time.monotonic() < deadline:
        time.sleep(0.005)
    return done()


def test_exit_code_and_output() -> None:
    with GameProcess.launch(
        ["sh", "-c", "for i in $(seq 30); do echo line $i; done; echo oh no >&2; exit 3"], display=None
    ) as game:
        assert wait_for(lambda: game.poll() is not None)
        assert game.poll() == 3
        assert game.output_tail(2) == "line 30\noh no"
        assert len(game.output_tail().splitlines()) == 20
    assert game.output_tail(1) == "oh no"


def test_a_crash_is_a_negative_code() -> None:
    with GameProcess.launch(["sh", "-c", "kill -SEGV $$"], display=None) as game:
        assert wait_for(lambda: game.poll() is not None)
        assert game.poll() == -11


def test_close_ends_the_group_descendants_and_deserters_that_ignore_term() -> None:
    script = "trap '' TERM; sleep 600 & (setsid sh -c \"trap '' TERM; sleep 600 & sleep 600\" &) ; sleep 600"
    game = GameProcess.launch(["sh", "-c", script], display=None)
    assert wait_for(lambda: len(game.pids()) == 6)
    pids = game.pids()
    game.close(grace_s=0.1)
    game.close()
    assert game.pids() == set()
    assert game.poll() in (-9, 128 + 9)  # a shell that saw the end of its last child first
    assert not any(psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE for pid in pids)
    assert not psutil.pid_exists(game.pid)  # collected: no zombie of ours


def test_a_polite_game_may_save_before_it_ends(tmp_path: Path) -> None:
    saved = tmp_path / "saved"
    script = f"trap 'touch {saved}; exit 0' TERM; echo up; while :; do sleep 0.01; done"
    game = GameProcess.launch(["sh", "-c", script], display=None)
    assert wait_for(lambda: game.output_tail() == "up")
    game.close(grace_s=10)
    assert saved.exists()


def test_a_stopped_game_is_ended_too() -> None:
    game = GameProcess.launch(["sleep", "600"], display=None)
    psutil.Process(game.pid).suspend()
    game.close(grace_s=10)
    assert game.poll() == -15


def test_a_launcher_that_exits_well_is_not_the_end_of_the_game() -> None:
    with GameProcess.launch(["sh", "-c", "(setsid sleep 600 &); exit 0"], display=None) as game:
        assert wait_for(lambda: game.pid not in game.pids() and len(game.pids()) == 1)
        assert game.poll() is None
        for pid in game.pids():
            psutil.Process(pid).kill()
        assert wait_for(lambda: game.poll() == 0)


def test_services_that_a_game_started_are_not_the_game(tmp_path: Path) -> None:
    service = tmp_path / "dbus-daemon"
    shutil.copy(shutil.which("sleep") or "", service)
    with GameProcess.launch(["sh", "-c", f"(setsid {service} 600 &); exit 0"], display=None) as game:
        assert wait_for(lambda: game.pid not in game.pids() and len(game.pids()) == 1)
        assert wait_for(lambda: game.poll() == 0)
        (left,) = game.pids()
    assert not psutil.pid_exists(left) or psutil.Process(left).status() == psutil.STATUS_ZOMBIE


def test_its_own_home_and_a_display_of_its_own(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("WAYLAND_DISPLAY", "wayland-0")
    monkeypatch.setenv("XDG_CONFIG_HOME", "/somewhere")
    monkeypatch.setenv("SDL_VIDEODRIVER", "dummy")
    home = tmp_path / "new" / "home"
    log = tmp_path / "log.txt"
    names = ("HOME", "DISPLAY", "SDL_VIDEODRIVER", "WAYLAND_DISPLAY", "XDG_CONFIG_HOME", "MINE")
    show = f"import os; print(*[os.environ.get(name) for name in {names}], os.getcwd())"
    with GameProcess.launch(
        [sys.executable, "-c", show], display=":77", cwd=tmp_path, env={"MINE": "yes"}, home=home, log=log
    ) as game:
        assert wait_for(lambda: game.poll() is not None)
    assert log.read_text().split() == [str(home), ":77", "x11", "None", "None", "yes", str(tmp_path)]
    assert home.is_dir()


def test_the_callers_variables_win() -> None:
    variables = game_environment(":1", None, {"SDL_VIDEODRIVER": "dummy", "SDL_AUDIODRIVER": "disk"}, "token")
    assert (variables["SDL_VIDEODRIVER"], variables["SDL_AUDIODRIVER"]) == ("dummy", "disk")


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has other variables")
def test_a_game_knows_whose_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    """As it does on a desktop; in a container these are often missing."""
    import pwd

    name = pwd.getpwuid(os.getuid()).pw_name
    for variable in ("USER", "LOGNAME", "LNAME", "USERNAME"):
        monkeypatch.delenv(variable, raising=False)
    variables = game_environment(None, None, {}, "token")
    assert (variables["USER"], variables["LOGNAME"]) == (name, name)
    monkeypatch.setenv("USER", "somebody")
    assert game_environment(None, None, {}, "token")["USER"] == "somebody"

    def unknown(_: int) -> None:
        raise KeyError("uid not found")

    monkeypatch.delenv("USER")
    monkeypatch.setattr(pwd, "getpwuid", unknown)
    assert game_environment(None, None, {}, "token")["USER"] == str(os.getuid())


def test_what_opencv_does_to_its_own_process_does_not_reach_the_game(monkeypatch: pytest.MonkeyPatch) -> None:
    """Or a game would load its libraries, and Qt its plugins, from there, and from the current folder."""
    assert cv2.__file__ is not None
    folder = Path(cv2.__file__).parent
    own = f"{folder}/../../lib64:"
    monkeypatch.setenv("LD_LIBRARY_PATH", own)
    monkeypatch.setenv("QT_QPA_FONTDIR", str(folder / "qt" / "fonts"))
    monkeypatch.setenv("QT_QPA_PLATFORM_PLUGIN_PATH", "/opt/mine/plugins")
    variables = game_environment(None, None, {}, "token")
    assert "LD_LIBRARY_PATH" not in variables
    assert "QT_QPA_FONTDIR" not in variables
    assert variables["QT_QPA_PLATFORM_PLUGIN_PATH"] == "/opt/mine/plugins"
    monkeypatch.setenv("LD_LIBRARY_PATH", f"{own}{own}/opt/mine:/opt/other")  # a process that such a one started
    assert game_environment(None, None, {}, "token")["LD_LIBRARY_PATH"] == "/opt/mine:/opt/other"
    code = "import cv2, os; from gameon_env.desktop.process import game_environment as e; print(e(None, None, {}, ''))"
    clean = {name: value for name, value in os.environ.items() if name != "LD_LIBRARY_PATH"}
    said = subprocess.run([sys.executable, "-c", code], env=clean, capture_output=True, text=True, check=True)
    assert "LD_LIBRARY_PATH" not in said.stdout


def test_a_program_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(MissingProgramError, match="no-such-game"):
        GameProcess.launch(["no-such-game", "--fast"], display=None)
    broken = tmp_path / "broken"
    broken.write_bytes(b"\x7fELF and no more")
    broken.chmod(0o755)
    with pytest.raises(GameCrashError, match="could not be started"):
        GameProcess.launch([str(broken)], display=None)


def test_a_program_beside_the_profile(tmp_path: Path) -> None:
    program = tmp_path / "game.sh"
    program.write_text("#!/bin/sh\necho here\n")
    program.chmod(0o755)
    with GameProcess.launch(["./game.sh"], display=None, cwd=tmp_path) as game:
        assert wait_for(lambda: game.poll() == 0)
        assert game.output_tail() == "here"


def test_it_ends_with_an_interpreter_that_forgets_it() -> None:
    script = (
        "from gameon_env.desktop.process import GameProcess\n"
        "g = GameProcess.launch(['sleep', '600'], display=None); print(g.pid)"
    )
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, env=os.environ)
    assert not psutil.pid_exists(int(run.stdout))
