"""Writing a session's database while it is recorded."""

from __future__ import annotations

import os
import sqlite3
import threading
import time
from collections.abc import Iterable, Sequence
from dataclasses import astuple, dataclass, field, replace
from pathlib import Path

from gameon_env.errors import GameOnError, SessionError, StorageError
from gameon_env.events import InputEvent
from gameon_env.recording.database import BUSY_S, Mode, explained, open_database, use_write_ahead_log
from gameon_env.recording.folder_lock import FolderLock
from gameon_env.recording.model import (
    DATABASE_FILE,
    AudioClockRow,
    FrameRow,
    Gap,
    Health,
    SessionEnd,
    SessionInfo,
    Status,
)
from gameon_env.recording.session_schema import SESSION_LAYOUT, STREAMS, info_of, insert_info, update_end

RESERVE_FILE = "session.reserve"
RESERVE_BYTES = 4 << 20
"""Kept free for the end of a session on a full disk: what waits, and the write-ahead log's way into the database."""

CHECKPOINT_PAGES = 256
"""Pages of 4 KiB in the write-ahead log before SQLite moves them into the database: well below the reserve."""

DURABLE_EVERY_S = 1.0
"""How often the log is moved and waited for, so that it outlives a power cut. A kill loses only what waits here."""


@dataclass(slots=True)
class _Waiting:
    """Rows that the next commit writes, as the tables have them."""

    controls: list[tuple[int, str]] = field(default_factory=list)
    events: list[tuple[int, int, float, bool]] = field(default_factory=list)
    frames: list[tuple[int, int | None, str | None]] = field(default_factory=list)
    audio_clock: list[tuple[int, int, int]] = field(default_factory=list)
    gaps: dict[int, Gap] = field(default_factory=dict)
    health: list[Health] = field(default_factory=list)

    def then(self, later: _Waiting) -> _Waiting:
        """This, and after it what came since."""
        return _Waiting(
            self.controls + later.controls,
            self.events + later.events,
            self.frames + later.frames,
            self.audio_clock + later.audio_clock,
            self.gaps | later.gaps,
            self.health + later.health,
        )


