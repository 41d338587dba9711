"""The environment on real games, on real displays."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
import psutil
import pytest
from gymnasium.utils.env_checker import check_env
from gymnasium.wrappers import FrameStackObservation, GrayscaleObservation, RecordVideo
from stable_baselines3.common.env_checker import check_env as sb3_check_env
from Xlib import X

import gameon_env
from gameon_env.data_processing.digits import DigitFont
from gameon_env.desktop.display import PrivateDisplay, display_alive
from gameon_env.desktop.inject import open_injector
from gameon_env.desktop.listen import Listener, open_listener
from gameon_env.desktop.process import GameProcess
from gameon_env.desktop.region import Region
from gameon_env.desktop.windows import find_window, list_windows, open_window, wait_for_window
from gameon_env.desktop.x11 import Wire
from gameon_env.envs.desktop_env import DesktopEnv
from gameon_env.errors import (
    ActionError,
    DisplayError,
    EmergencyStop,
    GameCrashError,
    MissingProgramError,
    ObservationError,
    ProfileError,
    WindowError,
)
from tests.other_program import OtherProgram
from tests.physical import PhysicalDevices
from tests.screens import resize_screen

GAME = Path(__file__).with_name("small_game.py")
PROFILE = """
fps = 30
score = "score"
[launch]
command = ["{{python}}", "{game}", {arguments}]
screen_size = [240, 320]
gl = false
timeout_s = 10
[controls]
names = ["key:left", "key:right", "key:space"]
[readers.score]
kind = "bar"
region = [0, 0, 320, 8]
color = [240, 240, 240]
[[reward]]
reader = "score"
weight = 40
"""

Make = Callable[..., DesktopEnv]


@pytest.fixture
def make(tmp_path: Path) -> Iterator[Make]:
    """Makes environments of the small game, and closes them."""
    made: list[gymnasium.Env[Any, Any]] = []

    def make(*arguments: str, more: str = "", game: str = "", **options: Any) -> DesktopEnv:
        path = tmp_path / f"game{len(made)}.toml"
        words = ", ".join(f'"{argument}"' for argument in arguments)
        path.write_text(PROFILE.format(game=GAME, arguments=words) + more)
        env = gymnasium.make(gameon_env.ENV_ID, game=game or str(path), observation_size=(60, 80), **options)
        made.append(env)
        assert isinstance(env.unwrapped, DesktopEnv)
        return env.unwrapped

    yield make
    for env in made:
        env.close()


def play(env: gymnasium.Env[Any, Any], action: Any, steps: int) -> tuple[Any, ...]:
    result: tuple[Any, ...] = ()
    for _ in range(steps):
        result = env.step(action)
        if result[2] or result[3]:
            break
    return result


def wait_until(true: Callable[[], bool], timeout_s: float = 10) -> None:
    deadline = time.monotonic() + timeout_s
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.002)


def children() -> set[str]:
    return {f"{p.pid} {p.name()}" for p in psutil.Process().children(recursive=True) if p.status() != "zombie"}


def test_an_action_moves_the_game_and_the_score_comes_from_the_screen(make: Make) -> None:
    env = make()
    first, info = env.reset(seed=1)
    assert first.shape == (60, 80, 3)
    assert info["raw_score"] == 0
    before = np.argwhere((first[:, :, 0] > 150) & (first[:, :, 1] < 90))[:, 1].mean()
    observation, _, terminated, truncated, info = play(env, env.controls.vector(key_right=1), 10)
    after = np.argwhere((observation[:, :, 0] > 150) & (observation[:, :, 1] < 90))[:, 1].mean()
    assert after > before + 10
    assert not terminated
    assert not truncated
    assert info["action"].tolist() == [0, 1, 0]
    assert info["inject_t_ns"] < info["t_ns"]
    rewards = [env.step(env.controls.vector(key_space=i % 2))[1] for i in range(12)]
    assert sum(rewards) == pytest.approx(6, abs=1.01)  # the last tap may still be on its way


def test_frames_have_full_size_and_rgb(make: Make) -> None:
    env = make(render_mode="rgb_array")
    env.reset()
    picture = env.render()
    assert picture is not None
    assert picture.shape == (240, 320, 3)
    assert picture[200, 10].tolist() == [0, 60, 0]


def test_nothing_is_left_behind(make: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    before = children()
    env = make()
    env.reset()
    assert len(children()) >= len(before) + 3  # display, watchdog, game
    env.close()
    env.close()
    assert children() == before
    assert not list(tmp_path.glob("gameon-*"))


def test_a_crash_truncates_and_says_why(make: Make) -> None:
    env = make("--crash-after", "1.5")
    env.reset()
    observation, _, terminated, truncated, info = play(env, env.controls.zeros(), 90)
    assert (terminated, truncated) == (False, True)
    assert "exit code 3" in info["end_reason"]
    assert "a terrible thing happened" in info["end_reason"]
    assert observation.any()
    with pytest.raises(gymnasium.error.ResetNeeded):
        env.step(env.controls.zeros())
    env.reset()  # and it can be played again
    assert env.step(env.controls.zeros())[3] is False


def test_a_game_that_ends_by_itself_is_over_only_where_the_profile_says_so(make: Make) -> None:
    env = make("--exit-after", "1.5")
    env.reset()
    *_, terminated, truncated, info = play(env, env.controls.zeros(), 90)
    assert (terminated, truncated) == (False, True)
    assert info["end_reason"] == "game_exited"
    env = make("--exit-after", "1.5", more='[readers.ended]\nkind = "exit"\n[[termination]]\nreader = "ended"\n')
    env.reset()
    *_, terminated, truncated, info = play(env, env.controls.zeros(), 90)
    assert (terminated, truncated) == (True, False)
    assert info["end_reason"] == "game_over: ended"


def test_a_closed_window_truncates(make: Make) -> None:
    env = make("--close-after", "1.5")
    env.reset()
    *_, terminated, truncated, info = play(env, env.controls.zeros(), 90)
    assert (terminated, truncated) == (False, True)
    assert "window_closed" in info["end_reason"]


def test_a_lost_display_truncates_and_the_next_reset_starts_another(make: Make) -> None:
    env = make()
    env.reset()
    play(env, env.controls.vector(key_left=1), 3)
    server = next(p for p in psutil.Process().children() if p.name() == "Xvfb")
    os.kill(server.pid, signal.SIGKILL)
    *_, terminated, truncated, info = play(env, env.controls.vector(key_left=1), 30)
    assert (terminated, truncated) == (False, True)
    assert "display_lost" in info["end_reason"]
    observation, _ = env.reset()
    assert observation.any()


@contextlib.contextmanager
def another_under_its_name(display: str, server: psutil.Process) -> Iterator[None]:
    """End a display's server, and have another one under the same name."""
    server.terminate()
    server.wait()
    command = ["Xvfb", display, "-screen", "0", "640x480x24", "-nolisten", "tcp", "-noreset"]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as another:
        try:
            deadline = time.monotonic() + 20
            while not display_alive(display) and time.monotonic() < deadline:
                time.sleep(0.02)
            yield
        finally:
            another.terminate()


