"""The videos of a LeRobot dataset: frame i of a file at ``i / fps``, whatever episodes lie in it."""

from __future__ import annotations

import contextlib
import io
from fractions import Fraction
from typing import IO, Any, Literal

import av
import numpy as np
from av.video.reformatter import ColorRange, Colorspace, VideoReformatter

from gameon_env.datasets.recording import Pixels
from gameon_env.errors import DatasetError

CODEC = "h264"
PixelFormat = Literal["yuv444p", "yuv420p"]
"""With all colours, or with half their resolution: 180 frames of 96x96 of the built-in game keep 38 dB or 32 dB, and
take 135 kB both ways."""

_OPTIONS = {"preset": "veryfast", "crf": "20", "bf": "0"}
_KEYFRAME_EVERY = 2  # LeRobot's own: it reads single frames in any order
_BT601, _LIMITED_RANGE = 6, 1  # numbers of ITU-T H.273


class LeRobotVideo:
    """A new MP4 file of pictures at a fixed rate.

    Args:
        file: a new one, open for writing; it is closed with the video.
        size: ``(height, width)`` of the pictures.
        fps: their rate.
        pixels: how they are stored.

    Attributes:
        frames: how many are in it.

    Raises (all methods):
        OSError: the disk refuses. The file is of no use then.
        DatasetError: there is no encoder for this size.
    """

    def __init__(self, file: IO[bytes], size: tuple[int, int], fps: int, pixels: PixelFormat) -> None:
        self.frames = 0
        self._finished_bytes: int | None = None
        self._format = pixels
        self._reformatter = VideoReformatter()
        self._file = file
        self._container: Any = av.open(self._file, "w", format="mp4")
        try:
            self._stream: Any = self._container.add_stream("libx264", rate=fps, options=_OPTIONS)
            self._stream.height, self._stream.width = size
            self._stream.pix_fmt = self._format
            encoder = self._stream.codec_context
            encoder.time_base = self._time_base = Fraction(1, fps)
            encoder.gop_size = _KEYFRAME_EVERY
            encoder.colorspace, encoder.color_range = _BT601, _LIMITED_RANGE
            self._container.start_encoding()
        except (av.FFmpegError, ValueError) as error:
            self.close()
            raise DatasetError(
                f"there can be no {pixels} video of {size[0]}x{size[1]} pixels ({error}): choose another size "
                "(--size HxW); yuv420p needs even sides"
            ) from error

    @property
    def size_bytes(self) -> int:
        """How many bytes were written so far; the encoder holds some frames."""
        return self._file.tell() if self._finished_bytes is None else self._finished_bytes

    def append(self, pictures: Pixels) -> None:
        """Append ``(n, h, w, 3) uint8`` RGB."""
        for picture in pictures:
            frame = self._reformatter.reformat(
                av.VideoFrame.from_ndarray(np.ascontiguousarray(picture), "rgb24"),
                format=self._format,
                dst_colorspace=Colorspace.ITU601,
                dst_color_range=ColorRange.MPEG,
                threads=1,
            )
            frame.colorspace, frame.color_range = _BT601, _LIMITED_RANGE
            frame.pts, frame.time_base = self.frames, self._time_base
            self._mux(frame)
            self.frames += 1

    def finish(self) -> None:
        """Write what the encoder still holds, and the index."""
        self._mux(None)
        try:
            self._container.close()
        except av.FFmpegError as error:
            raise OSError(error.errno, error.strerror) from error
        self._finished_bytes = self._file.tell()
        self._file.close()

    def close(self) -> None:
        """Let go of the file, finished or not."""
        with contextlib.suppress(av.FFmpegError, OSError, ValueError):  # it is of no use, or was closed
            self._container.close()
        with contextlib.suppress(OSError):
            self._file.close()

    def _mux(self, frame: av.VideoFrame | None) -> None:
        try:
            self._container.mux(self._stream.encode(frame))
        except av.FFmpegError as error:
            raise OSError(error.errno, error.strerror) from error


def encoded_bytes(pictures: Pixels, pixels: PixelFormat) -> int:
    """About what they take, where as much changes as between them: the most that it can be."""
    video = LeRobotVideo(io.BytesIO(), pictures.shape[1:3], 30, pixels)
    try:
        video.append(pictures)
        video.finish()
    finally:
        video.close()
    return video.size_bytes
