"""Writing a ``.pt`` file row by row: what ``torch.save`` makes of one dict of tensors, without having them in memory.

``torch.save`` writes a zip archive of a pickle and one record for each tensor, uncompressed. Here it writes that around
empty records first (``torch.serialization.skip_data``), then they are filled in, and their checksums.
"""

from __future__ import annotations

import struct
import tempfile
import zipfile
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np
import numpy.typing as npt

from gameon_env.data_processing.trajectory import Column
from gameon_env.optional import require

require("torch", "Exporting for PyTorch")
import torch  # noqa: E402
from torch.serialization import skip_data  # noqa: E402

# The zip format, APPNOTE 6.3: local header, data descriptor, entry of the central directory.
_LOCAL_HEADER, _DESCRIPTOR, _ENTRY = 30, b"PK\x07\x08", b"PK\x01\x02"


@dataclass(slots=True)
class _Record:
    """One tensor's bytes in the file."""

    name: str
    start: int
    row_bytes: int
    rows: int
    written: int = 0
    checksum: int = 0


class PtWriter:
    """Writes all rows of an export to a new file.

    Args:
        path: an empty file.
        columns: each becomes a tensor ``(rows, *shape)``.
        rows: how many there will be.
        about: what else the file's dict holds: plain Python values.

    Raises (all methods):
        OSError: the disk refuses. The file is of no use then.
    """

    def __init__(self, path: Path, columns: Sequence[Column], rows: int, about: Mapping[str, Any]) -> None:
        with tempfile.TemporaryFile(dir=path.parent) as nothing:
            tensors = {column.name: _unwritten(nothing, column, rows) for column in columns}
            with path.open("wb") as file, skip_data():
                torch.save(tensors | dict(about), file)
            del tensors
        self._file = path.open("r+b")
        self._records = dict(zip((c.name for c in columns), _records(self._file, columns, rows), strict=True))

    def append(self, rows: Mapping[str, npt.NDArray[Any]]) -> None:
        """Append ``(n, ...)`` values of each column."""
        for name, values in rows.items():
            record = self._records[name]
            data = np.ascontiguousarray(values).reshape(-1).view(np.uint8).data
            self._file.seek(record.start + record.written * record.row_bytes)
            self._file.write(data)
            record.written += len(values)
            record.checksum = zlib.crc32(data, record.checksum)

    def end_episode(self, metadata: Mapping[str, Any]) -> None:
        """The file has its metadata already."""

    def finish(self) -> None:
        """Write the checksums."""
        for record in self._records.values():
            assert record.written == record.rows, record
            self._file.seek(record.start + record.row_bytes * record.rows)
            assert self._file.read(4) == _DESCRIPTOR
            self._file.write(struct.pack("<I", record.checksum))
        checksums = {record.name: record.checksum for record in self._records.values()}
        with zipfile.ZipFile(self._file) as archive:
            place, names = archive.start_dir, archive.namelist()
        for _ in names:
            self._file.seek(place)
            entry = self._file.read(46)
            assert entry[:4] == _ENTRY
            lengths = struct.unpack_from("<3H", entry, 28)  # of name, extra field and comment
            name = self._file.read(lengths[0]).decode()
            if name in checksums:
                self._file.seek(place + 16)
                self._file.write(struct.pack("<I", checksums[name]))
            place += 46 + sum(lengths)
        self._file.flush()

    def close(self) -> None:
        """Close the file, finished or not."""
        self._file.close()


def _unwritten(nothing: IO[bytes], column: Column, rows: int) -> torch.Tensor:
    """A tensor of this shape that takes no memory: a hole in a file."""
    size = max(1, rows * column.row_bytes)
    nothing.truncate(max(size, nothing.seek(0, 2)))
    return torch.from_numpy(np.memmap(nothing, column.dtype, "r+", shape=(rows, *column.shape)))


def _records(file: IO[bytes], columns: Sequence[Column], rows: int) -> list[_Record]:
    """The records of the tensors, which lie in the order of the dict, whatever the archive is called."""
    records = []
    with zipfile.ZipFile(file) as archive:
        root = archive.namelist()[0].split("/")[0]
        entries = [archive.getinfo(f"{root}/data/{number}") for number in range(len(columns))]
    for entry, column in zip(entries, columns, strict=True):
        assert entry.file_size == rows * column.row_bytes, (entry, column)
        file.seek(entry.header_offset)
        name_length, extra_length = struct.unpack_from("<HH", file.read(_LOCAL_HEADER), 26)
        start = entry.header_offset + _LOCAL_HEADER + name_length + extra_length
        records.append(_Record(entry.filename, start, column.row_bytes, rows))
    return records
