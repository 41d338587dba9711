"""What goes wrong around a live game: dead watchdogs, lost displays, moved windows, hung agents, other windows."""

from __future__ import annotations

import gc
import multiprocessing
import os
import signal
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

import gameon_env
from gameon_env.desktop.display import PrivateDisplay
from gameon_env.desktop.listen import open_listener
from gameon_env.desktop.process import GameProcess
from gameon_env.desktop.region import Region
from gameon_env.desktop.windows import wait_for_window
from gameon_env.envs.desktop_env import DesktopEnv
from gameon_env.errors import EmergencyStop, GameOnError, InputError, UnknownNameError, WindowError
from tests.physical import PhysicalDevices
from wrappers import HumanControl, RecordEpisode

GAME = Path(__file__).with_name("small_game.py")
PROFILE = f"""
fps = 30
[launch]
command = ["{{python}}", "{GAME}"]
screen_size = [240, 320]
gl = false
[controls]
names = ["key:left", "key:right", "key:space", "mouse:left", "mouse:x", "mouse:y"]
"""
Make = Callable[..., DesktopEnv]


@pytest.fixture
def make(tmp_path: Path) -> Iterator[Make]:
    made: list[gymnasium.Env[Any, Any]] = []

    def make(more: str = "", replace: tuple[str, str] = ("", ""), **options: Any) -> DesktopEnv:
        path = tmp_path / f"game{len(made)}.toml"
        path.write_text((PROFILE + more).replace(*replace) if replace[0] else PROFILE + more)
        env = gymnasium.make(gameon_env.ENV_ID, game=str(path), observation_size=(60, 80), **options)
        made.append(env)
        assert isinstance(env.unwrapped, DesktopEnv)
        return env.unwrapped

    yield make
    for env in made:
        env.close()


def held(display: str) -> frozenset[str]:
    listener = open_listener(display)
    try:
        return listener.held()
    finally:
        listener.close()


def child(name: str) -> psutil.Process:
    return next(p for p in psutil.Process().children() if name in " ".join(p.cmdline()))


def wait_until(condition: Callable[[], bool], seconds: float = 5) -> bool:
    deadline = time.monotonic() + seconds
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.02)
    return condition()


def play(env: DesktopEnv, action: Any, steps: int) -> None:
    for _ in range(steps):
        env.step(action)


def test_a_dead_watchdog_ends_the_episode_and_the_next_reset_mends_it(make: Make) -> None:
    env = make()
    env.reset()
    env.step(env.controls.vector(key_left=1))
    child("reaper.py").kill()
    wait_until(lambda: not env._game._watchdog.alive)  # type: ignore[union-attr]
    *_, truncated, info = env.step(env.controls.vector(key_left=1, key_space=1))
    assert truncated
    assert "input_lost" in info["end_reason"]
    assert held(env.display_name) == frozenset()
    env.reset()
    assert env.step(env.controls.vector(key_left=1))[3] is False


def test_an_agent_that_hangs_does_not_hold_keys(make: Make) -> None:
    env = make()
    env.reset()
    env.step(env.controls.vector(key_left=1))
    assert held(env.display_name) == {"key:left"}
    assert wait_until(lambda: held(env.display_name) == frozenset())
    *_, info = env.step(env.controls.vector(key_left=1))
    assert info["presses"][0] == 1
    assert held(env.display_name) == {"key:left"}


def test_the_stop_key_takes_the_keys_away_while_the_agent_thinks(make: Make) -> None:
    with PrivateDisplay((240, 320), gl=False) as desktop, PhysicalDevices(desktop.name) as person:
        env = make(display=desktop.name)
        env.reset()
        env.step(env.controls.vector(key_left=1))
        person.press("key:f12")
        person.release("key:f12")
        assert wait_until(lambda: held(desktop.name) == frozenset(), 1)
        with pytest.raises(EmergencyStop):
            env.step(env.controls.vector(key_left=1))
        env.reset()
        assert env.step(env.controls.zeros())[3] is False
        env.close()


