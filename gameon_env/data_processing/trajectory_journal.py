"""The journal behind an npz episode: rows appended to a file as they come, and read again when the episode ends.

A head with the columns and the episode's metadata, then one record of fixed size per row, each with its checksum: a
killed process loses no row that was appended, and a torn last record is seen and left out.
"""

from __future__ import annotations

import io
import json
import os
import struct
import zlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from gameon_env.data_processing.trajectory_layout import (
    Column,
    Row,
    columns_from_json,
    columns_to_json,
    damaged,
    to_json,
)
from gameon_env.errors import TrajectoryError

_MAGIC = b"GAMEON-JOURNAL-1"
_HEAD = struct.Struct("<16sII")  # magic, CRC-32 and length of the JSON head
_BLOCK_BYTES = 1 << 20
_MOST_HEAD_BYTES = 16 << 20


class JournalWriter:
    """Appends rows to ``file``, newly made and unbuffered. All methods raise OSError when the disk refuses."""

    def __init__(self, file: io.FileIO, columns: Sequence[Column]) -> None:
        self.path = Path(str(file.name))
        self.rows = 0
        self._file, self._columns = file, columns
        self._end = 0

    def start(self, metadata: Mapping[str, Any]) -> None:
        """Write the head."""
        head = to_json({"metadata": dict(metadata), "columns": columns_to_json(self._columns)}).encode()
        self._write(_HEAD.pack(_MAGIC, zlib.crc32(head), len(head)) + head)

    def append(self, row: Row) -> None:
        record = b"".join(np.ascontiguousarray(row[c.name], c.dtype).tobytes() for c in self._columns)
        self._write(struct.pack("<I", zlib.crc32(record)) + record)
        self.rows += 1

    def close(self) -> None:
        self._file.close()

    def _write(self, data: bytes) -> None:
        self._file.seek(self._end)  # over what an interrupt (Ctrl-C) may have left half done
        view = memoryview(data)
        while view:
            view = view[self._file.write(view) :]  # a full disk may take a part first
        self._end += len(data)


class UnbegunJournalError(TrajectoryError):
    """A journal that ends within its head: its writer has only just made it, or ended before the first step."""


class Journal:
    """A journal opened for reading. Raises TrajectoryError where it is damaged or none.

    Attributes:
        columns: what each record holds.
        metadata: the episode's metadata as it was at its start.
        rows: how many complete records there are.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file: io.FileIO = path.open("rb", buffering=0)
        try:
            size = os.fstat(self._file.fileno()).st_size
            start = self._read_head(size)
        except BaseException:
            self._file.close()
            raise
        self._start = start
        self._record_bytes = 4 + sum(column.row_bytes for column in self.columns)
        self.rows = (size - start) // self._record_bytes

    def __enter__(self) -> Journal:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def count_intact(self) -> int:
        """How many records from the first on have the right checksum; reads them all."""
        self._file.seek(self._start)
        for index in range(self.rows):
            record = self._file.read(self._record_bytes)
            if zlib.crc32(record[4:]) != int.from_bytes(record[:4], "little"):
                return index
        return self.rows

    def blocks(self, column: Column, rows: int) -> Iterator[npt.NDArray[Any]]:
        """The first ``rows`` values of a column, in arrays of about a megabyte."""
        offset = self._start + 4
        for other in self.columns:
            if other.name == column.name:
                break
            offset += other.row_bytes
        per_block = max(1, _BLOCK_BYTES // max(1, column.row_bytes))
        for first in range(0, rows, per_block):
            block = np.empty((min(per_block, rows - first), *column.shape), column.dtype)
            raw = block.reshape(-1).view(np.uint8).data
            for index in range(len(block)):
                self._file.seek(offset + (first + index) * self._record_bytes)
                self._file.readinto(raw[index * column.row_bytes : (index + 1) * column.row_bytes])
            yield block

    def _read_head(self, size: int) -> int:
        raw = self._file.read(_HEAD.size)
        if not _MAGIC.startswith(raw[: len(_MAGIC)]):
            raise damaged(self.path, "it is no journal of ours")
        if len(raw) < _HEAD.size:
            raise self._unbegun()
        _, checksum, length = _HEAD.unpack(raw)
        if length > _MOST_HEAD_BYTES:
            raise damaged(self.path, "the length of the journal's head is damaged")
        if length > size - _HEAD.size:
            raise self._unbegun()
        head = self._file.read(length)
        if zlib.crc32(head) != checksum:
            raise damaged(self.path, "the journal's head is damaged, and with it the names of what it holds")
        content = json.loads(head)
        self.columns = columns_from_json(content["columns"])
        self.metadata: dict[str, Any] = content["metadata"]
        return int(_HEAD.size + length)

    def _unbegun(self) -> UnbegunJournalError:
        return UnbegunJournalError(f"{self.path} ends within its head: no step was recorded in it")
