"""The boxes of an MP4 file (ISO/IEC 14496-12) as our videos use them: one fragment a frame, at the end one index."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

TIMESCALE = 1_000_000

COMMENT = "gameon-env"
"""Our own videos' comment is this and their true size, ``gameon-env 1279x719``: what is encoded has even sides."""

BRIDGE_US = 2_000_000_000
"""FFmpeg takes no MP4 frame for longer than 2**31 units, which in our own videos are microseconds. A longer wait, such
as a pause, is bridged there by entries of exactly this length that show the last keyframe again. They are no frames:
no real one comes exactly this long after another, and readers leave them out."""

_PARENTS = (b"moov", b"trak", b"mdia", b"minf", b"stbl")
_DEPENDS_ON_NONE, _DEPENDS_AND_NO_SYNC = 0x02000000, 0x01010000
_DEFAULT_BASE_IS_MOOF = 0x020000
_OFFSET_DURATION_SIZE_FLAGS = 0x000701
_TRUN = struct.Struct(">IIiIII")


@dataclass(frozen=True, slots=True)
class Samples:
    """The frames of one track, in order.

    Attributes:
        times_us: ``(N,) int64``, strictly increasing.
        offsets: ``(N,) int64`` bytes from the file's start.
        sizes: ``(N,) int64`` bytes.
        keys: ``(N,) bool``, whether a decoder can start there.
    """

    times_us: np.ndarray
    offsets: np.ndarray
    sizes: np.ndarray
    keys: np.ndarray

    def __len__(self) -> int:
        return len(self.times_us)


def time_after(last_us: int | None, t_us: int) -> int:
    """The time in the file of a frame of time ``t_us``: later than the last one, and not what a bridge's would be."""
    if last_us is None:
        return max(t_us, 0)
    t_us = max(t_us, last_us + 1)
    return t_us + 1 if (t_us - last_us) % BRIDGE_US == 0 else t_us


def box(kind: bytes, *parts: bytes) -> bytes:
    return struct.pack(">I4s", 8 + sum(map(len, parts)), kind) + b"".join(parts)


