"""What a game has drawn when its time is used up is on the screen, whole, however fast its time goes by."""

from __future__ import annotations

import shutil
import sys
import time
from contextlib import closing
from itertools import pairwise
from pathlib import Path

import gymnasium
import numpy as np
import pytest

import gameon_env
from gameon_env.desktop.display import PrivateDisplay
from gameon_env.desktop.lockstep.session import LockstepSession
from gameon_env.desktop.process import GameProcess

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


def test_a_game_that_only_waits_for_the_screen_is_shown_60_times_a_second(tmp_path: Path) -> None:
    with PrivateDisplay((240, 320)) as display, closing(LockstepSession(limit_s=20)) as session:
        game = GameProcess.launch(
            [sys.executable, str(Path(__file__).with_name("swapping_game.py")), "3"], display=display.name,
            env=session.launch(sys.executable, seed=1), home=tmp_path / "home",
        )  # fmt: skip
        with game:
            session.begin(lambda: game.poll() is None, limit_s=60)
            for _ in range(200):
                if session.clock.abandoned:
                    break
                session.advance(20_000_000)
            deadline = time.monotonic() + 10
            while game.poll() is None and time.monotonic() < deadline:
                time.sleep(0.01)
            assert game.poll() == 0, game.output_tail()
            assert session.clock.unseen_waits == []
            counts = [int(count) for count in game.output_tail(1).split()]
    assert len(counts) == 3
    assert all(count in (59, 60, 61) for count in counts), counts
