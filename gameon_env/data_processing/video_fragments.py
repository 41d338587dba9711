"""Finding the frames of our own videos by walking their fragments, which needs no index."""

from __future__ import annotations

import io
import struct
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from gameon_env.data_processing.video_boxes import (
    COMMENT,
    HEAD_SIZE,
    ROOM,
    Samples,
    box,
    boxes,
    final_index,
    hiding_head,
    parse_fragment_head,
)

_SUSPECTS = 512
"""So many last frames are looked into: a power cut leaves holes where the disk had not yet written what lies before."""

_LONGEST_US = 30 * 24 * 3600 * 10**6
"""A time that is farther from the start is damage: an index that bridges it would never end."""


@dataclass(frozen=True, slots=True)
class Fragments:
    """What is in a video file of our own.

    Attributes:
        head: its ``ftyp`` and ``moov`` boxes, as they were at its start.
        room_at: where the box is that hides the fragments of a finished file.
        end: where the last whole frame ends.
        samples: the whole frames, from the first to the last that the walk comes to.
        finished: whether an index follows them, so that any player can seek.
        torn: bytes that follow the last whole frame and are no index.
    """

    head: bytes
    room_at: int
    end: int
    samples: Samples
    finished: bool
    torn: int


def find_fragments(path: Path) -> Fragments | None:
    """The frames of a video that :class:`~gameon_env.recording.video_file.VideoFile` wrote; None where it did not.

    Raises:
        OSError: the file cannot be read.
    """
    with path.open("rb", buffering=0) as file:
        start = _find_start(file)
        if start is None:
            return None
        head, room_at, finished = start
        size = file.seek(0, io.SEEK_END)
        rows: list[tuple[int, int, int, bool]] = []
        at = len(head) + len(ROOM)
        while True:
            file.seek(at)
            found = parse_fragment_head(file.read(HEAD_SIZE))
            if found is None or at + HEAD_SIZE + found[1] > size:
                break
            t_us, length, key = found
            if not (rows[-1][0] if rows else -1) < t_us < _LONGEST_US:
                break
            rows.append((t_us, at + HEAD_SIZE, length, key))
            at += HEAD_SIZE + length
        if not finished:
            at = _drop_holes(file, rows, at, b"av1C" in head)
    columns = np.array(rows, np.int64).reshape(-1, 4)
    samples = Samples(columns[:, 0], columns[:, 1], columns[:, 2], columns[:, 3].astype(bool))
    return Fragments(head, room_at, at, samples, finished, 0 if finished else size - at)


def finished_view(path: Path) -> FinishedView | None:
    """A video of our own that was not finished, as it were if it was; None for any other file, and without a frame.

    Raises:
        OSError: it cannot be read.
    """
    with path.open("rb", buffering=0) as file:
        start = _find_start(file)
    if start is None or start[2]:
        return None
    found = find_fragments(path)
    return FinishedView(path, found) if found is not None and len(found.samples) else None


class FinishedView(io.RawIOBase):
    """The bytes of an unfinished video with an index behind them, for reading."""

    def __init__(self, path: Path, found: Fragments) -> None:
        super().__init__()
        self._file = path.open("rb", buffering=0)
        self._end, self._at = found.end, 0
        self._index = final_index(dict(boxes(found.head))[b"moov"], found.samples)
        self._room_at, self._room = found.room_at, hiding_head(found.end - found.room_at)

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET, /) -> int:
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._end + len(self._index)}[whence]
        self._at = base + offset
        return self._at

    def tell(self) -> int:
        return self._at

    def read(self, size: int = -1, /) -> bytes:
        if self._at >= self._end:
            start = self._at - self._end
            data = self._index[start : start + size if size >= 0 else None]
        else:
            self._file.seek(self._at)
            left = self._end - self._at
            data = self._file.read(min(size, left) if size >= 0 else left)
            start = self._room_at - self._at
            if 0 <= start < len(data):  # FFmpeg reads the first kilobytes at once
                data = data[:start] + self._room + data[start + len(self._room) :]
        self._at += len(data)
        return data

    def close(self) -> None:
        self._file.close()
        super().close()


def description(head: bytes) -> bytes:
    """The ``stsd`` box of a head: what a decoder must know before the first frame."""
    payload = dict(boxes(head))[b"moov"]
    for kind in (b"trak", b"mdia", b"minf", b"stbl", b"stsd"):
        payload = dict(boxes(payload))[kind]
    return payload


def _find_start(file: io.FileIO) -> tuple[bytes, int, bool] | None:
    """``head``, ``room_at`` and ``finished`` of :class:`Fragments`."""
    ftyp = _read_box(file, 0, b"ftyp")
    room = file.read(len(ROOM))
    moov = _read_box(file, len(ftyp) + len(ROOM), b"moov")
    if not ftyp or room[4:8] not in (b"free", b"mdat") or COMMENT.encode() not in moov:
        return None
    hidden = struct.unpack(">Q", room[8:])[0] if room[4:8] == b"mdat" else 0
    finished = bool(hidden and _read_box(file, len(ftyp) + hidden, b"moov"))
    return ftyp + moov, len(ftyp), finished


def _read_box(file: io.FileIO, at: int, kind: bytes) -> bytes:
    """The whole box of that kind at ``at``; empty where there is none, or only a part of it."""
    file.seek(at)
    start = file.read(8)
    if len(start) < 8 or start[4:] != kind:
        return b""
    size = struct.unpack_from(">I", start)[0]
    payload = file.read(size - 8) if size >= 8 else b""
    return box(kind, payload) if len(payload) == size - 8 else b""


def _drop_holes(file: io.FileIO, rows: list[tuple[int, int, int, bool]], end: int, av1: bool) -> int:
    """Forget the frames from the first on whose bytes cannot be a frame; returns where what remains ends."""
    for number in range(max(0, len(rows) - _SUSPECTS), len(rows)):
        _, offset, length, _ = rows[number]
        file.seek(offset)
        data = file.read(length)
        if not (data[:1] > b"\0" if av1 else _lengths_add_up(data)):
            del rows[number:]
            return offset - HEAD_SIZE
    return end


def _lengths_add_up(data: bytes) -> bool:
    at = 0
    while at + 4 < len(data):
        length = int.from_bytes(data[at : at + 4], "big")
        if not length:
            return False
        at += 4 + length
    return at == len(data)
