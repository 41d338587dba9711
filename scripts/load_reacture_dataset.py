#!/usr/bin/env python3
"""Load a ReActure download: put this file beside the five files. It needs Python 3.10 and numpy; PyTorch and TensorFlow
where used.

    python load_reacture_dataset.py reacture_1731177600000_metadata.json

>>> from load_reacture_dataset import ReActureDataset
>>> dataset = ReActureDataset("reacture_1731177600000_metadata.json")
>>> for sample in dataset:
...     print(sample["frame"].shape, sample["frame_timestamp_ms"], sample["battery"])
>>> for batch in dataset.to_pytorch_dataloader(batch_size=32, shuffle=True):
...     print(batch["frame"].shape, batch["keys"].shape)

Made of the package gameon-env, ``gameon_env.export.reacture``, by scripts/make_reacture_loader.py: change it there.
"""

from __future__ import annotations

import ast
import importlib
import json
import math
import operator
import re
import sys
import warnings
from array import array
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import ModuleType
from typing import Any, Literal, overload

import numpy as np


class DatasetError(ValueError):
    """A download cannot be used; the message says why, and what to do."""


def require(module: str, purpose: str) -> ModuleType:
    """Import and return the optional ``module``, or say how to install it."""
    try:
        return importlib.import_module(module)
    except ImportError as error:
        package = module.partition(".")[0]
        raise ImportError(f"{purpose} needs {package} ({error}): pip install {package}") from error


MAGIC = b"\x93NUMPY"
BROKEN_MAGIC = b"\xc2" + MAGIC
MAX_HEADER_BYTES = 4096
"""Headers of plain arrays take 128 bytes or less; nothing longer is looked at."""

MAX_DIMENSIONS = 32  # numpy's own limit is 32, or 64 since its version 2

_LENGTH_BYTES = {1: 2, 2: 4, 3: 4}
_PLAIN_DTYPE = re.compile(r"[<>|=]?[biuf](1|2|4|8)")
_KEYS = {"descr", "fortran_order", "shape"}
_OTHER_FILES = (
    (b"PK", "a zip archive (an .npz file?)"),
    (b"\x80", "a pickle, which could run any program when it is read"),
    (b"{", "JSON text"),
    (b"<", "a web page"),
    (b"\x89PNG", "a PNG picture"),
)


@dataclass(frozen=True)
class NpyHeader:
    """What a .npy file says of itself.

    Attributes:
        dtype: of its values.
        shape: sizes of its dimensions.
        data_start: bytes before its first value.
        broken: written by the original ReActure, as no reader of numpy's takes it.
        fortran_order: whether the first index runs fastest.
    """

    dtype: np.dtype
    shape: tuple[int, ...]
    data_start: int
    broken: bool
    fortran_order: bool = False

    @property
    def row_bytes(self) -> int:
        """Bytes of one entry of the first dimension."""
        return self.dtype.itemsize * math.prod(self.shape[1:])


def parse_npy_header(head: bytes, name: str) -> NpyHeader:
    """Understand the first bytes of a file.

    Args:
        head: its first ``MAX_HEADER_BYTES + 16`` bytes, or all that it has.
        name: of the file, for messages.

    Raises:
        DatasetError: it is no .npy file, cut within its header, or holds what is no plain array of numbers.
    """
    broken = head.startswith(BROKEN_MAGIC)
    if broken:
        head = head[1:]
    if not head.startswith(MAGIC):
        raise DatasetError(f"{name} is no .npy file: it is {_what_it_is(head)}. Download the recording again.")
    if len(head) < 8:
        raise _cut_in_header(name)
    width = _LENGTH_BYTES.get(head[6])
    if width is None:
        raise DatasetError(f"{name} is a .npy file of version {head[6]}.{head[7]}; versions 1 to 3 are known")
    start = 8 + width
    length = int.from_bytes(head[8:start], "little")
    if length > MAX_HEADER_BYTES:
        raise DatasetError(
            f"{name} has a header of {length} bytes, where {MAX_HEADER_BYTES} are plenty: it is damaged, or hostile"
        )
    if len(head) < start + length:
        raise _cut_in_header(name)
    dtype, shape, fortran_order = _parse_words(head[start : start + length], broken, name)
    return NpyHeader(dtype, shape, start + length + broken, broken, fortran_order)


def read_npy_header(path: Path) -> NpyHeader:
    """The header of the file ``path``.

    Raises:
        DatasetError: as :func:`parse_npy_header`; or the file cannot be read.
    """
    try:
        with path.open("rb") as file:
            head = file.read(MAX_HEADER_BYTES + 16)
    except OSError as error:
        raise DatasetError(f"{path} cannot be read: {error.strerror or error}") from error
    return parse_npy_header(head, path.name)


