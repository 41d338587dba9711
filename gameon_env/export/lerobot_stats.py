"""Statistics as LeRobot keeps them of each feature: exact but for the quantiles of very long columns."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from gameon_env.datasets.recording import Pixels

Floats = npt.NDArray[np.float64]

QUANTILES = {"q01": 0.01, "q10": 0.10, "q50": 0.50, "q90": 0.90, "q99": 0.99}

_MOST_SAMPLES = 16384
"""Rows of which quantiles are taken; of more rows, as many evenly spread ones."""
_LARGE, _SMALL = 300, 150
"""LeRobot's: of pictures with a side of at least the first, pixels are taken as if it had about the second."""


class ColumnStatistics:
    """Of a column, rows ``(n, W)`` at a time."""

    def __init__(self) -> None:
        self._count = 0
        self._sum: Any = 0.0
        self._squares: Any = 0.0
        self._shift: Floats | None = None
        self._min: Any = np.inf
        self._max: Any = -np.inf
        self._samples: list[Floats] = []
        self._every, self._sampled = 1, 0

    def add(self, rows: npt.NDArray[Any]) -> None:
        """Take more rows into account."""
        values = rows.astype(np.float64)
        if self._shift is None:  # large numbers that differ by little lose their spread otherwise
            self._shift = values[0]
        moved = values - self._shift
        self._sum = self._sum + moved.sum(axis=0)
        self._squares = self._squares + (moved**2).sum(axis=0)
        self._min, self._max = np.minimum(self._min, values.min(axis=0)), np.maximum(self._max, values.max(axis=0))
        chosen = values[-self._count % self._every :: self._every]
        self._count += len(values)
        self._samples.append(chosen)
        self._sampled += len(chosen)
        while self._sampled > 2 * _MOST_SAMPLES:
            self._samples = [np.concatenate(self._samples)[::2]]
            self._every, self._sampled = 2 * self._every, len(self._samples[0])

    def result(self) -> dict[str, npt.NDArray[Any]]:
        """``min``, ``max``, ``mean``, ``std`` and the quantiles ``(W,) float64``, ``count (1,) int64``."""
        assert self._shift is not None, "of no rows there are no statistics"
        mean = self._sum / self._count
        quantiles = np.quantile(np.concatenate(self._samples), list(QUANTILES.values()), axis=0)
        return {
            "min": self._min,
            "max": self._max,
            "mean": mean + self._shift,
            "std": np.sqrt(np.maximum(self._squares / self._count - mean**2, 0.0)),
            "count": np.array([self._count]),
            **dict(zip(QUANTILES, quantiles, strict=True)),
        }


class PictureStatistics:
    """Of pictures, for each channel, in [0, 1]."""

    def __init__(self) -> None:
        self._count = 0
        self._histogram = np.zeros((3, 256), np.int64)

    def add(self, pictures: Pixels) -> None:
        """Take ``(n, h, w, 3) uint8`` more into account."""
        side = max(pictures.shape[1:3])
        step = 1 if side < _LARGE else side // _SMALL
        for picture in pictures[:, ::step, ::step]:
            # OpenCV counts in float32: exactly, for one picture. np.bincount takes five times as long.
            taken = np.ascontiguousarray(picture)
            counts = [cv2.calcHist([taken], [channel], None, [256], [0, 256]).ravel() for channel in range(3)]
            self._histogram += np.array(counts).astype(np.int64)
        self._count += len(pictures)

    def merge(self, other: PictureStatistics) -> None:
        """Take what another one took into account too."""
        self._histogram += other._histogram
        self._count += other._count

    def result(self) -> dict[str, npt.NDArray[Any]]:
        """``min``, ``max``, ``mean``, ``std`` and the quantiles ``(3, 1, 1) float64``, ``count (1,) int64``."""
        values = np.arange(256) / 255.0
        pixels = self._histogram.sum(axis=1)
        mean = self._histogram @ values / pixels
        below = self._histogram.cumsum(axis=1)
        there = self._histogram > 0
        found = {
            "min": values[there.argmax(axis=1)],
            "max": values[255 - there[:, ::-1].argmax(axis=1)],
            "mean": mean,
            "std": np.sqrt(np.maximum(self._histogram @ values**2 / pixels - mean**2, 0.0)),
        }
        for name, share in QUANTILES.items():
            found[name] = values[(below >= np.ceil(share * pixels)[:, None]).argmax(axis=1)]
        return {name: value.reshape(3, 1, 1) for name, value in found.items()} | {"count": np.array([self._count])}


class Statistics:
    """Of all features of an episode, or of a dataset."""

    def __init__(self) -> None:
        self._columns: dict[str, ColumnStatistics] = {}
        self._pictures: dict[str, PictureStatistics] = {}

    def add(self, columns: Mapping[str, npt.NDArray[Any]]) -> None:
        """Take rows into account, ``(n,)`` or ``(n, W)`` of each column."""
        for name, values in columns.items():
            self._columns.setdefault(name, ColumnStatistics()).add(values.reshape(len(values), -1))

    def add_pictures(self, name: str, pictures: Pixels) -> None:
        """Take ``(n, h, w, 3) uint8`` of a feature into account."""
        self._pictures.setdefault(name, PictureStatistics()).add(pictures)

    def merge_pictures(self, other: Statistics) -> None:
        """Take the pictures of another one into account."""
        for name, pictures in other._pictures.items():
            self._pictures.setdefault(name, PictureStatistics()).merge(pictures)

    def result(self) -> dict[str, dict[str, list[Any]]]:
        """The statistics of each feature."""
        found = {name: pictures.result() for name, pictures in self._pictures.items()}
        found |= {name: column.result() for name, column in self._columns.items()}
        return {name: {key: value.tolist() for key, value in each.items()} for name, each in found.items()}
