"""The one thread of a recording that writes the database: input, rows of frames and sound, gaps, health."""

from __future__ import annotations

import errno
import shutil
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, TypeVar

import psutil

from gameon_env.clock import now_ns
from gameon_env.errors import CaptureError, DisplayError, InputError, SessionError, StorageError, WindowError
from gameon_env.events import InputEvent
from gameon_env.recording.attention import Attention, Turn
from gameon_env.recording.frame_pump import FramePump
from gameon_env.recording.input_log import InputLog
from gameon_env.recording.model import AudioClockRow, Gap, Health, Stream
from gameon_env.recording.session_writer import SessionWriter

TICK_S = 1 / 30
"""How often the pointer's place is noted; other events have their own times."""
COMMIT_NS = 200_000_000
"""What was heard is on the disk within a quarter of a second."""

LEAST_FREE_MB = 24.0
"""A recording ends by itself where less is free, so that it can be finished properly."""

SETTLE_NS = 20_000_000
"""Events of slower sources (gamepads) may arrive so long after they happened."""

CLOCK_STEP_S = 0.1

GAME_GONE = (CaptureError, DisplayError, InputError, WindowError)
"""What parts say whose game or display went away: an end like another."""

Row = TypeVar("Row")


class Track(Protocol):
    """What the loop needs of a sound track."""

    stream: Stream

    @property
    def level(self) -> float: ...

    def pause(self, t_ns: int | None = None) -> None: ...

    def resume(self, t_ns: int | None = None) -> None: ...

    def check(self) -> None: ...

    def close(self) -> None: ...


@dataclass(frozen=True)
class Parts:
    """What a recording consists of while it runs."""

    folder: Path
    start_ns: int
    writer: SessionWriter
    pump: FramePump
    log: InputLog
    attention: Attention
    tracks: Sequence[Track]
    clock_rows: deque[AudioClockRow]
    gaps: deque[Gap]
    follow_window: Callable[[], object]
    why_gone: Callable[[str], str]


