"""What is left of an npz file whose end, and with it the directory that zip files keep there, is missing."""

from __future__ import annotations

import json
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from gameon_env.data_processing.npz_reader import read_npy_header
from gameon_env.data_processing.trajectory_layout import METADATA, Column, check_columns
from gameon_env.errors import TrajectoryError

_LOCAL_HEADER = struct.Struct("<4s4xH12xIHH")  # signature, compression, size, length of the name, of the extra field
_ZIP64 = struct.Struct("<HHQ")  # tag 1, length, size of the member
_BLOCK_BYTES = 1 << 20


class CutNpz:
    """The leading rows of a cut file, found by walking its members from the front.

    Attributes:
        columns: what each row holds.
        metadata: the episode's.
        rows: how many rows are there in every column.
    """

    def __init__(self, path: Path) -> None:
        self.columns: tuple[Column, ...] = ()
        self.metadata: dict[str, Any] = {}
        self.rows = 0
        self._offsets: dict[str, int] = {}
        self._size = path.stat().st_size
        self._file = path.open("rb")

    @classmethod
    def open(cls, path: Path) -> CutNpz | None:
        """Open the file; None where no whole step of an episode is left in it."""
        cut = cls(path)
        try:
            cut._walk(path)
            found = True
        except (ValueError, OSError, struct.error, EOFError, TrajectoryError):
            found = False
        if not found or cut.rows < 2:
            cut._file.close()
            return None
        return cut

    def __enter__(self) -> CutNpz:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def blocks(self, column: Column, rows: int) -> Iterator[npt.NDArray[Any]]:
        """The first ``rows`` values of a column, in arrays of about a megabyte."""
        per_block = max(1, _BLOCK_BYTES // max(1, column.row_bytes))
        for first in range(0, rows, per_block):
            count = min(per_block, rows - first)
            self._file.seek(self._offsets[column.name] + first * column.row_bytes)
            raw = self._file.read(count * column.row_bytes)
            yield np.frombuffer(bytearray(raw), column.dtype).reshape((count, *column.shape))

    def _walk(self, path: Path) -> None:
        columns, shapes, complete, at = [], {}, [], 0
        while at + _LOCAL_HEADER.size <= self._size:
            self._file.seek(at)
            signature, compression, size, name_bytes, extra_bytes = _LOCAL_HEADER.unpack(
                self._file.read(_LOCAL_HEADER.size)
            )
            if signature != b"PK\x03\x04" or compression != 0:
                break
            name = self._file.read(name_bytes).decode().removesuffix(".npy")
            extra = self._file.read(extra_bytes)
            if size == 0xFFFFFFFF:
                size = _ZIP64.unpack_from(extra)[2]
            start = at + _LOCAL_HEADER.size + name_bytes + extra_bytes
            dtype, shape, _ = read_npy_header(self._file)
            offset = self._file.tell()
            if name == METADATA:
                text = np.frombuffer(self._file.read(start + size - offset), dtype)
                self.metadata = json.loads(str(text[0]))
            else:
                column = Column(name, dtype.str, shape[1:])
                columns.append(column)
                shapes[name] = (dtype, shape)
                complete.append(max(0, self._size - offset) // max(1, column.row_bytes))
                self._offsets[name] = offset
            at = start + size
        rows = check_columns(path, shapes)
        self.columns, self.rows = tuple(columns), min([rows, *complete])
