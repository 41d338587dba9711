"""Sessions that deserve a warning, and one that deserves none, written by the real writers."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import numpy as np

from gameon_env.events import InputEvent
from gameon_env.recording.model import AudioClockRow, FrameRow, Gap, Status
from gameon_env.recording.session_writer import SessionWriter
from gameon_env.recording.video import VideoWriter
from gameon_env.recording.wav_writer import WavWriter
from tests.unit.recording.small_session import START_NS, end, info

FPS, SECONDS, SIZE = 10, 30, (48, 64)
RATE_HZ = 8_000
CONTROLS = ("key:a", "key:d", "key:space", "mouse:dx", "mouse:x", "mouse:y")
Event = tuple[float, str, float]
Shown = Literal["moving", "still", "black"]
Heard = Literal["tone", "nothing", "clipped", "none"]


def good_play(seconds: float = SECONDS) -> list[Event]:
    """Left and right in turn, half a second each, space between; the mouse to both sides, the pointer everywhere."""
    events: list[Event] = []
    for i in range(int(seconds * 2)):
        t_s, key = i / 2, ("key:a", "key:d")[i % 2]
        events += [(t_s + 0.05, key, 1.0), (t_s + 0.35, key, 0.0)]
        events += [(t_s + 0.42, "key:space", 1.0), (t_s + 0.46, "key:space", 0.0)]
        events += [(t_s + 0.1, "mouse:dx", 12.0 * (-1) ** i), (t_s + 0.1, "mouse:x", float(i % 64))]
        events += [(t_s + 0.1, "mouse:y", float(i % 48))]
    return events


def judged(
    folder: Path,
    *,
    id: str = "ab12",
    game: str = "Dots",
    seconds: float = SECONDS,
    events: list[Event] | None = None,
    controls: tuple[str, ...] = CONTROLS,
    held: tuple[str, ...] = (),
    shown: Shown = "moving",
    heard: Heard = "tone",
    dropped: tuple[int, ...] = (),
    gaps: tuple[Gap, ...] = (),
    lost_sound_s: float = 0.0,
    status: Status = "completed",
    finish: bool = True,
    details: dict[str, object] | None = None,
    **ending: Any,
) -> Path:
    """A session of ``seconds``. ``dropped``: numbers of frames; ``lost_sound_s``: missing in the middle of the sound;
    ``ending``: changes to what is known at the end."""
    facts: dict[str, Any] = {"fps": float(FPS), "picture_size": SIZE, "pointer": (0.0, 0.0), "details": details or {}}
    writer = SessionWriter.create(folder, info(id=id, game=game, controls=controls, held=held, **facts))
    played = sorted(good_play(seconds) if events is None else events)
    writer.add_events([InputEvent(START_NS + round(t * 1e9), name, value) for t, name, value in played])
    number = 0
    with VideoWriter(folder / "video.mp4", SIZE) as video:
        for i in range(int(seconds * FPS)):
            t_ns = i * 1_000_000_000 // FPS
            if any(gap.stream == "all" and gap.start_ns <= t_ns < (gap.end_ns or 1 << 62) for gap in gaps):
                continue
            if i in dropped:
                writer.add_frames([FrameRow(t_ns, None, "dropped")])
                continue
            video.write(picture(shown, i), t_ns)
            writer.add_frames([FrameRow(t_ns, number)])
            number += 1
    for gap in gaps:
        writer.add_gap(gap)
    if heard != "none":
        _sound(folder, writer, heard, seconds, lost_sound_s)
    if finish:
        ended = {"duration_ns": round(seconds * 1e9), "ended_at": f"2026-03-01T12:00:{seconds:09.6f}Z"}
        writer.finish(end(**(ended | ending)), status)
    else:
        writer.commit()
        writer.close()
    return folder


def picture(shown: Shown, i: int) -> np.ndarray:
    """``(48, 64, 4) uint8``: a bright block that moves over grey, one that does not, or nothing."""
    pixels = np.full((*SIZE, 4), 0 if shown == "black" else 90, np.uint8)
    if shown != "black":
        left = (i * 5) % 48 if shown == "moving" else 20
        pixels[16:32, left : left + 16] = 230
    return pixels


def _sound(folder: Path, writer: SessionWriter, heard: Heard, seconds: float, lost_s: float) -> None:
    size = {"tone": 0.2, "nothing": 0.0, "clipped": 3.0}[heard]
    block = RATE_HZ // 10
    rows, sample = [], 0
    with WavWriter(folder / "system_audio.wav", RATE_HZ, 1) as sound:
        for i in range(int(seconds * 10)):
            t_s = i / 10
            if lost_s and seconds / 2 <= t_s < seconds / 2 + lost_s:
                continue
            wave = size * np.sin(2 * np.pi * 440 * (t_s + np.arange(block) / RATE_HZ))
            sound.write((np.clip(wave, -1, 1) * 32767).astype(np.int16)[:, None])
            rows.append(AudioClockRow("system_audio", sample, round(t_s * 1e9)))
            sample += block
    writer.add_audio_clock(rows)
