"""How large an export will be, by a sample of its pictures; and whether the disk has room for it."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np

from gameon_env.datasets.recording import Pixels
from gameon_env.errors import GameOnError, StorageError
from gameon_env.export.plan import ExportPlan
from gameon_env.export.summary import human_bytes

StoredBytes = Callable[[Pixels], int]
"""How many bytes pictures ``(n, h, w, 3) uint8`` take in the file."""

_SAMPLES = 12
"""Pictures in all: spread over the recordings, for a menu packs better than a fight."""
_ROW_OVERHEAD = 64
"""Bytes a row of indexes; measured on HDF5 with a chunk for each picture."""
_MARGIN = 1.03
_FIXED = 1 << 16


def estimate_bytes(plan: ExportPlan, stored_bytes: StoredBytes) -> int:
    """Bytes that the export will take on the disk, to some percent.

    A recording whose sample cannot be decoded is passed over here: the export itself finds it out.
    """
    chosen = np.linspace(0, len(plan.recordings) - 1, min(_SAMPLES, len(plan.recordings))).round().astype(int)
    each = -(-_SAMPLES // len(chosen))
    stored = taken = 0
    for index in dict.fromkeys(chosen.tolist()):
        recording = plan.recordings[index]
        rows = np.unique(((np.arange(each) + 0.5) * recording.num_frames / each).astype(np.int64))
        try:
            pictures = recording.frames(rows, plan.size, plan.letterbox)
        except GameOnError:
            continue
        stored += stored_bytes(pictures)
        taken += len(pictures)
    picture = stored / taken if taken else plan.columns[0].row_bytes
    small = sum(column.row_bytes for column in plan.columns[1:])
    return int(plan.total_rows * (picture + small + _ROW_OVERHEAD) * _MARGIN) + _FIXED


def check_space(folder: Path, needed: int, plan: ExportPlan) -> None:
    """Refuse what the disk has no room for.

    Raises:
        StorageError: with what is needed, what there is, and what would help.
    """
    free = shutil.disk_usage(folder).free
    if needed > free:
        height, width = plan.size
        raise StorageError(
            f"the export needs about {human_bytes(needed)}, and {folder} has {human_bytes(free)} free: free some "
            f"space, write to another disk (--output), make the pictures smaller than {height}x{width} "
            "(--size HxW or --downsample 2), take fewer steps (--fps, --frame-skip), or fewer sessions (--sessions)"
        )