def rows_present(path: Path, header: NpyHeader) -> int:
    """How many entries of the first dimension the file really holds; at most as many as its header says."""
    size = path.stat().st_size
    return min(header.shape[0], max(0, size - header.data_start) // max(1, header.row_bytes))


def map_npy(path: Path, header: NpyHeader, rows: int) -> np.ndarray:
    """The first ``rows`` entries as a read-only array that stays on the disk until it is looked at."""
    if not rows:
        return np.empty((0, *header.shape[1:]), header.dtype)
    shape = (rows, *header.shape[1:])
    return np.asarray(np.memmap(path, header.dtype, "r", header.data_start, shape))


def _parse_words(text: bytes, broken: bool, name: str) -> tuple[np.dtype, tuple[int, ...], bool]:
    words = text.decode("latin-1").strip()
    if broken:
        words = re.sub(r"\bfalse\b", "False", re.sub(r"\btrue\b", "True", words))
    wrong = DatasetError(f"{name} has a header that is none: {words[:80]!r}. It is damaged: download it again.")
    if not words.isascii() or "\\" in words:
        raise wrong
    try:
        said = ast.literal_eval(words)
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError) as error:
        raise wrong from error
    if not isinstance(said, dict) or set(said) != _KEYS:
        raise wrong
    descr, fortran_order, shape = said["descr"], said["fortran_order"], said["shape"]
    if isinstance(descr, str) and descr.lstrip("<>|=").startswith("O"):
        raise DatasetError(
            f"{name} holds Python objects, which would have to be unpickled: that can run any program, and is refused"
        )
    if not isinstance(descr, str) or not _PLAIN_DTYPE.fullmatch(descr):
        raise DatasetError(f"{name} holds values of type {str(descr)[:80]!r}; expected plain numbers such as '|u1'")
    whole = isinstance(shape, tuple) and all(type(side) is int and 0 <= side < 1 << 63 for side in shape)
    if not whole or len(shape) > MAX_DIMENSIONS or not isinstance(fortran_order, bool):
        raise DatasetError(f"{name} claims the shape {str(shape)[:80]}, which no array has: it is damaged")
    try:
        return np.dtype(descr), shape, fortran_order
    except TypeError as error:  # such as a float of one byte
        raise DatasetError(f"{name} holds values of type {descr!r}, unknown to numpy: it is damaged") from error


def _what_it_is(head: bytes) -> str:
    if not head:
        return "empty"
    return next((what for start, what in _OTHER_FILES if head.startswith(start)), f"something else ({head[:8]!r} ...)")


def _cut_in_header(name: str) -> DatasetError:
    return DatasetError(f"{name} ends within its header: the download was interrupted. Download it again.")


METADATA = "metadata.json"
PARTS = (METADATA, "data.jsonl", "frames.npy", "timestamps.npy")
"""What is read, by how the files' names end; the fifth file is ``README.md``."""

MAX_METADATA_BYTES = 1 << 20

# Of Chromium and Firefox; of Safari and macOS; of copies that Windows, and macOS, make.
_MARK = r" ?\(\d+\)|[ -]\d+| - Copy(?: \(\d+\))?| copy(?: \d+)?"
_NAME = re.compile(
    rf"(?P<prefix>.+)_(?P<stem>metadata|data|frames|timestamps|README)(?P<mark>{_MARK})?(?P<ending>\.\w+)"
)
_COPY_MARK = re.compile(rf"(?:{_MARK})(?=\.\w+$)")
_PACKED = (".zip", ".gz", ".tgz", ".bz2", ".xz", ".zst", ".7z", ".rar", ".tar")


@dataclass(frozen=True)
class ReActureFiles:
    """Where the files of one download are.

    Attributes:
        prefix: what their names begin with: ``reacture_<unix_ms>``. A browser that has such files already gives those
            of another download a mark, ``..._metadata (1).json``, and so does a copy beside its original; files with
            the same mark belong together.
        metadata, data, frames, timestamps: their paths, absolute: they are opened again later.
    """

    prefix: str
    metadata: Path
    data: Path
    frames: Path
    timestamps: Path


def find_reacture_files(path: str | Path) -> ReActureFiles:
    """The files that belong to ``path``: one of them, or a folder that holds one download.

    Raises:
        DatasetError: it is none of them, or some are missing; the message says which, and what lies there instead.
    """
    given = Path(path).expanduser()
    if given.is_dir():
        given = _only_metadata(given)
    prefix, mark = _prefix_and_mark(given)
    paths = [given.with_name(_name(prefix, mark, part)) for part in PARTS]
    missing = [path.name for path in paths if not path.is_file()]
    if len(missing) == len(PARTS) and not given.exists():
        raise DatasetError(f"{given} is not there, nor is any other file of that download")
    if missing:
        raise DatasetError(_missing(given, prefix, mark, missing))
    return ReActureFiles(prefix, *(path.absolute() for path in paths))


def find_downloads(path: str | Path) -> list[Path]:
    """The paths of ``metadata.json`` of all downloads that ``path`` names: one of their files, or a folder of them.

    Raises:
        DatasetError: it names none.
    """
    given = Path(path).expanduser()
    if not given.is_dir():
        return [given.with_name(_name(*_prefix_and_mark(given), METADATA))]
    inside = _metadata_in(given)
    if not inside:
        raise DatasetError(f"{given} holds no file that ends with _metadata.json: name the folder of a download")
    return inside


def read_reacture_metadata(path: Path) -> dict[str, Any]:
    """What ``metadata.json`` says.

    Raises:
        DatasetError: it is no JSON object, cut short, or far too large.
    """
    try:
        if path.stat().st_size > MAX_METADATA_BYTES:
            raise DatasetError(f"{path} has {path.stat().st_size} bytes, a metadata.json 1000: it is another file")
        metadata = json.loads(path.read_bytes())
    except OSError as error:
        raise DatasetError(f"{path} cannot be read: {error.strerror or error}") from error
    except (ValueError, RecursionError) as error:
        raise DatasetError(
            f"{path} is no JSON ({error}): it was cut short, or is another file. Download the recording again."
        ) from error
    if not isinstance(metadata, dict):
        raise DatasetError(f"{path} holds a {type(metadata).__name__}, not an object: it is no metadata of a recording")
    return metadata


