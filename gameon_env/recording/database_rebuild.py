"""A new database for a session whose own is damaged or lost: from the rows that can be read, and from its media."""

from __future__ import annotations

import json
import math
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
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

Row = dict[str, Any]


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
        tables = {table: list(_fitting(connection, table, found)) for table in _SMALL}
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
        _insert(connection, "tags", _unique(tables["tags"] or [{"name": tag} for tag in tags]))
        controls = {number for (number,) in connection.execute("SELECT id FROM controls")}
        _insert(connection, "input_events", _events(_fitting(connection, "input_events", found), controls))
        _insert(connection, "frames", _frames(_fitting(connection, "frames", found), media.times_ns))
        _insert(connection, "audio_clock", _audio_clock(tables["audio_clock"], media))
        _insert(connection, "gaps", (row for row in tables["gaps"] if _is_span(row["start_ns"], row["end_ns"])))
        _insert(connection, "health", (row for row in tables["health"] if _is_time(row["t_ns"])))
        connection.execute("COMMIT")
    try:
        for suffix in ("-wal", "-shm"):  # they belong to the damaged one
            path.with_name(path.name + suffix).unlink(missing_ok=True)
        new.replace(path)
    except OSError as error:
        raise StorageError(f"{path} could not be written: {error.strerror or error}.") from error


_NO_END = dict.fromkeys(("ended_at", "duration_ns", "reason", "missing", "checksums"))


_SMALL = ("session", "tags", "controls", "audio_clock", "gaps", "health")


def _fitting(connection: sqlite3.Connection, table: str, found: Salvaged) -> Iterator[Row]:
    """The rows whose values are of the kinds that their columns hold, without other columns."""
    columns = connection.execute(f"PRAGMA table_info({table})").fetchall()
    kinds = {name: (_TYPES[kind], bool(needed or key)) for _, name, kind, needed, _, key in columns}
    for row in found.rows(table):
        if set(row.keys()) >= kinds.keys():
            values = {name: row[name] for name in kinds}
            if all(
                isinstance(values[n], kind) or (values[n] is None and not need) for n, (kind, need) in kinds.items()
            ):
                yield values


def _insert(connection: sqlite3.Connection, table: str, rows: Iterable[Row]) -> None:
    for row in rows:
        sql = f"INSERT OR IGNORE INTO {table} ({', '.join(row)}) VALUES ({', '.join('?' * len(row))})"
        connection.execute(sql, tuple(row.values()))


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


def _unique(rows: Iterable[Row]) -> list[Row]:
    return list({row["name"]: row for row in rows}.values())


def _is_time(t_ns: int | None) -> bool:
    return t_ns is not None and 0 <= t_ns < LONGEST_NS


def _is_span(start_ns: int, end_ns: int | None) -> bool:
    return _is_time(start_ns) and (end_ns is None or (start_ns <= end_ns < LONGEST_NS))


def _events(rows: Iterable[Row], controls: set[int]) -> Iterator[Row]:
    for row in rows:
        if _is_time(row["t_ns"]) and row["control"] in controls and math.isfinite(row["value"]):
            yield row


def _frames(rows: Iterable[Row], times_ns: npt.NDArray[np.int64]) -> Iterator[Row]:
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
    for t_ns in sorted(stored.keys() | outside.keys()):
        yield {"t_ns": t_ns, "video_frame": stored.get(t_ns), "reason": None if t_ns in stored else outside[t_ns]}


def _audio_clock(rows: list[Row], media: Media) -> Iterator[Row]:
    """Those that run forward within what the files hold."""
    for number, stream in enumerate(STREAMS):
        sound, last = media.sounds.get(stream), (0, -1)
        if sound is None:
            continue
        for row in sorted(rows, key=lambda row: int(row["number"])):
            place = row["sample"], row["t_ns"]
            if row["stream"] == number and last[0] <= place[0] <= sound.frames and last[1] < place[1] < LONGEST_NS:
                last = place
                yield row
