"""Reading what can be read of a session's database that a power cut or a bad disk damaged."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path

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


class Salvaged:
    """The rows that can be read of a database, table by table.

    Attributes:
        counts: how many there are, by table.
        whole: whether every table could be read from its beginning to its end.
    """

    def __init__(self, path: Path) -> None:
        self.whole = path.is_file()
        self._connection = sqlite3.connect(path)
        self._connection.text_factory = lambda data: data.decode(errors="replace")
        self._connection.row_factory = sqlite3.Row
        self.counts = {table: sum(1 for _ in self.rows(table)) for table in _KEYS}

    def rows(self, table: str) -> Iterator[sqlite3.Row]:
        """The rows before the first damage, and then those behind the last, backwards."""
        key, last = _KEYS[table], None
        try:
            self._connection.execute("PRAGMA writable_schema = ON")  # a file that is shorter than its header says
            for row in self._connection.execute(f"SELECT * FROM {table} ORDER BY {key}"):
                last = row[key]
                yield row
            return
        except sqlite3.DatabaseError:
            self.whole = False
        try:
            for row in self._connection.execute(f"SELECT * FROM {table} ORDER BY {key} DESC"):
                if row[key] == last:
                    return
                yield row
        except sqlite3.DatabaseError:
            return

    def __len__(self) -> int:
        return sum(self.counts.values())

    def close(self) -> None:
        self._connection.close()


@contextmanager
def salvage(kept: Path, work: Path) -> Iterator[Salvaged]:
    """Read the database in the folder ``kept``, which is not changed, by way of copies in the new folder ``work``.

    Where its first page or the roots of its tables are lost, those of an empty session stand in for them: every
    session has its tables in the same places.
    """
    work.mkdir()
    with ExitStack() as stack:
        stack.callback(shutil.rmtree, work)
        best = Salvaged(_copy(kept, work / "as_it_is", patched=False))
        stack.callback(best.close)
        if not best.whole:
            patched = Salvaged(_copy(kept, work / "patched", patched=True))
            stack.callback(patched.close)
            best = max(best, patched, key=len)
        yield best


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
