"""A session's video without loss: small pictures whose every pixel counts, as libx264 keeps them in RGB."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from fractions import Fraction
from itertools import chain
from pathlib import Path
from typing import Any

import av
import numpy as np
import numpy.typing as npt
from av.packet import Packet
from av.video.frame import PictureType

from gameon_env.data_processing.video_boxes import BRIDGE_US, COMMENT, time_after
from gameon_env.errors import StorageError

KEYFRAME_EVERY = 30
"""Frames, as in our other videos: what a reader must at most decode to reach one."""

_MICROSECOND = Fraction(1, 1_000_000)
_OPTIONS = {"movflags": "faststart", "movie_timescale": "1000000"}  # of a coarser one the first frame's time is rounded


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
        with av.open(str(path), "w", format="mp4", options=_OPTIONS) as container:
            stream = container.add_stream("libx264rgb", rate=10, width=width, height=height, pix_fmt="rgb24")
            context = stream.codec_context
            context.time_base, context.gop_size, context.max_b_frames = _MICROSECOND, KEYFRAME_EVERY, 0
            context.thread_count = 1
            context.options = {"preset": "veryfast", "qp": "0", "forced-idr": "1"}
            container.metadata["comment"] = f"{COMMENT} {width}x{height}"  # for readers to leave bridges out
            coming = chain(_timed(frames, times_us), (None,))
            for packet in _bridged(chain.from_iterable(map(stream.encode, coming))):
                container.mux(packet)
    except (OSError, av.FFmpegError) as error:  # some of FFmpeg's are no OSError
        raise StorageError(
            f"{path} cannot be written: {error.strerror or error}. Make room, or name another."
        ) from error


def _timed(frames: Iterable[npt.NDArray[np.uint8]], times_us: Iterable[int]) -> Iterator[av.VideoFrame]:
    last_us: int | None = None
    for pixels, t_us in zip(frames, times_us, strict=True):
        shown_us = time_after(last_us, t_us)
        frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(pixels), format="rgb24")
        frame.pts, frame.time_base = shown_us, _MICROSECOND
        if last_us is not None and shown_us - last_us > BRIDGE_US:
            frame.pict_type = PictureType.I  # what comes before it is a bridge, another picture
        last_us = shown_us
        yield frame


def _bridged(packets: Iterable[Packet[Any]]) -> Iterator[Packet[Any]]:
    """With the last keyframe again where the next frame comes later than MP4 can say of one."""
    last_us, key = 0, b""
    for packet in packets:
        assert packet.pts is not None
        for t_us in range(last_us + BRIDGE_US, packet.pts, BRIDGE_US) if key else ():
            bridge = Packet(key)
            bridge.pts = bridge.dts = t_us
            bridge.time_base, bridge.stream, bridge.is_keyframe = packet.time_base, packet.stream, True
            yield bridge
        if packet.is_keyframe:
            key = bytes(packet)
        last_us = packet.pts
        yield packet
