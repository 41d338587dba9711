"""Encoders of the codecs that we record with, and their packets as an MP4 file holds them."""

from __future__ import annotations

import io
import os
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

import av
from av.video.frame import PictureType

from gameon_env.data_processing.video_boxes import COMMENT, TIMESCALE
from gameon_env.desktop.priority import ordinary_priority
from gameon_env.errors import VideoError

BT601, LIMITED_RANGE = 6, 1  # numbers of ITU-T H.273, as the two below
_BT709_PRIMARIES, _SRGB_CURVE = 1, 13


@dataclass(frozen=True, slots=True)
class Codec:
    """How one kind of video is encoded: FFmpeg's encoder, its options and its usual ``quality`` (less is better).

    ``annexb``: its packets carry start codes; an MP4 carries lengths.
    """

    encoder: str
    quality: int
    options: dict[str, str] = field(default_factory=dict)
    annexb: bool = True


# CPU and size of a 1280x720 frame of Doom on one core: 9.4 ms and 20 kB, 25 ms and 10 kB, 18 ms and 17 kB. SVT-AV1's
# preset 11 is 15 ms, but leaves blocks of earlier pictures standing.
CODECS = {
    "h264": Codec("libx264", 20, {"preset": "veryfast", "tune": "zerolatency", "forced-idr": "1"}),
    "hevc": Codec(
        "libx265",
        24,
        {"preset": "ultrafast", "tune": "zerolatency", "forced-idr": "1", "x265-params": "log-level=none"},
    ),
    "av1": Codec("libsvtav1", 32, {"preset": "10", "svtav1-params": "pred-struct=1:lookahead=0"}, annexb=False),
}


@dataclass(frozen=True, slots=True)
class EncodedFrame:
    """The bytes of one frame as an MP4 holds them, its time, and whether a decoder can start there."""

    data: bytes
    t_us: int
    key: bool


class Encoder:
    """An encoder without B-frames: frames come out in the order in which they went in.

    Args:
        codec: ``h264``, ``hevc`` or ``av1``.
        size: ``(height, width)`` of the pictures, even numbers.
        true_size: ``(height, width)`` of what counts in them, from the upper left corner.
        quality: constant rate factor; None: the codec's usual one.
        keyframe_every: frames.
        threads: of the encoder.

    Attributes:
        head: the ``ftyp`` and ``moov`` boxes of a fragmented MP4 file for its frames.

    Raises:
        VideoError: there is no such codec, or it does not take this size or quality.
    """

    def __init__(
        self,
        codec: str,
        size: tuple[int, int],
        true_size: tuple[int, int],
        *,
        quality: int | None = None,
        keyframe_every: int = 30,
        threads: int = 1,
    ) -> None:
        self._codec = _codec(codec)
        quality = self._codec.quality if quality is None else quality
        os.environ.setdefault("SVT_LOG", "1")  # errors only; else the AV1 encoder prints its settings
        sink = io.BytesIO()
        scales = {"video_track_timescale": str(TIMESCALE), "movie_timescale": str(TIMESCALE)}
        # FFmpeg's muxer writes the head alone. It cannot write a frame before the next one comes.
        self._container = av.open(
            sink, "w", format="mp4", options={"movflags": "empty_moov+default_base_moof", **scales}
        )
        self._container.metadata["comment"] = f"{COMMENT} {true_size[1]}x{true_size[0]} quality {quality}"
        height, width = size
        try:
            stream: Any = self._container.add_stream(
                self._codec.encoder, rate=60, width=width, height=height, pix_fmt="yuv420p"
            )
            self._encoder = stream.codec_context
            self._encoder.time_base = Fraction(1, TIMESCALE)
            self._encoder.gop_size = keyframe_every
            self._encoder.max_b_frames = 0
            if codec == "hevc":
                self._encoder.codec_tag = "hvc1"  # Apple's players take no hev1
            self._encoder.thread_count = threads
            self._encoder.colorspace, self._encoder.color_range = BT601, LIMITED_RANGE
            self._encoder.color_primaries, self._encoder.color_trc = _BT709_PRIMARIES, _SRGB_CURVE
            self._encoder.options = {**self._codec.options, "crf": str(quality)}
            with ordinary_priority():
                self._container.start_encoding()
        except (av.FFmpegError, ValueError) as error:
            raise VideoError(
                f"{self._codec.encoder} does not encode {width}x{height} pixels with quality {quality}: "
                f"{getattr(error, 'strerror', None) or error}. "
                "Choose another codec, size or quality."
            ) from error
        self.head = sink.getvalue()

    def encode(self, frame: av.VideoFrame, t_us: int, *, key: bool = False) -> list[EncodedFrame]:
        """Encode a ``yuv420p`` picture; ``t_us`` is later than the last one's. ``key``: make it a keyframe.

        Returns:
            The frames that came out: this one in most cases.
        """
        frame.pict_type = PictureType.I if key else PictureType.NONE
        frame.pts, frame.time_base = t_us, Fraction(1, TIMESCALE)
        return self._run(frame)

    def flush(self) -> list[EncodedFrame]:
        """The frames that are still inside. The encoder takes no more."""
        return self._run(None)

    def close(self) -> None:
        self._container.close()

    def _run(self, frame: av.VideoFrame | None) -> list[EncodedFrame]:
        convert = _with_lengths if self._codec.annexb else _without_delimiter
        return [
            EncodedFrame(convert(bytes(packet)), packet.pts, packet.is_keyframe)
            for packet in self._encoder.encode(frame)
        ]


def _codec(name: str) -> Codec:
    there = [known for known, codec in CODECS.items() if _has_encoder(codec.encoder)]
    if name not in there:
        raise VideoError(f"there is no codec {name!r} for video here: this PyAV has {', '.join(there) or 'none'}")
    return CODECS[name]


def _has_encoder(name: str) -> bool:
    try:
        av.Codec(name, "w")
    except ValueError:  # av.codec.codec.UnknownCodecError
        return False
    return True


def _with_lengths(packet: bytes) -> bytes:
    """A packet with a length before each NAL unit, in place of the start codes of ITU-T H.264 annex B."""
    parts = []
    at = packet.find(b"\0\0\1") + 3
    while at >= 3:
        following = packet.find(b"\0\0\1", at)
        unit = packet[at : following if following >= 0 else None].rstrip(b"\0")
        parts += [len(unit).to_bytes(4, "big"), unit]
        at = following + 3
    return b"".join(parts)


def _without_delimiter(packet: bytes) -> bytes:
    """An AV1 temporal unit without its delimiter, which an MP4 does not hold."""
    return packet.removeprefix(b"\x12\0")
