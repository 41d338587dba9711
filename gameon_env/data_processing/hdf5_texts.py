"""Texts of varying length in an HDF5 file lie in heaps; a damaged heap may keep HDF5 busy for ever (HDF5 2.0).

So the heaps are walked here first, by code that believes nothing in them.
"""

from __future__ import annotations

import io
import struct
from typing import Protocol

import h5py
import numpy as np
import numpy.typing as npt

# HDF5 File Format Specification 3.0, III.E "Disk Format: Level 1E - Global Heap".
_HEAP = struct.Struct("<4sB3xQ")  # signature, version, size of the whole heap
_OBJECT = struct.Struct("<HH4xQ")  # index, references, size of what follows
_REFERENCE = np.dtype([("length", "<u4"), ("heap", "<u8"), ("index", "<u4")])
_UNDEFINED = (1 << 64) - 1


class Readable(Protocol):
    def seek(self, offset: int, whence: int = 0, /) -> int: ...

    def readinto(self, buffer: memoryview, /) -> int: ...


class TextHeaps:
    """The heaps of a file's texts.

    Args:
        storage: the file, as HDF5 reads it.
    """

    def __init__(self, storage: Readable) -> None:
        self._storage, self._size = storage, storage.seek(0, io.SEEK_END)
        self._sound: dict[int, bool] = {}

    def are_sound(self, dataset: h5py.Dataset, first: int, stop: int) -> bool:
        """Whether HDF5 can read texts ``first`` to ``stop`` of ``dataset (N,)`` without walking into damage.

        Raises:
            OSError, RuntimeError: HDF5 does not find where they are.
        """
        text = h5py.check_string_dtype(dataset.dtype)
        if text is not None and text.length is not None:
            return True
        if dataset.id.get_create_plist().get_nfilters():
            return True  # packed as none of our files is: left to HDF5
        base = dataset.file.userblock_size
        per_chunk = dataset.chunks[0] if dataset.chunks else max(1, len(dataset))
        for start in range(first // per_chunk * per_chunk, stop, per_chunk):
            references = self._references(dataset, start, base)[max(0, first - start) : stop - start]
            for heap in np.unique(references["heap"]).tolist():
                if heap not in (0, _UNDEFINED) and not self._is_sound(base + heap):
                    return False
        return True

    def _references(self, dataset: h5py.Dataset, start: int, base: int) -> npt.NDArray[np.void]:
        """``(n,)``: those of the chunk that begins with row ``start``."""
        if dataset.chunks is not None:
            raw = bytes(dataset.id.read_direct_chunk((start,))[1])
        else:
            offset = dataset.id.get_offset()
            raw = b"" if offset is None else self._read(base + offset, len(dataset) * _REFERENCE.itemsize)
        return np.frombuffer(raw[: len(raw) // _REFERENCE.itemsize * _REFERENCE.itemsize], _REFERENCE)

    def _is_sound(self, place: int) -> bool:
        if place not in self._sound:
            self._sound[place] = self._walk(place)
        return self._sound[place]

    def _walk(self, place: int) -> bool:
        """Whether the objects of the heap follow on each other up to its end."""
        head = self._read(place, _HEAP.size)
        if len(head) < _HEAP.size:
            return False
        signature, version, size = _HEAP.unpack(head)
        if signature != b"GCOL" or version != 1 or not _HEAP.size <= size <= self._size - place:
            return False
        heap = self._read(place, size)
        at = _HEAP.size
        while len(heap) - at >= _OBJECT.size:
            index, _, length = _OBJECT.unpack_from(heap, at)
            # Object 0 is what is free, and its size is that of all of it.
            taken = length if index == 0 else _OBJECT.size + (length + 7) // 8 * 8
            if not _OBJECT.size <= taken <= len(heap) - at:
                return False
            at += taken
        return bool(len(heap) == size)

    def _read(self, place: int, length: int) -> bytes:
        if not 0 <= length <= self._size - place:
            return b""
        data = bytearray(length)
        self._storage.seek(place)
        return bytes(data[: self._storage.readinto(memoryview(data))])
