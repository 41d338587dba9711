"""Reading HDF5 trajectory files, which may be damaged or come from anyone: everything is checked before it is used."""

from __future__ import annotations

import os
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import numpy.typing as npt

from gameon_env.data_processing.atomic_file import AtomicFile
from gameon_env.data_processing.hdf5_chunks import RowChunks
from gameon_env.data_processing.hdf5_texts import TextHeaps
from gameon_env.data_processing.trajectory_layout import METADATA, check_columns, check_size, damaged, parse_metadata
from gameon_env.errors import TrajectoryError


class Hdf5Reader:
    """One open HDF5 trajectory file.

    Attributes:
        episodes: the metadata of each finished episode, in row order.
        open_episode: the metadata of an episode that was never finished, else None.
        columns: by name, the dtype and shape of one row.
        rows: number of rows, those of an unfinished episode included.

    Args:
        path: the file.
        cut_at: for a file that was cut off here and filled up with zeros since: ``episodes`` are those whose metadata
            is left, and :meth:`intact_rows` says how many rows are.
    """

    def __init__(self, path: Path, cut_at: int | None = None) -> None:
        self.path = path
        self._cut_at = cut_at
        self._chunks: dict[str, RowChunks | None] = {}
        self._plain = os.open(path, os.O_RDONLY | getattr(os, "O_BINARY", 0))
        self._close_plain = weakref.finalize(self, os.close, self._plain)
        # Not by its name: a kill within a commit leaves pages in a redo file, and HDF5 would share what it knows of the
        # file with whoever else has it open in this process, however old that is.
        try:
            self._storage = AtomicFile(path, writable=False)
        except BaseException:
            self._close_plain()
            raise
        try:
            with self._refusing_damage():
                self._file = h5py.File(self._storage, "r")
        except BaseException:
            self._storage.close()
            self._close_plain()
            raise
        try:
            with self._refusing_damage():
                self._datasets = dict(self._find_columns(self._file, ""))
                self._direct = cut_at is None and os.path.samestat(os.fstat(self._plain), path.stat())
                self.columns = {name: (d.dtype, tuple(d.shape[1:])) for name, d in self._datasets.items()}
                self.rows = check_columns(path, {n: (d.dtype, tuple(d.shape)) for n, d in self._datasets.items()})
                file_bytes = path.stat().st_size
                for name, dataset in self._datasets.items():
                    check_size(path, name, dataset.size * dataset.dtype.itemsize, file_bytes)
                self.episodes = [parse_metadata(path, text, self.rows) for text in self._metadata_rows()]
                text = self._file.attrs.get("open_episode")
                self.open_episode = (
                    parse_metadata(path, text, self.rows, finished=False) if isinstance(text, str) else None
                )
        except BaseException:
            self.close()
            raise

    def read(self, name: str, start: int, stop: int) -> npt.NDArray[Any]:
        """Rows ``start`` to ``stop`` of a column."""
        with self._refusing_damage():
            if name not in self._chunks:
                dataset = self._datasets[name]
                self._chunks[name] = RowChunks.of(self.path, self._plain, dataset) if self._direct else None
            chunks = self._chunks[name]
            values = None if chunks is None else chunks.read(start, stop)
            return np.asarray(self._datasets[name][start:stop]) if values is None else values

    def intact_rows(self) -> int:
        """How many rows from the first on lie before ``cut_at`` in every column."""
        assert self._cut_at is not None
        intact = self.rows
        for dataset in self._datasets.values():
            per_chunk = dataset.chunks[0] if dataset.chunks else intact
            for row in range(0, intact, per_chunk):
                try:
                    chunk = dataset.id.get_chunk_info_by_coord((row, *(0 for _ in dataset.shape[1:])))
                except (OSError, RuntimeError, TypeError, ValueError):  # the index itself is lost from here on
                    chunk = None
                if chunk is None or chunk.byte_offset is None or chunk.byte_offset + chunk.size > self._cut_at:
                    intact = row
                    break
        return intact

    def close(self) -> None:
        self._chunks.clear()
        self._direct = False
        self._file.close()
        self._storage.close()
        self._close_plain()

    def _metadata_rows(self) -> list[bytes]:
        dataset = self._file.get(METADATA)
        if not isinstance(dataset, h5py.Dataset) or h5py.check_string_dtype(dataset.dtype) is None:
            raise damaged(self.path, f"it has no {METADATA} of JSON rows")
        if dataset.ndim != 1 or dataset.size > max(1, self.rows):
            raise damaged(self.path, f"{METADATA} has the shape {dataset.shape} for {self.rows} rows")
        heaps = TextHeaps(self._storage)
        if self._cut_at is None:
            if not heaps.are_sound(dataset, 0, len(dataset)):
                raise damaged(self.path, f"the texts of {METADATA} are damaged")
            return list(dataset[:])
        rows = []
        for index in range(len(dataset)):
            try:
                if not heaps.are_sound(dataset, index, index + 1):
                    break
                rows.append(dataset[index])
            except (OSError, RuntimeError, ValueError):  # this text and those after it are lost
                break
        return [row for row in rows if row]

    def _find_columns(self, group: h5py.Group, prefix: str) -> Iterator[tuple[str, h5py.Dataset]]:
        # HDF5 crashes where it lists links that are damaged; where it looks one up, it says that they are.
        group.get(METADATA, getlink=True)
        for name in group:
            # Links may lead to other files, or in circles: none of ours does.
            if not isinstance(group.get(name, getlink=True), h5py.HardLink):
                raise damaged(self.path, f"{prefix}{name} is a link to elsewhere")
            item = group[name]
            if isinstance(item, h5py.Dataset):
                if item.is_virtual or item.external:
                    raise damaged(self.path, f"{prefix}{name} takes its data from another file")
                if prefix or name != METADATA:
                    yield f"{prefix}{name}", item
            elif prefix.count("/") < 16:
                yield from self._find_columns(item, f"{prefix}{name}/")
            else:
                raise damaged(self.path, f"{prefix} is nested too deep")

    @contextmanager
    def _refusing_damage(self) -> Iterator[None]:
        """Turn what h5py raises on damaged files into one error."""
        try:
            yield
        except (OSError, RuntimeError, KeyError, ValueError, TypeError, MemoryError) as error:
            if isinstance(error, (TrajectoryError, FileNotFoundError, PermissionError)):
                raise
            raise damaged(self.path, str(error)) from error