def _prefix_and_mark(path: Path) -> tuple[str, str]:
    found = _NAME.fullmatch(path.name)
    if found is None and path.name.lower().endswith(_PACKED):
        raise DatasetError(f"{path} is packed: unpack it first, and name the folder that its files are in then")
    if found is None or found["stem"] + found["ending"] not in (*PARTS, "README.md"):
        raise DatasetError(
            f"{path} is no file of a ReActure download: expected a name such as reacture_1731177600000_metadata.json."
        )
    return found["prefix"], found["mark"] or ""


def _name(prefix: str, mark: str, part: str) -> str:
    stem, ending = part.split(".")
    return f"{prefix}_{stem}{mark}.{ending}"


def _metadata_in(folder: Path) -> list[Path]:
    # macOS puts ._NAME beside NAME on disks of other systems: what it knows of the file, in the same ending.
    found = (path for path in folder.iterdir() if not path.name.startswith("."))
    return sorted(path for path in found if _COPY_MARK.sub("", path.name).endswith(f"_{METADATA}"))


def _only_metadata(folder: Path) -> Path:
    found = _metadata_in(folder)
    if len(found) == 1:
        return found[0]
    if not found:
        raise DatasetError(f"{folder} holds no file that ends with _metadata.json: name the folder of a download")
    names = ", ".join(path.name for path in found[:3])
    raise DatasetError(f"{folder} holds {len(found)} downloads: name the metadata of one of them ({names} ...)")


def _missing(given: Path, prefix: str, mark: str, missing: list[str]) -> str:
    text = f"{prefix}{mark} is not whole: beside its other files in {given.parent} there is no {', no '.join(missing)}"
    if mark:
        plain = _COPY_MARK.sub("", given.name)
        return f"{text}. The browser did not mark all of the files. Rename the browser's copies: {plain}."
    endings = tuple(name.removeprefix(f"{prefix}_") for name in missing)
    names = sorted(path.name for path in given.parent.iterdir() if not path.name.startswith("."))
    others = [name for name in names if name.endswith(endings)]
    copies = [name for name in names if _COPY_MARK.sub("", name) in missing]
    unready = [name for name in names if name.startswith(tuple(f"{part}." for part in missing))]
    if copies:
        return f"{text}. There is {copies[0]}, which the browser renamed: give it the name of the missing one."
    if unready and unready[0].lower().endswith(_PACKED):
        return f"{text}. There is {unready[0]}, which is packed: unpack it first."
    if unready:
        return f"{text}. There is {unready[0]}: the browser has not finished it. Wait for it, or download it again."
    if others:
        return f"{text}. There is {others[0]}, of another recording: the files of two downloads do not fit each other."
    return f"{text}. The download was interrupted, or the file was moved: download all five files again."


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


MAX_SIDE = 4096


@dataclass(frozen=True)
class FrameFile:
    """``frames.npy``.

    Attributes:
        path: the file.
        header: as it is; broken ones were written by the original ReActure, whose frames are upside down.
        rows: frames that are really there.
    """

    path: Path
    header: NpyHeader
    rows: int

    @property
    def claimed(self) -> int:
        """Frames that there should be."""
        return self.header.shape[0]

    @property
    def repairs(self) -> list[str]:
        """What is mended on reading, in words."""
        if not self.header.broken:
            return []
        return [
            "frames.npy has the original's broken header, which np.load refuses: read, and its frames turned upright"
        ]

    def first(self, rows: int) -> FrameFile:
        """The same with the first frames only."""
        return replace(self, rows=rows)

    def map(self) -> np.ndarray:
        """``(N, H, W, 3) uint8 RGB``, upright, on the disk until it is looked at."""
        frames = map_npy(self.path, self.header, self.rows)
        return frames[:, ::-1] if self.header.broken else frames

    def gather(self, frames: np.ndarray, indices: np.ndarray) -> np.ndarray:
        """Frames of the mapped array in new memory."""
        if self.header.broken:  # rows in the order of the file are copied fastest, and turned after that
            return np.ascontiguousarray(frames[:, ::-1].take(indices, axis=0)[:, ::-1])
        return frames.take(indices, axis=0)


@dataclass(frozen=True, eq=False)
class TimesFile:
    """``timestamps.npy``: ``values (n,) float32`` that are there, of ``claimed``."""

    values: np.ndarray
    claimed: int


def open_frames(path: Path) -> FrameFile:
    """Check ``frames.npy`` without reading a frame.

    Raises:
        DatasetError: it holds no pictures; the message says what it holds.
    """
    header = read_npy_header(path)
    shape, dtype = header.shape, header.dtype
    found = f"{path.name} holds {dtype} of shape {shape}"
    if len(shape) == 1 and dtype.kind == "f":
        raise DatasetError(
            f"{found}: these are timestamps. frames.npy and timestamps.npy were swapped: give each the other's name."
        )
    pictures = len(shape) == 4 and shape[3] == 3 and all(0 < side <= MAX_SIDE for side in shape[1:3])
    if not pictures or dtype != np.uint8 or header.fortran_order:
        order = " in Fortran order" if header.fortran_order else ""
        raise DatasetError(
            f"{found}{order}: these are no frames, which are uint8 of shape (N, 128, 128, 3). Download the recording "
            "again, or look for the file that belongs here."
        )
    return FrameFile(path, header, rows_present(path, header))


