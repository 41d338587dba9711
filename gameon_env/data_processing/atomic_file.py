"""A growing file whose commits reach the disk whole or not at all, to be put under a library that overwrites in place.

HDF5 rewrites its indexes where they lie; a process that is killed between two of those writes leaves a file that
nobody can read. Here what HDF5 appends goes straight to the file, where nothing refers to it yet, and what it
overwrites waits in memory until :meth:`AtomicFile.commit`. The commit writes the waiting pages to a small redo file
beside the data, and only then over the data. Whoever opens the file after a kill in between sees the redo file's pages.
"""

from __future__ import annotations

import errno
import io
import os
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path

PAGE = 4096
_MAGIC = b"GAMEON-REDO-1\n\0\0"
_HEAD = struct.Struct("<16sIQ")  # magic, CRC-32 of the payload, length of the payload
_PIECE = struct.Struct("<QI")  # offset in the file, length

_NO_SYNC = (errno.EINVAL, errno.EBADF, errno.ENOTSUP, errno.ENOSYS)
"""What file systems say that cannot wait for a folder: VirtualBox's shared folders, some 9p mounts."""


def redo_path(path: Path) -> Path:
    """The redo file that belongs to ``path``. Empty or absent except within a commit."""
    return path.with_name(path.name + ".redo")


def has_redo(path: Path) -> bool:
    """Whether ``path`` was left in the middle of a commit: it must be read through :class:`AtomicFile`."""
    return bool(_load_redo(path))