class SessionWriter:
    """The one writer of a session in progress.

    ``add_...`` may be called from any thread and only put rows aside; one thread calls :meth:`commit`, about five times
    a second. What a failed commit could not write waits for the next one.
    """

    def __init__(self, folder: Path, lock: FolderLock, connection: sqlite3.Connection, info: SessionInfo) -> None:
        """Use :meth:`create` or :meth:`reopen`."""
        self.folder = folder
        self.path = folder / DATABASE_FILE
        self.info = info
        self._lock = lock
        self._connection = connection
        self._mutex = threading.Lock()
        self._waiting = _Waiting()
        self._durable_at = time.monotonic()
        ids = connection.execute("SELECT name, id FROM controls")
        self._ids: dict[str, int] = dict(ids.fetchall())
        gaps = connection.execute("SELECT number, start_ns, end_ns, stream, reason FROM gaps")
        self._gaps = {number: Gap(*row) for number, *row in gaps}

    @classmethod
    def create(
        cls, folder: Path, info: SessionInfo, *, tags: Iterable[str] = (), note: str = "", busy_s: float = BUSY_S
    ) -> SessionWriter:
        """Begin a session in ``folder``, which is made where it is not there.

        A program that reads it or changes its tags meanwhile may hold a commit up by ``busy_s`` at most.

        Raises:
            SessionError: there is a session in it already, or another recorder is at it.
            StorageError: no room, or the folder cannot be written.
        """
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise StorageError(f"{folder}: cannot be made ({error}). Name another with --data-dir.") from error
        lock = FolderLock(folder)
        path = folder / DATABASE_FILE
        try:
            if path.exists():
                raise SessionError(f"{folder}: there is a session in it already. Record into a new folder.")
            try:
                (folder / RESERVE_FILE).write_bytes(os.urandom(RESERVE_BYTES))  # zeros may take no room
            except OSError as error:
                raise StorageError(f"{folder}: there is no room for a session ({error}). Make room.") from error
            connection = _open_for_writing(path, "create", busy_s)
            with explained(path, SESSION_LAYOUT):
                connection.execute("BEGIN IMMEDIATE")
                insert_info(connection, info, note)
                connection.executemany("INSERT OR IGNORE INTO tags VALUES (?)", [(tag,) for tag in tags])
                connection.execute("COMMIT")
                connection.execute("PRAGMA wal_checkpoint(FULL)")
            return cls(folder, lock, connection, info)
        except BaseException:
            (folder / RESERVE_FILE).unlink(missing_ok=True)
            lock.release()
            raise

    @classmethod
    def reopen(cls, folder: Path, lock: FolderLock | None = None) -> SessionWriter:
        """Go on with a session that was cut off, to mend and finish it; ``lock`` where it is held already.

        Raises:
            SessionError: there is none, it is damaged, or its recorder is alive.
            StorageError: the folder cannot be written.
        """
        path = folder / DATABASE_FILE
        if not path.is_file():
            raise SessionError(f"{folder}: there is no session here.")
        lock = lock or FolderLock(folder)
        try:
            connection = _open_for_writing(path, "write", BUSY_S)
            with explained(path, SESSION_LAYOUT):
                return cls(folder, lock, connection, info_of(connection, path))
        except BaseException:
            lock.release()
            raise

    def add_events(self, events: Iterable[InputEvent]) -> None:
        """``event.t_ns`` is of :func:`gameon_env.clock.now_ns`; positions must be relative to the picture already."""
        start_ns = self.info.start_ns
        with self._mutex:
            ids, rows = self._ids, self._waiting.events
            for event in events:
                control = ids.get(event.control)
                if control is None:
                    control = ids[event.control] = len(ids)
                    self._waiting.controls.append((control, event.control))
                rows.append((event.t_ns - start_ns, control, event.value, event.injected))

    def add_frames(self, rows: Iterable[FrameRow]) -> None:
        with self._mutex:
            self._waiting.frames.extend((row.t_ns, row.video_frame, row.reason) for row in rows)

    def add_audio_clock(self, rows: Iterable[AudioClockRow]) -> None:
        with self._mutex:
            self._waiting.audio_clock.extend((STREAMS.index(row.stream), row.sample, row.t_ns) for row in rows)

    def add_gap(self, gap: Gap) -> int:
        """Returns its number, for :meth:`end_gap` where ``gap.end_ns`` is None."""
        with self._mutex:
            number = max(self._gaps, default=-1) + 1
            self._gaps[number] = self._waiting.gaps[number] = gap
        return number

    def end_gap(self, number: int, end_ns: int) -> None:
        """The gap of this number is over, ``end_ns`` after the session's start."""
        with self._mutex:
            self._gaps[number] = self._waiting.gaps[number] = replace(self._gaps[number], end_ns=end_ns)

    @property
    def open_gaps(self) -> dict[int, Gap]:
        """Those that have no end yet, by number."""
        with self._mutex:
            return {number: gap for number, gap in self._gaps.items() if gap.end_ns is None}

    def add_health(self, health: Health) -> None:
        with self._mutex:
            self._waiting.health.append(health)

    def commit(self) -> None:
        """Write what waits. A process that dies after it has lost nothing of that.

        Raises:
            StorageError: the disk is full, or failed; the database holds all up to the last commit, and the rows wait.
            SessionError: another program keeps the database locked; the rows wait.
        """
        with self._mutex:
            batch, self._waiting = self._waiting, _Waiting()
        try:
            self._write(batch)
        except GameOnError:
            with self._mutex:
                self._waiting = batch.then(self._waiting)
            raise
        if time.monotonic() - self._durable_at > DURABLE_EVERY_S:
            self._make_durable()  # apart: where this fails the rows are committed, and must not wait to be so again

    def lose_frames(self, kept: int, reason: str = "lost") -> int:
        """Say of all frames from video frame ``kept`` on that the video does not hold them. Returns how many."""
        with explained(self.path, SESSION_LAYOUT):
            return self._connection.execute(
                "UPDATE frames SET video_frame = NULL, reason = ? WHERE video_frame >= ?", (reason, kept)
            ).rowcount

    def finish(self, end: SessionEnd, status: Status = "completed") -> None:
        """Write what waits and how it ended, and close: one file is left, which can be read where nothing is writable.
        (Where somebody reads it at this moment, empty files of SQLite stay beside it until it is next written to.)

        Raises:
            StorageError, SessionError: as :meth:`commit`; call it again when that is mended.
        """
        (self.folder / RESERVE_FILE).unlink(missing_ok=True)
        self.commit()
        with explained(self.path, SESSION_LAYOUT):
            update_end(self._connection, end, status)
            self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            try:
                self._connection.execute("PRAGMA journal_mode = DELETE")
            except sqlite3.OperationalError:
                pass  # somebody reads it at this moment
        self.close()

    def close(self) -> None:
        """Let go. Without :meth:`finish` before it the session stays one in progress, to be recovered."""
        self._connection.close()
        (self.folder / RESERVE_FILE).unlink(missing_ok=True)
        self._lock.release()

    def _write(self, batch: _Waiting) -> None:
        connection = self._connection
        with explained(self.path, SESSION_LAYOUT):
            try:
                connection.execute("BEGIN IMMEDIATE")
                for sql, rows in _statements(batch):
                    if rows:
                        connection.executemany(sql, rows)
                connection.execute("COMMIT")
            except sqlite3.Error:
                if connection.in_transaction:
                    connection.execute("ROLLBACK")
                raise

    def _make_durable(self) -> None:
        with explained(self.path, SESSION_LAYOUT):
            self._connection.execute("PRAGMA wal_checkpoint(PASSIVE)")
        self._durable_at = time.monotonic()


