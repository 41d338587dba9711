"""Opening our SQLite files, and what SQLite says of them, in words that name the remedy."""

from __future__ import annotations

import shutil
import sqlite3
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from gameon_env.errors import GameOnError, SessionError, StorageError
from gameon_env.recording.migrations import migrate, version_of

BUSY_S = 5.0
"""How long a database that another program writes to is waited for."""
_BETWEEN_TRIES_S = 0.005

Mode = Literal["read", "write", "create"]


@dataclass(frozen=True, slots=True)
class Layout:
    """One of our kinds of database.

    Attributes:
        what: its name in messages.
        application_id: SQLite's mark of whose file it is.
        steps: its migrations in order; the version is their number.
        damaged: what mends a damaged one.
        foreign: looks at a database that does not bear our mark: the message where it knows it, else None.
    """

    what: str
    application_id: int
    steps: tuple[str, ...]
    damaged: str
    foreign: Callable[[sqlite3.Connection], str | None] = lambda _: None


def open_database(path: Path, layout: Layout, mode: Mode, *, busy_s: float = BUSY_S) -> sqlite3.Connection:
    """Open, and where it may be written bring it to the newest version; with ``create`` make what is not there.

    A database that is read needs no writable folder: where SQLite wants one (write-ahead log), a copy is read.

    Raises:
        SessionError: no such database, locked, damaged, not ours, of a newer version.
        StorageError: it cannot be written, or the disk is full.
    """
    if mode != "create" and not path.is_file():
        raise SessionError(f"{path}: there is no {layout.what} here.")
    with explained(path, layout):
        if mode != "read":
            return _checked(_connect(path, "rwc" if mode == "create" else "rw", busy_s), path, layout, mode)
        try:
            return _checked(_connect(path, "ro", busy_s), path, layout, mode)
        except sqlite3.OperationalError as error:
            if not _name(error).startswith(("SQLITE_CANTOPEN", "SQLITE_READONLY")):
                raise
            return _checked(_copy_in_memory(path), path, layout, "write")


def use_write_ahead_log(connection: sqlite3.Connection, *, busy_s: float = BUSY_S) -> None:
    """Readers and one writer work at once from here on; a commit survives the program's end, the newest ones perhaps
    not the machine's.

    SQLite gives up at once, whatever its timeout, where another program makes the same change: it is waited for here.

    Raises:
        sqlite3.OperationalError: it is locked for longer than ``busy_s``.
    """
    give_up = time.monotonic() + busy_s
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL")
            break
        except sqlite3.OperationalError as error:
            if not is_busy(error) or time.monotonic() >= give_up:
                raise
        time.sleep(_BETWEEN_TRIES_S)
    connection.execute("PRAGMA synchronous = NORMAL")


@contextmanager
def explained(path: Path, layout: Layout) -> Iterator[None]:
    """Turn the errors of SQLite within into ours."""
    try:
        yield
    except sqlite3.Error as error:
        known = _explain(error, path, layout)
        if known is None:
            raise
        raise known from error


def _explain(error: sqlite3.Error, path: Path, layout: Layout) -> GameOnError | None:
    name = _name(error)
    if is_busy(error):
        return SessionError(
            f"{path}: another program keeps the {layout.what} locked. Close what has it open, and do it again."
        )
    if name.startswith(("SQLITE_CORRUPT", "SQLITE_NOTADB")) or "no such" in str(error):
        return SessionError(f"{path}: the {layout.what} is damaged ({error}). {layout.damaged}")
    if name.startswith("SQLITE_FULL"):
        return StorageError(f"{path}: the disk is full. Make room; what was committed before is safe.")
    if name.startswith(("SQLITE_READONLY", "SQLITE_CANTOPEN", "SQLITE_PERM")):
        return StorageError(
            f"{path}: cannot be written ({error}). Make the folder writable, or name another with --data-dir."
        )
    if name.startswith("SQLITE_IOERR"):
        return StorageError(f"{path}: the disk failed ({error}). Is there room, and is it still there?")
    return None


def is_busy(error: sqlite3.Error) -> bool:
    """Whether it says that another connection holds a lock."""
    return _name(error).startswith(("SQLITE_BUSY", "SQLITE_LOCKED"))


def _name(error: sqlite3.Error) -> str:
    return getattr(error, "sqlite_errorname", "") or ""


def _connect(path: Path, mode: str, busy_s: float) -> sqlite3.Connection:
    connection = sqlite3.connect(
        f"{path.absolute().as_uri()}?mode={mode}",
        uri=True,
        timeout=busy_s,
        isolation_level=None,  # transactions begin where the code says BEGIN
        check_same_thread=False,  # SQLite itself is thread-safe; each owner says which thread writes
    )
    connection.execute("PRAGMA foreign_keys = ON")
    return connection


def _checked(connection: sqlite3.Connection, path: Path, layout: Layout, mode: Mode) -> sqlite3.Connection:
    try:
        _check_ours(connection, path, layout, may_be_blank=mode == "create")
        if mode != "read" and version_of(connection) < len(layout.steps):
            migrate(connection, layout.steps, layout.application_id)
    except BaseException:
        connection.close()
        raise
    return connection


def _check_ours(connection: sqlite3.Connection, path: Path, layout: Layout, *, may_be_blank: bool) -> None:
    connection.execute("BEGIN")  # one state of it: another program may make it at this moment
    try:
        mark, version = connection.execute("PRAGMA application_id").fetchone()[0], version_of(connection)
        blank = not mark and not connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
    finally:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
    if mark != layout.application_id:
        if mark or version or not blank:
            known = layout.foreign(connection)
            raise SessionError(f"{path}: {known or f'this database is no {layout.what}.'}")
        if not may_be_blank:
            raise SessionError(f"{path}: the {layout.what} is empty. {layout.damaged}")
    if version > len(layout.steps):
        raise SessionError(
            f"{path}: the {layout.what} is of version {version}, and this program knows up to {len(layout.steps)}. "
            "Update gameon-env: pip install --upgrade gameon-env"
        )


def _copy_in_memory(path: Path) -> sqlite3.Connection:
    """For a write-ahead log in a folder that cannot be written, where SQLite cannot make its index."""
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / path.name
        for suffix in ("", "-wal"):
            source = path.with_name(path.name + suffix)
            if source.exists():
                shutil.copyfile(source, copy.with_name(copy.name + suffix))
        on_disk, in_memory = sqlite3.connect(copy), sqlite3.connect(":memory:", isolation_level=None)
        try:
            on_disk.backup(in_memory)
        finally:
            on_disk.close()
    return in_memory
