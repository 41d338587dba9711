"""One finished episode of a trajectory file, and the open readers of this process that it reads through."""

from __future__ import annotations

import atexit
import functools
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from gameon_env.data_processing.hdf5_reader import Hdf5Reader
from gameon_env.data_processing.npz_reader import NpzReader
from gameon_env.data_processing.trajectory_layout import ACTORS, SUFFIXES, damaged
from gameon_env.errors import TrajectoryError

Rows = slice | int | Sequence[int] | npt.NDArray[np.integer[Any]]
"""Rows of an episode: negative numbers count from its end."""


class Episode:
    """One finished episode of T actions, read from its file when asked.

    Opens its file anew in each process, so it may be pickled, and used in forked or spawned data loading workers.

    Attributes:
        path: the file.
        metadata: the episode's metadata row.
        num_steps: T. All columns have T + 1 rows; the last one has no action.
    """

    def __init__(self, path: Path, index: int) -> None:
        self.path = path
        self._index = index
        reader = open_reader(path)
        self.metadata: dict[str, Any] = reader.episodes[index]
        self._first: int = self.metadata["first_row"]
        self._stop: int = self.metadata["last_row"] + 1
        self.num_steps = self._stop - self._first - 1
        self._read: dict[str, npt.NDArray[Any]] = {}
        if not self.is_first[0] or not self.is_last[-1] or self.is_last[:-1].any() or self.is_first[1:].any():
            raise damaged(path, f"rows {self._first} to {self._stop - 1} are not one episode")
        controls = self.controls
        if controls is not None and "inputs" in reader.columns and reader.columns["inputs"][1] != (len(controls),):
            raise damaged(path, f"it names {len(controls)} controls, its inputs are {reader.columns['inputs'][1]}")

    def __repr__(self) -> str:
        return f"Episode({str(self.path)!r}, rows {self._first} to {self._stop - 1}, {self.num_steps} steps)"

    def __reduce__(self) -> tuple[type[Episode], tuple[Path, int]]:
        return Episode, (self.path, self._index)

    @property
    def controls(self) -> tuple[str, ...] | None:
        """The names of ``inputs``' entries; None where the environment has actions of its own kind."""
        names = self.metadata.get("controls")
        if names is None:
            return None
        if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
            raise damaged(self.path, f"its controls are {names!r}, expected a list of names")
        return tuple(names)

    @property
    def fps(self) -> float | None:
        """The environment's rate in steps per second, where it has one."""
        fps = self.metadata.get("fps")
        if fps is not None and (isinstance(fps, bool) or not isinstance(fps, int | float) or not fps > 0):
            raise damaged(self.path, f"its fps is {fps!r}")
        return None if fps is None else float(fps)

    @property
    def columns(self) -> tuple[str, ...]:
        """The names of all columns in the file."""
        return tuple(open_reader(self.path).columns)

    def video(self, rows: Rows = slice(None)) -> npt.NDArray[np.uint8]:
        """The frames of ``rows``: ``(n, H, W, 3) uint8 RGB``; for a single row number n is 1."""
        return self.column("video", rows)

    @property
    def inputs(self) -> npt.NDArray[np.float32]:
        """``(T + 1, A) float32``, the recorded vectors; the last row is zero."""
        return self._whole("inputs")

    @property
    def presses(self) -> npt.NDArray[np.uint8]:
        """``(T + 1, A) uint8``: how often each control was pressed in the step."""
        return self._whole("presses")

    @property
    def by_human(self) -> npt.NDArray[np.bool_]:
        """``(T + 1,) bool``: the rows on which a person acted, False in the last one.

        A file that does not tell row by row says it of the whole episode; where not even that, of none.
        """
        if "actor" in self.columns:
            acted = self._whole("actor") == ACTORS.index("human")
        else:
            acted = np.full(self.num_steps + 1, self.metadata.get("played_by") == ["human"])
        return np.asarray(acted & self.is_valid)

    @property
    def agent_inputs(self) -> npt.NDArray[np.float32]:
        """``(T + 1, A) float32``: what the agent did, or would have done while a person acted; the last row is zero."""
        return self._whole("agent_inputs")

    @property
    def timestamps(self) -> npt.NDArray[np.int64]:
        """``(T + 1,) int64`` ns since the episode's start."""
        return self._whole("timestamps")

    @property
    def rewards(self) -> npt.NDArray[np.float32]:
        """``(T + 1,) float32``: what came of each row's action."""
        return self._whole("rewards")

    @property
    def is_first(self) -> npt.NDArray[np.bool_]:
        return self._whole("is_first")

    @property
    def is_last(self) -> npt.NDArray[np.bool_]:
        return self._whole("is_last")

    @property
    def is_terminal(self) -> npt.NDArray[np.bool_]:
        return self._whole("is_terminal")

    @property
    def is_valid(self) -> npt.NDArray[np.bool_]:
        """``(T + 1,) bool``: whether the row has an action."""
        return self._whole("is_valid")

    @property
    def actions(self) -> npt.NDArray[Any] | dict[str, npt.NDArray[Any]]:
        """The actions of an environment that is not ours, ``(T + 1, ...)``; a dict of them by path where it has many.

        A path joins the keys of nested Dict spaces and the positions of Tuple spaces by ``/``.
        """
        if "actions" in open_reader(self.path).columns:
            return self._whole("actions")
        many = {name[len("actions/") :]: self._whole(name) for name in self.columns if name.startswith("actions/")}
        return many or self._whole("actions")

    def observations(self, key: str | None = None, rows: Rows = slice(None)) -> npt.NDArray[Any]:
        """Observations ``(n, ...)`` of an environment without RGB frames; ``key`` is a path where it has many."""
        return self.column("observations" if key is None else f"observations/{key}", rows)

    def column(self, name: str, rows: Rows = slice(None)) -> npt.NDArray[Any]:
        """The values of any column at ``rows`` of the episode (negative ones count from its end).

        Raises:
            TrajectoryError: the file has no such column.
            IndexError: a row is not in the episode.
        """
        reader = self._reader_with(name)
        length = self.num_steps + 1
        if isinstance(rows, slice):
            start, stop, stride = rows.indices(length)
            if stride == 1:
                return reader.read(name, self._first + start, self._first + max(start, stop))
            wanted = np.arange(start, stop, stride)
        else:
            wanted = np.atleast_1d(np.asarray(rows))
            if wanted.dtype == bool:
                wanted = np.flatnonzero(wanted)
            if ((wanted < -length) | (wanted >= length)).any():
                raise IndexError(f"rows {wanted.min()} to {wanted.max()} asked of an episode with {length}")
            wanted = np.where(wanted < 0, wanted + length, wanted)
        dtype, shape = reader.columns[name]
        values = np.empty((len(wanted), *shape), dtype)
        for i, row in enumerate(wanted.tolist()):
            values[i] = reader.read(name, self._first + row, self._first + row + 1)[0]
        return values

    def _whole(self, name: str) -> npt.NDArray[Any]:
        if name not in self._read:
            values = self._reader_with(name).read(name, self._first, self._stop)
            values.flags.writeable = False
            self._read[name] = values
        return self._read[name]

    def _reader_with(self, name: str) -> Hdf5Reader | NpzReader:
        reader = open_reader(self.path)
        if name not in reader.columns:
            raise TrajectoryError(f"{self.path} has no column {name!r}; it has {', '.join(reader.columns)}")
        return reader


