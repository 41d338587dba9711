"""Choices per key, group and axis, and back; symmetric boxes; keys that stick; frames that stack."""

from __future__ import annotations

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env
from hypothesis import given
from hypothesis import strategies as st

import gameon_env  # noqa: F401 - registers the environment
from gameon_env.controls import Controls
from gameon_env.errors import ActionError, ObservationError, UnknownNameError
from tests.unit.learning.dot_env import CONTROLS, SIZE, DotEnv
from wrappers import MultiDiscreteActions, StackFrames, StickyKeys, SymmetricActions
from wrappers.axis_bins import axis_values
from wrappers.multi_discrete_actions import ChoiceCoding


def test_opposite_keys_are_one_choice() -> None:
    env = MultiDiscreteActions(DotEnv(), mouse_bins=5)
    assert env.action_space == gym.spaces.MultiDiscrete([3, 2, 5])
    assert env.action_coding.choices == ("key:a|key:d", "mouse:left", "mouse:dx")  # type: ignore[attr-defined]
    env.reset(seed=0)
    *_, info = env.step(np.array([2, 1, 4]))
    np.testing.assert_array_equal(info["action"], [0, 1, 1, 1])
    assert env.to_action([0, 1, 1, 0.9]).tolist() == [2, 1, 4]
    conversion = env.to_actions([[1, 1, 0, 0], [1, 0, 0, 0]])
    assert conversion.actions.tolist() == [[1, 0, 2], [1, 0, 2]]
    assert conversion.lost == {"key:d": 0.5}


def test_without_groups_every_key_is_its_own_choice() -> None:
    env = MultiDiscreteActions(DotEnv(), mouse_bins=3, exclusive=[])
    assert env.action_space == gym.spaces.MultiDiscrete([2, 2, 2, 3])
    assert env.to_actions([[1, 1, 0, 0]]).exact == 1.0


@given(st.lists(st.floats(-1, 1, width=32), min_size=1, max_size=20))
def test_actions_come_back_and_axes_lose_at_most_half_a_bin(values: list[float]) -> None:
    controls = Controls(CONTROLS, mouse_scale_px=50)
    bins = axis_values(controls, 11)
    coding = ChoiceCoding(CONTROLS, [["key:a", "key:d"]], bins)
    vectors = np.array([[0, 1, 1, value] for value in values], np.float32)
    conversion = coding.to_actions(vectors)
    np.testing.assert_array_equal(coding.to_actions(conversion.vectors).actions, conversion.actions)
    assert np.abs(conversion.vectors - vectors).max() <= np.diff(bins["mouse:dx"]).max() / 2 + 1e-6


def test_bins_lie_close_together_near_rest() -> None:
    controls = Controls(["mouse:dx", "mouse:dy", "mouse:x", "mouse:wheel"], mouse_scale_px=200)
    bins = axis_values(controls, 11)
    steps = np.diff(bins["mouse:dx"])
    assert bins["mouse:dx"][5] == 0
    assert steps[5] < steps[9] / 5
    np.testing.assert_allclose(np.diff(bins["mouse:x"]), 0.2, atol=1e-6)
    assert bins["mouse:wheel"].tolist() == [-1, 0, 1]
    csgo = axis_values(controls, "csgo")
    assert csgo["mouse:dx"].tolist() == pytest.approx(
        [s * c / 200 for s, cs in ((-1, (200, 100, 60, 30, 20, 10, 4, 2)), (1, ())) for c in cs]
        + [0]
        + [c / 200 for c in (2, 4, 10, 20, 30, 60, 100, 200)]
    )
    assert len(axis_values(Controls(["mouse:dx", "mouse:dy"], mouse_scale_px=1000), "csgo")["mouse:dx"]) == 23
    assert len(axis_values(Controls(["mouse:dx", "mouse:dy"], mouse_scale_px=1000), "csgo")["mouse:dy"]) == 15
    given_values = axis_values(controls, {"mouse:dx": [-1, 0, 0.5]})
    assert given_values["mouse:dx"].tolist() == [-1, 0, 0.5]
    assert len(given_values["mouse:dy"]) == 11