def test_another_display_under_the_name_of_a_lost_one_is_left_alone(make: Make) -> None:
    env = make()
    env.reset()
    play(env, env.controls.vector(key_left=1), 3)
    server = next(p for p in psutil.Process().children() if p.name() == "Xvfb")
    lost = env.display_name
    with another_under_its_name(lost, server):
        *_, truncated, info = play(env, env.controls.vector(key_left=1), 30)
        assert truncated
        assert "display_lost" in info["end_reason"]
        observation, _ = env.reset()
        assert observation.any()
        assert env.display_name != lost
        assert list_windows(lost) == []
        assert list_windows(env.display_name) != []


def test_a_shared_display_that_was_restarted_is_opened_anew(make: Make) -> None:
    command = [sys.executable, str(GAME)]
    with PrivateDisplay((480, 640), gl=False) as desktop:
        with GameProcess.launch(command, display=desktop.name) as game:
            wait_for_window(desktop.name, process=game, title=None, timeout_s=10).close()
            env = make(game="desktop", display=desktop.name, attach={"window": "^Small game$"})
            env.reset()
            play(env, env.controls.vector(key_w=1), 3)
        with (
            another_under_its_name(desktop.name, psutil.Process(desktop.pid)),
            GameProcess.launch(command, display=desktop.name) as game,
        ):
            wait_for_window(desktop.name, process=game, title=None, timeout_s=10).close()
            observation, _ = env.reset()
            assert observation.any()
            eye = Wire(desktop.name)
            _, _, _, truncated, _ = play(env, env.controls.vector(key_w=1), 3)
            assert not truncated
            assert eye.held() == {"key:w"}
            eye.close()
            env.close()


