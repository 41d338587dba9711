"""The tables of ``session.db``, and how the one row on the session itself is written and read."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Mapping
from pathlib import Path
from typing import cast, get_args

from gameon_env.errors import SessionError
from gameon_env.recording.database import Layout
from gameon_env.recording.model import SessionEnd, SessionInfo, Stream, Who

STREAMS: tuple[Stream, ...] = get_args(Stream)
"""A stream's number in ``audio_clock`` is its place here."""

SESSION_STEPS = (
    # Times are ns since the session's start. A value without a fraction takes 1 to 4 bytes in a REAL column, not 8
    # (https://sqlite.org/datatype3.html, storage of REAL): counts of a mouse, keys.
    """
    CREATE TABLE session (
        only_row INTEGER PRIMARY KEY CHECK (only_row = 1),
        id TEXT NOT NULL, game TEXT NOT NULL, started_at TEXT NOT NULL, start_ns INTEGER NOT NULL,
        mouse_scale_px REAL NOT NULL, wheel_scale REAL NOT NULL, fps REAL NOT NULL,
        picture_height INTEGER NOT NULL, picture_width INTEGER NOT NULL,
        picture_left INTEGER NOT NULL, picture_top INTEGER NOT NULL,
        codec TEXT NOT NULL, held TEXT NOT NULL, pointer_x REAL NOT NULL, pointer_y REAL NOT NULL,
        who TEXT NOT NULL, recorder TEXT NOT NULL, seed INTEGER, details TEXT NOT NULL,
        status TEXT NOT NULL, ended_at TEXT, duration_ns INTEGER, reason TEXT, missing TEXT, checksums TEXT,
        note TEXT NOT NULL
    );
    CREATE TABLE tags (name TEXT PRIMARY KEY) WITHOUT ROWID;
    CREATE TABLE controls (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, place INTEGER);
    CREATE TABLE input_events (
        number INTEGER PRIMARY KEY, t_ns INTEGER NOT NULL, control INTEGER NOT NULL REFERENCES controls (id),
        value REAL NOT NULL, injected INTEGER NOT NULL
    );
    CREATE TABLE frames (number INTEGER PRIMARY KEY, t_ns INTEGER NOT NULL, video_frame INTEGER, reason TEXT);
    CREATE TABLE streams (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE);
    INSERT INTO streams VALUES (0, 'system_audio'), (1, 'microphone_audio');
    CREATE TABLE audio_clock (
        number INTEGER PRIMARY KEY, stream INTEGER NOT NULL REFERENCES streams (id),
        sample INTEGER NOT NULL, t_ns INTEGER NOT NULL
    );
    CREATE TABLE gaps (
        number INTEGER PRIMARY KEY, start_ns INTEGER NOT NULL, end_ns INTEGER, stream TEXT NOT NULL,
        reason TEXT NOT NULL
    );
    CREATE TABLE health (
        t_ns INTEGER PRIMARY KEY, cpu_percent REAL NOT NULL, memory_mb REAL NOT NULL, disk_free_mb REAL NOT NULL,
        frames INTEGER NOT NULL, dropped INTEGER NOT NULL, events INTEGER NOT NULL, waiting INTEGER NOT NULL
    );
    CREATE VIEW input_events_named AS
        SELECT t_ns / 1e9 AS t_s, name AS control, value, injected
        FROM input_events JOIN controls ON controls.id = input_events.control ORDER BY t_ns, number;
    CREATE VIEW audio_clock_named AS
        SELECT name AS stream, sample, t_ns / 1e9 AS t_s
        FROM audio_clock JOIN streams ON streams.id = audio_clock.stream ORDER BY number;
    """,
)

SESSION_LAYOUT = Layout(
    what="session's database",
    application_id=0x474F5345,  # "GOSE"
    steps=SESSION_STEPS,
    damaged="Bring back what can be: gameon recover FOLDER",
)


_SAME = (
    "id",
    "game",
    "started_at",
    "start_ns",
    "mouse_scale_px",
    "wheel_scale",
    "fps",
    "codec",
    "who",
    "recorder",
    "seed",
)
"""Attributes of :class:`SessionInfo` that are columns as they are."""


def insert_info(connection: sqlite3.Connection, info: SessionInfo, note: str) -> None:
    """Write the session's row and the controls of its profile."""
    row: dict[str, object] = {name: getattr(info, name) for name in _SAME} | {
        "only_row": 1,
        "picture_height": info.picture_size[0],
        "picture_width": info.picture_size[1],
        "picture_left": info.picture_origin[0],
        "picture_top": info.picture_origin[1],
        "held": json.dumps(info.held),
        "pointer_x": info.pointer[0],
        "pointer_y": info.pointer[1],
        "details": json.dumps(dict(info.details)),
        "status": "recording",
        "note": note,
    }
    names = ", ".join(row)
    connection.execute(f"INSERT INTO session ({names}) VALUES ({', '.join('?' * len(row))})", list(row.values()))
    connection.executemany("INSERT INTO controls VALUES (?, ?, ?)", [(i, c, i) for i, c in enumerate(info.controls)])


def read_row(connection: sqlite3.Connection, path: Path) -> Mapping[str, object]:
    """The session's row, column -> value.

    Raises:
        SessionError: there is none.
    """
    cursor = connection.execute("SELECT * FROM session")
    values = cursor.fetchone()
    if values is None:
        raise SessionError(f"{path}: the recorder ended before it began; there is nothing in it. Delete the folder.")
    return dict(zip([column[0] for column in cursor.description], values, strict=True))


def info_of(connection: sqlite3.Connection, path: Path) -> SessionInfo:
    """What was known at the start.

    Raises:
        SessionError: there is no such row, or it is damaged.
    """
    row = read_row(connection, path)
    controls = connection.execute("SELECT name FROM controls WHERE place IS NOT NULL ORDER BY place").fetchall()
    get = row.__getitem__
    try:
        return SessionInfo(
            **{name: get(name) for name in _SAME},  # type: ignore[arg-type]  # the columns' types say what they are
            controls=tuple(name for (name,) in controls),
            picture_size=(get("picture_height"), get("picture_width")),  # type: ignore[arg-type]
            picture_origin=(get("picture_left"), get("picture_top")),  # type: ignore[arg-type]
            held=tuple(json.loads(str(get("held")))),
            pointer=(get("pointer_x"), get("pointer_y")),  # type: ignore[arg-type]
            details=json.loads(str(get("details"))),
        )
    except (json.JSONDecodeError, TypeError) as error:
        raise SessionError(f"{path}: the session's row is damaged ({error}). gameon recover FOLDER") from error


def end_of(connection: sqlite3.Connection, path: Path) -> SessionEnd | None:
    """What was known at the end; None for a session that has not ended, or was cut off."""
    row = read_row(connection, path)
    if row["ended_at"] is None:
        return None
    return SessionEnd(
        ended_at=str(row["ended_at"]),
        duration_ns=int(str(row["duration_ns"])),
        reason=str(row["reason"]),
        who=cast(Who, row["who"]),
        missing=tuple(json.loads(str(row["missing"]))),
        checksums=json.loads(str(row["checksums"])),
    )


def update_end(connection: sqlite3.Connection, end: SessionEnd, status: str) -> None:
    """Write how the session ended."""
    connection.execute(
        "UPDATE session SET status = ?, ended_at = ?, duration_ns = ?, reason = ?, who = ifnull(?, who), "
        "missing = ?, checksums = ?",
        (status, end.ended_at, end.duration_ns, end.reason, end.who)
        + (json.dumps(end.missing), json.dumps(dict(end.checksums))),
    )
