"""One row of the catalogue: from a session's folder, and in and out of the tables."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from gameon_env.errors import SessionError
from gameon_env.recording.folder_lock import is_locked
from gameon_env.recording.model import Status, Who
from gameon_env.recording.session import Session


@dataclass(frozen=True, slots=True)
class SessionEntry:
    """What the catalogue knows of a session.

    Attributes:
        id: hexadecimal.
        folder: where it is; :attr:`present` says whether it is still there.
        game: the game's name.
        started_at: ISO 8601 UTC.
        duration_ns: None while it is recorded, or where it was cut off.
        status: ``recording`` also after a kill, until it is recovered: :attr:`live` tells these apart.
        who: who played.
        reason: why it ended; empty where it has not.
        frames: in the video.
        dropped: frames that the game showed and the video does not hold.
        events: input events.
        size_bytes: of all files. All four are None in an entry of an older version that was not read again.
        note: what its person wrote.
        tags: in alphabetical order.
    """

    id: str
    folder: Path
    game: str
    started_at: str
    duration_ns: int | None
    status: Status
    who: Who
    reason: str
    frames: int | None
    dropped: int | None
    events: int | None
    size_bytes: int | None
    note: str
    tags: tuple[str, ...]

    @property
    def present(self) -> bool:
        return self.folder.is_dir()

    @property
    def live(self) -> bool:
        """Whether a recorder writes it right now."""
        return is_locked(self.folder)


def read_entry(folder: Path) -> SessionEntry:
    """What a session's folder says of itself.

    Raises:
        SessionError: as :class:`gameon_env.recording.session.Session`.
    """
    with Session(folder) as session:
        info, end, counts = session.info, session.end, session.counts
        return SessionEntry(
            id=info.id,
            folder=folder,
            game=info.game,
            started_at=info.started_at,
            duration_ns=end.duration_ns if end else None,
            status=session.status,
            who=info.who,
            reason=end.reason if end else "",
            frames=counts["frames"],
            dropped=counts["dropped"],
            events=counts["events"],
            size_bytes=session.size_bytes,
            note=session.note,
            tags=session.tags,
        )


_COLUMNS = (
    ("id", "folder", "game", "started_at", "duration_ns", "status", "who", "reason")
    + ("frames", "dropped", "events", "size_bytes", "note")
)  # fmt: skip


def upsert_entry(connection: sqlite3.Connection, entry: SessionEntry, name: str) -> None:
    """Put an entry into the tables, or in the place of its last state; ``name``: its folder from the data folder."""
    values = [name if column == "folder" else getattr(entry, column) for column in _COLUMNS]
    changes = ", ".join(f"{column} = excluded.{column}" for column in _COLUMNS[1:])
    connection.execute(
        f"INSERT INTO sessions ({', '.join(_COLUMNS)}) VALUES ({', '.join('?' * len(_COLUMNS))}) "
        f"ON CONFLICT (id) DO UPDATE SET {changes}",
        values,
    )
    connection.execute("DELETE FROM tags WHERE session = ?", (entry.id,))
    connection.executemany("INSERT INTO tags VALUES (?, ?)", [(entry.id, tag) for tag in entry.tags])


def select_entries(
    connection: sqlite3.Connection, data_dir: Path, where: str = "1", values: Sequence[object] = ()
) -> list[SessionEntry]:
    """The entries that a condition on ``sessions`` picks, oldest first."""
    tags: dict[str, list[str]] = {}
    for session, name in connection.execute("SELECT session, name FROM tags ORDER BY name"):
        tags.setdefault(session, []).append(name)
    sql = f"SELECT {', '.join(_COLUMNS)} FROM sessions WHERE {where} ORDER BY started_at, id"
    entries = []
    for row in connection.execute(sql, tuple(values)):
        known = dict(zip(_COLUMNS, row, strict=True))
        known["folder"] = data_dir / known["folder"]
        entries.append(SessionEntry(**known, tags=tuple(tags.get(known["id"], ()))))
    return entries


def relative_name(folder: Path, data_dir: Path) -> str:
    """A session's folder as the catalogue holds it: from the data folder, with ``/``.

    Raises:
        SessionError: it lies elsewhere.
    """
    for inner, outer in ((folder.absolute(), data_dir), (folder.resolve(), data_dir.resolve())):
        if inner.is_relative_to(outer):
            return inner.relative_to(outer).as_posix()
    raise SessionError(
        f"{folder}: lies outside the data folder {data_dir}. "
        f"Move it to {data_dir / 'sessions'}, and then: gameon sessions reindex"
    )


def iso_utc(when: datetime) -> str:
    """As the sessions have their times: ISO 8601 in UTC with microseconds. Without a zone it is local time."""
    return when.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
