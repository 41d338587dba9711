"""Memory for batches that TensorFlow takes over without a copy, used again when it is done with it.

Fresh memory of some megabytes comes from the system page by page, which took nearly as long as filling it: with this
7,600 windows a second instead of 4,200 came through (4 frames of 320x240, uint8, two cores).
"""

from __future__ import annotations

import ctypes
import math
import weakref
from typing import Any

import numpy as np
import numpy.typing as npt

_ALIGNMENT = 64
"""Bytes: TensorFlow takes over what lies so, and copies all else."""
_MOST_KEPT = 12


class Buffers:
    """Lends arrays, and has each back when nothing refers to it any more."""

    def __init__(self) -> None:
        self._free: dict[int, list[npt.NDArray[np.uint8]]] = {}
        self._kinds: dict[int, Any] = {}

    def lend(self, shape: tuple[int, ...]) -> npt.NDArray[np.uint8]:
        """An array of ``shape``, of no known content."""
        size = math.prod(shape)
        free = self._free.setdefault(size, [])
        try:
            memory = free.pop()
        except IndexError:
            memory = np.empty(size + _ALIGNMENT, np.uint8)
        # No array owns what numpy reads from it: whatever view is kept, keeps this object.
        kind = self._kinds.setdefault(size, type("Lent", (ctypes.c_uint8 * size,), {}))
        lent = kind.from_buffer(memory, -memory.ctypes.data % _ALIGNMENT)
        weakref.finalize(lent, _take_back, free, memory).atexit = False
        return np.frombuffer(lent, np.uint8).reshape(shape)


def _take_back(free: list[npt.NDArray[np.uint8]], memory: npt.NDArray[np.uint8]) -> None:
    if len(free) < _MOST_KEPT:
        free.append(memory)
