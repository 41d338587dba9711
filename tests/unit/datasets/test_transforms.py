"""Random changes are safe for labels, the same for all frames of a window, and can be drawn again."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch

from gameon_env.datasets.options import DatasetOptions
from gameon_env.datasets.transforms import Augmentation, transformed
from gameon_env.datasets.windows import Windows
from gameon_env.errors import DatasetError
from tests.unit.datasets.played_session import CONTROLS, SIZE, played

FRAMES = np.random.default_rng(0).integers(0, 256, (5, 8, 10, 3), np.uint8)


@pytest.fixture(scope="module")
def session(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return played(tmp_path_factory.mktemp("session") / "s", 40)


def windows(source: Path, **options: Any) -> Windows:
    return Windows(
        DatasetOptions(db_path=source, target_size=SIZE, sequence_length=4, include_audio=False, seed=5, **options)
    )


def test_a_mirror_swaps_left_and_right_in_picture_and_input() -> None:
    names = ("key:a", "key:d", "key:w", "mouse:dx", "mouse:dy", "pad:dpad_left", "pad:dpad_right", "pad:left_x")
    change = Augmentation(names, [names])
    inputs = np.array([[1, 0, 1, 0.5, 0.25, 0, 1, -0.75]], np.float32)
    mirrored = 0
    for seed in range(40):
        frames, changed = change(FRAMES, inputs, np.random.default_rng(seed))
        assert frames.shape == FRAMES.shape
        if np.array_equal(changed, inputs):
            shown = FRAMES
        else:
            assert changed.tolist() == [[0, 1, 1, -0.5, 0.25, 1, 0, 0.75]]
            shown, mirrored = FRAMES[:, :, ::-1], mirrored + 1
        # Brightness and contrast keep the order of levels, and are the same for all frames.
        assert np.abs(frames.astype(int) - shown).mean() < 30
        order = np.argsort(shown.ravel(), kind="stable")
        assert (np.diff(frames.ravel()[order].astype(int)) >= 0).all()
    assert 10 < mirrored < 30


def test_a_control_without_partner() -> None:
    with pytest.raises(DatasetError, match=r"key:left would swap .*augment=False"):
        Augmentation(("key:left", "key:space"), [("key:left", "key:space")])
    # What is half of a pair in one game keeps its place: "e" alone is no lean to the right.
    change = Augmentation(("key:e", "key:q"), [("key:e",), ("key:q", "key:e")])
    inputs = np.array([[1, 0]], np.float32)
    assert all(change(FRAMES, inputs, np.random.default_rng(s))[1].tolist() == [[1, 0]] for s in range(9))


def test_what_is_drawn_depends_on_seed_epoch_and_window_alone(session: Path) -> None:
    data, again = windows(session, augment=True), windows(session, augment=True)
    batch = data.batch(range(20))
    for index in reversed(range(20)):
        item = again.item(index)
        np.testing.assert_array_equal(item.frames, batch.frames[index])
        np.testing.assert_array_equal(item.inputs, batch.inputs[index])
    data.set_epoch(1)
    other = data.batch(range(20))
    assert (other.frames != batch.frames).any()
    np.testing.assert_array_equal(other.frames[3], again.item(3, epoch=1).frames)
    plain = windows(session).batch(range(20))
    swapped = [CONTROLS.index(name) for name in ("key:d", "key:a", "key:space", "mouse:dx")]
    mirrored = [not np.array_equal(a, b) for a, b in zip(batch.inputs, plain.inputs, strict=True)]
    for row in np.flatnonzero(mirrored):
        np.testing.assert_array_equal(batch.inputs[row], plain.inputs[row][:, swapped] * [1, 1, 1, -1])
    assert 3 < sum(mirrored) < 17


def noisy(frame: np.ndarray) -> np.ndarray:
    """Draws from all three sources of random numbers."""
    drawn = np.array([random.random(), np.random.rand(), float(torch.rand(1))])
    return np.asarray(frame * np.float32(0) + drawn.astype(np.float32))


def test_all_frames_of_a_window_get_the_same_draw(session: Path) -> None:
    random.seed(1)
    torch.manual_seed(1)
    before = random.getstate(), torch.get_rng_state()
    data = windows(session, transform=noisy)
    first, second = data.item(3).frames, data.item(4).frames
    assert (first == first[0]).all()
    assert (first[0] != second[0]).any()
    np.testing.assert_array_equal(data.item(3).frames, first)
    assert random.getstate() == before[0]
    assert torch.equal(torch.get_rng_state(), before[1])


def test_a_transform_may_give_tensors_or_images(session: Path) -> None:
    tensors = windows(session, transform=lambda f: torch.from_numpy(f).permute(2, 0, 1).float() / 255)
    frames = tensors.item(0).frames
    assert isinstance(frames, torch.Tensor)
    assert frames.shape == (4, 3, *SIZE)
    assert tensors.batch([0, 1]).frames.shape == (2, 4, 3, *SIZE)
    small = windows(session, transform=lambda f: cv2.resize(f, (10, 20)))
    assert small.batch([0, 1, 2]).frames.shape == (3, 4, 20, 10, 3)


@pytest.mark.parametrize(
    ("transform", "said"),
    [
        (lambda f: None, "it gave NoneType"),
        (lambda f: [f, f], "it gave list"),
        (lambda f: np.stack([f, f]), r"it gave ndarray \(2, 8, 10, 3\)"),
        (lambda f: f[:0], r"\(0, 10, 3\)"),
        (lambda f: float(f.mean()), "it gave float"),
    ],
)
def test_what_a_transform_must_not_give(transform: Any, said: str) -> None:
    with pytest.raises(DatasetError, match=said):
        transformed(FRAMES, transform, 1)


def test_frames_of_one_window_must_have_one_shape() -> None:
    sizes = iter(range(4, 20))
    with pytest.raises(DatasetError, match="same shape for each frame of a window"):
        transformed(FRAMES, lambda f: f[: next(sizes)], 1)
