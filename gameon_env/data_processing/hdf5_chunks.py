"""Single rows of an HDF5 dataset read past HDF5, which takes several times as long as the reading itself.

HDF5 can list the chunks of a dataset too, but a damaged index, one that refers to itself say, ends the process there
(HDF5 2.0). Here the index is read by code that believes nothing in it. Whatever is not exactly what our files look like
is left to HDF5.
"""

from __future__ import annotations

import os
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import numpy.typing as npt

from gameon_env.data_processing.atomic_file import has_redo

_DEFLATE, _SHUFFLE = 1, 2
_LAYOUT, _CONTINUATION = 0x08, 0x10
_UNDEFINED = (1 << 64) - 1
_MOST_HEADER_BYTES, _MOST_HEADER_BLOCKS = 1 << 16, 64
_NODE_HEAD = struct.Struct("<4sBBHQQ")  # signature, kind, level, entries, left and right neighbour
_MOST_RATIO, _MOST_UNPACKED = 1032, 256 << 20
"""What deflate packs at most, to one; and what a chunk made to burst may take before that is seen."""
_LEAST_KEY_BYTES = 32
"""That the index holds of each chunk: its size, its filters, its place in two dimensions and more, its address."""


class _UnknownError(Exception):
    """The file is not what is known here: HDF5 has to read it."""


class RowChunks:
    """The chunks of a dataset that has one row in each, uncompressed or gzip, with or without shuffle.

    Threads may share it; whoever opened the file keeps it open as long.

    Attributes:
        rows: how many there are.
    """

    def __init__(self, fd: int, dataset: h5py.Dataset, deflated: bool, shuffled: bool, index: _Index) -> None:
        self.rows = len(dataset)
        self._fd = fd
        self._dtype, self._shape = dataset.dtype, tuple(dataset.shape[1:])
        self._row_values = int(np.prod(self._shape, dtype=np.int64))
        self._row_bytes = self._row_values * self._dtype.itemsize
        self._deflated, self._shuffled = deflated, shuffled
        self._offsets, self._sizes = index

    @classmethod
    def of(cls, path: Path, fd: int, dataset: h5py.Dataset) -> RowChunks | None:
        """The chunks of ``dataset`` in the file ``path``, which ``fd`` has open too; None: HDF5 has to read them.

        Raises:
            OSError: the file cannot be read.
        """
        try:
            deflated, shuffled = _filters(dataset)
            return cls(fd, dataset, deflated, shuffled, _settled_index(path, fd, dataset))
        except (_UnknownError, struct.error, IndexError):
            return None

    def read(self, start: int, stop: int) -> npt.NDArray[Any] | None:
        """Rows ``start`` to ``stop``; None: HDF5 has to read them, or to say what is wrong with them."""
        if not 0 <= start <= stop <= self.rows:
            return None
        values = np.empty((stop - start, *self._shape), self._dtype)
        raw = values.reshape(stop - start, self._row_values).view(np.uint8)
        for row, target in zip(range(start, stop), raw, strict=True):
            if not self._read_row(row, target):
                return None
        return values

    def _read_row(self, row: int, target: npt.NDArray[np.uint8]) -> bool:
        size, offset = int(self._sizes[row]), int(self._offsets[row])
        if not self._deflated and not self._shuffled:
            return size == self._row_bytes and os.preadv(self._fd, [target.data], offset) == size
        # Deflate makes nothing larger by more than a thousandth.
        if not 0 < size <= self._row_bytes + (self._row_bytes >> 8) + 64:
            return False
        data = os.pread(self._fd, size, offset)
        if self._deflated:
            try:
                data = _inflated(data, self._row_bytes)
            except zlib.error:
                return False
        if len(data) != self._row_bytes:
            return False
        plain = np.frombuffer(data, np.uint8)
        target[:] = plain.reshape(self._dtype.itemsize, -1).T.reshape(-1) if self._shuffled else plain
        return True


def _inflated(data: bytes, expected: int) -> bytes:
    """What ``data`` unpacks to; nothing where that is more than expected, or not all there."""
    if len(data) * _MOST_RATIO <= _MOST_UNPACKED:
        return zlib.decompress(data, bufsize=expected)  # a tenth faster than what stops by itself
    unpacking = zlib.decompressobj()
    data = unpacking.decompress(data, expected + 1)
    return data if unpacking.eof else b""


_Index = tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]
"""Of each row: where its chunk lies in the file, and its size there; 0: it has none."""


def _filters(dataset: h5py.Dataset) -> tuple[bool, bool]:
    """Whether the rows are deflated, and shuffled before that."""
    if not hasattr(os, "preadv"):
        raise _UnknownError("this system cannot read at a place")
    shape, dtype = dataset.shape, dataset.dtype
    if len(shape) < 2 or not all(shape) or dataset.chunks != (1, *shape[1:]) or dtype.kind not in "uif":
        raise _UnknownError("not one row a chunk")
    if not dataset.id.get_type().equal(h5py.h5t.py_create(dtype)):
        raise _UnknownError("numbers that HDF5 converts")
    created = dataset.id.get_create_plist()
    found = [created.get_filter(i) for i in range(created.get_nfilters())]
    codes = [each[0] for each in found]
    if codes not in ([], [_DEFLATE], [_SHUFFLE, _DEFLATE]):
        raise _UnknownError("filters that are not read here")
    if codes[:1] == [_SHUFFLE] and tuple(found[0][2]) != (dtype.itemsize,):
        raise _UnknownError("a shuffle of its own kind")
    return _DEFLATE in codes, _SHUFFLE in codes and dtype.itemsize > 1


