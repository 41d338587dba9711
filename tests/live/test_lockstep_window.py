"""A game in lockstep whose window moves, closes, or is opened anew: heard with the next picture, without a question."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
import pytest

import gameon_env
from gameon_env.desktop.capture_x11 import X11Capture
from gameon_env.desktop.region import Region
from gameon_env.envs.desktop_env import DesktopEnv

pytestmark = pytest.mark.skipif(
    sys.platform != "linux" or not all(map(shutil.which, ("cc", "Xvfb"))),
    reason="lockstep needs Linux, a C compiler and Xvfb",
)
PROFILE = """
fps = 20
[launch]
command = ["{{python}}", "{game}", {arguments}]
screen_size = [300, 400]
gl = false
[controls]
names = ["key:left", "key:right", "key:space"]
"""

Make = Callable[..., DesktopEnv]


@pytest.fixture
def make(tmp_path: Path) -> Iterator[Make]:
    """Makes environments of the small game, whose window has 320x240 pixels of a larger screen, and closes them."""
    made: list[gymnasium.Env[Any, Any]] = []

    def make(*arguments: str) -> DesktopEnv:
        path = tmp_path / "small.toml"
        words = ", ".join(f'"{argument}"' for argument in arguments)
        path.write_text(PROFILE.format(game=Path(__file__).with_name("small_game.py"), arguments=words))
        made.append(
            gymnasium.make(
                gameon_env.ENV_ID, game=str(path), time="lockstep", observation_size=(60, 80),
                render_mode="rgb_array", disable_env_checker=True,
            )
        )  # fmt: skip
        env = made[-1].unwrapped
        assert isinstance(env, DesktopEnv)
        return env

    yield make
    for env in made:
        env.close()


def picture(env: DesktopEnv) -> np.ndarray:
    frame = env.render()
    assert frame is not None
    return frame


def test_a_step_asks_the_window_nothing(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    env = make()
    env.reset(seed=1)
    env.step(env.controls.zeros())
    capture, window = env._game.picture._capture, env._game.picture._window
    assert isinstance(capture, X11Capture)
    assert window is not None
    questions: list[None] = []
    monkeypatch.setattr(window, "region", lambda: questions.append(None))
    for _ in range(20):
        env.step(env.controls.vector(key_right=1))
    assert not questions
    assert capture.steady


def test_a_window_that_moves_is_followed(make: Make) -> None:
    env = make()
    env.reset(seed=1)
    env.step(env.controls.zeros())
    before, origin = picture(env), env.game_origin
    window = env._game.picture._window
    assert window is not None
    window.move_resize(Region(origin[0] + 40, origin[1] + 30, 320, 240))
    env.step(env.controls.zeros())
    assert env.game_origin == (origin[0] + 40, origin[1] + 30)
    assert np.array_equal(picture(env), before)
    env.step(env.controls.vector(key_right=1))
    assert not np.array_equal(picture(env), before)


@pytest.mark.parametrize("end", ["--close-after", "--crash-after", "--exit-after"])
def test_a_window_that_goes_ends_the_episode_with_the_last_good_picture(make: Make, end: str) -> None:
    env = make(end, "1.5")
    env.reset(seed=1)
    good, truncated, steps = picture(env), False, 0
    while not truncated:
        assert steps < 100
        good = picture(env)
        observation, _, terminated, truncated, info = env.step(env.controls.vector(key_left=steps % 2))
        assert not terminated
        steps += 1
    reason = {"--close-after": "window_closed", "--crash-after": "game_crashed", "--exit-after": "game_exited"}[end]
    assert info["end_reason"].startswith(reason)
    assert np.array_equal(picture(env), good)
    assert observation.any()
