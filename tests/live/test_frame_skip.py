"""frame_skip: the action is held for several periods, one picture is taken at the end, and rewards are read once."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
import pytest

import gameon_env
from gameon_env.envs.desktop_env import DesktopEnv
from gameon_env.errors import ProfileError
from gameon_env.events import Frame
from wrappers import RecordEpisode

needs_lockstep = pytest.mark.skipif(
    sys.platform != "linux" or not all(map(shutil.which, ("cc", "Xvfb"))),
    reason="lockstep needs Linux, a C compiler and Xvfb",
)
PROFILE = """
fps = 20
score = "score"
[launch]
command = ["{{python}}", "{game}"]
screen_size = [240, 320]
gl = false
[controls]
names = ["key:left", "key:right", "key:space", "mouse:dx"]
[readers.score]
kind = "bar"
region = [0, 0, 320, 8]
color = [240, 240, 240]
[[reward]]
reader = "score"
weight = 40
"""


@pytest.fixture
def profile(tmp_path: Path) -> str:
    path = tmp_path / "small.toml"
    path.write_text(PROFILE.format(game=Path(__file__).with_name("small_game.py")))
    return str(path)


class Made:
    """Environments that are closed at the end."""

    def __init__(self) -> None:
        self.envs: list[gymnasium.Env[Any, Any]] = []

    def __call__(self, game: str, **options: Any) -> DesktopEnv:
        env = gymnasium.make(gameon_env.ENV_ID, game=game, render_mode="rgb_array", disable_env_checker=True, **options)
        self.envs.append(env)
        assert isinstance(env.unwrapped, DesktopEnv)
        return env.unwrapped


@pytest.fixture
def make() -> Iterator[Made]:
    made = Made()
    yield made
    for env in made.envs:
        env.close()


def random_actions(env: DesktopEnv, count: int) -> list[np.ndarray]:
    rng = np.random.default_rng(4)
    return [((rng.random(len(env.controls)) < 0.4) & env.controls.is_button).astype(np.float32) for _ in range(count)]


@needs_lockstep
@pytest.mark.parametrize("game", ["rescue", "small"])
def test_it_shows_each_nth_frame_of_the_same_game_with_the_action_repeated(make: Made, profile: str, game: str) -> None:
    name = profile if game == "small" else game
    short, long = (make(name, time="lockstep", frame_skip=n) for n in (1, 3))
    short.reset(seed=5)
    long.reset(seed=5)
    differ = 0
    for action in random_actions(short, 12):
        before = long.render()
        rewards = [short.step(action)[1] for _ in range(3)]
        _, reward, _, _, info = long.step(action)
        assert np.array_equal(short.render(), long.render())
        assert reward == pytest.approx(sum(rewards))
        assert info["action"].tolist() == action.tolist()
        differ += not np.array_equal(before, long.render())
    assert differ > 1


@needs_lockstep
def test_times_rates_and_motion_are_those_of_the_longer_steps(make: Made, profile: str) -> None:
    env = make(profile, time="lockstep", frame_skip=4)
    assert env.fps == 5
    assert env.metadata["render_fps"] == 5
    assert env.recording_metadata["fps"] == 5
    assert env.recording_metadata["frame_skip"] == 4
    _, info = env.reset(seed=1)
    times = [info["t_ns"]]
    for pressed in (1, 1, 0, 1):
        *_, info = env.step(env.controls.vector(key_space=pressed, mouse_dx=0.25))
        times.append(info["t_ns"])
        assert info["action"].tolist() == [0, 0, pressed, 0.25]  # the motion went out once
    assert info["presses"].tolist() == [0, 0, 1, 0]
    assert np.abs(np.diff(times) - 0.2e9).max() < 1000
    assert env.raw_score * 40 == pytest.approx(2, abs=0.01)


def test_one_picture_is_taken_in_a_step(make: Made, profile: str, monkeypatch: pytest.MonkeyPatch) -> None:
    env = make(profile, frame_skip=5, fps=100)
    env.reset()
    grabbed: list[Frame] = []
    grab = env._game.grab

    def counted() -> Frame:
        grabbed.append(grab())
        return grabbed[-1]

    monkeypatch.setattr(env._game, "grab", counted)
    started = env.step(env.controls.zeros())[4]["t_ns"]
    ended = [env.step(env.controls.zeros())[4]["t_ns"] for _ in range(4)][-1]
    assert len(grabbed) == 5
    assert ended - started > 3.5 * 50_000_000  # in real time a step lasts for five periods


def test_a_recording_has_the_rate_of_the_steps(make: Made, profile: str, tmp_path: Path) -> None:
    import h5py

    env = RecordEpisode(make(profile, frame_skip=2, fps=60), str(tmp_path / "recorded"))
    env.reset()
    for _ in range(3):
        env.step(env.unwrapped.controls.vector(key_right=1))
    env.close()
    (path,) = (tmp_path / "recorded").glob("*.hdf5")
    with h5py.File(path) as file:
        assert file["inputs"][:3, 1].tolist() == [1, 1, 1]
        text = file["metadata"][0]
        assert '"frame_skip": 2' in (text.decode() if isinstance(text, bytes) else str(text))


@pytest.mark.parametrize("wrong", [0, -1, 1.5, True, "4", None])
def test_other_numbers_are_refused(profile: str, wrong: object) -> None:
    with pytest.raises(ProfileError, match="frame_skip must be a whole number"):
        gymnasium.make(gameon_env.ENV_ID, game=profile, frame_skip=wrong)
