"""Shrinking pictures."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gameon_env.data_processing.resize import observe, shrink
from gameon_env.errors import ObservationError


@settings(max_examples=60, deadline=None)
@given(st.integers(8, 400), st.integers(8, 400), st.data())
def test_shape_and_mean_brightness_survive(height: int, width: int, data: st.DataObject) -> None:
    size = (data.draw(st.integers(1, height)), data.draw(st.integers(1, width)))
    rows, columns = np.mgrid[:height, :width]
    picture = np.stack([rows % 256, columns % 256, (rows + columns) % 256, 0 * rows], axis=2).astype(np.uint8)
    small = shrink(picture, size)
    assert small.shape == (*size, 4)
    assert small.dtype == np.uint8
    if min(size) >= 8:
        assert np.abs(small.mean(axis=(0, 1)) - picture.mean(axis=(0, 1))).max() < 8


def test_close_to_one_area_resize_of_a_smooth_picture() -> None:
    noise = np.random.default_rng(0).integers(0, 256, (45, 80, 4), dtype=np.uint8)
    picture = cv2.resize(noise, (1280, 720), interpolation=cv2.INTER_CUBIC)
    reference = cv2.resize(picture, (128, 128), interpolation=cv2.INTER_AREA)
    assert np.abs(shrink(picture, (128, 128)).astype(int) - reference).mean() < 4


def test_observation_is_rgb_of_its_own() -> None:
    picture = np.zeros((64, 64, 4), np.uint8)
    picture[:, :, 0] = 200  # blue comes first on displays
    observation = observe(picture, (64, 64))
    assert observation.shape == (64, 64, 3)
    assert observation[0, 0].tolist() == [0, 0, 200]
    picture[:] = 0
    assert observation[0, 0, 2] == 200


@pytest.mark.parametrize("size", [(65, 10), (10, 65), (0, 5), (5, -1)])
def test_sizes_that_do_not_fit_are_refused(size: tuple[int, int]) -> None:
    with pytest.raises(ObservationError, match="observation_size"):
        shrink(np.zeros((64, 64, 4), np.uint8), size)
