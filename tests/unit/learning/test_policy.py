"""Saved policies: what is saved is what is loaded, and what does not fit is refused with a reason."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from safetensors.numpy import save_file

from gameon_env.errors import PolicyError, StorageError
from gameon_env.learning.action_head import ActionHead
from gameon_env.learning.network import CloneNetwork, weights_of
from gameon_env.learning.policy import HEADER_KEY, Policy, PolicySpec, read_policy, save_policy

CONTROLS = ("key:w", "mouse:left", "mouse:dx")
HEAD = ActionHead(CONTROLS, bins=5, thresholds=(0.3, 0.6), max_hold_steps=(90, 4))
NETWORK = CloneNetwork((48, 64), 3, HEAD.outputs)
SPEC = PolicySpec(
    HEAD, (48, 64), 3, 2, "clone_cnn", NETWORK.kwargs, game="dots", fps=15.0, mouse_scale_px=50.0, training={"a": 1}
)


class NamedEnv(gym.Env[np.ndarray, np.ndarray]):
    """An environment with named controls; it is never stepped."""

    def __init__(self, controls: tuple[str, ...] = CONTROLS, size: tuple[int, int] = (48, 64), **metadata: Any) -> None:
        self.controls = SimpleNamespace(names=controls)
        self.recording_metadata = {"fps": 15.0, "mouse_scale_px": 50.0, **metadata}
        self.observation_space = gym.spaces.Box(0, 255, (*size, 3), np.uint8)
        self.action_space = gym.spaces.Box(-1, 1, (len(controls),))


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    path = tmp_path / "policy.safetensors"
    save_policy(path, SPEC, weights_of(NETWORK))
    return path


def frames(count: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (count, 48, 64, 3), dtype=np.uint8)


def test_what_is_saved_is_loaded(saved: Path) -> None:
    spec, weights = read_policy(saved)
    assert replace(spec, network_kwargs={}) == replace(SPEC, network_kwargs={})
    assert dict(spec.network_kwargs) == NETWORK.kwargs
    for name, array in weights_of(NETWORK).items():
        np.testing.assert_array_equal(weights[name], array)


def test_actions_lie_in_the_space_and_repeat_after_reset(saved: Path) -> None:
    policy = Policy.load(saved, device="cpu")
    first = [policy.act(frame) for frame in frames(8)]
    policy.reset()
    second = [policy.act(frame) for frame in frames(8)]
    np.testing.assert_array_equal(first, second)
    for action in first:
        assert action.shape == (3,)
        assert action.dtype == np.float32
        assert set(action[:2]) <= {0.0, 1.0}
        assert abs(action[2]) <= 1


def presses(policy: Policy, pictures: np.ndarray, seed: int = 0) -> list[tuple[float, ...]]:
    """What it does about ``pictures`` where each button is likely, but not likely enough for its threshold."""
    policy._run = lambda stacked: np.concatenate((np.log([0.25, 0.5]) - np.log([0.75, 0.5]), [2, 0, 0, 0, 2]))
    policy.reset(seed)
    return [tuple(policy.act(picture)) for picture in pictures]


def test_what_is_seen_again_is_answered_by_what_is_drawn(saved: Path) -> None:
    spec, weights = read_policy(saved)
    policy = Policy(replace(spec, play={"draw_at_repeats": True}), weights, device="cpu")
    moving, still = frames(40), frames(3)[[0, 1] * 30]
    assert len(set(presses(policy, moving))) == 1
    stuck = presses(policy, still)
    assert {action[:2] for action in stuck} == {(0, 0), (0, 1), (1, 0), (1, 1)}
    assert abs(np.array(stuck)[:, 2]).max() == 1
    assert presses(policy, still) == stuck != presses(policy, still, seed=1)
    away = presses(policy, np.concatenate((still[:12], moving[2:])))
    assert len(set(away[-10:])) == 1


def test_a_picture_that_is_only_late_is_none_that_is_seen_again(saved: Path) -> None:
    spec, weights = read_policy(saved)
    policy = Policy(replace(spec, play={"draw_at_repeats": True}), weights, device="cpu")
    assert len(set(presses(policy, np.repeat(frames(40), 3, axis=0)))) == 1
    still = presses(policy, frames(1)[[0] * 100])
    assert len(set(still[:32])) == 1
    assert len(set(still[33:])) > 4


@pytest.mark.parametrize("asked", [{"sample_buttons": False}, {"axis_decoding": "expectation"}])
def test_a_way_of_playing_that_was_asked_for_is_kept_to(saved: Path, asked: dict[str, Any]) -> None:
    spec, weights = read_policy(saved)
    policy = Policy(replace(spec, play={"draw_at_repeats": True}), weights, device="cpu", **asked)
    assert len(set(presses(policy, frames(1)[[0] * 60]))) == 1
    assert len(set(presses(Policy(spec, weights, device="cpu"), frames(1)[[0] * 60]))) == 1


def test_the_stack_holds_every_second_frame_oldest_first(saved: Path) -> None:
    policy = Policy.load(saved, device="cpu")
    seen: list[np.ndarray] = []

    def look(stacked: np.ndarray) -> np.ndarray:
        seen.append(stacked.reshape(48, 64, 3, 3)[0, 0, :, 0])
        return np.zeros(HEAD.outputs, np.float32)

    policy._run = look
    for value in range(6):
        policy.act(np.full((48, 64, 3), value, np.uint8))
    assert [stack.tolist() for stack in seen] == [[0, 0, 0], [0, 0, 1], [0, 0, 2], [0, 1, 3], [0, 2, 4], [1, 3, 5]]


def test_an_observation_of_another_size_is_refused(saved: Path) -> None:
    with pytest.raises(PolicyError, match=r"\(48, 64, 3\)"):
        Policy.load(saved).act(np.zeros((64, 48, 3), np.uint8))


@pytest.mark.parametrize(
    ("controls", "message"),
    [
        (("key:w", "mouse:left"), "lacks .*mouse:dx"),
        ((*CONTROLS, "key:q"), "does not know .*key:q"),
        (("mouse:left", "key:w", "mouse:dx"), "order differs"),
    ],
)
def test_an_environment_with_other_controls_is_refused(saved: Path, controls: tuple[str, ...], message: str) -> None:
    with pytest.raises(PolicyError, match=message):
        Policy.load(saved).check_env(NamedEnv(controls))


def test_an_environment_that_fits_is_taken_and_others_are_refused(saved: Path) -> None:
    policy = Policy.load(saved)
    policy.check_env(NamedEnv())
    with pytest.raises(PolicyError, match="observation_size"):
        policy.check_env(NamedEnv(size=(64, 64)))
    with pytest.raises(PolicyError, match="mouse_scale_px"):
        policy.check_env(NamedEnv(mouse_scale_px=100.0))
    with pytest.warns(UserWarning, match="fps"):
        policy.check_env(NamedEnv(fps=30.0))


def test_an_environment_without_named_controls_is_refused(saved: Path) -> None:
    env = gym.make("CartPole-v1")
    with pytest.raises(PolicyError, match="no named controls"):
        Policy.load(saved).check_env(env)
    env.close()


def cut(data: bytes) -> bytes:
    return data[: len(data) // 2]


def flip(data: bytes) -> bytes:
    return b"\xff" * 8 + data[8:]


@pytest.mark.parametrize("damage", [cut, flip, lambda _: b"", lambda _: b"GIF89a" * 40])
def test_a_damaged_file_is_an_error(saved: Path, damage: Callable[[bytes], bytes]) -> None:
    saved.write_bytes(damage(saved.read_bytes()))
    with pytest.raises(PolicyError, match="damaged"):
        Policy.load(saved)


def test_a_missing_file_is_an_error_that_says_how_to_make_one(tmp_path: Path) -> None:
    with pytest.raises(PolicyError, match="gameon train bc"):
        Policy.load(tmp_path / "none.safetensors")


@pytest.mark.parametrize(
    ("header", "message"),
    [
        (None, "no policy of GameOn"),
        ({HEADER_KEY: "{]"}, "damaged header"),
        ({HEADER_KEY: json.dumps({"version": 1})}, "damaged header"),
        ({HEADER_KEY: json.dumps({"version": 99})}, "format version 99"),
        ({HEADER_KEY: replace(SPEC, network="oracle").to_json()}, "kind 'oracle'"),
        ({HEADER_KEY: SPEC.to_json()}, "do not fit"),
    ],
)
def test_a_file_that_is_no_policy_is_refused(tmp_path: Path, header: dict[str, str] | None, message: str) -> None:
    path = tmp_path / "other.safetensors"
    save_file({"weight": np.zeros(3, np.float32)}, path, metadata=header)
    with pytest.raises(PolicyError, match=message):
        Policy.load(path)


def test_a_place_that_cannot_be_written_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError, match="cannot be written"):
        save_policy(tmp_path / "file" / "policy.safetensors", SPEC, weights_of(NETWORK))
