"""One file of decoded frames: written once, in order, then only mapped.

The pixels come first, so that they are aligned as the file is. Behind them are the recording's row numbers, a CRC-32
for each block of frames, and a tail of fixed length that tells the shape and has a checksum of its own. The tail is
written last: a file that was not finished has none.
"""

from __future__ import annotations

import mmap
import struct
import zlib
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import IO

import numpy as np
import numpy.typing as npt

from gameon_env.datasets.recording import Int64, Pixels
from gameon_env.errors import StorageError

LAYOUT = 1
_MAGIC = b"GAMEON-FRAMES-%d\n" % LAYOUT
_TAIL = struct.Struct("<17s3xQIIII")  # magic, frames, height, width, frames in a block, CRC-32 of all behind the pixels
_BLOCK_BYTES = 1 << 20
"""Of pixels that one checksum covers: reading one frame for the first time reads so much."""
_LOOK_EVERY = 256
"""Reads between two looks at whether all blocks were compared, after which none is asked about."""


class DamagedError(StorageError):
    """The file was not finished, or is not what was written."""


def file_bytes(count: int, size: tuple[int, int]) -> int:
    """Length of a file of ``count`` frames of ``size`` ``(height, width)``."""
    frame = size[0] * size[1] * 3
    return count * (frame + 8) + -(-count // _block(frame)) * 4 + _TAIL.size


def write_frames(
    file: IO[bytes], frames: Iterable[Pixels], rows: Int64, size: tuple[int, int], written: Callable[[int], None]
) -> None:
    """Write a whole file at the start of ``file``.

    Args:
        frames: N of ``(h, w, 3) uint8``, one after the other.
        rows: ``(N,) int64``, rising: what the recording calls them.
        size: ``(height, width)`` of each.
        written: told how many are written, after each block.

    Raises:
        StorageError: other frames came than were promised, or they could not be written.
    """
    length = _block(size[0] * size[1] * 3)
    block = np.empty((length, *size, 3), np.uint8)
    checksums: list[int] = []
    count = filled = 0
    for frame in frames:
        if frame.shape != block.shape[1:] or frame.dtype != np.uint8:
            raise StorageError(f"a frame of shape {frame.shape} {frame.dtype} came, expected {block.shape[1:]} uint8")
        block[filled] = frame
        count, filled = count + 1, filled + 1
        if filled == length or count == len(rows):
            checksums.append(zlib.crc32(block[:filled].data))
            _put(file, block[:filled].data)
            filled = 0
            written(count)
    if count != len(rows) or filled:
        raise StorageError(f"{count} frames came from the recording, expected {len(rows)}")
    index = rows.astype("<i8").tobytes() + np.array(checksums, "<u4").tobytes()
    shape = (len(rows), *size, length)
    _put(file, index + _TAIL.pack(_MAGIC, *shape, _index_checksum(index, shape)))


class FrameFile:
    """A finished file, mapped for reading only.

    Opening it reads what is behind the pixels. Each block of about 1 MiB of pixels is compared with its checksum when
    it is first used; processes forked later know of that, those that open the file themselves do it again.

    Attributes:
        path: the file.
        rows: ``(N,) int64``, rising: the recording's numbers of the frames.
        array: ``(N, h, w, 3) uint8`` RGB, read-only, not compared with any checksum.

    Raises:
        DamagedError: it is not whole, or not of this layout.
        FileNotFoundError: there is none.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        with path.open("rb") as file:
            length = file.seek(0, 2)
            file.seek(max(0, length - _TAIL.size))
            tail = file.read()
            if len(tail) != _TAIL.size or not tail.startswith(_MAGIC):
                raise DamagedError(f"{path} is no finished file of frames")
            _, count, height, width, self._block, checksum = _TAIL.unpack(tail)
            shape = (count, height, width, self._block)
            if self._block < 1 or height < 1 or width < 1 or length != file_bytes(count, (height, width)):
                raise DamagedError(f"{path} has {length} bytes, not what {count} frames of {height}x{width} take")
            pixels = count * height * width * 3
            file.seek(pixels)
            index = file.read(length - pixels - _TAIL.size)
            if _index_checksum(index, shape) != checksum:
                raise DamagedError(f"{path} is damaged behind its pixels")
            self.rows: Int64 = np.frombuffer(index, "<i8", count).astype(np.int64, copy=False)
            self._checksums = np.frombuffer(index, "<u4", offset=count * 8)
            picture = (height, width, 3)
            mapped = (
                np.memmap(file, np.uint8, "r", 0, (count, *picture)) if count else np.empty((0, *picture), np.uint8)
            )
        self.array: Pixels = mapped.view(np.ndarray)
        # Anonymous shared memory: what one process has compared, the others that were forked from it need not.
        self._flags = mmap.mmap(-1, max(1, len(self._checksums)))
        self._compared: npt.NDArray[np.uint8] = np.frombuffer(self._flags, np.uint8, len(self._checksums))
        self._whole = False
        self._taken = 0

    def take(self, positions: npt.NDArray[np.intp], out: Pixels) -> None:
        """Copy the frames at ``positions (n,)``, which must be there, to ``out (n, h, w, 3) uint8``.

        Raises:
            DamagedError: they are not what was written.
        """
        if not self._whole:
            blocks = np.unique(positions // self._block)
            for block in blocks[self._compared[blocks] == 0].tolist():
                self._compare(block)
            self._taken += 1
            if self._taken % _LOOK_EVERY == 0:
                self._whole = bool(self._compared.all())
        # "clip" writes straight to out; "raise" would go through a copy.
        self.array.take(positions, axis=0, out=out, mode="clip")

    def check(self) -> None:
        """Compare all blocks now.

        Raises:
            DamagedError: some are not what was written.
        """
        for block in range(len(self._checksums)):
            self._compare(block)

    def _compare(self, block: int) -> None:
        if self._compared[block]:
            return
        first = block * self._block
        if zlib.crc32(self.array[first : first + self._block].data) != self._checksums[block]:
            raise DamagedError(f"{self.path}: frames {first} to {first + self._block - 1} are not what was written")
        self._compared[block] = 1


def _put(file: IO[bytes], data: bytes | memoryview) -> None:
    try:
        file.write(data)
    except OSError as error:
        raise StorageError(
            f"{file.name} cannot be written ({error}): free some space, or name another folder"
        ) from error


def _block(frame_bytes: int) -> int:
    return max(1, _BLOCK_BYTES // frame_bytes)


def _index_checksum(index: bytes, shape: tuple[int, ...]) -> int:
    return zlib.crc32(struct.pack("<4Q", *shape), zlib.crc32(index))
