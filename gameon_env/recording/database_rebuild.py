"""A new database for a session whose own is damaged or lost: from the rows that can be read, and from its media."""

from __future__ import annotations

import json
import math
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from gameon_env.errors import StorageError
from gameon_env.recording.database import explained, open_database
from gameon_env.recording.database_salvage import Salvaged
from gameon_env.recording.media_recovery import Media
from gameon_env.recording.model import DATABASE_FILE, SessionInfo
from gameon_env.recording.session_completion import LONGEST_NS
from gameon_env.recording.session_schema import SESSION_LAYOUT, STREAMS, insert_info

_TYPES: dict[str, tuple[type, ...]] = {"INTEGER": (int,), "REAL": (int, float), "TEXT": (str,)}

Rows = list[dict[str, Any]]


def rebuild(folder: Path, found: Salvaged, media: Media, info: SessionInfo, *, tags: Sequence[str], note: str) -> None:
    """Put a new database in the place of the session's, whose original is kept elsewhere; it is not finished.

    Args:
        folder: the session's.
        found: rows of the damaged database; those that contradict each other or the media are left out.
        media: video and sound, already whole.
        info: stands in where the session's own row is lost, as ``tags`` and ``note`` do.

    Raises:
        StorageError: it cannot be written.
    """
    path = folder / DATABASE_FILE
    new = path.with_name(f".{path.name}.new")
    new.unlink(missing_ok=True)
    with closing(open_database(new, SESSION_LAYOUT, "create")) as connection, explained(new, SESSION_LAYOUT):
        tables = {table: _fitting(connection, table, rows) for table, rows in found.tables.items()}
        connection.execute("BEGIN IMMEDIATE")
        if tables["session"] and _is_session(tables["session"][0]):
            row = tables["session"][0] | {"status": "recording"}
            _insert(connection, "session", [row if _has_end(row) else row | _NO_END])
            _insert(connection, "controls", _unique(tables["controls"]))
        else:
            insert_info(connection, info, note)
            if tables["controls"]:
                connection.execute("DELETE FROM controls")
                _insert(connection, "controls", _unique(tables["controls"]))
        known = tables["tags"] or [{"name": tag} for tag in tags]
        _insert(connection, "tags", list({row["name"]: row for row in known}.values()))
        controls = {number for (number,) in connection.execute("SELECT id FROM controls")}
        _insert(connection, "input_events", _events(tables["input_events"], controls))
        _insert(connection, "frames", _frames(tables["frames"], media.times_ns))
        _insert(connection, "audio_clock", _audio_clock(tables["audio_clock"], media))
        _insert(connection, "gaps", [row for row in tables["gaps"] if _is_span(row["start_ns"], row["end_ns"])])
        _insert(connection, "health", [row for row in tables["health"] if _is_time(row["t_ns"])])
        connection.execute("COMMIT")
    try:
        for suffix in ("-wal", "-shm"):  # they belong to the damaged one
            path.with_name(path.name + suffix).unlink(missing_ok=True)
        new.replace(path)
    except OSError as error:
        raise StorageError(f"{path} could not be written: {error.strerror or error}.") from error


_NO_END = dict.fromkeys(("ended_at", "duration_ns", "reason", "missing", "checksums"))


def _fitting(connection: sqlite3.Connection, table: str, rows: Rows) -> Rows:
    """The rows whose values are of the kinds that their columns hold, without other columns."""
    columns = connection.execute(f"PRAGMA table_info({table})").fetchall()
    kinds = {name: (_TYPES[kind], bool(needed or key)) for _, name, kind, needed, _, key in columns}
    return [
        {name: row[name] for name in kinds}
        for row in rows
        if row.keys() >= kinds.keys()
        and all((row[n] is None and not needed) or isinstance(row[n], kind) for n, (kind, needed) in kinds.items())
    ]


def _insert(connection: sqlite3.Connection, table: str, rows: Rows) -> None:
    if rows:
        names = list(rows[0])
        marks = ", ".join("?" * len(names))
        sql = f"INSERT INTO {table} ({', '.join(names)}) VALUES ({marks})"
        connection.executemany(sql, ([row[name] for name in names] for row in rows))


def _is_session(row: dict[str, Any]) -> bool:
    return isinstance(_parsed(row["held"]), list) and isinstance(_parsed(row["details"]), dict)


def _has_end(row: dict[str, Any]) -> bool:
    ended = isinstance(_parsed(row["missing"]), list) and isinstance(_parsed(row["checksums"]), dict)
    return ended and row["ended_at"] is not None and row["reason"] is not None and _is_time(row["duration_ns"])


def _parsed(text: str | None) -> object:
    try:
        return json.loads(text or "null")
    except ValueError:
        return None


def _unique(rows: Rows) -> Rows:
    return list({row["name"]: row for row in rows}.values())


def _is_time(t_ns: int | None) -> bool:
    return t_ns is not None and 0 <= t_ns < LONGEST_NS


def _is_span(start_ns: int, end_ns: int | None) -> bool:
    return _is_time(start_ns) and (end_ns is None or (start_ns <= end_ns < LONGEST_NS))


def _events(rows: Rows, controls: set[int]) -> Rows:
    return [row for row in rows if _is_time(row["t_ns"]) and row["control"] in controls and math.isfinite(row["value"])]


def _frames(rows: Rows, times_ns: npt.NDArray[np.int64]) -> Rows:
    """One row for each frame of the video, at its row's time where that is right, else at the video's."""
    exact: dict[int, int] = {}
    outside: dict[int, str] = {}
    for row in rows:
        t_ns, number = row["t_ns"], row["video_frame"]
        if not _is_time(t_ns):
            continue
        if number is None or number >= len(times_ns):
            outside[t_ns] = (number is None and row["reason"]) or "lost"
        elif number >= 0 and abs(t_ns - int(times_ns[number])) < 1000:
            exact[number] = t_ns
    stored = {exact.get(number, t_ns): number for number, t_ns in enumerate(times_ns.tolist())}
    if len(stored) < len(times_ns):
        stored = {t_ns: number for number, t_ns in enumerate(times_ns.tolist())}
    return [
        {"t_ns": t_ns, "video_frame": stored.get(t_ns), "reason": None if t_ns in stored else outside[t_ns]}
        for t_ns in sorted(stored.keys() | outside.keys())
    ]


def _audio_clock(rows: Rows, media: Media) -> Rows:
    """Those that run forward within what the files hold."""
    kept: Rows = []
    for number, stream in enumerate(STREAMS):
        sound = media.sounds.get(stream)
        last = {"sample": 0, "t_ns": -1}
        for row in rows:
            if row["stream"] != number or sound is None or row["sample"] > sound.frames or not _is_time(row["t_ns"]):
                continue
            if row["sample"] >= last["sample"] and row["t_ns"] > last["t_ns"]:
                kept.append(row)
                last = row
    return kept
