"""The rows of a ReActure download's ``data.jsonl`` as columns of numbers, in flat memory however long it is."""

from __future__ import annotations

import json
import math
from array import array
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from gameon_env.errors import DatasetError

KEY_NAMES = ("W", "A", "S", "D", "Space", "E", "R", "inspect", "destroy")
MODEL_KEYS = ("W", "A", "S", "D", "inspect", "destroy")
"""The six of a batch's ``keys``, in its order."""

VECTORS = ("position", "rotation", "velocity", "accelerometer")
SCALARS = ("battery", "damage", "health", "fuel")
COLUMNS = (
    "timestamp_ms",
    *KEY_NAMES,
    "mouse_dx",
    "mouse_dy",
    *(f"{vector}_{axis}" for vector in VECTORS for axis in "xyz"),
    *SCALARS,
)
"""What is kept of each row of the robot's state, as numbers; NaN where the row does not say it."""

CAPTURE_FAILED = "capture_failed"
"""The event of a row whose picture was due and could not be read."""

MAX_LINE_BYTES = 1 << 20

_PLACE = {name: i for i, name in enumerate(COLUMNS)}
_PRESSES = slice(1, 1 + len(KEY_NAMES) + 2)


@dataclass(frozen=True, eq=False)
class RowTable:
    """The R rows of the robot's state, in the order of the file.

    Attributes:
        path: the file.
        values: ``(R, C) float64``, the columns of :data:`COLUMNS`.
        offsets: ``(R,) int64``, where each row begins in the file.
        has_frame: ``(R,) bool``: a picture belongs to it.
        failed: ``(R,) bool``: its picture was due and could not be read.
        other_offsets: ``(M,) int64``, where each row of another kind begins (``player_action``).
        faults: column -> in how many rows with a picture it is no number, or not there.
        cut: why reading ended before the file's end; empty where it did not.
    """

    path: Path
    values: np.ndarray
    offsets: np.ndarray
    has_frame: np.ndarray
    failed: np.ndarray
    other_offsets: np.ndarray
    faults: Mapping[str, int]
    cut: str

    def column(self, *names: str) -> np.ndarray:
        """``(R,) float64``, or ``(R, n)`` of several columns."""
        places = [_PLACE[name] for name in names]
        return self.values[:, places[0] if len(places) == 1 else places]


def read_rows(path: Path) -> RowTable:
    """Read all rows. At the first line that is none, reading ends: rows after it could not be counted.

    Raises:
        DatasetError: the file cannot be read.
    """
    values, offsets, has_frame, failed, others = array("d"), array("q"), array("b"), array("b"), array("q")
    faults: Counter[str] = Counter()
    cut = ""
    for number, offset, row in _lines(path):
        if isinstance(row, str):
            cut = f"line {number} of {path.name} {row}"
            break
        pictured = bool(row.get("visual_frame_path"))
        if not pictured and not {"timestamp_ms", "key_presses"} <= row.keys():
            others.append(offset)
            continue
        numbers = _numbers(row)
        if pictured:
            faults.update(name for name, value in zip(COLUMNS, numbers, strict=True) if not math.isfinite(value))
        values.extend(numbers)
        offsets.append(offset)
        has_frame.append(pictured)
        failed.append(not pictured and row.get("event") == CAPTURE_FAILED)
    table = np.frombuffer(values, np.float64).reshape(-1, len(COLUMNS)) if values else np.empty((0, len(COLUMNS)))
    kinds = np.array(has_frame, bool), np.array(failed, bool)
    return RowTable(path, table, _int64(offsets), *kinds, _int64(others), dict(faults), cut)


def rows_at(path: Path, offsets: Iterable[int]) -> Iterator[dict[str, Any]]:
    """The whole rows that begin at ``offsets``.

    Raises:
        DatasetError: the file is not what it was when it was opened.
    """
    with path.open("rb") as file:
        for offset in offsets:
            file.seek(offset)
            try:
                row = json.loads(file.readline(MAX_LINE_BYTES))
            except (ValueError, RecursionError) as error:
                raise DatasetError(f"{path} changed while it was read: open the dataset again") from error
            yield row


def _lines(path: Path) -> Iterator[tuple[int, int, dict[str, Any] | str]]:
    """Number, place and content of each line; in place of the content what is wrong with it, and then no more."""
    offset = 0
    try:
        with path.open("rb") as file:
            number = 0
            while line := file.readline(MAX_LINE_BYTES):
                number += 1
                if len(line) >= MAX_LINE_BYTES:
                    yield number, offset, f"has {MAX_LINE_BYTES} bytes or more: this is no data of a recording"
                    return
                if line.strip():
                    row = _parsed(line)
                    yield number, offset, row
                    if isinstance(row, str):
                        return
                offset += len(line)
    except OSError as error:
        raise DatasetError(f"{path} cannot be read: {error.strerror or error}") from error


def _parsed(line: bytes) -> dict[str, Any] | str:
    try:
        row = json.loads(line)
    except (ValueError, RecursionError) as error:
        whole = line.endswith(b"\n")
        return f"is no JSON ({str(error)[:100]})" + ("" if whole else "; the file ends within it: it was cut short")
    return row if isinstance(row, dict) else "is no JSON object"


def _numbers(row: dict[str, Any]) -> list[float]:
    presses, robot = _part(row, "key_presses"), _part(row, "robot")
    numbers = [_number(row.get("timestamp_ms"))]
    numbers += [float(presses[name] is True or presses[name] == 1) if name in presses else 0.0 for name in KEY_NAMES]
    numbers += [_number(presses.get(name, 0.0)) for name in ("mouse_dx", "mouse_dy")]
    if not presses:
        numbers[_PRESSES] = [math.nan] * (len(KEY_NAMES) + 2)
    for vector in VECTORS:
        xyz = _part(row if vector == "accelerometer" else robot, vector)
        numbers += [_number(xyz.get(axis)) for axis in "xyz"]
    return numbers + [_number(row.get(name)) for name in SCALARS]


def _part(row: dict[str, Any], name: str) -> dict[str, Any]:
    part = row.get(name)
    return part if isinstance(part, dict) else {}


def _number(value: object) -> float:
    if isinstance(value, (int, float)):
        try:
            return float(value)
        except OverflowError:
            return math.inf
    return math.nan


def _int64(values: array[int]) -> np.ndarray:
    return np.frombuffer(values, np.int64) if values else np.empty(0, np.int64)
