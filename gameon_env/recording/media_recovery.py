"""Bringing back what a kill left of a session's video and sound; the originals are kept."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt

from gameon_env.data_processing.wav_file import HEADER_BYTES, WavLayout, wav_header, wav_layout
from gameon_env.errors import AudioError, VideoError
from gameon_env.recording.model import AUDIO_FILES, VIDEO_FILE, Stream
from gameon_env.recording.originals import Originals
from gameon_env.recording.verification import AUDIO_TAIL_S
from gameon_env.recording.video_repair import repair
from gameon_env.recording.wav_writer import repair_wav

RECOVERED_VIDEO = "video.recovered.mp4"

RATES_HZ = (8_000, 16_000, 22_050, 32_000, 44_100, 48_000, 88_200, 96_000, 192_000)
CHANNELS = (1, 2, 4, 6, 8)

Clock = tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]


@dataclass(frozen=True)
class Media:
    """What there is of video and sound.

    Attributes:
        times_ns: ``(N,) int64`` the times of the video's frames; empty where there is no video.
        sounds: of each stream whose file is there, where its samples lie.
        missing: what is not there, in words.
        lost: streams that were recorded, and whose file cannot be used or is not there.
    """

    times_ns: npt.NDArray[np.int64] = field(default_factory=lambda: np.empty(0, np.int64))
    sounds: dict[Stream, WavLayout] = field(default_factory=dict)
    missing: tuple[str, ...] = ()
    lost: frozenset[Stream] = frozenset()


def recover_media(folder: Path, originals: Originals, clocks: dict[Stream, Clock]) -> Media:
    """Make whole files of what is there.

    Args:
        folder: the session's.
        originals: where changed files are kept.
        clocks: what is known of when which sample was heard, for a file whose header is lost.

    Raises:
        StorageError: the disk is full; run it again when there is room.
    """
    missing: list[str] = []
    times_ns = _recover_video(folder, originals, missing)
    sounds: dict[Stream, WavLayout] = {}
    lost: set[Stream] = set()
    for stream, name in AUDIO_FILES.items():
        if (folder / name).is_file():
            layout = _recover_sound(folder / name, originals, clocks.get(stream), missing)
            if layout is not None:
                sounds[stream] = layout
                continue
        elif stream not in clocks or not len(clocks[stream][0]):
            continue
        else:
            missing.append(f"{name} is not there")
        lost.add(stream)
    return Media(times_ns, sounds, tuple(missing), frozenset(lost))


def _recover_video(folder: Path, originals: Originals, missing: list[str]) -> npt.NDArray[np.int64]:
    path, recovered = folder / VIDEO_FILE, folder / RECOVERED_VIDEO
    if not path.is_file():
        if not recovered.is_file():
            missing.append(f"{VIDEO_FILE} is not there")
            return np.empty(0, np.int64)
        recovered.replace(path)  # a recovery was killed between its two steps
    try:
        report = repair(path)
    except VideoError as error:
        originals.take(VIDEO_FILE)
        missing.append(f"the video cannot be used: {error}")
        return np.empty(0, np.int64)
    if not report.whole:
        missing.append(report.message)
    if report.target is not None:
        originals.take(VIDEO_FILE)
        report.target.replace(path)
    return report.times_ns


def _recover_sound(path: Path, originals: Originals, clock: Clock | None, missing: list[str]) -> WavLayout | None:
    try:
        if not _is_right(path):
            originals.copy(path.name)
            repair_wav(path, *_format_by_clock(path, clock))
        return wav_layout(path)
    except AudioError as error:
        originals.take(path.name)
        missing.append(f"the sound in {path.name} cannot be used: {error}")
        return None


def _is_right(path: Path) -> bool:
    """Whether the header says what is in the file."""
    try:
        layout = wav_layout(path)
    except AudioError:
        return False
    with path.open("rb") as file:
        head = file.read(HEADER_BYTES)
    ours = layout.data_start == HEADER_BYTES
    right = head == wav_header(layout.rate_hz, layout.channels, layout.present_bytes)
    return right if ours else layout.declared_bytes <= layout.present_bytes


def _format_by_clock(path: Path, clock: Clock | None) -> tuple[int, int] | tuple[None, None]:
    """Rate and channels by how many bytes were heard in how long; nothing where the clock says too little."""
    if clock is None or len(clock[0]) < 2 or clock[0][-1] <= 0:
        return None, None
    samples, t_ns = clock
    pieces = (np.diff(samples) > 0) & (np.diff(t_ns) > 0)
    if not pieces.any():
        return None, None
    rate = float(np.median(np.diff(samples)[pieces] / np.diff(t_ns)[pieces]) * 1e9)
    rate_hz = min(RATES_HZ, key=lambda usual: abs(usual - rate))
    size, last = path.stat().st_size - HEADER_BYTES, int(samples[-1])
    for channels in CHANNELS:
        if last <= size // (2 * channels) <= last + AUDIO_TAIL_S * rate_hz:
            return rate_hz, channels
    return None, None
