"""Trajectory files: episodes of steps in HDF5 or npz, written by :func:`open_writer`, read by :func:`load_episodes`.

>>> for episode in load_episodes("data/trajectories"):
...     frames = episode.video()            # (T + 1, H, W, 3) uint8
...     inputs = episode.inputs[:-1]        # (T, A) float32: the last row has no action
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

from gameon_env.data_processing.episode import Episode, open_reader
from gameon_env.data_processing.hdf5_writer import Hdf5Writer
from gameon_env.data_processing.npz_writer import NpzWriter
from gameon_env.data_processing.trajectory_layout import (
    JOURNAL_SUFFIX,
    STEP_COLUMNS,
    SUFFIXES,
    Column,
    Row,
    to_json,
    zero_row,
)
from gameon_env.data_processing.trajectory_recovery import RECOVERED, Recovery, recover
from gameon_env.errors import TrajectoryError, UnknownNameError, suggest

__all__ = [
    "RECOVERABLE",
    "STEP_COLUMNS",
    "Column",
    "Episode",
    "Recovery",
    "TrajectoryWriter",
    "check_format",
    "load_episodes",
    "open_writer",
    "recover",
    "to_json",
    "zero_row",
]

SUFFIXES_READ = (".hdf5", ".h5", ".npz")
RECOVERABLE = (*SUFFIXES_READ, JOURNAL_SUFFIX)
"""Suffixes of the files that :func:`recover` takes."""


class TrajectoryWriter(Protocol):
    """What writes trajectory files. All methods raise StorageError when the disk refuses."""

    path: Path
    """The file that is being written."""
    columns: tuple[Column, ...]
    finished_episodes: int

    def start_episode(self, metadata: dict[str, Any]) -> None:
        """Start an episode; its metadata so far is kept for the case that it is never finished."""

    def append(self, row: Row) -> None:
        """Append one row: an array for each column, of its dtype and shape."""

    def end_episode(self, metadata: dict[str, Any]) -> Path:
        """Finish the episode durably. Returns the file that it is in. ``first_row``, ``last_row`` are filled in."""

    def close(self) -> None:
        """Close; an episode that is still open stays what ``recover`` finds. Callable twice."""


def open_writer(directory: str | Path, name: str, columns: Sequence[Column], format: str = "hdf5") -> TrajectoryWriter:
    """Start writing trajectories to new files in ``directory`` whose names start with ``name``.

    Args:
        columns: the step columns (:data:`STEP_COLUMNS`) and what else each row holds.
        format: ``"hdf5"``: one growing file; ``"npz"``: one file per episode.

    Raises:
        UnknownNameError: there is no such format.
        StorageError: no file can be made there.
    """
    writers: dict[str, type[Hdf5Writer] | type[NpzWriter]] = {"hdf5": Hdf5Writer, "npz": NpzWriter}
    return writers[check_format(format)](Path(directory), name, columns)


def check_format(format: str) -> str:
    """Return the format's name where there is such a format.

    Raises:
        UnknownNameError: there is none.
    """
    if format not in SUFFIXES:
        raise UnknownNameError(
            f"unknown trajectory format {format!r}: choose from {', '.join(SUFFIXES)}.{suggest(format, SUFFIXES)}"
        )
    return format


def load_episodes(paths: str | Path | Sequence[str | Path]) -> list[Episode]:
    """All finished episodes of trajectory files, in the order of the files and of their rows.

    Args:
        paths: files, or folders that are searched for ``*.hdf5``, ``*.h5`` and ``*.npz``.

    Raises:
        TrajectoryError: a file does not exist, is damaged, or is no trajectory file; or a folder holds none.
    """
    if isinstance(paths, str | Path):
        paths = [paths]
    return [
        Episode(file, index)
        for file in find_files([Path(path) for path in paths])
        for index in range(len(open_reader(file, anew=True).episodes))
    ]


def find_files(paths: Sequence[Path]) -> list[Path]:
    """The trajectory files among ``paths`` and in the folders among them.

    Raises:
        TrajectoryError: one of them does not exist, or is a folder that holds none.
    """
    files: list[Path] = []
    for path in paths:
        if path.is_dir():
            inside = sorted(p for p in path.rglob("*") if p.suffix in SUFFIXES_READ and not p.name.startswith("."))
            if not inside:
                raise TrajectoryError(f"{path} holds no trajectory file ({', '.join(SUFFIXES_READ)}): record one first")
            files += [file for file in inside if not _is_replaced(file)]
        elif path.is_file():
            files.append(path)
        else:
            raise TrajectoryError(f"{path} does not exist: expected a trajectory file, or a folder of them")
    return files


def _is_replaced(file: Path) -> bool:
    """Whether the file cannot be read any more and what could be saved of it lies beside it."""
    saved = file.with_name(f"{file.stem}{RECOVERED}{file.suffix}")
    if not saved.exists():
        return False
    try:
        open_reader(file, anew=True)
    except TrajectoryError:
        return True
    return False
