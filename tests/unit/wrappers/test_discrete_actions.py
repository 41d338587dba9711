"""Combinations as numbers, and back; where they come from; what is wrong with them."""

from __future__ import annotations

from pathlib import Path

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env
from hypothesis import given
from hypothesis import strategies as st

import gameon_env  # noqa: F401 - registers the environment
from gameon_env.data_processing.trajectory import load_episodes
from gameon_env.errors import ActionError, TrajectoryError
from gameon_env.games.profile import load_profile, profile_paths
from tests.unit.learning.dot_env import CONTROLS, DotEnv, record
from wrappers import DiscreteActions, RecordEpisode
from wrappers.discrete_actions import CombinationCoding, frequent_combinations

COMBINATIONS = {"nothing": [], "left": ["key:a"], "fire": ["key:a", "mouse:left"], "aim": {"mouse:dx": 0.5}}


def test_a_number_does_what_its_combination_says() -> None:
    env = DiscreteActions(DotEnv(), COMBINATIONS)
    assert env.action_space == gym.spaces.Discrete(4)
    env.reset(seed=0)
    *_, info = env.step(2)
    np.testing.assert_array_equal(info["action"], [1, 0, 1, 0])
    assert env.to_vector(np.int64(3)).tolist() == [0, 0, 0, 0.5]
    assert env.combinations["fire"] == {"key:a": 1.0, "mouse:left": 1.0}


def test_the_nearest_combination_is_found_and_what_it_loses_is_said() -> None:
    env = DiscreteActions(DotEnv(), COMBINATIONS)
    assert env.to_action([1, 0, 1, 0.1]) == 2
    assert env.to_action([0, 0, 0, 0.4]) == 3
    conversion = env.to_actions([[0, 0, 0, 0], [1, 1, 0, 0], [0, 0, 0, 7.0]])
    assert conversion.actions.tolist() == [0, 1, 3]
    assert conversion.lost == pytest.approx({"key:d": 1 / 3, "mouse:dx": 0.5 / 3})
    assert conversion.exact == pytest.approx(1 / 3)
    assert "key:d wrong in 33.3 % of steps" in str(conversion)


@given(st.integers(0, 3))
def test_every_number_comes_back(number: int) -> None:
    coding = CombinationCoding(CONTROLS, COMBINATIONS)
    assert coding.to_action(coding.to_vector(number)) == number


@pytest.mark.filterwarnings("ignore:.*is different from the unwrapped version")
def test_the_wrapper_keeps_gymnasiums_contract() -> None:
    env = gym.make("GameOn-Desktop-v0", game="rescue")
    wrapped = DiscreteActions(env)
    assert wrapped.spec is not None
    assert wrapped.spec.additional_wrappers[-1].name == "DiscreteActions"
    again = gym.make(wrapped.spec)
    assert again.action_space == wrapped.action_space == gym.spaces.Discrete(len(load_profile("rescue").actions))
    assert wrapped.metadata == env.metadata
    env.close(), again.close()
    check_env(DiscreteActions(DotEnv(), COMBINATIONS), skip_render_check=True)


def test_recordings_hold_the_vectors_that_were_applied(tmp_path: Path) -> None:
    env = RecordEpisode(DiscreteActions(DotEnv(), COMBINATIONS), tmp_path)
    env.reset(seed=0)
    for number in (1, 3, 2):
        env.step(number)
    env.close()
    (episode,) = load_episodes(tmp_path)
    assert episode.controls == CONTROLS
    assert DiscreteActions(DotEnv(), COMBINATIONS).to_actions(episode.inputs[:3]).actions.tolist() == [1, 3, 2]


def test_the_most_frequent_combinations_of_recordings(tmp_path: Path) -> None:
    episodes = record(tmp_path, 8)
    env = DiscreteActions.from_dataset(DotEnv(), episodes, n=6)
    names = list(env.combinations)
    assert names[0] == "nothing"
    assert len(names) == 6
    assert any("key:a" in combination for combination in env.combinations.values())
    more = DiscreteActions.from_dataset(DotEnv(), tmp_path, n=12)
    vectors = np.concatenate([episode.inputs[:-1] for episode in episodes])
    assert more.to_actions(vectors).exact >= env.to_actions(vectors).exact
    assert env.to_actions(vectors).lost.get("key:a", 0) < 0.2


def test_counting_is_by_frequency() -> None:
    vectors = np.array([[1, 0]] * 5 + [[0, 1]] * 9 + [[1, 1]] * 2 + [[0, 0]], np.float32)
    assert list(frequent_combinations(vectors, ["key:a", "key:d"], 3)) == ["nothing", "key:d", "key:a"]


def test_shipped_profiles_combinations_are_actions_of_their_game() -> None:
    for name in profile_paths():
        profile = load_profile(name)
        if profile.actions:
            coding = CombinationCoding(profile.controls.names, profile.actions)
            assert all(profile.controls.space.contains(vector) for vector in coding.vectors)


@pytest.mark.parametrize(
    ("combinations", "said"),
    [
        ({"up": ["key:up"]}, r"'up' holds 'key:up', which is none of this game's controls"),
        ({"left": ["key:aa"]}, "Did you mean 'key:a'"),
        ({"aim": ["mouse:dx"]}, 'the axis mouse:dx, which needs a value: write { "mouse:dx" = 0.5 }'),
        ({"aim": {"mouse:dx": 2}}, "expected a number from -1 to 1"),
        ({"aim": {"mouse:dx": float("nan")}}, "expected a number from -1 to 1"),
        ({"left": {"key:a": 0.5}}, "a key or button is 1"),
        ({"left": ["key:a"], "port": ["key:a"]}, "'port' is the same combination as left"),
        ([["key:a"], ["key:a"]], "'key:a' is there twice"),
        ({"left": "key:a"}, "must be a list of controls"),
        ({}, "at least one combination"),
    ],
)
def test_wrong_combinations_are_named(combinations: object, said: str) -> None:
    with pytest.raises(ActionError, match=said):
        DiscreteActions(DotEnv(), combinations)  # type: ignore[arg-type]


def test_errors_say_the_remedy(tmp_path: Path) -> None:
    with pytest.raises(ActionError, match=r"DiscreteActions\.from_dataset"):
        DiscreteActions(DotEnv())
    with pytest.raises(ActionError, match="named controls"):
        DiscreteActions(gym.make("CartPole-v1"), COMBINATIONS)
    env = DiscreteActions(DotEnv(), COMBINATIONS)
    with pytest.raises(ActionError, match="directly around the environment"):
        DiscreteActions(env, COMBINATIONS)
    env.reset(seed=0)
    for wrong in (4, -1, 0.5, [1, 0, 0, 0], "left"):
        with pytest.raises(ActionError, match="an action must lie in"):
            env.step(wrong)
    with pytest.raises(ActionError, match="4 numbers"):
        env.to_action([0, 0])
    with pytest.raises(ActionError, match="NaN"):
        env.to_action([0, 0, 0, np.nan])
    other = DotEnv(("key:w", "key:d", "mouse:left", "mouse:dx"))
    with pytest.raises(TrajectoryError, match="use recordings of this game"):
        DiscreteActions.from_dataset(other, record(tmp_path, 1))
    with pytest.raises(ActionError, match="n must be at least 2"):
        DiscreteActions.from_dataset(DotEnv(), tmp_path, n=1)