def open_reader(path: Path, *, anew: bool = False) -> Hdf5Reader | NpzReader:
    """The open reader of a file in this process, shared by its episodes.

    Args:
        anew: see what was written since; a file's time stamp is too coarse to tell.

    Raises:
        TrajectoryError: the file does not exist, is damaged, or is no trajectory file.
    """
    try:
        stat = path.stat()
    except OSError as error:
        raise TrajectoryError(f"{path} cannot be read: {error.strerror or error}") from error
    if anew:
        _opened[path] = _opened.get(path, 0) + 1
    return _open_this_reader(path, _opened.get(path, 0), os.getpid(), stat.st_ino, stat.st_size, stat.st_mtime_ns)


_opened: dict[Path, int] = {}


# The key holds the process, for open files must not be shared over a fork, and what changes when the file is written.
@functools.lru_cache(maxsize=64)
def _open_this_reader(
    path: Path, opened: int, pid: int, inode: int, size: int, mtime_ns: int
) -> Hdf5Reader | NpzReader:
    try:
        return NpzReader(path) if path.suffix == SUFFIXES["npz"] else Hdf5Reader(path)
    except OSError as error:
        raise TrajectoryError(f"{path} cannot be read: {error.strerror or error}") from error


# HDF5 must not close its files, which call into Python, after the interpreter is gone.
atexit.register(_open_this_reader.cache_clear)
