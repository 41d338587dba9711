"""Sessions that were imported from ReActure downloads, as downloads again: every frame and every row as they were."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt

from gameon_env.datasets.recording import Recording
from gameon_env.datasets.session_recording import SessionRecording
from gameon_env.errors import DatasetError, GameOnError
from gameon_env.export.reacture_events import ascending_ns
from gameon_env.export.reacture_files import read_reacture_metadata
from gameon_env.export.reacture_frames import open_timestamps
from gameon_env.export.reacture_import import KEPT_METADATA, KEPT_ROWS, KEPT_TIMES
from gameon_env.export.reacture_inputs import SIZE
from gameon_env.export.reacture_rows import MAX_LINE_BYTES, RowTable, read_rows
from gameon_env.export.reacture_writer import NpyFile, free_prefix, write_beside_frames
from gameon_env.recording.session import Session


def restorable(recording: Recording) -> bool:
    """Whether the session still is what was imported: its rows are there, and no frame was taken from it since."""
    if not isinstance(recording, SessionRecording) or recording.size != SIZE:
        return False
    try:
        _, times, order = _kept(recording.path)
        with Session(recording.path) as session:
            return np.array_equal(session.frames().t_ns, ascending_ns(times[order]))
    except (GameOnError, OSError):
        return False


def restore(recording: Recording, folder: Path) -> str:
    """Write the five files into ``folder``; returns their prefix. Frame i and row i belong together in them, in the
    order of time, and rows without a frame come after those.

    Raises:
        OSError: the disk refuses.
        GameOnError: the session is damaged.
    """
    rows, times, order = _kept(recording.path)
    with Session(recording.path) as session:
        told = session.info.details["reacture"]
    prefix = free_prefix(folder, str(told["prefix"]) if isinstance(told, dict) else "")
    frames = NpyFile(folder / f"{prefix}_frames.npy", "|u1", (*SIZE, 3))
    try:
        for picture in recording.stream(np.arange(recording.num_frames)):
            frames.append(picture[None])
        frames.finish()
    finally:
        frames.close()
    metadata = read_reacture_metadata(recording.path / KEPT_METADATA)
    write_beside_frames(folder, prefix, times[order], _lines(rows, order), metadata)
    return prefix


def _kept(folder: Path) -> tuple[RowTable, npt.NDArray[np.float32], npt.NDArray[np.int64]]:
    """The rows, the times of the samples as they were downloaded, and these in the order of time."""
    rows = read_rows(folder / KEPT_ROWS)
    times = open_timestamps(folder / KEPT_TIMES).values
    framed = np.flatnonzero(rows.has_frame)
    if len(times) != len(framed) or not np.isfinite(times).all():
        raise DatasetError(f"{folder}: its rows and times are not as they were")
    return rows, times, np.argsort(times, kind="stable")


def _lines(rows: RowTable, order: npt.NDArray[np.int64]) -> Iterator[bytes]:
    framed = np.flatnonzero(rows.has_frame)[order]
    without = np.sort(np.concatenate([rows.offsets[~rows.has_frame], rows.other_offsets]))
    with rows.path.open("rb") as file:
        for offset in [*rows.offsets[framed].tolist(), *without.tolist()]:
            file.seek(offset)
            yield file.readline(MAX_LINE_BYTES).rstrip(b"\r\n")