def test_a_screen_that_changes_its_size(make: Make) -> None:
    with PrivateDisplay((480, 640), gl=False) as desktop:
        resize_screen(desktop.name, 320, 240)
        with GameProcess.launch([sys.executable, str(GAME)], display=desktop.name) as game:
            wait_for_window(desktop.name, process=game, title=None, timeout_s=10).close()
            attach = {"window": "^Small game$"}
            env = make(game="desktop", display=desktop.name, attach=attach, render_mode="rgb_array")
            env.reset()
            found = find_window(desktop.name, title="^Small game$")
            assert found is not None
            with open_window(desktop.name, found.id) as window:
                for width, height, place in [
                    (640, 480, Region(310, 230, 320, 240)),  # onto what is new
                    (640, 480, Region(0, 0, 640, 480)),
                    (320, 240, Region(0, 0, 320, 240)),  # another mode, with the window
                ]:
                    resize_screen(desktop.name, width, height)
                    window.move_resize(place)
                    *_, truncated, info = play(env, env.controls.zeros(), 3)
                    assert not truncated, info
                    picture = env.render()
                    assert picture is not None
                    assert picture.shape == (*place.size, 3)
                    assert picture[:, -1].any()
            env.close()


def test_a_game_that_cannot_start_is_an_error_with_its_output(make: Make) -> None:
    before = children()
    env = make("--crash-after", "0")
    with pytest.raises(GameCrashError, match="it crashed at once"):
        env.reset()
    assert children() == before


def test_a_game_that_finds_no_session_bus_is_told_how_to_get_one(tmp_path: Path) -> None:
    said = "DBus session bus not found. To circumvent this problem try the following command"
    (tmp_path / "kde.py").write_text(f"import sys\nsys.exit({said!r})\n")
    (tmp_path / "kde.toml").write_text(PROFILE.format(game=tmp_path / "kde.py", arguments=""))
    env = gymnasium.make(gameon_env.ENV_ID, game=str(tmp_path / "kde.toml"))
    with contextlib.closing(env), pytest.raises(GameCrashError, match=r"bus not found(.|\n)*dbus-run-session"):
        env.reset()


@pytest.mark.parametrize("time", ["real", "lockstep"])
def test_a_window_that_never_comes_is_an_error(tmp_path: Path, time: str) -> None:
    before = children()
    (tmp_path / "sleeper.py").write_text("import time\ntime.sleep(60)\n")
    text = PROFILE.format(game=tmp_path / "sleeper.py", arguments="").replace("timeout_s = 10", "timeout_s = 1")
    (tmp_path / "never.toml").write_text(text)
    env = gymnasium.make(gameon_env.ENV_ID, game=str(tmp_path / "never.toml"), time=time)
    with pytest.raises(WindowError, match=r"no window of the game within 1 s"):
        env.reset()
    env.close()
    assert children() == before


