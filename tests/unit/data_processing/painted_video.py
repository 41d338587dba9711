"""Pictures that carry a number which survives encoding, and videos of them."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np

from gameon_env.recording.video import VideoWriter

_BITS = 12
DARK, BRIGHT = 60, 200


def painted(number: int, size: tuple[int, int] = (96, 160)) -> np.ndarray:
    """``(H, W, 4) uint8`` BGRX with ``number`` in its columns, as bright and dark."""
    height, width = size
    pixels = np.full((height, width, 4), DARK, np.uint8)
    for bit in range(_BITS):
        if number >> bit & 1:
            pixels[:, bit * width // _BITS : (bit + 1) * width // _BITS] = BRIGHT
    return pixels


def number_in(picture: np.ndarray) -> int:
    """The number that ``picture``, ``(H, W, 3)`` of any size, carries."""
    height, width = picture.shape[:2]
    middles = [picture[height // 2, (2 * bit + 1) * width // (2 * _BITS)].mean() for bit in range(_BITS)]
    return sum(1 << bit for bit, value in enumerate(middles) if value > (DARK + BRIGHT) / 2)


def write_video(path: Path, times_ns: list[int], size: tuple[int, int] = (96, 160), **options: Any) -> Path:
    """A video of ours whose frame i is ``painted(i)``."""
    with VideoWriter(path, size, **options) as writer:
        for number, t_ns in enumerate(times_ns):
            writer.write(painted(number, size), t_ns)
    return path


def write_foreign(path: Path, times_ms: list[int], encoder: str, options: dict[str, str], b_frames: int) -> Path:
    """The same as other programs make it: constant keyframes, B-frames, any container."""
    with av.open(str(path), "w") as container:
        stream: Any = container.add_stream(encoder, rate=50, width=160, height=96, pix_fmt="yuv420p")
        codec = stream.codec_context
        codec.time_base = Fraction(1, 1000) if path.suffix != ".avi" else Fraction(1, 50)
        codec.max_b_frames, codec.gop_size = b_frames, 25
        codec.options = options
        for number, t_ms in enumerate(times_ms):
            frame = av.VideoFrame.from_ndarray(painted(number)[..., :3], format="bgr24").reformat(format="yuv420p")
            frame.pts = t_ms if path.suffix != ".avi" else number
            frame.time_base = codec.time_base
            container.mux(codec.encode(frame))
        container.mux(codec.encode(None))
    return path


def fill_disk(folder: Path) -> None:
    """Take all the room that is left on the disk of ``folder``."""
    with (folder / "filler").open("wb", buffering=0) as file:
        try:
            while True:
                file.write(bytes(4096))
        except OSError:
            return
