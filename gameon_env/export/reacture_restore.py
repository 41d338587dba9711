"""Sessions that were imported from ReActure downloads, as downloads again: every frame and every row as they were."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
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
from gameon_env.export.reacture_rows import MAX_LINE_BYTES, RowTable, read_rows
from gameon_env.export.reacture_writer import NpyFile, free_prefix, write_beside_frames
from gameon_env.recording.session import Session


@dataclass(frozen=True)
class _Kept:
    """What the session's folder has of its download, as far as it was imported.

    Attributes:
        unix_ms: of the files' names; of the play's start where they were renamed.
        rows: all of them.
        framed: ``(N,) int64``: the rows of the samples.
        times: ``(N,) float32``, as they were downloaded.
        order: ``(N,) int64``: the samples in the order of time.
        whole: False: of files that were cut short, or whose counts differ, the first samples were imported.
    """

    unix_ms: int
    rows: RowTable
    framed: npt.NDArray[np.int64]
    times: npt.NDArray[np.float32]
    order: npt.NDArray[np.int64]
    whole: bool


def restorable(recording: Recording) -> bool:
    """Whether the session still is what was imported: its rows are there, and no frame was taken from it since."""
    if not isinstance(recording, SessionRecording):
        return False
    try:
        with Session(recording.path) as session:
            kept = _kept(session)
            return np.array_equal(session.frames().t_ns, ascending_ns(kept.times[kept.order]))
    except (GameOnError, OSError):
        return False


def restore(recording: Recording, folder: Path) -> str:
    """Write the five files into ``folder``; returns their prefix. Frame i and row i belong together in them, in the
    order of time, and rows without a frame come after those.

    Raises:
        OSError: the disk refuses.
        GameOnError: the session is damaged.
    """
    with Session(recording.path) as session:
        kept = _kept(session)
    prefix = free_prefix(folder, kept.unix_ms)
    frames = NpyFile(folder / f"{prefix}_frames.npy", "|u1", (*recording.size, 3))
    try:
        for picture in recording.stream(np.arange(recording.num_frames)):
            frames.append(picture[None])
        frames.finish()
    except BaseException:
        frames.close()
        (folder / f"{prefix}_frames.npy").unlink(missing_ok=True)
        raise
    frames.close()
    metadata = read_reacture_metadata(recording.path / KEPT_METADATA)
    stats = metadata.get("data_stats")
    if not kept.whole and isinstance(stats, dict):
        metadata["data_stats"] = stats | {"total_frames": len(kept.times)}
    write_beside_frames(folder, prefix, kept.times[kept.order], _lines(kept), metadata, recording.size)
    return prefix


def _kept(session: Session) -> _Kept:
    told = session.info.details.get("reacture")
    told = told if isinstance(told, dict) else {}
    rows = read_rows(session.folder / KEPT_ROWS)
    times = open_timestamps(session.folder / KEPT_TIMES).values
    framed = np.flatnonzero(rows.has_frame)
    said = told.get("samples")
    samples = said if isinstance(said, int) else max(len(times), len(framed))  # older sessions do not say it
    if not 0 <= samples <= min(len(times), len(framed)):
        raise DatasetError(f"{session.folder}: its rows and times are not as they were")
    whole = len(times) == len(framed) == samples
    times, framed = times[:samples], framed[:samples]
    if not np.isfinite(times).all():
        raise DatasetError(f"{session.folder}: not all of its times are numbers")
    named = re.fullmatch(r"reacture_(\d{1,20})", str(told.get("prefix")))
    started = datetime.fromisoformat(session.info.started_at)
    unix_ms = int(named[1]) if named else round(started.timestamp() * 1000)
    return _Kept(unix_ms, rows, framed, times, np.argsort(times, kind="stable"), whole)


def _lines(kept: _Kept) -> Iterator[bytes]:
    rows = kept.rows
    without = np.sort(np.concatenate([rows.offsets[~rows.has_frame], rows.other_offsets]))
    with rows.path.open("rb") as file:
        for offset in [*rows.offsets[kept.framed[kept.order]].tolist(), *without.tolist()]:
            file.seek(offset)
            yield file.readline(MAX_LINE_BYTES).rstrip(b"\r\n")
