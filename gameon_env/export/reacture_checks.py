"""Whether the files of a ReActure download fit each other, and what its person should know of them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from gameon_env.errors import DatasetError
from gameon_env.export.reacture_frames import FrameFile, TimesFile
from gameon_env.export.reacture_rows import MODEL_KEYS, VECTORS, RowTable

APART_MS = 50.0
"""Half an interval at 10 Hz: a row that is further from its frame's time belongs to another one."""

_LOOKED_AT = 16
_REQUIRED = (*MODEL_KEYS, *(f"{name}_x" for name in VECTORS if name != "rotation"), "battery", "damage")


def check_counts(frames: FrameFile, times: TimesFile, rows: int, cut: str, *, partial: bool) -> int:
    """How many samples there are.

    Raises:
        DatasetError: a file was cut short, or they disagree, and ``partial`` is not asked for; or there are none.
    """
    there = min(frames.rows, len(times.values), rows)
    wrong = []
    if frames.rows < frames.claimed:
        wrong.append(f"{frames.path.name} holds {frames.rows} whole frames of the {frames.claimed} it says")
    if len(times.values) < times.claimed:
        wrong.append(f"timestamps.npy holds {len(times.values)} of the {times.claimed} times it says")
    if cut:
        wrong.append(cut)
    if not wrong and len({frames.rows, len(times.values), rows}) > 1:
        wrong.append(
            f"there are {frames.rows} frames, {len(times.values)} timestamps and {rows} rows with a picture, which "
            "must be as many: a file is of another recording"
        )
    if wrong and not partial:
        raise DatasetError(
            f"{'; '.join(wrong)}. Download the recording again, or take what is whole, {there} samples: "
            "ReActureDataset(path, partial=True), on the command line --partial"
        )
    if not there:
        raise DatasetError(
            f"{frames.path.name}: there is no sample ({frames.rows} frames, {len(times.values)} timestamps, {rows} "
            "rows with a picture): the recording ended before its first frame"
        )
    return there


def mend_times(times: np.ndarray, row_times: np.ndarray) -> tuple[np.ndarray, list[str]]:
    """The frames' times, ``(N,) float32``; where one is no number, that of its row. And what is odd about them.

    Raises:
        DatasetError: some are known to neither.
    """
    told = []
    lost = ~np.isfinite(times)
    if lost.any():
        if not np.isfinite(row_times[lost]).all():
            raise DatasetError(
                f"{int(lost.sum())} times in timestamps.npy are no numbers, and not all of their rows have one either: "
                "download the recording again"
            )
        times = np.where(lost, row_times, times).astype(np.float32)
        told.append(f"{int(lost.sum())} times in timestamps.npy are no numbers: their rows' times are taken")
    apart = np.abs(row_times - times)
    wrong = apart > APART_MS
    if wrong.any():
        told.append(
            f"{int(wrong.sum())} rows are more than {APART_MS:.0f} ms from their frame's time, up to "
            f"{float(np.nanmax(apart)):.0f} ms: are the files of one recording?"
        )
    if (np.diff(times) <= 0).any():
        told.append("the frames are not in the order of time; time ranges sort them, indices do not")
    return times, told


def look_at_rows(rows: RowTable, framed: np.ndarray, metadata: Mapping[str, Any]) -> list[str]:
    """What is odd about the rows, in words."""
    told = []
    if not np.array_equal(framed, np.arange(len(framed))):
        told.append("row i is not frame i: only rows with visual_frame_path have a frame, and are taken in their order")
    for name in _REQUIRED:
        bad = rows.faults.get(name, 0)
        if 0 < bad < len(framed) or (bad and not _is_said_missing(name, metadata)):
            told.append(f"{name.removesuffix('_x')} is no number in {bad} of {len(framed)} rows: NaN there")
    stats = metadata.get("data_stats")
    said = stats.get("total_frames") if isinstance(stats, dict) else None
    if isinstance(said, int) and said != len(framed):
        told.append(f"metadata.json says {said} frames, there are {len(framed)}")
    return told


def look_at_frames(frames: np.ndarray) -> list[str]:
    """What is odd about the frames, in words: judged by a few, so that not all of them are read."""
    some = np.unique(np.linspace(0, len(frames) - 1, _LOOKED_AT).astype(int))
    if any(frames[i].any() for i in some):
        return []
    return [f"the frames are black ({len(some)} of {len(frames)} were looked at): nothing can be seen in them"]


def _is_said_missing(name: str, metadata: Mapping[str, Any]) -> bool:
    missing = metadata.get("missing")
    return isinstance(missing, list) and name.removesuffix("_x") in missing
