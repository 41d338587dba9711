"""Bringing back what a killed process or a damaged disk left of trajectory files. Originals are never changed."""

from __future__ import annotations

import itertools
import os
import shutil
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from gameon_env.data_processing.hdf5_reader import Hdf5Reader
from gameon_env.data_processing.hdf5_writer import Hdf5Writer
from gameon_env.data_processing.npz_reader import NpzReader
from gameon_env.data_processing.npz_salvage import CutNpz
from gameon_env.data_processing.npz_writer import build_npz
from gameon_env.data_processing.recording_process import KEY, recording_elsewhere
from gameon_env.data_processing.trajectory_journal import Journal, UnbegunJournalError
from gameon_env.data_processing.trajectory_layout import JOURNAL_SUFFIX, SUFFIXES, Column, end_row_in_place
from gameon_env.errors import StorageError, TrajectoryError

RECOVERED = ".recovered"
"""Comes before the suffix of a file that holds what could be saved of another."""


_BLOCK_ROWS = 64


@dataclass(frozen=True, slots=True)
class Recovery:
    """What was found in one file.

    Attributes:
        source: the file that was looked at.
        target: the file with what was brought back; None where there was nothing to bring back.
        episodes: how many episodes the target holds.
        steps: how many actions they hold.
        note: what was found, for people.
    """

    source: Path
    target: Path | None
    episodes: int
    steps: int
    note: str


def recover(path: str | Path) -> Recovery:
    """Turn the unfinished episode of a trajectory file, or a leftover journal, into a finished one in a new file.

    The episode counts as truncated, with the end reason ``"recovered"``. The new file lies beside the old one, which
    stays as it is: ``X.recovered.hdf5`` beside ``X.hdf5`` holds the unfinished episode alone (the others still load
    from ``X.hdf5``), ``X.npz`` beside ``X.journal`` the journal's episode. Done again, it finds its own work.

    Raises:
        TrajectoryError: nothing can be brought back.
        StorageError: the new file cannot be written.
    """
    path = Path(path)
    if not path.is_file():
        raise TrajectoryError(f"{path} does not exist: expected a trajectory file or a journal")
    if path.suffix == JOURNAL_SUFFIX:
        return _recover_journal(path)
    if path.suffix == SUFFIXES["npz"]:
        return _recover_npz(path)
    return _recover_hdf5(path)


def _recover_journal(path: Path) -> Recovery:
    target = path.with_suffix(SUFFIXES["npz"])
    if target.exists():
        return _already(path, target)
    try:
        journal = Journal(path)
    except UnbegunJournalError:
        return Recovery(
            path, None, 0, 0, "the journal holds no step: its recorder has only just begun, or ended at once"
        )
    with journal:
        if recording_elsewhere(journal.metadata):
            return _still_recorded(path, journal.metadata)
        rows = journal.count_intact()
        if rows < 2:
            return Recovery(path, None, 0, 0, "the journal holds no whole step")
        _writing(target, lambda: build_npz(journal, target, rows, _ended(journal.metadata), end_last_row=True))
    return Recovery(path, target, 1, rows - 1, "unfinished episode brought back; the journal may be deleted")


def _recover_npz(path: Path) -> Recovery:
    try:
        with closing(NpzReader(path)):
            return Recovery(path, None, 0, 0, "the file is whole")
    except TrajectoryError as error:
        target = _target(path)
        if target.exists():
            return _already(path, target)
        cut = CutNpz.open(path)
        if cut is None:
            raise TrajectoryError(f"nothing can be saved of {path}: no whole step is left in it") from error
        with cut:
            _writing(target, lambda: build_npz(cut, target, cut.rows, _ended(cut.metadata), end_last_row=True))
        return Recovery(path, target, 1, cut.rows - 1, "the file is damaged; its first steps were saved")


def _recover_hdf5(path: Path) -> Recovery:
    target = _target(path)
    try:
        reader = Hdf5Reader(path)
    except TrajectoryError as error:
        return _already(path, target) if target.exists() else _salvage_hdf5(path, target, error)
    with closing(reader):
        if reader.open_episode is None:
            return Recovery(path, None, 0, 0, "the file is whole")
        first = reader.open_episode["first_row"]
        if recording_elsewhere(reader.open_episode):
            return _still_recorded(path, reader.open_episode)
        if reader.rows - first < 2:
            return Recovery(path, None, 0, 0, "the unfinished episode holds no whole step")
        if target.exists():
            return _already(path, target)
        _write_hdf5(target, reader, [(reader.open_episode, first, reader.rows, True)])
        return Recovery(path, target, 1, reader.rows - first - 1, "unfinished episode brought back")