def open_timestamps(path: Path) -> TimesFile:
    """Read ``timestamps.npy``.

    Raises:
        DatasetError: it holds no times; the message says what it holds.
    """
    header = read_npy_header(path)
    found = f"{path.name} holds {header.dtype} of shape {header.shape}"
    if len(header.shape) == 4:
        raise DatasetError(
            f"{found}: these are frames. frames.npy and timestamps.npy were swapped: give each the other's name."
        )
    if len(header.shape) != 1 or header.dtype.kind not in "fiu":
        raise DatasetError(f"{found}: these are no timestamps, which are float32 of shape (N,)")
    values = map_npy(path, header, rows_present(path, header))
    return TimesFile(values.astype(np.float32), header.shape[0])


APART_MS = 50.0
"""Half an interval at 10 Hz: a row that is further from its frame's time belongs to another one."""

_LOOKED_AT = 16
_REQUIRED = (*MODEL_KEYS, *(f"{name}_x" for name in VECTORS if name != "rotation"), "battery", "damage")


def check_counts(frames: FrameFile, times: TimesFile, rows: int, cut: str, *, partial: bool) -> int:
    """How many samples there are.

    Raises:
        DatasetError: a file was cut short, or they disagree, and ``partial`` is not asked for; or there are none.
    """
    there = min(frames.rows, len(times.values), rows)
    wrong = []
    if frames.rows < frames.claimed:
        wrong.append(f"{frames.path.name} holds {frames.rows} whole frames of the {frames.claimed} it says")
    if len(times.values) < times.claimed:
        wrong.append(f"timestamps.npy holds {len(times.values)} of the {times.claimed} times it says")
    if cut:
        wrong.append(cut)
    if not wrong and len({frames.rows, len(times.values), rows}) > 1:
        wrong.append(
            f"there are {frames.rows} frames, {len(times.values)} timestamps and {rows} rows with a picture, which "
            "must be as many: a file is of another recording"
        )
    if wrong and not partial:
        raise DatasetError(
            f"{'; '.join(wrong)}. Download the recording again, or take what is whole, {there} samples: "
            "ReActureDataset(path, partial=True), on the command line --partial"
        )
    if not there:
        raise DatasetError(
            f"{frames.path.name}: there is no sample ({frames.rows} frames, {len(times.values)} timestamps, {rows} "
            "rows with a picture): the recording ended before its first frame"
        )
    return there


def mend_times(times: np.ndarray, row_times: np.ndarray) -> tuple[np.ndarray, list[str]]:
    """The frames' times, ``(N,) float32``; where one is no number, that of its row. And what is odd about them.

    Raises:
        DatasetError: some are known to neither.
    """
    told = []
    lost = ~np.isfinite(times)
    if lost.any():
        if not np.isfinite(row_times[lost]).all():
            raise DatasetError(
                f"{int(lost.sum())} times in timestamps.npy are no numbers, and not all of their rows have one either: "
                "download the recording again"
            )
        times = np.where(lost, row_times, times).astype(np.float32)
        told.append(f"{int(lost.sum())} times in timestamps.npy are no numbers: their rows' times are taken")
    apart = np.abs(row_times - times)
    wrong = apart > APART_MS
    if wrong.any():
        told.append(
            f"{int(wrong.sum())} rows are more than {APART_MS:.0f} ms from their frame's time, up to "
            f"{float(np.nanmax(apart)):.0f} ms: are the files of one recording?"
        )
    if (np.diff(times) <= 0).any():
        told.append("the frames are not in the order of time; time ranges sort them, indices do not")
    return times, told


def look_at_rows(rows: RowTable, framed: np.ndarray, metadata: Mapping[str, Any]) -> list[str]:
    """What is odd about the rows, in words."""
    told = []
    if not np.array_equal(framed, np.arange(len(framed))):
        told.append("row i is not frame i: only rows with visual_frame_path have a frame, and are taken in their order")
    for name in _REQUIRED:
        bad = rows.faults.get(name, 0)
        if 0 < bad < len(framed) or (bad and not _is_said_missing(name, metadata)):
            told.append(f"{name.removesuffix('_x')} is no number in {bad} of {len(framed)} rows: NaN there")
    stats = metadata.get("data_stats")
    said = stats.get("total_frames") if isinstance(stats, dict) else None
    if isinstance(said, int) and said != len(framed):
        told.append(f"metadata.json says {said} frames, there are {len(framed)}")
    return told


def look_at_frames(frames: np.ndarray) -> list[str]:
    """What is odd about the frames, in words: judged by a few, so that not all of them are read."""
    some = np.unique(np.linspace(0, len(frames) - 1, _LOOKED_AT).astype(int))
    if any(frames[i].any() for i in some):
        return []
    return [f"the frames are black ({len(some)} of {len(frames)} were looked at): nothing can be seen in them"]


def _is_said_missing(name: str, metadata: Mapping[str, Any]) -> bool:
    missing = metadata.get("missing")
    return isinstance(missing, list) and name.removesuffix("_x") in missing


FrameDtype = Literal["float32", "uint8"]

_WIDTHS = {"keys": 6, "position": 3, "velocity": 3, "accelerometer": 3, "battery": 1, "damage": 1}
_SPLIT = [*_WIDTHS.values(), 1]