def test_bad_actions_and_options_are_refused(make: Make) -> None:
    env = make()
    env.reset()
    with pytest.raises(ActionError, match="shape"):
        env.step(np.zeros(7, np.float32))
    with pytest.raises(ActionError, match="NaN"):
        env.step(np.full(3, np.nan, np.float32))
    assert env.step(env.controls.zeros())[3] is False  # the episode goes on
    with pytest.raises(ObservationError, match="observation_size"):
        gymnasium.make(gameon_env.ENV_ID, game="rescue", observation_size=(500, 500))
    with pytest.raises(ProfileError, match="fps"):
        make(fps=-1)
    with pytest.raises(DisplayError, match="display must be"):
        make(display="somewhere")
    with pytest.raises(ProfileError, match="attach"):
        make(attach={"windw": "x"})


def test_a_missing_game_is_said_before_anything_starts(tmp_path: Path) -> None:
    text = PROFILE.format(game="x", arguments="").replace('"{python}"', '"no-such-game"')
    (tmp_path / "none.toml").write_text(text + "\n")
    with pytest.raises(MissingProgramError, match="no-such-game"):
        gymnasium.make(gameon_env.ENV_ID, game=str(tmp_path / "none.toml"))


def test_the_time_limit_truncates(make: Make) -> None:
    env = make()
    env.profile.__dict__["time_limit_s"] = 0.3
    env.reset()
    *_, terminated, truncated, info = play(env, env.controls.zeros(), 50)
    assert (terminated, truncated, info["end_reason"]) == (False, True, "time_limit")


def test_a_score_that_is_never_read_is_warned_of_once(make: Make, tmp_path: Path) -> None:
    DigitFont({digit: np.full((9, 7, 4), 255, np.uint8) for digit in "0123456789"}).save(tmp_path / "digits.png")
    more = '[readers.points]\nkind = "digits"\nregion = [200, 100, 30, 20]\nfont = "digits.png"\n'
    env = make(more=more + '[[reward]]\nreader = "points"\n')
    env.profile.__dict__["time_limit_s"] = 0.2
    env.reset()
    assert env.unread == ("points",)
    with pytest.warns(UserWarning, match=r"readers\.points read nothing in an episode of 6 steps.*is 320x240 \(width"):
        play(env, env.controls.zeros(), 50)
    env.reset()
    play(env, env.controls.zeros(), 50)  # a second warning would be an error here


def test_a_picture_unlike_the_profile_is_warned_of(make: Make) -> None:
    smaller = make("--size", "300x200")
    with pytest.warns(UserWarning, match=r"picture is 300x200 \(width, height\): readers\.score\.region .* beyond it"):
        smaller.reset()
    larger = make("--size", "400x240")
    with pytest.warns(UserWarning, match=r"400x240 .*: launch\.screen_size \[240, 320\] \(height, width\) is smaller"):
        larger.reset()
    larger.reset()  # which has told it before


def test_a_game_of_one_colour_says_what_it_needs(tmp_path: Path) -> None:
    code = (
        "import pygame, time; pygame.display.set_mode((320, 240)).fill('blue'); pygame.display.flip(); time.sleep(60)"
    )
    (tmp_path / "plain.py").write_text(code)
    text = PROFILE.format(game=tmp_path / "plain.py", arguments="") + "[reset]\ntimeout_s = 0.5\n"
    (tmp_path / "plain.toml").write_text(text)
    said = r"0\.5 s \(its picture had one colour all the time.*ready = 'READER'"
    with contextlib.closing(DesktopEnv(str(tmp_path / "plain.toml"))) as env, pytest.raises(GameCrashError, match=said):
        env.reset()


RESET_BY_KEYS = """
[readers.playing]
kind = "color"
region = [0, 100, 60, 60]
color = [0, 60, 0]
[reset]
mode = "keys"
ready = "playing"
timeout_s = 5
[[reset.start_steps]]
tap = "key:enter"
[[reset.steps]]
tap = "key:enter"
"""


def test_reset_by_keys_works_from_any_state(make: Make) -> None:
    env = make("--menu", more=RESET_BY_KEYS)
    observation, _ = env.reset()
    assert observation[30, 5].tolist() == [0, 60, 0]
    pid = env._game._process.pid  # type: ignore[union-attr]
    play(env, env.controls.vector(key_space=1, key_left=1), 5)
    _, info = env.reset()
    assert info["raw_score"] == 0
    assert env._game._process.pid == pid  # type: ignore[union-attr]
    os.kill(pid, signal.SIGKILL)
    play(env, env.controls.zeros(), 5)
    observation, _ = env.reset()  # a dead game is launched anew
    assert observation[30, 5].tolist() == [0, 60, 0]