def test_the_stop_key_ends_a_reset_by_keys(make: Make) -> None:
    more = '[reset]\nmode = "keys"\n[[reset.steps]]\ntap = "key:space"\nseconds = 3\n'
    with PrivateDisplay((240, 320), gl=False) as desktop, PhysicalDevices(desktop.name) as person:
        env = make(more, display=desktop.name)
        env.reset()
        presser = threading.Timer(0.5, person.press, ["key:f12"])
        presser.start()
        with pytest.raises(EmergencyStop):
            env.reset()
        presser.join()
        assert "key:space" not in held(desktop.name)
        env.close()


def test_a_stop_key_that_does_not_exist_is_refused(make: Make) -> None:
    with pytest.raises(UnknownNameError, match="key:f12"):
        make(emergency_stop="F12")


def test_a_reader_that_raises_lets_go_of_everything(
    make: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "bad_reader.py").write_text(
        "calls = []\ndef read(view):\n    calls.append(1)\n    assert len(calls) < 5, 'it breaks'\n    return 0.0\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    env = make('[readers.bad]\nkind = "python"\nfunction = "bad_reader:read"\n')
    env.reset()
    action = env.controls.vector(key_left=1)
    env.step(action)
    with pytest.raises((AssertionError, GameOnError), match="it breaks"):
        play(env, action, 9)
    assert held(env.display_name) == frozenset()


def test_what_is_typed_into_another_window_is_not_recorded(make: Make, tmp_path: Path) -> None:
    with PrivateDisplay((480, 640), gl=False) as desktop, PhysicalDevices(desktop.name) as person:
        env = HumanControl(make(display=desktop.name))
        env.reset()
        person.press("key:left")
        env.step(None)
        assert env.step(None)[4]["action"][0] == 1
        with GameProcess.launch(
            env.unwrapped.profile.launch.fill(seed=0, folder=tmp_path), display=desktop.name
        ) as other:  # type: ignore[attr-defined]
            window = wait_for_window(desktop.name, process=other, title=None, timeout_s=10)
            window.focus()
            env.step(None)
            person.press("key:space")
            for _ in range(3):
                *_, info = env.step(None)
                assert info["focused"] is False
                assert not info["action"].any()
                assert not info["presses"].any()
            window.close()
        person.release("key:space")
        env.unwrapped._game._picture.focus()  # type: ignore[attr-defined]
        env.step(None)
        *_, info = env.step(None)
        assert info["focused"]
        assert info["action"][0] == 1  # still held, now in the game again
        assert info["action"][2] == 0
        env.close()


def test_a_recorder_inside_human_control_is_refused(make: Make, tmp_path: Path) -> None:
    recorder = RecordEpisode(make(), tmp_path / "out")
    with pytest.raises(InputError, match=r"RecordEpisode\(HumanControl"):
        HumanControl(recorder)
    recorder.close()


def test_a_display_that_died_between_episodes_is_opened_anew_for_a_person_too(make: Make) -> None:
    env = HumanControl(make())
    env.reset()
    env.step(None)
    os.kill(child("Xvfb").pid, signal.SIGKILL)
    time.sleep(0.2)
    env.reset()
    person = PhysicalDevices(env.unwrapped.display_name)  # type: ignore[attr-defined]
    person.press("key:right")
    env.step(None)
    *_, info = env.step(None)
    assert info["action"][1] == 1
    person.close()
    env.close()


def test_pointer_and_click_belong_to_the_same_step(make: Make) -> None:
    env = HumanControl(make())
    env.reset()
    display = env.unwrapped.display_name  # type: ignore[attr-defined]
    person = PhysicalDevices(display)
    person.move(-1000, -1000)
    env.step(None)
    person.move(2000, 2000)
    person.press("mouse:left")
    time.sleep(0.002)
    *_, info = env.step(None)
    assert info["action"][3:].tolist() == pytest.approx([1, 1, 1], abs=0.01)
    person.close()
    env.close()


def test_a_window_that_moves_is_followed_by_picture_and_pointer(make: Make) -> None:
    with PrivateDisplay((480, 640), gl=False) as desktop:
        env = make(display=desktop.name, render_mode="rgb_array")
        env.reset()
        window = env._game._picture._window  # type: ignore[union-attr]
        assert window is not None
        window.move_resize(Region(200, 150, 320, 240))
        env.step(env.controls.zeros())
        assert env.game_origin == (200, 150)
        env.step(env.controls.vector(mouse_x=-1, mouse_y=-1))
        listener = open_listener(desktop.name)
        assert listener.pointer() == (200, 150)
        listener.close()
        window.move_resize(Region(-100, 300, 320, 240))  # partly outside the screen
        env.step(env.controls.zeros())
        picture = env.render()
        assert picture is not None
        assert picture.shape == (240, 320, 3)
        assert not picture[:, :100].any()
        assert picture[100, 110].tolist() == [0, 60, 0]
        env.close()


def test_a_reset_by_keys_that_does_not_help_launches_the_game_anew(make: Make) -> None:
    more = """
[readers.menu]
kind = "color"
region = [0, 100, 60, 60]
color = [0, 0, 120]
[[termination]]
reader = "menu"
[reset]
mode = "keys"
timeout_s = 1
[[reset.steps]]
tap = "key:right"
"""
    env = make(more, replace=('"key:space"', '"key:escape"'))
    env.reset()
    escape = env.controls.vector(key_escape=1)
    for _ in range(9):
        *_, terminated, _, _info = env.step(escape)
        if terminated:
            break
    assert terminated
    pid = env._game._process.pid  # type: ignore[union-attr]
    env.reset()
    assert env._game._process.pid != pid  # type: ignore[union-attr]
    assert env.step(env.controls.zeros())[2] is False


def test_taps_that_cannot_go_out_are_said(make: Make, tmp_path: Path) -> None:
    more = '[reset]\nmode = "keys"\n[[reset.steps]]\ntap = "key:space"\n'
    with PrivateDisplay((480, 640), gl=False) as desktop:
        env = make(more, display=desktop.name)
        env.reset()
        command = env.profile.launch.fill(seed=0, folder=tmp_path)  # type: ignore[union-attr]
        with GameProcess.launch(command, display=desktop.name) as other:
            window = wait_for_window(desktop.name, process=other, title=None, timeout_s=10)
            window.focus()
            with pytest.raises(WindowError, match="does not have the focus"):
                env._start.tap("key:space", 0.1)
            window.close()
        env.close()


@pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning")
def test_nothing_stays_in_the_temporary_folder_without_close(
    make: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    env = DesktopEnv(game=str(make().profile.path), observation_size=(60, 80))
    env.reset()
    assert list(tmp_path.glob("gameon-*"))
    del env
    gc.collect()
    assert not list(tmp_path.glob("gameon-*"))


def _meddle(env: DesktopEnv, answer: Any) -> None:
    try:
        env.step(env.controls.zeros())
        answer.put("stepped")
    except GameOnError as error:
        answer.put(str(error))
    env.close()


@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_forked_child_cannot_touch_the_game(make: Make) -> None:
    env = make()
    env.reset()
    context = multiprocessing.get_context("fork")
    answer = context.Queue()
    meddler = context.Process(target=_meddle, args=(env, answer))
    meddler.start()
    assert "made in another process" in answer.get(timeout=10)
    meddler.join(10)
    observation, _, _, truncated, _ = env.step(env.controls.zeros())
    assert not truncated
    assert observation.any()


@pytest.mark.parametrize(
    "options",
    [{"fps": "fast"}, {"fps": float("nan")}, {"fps": 0}, {"observation_size": 64}, {"observation_size": (64, 64, 3)},
     {"attach": "x"}, {"time": "lockstep?"}, {"render_mode": "human"}],
)  # fmt: skip
def test_wrong_options_are_clear_errors(make: Make, options: dict[str, Any]) -> None:
    path = make().profile.path
    with pytest.raises(GameOnError):
        DesktopEnv(game=str(path), **options)


def test_last_observation_of_a_lost_game_is_an_object_of_its_own(make: Make) -> None:
    env = make()
    env.reset()
    last, *_ = env.step(env.controls.zeros())
    os.kill(child("small_game").pid, signal.SIGKILL)
    time.sleep(0.2)
    observation, _, terminated, truncated, _ = env.step(env.controls.zeros())
    assert (terminated, truncated) == (False, True)
    assert observation is not last
    assert np.array_equal(observation, last)
