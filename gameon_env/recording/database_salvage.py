"""Reading what can be read of a session's database that a power cut or a bad disk damaged."""

from __future__ import annotations

import shutil
import sqlite3
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from gameon_env.recording.database import open_database
from gameon_env.recording.model import DATABASE_FILE
from gameon_env.recording.session_schema import SESSION_LAYOUT

PAGE = 4096

_KEYS = {
    "session": "only_row",
    "tags": "name",
    "controls": "id",
    "input_events": "number",
    "frames": "number",
    "audio_clock": "number",
    "gaps": "number",
    "health": "t_ns",
}


@dataclass(slots=True)
class Salvaged:
    """The rows that were found: table -> rows as column -> value, in the order of their keys.

    ``whole``: whether every table could be read to its end from its beginning.
    """

    tables: dict[str, list[dict[str, Any]]] = field(default_factory=lambda: {name: [] for name in _KEYS})
    whole: bool = False

    def __len__(self) -> int:
        return sum(map(len, self.tables.values()))


def salvage(kept: Path, work: Path) -> Salvaged:
    """Read the database in the folder ``kept``, which is not changed, by way of copies in the new folder ``work``.

    Where its first page or the roots of its tables are lost, those of an empty session stand in for them: every
    session has its tables in the same places.
    """
    work.mkdir()
    try:
        best = _read(_copy(kept, work / "as_it_is", patched=False))
        if not best.whole:
            best = max(best, _read(_copy(kept, work / "patched", patched=True)), key=len)
        return best
    finally:
        shutil.rmtree(work)


def _copy(kept: Path, target: Path, *, patched: bool) -> Path:
    target.mkdir()
    path = target / DATABASE_FILE
    source, log = kept / DATABASE_FILE, kept / f"{DATABASE_FILE}-wal"
    if source.is_file():
        shutil.copyfile(source, path)
    if log.is_file():
        shutil.copyfile(log, path.with_name(log.name))
    if patched:
        _patch(path, _empty_session(target / "empty.db"))
    return path


def _empty_session(path: Path) -> bytes:
    with closing(open_database(path, SESSION_LAYOUT, "create")) as connection:
        connection.execute("PRAGMA journal_mode = WAL")  # in the header: a log beside it is read
    return path.read_bytes()


def _patch(path: Path, empty: bytes) -> None:
    """Put the first page of an empty session there, and its other pages where there is nothing."""
    mode = "r+b" if path.exists() else "w+b"
    with path.open(mode) as file:
        for at in range(0, len(empty), PAGE):
            file.seek(at)
            if at == 0 or not file.read(PAGE).strip(b"\0"):
                file.seek(at)
                file.write(empty[at : at + PAGE])
        pages = -(-file.seek(0, 2) // PAGE)
        file.truncate(pages * PAGE)
        file.seek(28)  # https://sqlite.org/fileformat.html: the size of the database in pages
        file.write(pages.to_bytes(4, "big"))


def _read(path: Path) -> Salvaged:
    found = Salvaged(whole=True)
    if not path.is_file():
        found.whole = False
        return found
    with closing(sqlite3.connect(path)) as connection:
        connection.text_factory = lambda data: data.decode(errors="replace")
        connection.row_factory = sqlite3.Row
        for table, key in _KEYS.items():
            rows, whole = _read_table(connection, table, key)
            found.tables[table] = [dict(row) for row in rows]
            found.whole = found.whole and whole
    return found


def _read_table(connection: sqlite3.Connection, table: str, key: str) -> tuple[list[sqlite3.Row], bool]:
    """The rows before the first damage and those behind the last."""
    first: list[sqlite3.Row] = []
    if _extend(first, connection, f"SELECT * FROM {table} ORDER BY {key}"):
        return first, True
    last: list[sqlite3.Row] = []
    _extend(last, connection, f"SELECT * FROM {table} ORDER BY {key} DESC")
    known = {row[key] for row in first}
    return first + [row for row in reversed(last) if row[key] not in known], False


def _extend(rows: list[sqlite3.Row], connection: sqlite3.Connection, sql: str) -> bool:
    try:
        connection.execute("PRAGMA writable_schema = ON")  # reads a file that is shorter than its header says
        for row in connection.execute(sql):
            rows.append(row)
    except sqlite3.DatabaseError:
        return False
    return True