def test_wrong_bins_and_groups_are_named() -> None:
    for bins in (2, 4, True, "csg", {"mouse:dx": [0, 0]}, {"mouse:dx": [0, 2]}, {"mouse:dx": 2.5}):
        with pytest.raises(ActionError, match="must"):
            MultiDiscreteActions(DotEnv(), mouse_bins=bins)  # type: ignore[arg-type]
    with pytest.raises(UnknownNameError, match="no axis"):
        MultiDiscreteActions(DotEnv(), mouse_bins={"mouse:dz": 3})
    with pytest.raises(UnknownNameError, match="Did you mean 'key:a'"):
        MultiDiscreteActions(DotEnv(), exclusive=[["key:aa", "key:d"]])
    with pytest.raises(ActionError, match="axis"):
        MultiDiscreteActions(DotEnv(), exclusive=[["mouse:dx", "key:d"]])
    with pytest.raises(ActionError, match="twice"):
        MultiDiscreteActions(DotEnv(), exclusive=[["key:a", "key:d"], ["key:a", "mouse:left"]])
    env = MultiDiscreteActions(DotEnv())
    env.reset(seed=0)
    for wrong in ([3, 0, 0], [0, 0], [0.5, 0, 0], 1):
        with pytest.raises(ActionError, match="an action must lie in"):
            env.step(wrong)


@pytest.mark.filterwarnings("ignore:.*is different from the unwrapped version")
def test_the_wrappers_keep_gymnasiums_contract() -> None:
    for wrap in (MultiDiscreteActions, SymmetricActions, lambda env: StickyKeys(env, probability=0.25, hold=2)):
        check_env(wrap(DotEnv()), skip_render_check=True)
        env = wrap(gym.make("GameOn-Desktop-v0", game="rescue"))
        assert env.spec is not None
        again = gym.make(env.spec)
        assert again.action_space == env.action_space
        env.close(), again.close()


def test_a_symmetric_box_and_back() -> None:
    env = SymmetricActions(DotEnv())
    assert env.action_space == gym.spaces.Box(-1, 1, (4,), np.float32)
    assert env.to_vector(np.array([-0.1, 0.0, 1, -0.5], np.float32)).tolist() == [0, 1, 1, -0.5]
    assert env.to_action([0, 1, 0.6, 3]).tolist() == [-1, 1, 1, 1]
    assert env.to_actions([[0, 1, 1, 0.3]]).exact == 1.0


def test_keys_stay_down_for_a_while_and_axes_pass() -> None:
    env = StickyKeys(DotEnv(), hold=3)
    env.reset(seed=0)
    tap, rest = np.array([1, 0, 0, 0.5], np.float32), np.array([0, 0, 0, 0.2], np.float32)
    applied = [env.step(action)[4]["action"] for action in (tap, rest, rest, rest)]
    assert [vector[0] for vector in applied] == [1, 1, 1, 0]
    assert [vector[3] for vector in applied] == pytest.approx([0.5, 0.2, 0.2, 0.2])
    env.reset(seed=1)
    assert env.step(rest)[4]["action"][0] == 0


def test_keys_stick_by_chance_and_the_chance_is_repeatable() -> None:
    def play(seed: int) -> list[float]:
        env = StickyKeys(DotEnv(), probability=0.5)
        env.reset(seed=seed)
        return [env.step(np.array([i % 2, 0, 0, 0], np.float32))[4]["action"][0] for i in range(24)]

    assert play(3) == play(3)
    assert play(3) != play(4)
    assert play(3) != [i % 2 for i in range(24)]
    for wrong in ({"probability": 1.0}, {"probability": -0.1}, {"hold": 0}, {"hold": 1.5}):
        with pytest.raises(ActionError, match="must be"):
            StickyKeys(DotEnv(), **wrong)  # type: ignore[arg-type]


def test_other_actions_go_around_sticky_keys() -> None:
    env = MultiDiscreteActions(StickyKeys(DotEnv(), hold=2))
    env.reset(seed=0)
    env.step(np.array([1, 0, 5]))
    assert env.step(np.array([0, 0, 5]))[4]["action"].tolist() == [1, 0, 0, 0]


@pytest.mark.filterwarnings("ignore:.*is different from the unwrapped version")
def test_frames_stack_oldest_first_and_the_first_is_repeated() -> None:
    env = StackFrames(DotEnv(), 3)
    first, _ = env.reset(seed=0)
    assert first.shape == env.observation_space.shape == (SIZE, SIZE, 9)
    np.testing.assert_array_equal(first[..., :3], first[..., 6:])
    second, *_ = env.step(np.zeros(4, np.float32))
    np.testing.assert_array_equal(second[..., 3:6], first[..., 6:])
    assert (second[..., 6:] != first[..., 6:]).any()
    check_env(StackFrames(DotEnv(), 2), skip_render_check=True)
    for wrong in (0, 1.5, True):
        with pytest.raises(ObservationError, match="stack must be"):
            StackFrames(DotEnv(), wrong)  # type: ignore[arg-type]
    with pytest.raises(ObservationError, match="pictures"):
        StackFrames(gym.make("CartPole-v1"), 2)  # type: ignore[arg-type]