def _salvage_hdf5(path: Path, target: Path, error: TrajectoryError) -> Recovery:
    """Save the leading episodes of a file that was cut off: HDF5 opens it again once it has its full length."""
    full = path.with_name(f".{path.name}.full")
    size = path.stat().st_size
    try:
        stored_size = _stored_size(path)
        if not size < stored_size <= 1000 * size:
            raise TrajectoryError(f"nothing can be saved of {path}: it is not merely cut off") from error
        _writing(target, lambda: _fill_up(path, full, stored_size))
        try:
            reader = Hdf5Reader(full, cut_at=size)
        except TrajectoryError as inner:
            raise TrajectoryError(f"nothing can be saved of {path}: its index is lost") from inner
        with closing(reader):
            episodes = _intact_episodes(reader)
            if not episodes:
                raise TrajectoryError(f"nothing can be saved of {path}: no whole step is left in it") from error
            _write_hdf5(target, reader, episodes)
            steps = sum(stop - first - 1 for _, first, stop, _ in episodes)
    finally:
        full.unlink(missing_ok=True)
    return Recovery(path, target, len(episodes), steps, "the file is cut off; its first episodes were saved")


_Part = tuple[dict[str, Any], int, int, bool]
"""An episode's metadata, first row, row after the last, and whether its end is missing."""


def _intact_episodes(reader: Hdf5Reader) -> list[_Part]:
    rows = reader.intact_rows()
    known = {metadata["first_row"]: metadata for metadata in reader.episodes}
    starts = np.flatnonzero(reader.read("is_first", 0, rows)).tolist()
    parts: list[_Part] = []
    for first, stop in itertools.pairwise([*starts, rows]):
        metadata = known.get(first) or reader.open_episode or next(iter(known.values()), {})
        if stop - first >= 2:
            parts.append((metadata, first, stop, not reader.read("is_last", stop - 1, stop)[0]))
    return parts


def _write_hdf5(target: Path, reader: Hdf5Reader, episodes: list[_Part]) -> None:
    columns = [Column(name, dtype.str, shape) for name, (dtype, shape) in reader.columns.items()]
    writer = Hdf5Writer(target.parent, f".{target.stem}", columns)  # hidden until it is complete
    try:
        with closing(writer):
            for metadata, first, stop, unfinished in episodes:
                metadata = _ended(metadata) if unfinished else metadata
                writer.start_episode(metadata)
                for block in range(first, stop, _BLOCK_ROWS):
                    end = min(block + _BLOCK_ROWS, stop)
                    values = {column.name: reader.read(column.name, block, end) for column in columns}
                    if unfinished and end == stop:
                        for name, value in values.items():
                            end_row_in_place(name, value)
                    for row in range(end - block):
                        writer.append({name: value[row] for name, value in values.items()})
                writer.end_episode(metadata)
        writer.path.rename(target)
    except BaseException:
        writer.path.unlink(missing_ok=True)
        raise


def _still_recorded(path: Path, metadata: dict[str, Any]) -> Recovery:
    return Recovery(path, None, 0, 0, f"process {recording_elsewhere(metadata)} is still recording it")


def _ended(metadata: dict[str, Any]) -> dict[str, Any]:
    metadata = {key: value for key, value in metadata.items() if key != KEY}
    return {**metadata, "end_reason": "recovered", "terminated": False, "truncated": True}


def _target(path: Path) -> Path:
    return path.with_name(f"{path.stem}{RECOVERED}{path.suffix}")


def _already(path: Path, target: Path) -> Recovery:
    with closing(NpzReader(target) if target.suffix == SUFFIXES["npz"] else Hdf5Reader(target)) as reader:
        steps = sum(metadata["last_row"] - metadata["first_row"] for metadata in reader.episodes)
        return Recovery(path, target, len(reader.episodes), steps, "was brought back before")


def _writing(target: Path, write: Callable[[], None]) -> None:
    try:
        write()
    except OSError as error:
        raise StorageError(
            f"{target} could not be written: {error.strerror or error}. Free some space there and run it again."
        ) from error


def _stored_size(path: Path) -> int:
    """The size that the superblock of our HDF5 files (version 2, HDF5's format specification II.A) gives the file."""
    with path.open("rb") as file:
        head = file.read(48)
    if len(head) < 48 or head[:8] != b"\x89HDF\r\n\x1a\n" or head[8] != 2 or head[9] != 8:
        return 0
    return int.from_bytes(head[28:36], "little")


def _fill_up(path: Path, full: Path, size: int) -> None:
    shutil.copyfile(path, full)
    os.truncate(full, size)