class ReActureTorchDataset:
    """What a ``torch.utils.data.DataLoader`` reads: item i is sample i of ``dataset``, or of ``indices``.

    Several downloads become one by ``torch.utils.data.ConcatDataset``.
    """

    def __init__(
        self, dataset: ReActureDataset, frame_dtype: FrameDtype = "float32", indices: Sequence[int] | None = None
    ) -> None:
        self._torch: Any = None
        self._dataset = dataset
        self._frame_dtype = _checked_dtype(frame_dtype)
        self._indices = checked_indices(indices, len(dataset))
        self._numbers = np.hstack([*(dataset.numbers(name) for name in _WIDTHS), dataset.frame_timestamps[:, None]])

    def __len__(self) -> int:
        return len(self._indices)

    def __getitem__(self, index: int) -> dict[str, Any]:
        """One sample, without the first dimension of a batch."""
        return {name: values[0] for name, values in self._batch([index]).items()}

    def __getstate__(self) -> dict[str, Any]:
        return self.__dict__ | {"_torch": None}  # a module cannot be sent to another process

    def _batch(self, items: Sequence[int]) -> dict[str, Any]:
        torch = self._torch = self._torch or require("torch", "A PyTorch DataLoader")
        chosen = self._indices.take(items)
        frames = self._dataset.gather(chosen).transpose(0, 3, 1, 2)
        if self._frame_dtype == "float32":
            scaled = np.empty(frames.shape, np.float32)
            scaled[...] = frames
            frames = np.multiply(scaled, np.float32(1.0 / 255.0), out=scaled)
        numbers = torch.from_numpy(self._numbers.take(chosen, axis=0))
        batch = {"frame": torch.from_numpy(frames)}
        batch |= zip(_WIDTHS, numbers.split_with_sizes(_SPLIT, dim=1), strict=False)
        batch["timestamp"] = numbers[:, -1]
        return batch


class _Batches(ReActureTorchDataset):
    """The same for our own DataLoader, which takes a batch that is gathered at once for the list it asks for."""

    def __getitems__(self, items: Sequence[int]) -> dict[str, Any]:
        return self._batch(items)


def pytorch_dataloader(
    dataset: ReActureDataset,
    batch_size: int,
    shuffle: bool,
    frame_dtype: FrameDtype,
    indices: Sequence[int] | None,
    **options: Any,
) -> Any:
    """See :meth:`ReActureDataset.to_pytorch_dataloader`."""
    data = require("torch.utils.data", "A PyTorch DataLoader")
    own_collate = options.get("collate_fn") is not None  # it expects a list of samples
    torch_dataset = (ReActureTorchDataset if own_collate else _Batches)(dataset, frame_dtype, indices)
    options |= {} if own_collate else {"collate_fn": as_it_is}
    return data.DataLoader(torch_dataset, batch_size=checked_batch_size(batch_size), shuffle=shuffle, **options)


