"""What a game has drawn when its time is used up is on the screen, whole, however fast its time goes by."""

from __future__ import annotations

import shutil
import sys
from itertools import pairwise
from pathlib import Path

import gymnasium
import numpy as np
import pytest

import gameon_env

pytestmark = pytest.mark.skipif(
    sys.platform != "linux" or not all(map(shutil.which, ("cc", "Xvfb"))),
    reason="lockstep needs Linux, a C compiler and Xvfb",
)
PROFILE = """
fps = {fps}
[launch]
command = ["{{python}}", "{game}"]
screen_size = [300, 400]
gl = false
[controls]
names = ["key:space"]
"""


@pytest.mark.parametrize("fps", [50, 25])
def test_pictures_in_shared_memory_are_shown_before_the_game_draws_over_them(tmp_path: Path, fps: int) -> None:
    """At 50 steps a second a step ends while the game sleeps; at 25 it sleeps within the step too."""
    path = tmp_path / "shared.toml"
    path.write_text(PROFILE.format(game=Path(__file__).with_name("shared_picture.py"), fps=fps))
    env = gymnasium.make(
        gameon_env.ENV_ID, game=str(path), time="lockstep", observation_size=(60, 80), render_mode="rgb_array",
        disable_env_checker=True,
    )  # fmt: skip
    colours = []
    try:
        env.reset(seed=1)
        for _ in range(150):
            env.step(np.zeros(1, np.float32))
            picture = env.render()
            assert isinstance(picture, np.ndarray)
            assert (picture[0] == 255).all()
            found = np.unique(picture[1:])
            assert len(found) == 1, f"parts of two pictures: {found}"
            colours.append(int(found[0]))
    finally:
        env.close()
    assert 0 not in colours
    steps = {(after - before) % 200 for before, after in pairwise(colours)}
    assert steps == {50 // fps}
