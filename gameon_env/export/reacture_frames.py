"""The frames and timestamps of a ReActure download: two .npy files, checked, mapped, and mended where they are known to
be broken."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from gameon_env.errors import DatasetError
from gameon_env.export.reacture_npy import NpyHeader, map_npy, read_npy_header, rows_present

MAX_SIDE = 4096


@dataclass(frozen=True)
class FrameFile:
    """``frames.npy``.

    Attributes:
        path: the file.
        header: as it is; broken ones were written by the original ReActure, whose frames are upside down.
        rows: frames that are really there.
    """

    path: Path
    header: NpyHeader
    rows: int

    @property
    def claimed(self) -> int:
        """Frames that there should be."""
        return self.header.shape[0]

    @property
    def repairs(self) -> list[str]:
        """What is mended on reading, in words."""
        if not self.header.broken:
            return []
        return [
            "frames.npy has the original's broken header, which np.load refuses: read, and its frames turned upright"
        ]

    def first(self, rows: int) -> FrameFile:
        """The same with the first frames only."""
        return replace(self, rows=rows)

    def map(self) -> np.ndarray:
        """``(N, H, W, 3) uint8 RGB``, upright, on the disk until it is looked at."""
        frames = map_npy(self.path, self.header, self.rows)
        return frames[:, ::-1] if self.header.broken else frames

    def gather(self, frames: np.ndarray, indices: np.ndarray) -> np.ndarray:
        """Frames of the mapped array in new memory."""
        if self.header.broken:  # rows in the order of the file are copied fastest, and turned after that
            return np.ascontiguousarray(frames[:, ::-1].take(indices, axis=0)[:, ::-1])
        return frames.take(indices, axis=0)


@dataclass(frozen=True, eq=False)
class TimesFile:
    """``timestamps.npy``: ``values (n,) float32`` that are there, of ``claimed``."""

    values: np.ndarray
    claimed: int


def open_frames(path: Path) -> FrameFile:
    """Check ``frames.npy`` without reading a frame.

    Raises:
        DatasetError: it holds no pictures; the message says what it holds.
    """
    header = read_npy_header(path)
    shape, dtype = header.shape, header.dtype
    found = f"{path.name} holds {dtype} of shape {shape}"
    if len(shape) == 1 and dtype.kind == "f":
        raise DatasetError(
            f"{found}: these are timestamps. frames.npy and timestamps.npy were swapped: give each the other's name."
        )
    pictures = len(shape) == 4 and shape[3] == 3 and all(0 < side <= MAX_SIDE for side in shape[1:3])
    if not pictures or dtype != np.uint8 or header.fortran_order:
        order = " in Fortran order" if header.fortran_order else ""
        raise DatasetError(
            f"{found}{order}: these are no frames, which are uint8 of shape (N, 128, 128, 3). Download the recording "
            "again, or look for the file that belongs here."
        )
    return FrameFile(path, header, rows_present(path, header))


def open_timestamps(path: Path) -> TimesFile:
    """Read ``timestamps.npy``.

    Raises:
        DatasetError: it holds no times; the message says what it holds.
    """
    header = read_npy_header(path)
    found = f"{path.name} holds {header.dtype} of shape {header.shape}"
    if len(header.shape) == 4:
        raise DatasetError(
            f"{found}: these are frames. frames.npy and timestamps.npy were swapped: give each the other's name."
        )
    if len(header.shape) != 1 or header.dtype.kind not in "fiu":
        raise DatasetError(f"{found}: these are no timestamps, which are float32 of shape (N,)")
    values = map_npy(path, header, rows_present(path, header))
    return TimesFile(values.astype(np.float32), header.shape[0])
