"""Sessions for tests, written by the real writer; and disks that are small or read-only."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gameon_env.events import InputEvent
from gameon_env.recording.model import AudioClockRow, FrameRow, Gap, Health, SessionEnd, SessionInfo
from gameon_env.recording.session_writer import SessionWriter
from gameon_env.recording.verification import media_checksums
from gameon_env.recording.video import VideoWriter
from gameon_env.recording.wav_writer import WavWriter

START_NS = 5_000_000_000_000
SECOND = 1_000_000_000

EVENTS = [
    InputEvent(START_NS + 10, "key:w", 1.0),
    InputEvent(START_NS + 20, "mouse:dx", -3.0, True),
    InputEvent(START_NS + 20, "mouse:dy", 2.625),
    InputEvent(START_NS + 40, "pad:left_x", -0.123456789012345),
    InputEvent(START_NS + 50, "key:w", 0.0),
]
CLOCK = [
    AudioClockRow("system_audio", 0, 1_000_000),
    AudioClockRow("microphone_audio", 0, 2_000_000),
    AudioClockRow("system_audio", 480, 11_000_000),
]
FRAMES = [FrameRow(0, 0), FrameRow(16_000_000, None, "dropped"), FrameRow(33_000_000, 1)]


def info(**changes: Any) -> SessionInfo:
    facts: dict[str, Any] = {
        "id": "a1b2c3d4e5f6",
        "game": "Möbius: Go",
        "started_at": "2026-03-01T12:00:00.000000Z",
        "start_ns": START_NS,
        "controls": ("key:w", "key:a", "mouse:dx", "mouse:dy"),
        "mouse_scale_px": 80.0,
        "wheel_scale": 1.0,
        "fps": 30.0,
        "picture_size": (720, 1280),
        "picture_origin": (5, 7),
        "codec": "h264",
        "held": ("key:a",),
        "pointer": (12.5, 9.0),
        "who": "human",
        "recorder": "gameon-env 0",
        "seed": 7,
        "details": {"machine": {"cores": 2}},
    }
    return SessionInfo(**(facts | changes))


def end(**changes: Any) -> SessionEnd:
    facts: dict[str, Any] = {"ended_at": "2026-03-01T12:00:02.000000Z", "duration_ns": 2 * SECOND, "reason": "stopped"}
    return SessionEnd(**(facts | changes))


def fill(writer: SessionWriter) -> None:
    """A little of everything but media."""
    writer.add_events(EVENTS)
    writer.add_frames(FRAMES)
    writer.add_gap(Gap(100, 200, "all", "paused"))
    writer.add_health(Health(SECOND, 12.5, 100.0, 5000.0, 2, 1, 5, 0))


def record(folder: Path, **changes: Any) -> Path:
    """A finished session without media; ``changes`` to what is known at its start."""
    writer = SessionWriter.create(folder, info(**changes))
    fill(writer)
    writer.finish(end())
    return folder


def record_media(folder: Path, **changes: Any) -> Path:
    """A finished session with a video of the two frames and 20 ms of sound."""
    writer = SessionWriter.create(folder, info(**changes))
    fill(writer)
    writer.add_audio_clock(CLOCK)
    with VideoWriter(folder / "video.mp4", (48, 64)) as video:
        for row in FRAMES:
            if row.video_frame is not None:
                video.write(np.full((48, 64, 4), 40 * row.video_frame, np.uint8), row.t_ns)
    for name, frames in (("system_audio.wav", 960), ("microphone_audio.wav", 480)):
        with WavWriter(folder / name, 48_000, 1) as sound:
            sound.write(np.zeros((frames, 1), np.int16))
    writer.finish(end(checksums=media_checksums(folder)))
    return folder


@contextmanager
def small_disk(folder: Path, megabytes: int) -> Iterator[Path]:
    """A file system of its own in memory; skips where that is not allowed."""
    folder.mkdir()
    _mount("-t", "tmpfs", "-o", f"size={megabytes}m", "tmpfs", str(folder))
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


@contextmanager
def read_only(folder: Path) -> Iterator[Path]:
    """The folder as a read-only medium, for root too."""
    _mount("--bind", str(folder), str(folder))
    try:
        _mount("-o", "remount,bind,ro", str(folder))
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


def _mount(*words: str) -> None:
    try:
        done = subprocess.run(["mount", *words], capture_output=True, text=True)
    except FileNotFoundError:
        pytest.skip("no mount here")
    if done.returncode:
        pytest.skip(f"mounting is not allowed here: {done.stderr.strip()}")
