"""Mirrored pictures with mirrored controls."""

from __future__ import annotations

import numpy as np
import pytest

from gameon_env.errors import PolicyError
from gameon_env.learning.action_head import ActionHead
from gameon_env.learning.augmentation import Mirrors

HEAD = ActionHead(("key:w", "key:a", "key:s", "key:d", "mouse:left", "mouse:dx", "mouse:dy"))


class Always:
    """A generator that always mirrors."""

    def random(self, count: int) -> np.ndarray:
        return np.zeros(count)


def one() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    picture = np.zeros((1, 4, 6, 3), np.uint8)
    picture[0, 0, 1] = 255
    inputs = np.array([[1, 1, 0, 0, 1, 0.25, -0.5]], np.float32)
    return picture, *HEAD.encode(inputs)


def test_left_and_right_swap_with_the_picture() -> None:
    picture, pressed, shares = Mirrors(HEAD, "horizontal").apply(*one(), Always())  # type: ignore[arg-type]
    assert picture[0, 0, 4].tolist() == [255] * 3
    assert pressed.tolist() == [[1, 0, 0, 1, 1]]  # the left mouse button stays the left one
    assert HEAD.axis_values(shares)[0].tolist() == pytest.approx([-0.25, -0.5], abs=1e-3)


def test_both_directions() -> None:
    picture, pressed, shares = Mirrors(HEAD, "both").apply(*one(), Always())  # type: ignore[arg-type]
    assert picture[0, 3, 4].tolist() == [255] * 3
    assert pressed.tolist() == [[0, 0, 1, 1, 1]]
    assert HEAD.axis_values(shares)[0].tolist() == pytest.approx([-0.25, 0.5], abs=1e-3)


def test_nothing_is_done_unless_asked_and_the_batch_given_is_left_alone() -> None:
    before = one()
    after = Mirrors(HEAD, "none").apply(*before, Always())  # type: ignore[arg-type]
    assert all(np.array_equal(a, b) for a, b in zip(before, after, strict=True))
    given = one()
    Mirrors(HEAD, "both").apply(*given, Always())  # type: ignore[arg-type]
    assert all(np.array_equal(a, b) for a, b in zip(given, one(), strict=True))


def test_each_picture_goes_with_its_own_labels() -> None:
    rng = np.random.default_rng(0)
    inputs = np.tile(np.array([[0, 1, 0, 0, 0, -1, 0]], np.float32), (64, 1))
    pictures = np.zeros((64, 4, 4, 3), np.uint8)
    pictures[:, :, 0] = 9  # something on the left: go left
    pictures, pressed, shares = Mirrors(HEAD, "horizontal").apply(pictures, *HEAD.encode(inputs), rng)
    on_left = pictures[:, 0, 0, 0] == 9
    assert 10 < on_left.sum() < 54
    assert np.array_equal(pressed[:, 1] == 1, on_left)
    assert np.array_equal(HEAD.axis_values(shares)[:, 0] < 0, on_left)


def test_a_control_without_its_partner_is_refused() -> None:
    with pytest.raises(PolicyError, match="key:a"):
        Mirrors(ActionHead(("key:a", "mouse:dx")), "horizontal")
