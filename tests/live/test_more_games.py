"""Unmodified games of others, where they are installed: started, played, read, and the same each time."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Sequence
from contextlib import closing

import numpy as np
import pytest

from gameon_env.envs.desktop_env import DesktopEnv
from gameon_env.envs.determinism import open_lockstep
from gameon_env.errors import MissingProgramError
from gameon_env.games.profile import load_profile

pytestmark = pytest.mark.skipif(
    sys.platform != "linux" or not all(map(shutil.which, ("cc", "Xvfb"))),
    reason="lockstep needs Linux, a C compiler and Xvfb",
)


def lockstep(game: str) -> DesktopEnv:
    profile = load_profile(game)
    assert profile.launch is not None
    try:
        profile.launch.check_installed(profile.path.parent)
    except MissingProgramError as error:
        pytest.skip(str(error))
    return open_lockstep(game)


def play(env: DesktopEnv, *parts: tuple[int, Sequence[str]]) -> tuple[list[bytes], float, dict[str, float], str]:
    """Hold these keys for so many steps each. Returns the frames, the return, the readers at the end, and the end."""
    frames, total, info, end = [], 0.0, {}, ""
    for steps, keys in parts:
        action = np.zeros(len(env.controls), np.float32)
        action[[env.controls.index[key] for key in keys]] = 1
        for _ in range(steps):
            _, reward, terminated, truncated, info = env.step(action)
            picture = env.render()
            assert picture is not None
            frames.append(picture.tobytes())
            total += float(reward)
            if terminated or truncated:
                return frames, total, info["readers"], str(info["end_reason"])
    return frames, total, info["readers"], end


def test_snake() -> None:
    with closing(lockstep("pyxel_snake")) as env:
        runs = []
        for _ in range(2):
            env.reset(seed=1)
            runs.append(play(env, (5, ()), (5, ["key:down"]), (100, ["key:left"])))
        frames, total, readers, end = runs[0]
        assert runs[0] == runs[1]
        assert end == "game_over: over"
        assert total == readers["score"] - 1
        _, info = env.reset()
        assert "seed" not in info  # by R, in the game that runs
        assert info["readers"] == {"score": 0, "playing": 1, "over": 0}
        assert play(env, (5, ()), (5, ["key:down"]), (100, ["key:left"]))[0] != frames


def test_jump() -> None:
    with closing(lockstep("pyxel_jump")) as env:
        env.reset(seed=1)
        frames, total, readers, end = play(env, (150, ()))
        assert not end
        assert readers["score"] % 10 == 0
        assert total > 0
        env.reset(seed=1)
        assert play(env, (150, ()))[0] == frames
        env.reset(seed=2)
        assert play(env, (150, ()))[0] != frames


def test_supertux() -> None:
    with closing(lockstep("supertux")) as env:
        env.reset(seed=1)
        _, total, readers, end = play(env, (20, ["key:right"]))
        assert not end
        assert 150 < readers["x"] < 300
        assert total == pytest.approx((readers["x"] - 96) / 100)
        _, _, readers, end = play(env, (400, ["key:right"]))
        assert end == "game_over: y"
        _, info = env.reset()
        assert "seed" not in info
        assert info["readers"]["x"] == 96


def test_chromium_bsu() -> None:
    with closing(lockstep("chromium_bsu")) as env:
        env.reset(seed=1)
        frames, _, readers, end = play(env, (20, ["key:space", "key:left"]))
        assert not end
        assert readers == {"score": 0, "playing": 1, "over": 0}
        assert len(set(frames)) == 20


def test_extremetuxracer() -> None:
    with closing(lockstep("extremetuxracer")) as env:
        env.reset(seed=1)
        _, total, readers, end = play(env, (100, ["key:up"]))
        assert not end
        assert readers["herring"] == 0
        assert readers["racing"] == 1
        assert total == pytest.approx(10 * readers["progress"])
        assert total > 0
