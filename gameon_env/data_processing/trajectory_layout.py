"""The one layout of trajectory files, HDF5 and npz alike: the names of the columns and what each may hold.

A file is a table with one row per observation. An episode of T actions has T + 1 rows, one after the other: row i holds
observation i, the action taken on it and the reward that came of it. The last row's action and reward are zero and its
``is_valid`` is False (the RLDS convention). ``metadata`` holds one JSON object per finished episode.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from gameon_env.errors import TrajectoryError

FORMAT_NAME = "gameon-trajectory"
FORMAT_VERSION = 1
SUFFIXES = {"hdf5": ".hdf5", "npz": ".npz"}
JOURNAL_SUFFIX = ".journal"
METADATA = "metadata"

_FIXED: dict[str, tuple[str, int]] = {
    "video": ("uint8", 3),
    "inputs": ("float32", 1),
    "presses": ("uint8", 1),
    "audio": ("float32", 1),
    "actor": ("uint8", 0),
    "human_share": ("float32", 0),
    "agent_inputs": ("float32", 1),
    "timestamps": ("int64", 0),
    "rewards": ("float32", 0),
    "is_first": ("bool", 0),
    "is_last": ("bool", 0),
    "is_terminal": ("bool", 0),
    "is_valid": ("bool", 0),
}
"""Columns with a fixed dtype: that dtype, and how many dimensions one row has."""
REQUIRED = ("timestamps", "rewards", "is_first", "is_last", "is_terminal", "is_valid")
ACTOR_COLUMNS = ("actor", "human_share", "agent_inputs")
"""Where a person and an agent share the game: who acted on a row (an index of :data:`ACTORS`), in what part of the
step's time it was the person, and what the agent did or would have done."""
ACTORS = ("agent", "human")
ACTION_COLUMNS = ("inputs", "presses", "audio", *ACTOR_COLUMNS, "rewards", "actions")
"""What is zero in an episode's last row (``actions`` with everything under it)."""

Row = Mapping[str, npt.NDArray[Any]]


@dataclass(frozen=True, slots=True)
class Column:
    """One column: its name (a path such as ``observations/position``), and the dtype and shape of one row."""

    name: str
    dtype: str
    shape: tuple[int, ...]

    @property
    def row_bytes(self) -> int:
        return int(np.dtype(self.dtype).itemsize * np.prod(self.shape, dtype=np.int64))


STEP_COLUMNS = tuple(Column(name, _FIXED[name][0], ()) for name in REQUIRED)
"""The columns that every trajectory file has."""


def is_action_column(name: str) -> bool:
    """Whether the column belongs to the action taken on a row, not to what was observed."""
    return name in ACTION_COLUMNS or name.startswith("actions/")


def check_columns(path: Path, found: Mapping[str, tuple[np.dtype[Any], tuple[int, ...]]]) -> int:
    """Check all columns of a file by name, dtype and full shape ``(N, ...)``. Returns N.

    Raises:
        TrajectoryError: a column is missing, or one is not what the layout says.
    """
    missing = [name for name in REQUIRED if name not in found]
    if not found:
        raise damaged(path, "it has no column")
    if missing:
        raise TrajectoryError(
            f"{path} is no trajectory file: it has no {', '.join(missing)}. Expected is one that RecordEpisode or "
            "gameon export made"
        )
    rows = None
    for name, (dtype, shape) in found.items():
        if dtype.hasobject or dtype.kind not in "biufS" or dtype.names:
            raise damaged(path, f"{name} holds {dtype}, which is no plain number")
        if name in _FIXED:
            expected, ndim = _FIXED[name]
            if dtype != np.dtype(expected) or len(shape) != ndim + 1:
                raise damaged(path, f"{name} is {dtype} {shape}, expected {expected} with {ndim + 1} dimensions")
            if name == "video" and shape[3] != 3:
                raise damaged(path, f"video is {shape}, expected (N, H, W, 3)")
        if not shape:
            raise damaged(path, f"{name} is a single value, expected one per row")
        if rows is None:
            rows = shape[0]
        elif shape[0] != rows:
            raise damaged(path, f"{name} has {shape[0]} rows, other columns have {rows}")
    return rows or 0


def check_size(path: Path, name: str, nbytes: int, file_bytes: int) -> None:
    """Refuse a column that claims more than the file can hold, before memory is asked for.

    Deflate, the strongest codec that trajectory files use, packs at most 1032 to 1.
    """
    if nbytes > 1100 * file_bytes:
        raise damaged(path, f"{name} claims {nbytes} bytes in a file of {file_bytes}")


def parse_metadata(path: Path, text: str | bytes, rows: int, *, finished: bool = True) -> dict[str, Any]:
    """One episode's JSON row, checked against the number of rows in the file.

    The metadata of an unfinished episode has no ``last_row`` yet.

    Raises:
        TrajectoryError: it is no JSON object, or its rows are not in the file.
    """
    try:
        metadata = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise damaged(path, f"a metadata row is no JSON: {error}") from error
    if not isinstance(metadata, dict):
        raise damaged(path, "a metadata row is no JSON object")
    first, last = metadata.get("first_row"), metadata.get("last_row")
    if not finished:
        if type(first) is not int or first < 0:
            raise damaged(path, f"the unfinished episode is said to start at row {first}")
        return metadata
    if type(first) is not int or type(last) is not int or not 0 <= first < last < rows:
        raise damaged(path, f"an episode is said to be rows {first} to {last} of {rows}")
    return metadata


def to_json(metadata: Mapping[str, Any]) -> str:
    """The JSON text of one metadata row.

    Raises:
        TrajectoryError: something in it cannot be JSON.
    """
    try:
        return json.dumps(metadata, ensure_ascii=False, allow_nan=False)
    except (TypeError, ValueError) as error:
        raise TrajectoryError(f"an episode's metadata must be made of JSON's types: {error}") from error


def damaged(path: Path, what: str) -> TrajectoryError:
    """The error for a file that is damaged, or is no trajectory file; names the remedy."""
    return TrajectoryError(f"{path} cannot be read: {what}. What can be saved of it: gameon recover '{path}'")


def zero_row(columns: Sequence[Column]) -> dict[str, npt.NDArray[Any]]:
    """A row of zeros."""
    return {column.name: np.zeros(column.shape, column.dtype) for column in columns}


def columns_to_json(columns: Sequence[Column]) -> list[dict[str, Any]]:
    return [{"name": column.name, "dtype": column.dtype, "shape": list(column.shape)} for column in columns]


def columns_from_json(items: Sequence[Mapping[str, Any]]) -> tuple[Column, ...]:
    return tuple(Column(str(i["name"]), str(i["dtype"]), tuple(int(n) for n in i["shape"])) for i in items)


def end_row_in_place(name: str, values: npt.NDArray[Any]) -> None:
    """Turn the last of a column's ``values`` into an episode's end: no action, ``is_last``, not terminal."""
    if is_action_column(name) or name in ("is_terminal", "is_valid"):
        values[-1] = 0
    elif name == "is_last":
        values[-1] = True
