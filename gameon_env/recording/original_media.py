"""Bringing a foreign recording's video and sound into a session's folder. The source is only read."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import numpy.typing as npt

from gameon_env.data_processing.video_reader import VideoReader
from gameon_env.data_processing.wav_file import wav_header, wav_layout
from gameon_env.errors import AudioError, StorageError, VideoError
from gameon_env.recording.model import AudioClockRow, Stream
from gameon_env.recording.video import VideoWriter

STRETCH_FROM = 0.02
STRETCH_FROM_S = 2.5
"""By how much, as a part and in seconds, a video and its session must differ before the session is believed: its times
may be whole seconds, and hold the time that starting and finishing took."""

_IN_MP4 = ("h264", "hevc", "av1", "mpeg4")
_CHUNK_BYTES = 1 << 20
_MICROSECOND = Fraction(1, 1_000_000)


@dataclass(frozen=True, slots=True)
class BroughtVideo:
    """A video that is in the session now.

    Attributes:
        times_ns: ``(N,) int64``, when each of its frames is shown.
        size: ``(height, width)``.
        codec: as FFmpeg calls it.
        frames_in: frames that the source has.
        how: what was done, in words.
    """

    times_ns: npt.NDArray[np.int64]
    size: tuple[int, int]
    codec: str
    frames_in: int
    how: str


def bring_video(source: Path, target: Path, lasts_s: float | None) -> BroughtVideo:
    """Make the mp4 file ``target`` of ``source``: the same packets wherever mp4 can hold them, else encoded anew.

    The original counted its frames on a rate that it did not reach: its video then runs too fast, and nothing in it
    fits the events. Where the session lasted ``lasts_s``, clearly another time, the frames' times are stretched to it.

    Raises:
        VideoError: it cannot be read.
        StorageError: the target cannot be written.
    """
    times = _times(source)
    if not len(times):
        raise VideoError(f"{source} holds no frame")
    scale = _scale(times, lasts_s)
    codec, packets_do = _look(source)
    if codec in _IN_MP4 and scale == 1.0 and source.suffix.lower() == ".mp4":
        copy_file(source, target)
        how = "copied"
    elif codec in _IN_MP4 and packets_do:
        _remux(source, target, scale)
        how = f"{codec} moved from {source.suffix} to .mp4" if source.suffix.lower() != ".mp4" else "copied"
    else:
        # The first frame of an avi file is its beginning: what comes before it is the encoder's delay.
        _encode(source, target, times - times[0] if source.suffix.lower() == ".avi" else times, scale)
        how = f"{codec} in {source.suffix} encoded anew as h264"
    if scale != 1.0:
        how += f", its times stretched {scale:.3f} x to the session's {lasts_s:.1f} s"
    brought = _times(target)
    with av.open(str(target)) as container:
        stream = container.streams.video[0]
        size, codec = (stream.height, stream.width), stream.codec_context.name
    return BroughtVideo(brought, size, codec.removeprefix("lib"), len(times), how)


def video_length_s(source: Path) -> float:
    """How long a video shows its frames.

    Raises:
        VideoError: it cannot be read.
    """
    return _length_s(_times(source))


def fits(length_s: float, lasts_s: float) -> bool:
    """Whether a video of this length may be of a session that lasted so long, without being stretched."""
    return abs(lasts_s - length_s) < max(STRETCH_FROM_S, STRETCH_FROM * lasts_s)


def bring_sound(source: Path, target: Path, stream: Stream) -> list[AudioClockRow] | None:
    """Make the 16-bit WAV file ``target`` of ``source``. Returns the times of its seconds, from 0; None where the
    source is a bare header, and nothing is made.

    A header that was never brought up to date, because the recorder was killed, is mended on the way.

    Raises:
        AudioError: it cannot be read.
        StorageError: the target cannot be written.
    """
    try:
        layout = wav_layout(source)
    except AudioError:
        if source.stat().st_size <= 44:
            return None
        _encode_sound(source, target)
        layout = wav_layout(target)
    else:
        count = layout.present_bytes
        if 0 < layout.declared_bytes < count:
            count = layout.declared_bytes // layout.frame_bytes * layout.frame_bytes
        if not count:
            return None
        _copy_samples(source, target, layout.data_start, wav_header(layout.rate_hz, layout.channels, count), count)
        layout = wav_layout(target)
    seconds = range(0, layout.frames, layout.rate_hz)
    return [AudioClockRow(stream, sample, round(sample * 1e9 / layout.rate_hz)) for sample in seconds]


def copy_file(source: Path, target: Path) -> None:
    """Copy the bytes.

    Raises:
        StorageError: that failed.
    """
    try:
        shutil.copyfile(source, target)
    except OSError as error:
        raise StorageError(f"{source} cannot be copied to {target}: {error}") from error


def _times(path: Path) -> npt.NDArray[np.int64]:
    reader = VideoReader(path)
    try:
        return reader.times_ns
    finally:
        reader.close()


def _scale(times: npt.NDArray[np.int64], lasts_s: float | None) -> float:
    if not lasts_s or len(times) < 2:
        return 1.0
    length_s = _length_s(times)
    return 1.0 if fits(length_s, lasts_s) else lasts_s / length_s


def _length_s(times: npt.NDArray[np.int64]) -> float:
    """The last frame is shown for as long as the others are."""
    return float(times[-1] - times[0]) / 1e9 * len(times) / (len(times) - 1) if len(times) > 1 else 0.0


def _look(source: Path) -> tuple[str, bool]:
    """The codec, and whether its packets can go into another file as they are: each has a time of its own."""
    with av.open(str(source)) as container:
        context = container.streams.video[0].codec_context
        # An avi file has no times of display: with B-frames they are not the order of the packets.
        reordered = bool(context.has_b_frames) and source.suffix.lower() == ".avi"
        return context.name, not reordered


def _remux(source: Path, target: Path, scale: float) -> None:
    try:
        with av.open(str(source)) as old, av.open(str(target), "w", format="mp4") as new:
            given = old.streams.video[0]
            stream = new.add_stream_from_template(given)
            stream.time_base = _MICROSECOND
            for packet in old.demux(given):
                if packet.dts is None and packet.pts is None:
                    continue  # the end's empty packet
                to_us = float((packet.time_base or given.time_base or _MICROSECOND) * 1_000_000) * scale
                pts, dts = packet.pts, packet.dts
                shown, decoded = (dts if pts is None else pts), (pts if dts is None else dts)
                packet.time_base = _MICROSECOND
                packet.pts, packet.dts = round((shown or 0) * to_us), round((decoded or 0) * to_us)
                packet.duration = round((packet.duration or 0) * to_us)
                packet.stream = stream
                new.mux(packet)
    except OSError as error:
        raise StorageError(f"{target} cannot be written: {error}") from error
    except av.error.FFmpegError as error:  # those that are no OSError
        raise VideoError(f"the packets of {source} do not go into an mp4: {error}") from error


def _encode(source: Path, target: Path, times: npt.NDArray[np.int64], scale: float) -> None:
    """Decoded from its beginning to its end, the frames come in the order of their times in any file."""
    count = 0
    try:
        with av.open(str(source)) as old:
            given = old.streams.video[0]
            with VideoWriter(target, (given.height, given.width)) as writer:
                for frame in old.decode(given):
                    if count < len(times):
                        writer.write(frame.to_ndarray(format="bgra"), round(int(times[count]) * scale))
                    count += 1
    except av.error.FFmpegError as error:
        raise VideoError(f"{source} cannot be decoded after {count} frames: {error}") from error
    if count != len(times):
        raise VideoError(f"{source} is damaged: {count} of its {len(times)} frames can be decoded")


def _copy_samples(source: Path, target: Path, start: int, header: bytes, count: int) -> None:
    try:
        with source.open("rb") as old, target.open("xb") as new:
            new.write(header)
            old.seek(start)
            while count and (chunk := old.read(min(count, _CHUNK_BYTES))):
                new.write(chunk)
                count -= len(chunk)
    except OSError as error:
        raise StorageError(f"{source} cannot be copied to {target}: {error}") from error


def _encode_sound(source: Path, target: Path) -> None:
    """Sound of another kind than 16-bit PCM, read by FFmpeg."""
    try:
        with av.open(str(source)) as old, av.open(str(target), "w", format="wav") as new:
            given = old.streams.audio[0]
            stream = new.add_stream("pcm_s16le", rate=given.rate, layout=given.layout)
            resampler = av.AudioResampler("s16", given.layout, given.rate)
            for frame in (*old.decode(given), None):
                for part in resampler.resample(frame):
                    new.mux(stream.encode(part))
            new.mux(stream.encode(None))
    except (av.error.FFmpegError, IndexError) as error:
        target.unlink(missing_ok=True)
        raise AudioError(f"{source} cannot be read as sound: {error}") from error