def _statements(batch: _Waiting) -> Sequence[tuple[str, Sequence[Sequence[object]]]]:
    return (
        ("INSERT INTO controls (id, name) VALUES (?, ?)", batch.controls),
        ("INSERT INTO input_events (t_ns, control, value, injected) VALUES (?, ?, ?, ?)", batch.events),
        ("INSERT INTO frames (t_ns, video_frame, reason) VALUES (?, ?, ?)", batch.frames),
        ("INSERT INTO audio_clock (stream, sample, t_ns) VALUES (?, ?, ?)", batch.audio_clock),
        (
            "INSERT OR REPLACE INTO gaps VALUES (?, ?, ?, ?, ?)",
            [(number, gap.start_ns, gap.end_ns, gap.stream, gap.reason) for number, gap in batch.gaps.items()],
        ),
        ("INSERT OR REPLACE INTO health VALUES (?, ?, ?, ?, ?, ?, ?, ?)", [astuple(row) for row in batch.health]),
    )


def _open_for_writing(path: Path, mode: Mode, busy_s: float) -> sqlite3.Connection:
    connection = open_database(path, SESSION_LAYOUT, mode, busy_s=busy_s)
    with explained(path, SESSION_LAYOUT):
        use_write_ahead_log(connection, busy_s=busy_s)
        connection.execute(f"PRAGMA wal_autocheckpoint = {CHECKPOINT_PAGES}")
    return connection


def edit_labels(folder: Path, *, add: Iterable[str] = (), remove: Iterable[str] = (), note: str | None = None) -> None:
    """Change the tags and the note of a session, one in progress too.

    Raises:
        SessionError, StorageError: as :func:`gameon_env.recording.database.open_database`.
    """
    path = folder / DATABASE_FILE
    connection = open_database(path, SESSION_LAYOUT, "write")
    try:
        with explained(path, SESSION_LAYOUT):
            connection.execute("BEGIN IMMEDIATE")
            connection.executemany("INSERT OR IGNORE INTO tags VALUES (?)", [(tag,) for tag in add])
            connection.executemany("DELETE FROM tags WHERE name = ?", [(tag,) for tag in remove])
            if note is not None:
                connection.execute("UPDATE session SET note = ?", (note,))
            connection.execute("COMMIT")
    finally:
        connection.close()
