"""Who records into a folder: a lock that ends with its process, however that ends."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

from gameon_env.errors import SessionError, StorageError
from gameon_env.recording.database import is_busy

LOCK_FILE = "recording.lock"


class FolderLock:
    """Held from construction to :meth:`release`, which removes the file.

    The lock is SQLite's own on an empty database: the same on every system, and a killed process leaves none behind.

    Raises:
        SessionError: another recorder holds it.
        StorageError: the folder cannot be written.
    """

    def __init__(self, folder: Path) -> None:
        self._path = folder / LOCK_FILE
        try:
            self._connection = _open(self._path, "rwc")
            self._connection.execute("BEGIN EXCLUSIVE")
        except sqlite3.OperationalError as error:
            if is_busy(error):
                raise SessionError(f"{folder}: another recorder writes this session. Stop that one first.") from error
            raise StorageError(f"{folder}: cannot be written ({error}). Make it writable, or name another.") from error

    def release(self) -> None:
        """Let go. Callable twice."""
        self._connection.close()
        self._path.unlink(missing_ok=True)


def is_locked(folder: Path) -> bool:
    """Whether a living process records into ``folder`` right now."""
    path = folder / LOCK_FILE
    if not path.exists():
        return False
    try:
        with closing(_open(path, "ro")) as connection:
            connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
    except sqlite3.OperationalError as error:
        return is_busy(error)  # anything else: it was let go at this moment
    return False


def _open(path: Path, mode: str) -> sqlite3.Connection:
    uri = f"{path.absolute().as_uri()}?mode={mode}"
    return sqlite3.connect(uri, uri=True, timeout=0, isolation_level=None, check_same_thread=False)
