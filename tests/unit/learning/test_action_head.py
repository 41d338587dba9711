"""The head: what goes in as targets comes out as actions."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gameon_env.errors import PolicyError
from gameon_env.learning.action_head import ActionDecoder, ActionHead

CONTROLS = ("mouse:dx", "key:w", "mouse:left", "mouse:x")


def logits_of(head: ActionHead, pressed: np.ndarray, shares: np.ndarray) -> np.ndarray:
    """Logits that say exactly this."""
    bins = np.log(np.maximum(shares, 1e-9)).reshape(len(shares), -1)
    return np.concatenate(((pressed - 0.5) * 20, bins), axis=1).astype(np.float32)


@given(st.lists(st.floats(-1, 1, width=32), min_size=2, max_size=2), st.booleans(), st.booleans())
def test_encoded_vectors_are_decoded_again(axes: list[float], key: bool, button: bool) -> None:
    head = ActionHead(CONTROLS)
    vector = np.array([axes[0], key, button, axes[1]], dtype=np.float32)
    pressed, shares = head.encode(vector[None])
    np.testing.assert_allclose(ActionDecoder(head)(logits_of(head, pressed, shares)[0]), vector, atol=1e-5)


def test_bins_are_finer_near_rest_and_even_for_the_pointers_position() -> None:
    head = ActionHead(CONTROLS)
    motion, position = np.diff(head.centres(0)), np.diff(head.centres(3))
    assert head.centres(0)[head.bins // 2] == 0
    assert motion[0] > 5 * motion[head.bins // 2]
    np.testing.assert_allclose(position, position[0], rtol=1e-4)


def test_axes_beyond_the_bounds_count_as_the_bound() -> None:
    head = ActionHead(("mouse:dx",))
    _, shares = head.encode([[-7.5], [3.0]])
    np.testing.assert_allclose(head.axis_values(shares)[:, 0], [-1, 1])


@pytest.mark.parametrize("decoding", ["mode", "median", "sample"])
def test_two_ways_out_are_not_averaged_into_none(decoding: str) -> None:
    head = ActionHead(("mouse:dx",))
    shares = np.zeros((1, 1, head.bins), dtype=np.float32)
    shares[0, 0, [0, -1]] = 0.4, 0.6
    value = head.axis_values(shares, decoding, np.random.default_rng(0))  # type: ignore[arg-type]
    assert abs(value[0, 0]) == 1


def test_a_button_is_held_from_its_threshold_on() -> None:
    head = ActionHead(("key:a", "key:b"), thresholds=(0.2, 0.8))
    logit = np.log(0.5 / 0.5) + np.zeros(2, dtype=np.float32)
    assert ActionDecoder(head)(logit).tolist() == [1, 0]


def test_sampled_buttons_are_pressed_as_often_as_predicted() -> None:
    decode = ActionDecoder(ActionHead(("key:a",)), sample_buttons=True, seed=1)
    rare = np.array([np.log(0.1 / 0.9)], dtype=np.float32)
    assert 0.07 < np.mean([decode(rare)[0] for _ in range(3000)]) < 0.13


def test_a_hold_longer_than_any_seen_is_broken_for_one_step() -> None:
    decode = ActionDecoder(ActionHead(("mouse:left",), max_hold_steps=(3,)))
    down = np.array([9.0], dtype=np.float32)
    assert [decode(down)[0] for _ in range(9)] == [1, 1, 1, 0, 1, 1, 1, 0, 1]
    decode.reset()
    assert [decode(down)[0] for _ in range(3)] == [1, 1, 1]


def test_heads_without_axes_or_without_buttons_work() -> None:
    assert ActionDecoder(ActionHead(("key:a",)))(np.array([5.0], dtype=np.float32)).tolist() == [1]
    only_axis = ActionHead(("mouse:dx",), bins=3)
    assert ActionDecoder(only_axis)(np.array([0, 0, 50], dtype=np.float32)).tolist() == [1]


@pytest.mark.parametrize("bins", [1, 4])
def test_a_number_of_bins_without_a_middle_is_refused(bins: int) -> None:
    with pytest.raises(PolicyError, match="odd number of bins"):
        ActionHead(CONTROLS, bins=bins)
