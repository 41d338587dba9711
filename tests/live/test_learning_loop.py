"""The loop on the live game: play, record, learn, let the policy play. Short games: the joints are what is tested."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gymnasium as gym
import pytest

import gameon_env  # noqa: F401 - registers the environment
from gameon_env.data_processing.trajectory import load_episodes
from gameon_env.errors import PolicyError
from gameon_env.games.profile import load_profile
from gameon_env.learning.behavioral_cloning import CloningConfig, clone
from gameon_env.learning.evaluation import RandomFresh, RandomHeld, evaluate, recorded_result
from gameon_env.learning.policy import Policy
from wrappers.record_episode import RecordEpisode


@pytest.fixture(scope="module")
def short_rescue(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The profile of `rescue`, with games of three seconds."""
    profile = load_profile("rescue").path
    folder = tmp_path_factory.mktemp("profile")
    for font in profile.parent.glob("rescue*.png"):
        (folder / font.name).write_bytes(font.read_bytes())
    text = profile.read_text().replace('"{seed}",', '"{seed}", "--duration", "3", "--mute",')
    path = folder / "rescue.toml"
    path.write_text(text)
    return path


@pytest.fixture
def env(short_rescue: Path) -> Iterator[gym.Env[Any, Any]]:
    env = gym.make("GameOn-Desktop-v0", game=str(short_rescue), display="private", observation_size=(64, 64))
    yield env
    env.close()


def test_what_was_recorded_is_learned_and_played(env: gym.Env[Any, Any], tmp_path: Path) -> None:
    recorder = RecordEpisode(env, tmp_path / "recording")
    played = evaluate(recorder, RandomHeld(env), [1, 2, 3])
    episodes = load_episodes(tmp_path / "recording")
    assert recorded_result(episodes).lengths == played.lengths
    assert all(reason.startswith("game_over") for reason in played.end_reasons)

    clone(episodes, tmp_path / "policy.safetensors", CloningConfig(epochs=2, batch_size=16), progress=False)
    policy = Policy.load(tmp_path / "policy.safetensors")
    policy.check_env(env)
    result = evaluate(env, policy, [4])
    assert result.lengths[0] > 10
    assert math.isfinite(result.mean)
    assert 0 < result.latency_ms(50) < 1000

    fresh = evaluate(env, RandomFresh(env), [4])
    assert fresh.seeds == (4,)
    other = gym.make("GameOn-Desktop-v0", game="rescue", observation_size=(32, 32))
    with pytest.raises(PolicyError, match="observation_size"):
        policy.check_env(other)
    other.close()
