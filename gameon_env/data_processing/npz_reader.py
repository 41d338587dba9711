"""Reading npz trajectory files without unpickling anything and without trusting a size before it is checked."""

from __future__ import annotations

import io
import math
import struct
import threading
import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np
import numpy.typing as npt

from gameon_env.data_processing.trajectory_layout import METADATA, check_columns, check_size, damaged, parse_metadata

_LOCAL_HEADER = struct.Struct("<4s22xHH")  # signature, length of the name, length of the extra field
_MAX_METADATA_BYTES = 1 << 26
_MOST_VALUES = 1 << 48
"""In an array, a length of 0 taken for 1: numpy cannot make much more, even of no bytes."""


@dataclass(frozen=True, slots=True)
class _Member:
    info: zipfile.ZipInfo
    dtype: np.dtype[Any]
    shape: tuple[int, ...]
    header_bytes: int


class NpzReader:
    """One npz trajectory file: its episodes, read like those of :class:`Hdf5Reader`.

    Stored members are read from where they lie in the file, row by row; compressed ones are unpacked whole and kept.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.open_episode: dict[str, Any] | None = None
        self._lock = threading.Lock()
        self._unpacked: dict[str, npt.NDArray[Any]] = {}
        try:
            self._archive = zipfile.ZipFile(path)
        except (zipfile.BadZipFile, ValueError, NotImplementedError) as error:
            raise damaged(path, str(error)) from error
        try:
            members = self._members()
            text = members.pop(METADATA, None)
            self._found = members
            self.rows = check_columns(path, {name: (m.dtype, m.shape) for name, m in members.items()})
            self.columns = {name: (m.dtype, m.shape[1:]) for name, m in members.items()}
            self.episodes = [parse_metadata(path, row, self.rows) for row in self._metadata_rows(text)]
        except BaseException:
            self.close()
            raise

    def read(self, name: str, start: int, stop: int) -> npt.NDArray[Any]:
        """Rows ``start`` to ``stop`` of a column."""
        with self._lock:
            member = self._found[name]
            if member.info.compress_type != zipfile.ZIP_STORED:
                if name not in self._unpacked:
                    self._unpacked[name] = self._unpack(member)
                return self._unpacked[name][start:stop]
            return self._read_stored(member, start, stop)

    def close(self) -> None:
        self._archive.close()

    def _members(self) -> dict[str, _Member]:
        members = {}
        file_bytes = self.path.stat().st_size
        for info in self._archive.infolist():
            name, dot, suffix = info.filename.rpartition(".")
            if not dot or suffix != "npy":
                raise damaged(self.path, f"{info.filename} in it is no array")
            if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
                raise damaged(self.path, f"{info.filename} is packed in a way that npz files are not")
            try:
                with self._archive.open(info) as file:
                    dtype, shape, header_bytes = read_npy_header(file)
            except (ValueError, OSError, zipfile.BadZipFile, zlib.error, NotImplementedError, RuntimeError) as error:
                raise damaged(self.path, f"{info.filename}: {error}") from error
            nbytes = dtype.itemsize
            for length in shape:
                nbytes *= length
            if nbytes + header_bytes != info.file_size:
                raise damaged(self.path, f"{info.filename} should hold {nbytes} bytes, it holds {info.file_size}")
            check_size(self.path, info.filename, info.file_size, file_bytes)
            members[name] = _Member(info, dtype, shape, header_bytes)
        return members

    def _metadata_rows(self, member: _Member | None) -> list[str]:
        if member is None or member.dtype.kind != "U" or len(member.shape) != 1:
            raise damaged(self.path, f"it has no {METADATA} of JSON rows")
        if not 1 <= member.shape[0] <= max(1, self.rows):
            raise damaged(self.path, f"{METADATA} has the shape {member.shape} for {self.rows} rows")
        if member.info.file_size > _MAX_METADATA_BYTES:
            raise damaged(self.path, f"{METADATA} has {member.info.file_size} bytes")
        try:
            return [str(text) for text in self._unpack(member)]
        except ValueError as error:  # numbers that are no characters
            raise damaged(self.path, f"{METADATA}: {error}") from error

    def _unpack(self, member: _Member) -> npt.NDArray[Any]:
        try:
            with self._archive.open(member.info) as file:
                raw = file.read(member.info.file_size)
        except (OSError, zipfile.BadZipFile, zlib.error, EOFError) as error:
            raise damaged(self.path, f"{member.info.filename}: {error}") from error
        if len(raw) != member.info.file_size:
            raise damaged(self.path, f"{member.info.filename} ends too early")
        return np.frombuffer(raw, member.dtype, offset=member.header_bytes).reshape(member.shape)

    def _read_stored(self, member: _Member, start: int, stop: int) -> npt.NDArray[Any]:
        rows = np.empty((max(0, stop - start), *member.shape[1:]), member.dtype)
        if not rows.size:
            return rows
        file = self._archive.fp
        assert file is not None, "the reader is closed"
        file.seek(member.info.header_offset)
        local = file.read(_LOCAL_HEADER.size)
        if len(local) < _LOCAL_HEADER.size or local[:4] != b"PK\x03\x04":
            raise damaged(self.path, f"{member.info.filename} is not where the file says")
        _, name_bytes, extra_bytes = _LOCAL_HEADER.unpack(local)
        offset = member.info.header_offset + _LOCAL_HEADER.size + name_bytes + extra_bytes + member.header_bytes
        file.seek(offset + start * (rows.nbytes // len(rows)))
        buffer = rows.reshape(-1).view(np.uint8).data
        if _read_into(file, buffer) < rows.nbytes:
            raise damaged(self.path, f"{member.info.filename} ends too early")
        return rows


def read_npy_header(file: IO[bytes]) -> tuple[np.dtype[Any], tuple[int, ...], int]:
    """Dtype, shape and length in bytes of an npy header; the file stands behind it afterwards.

    Raises:
        ValueError: it is none, or the array is of a kind that needs pickle or is not in C order.
    """
    version = np.lib.format.read_magic(file)
    if version == (1, 0):
        shape, fortran, dtype = np.lib.format.read_array_header_1_0(file)
    elif version == (2, 0):
        shape, fortran, dtype = np.lib.format.read_array_header_2_0(file)
    else:
        raise ValueError(f"npy version {version} is not supported")
    if dtype.hasobject:
        raise ValueError("it holds Python objects, which would have to be unpickled")
    if fortran and len(shape) > 1:
        raise ValueError("it is in Fortran order")
    if any(length < 0 for length in shape) or math.prod(max(1, length) for length in shape) > _MOST_VALUES:
        raise ValueError(f"its shape is {shape}")
    if not dtype.itemsize:
        raise ValueError(f"it holds {dtype}, which takes no room")
    return dtype, shape, file.tell()


def _read_into(file: IO[bytes], buffer: memoryview) -> int:
    assert isinstance(file, io.BufferedIOBase)
    return file.readinto(buffer)
