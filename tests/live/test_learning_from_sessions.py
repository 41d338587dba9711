"""A policy that learned from a recorded session plays the live game."""

from __future__ import annotations

import time
from pathlib import Path

import gymnasium as gym
import numpy as np

from gameon_env.desktop.display import PrivateDisplay
from gameon_env.learning.behavioral_cloning import CloningConfig, clone
from gameon_env.learning.policy import Policy
from gameon_env.learning.recorded_runs import load_runs
from gameon_env.recording.recorder import SessionRecorder
from tests.physical import PhysicalDevices

COUNTER = Path(__file__).with_name("counter_game.py")

PROFILE = """
fps = 20
[launch]
command = ["{{python}}", "{script}", "{log}", "--fps", "40", "--size", "320x240"]
screen_size = [240, 320]
gl = false
[controls]
names = ["key:w", "key:a", "key:s"]
[reset]
mode = "relaunch"
"""
SIZE = (64, 96)


def test_a_policy_learned_from_a_session_plays(tmp_path: Path) -> None:
    """The game shows which keys it sees held, so that what was learned can be told: to hold what is shown as held."""
    game = tmp_path / "counter.toml"
    game.write_text(PROFILE.format(script=COUNTER, log=tmp_path / "log.json"))
    rng = np.random.default_rng(0)
    with (
        PrivateDisplay((240, 320), gl=False) as display,
        PhysicalDevices(display.name) as person,
        SessionRecorder(game, display=display.name, data_dir=tmp_path / "data", gamepads=False) as recorder,
    ):
        end = time.monotonic() + 20
        while recorder.status.frames < 5 and time.monotonic() < end:
            time.sleep(0.02)
        for turn in range(27):
            key = ("key:w", "key:a", "key:s")[turn % 3]
            person.press(key)
            time.sleep(rng.uniform(0.3, 0.5))
            person.release(key)
    runs = load_runs(tmp_path / "data" / "gameon.db", size=SIZE, cache=tmp_path / "cache")
    assert [run.fps for run in runs] == [20.0] * len(runs)
    config = CloningConfig(
        epochs=12, batch_size=32, averaging=0.9, learning_rate=3e-3, shift_px=0, brightness=0.0, threads=1
    )
    result = clone(runs, tmp_path / "policy.safetensors", config, progress=False)
    assert np.mean(list(result.best.f1.values())) > 0.7, result.best  # who always presses gets 0.5

    policy = Policy.load(result.policy_path)
    env = gym.make("GameOn-Desktop-v0", game=str(game), display="private", observation_size=SIZE)
    try:
        policy.check_env(env)
        observation, _ = env.reset(seed=0)
        policy.reset()
        for _ in range(20):
            action = policy.act(observation)
            assert env.action_space.contains(action)
            observation, _, terminated, truncated, _ = env.step(action)
            assert not terminated
            assert not truncated
    finally:
        env.close()