class AtomicFile(io.RawIOBase):
    """An existing file, opened for reading (``writable=False``) or for reading and transactional writing.

    A failure to write (disk full) is kept in :attr:`error` instead of being raised, and all later writes are dropped:
    HDF5 cannot even close a file after its driver failed. Ask :meth:`check` after each use. The copy in a forked
    process writes nothing.
    """

    def __init__(self, path: Path, *, writable: bool) -> None:
        super().__init__()
        self.path = path
        self.error: OSError | None = None
        self._may_write = writable
        self._pid = os.getpid()
        self._file = path.open("r+b" if writable else "rb", buffering=0)
        self._redo: io.FileIO | None = None
        self._committed = self._size = self._file.seek(0, io.SEEK_END)
        self._position = 0
        self._pages: dict[int, bytearray] = {}
        for offset, data in _load_redo(path):
            self._overlay(offset, memoryview(data))

    def readable(self) -> bool:
        return True

    def writable(self) -> bool:
        return self._may_write

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._position

    def seek(self, offset: int, whence: int = io.SEEK_SET, /) -> int:
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self._size}[whence]
        self._position = base + offset
        return self._position

    def readinto(self, buffer, /) -> int:  # type: ignore[no-untyped-def]  # typeshed's WriteableBuffer is not importable
        view = memoryview(buffer).cast("B")
        start = self._position
        count = _read_at(self._file, view, start)
        if self._pages:
            stop = min(start + count, self._committed)
            for number in range(start // PAGE, -(-stop // PAGE)):
                page = self._pages.get(number)
                if page is not None:
                    low, high = max(start, number * PAGE), min(stop, (number + 1) * PAGE)
                    view[low - start : high - start] = page[low - number * PAGE : high - number * PAGE]
        self._position += count
        return count

    def write(self, data, /) -> int:  # type: ignore[no-untyped-def]  # typeshed's ReadableBuffer is not importable
        view = memoryview(data).cast("B")
        start, length = self._position, len(view)
        self._position += length
        self._size = max(self._size, self._position)
        if self._takes_writes():
            try:
                inside = max(0, min(length, self._committed - start))
                if inside:
                    self._overlay(start, view[:inside])
                if inside < length:
                    _write_all(self._file, view[inside:], start + inside)
            except OSError as error:
                self.error = error
        return length

    def truncate(self, size: int | None = None, /) -> int:
        """Set the size. What is committed is cut only by the next commit."""
        self._size = self._position if size is None else size
        if self._takes_writes():
            try:
                self._file.truncate(max(self._size, self._committed))
                if self._size < self._committed:
                    self._overlay(self._size, memoryview(bytes(self._committed - self._size)))
            except OSError as error:
                self.error = error
        return self._size

    def check(self) -> None:
        """Raise the error that stopped the writing, where there was one."""
        if self.error is not None:
            raise self.error

    def commit(self, *, durable: bool) -> None:
        """Make all that was written so far the content of the file, whole or not at all.

        Args:
            durable: also wait until it is on the disk itself and outlives a power cut.

        Raises:
            OSError: it could not be written; the last commit is still the content.
        """
        self.check()
        if not self._takes_writes():
            return
        try:
            if durable:
                os.fsync(self._file.fileno())  # what the pages refer to must be there before them
            if self._pages:
                self._apply(durable)
            if self._size < self._committed:
                self._file.truncate(self._size)
        except OSError as error:
            self.error = error
            raise
        self._committed = self._size
        self._pages.clear()

    def close(self) -> None:
        """Close without a commit. Callable twice."""
        if not self.closed and hasattr(self, "_file"):
            self._file.close()
            if self._redo is not None:
                self._redo.close()
                if self._takes_writes():
                    redo_path(self.path).unlink(missing_ok=True)
        super().close()

    def _takes_writes(self) -> bool:
        return self.error is None and self._pid == os.getpid()

    def _overlay(self, offset: int, data: memoryview) -> None:
        """Put ``data``, which lies within the committed part, into the waiting pages."""
        done = 0
        while done < len(data):
            number, low = divmod(offset + done, PAGE)
            page = self._pages.get(number)
            if page is None:
                page = bytearray(PAGE)
                _read_at(self._file, memoryview(page), number * PAGE)
                self._pages[number] = page
            count = min(PAGE - low, len(data) - done)
            page[low : low + count] = data[done : done + count]
            done += count

    def _apply(self, durable: bool) -> None:
        pieces = list(self._committed_pieces())
        payload = b"".join(part for offset, data in pieces for part in (_PIECE.pack(offset, len(data)), data))
        if self._redo is None:
            self._redo = redo_path(self.path).open("wb", buffering=0)
        _write_all(self._redo, memoryview(_HEAD.pack(_MAGIC, zlib.crc32(payload), len(payload)) + payload), 0)
        if durable:
            os.fsync(self._redo.fileno())
        for offset, data in pieces:
            _write_all(self._file, memoryview(data), offset)
        if durable:
            os.fsync(self._file.fileno())
        self._redo.truncate(0)

    def _committed_pieces(self) -> Iterator[tuple[int, bytes]]:
        """The waiting pages, neighbours in one piece."""
        numbers = sorted(self._pages)
        start = 0
        for i, number in enumerate(numbers):
            if i + 1 == len(numbers) or numbers[i + 1] != number + 1:
                offset = numbers[start] * PAGE
                data = b"".join([self._pages[n] for n in numbers[start : i + 1]])
                yield offset, data[: self._committed - offset]
                start = i + 1


def sync_folder(folder: Path) -> None:
    """Make a new name in ``folder`` outlive a power cut, where the system and the file system can do that.

    Raises:
        OSError: the disk failed.
    """
    try:
        fd = os.open(folder, os.O_RDONLY)
    except PermissionError:  # Windows, whose file systems need no such thing
        return
    try:
        os.fsync(fd)
    except OSError as error:
        if error.errno not in _NO_SYNC:
            raise
    finally:
        os.close(fd)


def _read_at(file: io.FileIO, view: memoryview, offset: int) -> int:
    """Fill ``view`` from ``offset``; returns how many bytes there were. (Windows has no ``os.pread``.)"""
    file.seek(offset)
    done = 0
    while done < len(view):
        count = file.readinto(view[done:])
        if not count:
            break
        done += count
    return done


def _write_all(file: io.FileIO, data: memoryview, offset: int) -> None:
    file.seek(offset)
    while data:
        data = data[file.write(data) :]  # a full disk may take a part first


def _load_redo(path: Path) -> list[tuple[int, bytes]]:
    """The pages of a complete redo file; none where it is absent or torn, for then nothing of it was applied."""
    try:
        raw = redo_path(path).read_bytes()
    except FileNotFoundError:
        return []
    if len(raw) < _HEAD.size:
        return []
    magic, checksum, length = _HEAD.unpack_from(raw)
    payload = raw[_HEAD.size : _HEAD.size + length]
    if magic != _MAGIC or len(payload) != length or zlib.crc32(payload) != checksum:
        return []
    pieces, at = [], 0
    while at < length:
        offset, size = _PIECE.unpack_from(payload, at)
        at += _PIECE.size
        pieces.append((offset, payload[at : at + size]))
        at += size
    return pieces
