"""Writing HDF5: a new file, and columns in its groups that grow row by row; a picture is a chunk."""

from __future__ import annotations

import contextlib
import zlib
from pathlib import Path
from typing import Any, Literal, get_args

import h5py
import numpy as np
import numpy.typing as npt

from gameon_env.data_processing.atomic_file import AtomicFile
from gameon_env.datasets.recording import Pixels
from gameon_env.errors import DatasetError, suggest
from gameon_env.export.blocks import Pack
from gameon_env.export.estimate import StoredBytes

Compression = Literal["gzip", "lzf"]

GZIP_LEVEL = 1
"""Of frames of a game at 224x224, level 1 makes 64 %, level 6 62 %, in half the time (2.4 and 4.6 ms)."""

_LIBVER = ("v108", "v108")  # as all our files: the oldest that can hold them, so that most programs read them
_CHUNK_BYTES = 1 << 16


class NewHdf5File:
    """An HDF5 file to be written from nothing.

    Attributes:
        file: to be filled.

    Args:
        path: an empty file.

    Raises (all methods):
        OSError: the disk refuses. The file is of no use then.
    """

    def __init__(self, path: Path) -> None:
        # HDF5 cannot close a file that the disk refused to take, unless it never hears of that.
        self._storage = AtomicFile(path, writable=True)
        self.file = h5py.File(self._storage, "w", libver=_LIBVER)
        self.check()

    def check(self) -> None:
        """See whether the disk took all that was written so far."""
        self._storage.check()

    def finish(self) -> None:
        """Write all that HDF5 still holds."""
        self.file.close()
        self._storage.check()

    def close(self) -> None:
        """Close the file, finished or not."""
        with contextlib.suppress(OSError, RuntimeError, ValueError):  # the file is of no use, or was closed
            self.file.close()
        self._storage.close()


class Hdf5Rows:
    """Appends rows to datasets of a group, each made when its first rows come.

    Args:
        group: the group, or the file.
        compression: of all its datasets.
        rows: about how many each will have: a chunk is not made for more.
    """

    def __init__(self, group: h5py.Group, compression: Compression | None, rows: int) -> None:
        self._group, self._compression, self._rows = group, compression, rows

    def append(self, name: str, values: npt.NDArray[Any]) -> None:
        """Append ``(n, ...)`` values to the dataset ``name``, a path within the group."""
        row_bytes = values.dtype.itemsize * int(np.prod(values.shape[1:]))
        per_chunk = max(1, min(self._rows, _CHUNK_BYTES // max(1, row_bytes)))
        dataset = self._dataset(name, values.shape[1:], values.dtype, per_chunk)
        first = dataset.shape[0]
        dataset.resize(first + len(values), axis=0)
        dataset[first:] = values

    def append_pictures(self, name: str, pictures: Any, size: tuple[int, int]) -> None:
        """Append pictures of ``size`` to the dataset ``name``.

        Args:
            name: a path within the group.
            pictures: ``(n, h, w, 3) uint8``; deflated by :func:`deflate_each` where the compression is gzip: HDF5
                itself compresses in one thread.
            size: ``(height, width)``.
        """
        dataset = self._dataset(name, (*size, 3), np.dtype(np.uint8), 1)
        first = dataset.shape[0]
        dataset.resize(first + len(pictures), axis=0)
        if self._compression == "lzf":
            dataset[first:] = pictures
        else:
            for i, picture in enumerate(pictures):
                dataset.id.write_direct_chunk((first + i, 0, 0, 0), picture)

    def _dataset(self, name: str, shape: tuple[int, ...], dtype: np.dtype[Any], per_chunk: int) -> h5py.Dataset:
        if name in self._group:
            return self._group[name]
        options: dict[str, Any] = {}
        if self._compression is not None:
            options["compression"] = self._compression
            if self._compression == "gzip":
                options["compression_opts"] = GZIP_LEVEL
        return self._group.create_dataset(
            name, shape=(0, *shape), maxshape=(None, *shape), chunks=(per_chunk, *shape), dtype=dtype, **options
        )


def check_compression(compression: object) -> None:
    """Refuse what is no compression.

    Raises:
        DatasetError: with what there is.
    """
    if compression is not None and compression not in get_args(Compression):
        near = suggest(compression, get_args(Compression)) if isinstance(compression, str) else ""
        raise DatasetError(f"compression must be 'gzip', 'lzf' or None; got {compression!r}.{near}")


def pack_of(compression: Compression | None) -> Pack | None:
    """What makes pictures ready for :meth:`Hdf5Rows.append_pictures`."""
    return deflate_each if compression == "gzip" else None


def stored_bytes_of(compression: Compression | None) -> StoredBytes:
    """How many bytes pictures take in a file."""
    return _STORED[compression]


def deflate_each(pictures: Pixels) -> list[bytes]:
    """Each picture as an HDF5 chunk deflated; lets go of the interpreter meanwhile."""
    return [zlib.compress(picture, GZIP_LEVEL) for picture in pictures]


def deflated_bytes(pictures: Pixels) -> int:
    """What they take with gzip."""
    return sum(map(len, deflate_each(pictures)))


def plain_bytes(pictures: Pixels) -> int:
    """What they take without compression."""
    return pictures.nbytes


def lzf_bytes(pictures: Pixels) -> int:
    """What they take with lzf, which only HDF5 itself knows."""
    with h5py.File("sample", "w", driver="core", backing_store=False) as file:
        dataset = file.create_dataset("video", data=pictures, chunks=(1, *pictures.shape[1:]), compression="lzf")
        return int(dataset.id.get_storage_size())


_STORED: dict[Compression | None, StoredBytes] = {"gzip": deflated_bytes, "lzf": lzf_bytes, None: plain_bytes}