def tensorflow_dataset(
    dataset: ReActureDataset, batch_size: int, shuffle: bool, seed: int | None, indices: Sequence[int] | None
) -> Any:
    """See :meth:`ReActureDataset.to_tensorflow_dataset`."""
    tf = require("tensorflow", "A TensorFlow dataset")
    batch_size = checked_batch_size(batch_size)
    chosen = checked_indices(indices, len(dataset))
    random = np.random.default_rng(seed)

    def batches() -> Iterator[dict[str, np.ndarray]]:
        order = random.permutation(chosen) if shuffle else chosen
        for first in range(0, len(order), batch_size):
            rows = order[first : first + batch_size]
            frames = np.multiply(dataset.gather(rows), np.float32(1.0 / 255.0), dtype=np.float32)
            yield {"frame": frames} | {name: dataset.numbers(name)[rows] for name in _WIDTHS}

    height, width = dataset.frames_array.shape[1:3]
    signature = {"frame": tf.TensorSpec((None, height, width, 3), tf.float32)}
    signature |= {name: tf.TensorSpec((None, count), tf.float32) for name, count in _WIDTHS.items()}
    made = tf.data.Dataset.from_generator(batches, output_signature=signature)
    count = -(-len(chosen) // batch_size)
    return made.apply(tf.data.experimental.assert_cardinality(count)).prefetch(tf.data.AUTOTUNE)


def as_it_is(batch: Any) -> Any:
    """What a DataLoader does with a batch that is one already."""
    return batch


def checked_indices(indices: Sequence[int] | None, count: int) -> np.ndarray:
    """``(n,) int64``, all of them where none are named."""
    if indices is None:
        return np.arange(count)
    chosen = np.asarray(indices)
    if chosen.size == 0:
        raise DatasetError("no samples are chosen: indices is empty")
    if chosen.ndim != 1 or chosen.dtype.kind not in "iu" or not -count <= chosen.min() <= chosen.max() < count:
        raise DatasetError(f"indices must be whole numbers from 0 to {count - 1}, the samples there are")
    return chosen.astype(np.int64) % count


def checked_batch_size(batch_size: int) -> int:
    if isinstance(batch_size, bool) or not isinstance(batch_size, int) or batch_size < 1:
        raise DatasetError(f"batch_size must be a whole number, 1 or more; got {batch_size!r}")
    return batch_size


def _checked_dtype(frame_dtype: str) -> FrameDtype:
    if frame_dtype not in ("float32", "uint8"):
        raise DatasetError(f"frame_dtype must be 'float32' (0 to 1) or 'uint8' (0 to 255); got {frame_dtype!r}")
    return frame_dtype  # type: ignore[return-value]


_FRAMES_AT_ONCE = 64


def statistics_of(dataset: ReActureDataset) -> dict[str, Any]:
    """Plain numbers, JSON-safe; None where there is nothing to count."""
    times = np.sort(dataset.frame_timestamps.astype(np.float64))
    intervals = np.diff(times)
    position = dataset.numbers("position").astype(np.float64)
    position[~np.isfinite(position)] = np.nan
    steps = np.linalg.norm(np.diff(position[np.argsort(dataset.frame_timestamps, kind="stable")], axis=0), axis=1)
    keys = dataset.numbers("keys")
    mean, black = _look_through(dataset)
    return {
        "num_samples": len(dataset),
        "num_frames": len(dataset.frames_array),
        "num_other_rows": int((~dataset.rows.has_frame).sum()) + len(dataset.rows.other_offsets),
        "duration_s": _plain((times[-1] - times[0]) / 1000.0),
        "sampling_rate": _plain(1000.0 / intervals.mean()) if len(intervals) and intervals.mean() > 0 else None,
        "interval_ms": _spread(intervals),
        "trajectory_stats": {
            **{f"{name}_position": values for name, values in _spread_of_columns(position).items()},
            "length": _plain(np.nansum(steps)) if np.isfinite(steps).any() else None,
        },
        "key_press_frequency": {name: _plain(_mean(keys[:, i])) for i, name in enumerate(MODEL_KEYS)},
        "battery_stats": _spread(dataset.numbers("battery")[:, 0]),
        "damage_stats": _spread(dataset.numbers("damage")[:, 0]),
        "frame_stats": {"mean_rgb": [_plain(value) for value in mean], "black_frames": black},
    }


def describe(dataset: ReActureDataset) -> str:
    """A summary to print."""
    stats, metadata = dataset.get_statistics(), dataset.metadata
    height, width = dataset.frames_array.shape[1:3]
    lines = [f"{dataset.prefix}: {len(dataset)} samples, {width}x{height} RGB frames"]
    told = {name: metadata.get(name) for name in ("environment_name", "player_name", "start_time", "session_id")}
    lines += [f"  {name.replace('_', ' ')}: {value}" for name, value in told.items() if value is not None]
    result = metadata.get("game_result")
    if isinstance(result, dict):
        lines.append("  result: " + ", ".join(f"{name} {value}" for name, value in result.items()))
    rate, interval = stats["sampling_rate"], stats["interval_ms"]
    lines.append(f"  duration: {_text(stats['duration_s'])} s at {_text(rate)} Hz")
    if interval["mean"] is not None:
        lines.append(f"  interval: {_text(interval['min'])} to {_text(interval['max'])} ms")
    pressed = [f"{name} {_text(100 * (share or 0.0))} %" for name, share in stats["key_press_frequency"].items()]
    lines.append(f"  pressed: {', '.join(pressed)}")
    lines.append(f"  way: {_text(stats['trajectory_stats']['length'])} long")
    for name in ("battery", "damage"):
        spread = stats[f"{name}_stats"]
        lines.append(f"  {name}: {_text(spread['min'])} to {_text(spread['max'])}, mean {_text(spread['mean'])}")
    lines.append(f"  black frames: {stats['frame_stats']['black_frames']}")
    lines.append(f"  rows without a frame: {stats['num_other_rows']}")
    lines += [f"  note: {repair}" for repair in dataset.repairs]
    return "\n".join(lines)


def _look_through(dataset: ReActureDataset) -> tuple[np.ndarray, int]:
    """The frames' mean colour, from 0 to 255, and how many are black."""
    total, black = np.zeros(3), 0
    frames = dataset.frames_array
    for first in range(0, len(frames), _FRAMES_AT_ONCE):
        some = frames[first : first + _FRAMES_AT_ONCE]
        total += some.sum(axis=(0, 1, 2), dtype=np.uint64)
        black += int((some.max(axis=(1, 2, 3)) == 0).sum())
    return total / (len(frames) * frames.shape[1] * frames.shape[2]), black


def _spread(values: np.ndarray) -> dict[str, float | None]:
    known = values[np.isfinite(values)].astype(np.float64)
    if not len(known):
        return dict.fromkeys(("mean", "std", "min", "max"))
    figures = {"mean": known.mean(), "std": known.std(), "min": known.min(), "max": known.max()}
    return {name: _plain(value) for name, value in figures.items()}


def _spread_of_columns(values: np.ndarray) -> dict[str, list[float | None]]:
    spreads = [_spread(column) for column in values.T]
    return {name: [spread[name] for spread in spreads] for name in ("mean", "std", "min", "max")}


def _mean(values: np.ndarray) -> float:
    known = values[np.isfinite(values)]
    return float(known.mean()) if len(known) else float("nan")


def _plain(value: Any) -> float | None:
    return float(value) if np.isfinite(value) else None


def _text(value: float | None) -> str:
    return "unknown" if value is None else f"{value:.4g}"


AXES = "xyz"


class Vector(np.ndarray):
    """``(3,) float32``: ``vector["x"]`` is ``vector[0]``, and ``dict(vector)`` has x, y and z."""

    def __getitem__(self, index: Any) -> Any:
        if isinstance(index, str):
            if index not in self.keys() or self.shape != (len(AXES),):
                raise KeyError(index)
            return float(self[AXES.index(index)])
        return super().__getitem__(index)

    def keys(self) -> tuple[str, ...]:
        """The axes' names."""
        return tuple(AXES)

    def items(self) -> Iterator[tuple[str, float]]:
        """The axes' names, each with its number."""
        return ((name, self[name]) for name in self.keys())


_SAMPLE_VECTORS = ("position", "velocity", "accelerometer")


class ReActureWarning(UserWarning):
    """A download has a fault that was mended on reading, or that its person should know of. Files are never changed."""


class ReActureDataset:
    """One ReActure download. Sample i is ``frames_array[i]``, ``frame_timestamps[i]`` and the row that belongs to them.

    In our own files that is line i of ``data.jsonl``. The original's files are mended while they are read, which a
    :class:`ReActureWarning` tells: headers that ``np.load`` refuses, frames that are upside down, rows without a frame
    between those that have one.

    Args:
        metadata_path: ``..._metadata.json``, with the other files beside it; or their folder.
        partial: of files that were cut short, or whose counts differ, take what is whole from the beginning on.
        warn: False: faults are only in :attr:`repairs`.

    Attributes:
        metadata: what ``metadata.json`` says.
        prefix: what the files' names begin with.
        frames_array: ``(N, 128, 128, 3) uint8 RGB``, read-only, upright; on the disk until it is looked at. Of the
            original's files it is a flipped view, whose frames ``torch.from_numpy`` refuses: take those of samples, of
            :meth:`gather`, or ``np.ascontiguousarray``.
        frame_timestamps: ``(N,) float32``, ms since the game's start.
        repairs: what was mended or is odd, in words.

    Raises:
        DatasetError: a file is missing, cut short, damaged, or holds what are no frames; or they do not fit each other.
    """

    def __init__(self, metadata_path: str | Path, *, partial: bool = False, warn: bool = True) -> None:
        files = find_reacture_files(metadata_path)
        self.prefix = files.prefix
        self.metadata = read_reacture_metadata(files.metadata)
        self._frame_file: FrameFile = open_frames(files.frames)
        times = open_timestamps(files.timestamps)
        self.rows = read_rows(files.data)
        framed = np.flatnonzero(self.rows.has_frame)
        count = check_counts(self._frame_file, times, len(framed), self.rows.cut, partial=partial)
        framed = framed[:count]
        repairs = list(self._frame_file.repairs)
        if partial and (self._frame_file.claimed, times.claimed, self.rows.cut) != (count, count, ""):
            repairs.append(f"only the first {count} samples are whole in all files")
        self.sample_rows: np.ndarray = framed
        """``(N,) int64``: of each sample, its place in :attr:`rows`."""
        self._frame_file = self._frame_file.first(count)
        self.frames_array: np.ndarray = self._frame_file.map()
        self.frame_timestamps, told = mend_times(times.values[:count], self.rows.column("timestamp_ms")[framed])
        repairs += told
        repairs += look_at_rows(self.rows, framed, self.metadata)
        repairs += look_at_frames(self.frames_array)
        self._numbers = self._columns(framed)
        self.repairs = tuple(repairs)
        for repair in repairs if warn else ():
            warnings.warn(f"{files.prefix}: {repair}", ReActureWarning, stacklevel=2)

    def __len__(self) -> int:
        return len(self.frame_timestamps)

    @overload
    def __getitem__(self, index: int) -> dict[str, Any]: ...

    @overload
    def __getitem__(self, index: slice) -> list[dict[str, Any]]: ...

    def __getitem__(self, index: int | slice) -> dict[str, Any] | list[dict[str, Any]]:
        """Sample ``index``, or a list of the samples of a slice; negative ones count from the end.

        Returns:
            All that the row says (``timestamp_ms``, ``event``, ``key_presses``, ``robot``, ``sensors`` ...), and
            ``frame (128, 128, 3) uint8`` in memory of its own, ``frame_timestamp_ms``, ``keys (6,)``, ``position``,
            ``velocity``, ``accelerometer (3,) float32``, whose numbers are also ``["x"]``, ``["y"]`` and ``["z"]``,
            ``battery`` (0-100), ``damage`` (0-1). What the row does not say is NaN.
        """
        count = len(self)
        if isinstance(index, slice):
            return list(self._samples(range(count)[index]))
        place = operator.index(index)
        if not -count <= place < count:
            raise IndexError(f"{self.prefix} has {count} samples: there is no sample {place}")
        return next(self._samples([place % count]))

    def __iter__(self) -> Iterator[dict[str, Any]]:
        return self._samples(range(len(self)))

    def numbers(self, name: str) -> np.ndarray:
        """``(N, n) float32`` of ``keys`` (W, A, S, D, inspect, destroy), ``position``, ``velocity``,
        ``accelerometer``, ``battery`` or ``damage``."""
        return self._numbers[name]

    def gather(self, indices: np.ndarray) -> np.ndarray:
        """The frames of ``indices (n,) int64`` in new memory, ``(n, 128, 128, 3) uint8 RGB``."""
        return self._frame_file.gather(self.frames_array, indices)

    def other_rows(self) -> Iterator[dict[str, Any]]:
        """The rows that no frame belongs to: events, and what the player did, in the order of the file."""
        offsets = np.concatenate([self.rows.offsets[~self.rows.has_frame], self.rows.other_offsets])
        return rows_at(self.rows.path, np.sort(offsets).tolist())

    def to_pytorch_dataloader(
        self,
        batch_size: int = 32,
        shuffle: bool = True,
        *,
        frame_dtype: FrameDtype = "float32",
        indices: Sequence[int] | None = None,
        **options: Any,
    ) -> Any:
        """A ``torch.utils.data.DataLoader`` of dicts: ``frame (B, 3, 128, 128)``, ``keys (B, 6)``, ``position``,
        ``velocity``, ``accelerometer (B, 3)``, ``battery``, ``damage (B, 1)``, ``timestamp (B,)``, all float32.

        Args:
            batch_size: samples a batch; the last one may have fewer.
            shuffle: in another order each time.
            frame_dtype: ``float32``: frames from 0 to 1, contiguous, as networks take them; ``uint8``: as stored,
                from 0 to 255, several times as fast, to become floats on the GPU. In memory their channels stay last.
            indices: only these samples, such as those of :meth:`indices_between`.
            options: any others of ``DataLoader``: ``num_workers``, ``drop_last``, ``generator`` ...

        Raises:
            MissingPartError: PyTorch is not installed.
            DatasetError: a wrong argument.
        """
        return pytorch_dataloader(self, batch_size, shuffle, frame_dtype, indices, **options)

    def to_pytorch_dataset(self, *, frame_dtype: FrameDtype = "float32") -> ReActureTorchDataset:
        """The samples one by one, for ``ConcatDataset``, ``random_split`` and the like."""
        return ReActureTorchDataset(self, frame_dtype)

    def to_tensorflow_dataset(
        self,
        batch_size: int = 32,
        shuffle: bool = True,
        *,
        seed: int | None = None,
        indices: Sequence[int] | None = None,
    ) -> Any:
        """A ``tf.data.Dataset`` of the same batches without ``timestamp``; ``frame (B, 128, 128, 3)`` from 0 to 1.

        Args:
            batch_size: samples a batch; the last one may have fewer.
            shuffle: all samples, in another order each time.
            seed: makes the orders the same in each run.
            indices: only these samples.

        Raises:
            MissingPartError: TensorFlow is not installed.
            DatasetError: a wrong argument.
        """
        return tensorflow_dataset(self, batch_size, shuffle, seed, indices)

    def indices_between(self, start_s: float, end_s: float) -> np.ndarray:
        """``(n,) int64``: the samples from ``start_s`` to ``end_s`` seconds of the game, in the order of time."""
        seconds = self.frame_timestamps.astype(np.float64) / 1000.0
        order = np.argsort(seconds, kind="stable")
        first = np.searchsorted(seconds[order], start_s, side="left")
        return order[first : np.searchsorted(seconds[order], end_s, side="right")]

    def get_time_range(self, start_s: float, end_s: float) -> list[dict[str, Any]]:
        """The samples from ``start_s`` to ``end_s`` seconds of the game, in the order of time."""
        return list(self._samples(self.indices_between(start_s, end_s).tolist()))

    def get_sample_at_time(self, time_s: float) -> dict[str, Any]:
        """The sample whose time is nearest to ``time_s`` seconds of the game."""
        return self[int(np.argmin(np.abs(self.frame_timestamps.astype(np.float64) / 1000.0 - time_s)))]

    def extract_trajectory(self) -> np.ndarray:
        """``(N, 3) float32``: where the robot was, x, y and z."""
        return self._numbers["position"].copy()

    def extract_key_presses(self) -> np.ndarray:
        """``(N, 6) float32``: W, A, S, D, inspect, destroy; 1 is pressed."""
        return self._numbers["keys"].copy()

    def extract_accelerometer(self) -> np.ndarray:
        """``(N, 3) float32``."""
        return self._numbers["accelerometer"].copy()

    def extract_battery_damage(self) -> tuple[np.ndarray, np.ndarray]:
        """Both ``(N,) float32``."""
        return self._numbers["battery"][:, 0].copy(), self._numbers["damage"][:, 0].copy()

    def get_statistics(self) -> dict[str, Any]:
        """Counts, times, rates, and mean, deviation, least and most of what the robot did; reads every frame once."""
        return statistics_of(self)

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in self.__dict__.items() if name != "frames_array"}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__ |= state
        self.frames_array = self._frame_file.map()  # a worker reads the file itself, and is not sent what is in it

    def __repr__(self) -> str:
        return f"ReActureDataset({self.prefix!r}, {len(self)} samples)"

    def _columns(self, framed: np.ndarray) -> dict[str, np.ndarray]:
        names = {"keys": MODEL_KEYS, "battery": ("battery",), "damage": ("damage",)}
        names |= {vector: tuple(f"{vector}_{axis}" for axis in AXES) for vector in _SAMPLE_VECTORS}
        chosen = {name: self.rows.column(*columns)[framed] for name, columns in names.items()}
        return {
            name: np.ascontiguousarray(values.reshape(len(framed), -1), np.float32) for name, values in chosen.items()
        }

    def _samples(self, indices: Sequence[int]) -> Iterator[dict[str, Any]]:
        rows = rows_at(self.rows.path, self.rows.offsets[self.sample_rows[indices]].tolist())
        for index, row in zip(indices, rows, strict=True):
            numbers: dict[str, Any] = {name: values[index].copy() for name, values in self._numbers.items()}
            numbers |= {name: numbers[name].view(Vector) for name in _SAMPLE_VECTORS}
            numbers |= {name: float(numbers[name][0]) for name in ("battery", "damage")}
            numbers |= {name: row[name] for name in ("battery", "damage") if isinstance(row.get(name), (int, float))}
            times = {"frame_timestamp_ms": float(self.frame_timestamps[index])}
            yield row | numbers | times | {"frame": np.array(self.frames_array[index], order="C")}


def main(argv: Sequence[str] | None = None) -> int:
    """Print what a download holds: ``python load_reacture_dataset.py reacture_..._metadata.json``."""
    words = list(sys.argv[1:] if argv is None else argv)
    partial = "--partial" in words
    paths = [word for word in words if word != "--partial"]
    if len(paths) != 1 or paths[0] in ("-h", "--help"):
        print(f"usage: {Path(sys.argv[0]).name} [--partial] reacture_..._metadata.json")
        return 0 if "-h" in words or "--help" in words else 2
    try:
        text = describe(ReActureDataset(paths[0], partial=partial, warn=False))
        # A terminal may not know a player's letters, and half of a surrogate pair is in no encoding.
        encoding = sys.stdout.encoding or "utf-8"
        print(text.encode(encoding, "backslashreplace").decode(encoding))
    except DatasetError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
