"""Pictures of any size into one size, by the same resize as the live observation."""

from __future__ import annotations

import cv2
import numpy as np

from gameon_env.data_processing.resize import shrink
from gameon_env.datasets.recording import Pixels


def inner_size(native: tuple[int, int], size: tuple[int, int], letterbox: bool) -> tuple[int, int]:
    """``(height, width)`` that a picture of ``native`` size takes in one of ``size``."""
    if not letterbox:
        return size
    scale = min(size[0] / native[0], size[1] / native[1])
    return max(1, min(size[0], round(native[0] * scale))), max(1, min(size[1], round(native[1] * scale)))


def resized(picture: Pixels, size: tuple[int, int]) -> Pixels:
    """``(H, W, 3) uint8`` to ``size``: by area, as :func:`~gameon_env.data_processing.resize.observe` does; a side that
    grows, by linear interpolation."""
    height, width = picture.shape[:2]
    if (height, width) == size:
        return picture
    small = shrink(picture, (min(height, size[0]), min(width, size[1])))
    if small.shape[:2] == size:
        return small
    enlarged = cv2.resize(small, (size[1], size[0]), interpolation=cv2.INTER_LINEAR)
    return np.asarray(enlarged, np.uint8)


def place(picture: Pixels, target: Pixels) -> None:
    """Copy ``picture`` into the middle of ``target``, which is at least as large and was zero."""
    top, left = ((target.shape[i] - picture.shape[i]) // 2 for i in range(2))
    target[top : top + picture.shape[0], left : left + picture.shape[1]] = picture
