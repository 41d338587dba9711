"""Evaluation on small environments whose scores are known."""

from __future__ import annotations

import io
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from rich.console import Console

from gameon_env.data_processing.trajectory import load_episodes
from gameon_env.learning.evaluation import (
    RandomFresh,
    RandomHeld,
    Result,
    evaluate,
    recorded_result,
    score_table,
    tells_scores,
)
from wrappers import RecordEpisode

CONTROLS = ("key:w", "key:s", "mouse:dx")


class CountingEnv(gym.Env[np.ndarray, np.ndarray]):
    """Scores how often ``key:w`` was down; ends after 60 steps. Times are made up: 3 ms from seeing to acting."""

    def __init__(self, tells_score: bool = True) -> None:
        self.controls = SimpleNamespace(names=CONTROLS)
        self.recording_metadata = {"fps": 15.0}
        self.observation_space = gym.spaces.Box(0, 255, (8, 8, 3), np.uint8)
        self.action_space = gym.spaces.Box(np.array([0, 0, -1], np.float32), np.ones(3, np.float32))
        self.tells_score = tells_score
        self.closed = False

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[np.ndarray, dict]:
        super().reset(seed=seed)
        self.steps, self.score = 0, 0.0
        return self.observation_space.sample(), {"t_ns": 0}

    def step(self, action: np.ndarray) -> tuple[np.ndarray, float, bool, bool, dict[str, Any]]:
        assert self.action_space.contains(action)
        seen_ns = self.steps * 66_000_000
        self.steps += 1
        self.score += float(action[0] >= 0.5)
        info: dict[str, Any] = {"t_ns": self.steps * 66_000_000, "inject_t_ns": seen_ns + 3_000_000}
        over = self.steps == 60
        if self.tells_score:
            info["raw_score"] = float("nan") if over else 10 * self.score
        if over:
            info["end_reason"] = "game_over"
        return self.observation_space.sample(), float(action[0] >= 0.5), over, False, info

    def close(self) -> None:
        self.closed = True


class Forward:
    name = "forward"

    def reset(self, seed: int | None = None) -> None: ...

    def act(self, observation: np.ndarray) -> np.ndarray:
        return np.array([1, 0, 0], dtype=np.float32)


def test_the_score_is_the_last_readable_one() -> None:
    result = evaluate(CountingEnv(), Forward(), [1, 2])
    assert result.scores == (590.0, 590.0)
    assert result.lengths == (60, 60)
    assert result.end_reasons == ("game_over", "game_over")
    assert result.seeds == (1, 2)
    assert result.latency_ms(50) == result.latency_ms(99) == pytest.approx(3.0)


def test_without_a_score_the_rewards_count() -> None:
    assert evaluate(CountingEnv(tells_score=False), Forward(), [1]).scores == (60.0,)


def test_scores_and_rewards_are_told_apart() -> None:
    result = evaluate(CountingEnv(), Forward(), [1, 2])
    assert (result.scores, result.returns) == ((590.0, 590.0), (60.0, 60.0))
    assert result.by_rewards().scores == (60.0, 60.0)


@pytest.mark.parametrize("tells_score", [True, False])
def test_a_recording_is_compared_in_its_own_units(tmp_path: Path, tells_score: bool) -> None:
    env = RecordEpisode(CountingEnv(tells_score=tells_score), tmp_path)
    played = evaluate(env, Forward(), [1, 2])
    env.close()
    episodes = load_episodes(tmp_path)
    assert tells_scores(episodes) == tells_score
    assert recorded_result(episodes).scores == played.scores
    assert recorded_result(episodes).returns == played.returns


def test_an_environment_made_for_the_evaluation_is_closed_after_it() -> None:
    made = CountingEnv()
    evaluate(lambda: made, Forward(), [1])
    assert made.closed
    mine = CountingEnv()
    evaluate(mine, Forward(), [1])
    assert not mine.closed


def test_fresh_random_actions_repeat_with_the_seed() -> None:
    env = CountingEnv()
    assert evaluate(env, RandomFresh(env), [5, 6]).scores == evaluate(env, RandomFresh(env), [5, 6]).scores


def test_held_random_actions_last_a_quarter_to_one_second() -> None:
    env = CountingEnv()
    actor = RandomHeld(env, seed=3)
    actions = np.array([actor.act(np.zeros((8, 8, 3), np.uint8)) for _ in range(3000)])
    assert all(env.action_space.contains(action) for action in actions)
    changes = np.flatnonzero(np.diff(actions[:, 2]))
    lengths = np.diff(changes)
    assert lengths.min() >= 4  # 0.25 s at 15 fps
    assert lengths.max() <= 15
    assert 0.4 < actions[:, 0].mean() < 0.6


def test_the_table_compares_with_the_reference_and_the_better_random() -> None:
    results = [Result("player", (100.0, 120.0)), Result("agent", (99.0,)), Result("random, a", (0.0,)),
               Result("random, b", (10.0,))]  # fmt: skip
    text = io.StringIO()
    Console(file=text, width=140).print(score_table(results, reference="player"))
    agent = next(line for line in text.getvalue().splitlines() if "agent" in line)
    assert "90 %" in agent
    assert "89 %" in agent
    assert results[0].mean == 110
    assert results[0].std == pytest.approx(14.14, abs=0.01)


def test_there_are_no_shares_of_a_reference_that_lost_more_than_it_gained() -> None:
    results = [Result("player", (-10.0,)), Result("agent", (-20.0,)), Result("random, a", (-5.0,))]
    text = io.StringIO()
    Console(file=text, width=140).print(score_table(results, reference="player"))
    assert "%" not in text.getvalue()
