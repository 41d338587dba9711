"""What a session's database holds, as data: one frozen dataclass per table."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

Status = Literal["recording", "completed", "recovered"]
Who = Literal["human", "agent", "mixed", "unknown"]
Stream = Literal["system_audio", "microphone_audio"]

VIDEO_FILE = "video.mp4"
DATABASE_FILE = "session.db"
AUDIO_FILES: dict[Stream, str] = {
    "system_audio": "system_audio.wav",
    "microphone_audio": "microphone_audio.wav",
}


@dataclass(frozen=True, slots=True)
class SessionInfo:
    """What is known of a session when it starts.

    Attributes:
        id: unique, hexadecimal; the same wherever the folder goes.
        game: the game's name as its person says it, any characters.
        started_at: wall clock at the start, ISO 8601 UTC with microseconds.
        start_ns: the start on :func:`gameon_env.clock.now_ns`; all times in the database are relative to it.
        controls: the control names of the profile, in its order; empty where the profile has none.
        mouse_scale_px: counts of motion in one step that are 1.0 on ``mouse:dx`` and ``mouse:dy``.
        wheel_scale: notches in one step that are 1.0 on ``mouse:wheel``.
        fps: the rate that the profile plays at, steps a second.
        picture_size: ``(height, width)`` of the recorded picture in pixels.
        picture_origin: ``(left, top)`` of the picture on the display at the start: ``mouse:x`` and ``mouse:y`` events
            are stored relative to the picture's corner.
        codec: of the video: ``h264``, ``hevc``, ``av1``.
        held: what was held at the start, canonical names.
        pointer: ``(x, y)`` in the picture at the start, in pixels.
        who: who played.
        recorder: name and version of the program that recorded.
        seed: of the game, where it takes one.
        details: anything else that is worth keeping, JSON-safe: the profile, the machine, the sync error measured by
            calibration.
    """

    id: str
    game: str
    started_at: str
    start_ns: int
    controls: tuple[str, ...]
    mouse_scale_px: float
    wheel_scale: float
    fps: float
    picture_size: tuple[int, int]
    picture_origin: tuple[int, int]
    codec: str
    held: tuple[str, ...] = ()
    pointer: tuple[float, float] = (0.0, 0.0)
    who: Who = "unknown"
    recorder: str = ""
    seed: int | None = None
    details: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class SessionEnd:
    """What is known of a session when it ends.

    Attributes:
        ended_at: wall clock at the end, ISO 8601 UTC.
        duration_ns: from start to end on the monotonic clock.
        reason: ``stopped``, ``game ended``, ``duration``, ``signal``, ``disk full``, ``display lost``, ``killed`` ...
        missing: what is missing, in words; empty for a whole session.
        checksums: file name -> SHA-256 in hex, for ``verify``.
        who: who played, by where the input came from; None leaves what the start said.
    """

    ended_at: str
    duration_ns: int
    reason: str
    missing: tuple[str, ...] = ()
    checksums: Mapping[str, str] = field(default_factory=dict)
    who: Who | None = None


@dataclass(frozen=True, slots=True)
class FrameRow:
    """One frame that the game showed: ``t_ns`` since the session's start, and its number in the video (from 0), or
    None and why it is not there: ``dropped`` (too late to be caught or encoded), ``lost`` (not on the disk
    after a kill)."""

    t_ns: int
    video_frame: int | None
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class Gap:
    """A span in which ``stream`` (``all``, ``video``, ``input``, ``system_audio``, ``microphone_audio``) was not
    recorded, and why: ``paused``, ``focus``, ``device lost``, ``redacted``, ``killed`` ... ``end_ns`` None: to the
    end of the session."""

    start_ns: int
    end_ns: int | None
    stream: str
    reason: str


@dataclass(frozen=True, slots=True)
class AudioClockRow:
    """Sample ``sample`` of the stream's WAV file (its first is 0) was heard at ``t_ns`` since the session's start.

    One row per block that was written. A jump of ``t_ns`` against the samples is a gap in the file."""

    stream: Stream
    sample: int
    t_ns: int


@dataclass(frozen=True, slots=True)
class Health:
    """One second of the recorder: CPU of its own process in percent of one core, its resident memory, free disk,
    frames, drops and events so far, and frames that wait for the encoder."""

    t_ns: int
    cpu_percent: float
    memory_mb: float
    disk_free_mb: float
    frames: int
    dropped: int
    events: int
    waiting: int
