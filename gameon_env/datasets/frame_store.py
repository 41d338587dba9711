"""The frames of many windows at once: from the cache, or decoded in the order of their files."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from gameon_env.datasets.cache_build import build_caches
from gameon_env.datasets.cached_frames import CachedFrames
from gameon_env.datasets.frame_cache import FrameCache, Progress
from gameon_env.datasets.ray_cluster import RayCluster
from gameon_env.datasets.recording import Int64, Pixels, Recording
from gameon_env.errors import DatasetError


class FrameStore:
    """Frames of a dataset's recordings in one size. Picklable: the cache's files are mapped anew in each process.

    Args:
        recordings: whose frames.
        needed: of each, the rows that any window sees.
        size: ``(H, W)``.
        letterbox: as in :meth:`Recording.frames`.
        cache: None: each frame is decoded when it is asked for.
    """

    def __init__(
        self,
        recordings: Sequence[Recording],
        needed: Sequence[Int64],
        size: tuple[int, int],
        letterbox: bool,
        cache: FrameCache | None,
    ) -> None:
        self.size = size
        self._recordings = list(recordings)
        self._needed = [np.unique(rows) for rows in needed]
        self._letterbox = letterbox
        self._cache = cache
        self._opened: dict[int, CachedFrames] = {}

    def read(self, recording: Int64, rows: Int64, out: Pixels | None = None) -> Pixels:
        """Frames ``(B, T, H, W, 3) uint8`` of windows.

        Args:
            recording: ``(B,) int64``, a number for each window.
            rows: ``(B, T) int64``, of that recording.
            out: where to, contiguous.

        Raises:
            DatasetError: ``out`` has another shape.
            VideoError, TrajectoryError, StorageError: a file is damaged.
        """
        shape = (*rows.shape, *self.size, 3)
        if out is None:
            out = np.empty(shape, np.uint8)
        elif out.shape != shape or out.dtype != np.uint8 or not out.flags.c_contiguous:
            raise DatasetError(f"out must be {shape} uint8 and contiguous, it is {out.shape} {out.dtype}")
        if self._cache is None:
            self._decode(recording, rows, out)
        elif len(recording) == 1 or (len(recording) and (recording == recording[0]).all()):
            self._cached(recording.item(0), self._cache).gather(rows.ravel(), out.reshape(-1, *self.size, 3))
        else:
            for window, number in enumerate(recording.tolist()):
                self._cached(number, self._cache).gather(rows[window], out[window])
        return out

    def prepare(self, progress: Progress | None = None, workers: int | RayCluster | None = None) -> None:
        """Decode into the cache, where there is one, all that is not in it yet."""
        if self._cache is not None:
            frames = build_caches(
                self._recordings,
                self.size,
                self._letterbox,
                self._needed,
                cache=self._cache,
                workers=workers,
                progress=progress,
            )
            self._opened = dict(enumerate(frames))

    def __getstate__(self) -> dict[str, Any]:
        return self.__dict__ | {"_opened": {}}

    def _cached(self, number: int, cache: FrameCache) -> CachedFrames:
        frames = self._opened.get(number)
        if frames is None:
            frames = cache.open(self._recordings[number], self.size, self._letterbox, self._needed[number])
            self._opened[number] = frames
        return frames

    def _decode(self, recording: Int64, rows: Int64, out: Pixels) -> None:
        for number in np.unique(recording).tolist():
            mine = np.flatnonzero(recording == number)
            needed, where = np.unique(rows[mine], return_inverse=True)
            pictures = self._recordings[number].frames(needed, self.size, self._letterbox)
            for window, places in zip(mine.tolist(), where.reshape(len(mine), -1), strict=True):
                np.take(pictures, places, axis=0, out=out[window], mode="clip")
