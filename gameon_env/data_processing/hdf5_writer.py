"""Trajectories into one growing HDF5 file, committed at least every second and durably at each episode's end."""

from __future__ import annotations

import atexit
import contextlib
import os
import threading
import time
import weakref
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from gameon_env.data_processing.atomic_file import AtomicFile, sync_folder
from gameon_env.data_processing.recording_process import KEY, this_process
from gameon_env.data_processing.trajectory_layout import (
    FORMAT_NAME,
    FORMAT_VERSION,
    METADATA,
    SUFFIXES,
    Column,
    Row,
    to_json,
)
from gameon_env.errors import StorageError

# Superblock 2: from version 3 on HDF5 marks a file as open for writing and refuses it after a kill.
LIBVER = ("v108", "v108")
COMMIT_EVERY_S = 0.5
LARGE_ROW_BYTES = 4096
"""Rows from this size on have a chunk each and are written at once; smaller ones are gathered up to the commit."""
# A chunk that is not full is rewritten by each commit: small ones cost less there.
_CHUNK_BYTES = 4096
_GATHERED_ROWS = 1024
# Rows come in order, so that only each column's last chunk is needed again; HDF5 would keep megabytes a column.
_CHUNK_CACHE_BYTES = 1 << 16


class Hdf5Writer:
    """Writes episodes to a new file ``<directory>/<name>.hdf5``; never over an existing one.

    Steps commit by themselves when the last commit is half a second old. A thread commits what is left waiting when
    no step comes for as long. All methods raise :class:`StorageError` when the disk refuses; what was committed before
    stays loadable.
    """

    def __init__(self, directory: Path, name: str, columns: Sequence[Column]) -> None:
        self.columns = tuple(columns)
        self.finished_episodes = 0
        self._large = [column for column in columns if column.row_bytes >= LARGE_ROW_BYTES]
        self._small = [column for column in columns if column.row_bytes < LARGE_ROW_BYTES]
        self._gathered = {c.name: np.empty((_GATHERED_ROWS, *c.shape), c.dtype) for c in self._small}
        self._rows = 0
        self._gathered_from = 0
        self._open_first_row: int | None = None
        self._dirty = False
        self._lock = threading.Lock()
        self._stop = threading.Event()
        try:
            self.path = _create(directory, name, self.columns)
            self._storage = AtomicFile(self.path, writable=True)
        except OSError as error:
            raise StorageError(
                f"no trajectory file could be made in {directory}: {error.strerror or error}. "
                "Free some space there, or record into another folder."
            ) from error
        self._file = h5py.File(self._storage, "r+", libver=LIBVER, rdcc_nbytes=_CHUNK_CACHE_BYTES)
        self._ids = {column.name: self._file[column.name].id for column in columns}
        self._committed_at = time.monotonic()
        self._thread = threading.Thread(target=self._commit_when_idle, name="trajectory-commit", daemon=True)
        self._thread.start()
        self._pid = os.getpid()
        _open_writers.add(self)

    def start_episode(self, metadata: Mapping[str, Any]) -> None:
        """Start an episode. Its metadata so far is kept in the file, for the case that it is never finished."""
        text = to_json({**metadata, KEY: this_process(), "first_row": self._rows})
        with self._lock:
            self._open_first_row = self._rows
            self._file.attrs["open_episode"] = text
            self._check()

    def append(self, row: Row) -> None:
        """Append one row: an array for each column, of its dtype and shape."""
        with self._lock:
            index = self._rows - self._gathered_from
            for column in self._small:
                self._gathered[column.name][index] = row[column.name]
            for column in self._large:
                dataset = self._ids[column.name]
                dataset.set_extent((self._rows + 1, *column.shape))
                data = np.ascontiguousarray(row[column.name], column.dtype)
                dataset.write_direct_chunk((self._rows, *(0 for _ in column.shape)), data)
            self._rows += 1
            self._dirty = True
            if index + 1 == _GATHERED_ROWS:
                self._write_gathered()
            if time.monotonic() - self._committed_at >= COMMIT_EVERY_S:
                self._commit(durable=False)
            self._check()

    def end_episode(self, metadata: Mapping[str, Any]) -> Path:
        """Finish the episode: its metadata row is written, and all of it is on the disk when this returns."""
        text = to_json({**metadata, "first_row": self._open_first_row, "last_row": self._rows - 1})
        with self._lock:
            rows = self._file[METADATA]
            rows.resize((rows.shape[0] + 1,))
            rows[-1] = text
            del self._file.attrs["open_episode"]
            self._dirty = True
            self._commit(durable=True)
            self._open_first_row = None
            self.finished_episodes += 1
        return self.path

    def close(self) -> None:
        """Close the file; an episode that is still open stays what ``recover`` finds. Callable twice."""
        if self._stop.is_set():
            return
        self._stop.set()
        _open_writers.discard(self)
        if self._pid != os.getpid():  # a fork's copy: nothing is written, and the lock may be held for ever
            self._close_file()
            return
        self._thread.join()
        try:
            with self._lock:
                if self._storage.error is None and self._dirty:
                    self._commit(durable=True)
        finally:
            self._close_file()

    def _commit(self, *, durable: bool) -> None:
        self._write_gathered()
        self._file.flush()
        self._check()
        try:
            self._storage.commit(durable=durable)
        except OSError:
            self._check()
        self._dirty = False
        self._committed_at = time.monotonic()

    def _write_gathered(self) -> None:
        start, count = self._gathered_from, self._rows - self._gathered_from
        if not count:
            return
        for column in self._small:
            dataset = self._ids[column.name]
            dataset.set_extent((self._rows, *column.shape))
            target = dataset.get_space()
            target.select_hyperslab((start, *(0 for _ in column.shape)), (count, *column.shape))
            source = h5py.h5s.create_simple((count, *column.shape))
            dataset.write(source, target, self._gathered[column.name][:count])
        self._gathered_from = self._rows

    def _check(self) -> None:
        error = self._storage.error
        if error is not None:
            raise StorageError(
                f"{self.path} could not be written: {error.strerror or error}. "
                f"Its {self.finished_episodes} finished episodes are safe, and of the open one all but the last second "
                f"(gameon recover '{self.path}'). Free some space, then reset the environment to record on."
            ) from error

    def _commit_when_idle(self) -> None:
        while not self._stop.wait(COMMIT_EVERY_S / 2):
            with self._lock:
                idle_s = time.monotonic() - self._committed_at
                if self._dirty and idle_s >= 1.5 * COMMIT_EVERY_S and self._storage.error is None:
                    try:
                        self._commit(durable=False)
                    except StorageError:
                        pass  # kept in the storage's error: the next call of the owner raises it

    def _close_file(self) -> None:
        try:
            self._file.close()
            if self._storage.error is None:
                self._storage.commit(durable=True)
        except (OSError, RuntimeError, ValueError):
            if self._storage.error is None:
                raise
            # After a failed write HDF5's own state may be in pieces; the last commit is on the disk.
        finally:
            self._storage.close()


