"""The headers of .npy files, read without numpy's reader: nothing is unpickled, nothing allocated on their word.

ReActure's own files have a header that ``np.load`` refuses: its magic went through a text encoder, which made two bytes
of the first one, and ``False`` is spelled ``false``. Such a header is understood here, and said to be broken.
"""

from __future__ import annotations

import ast
import math
import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from gameon_env.errors import DatasetError

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
