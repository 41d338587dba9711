"""A session's database with spans of time left out.

It is a new file, into which only what stays is written: nothing of the rest can be in it, in no free page, no row
number, no list of keys in the order of their first use.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from gameon_env.data_processing.step_table import LASTING_AXES
from gameon_env.keys import BUTTONS
from gameon_env.recording.database import explained, open_database
from gameon_env.recording.model import AudioClockRow, SessionEnd, SessionInfo, Status
from gameon_env.recording.session import EventTable, Session
from gameon_env.recording.session_schema import SESSION_LAYOUT, STREAMS, update_end

Span = tuple[int, int]

_REWRITTEN = frozenset({"controls", "input_events", "frames", "audio_clock", "gaps", "health"})
_CHUNK = 100_000


@dataclass(frozen=True, slots=True)
class Removed:
    """How many rows are gone: frames that the video held or that were dropped, and input events."""

    frames: int
    events: int


def write_redacted(
    session: Session,
    target: Path,
    spans: Sequence[Span],
    video_frames: Sequence[int | None],
    clock_rows: Sequence[AudioClockRow],
    end: SessionEnd,
    status: Status,
) -> Removed:
    """Write the database of ``session`` anew without what lies in the spans, and state the gaps.

    What was held when a span ended and not when it began is pressed at its end, as after a pause; what was let go of
    in it is released there. What was held and where the pointer was at the start is no longer known where a span
    begins there.

    Args:
        session: the one to copy.
        target: must not exist.
        spans: ``(start_ns, end_ns)`` in rising order, without overlap, ends excluded.
        video_frames: for each frame of the video its new number, or None.
        clock_rows: all rows of the sound's clock, which take the place of the old ones.
        end: as the new one is to say it.
        status: as it is to be.

    Raises:
        StorageError: it cannot be written.
    """
    connection = open_database(target, SESSION_LAYOUT, "create")
    try:
        with explained(target, SESSION_LAYOUT):
            connection.execute("ATTACH ? AS old", (f"{session.path.absolute().as_uri()}?mode=ro",))
            connection.execute("BEGIN IMMEDIATE")
            _copy_other_tables(connection)
            events = _write_events(connection, session, spans)
            frames = _write_frames(connection, session, spans, video_frames)
            connection.executemany(
                "INSERT INTO audio_clock (stream, sample, t_ns) VALUES (?, ?, ?)",
                [(STREAMS.index(row.stream), row.sample, row.t_ns) for row in clock_rows],
            )
            _write_gaps(connection, session, spans, end.duration_ns)
            connection.execute(f"INSERT INTO health SELECT * FROM old.health WHERE {_outside(spans)}")
            if spans[0][0] <= 0:
                connection.execute("UPDATE session SET held = ?, pointer_x = 0, pointer_y = 0", (json.dumps(()),))
            update_end(connection, end, status)
            connection.execute("COMMIT")
    finally:
        connection.close()
    return Removed(frames, events)


def in_spans(t_ns: npt.NDArray[np.int64], spans: Sequence[Span]) -> npt.NDArray[np.bool_]:
    """Which of ``(N,)`` times lie in the spans, ``(N,) bool``."""
    inside = np.zeros(len(t_ns), np.bool_)
    for start_ns, end_ns in spans:
        inside |= (t_ns >= start_ns) & (t_ns < end_ns)
    return inside


def held_changes(events: EventTable, info: SessionInfo, spans: Sequence[Span]) -> list[tuple[int, str, float, bool]]:
    """``(t_ns, control, value, injected)`` that make what lasts right again at the end of each span: keys, buttons,
    and where the sticks and triggers of a gamepad stood."""
    changes = []
    for name in sorted(({*events.names} | {*info.held}) & ({*BUTTONS} | {*LASTING_AXES})):
        if name.startswith("mouse:") and name not in BUTTONS:
            continue  # where the pointer went is not said
        number = events.names.index(name) if name in events.names else -1
        own = np.flatnonzero(events.control == number)
        times = events.t_ns[own]
        values = [float(name in info.held), *events.value[own].tolist()]
        for start_ns, end_ns in spans:
            before, after = (values[int(np.searchsorted(times, at, "left"))] for at in (start_ns, end_ns))
            if start_ns <= 0:
                before = 0.0
            if name in BUTTONS:
                before, after = float(before >= 0.5), float(after >= 0.5)
            if before != after:
                index = int(np.searchsorted(times, end_ns, "left")) - 1
                changes.append((end_ns, name, after, bool(events.injected[own[index]]) if index >= 0 else False))
    return sorted(changes, key=lambda change: change[0])


def _copy_other_tables(connection: sqlite3.Connection) -> None:
    names = connection.execute("SELECT name FROM main.sqlite_master WHERE type = 'table'").fetchall()
    for name in {name for (name,) in names} - _REWRITTEN:
        if not name.startswith("sqlite_"):
            connection.execute(f"INSERT OR REPLACE INTO main.{name} SELECT * FROM old.{name}")


def _write_events(connection: sqlite3.Connection, session: Session, spans: Sequence[Span]) -> int:
    info, events = session.info, session.events()
    end_ns = session.duration_ns
    added = [change for change in held_changes(events, info, spans) if change[0] < end_ns]
    known = [*events.names, *sorted({name for _, name, _, _ in added} - {*events.names})]
    inside = in_spans(events.t_ns, spans)
    kept = np.flatnonzero(~inside)
    t_ns = np.concatenate([np.array([row[0] for row in added], np.int64), events.t_ns[kept]])
    control = np.concatenate([np.array([known.index(row[1]) for row in added], np.int64), events.control[kept]])
    value = np.concatenate([np.array([row[2] for row in added], np.float64), events.value[kept]])
    injected = np.concatenate([np.array([row[3] for row in added], np.bool_), events.injected[kept]])
    order = np.argsort(t_ns, kind="stable")  # what was added comes first among equals
    # Ids are given by first use, as the writer does it: the old ones would tell of what is gone.
    used, first = np.unique(control[order], return_index=True)
    others = [known[i] for i in used[np.argsort(first)].tolist() if known[i] not in info.controls]
    ids = {name: i for i, name in enumerate((*info.controls, *others))}
    places = [(i, name, i if i < len(info.controls) else None) for name, i in ids.items()]
    connection.executemany("INSERT INTO controls (id, name, place) VALUES (?, ?, ?)", places)
    new_id = np.array([ids.get(name, -1) for name in known], np.int64)
    for begin in range(0, len(order), _CHUNK):
        part = order[begin : begin + _CHUNK]
        columns = t_ns[part], new_id[control[part]], value[part], injected[part]
        connection.executemany(
            "INSERT INTO input_events (t_ns, control, value, injected) VALUES (?, ?, ?, ?)",
            zip(*(column.tolist() for column in columns), strict=True),
        )
    return int(inside.sum())


def _write_frames(
    connection: sqlite3.Connection, session: Session, spans: Sequence[Span], video_frames: Sequence[int | None]
) -> int:
    """Rows of cut frames go as well: when the picture changed can tell what was typed."""
    frames = session.frames()
    removed = 0
    rows: list[tuple[int, int | None, str | None]] = []
    for t_ns, number, reason, inside in zip(
        frames.t_ns.tolist(), frames.video_frame.tolist(), frames.reason, in_spans(frames.t_ns, spans), strict=True
    ):
        new = video_frames[number] if number >= 0 else None
        if inside or (number >= 0 and new is None):
            removed += 1
        else:
            rows.append((t_ns, new, reason))
    connection.executemany("INSERT INTO frames (t_ns, video_frame, reason) VALUES (?, ?, ?)", rows)
    return removed


def _write_gaps(connection: sqlite3.Connection, session: Session, spans: Sequence[Span], duration_ns: int) -> None:
    new = [(start_ns, min(end_ns, duration_ns)) for start_ns, end_ns in spans]
    gaps = [
        gap
        for gap in session.gaps()
        if gap.reason != "redacted" or not any(a <= gap.start_ns and (gap.end_ns or duration_ns) <= b for a, b in new)
    ]
    rows = [(gap.start_ns, gap.end_ns, gap.stream, gap.reason) for gap in gaps]
    rows += [(start_ns, end_ns, "all", "redacted") for start_ns, end_ns in new]
    connection.executemany(
        "INSERT INTO gaps VALUES (?, ?, ?, ?, ?)",
        [(i, *row) for i, row in enumerate(sorted(rows, key=lambda row: row[0]))],
    )


def _outside(spans: Sequence[Span]) -> str:
    return " AND ".join(f"NOT (t_ns >= {start_ns} AND t_ns < {end_ns})" for start_ns, end_ns in spans)


def redacted_end(end: SessionEnd, spans: Sequence[Span], checksums: dict[str, str]) -> SessionEnd:
    """The session's end, with what was cut out among what is missing."""
    words = [f"redacted: {a / 1e9:.3f} s to {min(b, end.duration_ns) / 1e9:.3f} s" for a, b in spans]
    return replace(end, missing=(*end.missing, *words), checksums=checksums)