@pytest.mark.parametrize("time", ["real", "lockstep"])
def test_a_menu_of_the_mouse_is_clicked_where_the_profile_says(make: Make, time: str) -> None:
    click = '[[reset.start_steps]]\ntap = "mouse:left"\nat = [300, 220]\n'
    observation, _ = make("--menu", more=click, time=time).reset()
    assert observation[30, 5].tolist() == [0, 60, 0]
    observation, _ = make("--menu", more=click.replace("300", "200"), time=time).reset()
    assert observation[30, 5].tolist() == [0, 0, 120]


def test_keys_are_up_after_an_episode_and_at_reset(make: Make) -> None:
    env = make()
    env.reset()
    env.step(env.controls.vector(key_left=1, key_space=1))
    listener = open_listener(env.display_name)
    assert {"key:left", "key:space"} <= listener.held()
    env.profile.__dict__["time_limit_s"] = 0.05
    env.step(env.controls.vector(key_left=1, key_space=1))
    assert listener.held() == frozenset()
    listener.close()


def test_input_goes_only_to_the_games_own_window_on_a_shared_display(make: Make, tmp_path: Path) -> None:
    with PrivateDisplay((480, 640), gl=False) as desktop:
        env = make(display=desktop.name)
        env.reset()
        assert env.step(env.controls.vector(key_space=1))[4]["focused"]
        listener = open_listener(desktop.name)
        listener.start()
        log = tmp_path / "other.log"
        python = shutil.which("python3")
        assert python is not None
        with GameProcess.launch(
            env.profile.launch.fill(seed=0, folder=tmp_path), display=desktop.name, log=log
        ) as other:  # type: ignore[union-attr]
            window = wait_for_window(desktop.name, process=other, title=None, timeout_s=10)
            assert window.focus()
            wait_until(lambda: listener.held() == frozenset())
            listener.drain()
            info = play(env, env.controls.vector(key_space=1, key_left=1), 5)[4]
            assert info["focused"] is False
            assert info["action"].tolist() == [0, 0, 0]
            assert listener.held() == frozenset()
            assert not [event for event in listener.drain() if event.value == 1 and event.control.startswith("key")]
            assert "down" not in log.read_text()
            window.close()
        listener.close()
        env.close()


def test_a_program_that_grabs_the_keyboard_gets_nothing_of_the_agents(make: Make) -> None:
    with (
        PrivateDisplay((480, 640), gl=False) as desktop,
        contextlib.closing(OtherProgram(desktop.name, 400, 0)) as lock,
    ):
        env = make(more='[reset]\nmode = "none"\n', display=desktop.name)
        env.reset()
        both = env.controls.vector(key_space=1, key_left=1)
        assert env.step(env.controls.vector(key_space=1))[4]["focused"]
        lock.grab_keyboard()
        info = env.step(both)[4]
        assert info["focused"] is False
        assert not info["action"].any()
        assert not info["presses"].any()
        env.step(both)
        assert X.KeyPress not in [kind for kind, _ in lock.received()]
        env.reset()  # in the game that runs on
        assert not env.step(both)[4]["action"].any()
        assert lock.received() == []
        lock.ungrab_keyboard()
        info = env.step(both)[4]
        assert info["focused"]
        assert info["action"].tolist() == [1, 0, 1]
        assert info["presses"].tolist() == [1, 0, 1]
        env.close()


def take_focus_when_held(other: OtherProgram, listener: Listener, control: str) -> threading.Thread:
    def run() -> None:
        wait_until(lambda: listener.held() == {control})
        other.take_focus()

    thread = threading.Thread(target=run)
    thread.start()
    return thread