def _settled_index(path: Path, fd: int, dataset: h5py.Dataset) -> _Index:
    """The index of a file that nobody is just writing: read twice, with no commit under way in between."""
    created = dataset.file.id.get_create_plist()
    if tuple(created.get_sizes()) != (8, 8) or created.get_userblock():
        raise _UnknownError("other sizes of addresses")
    # What HDF5 tells of the dataset itself (h5o.get_info) it finds by going through the index.
    header = int(dataset.file.id.links.get_info(dataset.name.encode()).u)
    first = _read_index(fd, dataset, header)
    if has_redo(path):
        raise _UnknownError("in the middle of a commit")
    again = _read_index(fd, dataset, header)
    if not all(np.array_equal(a, b) for a, b in zip(first, again, strict=True)):
        raise _UnknownError("somebody writes it")
    return first


def _read_index(fd: int, dataset: h5py.Dataset, header: int) -> _Index:
    rows, dimensions = len(dataset), dataset.ndim
    file_bytes = os.fstat(fd).st_size
    if rows * _LEAST_KEY_BYTES > file_bytes:
        raise _UnknownError("rows that have no chunk")
    offsets, sizes = np.zeros(rows, np.int64), np.zeros(rows, np.int64)
    # Key and address of each child: size, filters, place in each dimension and within an element, address.
    item = np.dtype([("size", "<u4"), ("mask", "<u4"), ("place", "<u8", (dimensions + 1,)), ("address", "<u8")])
    root = _root_of(fd, header, dimensions)
    waiting, seen = [(root, -1)] if root != _UNDEFINED else [], set[int]()
    while waiting:
        address, expected = waiting.pop()
        if address in seen or address >= file_bytes:
            raise _UnknownError("an index that refers to itself, or to outside")
        seen.add(address)
        signature, kind, level, count, _, _ = _NODE_HEAD.unpack(os.pread(fd, _NODE_HEAD.size, address))
        if signature != b"TREE" or kind != 1 or (expected >= 0 and level != expected):
            raise _UnknownError("no index")
        raw = os.pread(fd, count * item.itemsize, address + _NODE_HEAD.size)
        if len(raw) != count * item.itemsize:
            raise _UnknownError("an index that is cut off")
        found = np.frombuffer(raw, item)
        if level:
            waiting += [(child, level - 1) for child in found["address"].tolist()]
            continue
        found = found[found["place"][:, 0] < rows]
        place = found["place"][:, 0].astype(np.int64)
        ends = found["address"] + found["size"].astype(np.uint64)
        within = (ends <= file_bytes) & (ends >= found["address"])
        if found["mask"].any() or found["place"][:, 1:].any() or not within.all() or sizes[place].any():
            raise _UnknownError("chunks that are not ours")
        offsets[place], sizes[place] = found["address"].astype(np.int64), found["size"]
    return offsets, sizes


def _root_of(fd: int, header: int, dimensions: int) -> int:
    """Where the index of a dataset begins, by its object header."""
    for kind, data in _messages(fd, header):
        if kind == _LAYOUT:
            version, layout, count, root = struct.unpack_from("<BBBQ", data)
            if (version, layout, count) != (3, 2, dimensions + 1):
                raise _UnknownError("another layout")
            return int(root)
    raise _UnknownError("no layout")


def _messages(fd: int, header: int) -> Iterator[tuple[int, bytes]]:
    """The messages of an object header of version 2, which all our files have."""
    start = os.pread(fd, 64, header)
    if start[:4] != b"OHDR" or start[4] != 2:
        raise _UnknownError("another object header")
    flags = start[5]
    at = 6 + (16 if flags & 0x20 else 0) + (4 if flags & 0x10 else 0)
    width = 1 << (flags & 3)
    blocks = [(header + at + width, int.from_bytes(start[at : at + width], "little"))]
    ordered = 2 if flags & 0x04 else 0
    for _ in range(_MOST_HEADER_BLOCKS):
        if not blocks:
            return
        address, length = blocks.pop(0)
        if length > _MOST_HEADER_BYTES:
            raise _UnknownError("a header beyond measure")
        block = os.pread(fd, length, address)
        at = 0
        while at + 4 + ordered <= len(block):
            kind, size, _ = struct.unpack_from("<BHB", block, at)
            at += 4 + ordered
            data = block[at : at + size]
            at += size
            if kind == _CONTINUATION:
                place, size = struct.unpack("<QQ", data)
                blocks.append((place + 4, size - 8))  # without its signature and its checksum
            else:
                yield kind, data