def boxes(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """The kind and payload of each whole box in ``data``."""
    at = 0
    while at + 8 <= len(data):
        size, kind = struct.unpack_from(">I4s", data, at)
        if size < 8 or at + size > len(data):
            return
        yield kind, data[at + 8 : at + size]
        at += size


def fragment_head(number: int, t_us: int, size: int, key: bool) -> bytes:
    """What goes before the ``size`` bytes of one frame: its ``moof``, and the head of its ``mdat``."""
    flags = _DEPENDS_ON_NONE if key else _DEPENDS_AND_NO_SYNC
    # How long it shows is not known yet; the time that the next fragment states is what counts.
    run = _TRUN.pack(_OFFSET_DURATION_SIZE_FLAGS, 1, HEAD_SIZE, 1, size, flags)
    track = box(b"tfhd", struct.pack(">II", _DEFAULT_BASE_IS_MOOF, 1)) + box(b"tfdt", struct.pack(">IQ", 1 << 24, t_us))
    moof = box(b"moof", box(b"mfhd", struct.pack(">II", 0, number)), box(b"traf", track, box(b"trun", run)))
    return moof + struct.pack(">I4s", 8 + size, b"mdat")


ROOM = struct.pack(">I4sQ", 16, b"free", 0)
"""Lies between ``ftyp`` and ``moov`` of a file that is not finished."""

HEAD_SIZE = 8 + 16 + 8 + 16 + 20 + 32 + 8


def parse_fragment_head(head: bytes) -> tuple[int, int, bool] | None:
    """``(t_us, size, key)`` of what :func:`fragment_head` made; None where it is anything else."""
    if len(head) != HEAD_SIZE or head[4:8] != b"moof":
        return None
    number, t_us = struct.unpack_from(">I", head, 20)[0], struct.unpack_from(">Q", head, 60)[0]
    size, flags = struct.unpack_from(">II", head, 92)
    key = flags == _DEPENDS_ON_NONE
    return (t_us, size, key) if head == fragment_head(number, t_us, size, key) else None


def hiding_head(length: int) -> bytes:
    """The head of an ``mdat`` box of ``length`` bytes in all: put over :data:`ROOM`, it hides the fragments."""
    return struct.pack(">I4sQ", 1, b"mdat", length)


def final_index(moov: bytes, samples: Samples) -> bytes:
    """The ``moov`` box of a finished file, out of that of the file's start and what was written after it.

    Args:
        moov: the payload of the ``moov`` box that the file started with.
        samples: all frames; at least one.
    """
    start = int(samples.times_us[0])
    samples = _bridged(samples)
    steps = np.diff(samples.times_us)
    last = int(steps[-1]) if len(steps) and steps[-1] < TIMESCALE else TIMESCALE // 60
    steps = np.append(steps, last)
    length = int(steps.sum())
    return box(b"moov", _finished(moov, samples, steps, start, length))


def _finished(payload: bytes, samples: Samples, steps: np.ndarray, start: int, length: int) -> bytes:
    parts = []
    for kind, inner in boxes(payload):
        if kind == b"mvex":
            continue
        if kind == b"mdhd":
            inner = _wide_header(inner, 4, length)
        elif kind == b"mvhd":
            inner = _wide_header(inner, 4, start + length)
        elif kind == b"tkhd":
            inner = _wide_header(inner, 8, start + length)
        elif kind in (b"stts", b"stsc", b"stsz", b"stco"):
            continue
        elif kind in _PARENTS:
            inner = _finished(inner, samples, steps, start, length)
            if kind == b"stbl":
                inner += _tables(samples, steps)
        parts.append(box(kind, inner))
        if kind == b"tkhd":
            parts.append(box(b"edts", _edit_list(start, length)))
    return b"".join(parts)


def _wide_header(payload: bytes, between: int, duration: int) -> bytes:
    """A ``mvhd``, ``tkhd`` or ``mdhd`` with 64-bit times, which hold more than 71 minutes of microseconds."""
    flags, created, modified = payload[1:4], payload[4:8], payload[8:12]
    middle, rest = payload[12 : 12 + between], payload[16 + between :]
    return b"\1" + flags + bytes(4) + created + bytes(4) + modified + middle + struct.pack(">Q", duration) + rest


def _edit_list(start: int, length: int) -> bytes:
    """Nothing for ``start``, then all of the track: the first frame's time is kept."""
    wait = [struct.pack(">QqI", start, -1, 1 << 16)] if start else []
    edits = [*wait, struct.pack(">QqI", length, 0, 1 << 16)]
    return box(b"elst", struct.pack(">II", 1 << 24, len(edits)), *edits)


def _tables(samples: Samples, steps: np.ndarray) -> bytes:
    first = np.flatnonzero(np.append(True, np.diff(steps) != 0))
    runs = np.diff(np.append(first, len(steps)))
    keys = np.flatnonzero(samples.keys) + 1
    return b"".join(
        (
            box(
                b"stts",
                struct.pack(">II", 0, len(first)),
                np.stack([runs, steps[first]], axis=1).astype(">u4").tobytes(),
            ),
            box(b"stss", struct.pack(">II", 0, len(keys)), keys.astype(">u4").tobytes()),
            box(b"stsc", struct.pack(">IIIII", 0, 1, 1, 1, 1)),
            box(b"stsz", struct.pack(">III", 0, 0, len(samples)), samples.sizes.astype(">u4").tobytes()),
            box(b"co64", struct.pack(">II", 0, len(samples)), samples.offsets.astype(">u8").tobytes()),
        )
    )


def _bridged(samples: Samples) -> Samples:
    """With copies of the last keyframe where the next frame is too far off for one sample."""
    counts = np.append((np.diff(samples.times_us) - 1) // BRIDGE_US, 0).clip(min=0)
    if not counts.any():
        return samples
    source = np.repeat(np.arange(len(samples)), counts + 1)
    nth = np.arange(len(source)) - np.repeat(np.cumsum(counts + 1) - (counts + 1), counts + 1)
    key_before = np.maximum.accumulate(np.where(samples.keys, np.arange(len(samples)), 0))
    data = np.where(nth > 0, key_before[source], source)
    times = samples.times_us[source] + nth * BRIDGE_US
    return Samples(times, samples.offsets[data], samples.sizes[data], samples.keys[data])