def test_what_is_held_goes_up_with_the_focus_between_two_steps(make: Make) -> None:
    with PrivateDisplay((480, 640), gl=False) as desktop, contextlib.closing(OtherProgram(desktop.name, 0, 0)) as other:
        env = make(display=desktop.name, fps=1)  # an agent hangs after 20 s
        env.reset()
        listener = open_listener(desktop.name)
        left = env.controls.vector(key_left=1)
        for take_focus in (other.take_focus, other.grab_keyboard):
            assert env.step(left)[4]["presses"].tolist() == [1, 0, 0]
            assert listener.held() == {"key:left"}
            take_focus()
            wait_until(lambda: listener.held() == frozenset())
            other.ungrab_keyboard()
            env.live_game.picture.focus()
        info = env.step(left)[4]
        assert info["action"].tolist() == [1, 0, 0]
        assert listener.held() == {"key:left"}
        listener.close()
        env.close()


def test_what_is_held_goes_up_with_the_focus_within_a_long_step(make: Make) -> None:
    with PrivateDisplay((480, 640), gl=False) as desktop, contextlib.closing(OtherProgram(desktop.name, 0, 0)) as other:
        env = make(display=desktop.name, frame_skip=60)
        env.reset()
        listener = open_listener(desktop.name)
        listener.start()
        thread = take_focus_when_held(other, listener, "key:left")
        info = env.step(env.controls.vector(key_left=1))[4]
        thread.join()
        assert info["focused"] is False
        assert listener.held() == frozenset()
        values: list[float] = []
        while values[-1:] != [0]:
            values += [event.value for event in listener.drain() if event.control == "key:left"]
        assert values == [1, 0]  # pressed once, and not again after the focus was gone
        listener.close()
        env.close()


def test_a_tap_ends_with_the_focus(make: Make) -> None:
    with PrivateDisplay((480, 640), gl=False) as desktop, contextlib.closing(OtherProgram(desktop.name, 0, 0)) as other:
        env = make(display=desktop.name)
        env.reset()
        listener = open_listener(desktop.name)
        thread = take_focus_when_held(other, listener, "key:space")
        with pytest.raises(WindowError, match="does not have the focus"):
            env._start.tap("key:space", 60)
        thread.join()
        assert listener.held() == frozenset()
        listener.close()
        env.close()


def test_clicks_go_only_to_the_games_own_window_on_a_shared_display(make: Make, tmp_path: Path) -> None:
    mouse = '["key:left", "mouse:left", "mouse:wheel", "mouse:x", "mouse:y"]'
    text = PROFILE.format(game=GAME, arguments="").replace('["key:left", "key:right", "key:space"]', mouse)
    (tmp_path / "mouse.toml").write_text(text)
    with PrivateDisplay((480, 640), gl=False) as desktop:
        env = make(game=str(tmp_path / "mouse.toml"), display=desktop.name)
        env.reset()
        left, top = env.game_origin
        over, listener = OtherProgram(desktop.name, left + 100, top + 100), open_listener(desktop.name)

        def act(x: int, y: int, **values: float) -> dict[str, Any]:
            info: dict[str, Any] = env.step(
                env.controls.vector(mouse_x=x / 159.5 - 1, mouse_y=y / 119.5 - 1, **values)
            )[4]
            assert info["focused"]
            return info

        info = act(150, 150, key_left=1, mouse_left=1, mouse_wheel=1)
        assert info["action"][:3].tolist() == [1, 0, 0]
        assert info["presses"].tolist() == [1, 0, 0, 0, 0]
        assert listener.held() == {"key:left"}
        assert over.received() == []
        info = act(20, 20, key_left=1, mouse_left=1, mouse_wheel=1)  # beside it
        assert info["action"][:3].tolist() == [1, 1, 1]
        assert info["presses"].tolist() == [0, 1, 0, 0, 0]
        assert act(150, 150, mouse_left=1)["action"][1] == 1  # dragged over it
        assert listener.held() == {"mouse:left"}
        act(150, 150)
        assert over.received() == []
        with open_window(desktop.name, env.live_game.picture.window_id or 0) as window:
            window.move_resize(Region(left + 60, top + 60, 320, 240))
        assert act(20, 20, mouse_left=1)["action"][1] == 0  # not where it was
        info = act(20, 20, mouse_left=1)
        assert info["action"][1] == 1
        assert info["presses"][1] == 1
        listener.close()
        over.close()
        env.close()


