"""Trajectories into npz files, one per episode, each built at the episode's end from a journal on disk."""

from __future__ import annotations

import os
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from gameon_env.data_processing.atomic_file import sync_folder
from gameon_env.data_processing.npz_salvage import CutNpz
from gameon_env.data_processing.recording_process import KEY, this_process
from gameon_env.data_processing.trajectory_journal import Journal, JournalWriter
from gameon_env.data_processing.trajectory_layout import (
    JOURNAL_SUFFIX,
    METADATA,
    SUFFIXES,
    Column,
    Row,
    end_row_in_place,
    to_json,
)
from gameon_env.errors import StorageError


class NpzWriter:
    """Writes each episode to a new file ``<directory>/<name>_ep00000.npz``; never over an existing one.

    All methods raise :class:`StorageError` when the disk refuses; finished episodes stay loadable, and ``recover``
    turns the journal of the open one into a file.
    """

    def __init__(self, directory: Path, name: str, columns: Sequence[Column]) -> None:
        self.columns = tuple(columns)
        self.finished_episodes = 0
        self.path = directory
        self._directory, self._name = directory, name
        self._number = 0
        self._journal: JournalWriter | None = None

    def start_episode(self, metadata: Mapping[str, Any]) -> None:
        """Start an episode, and the journal that keeps it until it is finished."""
        metadata = {**metadata, KEY: this_process(), "first_row": 0}
        to_json(metadata)  # refused before a file is made
        try:
            self._journal = self._open_journal()
            self._journal.start(metadata)
        except OSError as error:
            raise self._refused(error) from error

    def append(self, row: Row) -> None:
        """Append one row: an array for each column, of its dtype and shape."""
        assert self._journal is not None, "start_episode comes first"
        try:
            self._journal.append(row)
        except OSError as error:
            raise self._refused(error) from error

    def end_episode(self, metadata: Mapping[str, Any]) -> Path:
        """Finish the episode: its file is complete and on the disk when this returns, and the journal is gone."""
        assert self._journal is not None, "start_episode comes first"
        self._journal.close()
        path, rows = self._journal.path, self._journal.rows
        self._journal = None
        try:
            with Journal(path) as journal:
                build_npz(journal, self.path, rows, metadata)
            path.unlink()
        except OSError as error:
            raise self._refused(error) from error
        self.finished_episodes += 1
        return self.path

    def close(self) -> None:
        """Close; the journal of an episode that is still open stays what ``recover`` finds. Callable twice."""
        if self._journal is not None:
            self._journal.close()
            self._journal = None

    def _open_journal(self) -> JournalWriter:
        self._directory.mkdir(parents=True, exist_ok=True)
        while True:
            self.path = self._directory / f"{self._name}_ep{self._number:05d}{SUFFIXES['npz']}"
            self._number += 1
            try:
                file = self.path.with_suffix(JOURNAL_SUFFIX).open("xb", buffering=0)
            except FileExistsError:
                continue
            if not self.path.exists():
                return JournalWriter(file, self.columns)
            file.close()
            self.path.with_suffix(JOURNAL_SUFFIX).unlink()

    def _refused(self, error: OSError) -> StorageError:
        return StorageError(
            f"{self.path} could not be written: {error.strerror or error}. "
            f"The {self.finished_episodes} episodes finished before are safe, and the open one up to here "
            f"(gameon recover '{self.path.with_suffix(JOURNAL_SUFFIX)}'). "
            "Free some space, then reset the environment to record on."
        )


def build_npz(
    journal: Journal | CutNpz, path: Path, rows: int, metadata: Mapping[str, Any], *, end_last_row: bool = False
) -> None:
    """Write the first ``rows`` rows of a journal to ``path``, which appears complete or not at all.

    Args:
        end_last_row: turn the last row into an episode's end (no action, ``is_last``).
    """
    new = path.with_name(f".{path.name}.new")
    try:
        with new.open("wb") as file:
            with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:
                text = np.array([to_json({**metadata, "first_row": 0, "last_row": rows - 1})])
                _write_member(archive, METADATA, text.dtype, text.shape, iter([text]))
                # The largest last: of a file that is cut off, all smaller columns are left.
                for column in sorted(journal.columns, key=lambda column: column.row_bytes):
                    blocks = _ended(journal.blocks(column, rows), column, rows if end_last_row else None)
                    _write_member(archive, column.name, np.dtype(column.dtype), (rows, *column.shape), blocks)
            file.flush()
            os.fsync(file.fileno())
        new.replace(path)
        sync_folder(path.parent)
    finally:
        new.unlink(missing_ok=True)


def _ended(blocks: Iterator[npt.NDArray[Any]], column: Column, rows: int | None) -> Iterator[npt.NDArray[Any]]:
    done = 0
    for block in blocks:
        done += len(block)
        if done == rows:
            end_row_in_place(column.name, block)
        yield block


def _write_member(
    archive: zipfile.ZipFile,
    name: str,
    dtype: np.dtype[Any],
    shape: tuple[int, ...],
    blocks: Iterator[npt.NDArray[Any]],
) -> None:
    with archive.open(f"{name}.npy", "w", force_zip64=True) as member:
        header = {"descr": np.lib.format.dtype_to_descr(dtype), "fortran_order": False, "shape": shape}
        np.lib.format.write_array_header_1_0(member, header)
        for block in blocks:
            member.write(np.ascontiguousarray(block).reshape(-1).view(np.uint8).data)
