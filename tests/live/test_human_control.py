"""A person at the keyboard: another process makes real events, and the recorded vectors are what it did."""

from __future__ import annotations

import contextlib
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import gymnasium
import numpy as np
import pytest

import gameon_env
from gameon_env.desktop.display import PrivateDisplay
from gameon_env.desktop.inject import open_injector
from gameon_env.desktop.listen import open_listener
from gameon_env.envs.desktop_env import DesktopEnv
from gameon_env.errors import InputError
from tests.other_program import OtherProgram
from tests.physical import PhysicalDevices
from wrappers import HumanControl

GAME = Path(__file__).with_name("small_game.py")
PROFILE = f"""
fps = 30
[launch]
command = ["{{python}}", "{GAME}"]
screen_size = [240, 320]
gl = false
[controls]
names = ["key:left", "key:right", "key:space", "mouse:left", "mouse:dx", "mouse:dy", "mouse:x", "mouse:wheel"]
mouse_scale_px = 10
"""

PERSON = """
import random, sys, time
from Xlib import X, XK, display
from Xlib.ext import xtest
d = display.Display(sys.argv[1])
rng = random.Random(7)
codes = {name: d.keysym_to_keycode(XK.string_to_keysym(name)) for name in ("Left", "Right", "space")}
taps = dict.fromkeys(codes, 0)
moved = [0, 0]
print("ready", flush=True)
sys.stdin.readline()
for _ in range(int(sys.argv[2])):
    name = rng.choice(list(codes))
    xtest.fake_input(d, X.KeyPress, codes[name]); d.sync()
    time.sleep(rng.choice([0.001, 0.005, 0.02, 0.05]))
    xtest.fake_input(d, X.KeyRelease, codes[name]); d.sync()
    taps[name] += 1
    dx, dy = rng.randint(-9, 9), rng.randint(-9, 9)
    xtest.fake_input(d, X.MotionNotify, True, x=dx, y=dy); d.sync()
    moved[0] += dx; moved[1] += dy
    time.sleep(rng.choice([0.001, 0.01]))
print(taps["Left"], taps["Right"], taps["space"], *moved, flush=True)
"""


@pytest.fixture
def env(tmp_path: Path) -> Iterator[HumanControl]:
    (tmp_path / "game.toml").write_text(PROFILE)
    env = HumanControl(gymnasium.make(gameon_env.ENV_ID, game=str(tmp_path / "game.toml"), observation_size=(60, 80)))
    yield env
    env.close()


def desktop(env: HumanControl) -> DesktopEnv:
    assert isinstance(env.unwrapped, DesktopEnv)
    return env.unwrapped


def test_every_tap_and_every_count_of_another_process_is_in_the_vectors(env: HumanControl) -> None:
    env.reset()
    person = subprocess.Popen(
        [sys.executable, "-c", PERSON, desktop(env).display_name, "150"],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert person.stdin is not None
    assert person.stdout is not None
    assert person.stdout.readline() == "ready\n"
    env.step(None)
    person.stdin.write("go\n")
    person.stdin.flush()
    presses = np.zeros(8, int)
    moved = np.zeros(8)
    after = 0
    while after < 5:  # some steps more, so that nothing is on its way
        after += person.poll() is not None
        *_, info = env.step(None)
        assert info["actor"] == "human"
        presses += info["presses"]
        moved += info["action"]
        assert ((info["presses"] > 0) <= (info["action"] >= 1)).all() or not info["presses"].any()
    left, right, space, dx, dy = (int(word) for word in person.stdout.readline().split())
    person.stdout.close()
    person.stdin.close()
    assert presses[:3].tolist() == [left, right, space]
    assert (moved[4] * 10, moved[5] * 10) == pytest.approx((dx, dy), abs=1e-3)


def test_what_is_held_at_the_start_counts_and_nothing_is_injected(env: HumanControl) -> None:
    env.reset()
    person = open_injector(desktop(env).display_name)
    person.press("key:left")
    person.flush()
    time.sleep(0.05)
    env.reset()  # the display stays, with the key still down
    *_, info = env.step(np.ones(8, np.float32))  # an action is not asked for, and not injected
    assert info["action"][:4].tolist() == [1, 0, 0, 0]
    assert info["presses"].tolist() == [0] * 8
    listener = open_listener(desktop(env).display_name)
    assert listener.held() == {"key:left"}
    listener.close()
    person.close()
    env.step(None)
    *_, info = env.step(None)
    assert info["action"][:4].tolist() == [0, 0, 0, 0]


def test_the_pointer_is_told_in_the_games_own_coordinates(env: HumanControl) -> None:
    env.reset()
    person = open_injector(desktop(env).display_name)
    for x, expected in ((0, -1.0), (319, 1.0)):
        person.move_to(x, 100)
        person.flush()
        time.sleep(0.02)
        env.step(None)
        *_, info = env.step(None)
        assert info["action"][6] == pytest.approx(expected, abs=0.01)
    person.close()


def test_what_is_typed_elsewhere_between_two_steps_is_none_of_the_games(tmp_path: Path) -> None:
    (tmp_path / "game.toml").write_text(PROFILE)
    with contextlib.ExitStack() as stack:
        display = stack.enter_context(PrivateDisplay((480, 640), gl=False))
        person = stack.enter_context(PhysicalDevices(display.name))
        plain = gymnasium.make(gameon_env.ENV_ID, game=str(tmp_path / "game.toml"), display=display.name)
        env = stack.enter_context(contextlib.closing(HumanControl(plain)))
        env.reset()
        other = stack.enter_context(contextlib.closing(OtherProgram(display.name, 0, 0)))

        def tap(control: str) -> None:
            person.press(control)
            person.release(control)
            time.sleep(0.01)  # the server stamps milliseconds

        tap("key:space")
        env.step(None)
        for take_focus in (other.take_focus, other.grab_keyboard):
            take_focus()
            tap("key:space")
            person.press("key:right")  # and held on, in the game
            other.ungrab_keyboard()
            desktop(env).live_game.picture.focus()
            time.sleep(0.01)
            tap("key:left")
            infos = [env.step(None)[4] for _ in range(2)]
            assert all(info["focused"] for info in infos)
            assert sum(info["presses"] for info in infos).tolist() == [1] + [0] * 7
            assert infos[-1]["action"][:4].tolist() == [0, 1, 0, 0]
            person.release("key:right")
            env.step(None)
            other.grab_keyboard()
            tap("key:space")
            *_, info = env.step(None)
            assert not info["focused"]
            assert not info["presses"].any()
            assert not info["action"].any()
            other.ungrab_keyboard()
            env.step(None)
        tap("key:space")
        assert sum(env.step(None)[4]["presses"][2] for _ in range(2)) == 1


def test_an_environment_of_another_kind_is_refused() -> None:
    with pytest.raises(InputError, match="GameOn-Desktop-v0"):
        HumanControl(gymnasium.make("CartPole-v1"))  # type: ignore[arg-type]
