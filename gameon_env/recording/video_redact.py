"""Cutting time out of a video for good."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from gameon_env.data_processing.video_fragments import Fragments, description, find_fragments
from gameon_env.data_processing.video_reader import VideoReader
from gameon_env.errors import StorageError, VideoError
from gameon_env.recording.video import VideoWriter
from gameon_env.recording.video_encoder import EncodedFrame, Encoder
from gameon_env.recording.video_file import VideoFile

APART_NS = 1_000_000
"""A video's times are whole units of its own, mostly microseconds. A frame farther from its row is damage."""

_FOURCC = {b"avc1": "h264", b"hev1": "hevc", b"hvc1": "hevc", b"av01": "av1"}


@dataclass(frozen=True, slots=True)
class VideoRedaction:
    """What a redaction did to a video.

    Attributes:
        path: the video, which no longer holds the spans.
        frames: for each frame number before, the number of the same frame now, or None where it was cut out.
        removed: how many frames were cut out.
        encoded_again: how many of the others had to be, because they were encoded as differences from those.
    """

    path: Path
    frames: tuple[int | None, ...]
    removed: int
    encoded_again: int


def redact_video(
    path: str | Path, spans: Sequence[tuple[int, int]], times_ns: npt.NDArray[np.int64] | None = None
) -> VideoRedaction:
    """Cut spans of time out of a video: rewritten without any frame of them, it takes the place of the old file.

    The times of the other frames stay. A frame shows until the next one, so also the last frame *before* a span is
    seen during it; it stays, for it shows nothing that was not there before the span.

    Args:
        path: the video; one of our own keeps its codec, one of others becomes h264 (and loses any sound in it).
        spans: ``(start_ns, end_ns)`` each, the end excluded, on the clock of the frames' times.
        times_ns: ``(N,) int64``, of its frames, where others count than the file's own.

    Raises:
        VideoError: the video cannot be read, or its times are others than the given by more than a millisecond.
        StorageError: the new file cannot be written; the old one is unchanged.
    """
    path = Path(path)
    with VideoReader(path) as reader:
        times_ns = reader.times_ns if times_ns is None else _checked(times_ns, reader)
        keep = np.ones(len(reader), bool)
        for start_ns, end_ns in spans:
            keep &= (times_ns < start_ns) | (times_ns >= end_ns)
        numbers = np.cumsum(keep) - 1
        frames = tuple(int(number) if kept else None for number, kept in zip(numbers, keep, strict=True))
        if keep.all():
            return VideoRedaction(path, frames, 0, 0)
        part = path.with_name(f".{path.name}.redacted")
        try:
            part.unlink(missing_ok=True)
            found = find_fragments(path)
            if found is not None and len(found.samples) != len(reader):
                raise VideoError(f"{path} is damaged or was not finished: gameon recover it first, then redact it")
            again = _rewrite_foreign(reader, keep, part) if found is None else _rewrite(reader, keep, part, found)
            _put(part, path)
        except OSError as error:
            part.unlink(missing_ok=True)
            raise StorageError(
                f"{path} could not be rewritten, and is as it was: {error.strerror or error}. "
                "Free some space there and redact again."
            ) from error
        except BaseException:
            part.unlink(missing_ok=True)
            raise
    return VideoRedaction(path, frames, int((~keep).sum()), again)


def _checked(times_ns: npt.NDArray[np.int64], reader: VideoReader) -> npt.NDArray[np.int64]:
    if len(times_ns) != len(reader):
        raise VideoError(
            f"{reader.path} holds {len(reader)} frames, and its session {len(times_ns)}: gameon recover it first, then "
            "redact it"
        )
    apart_ns = np.abs(times_ns - reader.times_ns).max(initial=0)
    if apart_ns > APART_NS:
        raise VideoError(
            f"{reader.path} shows frames up to {apart_ns / 1e9:.3f} s from where its session has them: which of them a "
            "span is about is not certain. Bring the session in anew from where it came, or delete it"
        )
    return times_ns


def _rewrite(reader: VideoReader, keep: np.ndarray, part: Path, found: Fragments) -> int:
    """Copy what a decoder reaches without a frame that goes; encode the rest. Returns how many frames that was."""
    matching = description(_encoder(reader, found).head) == description(found.head)
    samples, again = found.samples, 0
    head = found.head if matching else _encoder(reader, found).head
    with closing(VideoFile(part, head)) as out, reader.path.open("rb", buffering=0) as source:
        starts = np.flatnonzero(samples.keys).tolist()
        for start, stop in zip(starts, [*starts[1:], len(samples)], strict=True):
            gone = np.flatnonzero(~keep[start:stop])
            copied = (start + int(gone[0]) if len(gone) else stop) if matching else start
            for i in range(start, copied):
                source.seek(int(samples.offsets[i]))
                out.append(source.read(int(samples.sizes[i])), int(samples.times_us[i]), bool(samples.keys[i]))
            rest = [i for i in range(copied, stop) if keep[i]]
            again += len(rest)
            for frame in _encoded(reader, rest, samples.times_us, _encoder(reader, found)) if rest else ():
                out.append(frame.data, frame.t_us, frame.key)
    return again


def _encoded(reader: VideoReader, numbers: list[int], times_us: np.ndarray, encoder: Encoder) -> Iterator[EncodedFrame]:
    for i in numbers:
        yield from encoder.encode(reader.decoded(i), int(times_us[i]), key=i == numbers[0])
    yield from encoder.flush()
    encoder.close()


def _encoder(reader: VideoReader, found: Fragments) -> Encoder:
    """An encoder as the recorder's was."""
    quality = re.search(rb"quality (\d+)", found.head)
    height, width = reader.size
    return Encoder(
        next(codec for fourcc, codec in _FOURCC.items() if fourcc in description(found.head)),
        (height + height % 2, width + width % 2),
        reader.size,
        quality=int(quality[1]) if quality else None,
    )


def _rewrite_foreign(reader: VideoReader, keep: np.ndarray, part: Path) -> int:
    kept = np.flatnonzero(keep)
    with VideoWriter(part, reader.size) as writer:
        for i, rgb in zip(kept, reader.frames(kept.tolist()), strict=True):
            pixels = np.zeros((*reader.size, 4), np.uint8)
            pixels[..., :3] = rgb[..., ::-1]
            writer.write(pixels, int(reader.times_ns[i]))
    return len(kept)


def _put(part: Path, path: Path) -> None:
    with part.open("rb") as file:
        os.fsync(file.fileno())
    part.replace(path)
