"""Vectors of a ReActure sample, which are arrays, and answer to x, y and z as the rows' objects do."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

AXES = "xyz"


class Vector(np.ndarray):
    """``(3,) float32``: ``vector["x"]`` is ``vector[0]``, and ``dict(vector)`` has x, y and z."""

    def __getitem__(self, index: Any) -> Any:
        if isinstance(index, str):
            if index not in self.keys() or self.shape != (len(AXES),):
                raise KeyError(index)
            return float(self[AXES.index(index)])
        return super().__getitem__(index)

    def keys(self) -> tuple[str, ...]:
        """The axes' names."""
        return tuple(AXES)

    def items(self) -> Iterator[tuple[str, float]]:
        """The axes' names, each with its number."""
        return ((name, self[name]) for name in self.keys())
