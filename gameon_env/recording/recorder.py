"""The free-running recorder: what a game shows and sounds like and what its player does, each with its own time."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from gameon_env.clock import now_ns
from gameon_env.errors import GameOnError
from gameon_env.games.profile import Profile, load_profile, profile_paths
from gameon_env.recording.model import AUDIO_FILES, DATABASE_FILE, VIDEO_FILE, Health
from gameon_env.recording.open_recording import OpenRecording
from gameon_env.recording.recorder_options import RecorderOptions

FILES = (VIDEO_FILE, *AUDIO_FILES.values(), DATABASE_FILE, f"{DATABASE_FILE}-wal")
"""What grows with a session."""


@dataclass(frozen=True, slots=True)
class RecorderStatus:
    """How a recording is doing.

    Attributes:
        seconds: since its start.
        frames: pictures of the game so far, dropped ones included.
        dropped: pictures that could not be written in time.
        events: stored so far.
        levels_db: loudness of each sound track now, in dB of full scale.
        disk_free_mb: room that is left.
        mb_per_hour: at the rate so far.
        paused: ``""``, ``paused`` (by key) or ``focus`` (another window has the keyboard).
    """

    seconds: float
    frames: int
    dropped: int
    events: int
    levels_db: dict[str, float]
    disk_free_mb: float
    mb_per_hour: float
    paused: str


class SessionRecorder:
    """Records one session: video with every picture's own time, input, and sound, on one clock.

    ::

        with SessionRecorder("doom", display="private", duration_s=60) as recorder:
            recorder.wait()
        print(recorder.folder, recorder.end_reason)

    It ends by :meth:`stop`, the stop key, ``duration_s``, the game's end, a lost display or a full disk: each time
    with a complete session. Killed, it leaves what ``gameon recover`` completes.

    Args:
        game: a profile's name or file; or any name, together with ``attach``, for a game that is on the screen.
        display: ``current``, ``private`` or ``:N``.
        data_dir: where ``gameon.db`` and ``sessions/`` lie; ``./data`` without it.
        title: the game's name in the catalogue; the profile's name without it.
        attach: where on the screen the game is, in place of launching it.
        fps: the most pictures a second that are kept.
        codec: ``h264``, ``hevc`` or ``av1``.
        quality: the codec's constant rate factor (lower is better and larger); its default without it.
        system_audio: what the game sounds like: True, False, or a device's name.
        microphone: False unless asked for: True (the default one) or a device's name.
        gamepads: record gamepads.
        all_keys: store every key, not only those that the profile names.
        only_focused: record only while the game's window has the keyboard (a private display is all the game's).
        pause_key, stop_key: hotkeys, never stored themselves; None for none.
        duration_s: end after so long.
        seed: for a game that is launched and takes one.
    """

    def __init__(self, game: str | Path = "desktop", **choices: Any) -> None:
        self.options = RecorderOptions(**choices)
        self.options.check()
        self.profile = _profile(game, self.options)
        self.title = self.options.title or (self.profile.name if self.profile.name != "desktop" else str(game))
        for key in (self.options.pause_key, self.options.stop_key):
            if key is not None and key in self.profile.controls.index:
                raise GameOnError(f"{key} is a control of {self.profile.name}: choose another hotkey")
        self._recording: OpenRecording | None = None

    @property
    def folder(self) -> Path:
        """The session's folder. Raises ``GameOnError`` before :meth:`start`, as all below."""
        return self._opened.folder

    @property
    def end_reason(self) -> str:
        """Why it ended; empty while it runs."""
        return self._opened.end_reason

    @property
    def notices(self) -> list[str]:
        """For the person: earlier sessions that are completed now, whose focus counts, and what cannot be recorded."""
        past = [f"{one.folder.name}, an earlier session: {one.outcome}, {one.note}" for one in self._opened.recovered]
        return [*past, *self._opened.advice, *self._opened.notices]

    @property
    def running(self) -> bool:
        """Whether it records now."""
        return self._recording is not None and not self._recording.ended.is_set()

    @property
    def status(self) -> RecorderStatus:
        """How it is doing."""
        parts, loop = self._opened.parts, self._opened.loop
        health = loop.health or Health(0, 0, 0, 0, 0, 0, 0, 0)
        seconds = ((self._opened.ended_ns or now_ns()) - parts.start_ns) * 1e-9
        megabytes = sum(_size(parts.folder / name) for name in FILES) / 1e6
        attention = parts.attention
        return RecorderStatus(
            seconds,
            parts.pump.caught,
            parts.pump.dropped,
            parts.log.stored,
            {track.stream: track.level for track in parts.tracks},
            health.disk_free_mb,
            megabytes * 3600 / max(seconds, 1.0),
            "" if attention.recording else "paused" if attention.paused else "focus",
        )

    def start(self) -> Path:
        """Launch or find the game, and begin. Returns the session's folder.

        Raises:
            GameOnError: something is missing; the message names the remedy, and nothing is left behind.
        """
        if self._recording is not None:
            raise GameOnError("a recorder records once: make another one")
        self._recording = OpenRecording(self.profile, self.title, self.options)
        return self._recording.folder

    def pause(self) -> None:
        """Record nothing until :meth:`resume`; the gap is stated in the session."""
        self._opened.parts.attention.pause(True)

    def resume(self) -> None:
        """Go on after :meth:`pause`."""
        self._opened.parts.attention.pause(False)

    def stop(self, reason: str = "stopped") -> Path:
        """End it and wait until the session is complete. Returns its folder; more calls do nothing.

        Raises:
            GameOnError: the session could not be completed; ``gameon recover`` can.
        """
        return self._opened.stop(reason)

    def wait(self, timeout_s: float | None = None) -> bool:
        """Wait until something ends it. Returns whether it has ended."""
        return self._opened.ended.wait(timeout_s)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def _opened(self) -> OpenRecording:
        if self._recording is None:
            raise GameOnError("the recorder has not been started: call start()")
        return self._recording


def _size(file: Path) -> int:
    try:
        return file.stat().st_size
    except OSError:  # not recorded, or deleted by hand
        return 0


def _profile(game: str | Path, options: RecorderOptions) -> Profile:
    """The profile of that name; for another name, a game that is on the screen."""
    if options.attach is not None and str(game) not in profile_paths() and not str(game).endswith(".toml"):
        return load_profile("desktop")
    return load_profile(game)
