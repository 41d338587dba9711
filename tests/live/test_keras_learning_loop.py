"""A policy made with Keras plays the live game by the same commands as one made with PyTorch."""

from __future__ import annotations

from pathlib import Path

import gymnasium as gym
import pytest
from typer.testing import CliRunner

import gameon_env  # noqa: F401 - registers the environment
from gameon_env.cli.agents import load_agent
from gameon_env.cli.train import app
from gameon_env.learning.evaluation import RandomHeld, evaluate
from gameon_env.learning.keras_policy import KerasPolicy
from tests.live.test_learning_loop import short_rescue
from wrappers.record_episode import RecordEpisode

pytest.importorskip("tensorflow")

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # Keras on numpy 2

__all__ = ["short_rescue"]


def test_what_was_recorded_is_learned_and_played(short_rescue: Path, tmp_path: Path) -> None:
    env = gym.make("GameOn-Desktop-v0", game=str(short_rescue), display="private", observation_size=(64, 64))
    recorder = RecordEpisode(env, tmp_path / "recording")
    evaluate(recorder, RandomHeld(env), [1, 2])
    recorder.close()

    words = ["bc", str(tmp_path / "recording"), "--framework", "tensorflow", "--epochs", "1"]
    done = CliRunner().invoke(app, [*words, "--batch-size", "16", "-o", str(tmp_path / "policy.keras")])
    assert done.exit_code == 0, done.output

    agent, env = load_agent(tmp_path / "policy.keras", str(short_rescue), "private", "cpu")
    try:
        assert isinstance(agent, KerasPolicy)
        result = evaluate(env, agent, [4])
    finally:
        env.close()
    assert result.lengths[0] > 10
    assert result.end_reasons[0].startswith("game_over")
    assert 0 < result.latency_ms(50) < 1000
