"""A session's video without loss: small pictures whose every pixel counts, as libx264 keeps them in RGB."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import numpy.typing as npt

from gameon_env.errors import StorageError

KEYFRAME_EVERY = 30
"""Frames, as in our other videos: what a reader must at most decode to reach one."""

_MICROSECOND = Fraction(1, 1_000_000)


def write_lossless(
    path: Path, size: tuple[int, int], frames: Iterable[npt.NDArray[np.uint8]], times_us: Iterable[int]
) -> None:
    """Write the mp4 file ``path``; read back, every pixel is as it was.

    128x128 frames of a game take about 13 kB each, a quarter of what they take as they are. The price is H.264's
    profile for 4:4:4: FFmpeg and what is built on it plays it, a television may not.

    Args:
        path: the file; replaced.
        size: ``(height, width)``.
        frames: ``(H, W, 3) uint8 RGB`` each.
        times_us: of each, rising.

    Raises:
        StorageError: the disk refuses.
    """
    height, width = size
    try:
        with av.open(str(path), "w", format="mp4", options={"movflags": "faststart"}) as container:
            stream = container.add_stream("libx264rgb", rate=10, width=width, height=height, pix_fmt="rgb24")
            context = stream.codec_context
            context.time_base, context.gop_size, context.max_b_frames = _MICROSECOND, KEYFRAME_EVERY, 0
            context.thread_count = 1
            context.options = {"preset": "veryfast", "qp": "0"}
            for frame in _timed(frames, times_us):
                container.mux(stream.encode(frame))
            container.mux(stream.encode(None))
    except (OSError, av.FFmpegError) as error:  # some of FFmpeg's are no OSError
        raise StorageError(
            f"{path} cannot be written: {error.strerror or error}. Make room, or name another."
        ) from error


def _timed(frames: Iterable[npt.NDArray[np.uint8]], times_us: Iterable[int]) -> Iterator[av.VideoFrame]:
    for pixels, t_us in zip(frames, times_us, strict=True):
        frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(pixels), format="rgb24")
        frame.pts, frame.time_base = t_us, _MICROSECOND
        yield frame