class RecorderLoop:
    """Runs in a thread of its own from :meth:`start` until something ends the recording, and then calls ``finish``.

    Args:
        parts: the running parts.
        duration_s: the longest it may last; None for no limit.
        finish: called once in this thread, with the reason.
    """

    def __init__(self, parts: Parts, duration_s: float | None, finish: Callable[[str], None]) -> None:
        self._parts = parts
        self._limit_ns = None if duration_s is None else parts.start_ns + round(duration_s * 1e9)
        self._finish = finish
        self._asked: str | None = None
        self._wake = threading.Event()
        self._gap: int | None = None
        self._process = psutil.Process()
        self._wall_offset_s = _wall_offset_s()
        self.health: Health | None = None
        self.error: BaseException | None = None
        self.injected = self.by_hand = 0
        self.thread = threading.Thread(target=self._run, name="gameon-record", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._process.cpu_percent()
        if not self._parts.attention.recording:  # the game does not have the focus yet
            self._turn(Turn(self._parts.start_ns, False, "focus"))
        self.thread.start()

    def stop(self, reason: str) -> None:
        """Ask it to end; the first reason counts."""
        self._asked = self._asked or reason
        self._wake.set()

    def _run(self) -> None:
        reason = "an error of the recorder"
        try:
            reason = self._record()
        except BaseException as error:  # noqa: BLE001 - handed on: the recorder's stop() raises it
            self.error = error
        finally:
            self._finish(reason)

    def _record(self) -> str:
        next_commit_ns = next_look_ns = 0
        try:
            while True:
                self._wake.wait(TICK_S)
                now = now_ns()
                self._write_events(now)
                if now >= next_commit_ns:
                    next_commit_ns = now + COMMIT_NS
                    self.commit()
                if now >= next_look_ns:
                    next_look_ns = now + 1_000_000_000
                    self._look_after(now)
                reason = self._why_end(now)
                if reason:
                    return reason
        except StorageError as error:
            return _disk(error)
        except GAME_GONE as error:
            return self._parts.why_gone(str(error))

    def _why_end(self, now: int) -> str:
        if self._asked:
            return self._asked
        if self._limit_ns is not None and now >= self._limit_ns:
            return "duration"
        if self.health is not None and self.health.disk_free_mb < LEAST_FREE_MB:
            return f"disk full: {self.health.disk_free_mb:.0f} MB are left on the disk of {self._parts.folder}"
        error = self._parts.pump.error
        if isinstance(error, StorageError):
            return _disk(error)
        if isinstance(error, GAME_GONE):
            return self._parts.why_gone(str(error))
        if error is not None:
            raise error
        return ""

    def _write_events(self, now: int) -> None:
        parts = self._parts
        parts.follow_window()
        turns = parts.attention.turns()
        parts.log.hear()  # afterwards: what happened before a turn is heard when the turn is made
        for turn in turns:
            self._turn(turn)
        until_ns = parts.attention.known_until(now - SETTLE_NS)
        if self._gap is None:
            self._store(parts.log.take(until_ns))
        else:
            parts.log.skip(until_ns)

    def _turn(self, turn: Turn) -> None:
        parts = self._parts
        if turn.recording == (self._gap is None):
            return
        if turn.recording:
            self._close_gap(turn.t_ns)
            self._store(parts.log.catch_up(turn.t_ns))
            for track in parts.tracks:
                track.resume(turn.t_ns)
            parts.pump.refresh()
        else:
            self._store(parts.log.take(turn.t_ns))
            gap = Gap(turn.t_ns - parts.start_ns, None, "all", turn.reason)
            self._gap = parts.writer.add_gap(gap)  # at once: a kill must not hide that nothing was recorded
            for track in parts.tracks:
                track.pause(turn.t_ns)

    def _close_gap(self, end_ns: int) -> None:
        gap, self._gap = self._gap, None
        if gap is not None:
            self._parts.writer.end_gap(gap, end_ns - self._parts.start_ns)

    def _store(self, events: Sequence[InputEvent]) -> None:
        injected = sum(event.injected for event in events)
        self.injected += injected
        self.by_hand += len(events) - injected
        self._parts.writer.add_events(events)

    def commit(self) -> None:
        """Bring all that is known so far to the disk."""
        parts = self._parts
        parts.writer.add_frames(parts.pump.take_rows())
        parts.writer.add_audio_clock(_taken(parts.clock_rows))
        for gap in _taken(parts.gaps):
            parts.writer.add_gap(gap)
        try:
            parts.writer.commit()
        except SessionError:
            pass  # another program keeps the database locked: the rows wait, and finishing says so where it stays

    def flush(self, now: int) -> None:
        """The end: what was heard up to now, and a gap that is open."""
        self._write_events(now + SETTLE_NS)
        self._close_gap(now)

    def _look_after(self, now: int) -> None:
        parts = self._parts
        with self._process.oneshot():
            cpu, memory = self._process.cpu_percent(), self._process.memory_info().rss / 1e6
        free_mb = _free_mb(parts.folder)
        t_ns = now - parts.start_ns
        self.health = Health(
            t_ns, cpu, memory, free_mb, parts.pump.caught, parts.pump.dropped, parts.log.stored, parts.pump.waiting
        )
        parts.writer.add_health(self.health)
        for track in parts.tracks:
            track.check()
        offset_s = _wall_offset_s()
        if abs(offset_s - self._wall_offset_s) > CLOCK_STEP_S:
            step_s, self._wall_offset_s = offset_s - self._wall_offset_s, offset_s
            parts.writer.add_gap(Gap(t_ns, t_ns, "wall_clock", f"the wall clock was set by {step_s:+.3f} s"))


def _taken(rows: deque[Row]) -> list[Row]:
    return [rows.popleft() for _ in range(len(rows))]


def _free_mb(folder: Path) -> float:
    try:
        return shutil.disk_usage(folder).free / 1e6
    except OSError as error:
        raise StorageError(f"{folder}: the session's folder cannot be reached ({error})") from error


def _wall_offset_s() -> float:
    return time.time() - now_ns() * 1e-9


def _disk(error: StorageError) -> str:
    full = isinstance(error.__cause__, OSError) and error.__cause__.errno == errno.ENOSPC
    return f"disk full: {error}" if full or "is full" in str(error) else f"disk failed: {error}"
