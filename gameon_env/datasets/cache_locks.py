"""Locks between processes that end with the process that holds them, however that ends.

They are SQLite's own on databases without content: the same on every system.
"""

from __future__ import annotations

import atexit
import contextlib
import os
import sqlite3
import time
import uuid
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from weakref import WeakValueDictionary

from gameon_env.errors import StorageError

_LEASES = "leases"
_PATIENCE_S = 60.0
"""For locks that are held for milliseconds."""


@contextmanager
def exclusive(path: Path) -> Iterator[None]:
    """Hold the lock ``path``; another process or thread that does is waited for.

    Raises:
        StorageError: the folder cannot be written, or the lock was not let go for a minute.
    """
    with closing(_connect(path, _PATIENCE_S)) as connection:
        try:
            connection.execute("BEGIN EXCLUSIVE")
        except sqlite3.OperationalError as error:
            why = "a process holds it and does not go on: end that one" if _busy(error) else str(error)
            raise StorageError(f"the frame cache in {path.parent} cannot be locked ({why})") from error
        yield


@contextmanager
def attempt(path: Path) -> Iterator[bool]:
    """Hold the lock ``path`` if nobody does; tells whether it is held.

    Raises:
        StorageError: the folder cannot be written.
    """
    with closing(_connect(path, 0)) as connection:
        try:
            connection.execute("BEGIN EXCLUSIVE")
        except sqlite3.OperationalError as error:
            if not _busy(error):
                raise StorageError(f"{path} cannot be written: {error}") from error
            yield False
            return
        yield True


class Lease:
    """Tells other processes which files of a folder this one uses. Call all of it under the folder's lock.

    Its file is a database with their names, on which this process holds a lock that lets others read. Without the lock
    the process is gone, and the file of no use.
    """

    def __init__(self, folder: Path) -> None:
        self._users: WeakValueDictionary[int, object] = WeakValueDictionary()
        self._names: dict[int, str] = {}
        place = folder / _LEASES
        place.mkdir(exist_ok=True)
        self.path = place / f"{uuid.uuid4().hex}.db"
        self._connection = _connect(self.path, 0)
        self._connection.execute("PRAGMA synchronous = OFF")
        self._connection.execute("PRAGMA journal_mode = MEMORY")
        self._connection.execute("CREATE TABLE uses (name TEXT NOT NULL)")
        self._connection.execute("BEGIN IMMEDIATE")

    def add(self, name: str, user: object) -> None:
        """``user`` uses the file ``name`` as long as it lives, or until :meth:`remove`."""
        self._users[id(user)] = user
        self._names[id(user)] = name
        self.refresh()

    def remove(self, user: object) -> None:
        """It does so no more."""
        self._users.pop(id(user), None)
        self.refresh()

    def refresh(self) -> None:
        """Tell what is used now."""
        self._names = {key: name for key, name in self._names.items() if key in self._users}
        self._connection.execute("DELETE FROM uses")
        self._connection.executemany("INSERT INTO uses VALUES (?)", [(name,) for name in set(self._names.values())])
        self._connection.execute("COMMIT")
        self._connection.execute("BEGIN IMMEDIATE")

    def close(self) -> None:
        """This process uses nothing any more."""
        self._connection.close()
        with contextlib.suppress(OSError):  # whoever looks for files that can go removes it too
            self.path.unlink()


_leases: dict[tuple[int, Path], Lease] = {}


def lease_of(folder: Path) -> Lease:
    """That of this process; a forked one has its own."""
    key = (os.getpid(), folder)
    lease = _leases.get(key)
    if lease is None or not lease.path.exists():  # somebody removed the folder
        if lease is not None:
            lease.close()
        lease = _leases[key] = Lease(folder)
    return lease


@atexit.register
def _end() -> None:
    for (pid, _), lease in _leases.items():
        if pid == os.getpid():
            lease.close()


def names_in_use(folder: Path) -> set[str]:
    """The files that living processes use. What dead ones left is removed. Call it under the folder's lock."""
    if (os.getpid(), folder) in _leases:
        lease_of(folder).refresh()
    names: set[str] = set()
    for path in (folder / _LEASES).glob("*.db"):
        with closing(_connect(path, 0)) as connection:
            try:
                connection.execute("BEGIN IMMEDIATE")
            except sqlite3.OperationalError as error:
                if not _busy(error):
                    raise StorageError(f"{path} cannot be read: {error}") from error
                names.update(str(name) for (name,) in connection.execute("SELECT name FROM uses"))
                continue
        path.unlink(missing_ok=True)
    return names


def wait(seconds: float = 0.05) -> None:
    """Between two attempts."""
    time.sleep(seconds)


def _connect(path: Path, timeout_s: float) -> sqlite3.Connection:
    try:
        return sqlite3.connect(path, timeout=timeout_s, isolation_level=None, check_same_thread=False)
    except sqlite3.OperationalError as error:
        raise StorageError(f"{path} cannot be made ({error}): make the folder writable, or name another") from error


def _busy(error: sqlite3.Error) -> bool:
    return (getattr(error, "sqlite_errorname", "") or "").startswith(("SQLITE_BUSY", "SQLITE_LOCKED"))