def test_attaches_to_a_window_that_is_there(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    with PrivateDisplay((480, 640), gl=False) as desktop:
        monkeypatch.setenv("DISPLAY", desktop.name)
        launcher = make()
        command = launcher.profile.launch.fill(seed=0, folder=Path())  # type: ignore[union-attr]
        with GameProcess.launch(command, display=desktop.name) as game:
            wait_for_window(desktop.name, process=game, title=None, timeout_s=10).close()
            env = make(game="desktop", attach={"window": "^Small game$"}, render_mode="rgb_array")
            env.reset()
            picture = env.render()
            assert picture is not None
            assert picture.shape == (240, 320, 3)
            whole = make(game="desktop", attach={"monitor": 0}, render_mode="rgb_array")
            whole.reset()
            picture = whole.render()
            assert picture is not None
            assert picture.shape == (480, 640, 3)
            part = make(game="desktop", attach={"region": (10, 20, 100, 90)}, render_mode="rgb_array")
            part.reset()
            picture = part.render()
            assert picture is not None
            assert picture.shape == (90, 100, 3)
            missing = make(game="desktop", attach={"window": "No such window"})
            with pytest.raises(WindowError, match="Small game"):
                missing.reset()
            for made in (env, whole, part):
                made.close()


def test_a_desktop_profile_needs_a_desktop(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DISPLAY", raising=False)
    with pytest.raises(DisplayError, match="display"):
        make(game="desktop").reset()
    monkeypatch.setenv("DISPLAY", ":0")
    monkeypatch.setenv("WAYLAND_DISPLAY", "wayland-0")
    with pytest.raises(DisplayError, match="Wayland"):
        make(game="desktop").reset()


CHECKED = ["rescue", "aliens", "doom", "desktop"]
ELSEWHERE = {"chromium_bsu", "extremetuxracer", "pyxel_jump", "pyxel_snake", "supertux", "reacture"}
"""Checked in ``test_more_games.py``, where they are installed, and ``test_reacture_game.py``."""


@pytest.mark.parametrize("game", CHECKED)
@pytest.mark.filterwarnings("ignore:.*:UserWarning")
def test_both_environment_checkers_pass_on_every_shipped_profile(
    game: str, monkeypatch: pytest.MonkeyPatch, make: Make
) -> None:
    if game != "desktop":
        env = gymnasium.make(gameon_env.ENV_ID, game=game, render_mode="rgb_array").unwrapped
        check_env(env, skip_render_check=False)
        sb3_check_env(env)
        env.close()
        return
    with PrivateDisplay((480, 640), gl=False) as desktop:
        monkeypatch.setenv("DISPLAY", desktop.name)
        command = make().profile.launch.fill(seed=0, folder=Path())  # type: ignore[union-attr]
        with GameProcess.launch(command, display=desktop.name) as running:
            wait_for_window(desktop.name, process=running, title=None, timeout_s=10).close()
            env = gymnasium.make(gameon_env.ENV_ID, game="desktop", render_mode="rgb_array").unwrapped
            check_env(env, skip_render_check=False)
            sb3_check_env(env)
            env.close()


def test_every_shipped_profile_is_checked() -> None:
    from gameon_env.games.profile import BUILT_IN

    assert sorted(path.stem for path in BUILT_IN.glob("*.toml")) == sorted({*CHECKED, *ELSEWHERE})


def test_works_under_gymnasiums_own_wrappers(make: Make, tmp_path: Path) -> None:
    env = make(render_mode="rgb_array")
    wrapped = FrameStackObservation(GrayscaleObservation(env), 3)
    video = RecordVideo(wrapped, str(tmp_path / "videos"), episode_trigger=lambda episode: True, disable_logger=True)
    observation, _ = video.reset()
    assert observation.shape == (3, 60, 80)
    play(video, env.controls.zeros(), 8)
    video.close()
    assert list((tmp_path / "videos").glob("*.mp4"))


@pytest.mark.parametrize("mode", ["sync", "async"])
def test_two_games_side_by_side(mode: str) -> None:
    envs = gymnasium.make_vec(gameon_env.ENV_ID, num_envs=2, vectorization_mode=mode, game="rescue")
    observations, _ = envs.reset(seed=3)
    assert observations.shape == (2, 128, 128, 3)
    names = envs.get_attr("display_name") if mode == "async" else [env.unwrapped.display_name for env in envs.envs]
    assert len(set(names)) == 2
    envs.action_space.seed(0)
    for _ in range(10):
        observations, _, terminated, _, infos = envs.step(envs.action_space.sample())
    assert not terminated.any()
    assert infos["t_ns"].shape == (2,)
    assert not np.array_equal(observations[0], observations[1])
    envs.close()


def test_a_killed_agent_leaves_nothing(make: Make, tmp_path: Path) -> None:
    code = (
        "import gymnasium, gameon_env, time, os, sys\n"
        f"env = gymnasium.make(gameon_env.ENV_ID, game={str(tmp_path / 'game0.toml')!r}).unwrapped\n"
        "env.reset()\n"
        "env.step(env.controls.vector(key_left=1))\n"
        "print(env.display_name, flush=True)\n"
        "time.sleep(60)\n"
    )
    make()  # writes the profile
    import subprocess
    import sys

    agent = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    assert agent.stdout is not None
    display = agent.stdout.readline().strip()
    family = psutil.Process(agent.pid).children(recursive=True)
    assert len(family) >= 3
    agent.kill()
    agent.wait()
    agent.stdout.close()
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline and any(p.is_running() and p.status() != "zombie" for p in family):
        time.sleep(0.05)
    assert [p for p in family if p.is_running() and p.status() != "zombie"] == []
    assert not Path(f"/tmp/.X11-unix/X{display[1:]}").exists()


def test_the_emergency_stop_key_stops_an_agent_on_a_shared_display(make: Make) -> None:
    with PrivateDisplay((480, 640), gl=False) as desktop, PhysicalDevices(desktop.name) as person:
        env = make(display=desktop.name)
        env.reset()
        listener = open_listener(desktop.name)
        person.press("key:a")  # any other key is the person's own business
        env.step(env.controls.vector(key_left=1))
        assert "key:left" in listener.held()
        person.press("key:f12")
        time.sleep(0.05)
        with pytest.raises(EmergencyStop, match="key:f12"):
            env.step(env.controls.vector(key_left=1))
        assert listener.held() == {"key:a", "key:f12"}
        listener.close()
        env.close()


def test_the_emergency_stop_key_of_a_remote_desktop_counts(make: Make) -> None:
    """Its keyboard is XTEST's, as an agent's is."""
    with PrivateDisplay((480, 640), gl=False) as desktop, contextlib.closing(open_injector(desktop.name)) as person:
        env = make(display=desktop.name)
        env.reset()
        env.step(env.controls.vector(key_left=1))
        person.press("key:f12")
        person.flush()
        listener = open_listener(desktop.name)
        wait_until(lambda: listener.held() == {"key:f12"})
        with pytest.raises(EmergencyStop, match="key:f12"):
            env.step(env.controls.vector(key_left=1))
        listener.close()
        env.close()


def test_an_agents_own_key_is_no_emergency_stop(make: Make) -> None:
    with PrivateDisplay((480, 640), gl=False) as desktop:
        more = '[[reset.start_steps]]\ntap = "key:f11"\n'
        env = make(more=more, display=desktop.name, emergency_stop="key:f11")
        env.reset()
        assert env.step(env.controls.zeros())[3] is False
        env.close()
        env = make(display=desktop.name, emergency_stop="key:space")
        env.reset()
        for i in range(6):
            assert env.step(env.controls.vector(key_space=i % 2))[3] is False
        env.close()
