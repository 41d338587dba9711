"""Games in lockstep: the same actions give the same frames, others give others, and a step is a period of game time."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import gymnasium
import numpy as np
import numpy.typing as npt
import pytest

import gameon_env  # noqa: F401 (registers the environment)
from gameon_env.data_processing.trajectory import load_episodes
from gameon_env.desktop.lockstep.lockstep_error import LockstepError
from gameon_env.errors import ProfileError
from wrappers import RecordEpisode

pytestmark = pytest.mark.skipif(
    sys.platform != "linux" or not all(map(shutil.which, ("cc", "Xvfb"))),
    reason="lockstep needs Linux, a C compiler and Xvfb",
)
needs_doom = pytest.mark.skipif(
    not Path("/usr/games/chocolate-doom").exists() or not Path("/usr/share/games/doom/freedoom1.wad").exists(),
    reason="needs chocolate-doom and freedoom",
)
Frames = list[npt.NDArray[np.uint8]]


def make(game: str | Path, **options: object) -> gymnasium.Env[npt.NDArray[np.uint8], npt.NDArray[np.float32]]:
    return gymnasium.make(
        "GameOn-Desktop-v0", game=str(game), time="lockstep", render_mode="rgb_array", disable_env_checker=True,
        **options,
    )  # fmt: skip


def play(env: gymnasium.Env, *, seed: int, actions: int, steps: int) -> tuple[Frames, list[int], str]:
    """One episode. Returns its full-size frames, their times and how it ended."""
    rng = np.random.default_rng(actions)
    _, info = env.reset(seed=seed)
    frames, times, end = [env.render().copy()], [info["t_ns"]], ""
    action = np.zeros(env.action_space.shape, np.float32)
    for step in range(steps):
        if step % 8 == 0:
            action = (rng.random(env.action_space.shape) < 0.4).astype(np.float32)
        _, _, terminated, truncated, info = env.step(action)
        frames.append(env.render().copy())
        times.append(info["t_ns"])
        if terminated or truncated:
            end = info["end_reason"]
            break
    return frames, times, end


def same(one: Frames, other: Frames) -> bool:
    return len(one) == len(other) and all(np.array_equal(a, b) for a, b in zip(one, other, strict=True))


@pytest.fixture(scope="module")
def rescue() -> Iterator[gymnasium.Env]:
    env = make("rescue")
    yield env
    env.close()


def test_the_same_seed_and_actions_give_the_same_frames(rescue: gymnasium.Env) -> None:
    first, times, _ = play(rescue, seed=5, actions=1, steps=60)
    again, _, _ = play(rescue, seed=5, actions=1, steps=60)
    moved, _, _ = play(rescue, seed=5, actions=2, steps=60)
    other, _, _ = play(rescue, seed=6, actions=1, steps=60)
    assert same(first, again)
    assert not same(first, moved)
    assert not same(first, other)
    periods = np.diff(times)
    assert np.abs(periods - 1e9 / 15).max() < 1000
    assert times[-1] - times[0] == pytest.approx(60e9 / 15, abs=1000)


def test_another_environment_plays_the_same_episode(rescue: gymnasium.Env) -> None:
    first, _, _ = play(rescue, seed=7, actions=3, steps=30)
    other = make("rescue")
    try:
        again, _, _ = play(other, seed=7, actions=3, steps=30)
    finally:
        other.close()
    assert same(first, again)


def test_a_game_that_takes_no_seed_gets_one(tmp_path: Path) -> None:
    env = make("aliens")
    try:
        first, _, end = play(env, seed=3, actions=1, steps=100)
        again, _, end_again = play(env, seed=3, actions=1, steps=100)
        other, _, _ = play(env, seed=4, actions=1, steps=100)
    finally:
        env.close()
    assert same(first, again)
    assert end == end_again
    assert not same(first, other)


@needs_doom
def test_doom() -> None:
    env = make("doom")
    try:
        first, times, _ = play(env, seed=1, actions=1, steps=150)
        again, _, _ = play(env, seed=1, actions=1, steps=150)
        moved, _, _ = play(env, seed=1, actions=2, steps=150)
    finally:
        env.close()
    assert same(first, again)
    assert not same(first, moved)
    assert len({frame.tobytes() for frame in first}) > 100
    assert np.abs(np.diff(times) - 1e9 / 35).max() < 1000


PROFILE = """
title = "Small game"
fps = 20
[launch]
command = ["{python}", "@game@", @options@]
screen_size = [240, 320]
gl = false
[controls]
names = ["key:left", "key:right", "key:space"]
"""


def small(folder: Path, options: str = "", script: str | None = None) -> Path:
    game = Path(__file__).with_name("small_game.py")
    if script is not None:
        game = folder / "game.py"
        game.write_text(script)
    profile = folder / "small.toml"
    profile.write_text(PROFILE.replace("@game@", str(game)).replace("@options@", options))
    return profile


def test_a_game_that_crashes_ends_the_episode_at_the_same_step(tmp_path: Path) -> None:
    env = make(small(tmp_path, '"--crash-after", "2"'))
    try:
        runs = [play(env, seed=1, actions=1, steps=100) for _ in range(2)]
    finally:
        env.close()
    assert same(runs[0][0], runs[1][0])
    assert 10 < len(runs[0][0]) < 45
    assert all("game_crashed" in end for _, _, end in runs)


HANGS = """
import os, time, pygame
pygame.display.init()
window = pygame.display.set_mode((320, 240))
for i in range(40):
    pygame.event.pump()
    window.fill((i * 5, 90, 20))
    pygame.draw.rect(window, "white", (i, 9, 9, 9))
    pygame.display.flip()
    time.sleep(0.05)
while True:
    pass
"""


def test_a_game_that_hangs_is_an_error_that_says_where(tmp_path: Path) -> None:
    env = make(small(tmp_path, script=HANGS))
    env.unwrapped._time._session.limit_s = 1.0  # type: ignore[attr-defined]
    try:
        with pytest.raises(LockstepError, match=r"within 1 s(.|\n)*runs"):
            play(env, seed=1, actions=1, steps=100)
    finally:
        env.close()


def test_a_game_that_hung_is_launched_anew_where_keys_would_begin_the_next_episode(tmp_path: Path) -> None:
    profile = small(tmp_path, script=HANGS)
    profile.write_text(profile.read_text() + '[reset]\nmode = "keys"\n[[reset.steps]]\ntap = "key:space"\n')
    env = make(profile)
    env.unwrapped._time._session.limit_s = 1.0  # type: ignore[attr-defined]
    try:
        with pytest.raises(LockstepError):
            play(env, seed=1, actions=1, steps=100)
        _, info = env.reset()
        assert "seed" in info
        assert "end_reason" not in env.step(np.zeros(3, np.float32))[4]
    finally:
        env.close()


def test_what_is_not_launched_on_a_private_display_is_refused() -> None:
    with pytest.raises(ProfileError, match="private display"):
        make("desktop")
    with pytest.raises(ProfileError, match="private display"):
        make("rescue", display="current")


def test_steps_are_recorded_with_the_times_of_the_game(tmp_path: Path) -> None:
    env = RecordEpisode(make("rescue"), tmp_path)
    try:
        for seed in (1, 2):
            env.reset(seed=seed)
            for _ in range(10):
                env.step(env.action_space.sample())
    finally:
        env.close()
    episodes = load_episodes(tmp_path)
    assert len(episodes) == 2
    for episode in episodes:
        assert np.abs(np.diff(np.asarray(episode.timestamps, np.int64)) - 1e9 / 15).max() < 1000
    assert [episode.timestamps[0] for episode in episodes] == [0, 0]
