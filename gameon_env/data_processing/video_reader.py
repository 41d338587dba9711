"""Reading any frame of a video by its number, exactly, and runs of frames fast."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Self

import av
import numpy as np

from gameon_env.data_processing.video_boxes import BRIDGE_US, COMMENT
from gameon_env.data_processing.video_fragments import finished_view
from gameon_env.errors import VideoError


class VideoReader:
    """A video file, opened for reading frames by number.

    Takes what FFmpeg reads: our own videos, finished, left by a killed recorder or still growing (then: the frames that
    were there on opening), and those of others, with any rate and B-frames. One reader belongs to one thread.

    Args:
        path: the file.
        threads: that decode. One is best where several processes read; more help one process that reads runs.

    Attributes:
        path: the file.
        times_ns: ``(N,) int64`` the time of each frame in the file, strictly increasing, to its own precision: the
            microsecond in our videos. No frame is decoded for them.
        size: ``(height, width)`` of the frames in pixels.

    Raises:
        VideoError: the file does not exist, is no video, or was cut so short that nothing can be read.
    """

    def __init__(self, path: str | Path, *, threads: int = 1) -> None:
        self.path = Path(path)
        self._threads = threads
        self._container: Any = _open(self.path)
        try:
            self._stream = _video_stream(self._container, threads)
            codec = self._stream.codec_context
            own = re.search(rf"{COMMENT} (\d+)x(\d+)", self._container.metadata.get("comment", ""))
            self.size = (int(own[2]), int(own[1])) if own else (codec.height, codec.width)
            self._index(own is not None)
        except BaseException:
            self.close()
            raise
        self.times_ns = _nanoseconds(self._pts, self._stream.time_base)
        self._decoded: Iterator[Any] = iter(())
        self._at = len(self)  # the number of the last decoded frame; past the end: none
        self._frame: Any = None

    def __len__(self) -> int:
        return len(self._pts)

    def frame(self, index: int, size: tuple[int, int] | None = None) -> np.ndarray:
        """Frame ``index``, ``(H, W, 3) uint8`` RGB; scaled to ``size`` ``(height, width)`` by area where given.

        Raises:
            IndexError: there is no such frame; negative numbers count from the end.
            VideoError: it cannot be decoded.
        """
        count = len(self)
        if not -count <= index < count:
            raise IndexError(f"{self.path} has {count} frames: there is no frame {index}")
        return self._picture(self.decoded(index % count), size)

    def decoded(self, index: int) -> av.VideoFrame:
        """Frame ``index``, not negative, as the decoder gives it: in the colours and the size of the file."""
        try:
            frame: av.VideoFrame = self._seek(index)
        except av.FFmpegError as error:
            raise VideoError(f"frame {index} of {self.path} cannot be decoded: {error}") from error
        return frame

    def frames(self, indices: Iterable[int], size: tuple[int, int] | None = None) -> Iterator[np.ndarray]:
        """Frames ``indices`` one after the other, as :meth:`frame` gives them; increasing numbers are the fastest."""
        for index in indices:
            yield self.frame(index, size)

    def close(self) -> None:
        """Close the file; more calls do nothing."""
        self._decoded, self._frame = iter(()), None
        self._container.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _index(self, own: bool) -> None:
        """Find the time of every frame, and which are keyframes."""
        stream = self._stream
        entries = stream.index_entries
        if own and len(entries) == stream.frames > 0:  # finished, and without B-frames: the index has it all
            pts = np.array([entry.timestamp for entry in entries], np.int64)
            keys = np.array([entry.is_keyframe for entry in entries], bool)
            self._numbered = False
        else:
            pts, keys, self._numbered = _scan(self._container, stream)
        if own:
            real = np.diff(pts, prepend=pts[:1]) != BRIDGE_US
            pts, keys = pts[real], keys[real]
        elif not len(pts):
            raise VideoError(f"{self.path} holds no frame: it was cut short, or it is no video")
        self._pts = pts
        self._keys = np.flatnonzero(keys)

    def _seek(self, index: int) -> Any:
        """The decoded frame ``index``: onward from where the decoder is, or from the keyframe before it."""
        if index == self._at and self._frame is not None:
            return self._frame
        nth_key = int(np.searchsorted(self._keys, index, side="right")) - 1
        key = int(self._keys[nth_key]) if nth_key >= 0 else 0
        if self._at < index and key <= self._at + 1 and self._decode_until(index):
            return self._frame
        # A file of others may have keyframes from which not all that follows can be decoded: then from one before.
        starts = [int(k) for k in self._keys[max(0, nth_key - 1) : nth_key + 1][::-1]] if not self._numbered else []
        for start in starts:
            self._restart(int(self._pts[start]))
            if self._decode_until(index):
                return self._frame
        self._restart(None)
        if self._decode_until(index):
            return self._frame
        raise VideoError(f"frame {index} of {self.path} cannot be decoded: the file is damaged there")

    def _restart(self, pts: int | None) -> None:
        if pts is None:
            # Seeking to the start fails in files that begin with packets of no use; opening again does not.
            self._container.close()
            self._container = _open(self.path)
            self._stream = _video_stream(self._container, self._threads)
            self._at = -1
        else:
            self._container.seek(pts, stream=self._stream, backward=True)
            self._at = -1 if self._numbered else len(self)
        self._decoded = self._container.decode(self._stream)
        self._frame = None

    def _decode_until(self, index: int) -> bool:
        """Decode until frame ``index``; False where it was not among the frames that came."""
        for frame in self._decoded:
            number = self._number(frame)
            if number is None:
                continue
            self._at, self._frame = number, frame
            if number >= index:
                return number == index
        self._at, self._frame = len(self), None
        return False

    def _number(self, frame: Any) -> int | None:
        if self._numbered:
            return self._at + 1
        pts = frame.pts if frame.pts is not None else frame.dts
        number = int(np.searchsorted(self._pts, pts))
        return number if number < len(self) and self._pts[number] == pts else None

    def _picture(self, frame: Any, size: tuple[int, int] | None) -> np.ndarray:
        cropped = self.size != (frame.height, frame.width)
        height, width = (frame.height, frame.width) if size is None or cropped else size
        scaling = "AREA" if (height, width) != (frame.height, frame.width) else "BILINEAR"
        rgb = frame.reformat(width=width, height=height, format="rgb24", interpolation=scaling, threads=1)
        picture: np.ndarray = rgb.to_ndarray()
        if not cropped:
            return picture
        picture = np.ascontiguousarray(picture[: self.size[0], : self.size[1]])
        if size is None or size == self.size:
            return picture
        whole = av.VideoFrame.from_ndarray(picture, format="rgb24")
        scaled: np.ndarray = whole.reformat(
            width=size[1], height=size[0], format="rgb24", interpolation="AREA", threads=1
        ).to_ndarray()
        return scaled


def _open(path: Path) -> Any:
    try:
        container = av.open(finished_view(path) or str(path), metadata_errors="replace")
    except FileNotFoundError as error:
        raise VideoError(f"the video {path} does not exist: bring it back, or leave this recording out") from error
    except (av.FFmpegError, OSError) as error:
        raise VideoError(
            f"{path} cannot be read as a video ({error}): it is none, or too little is left of it"
        ) from error
    if not container.streams.video or container.streams.video[0].codec_context is None:
        container.close()
        raise VideoError(f"{path} holds no video that can be decoded: expected a file with a video track")
    return container


def _video_stream(container: Any, threads: int) -> Any:
    stream = container.streams.video[0]
    stream.codec_context.thread_count = threads
    stream.codec_context.thread_type = "FRAME" if threads > 1 else "SLICE"
    return stream


def _scan(container: Any, stream: Any) -> tuple[np.ndarray, np.ndarray, bool]:
    """Time and keyframe of each frame, in order of their time, out of all packets; and whether frames must be counted
    from the start, because their packets do not tell their times."""
    rows = []
    try:
        for packet in container.demux(stream):
            if packet.size and not packet.is_corrupt and not packet.is_discard:
                rows.append((packet.pts, packet.dts, packet.is_keyframe))
    except av.FFmpegError:
        pass  # the file ends in the middle of a packet: what came before it is what there is
    pts, dts, keys = zip(*rows, strict=True) if rows else ((), (), ())
    reordered = bool(stream.codec_context.has_b_frames)
    if None in pts and not reordered:
        pts = dts
    # An AVI has no times. Of reordered frames FFmpeg makes up some that do not belong to them.
    guessed = reordered and container.format.name == "avi"
    if None not in pts and len(set(pts)) == len(pts) and not guessed:
        order = np.argsort(np.array(pts, np.int64))
        return np.array(pts, np.int64)[order], np.array(keys, bool)[order], False
    known = sorted({t for t in dts if t is not None})
    if len(known) < len(pts):
        raise VideoError(f"{container.name} does not tell the times of its frames: convert it with ffmpeg first")
    return np.array(known, np.int64), np.zeros(len(known), bool), True


def _nanoseconds(pts: np.ndarray, time_base: Any) -> np.ndarray:
    whole, rest = np.divmod(pts * time_base.numerator, time_base.denominator)
    times: np.ndarray = whole * 1_000_000_000 + rest * 1_000_000_000 // time_base.denominator
    return times
