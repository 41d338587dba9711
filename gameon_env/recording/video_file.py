"""An MP4 file that is readable at every moment while it grows: each frame is on its way to the disk at once."""

from __future__ import annotations

import os
from array import array
from pathlib import Path

import numpy as np

from gameon_env.data_processing.video_boxes import (
    HEAD_SIZE,
    ROOM,
    Samples,
    boxes,
    final_index,
    fragment_head,
    hiding_head,
)
from gameon_env.errors import StorageError, VideoError


class VideoFile:
    """A new MP4 file with one video track whose times are microseconds.

    While it grows it is a fragmented MP4 with one fragment a frame, so that a killed process loses nothing that was
    appended. :meth:`close` puts the usual index at its end, without copying.

    Args:
        path: must not exist.
        head: the ``ftyp`` and ``moov`` boxes of a fragmented file with this track.

    Raises:
        StorageError: the file cannot be made.
    """

    def __init__(self, path: Path, head: bytes) -> None:
        self.path = path
        self._head = dict(boxes(head))
        if {b"ftyp", b"moov"} - self._head.keys():
            raise VideoError("the head of a video file needs an ftyp and a moov box")
        self._times, self._offsets, self._sizes, self._keys = array("q"), array("q"), array("L"), array("b")
        self._file = None
        self.failed = False
        try:
            self._file = path.open("xb", buffering=0)
            ftyp = head[: 8 + len(self._head[b"ftyp"])]
            self._room_at = len(ftyp)
            self._end = 0
            self._write(ftyp + ROOM + head[len(ftyp) :])
        except OSError as error:
            if self._file is not None:
                self._file.close()
                path.unlink(missing_ok=True)
            raise _storage_error(path, error) from error

    def __len__(self) -> int:
        return len(self._times)

    def append(self, data: bytes, t_us: int, key: bool) -> None:
        """Write one frame; when this returns it survives this process.

        Raises:
            StorageError: it could not be written (disk full); the file holds all frames before.
        """
        if self._file is None or self.failed:
            raise StorageError(f"{self.path} is closed or failed before: nothing more can be written to it")
        start = self._end
        try:
            self._write(fragment_head(len(self) + 1, t_us, len(data), key) + data)
        except OSError as error:
            self.failed = True
            raise _storage_error(self.path, error) from error
        self._times.append(t_us)
        self._offsets.append(start + HEAD_SIZE)
        self._sizes.append(len(data))
        self._keys.append(key)

    def close(self) -> None:
        """Write the index, which makes it an ordinary MP4; without a frame it stays as it is. More calls do nothing.

        Raises:
            StorageError: there is no room for the index: the file holds all frames as a fragmented MP4, which most
                players play, and :func:`gameon_env.recording.video_repair.repair` finishes elsewhere.
        """
        if self._file is None:
            return
        file, self._file = self._file, None
        try:
            if self._times:
                finish(file.fileno(), self._room_at, self._end, self._head[b"moov"], self._samples())
        except OSError as error:
            os.ftruncate(file.fileno(), self._end)
            if not self.failed:
                raise _storage_error(self.path, error) from error
        finally:
            file.close()

    def _samples(self) -> Samples:
        return Samples(
            np.array(self._times, np.int64),
            np.array(self._offsets, np.int64),
            np.array(self._sizes, np.int64),
            np.array(self._keys, bool),
        )

    def _write(self, data: bytes) -> None:
        assert self._file is not None
        try:
            write_all(self._file.fileno(), data, self._end)
        except OSError:
            os.ftruncate(self._file.fileno(), self._end)  # what a full disk took of it would be a torn fragment
            raise
        self._end += len(data)


def finish(fd: int, room_at: int, end: int, moov: bytes, samples: Samples) -> None:
    """Append the index at ``end`` and turn all before it into one ``mdat`` box.

    Raises:
        OSError: it could not be written; what was there is unchanged.
    """
    write_all(fd, final_index(moov, samples), end)
    os.fsync(fd)  # the index must be on the disk before the box that hides the fragments
    write_all(fd, hiding_head(end - room_at), room_at)


def write_all(fd: int, data: bytes, offset: int) -> None:
    os.lseek(fd, offset, os.SEEK_SET)  # Windows has no pwrite
    view = memoryview(data)
    while view:
        view = view[os.write(fd, view) :]


def _storage_error(path: Path, error: OSError) -> StorageError:
    return StorageError(
        f"the video {path} could not be written: {error.strerror or error}. Free some space, or record elsewhere."
    )