_open_writers: weakref.WeakSet[Hdf5Writer] = weakref.WeakSet()


@atexit.register
def _close_writers() -> None:
    # Left to itself HDF5 closes its files after the interpreter is gone, and would call into AtomicFile then.
    with contextlib.ExitStack() as stack:  # all of them, whatever one raises
        for writer in list(_open_writers):
            stack.callback(writer.close)


def _create(directory: Path, name: str, columns: Sequence[Column]) -> Path:
    """Make an empty trajectory file under a free name; it appears complete or not at all."""
    directory.mkdir(parents=True, exist_ok=True)
    suffix, number = SUFFIXES["hdf5"], 1
    while True:
        path = directory / (f"{name}{suffix}" if number == 1 else f"{name}_{number}{suffix}")
        new = path.with_name(f".{path.name}.new")
        number += 1
        try:
            new.open("xb").close()
        except FileExistsError:
            continue
        try:
            # Looked at only while holding the temporary name: whoever had it before has renamed it by now.
            if path.exists():
                continue
            with h5py.File(new, "w", libver=LIBVER) as file:
                _lay_out(file, columns)
            new.rename(path)
            sync_folder(directory)
            return path
        finally:
            new.unlink(missing_ok=True)


def _lay_out(file: h5py.File, columns: Sequence[Column]) -> None:
    file.attrs["format"], file.attrs["version"] = FORMAT_NAME, FORMAT_VERSION
    for column in columns:
        rows = 1 if column.row_bytes >= LARGE_ROW_BYTES else max(1, _CHUNK_BYTES // max(1, column.row_bytes))
        file.create_dataset(
            column.name,
            shape=(0, *column.shape),
            maxshape=(None, *(n or None for n in column.shape)),  # a side of 0 could hold no chunk
            chunks=(rows, *(max(1, n) for n in column.shape)),
            dtype=column.dtype,
        )
    file.create_dataset(METADATA, shape=(0,), maxshape=(None,), chunks=(64,), dtype=h5py.string_dtype())
