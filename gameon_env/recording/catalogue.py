"""The list of all sessions in a data folder: an index, which can be made again from the sessions' folders."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from types import TracebackType

from gameon_env.errors import SessionError, StorageError, UnknownNameError, suggest
from gameon_env.paths import data_dir as default_data_dir
from gameon_env.recording.catalogue_rows import (
    SessionEntry,
    iso_utc,
    read_entry,
    relative_name,
    select_entries,
    upsert_entry,
)
from gameon_env.recording.database import BUSY_S, Layout, explained, open_database, use_write_ahead_log
from gameon_env.recording.migrations import CATALOGUE_STEPS
from gameon_env.recording.model import DATABASE_FILE, Status, Who
from gameon_env.recording.reindex import Reindexed, reindex
from gameon_env.recording.session_folder import CATALOGUE_FILE, make_data_dir
from gameon_env.recording.session_folder import new_session_folder as new_session_folder
from gameon_env.recording.session_writer import edit_labels


def _original_gameon(connection: sqlite3.Connection) -> str | None:
    names = {name for (name,) in connection.execute("SELECT name FROM sqlite_master")}
    if not {"sessions", "input_events"} <= names:
        return None
    return (
        "this is a store of the original GameOn. Bring its recordings in with: "
        "gameon import gameon-db PATH --data-dir ANOTHER_FOLDER"
    )


CATALOGUE_LAYOUT = Layout(
    what="catalogue",
    application_id=0x474F4341,  # "GOCA"
    steps=CATALOGUE_STEPS,
    damaged=f"Move {CATALOGUE_FILE} away, and make it again from the sessions' folders: gameon sessions reindex",
    foreign=_original_gameon,
)


class Catalogue:
    """``<data_dir>/gameon.db``. It can be read while recorders write.

    Args:
        data_dir: the data folder; ``$GAMEON_DATA_DIR`` or ``./data`` where it is None.
        create: make it where it is not there; False only opens one.
        busy_s: how long a lock of another program is waited for.

    Raises:
        SessionError: there is none (``create=False``), locked, damaged, of a newer version, or a store of the
            original GameOn.
        StorageError: it cannot be written.
    """

    def __init__(self, data_dir: str | Path | None = None, *, create: bool = True, busy_s: float = BUSY_S) -> None:
        self.data_dir = default_data_dir(data_dir).absolute()
        self.path = self.data_dir / CATALOGUE_FILE
        if create:
            make_data_dir(self.data_dir)
        elif not self.path.is_file():
            raise SessionError(
                f"{self.data_dir}: there is no catalogue of sessions here. Name the data folder with --data-dir, "
                "record a session (gameon record), or make it from session folders: gameon sessions reindex"
            )
        try:
            self._connection = open_database(
                self.path, CATALOGUE_LAYOUT, "create" if create else "write", busy_s=busy_s
            )
            with explained(self.path, CATALOGUE_LAYOUT):
                use_write_ahead_log(self._connection, busy_s=busy_s)
        except StorageError:
            if create:
                raise
            self._connection = open_database(self.path, CATALOGUE_LAYOUT, "read", busy_s=busy_s)

    def sessions(
        self,
        game: str | None = None,
        *,
        after: datetime | None = None,
        before: datetime | None = None,
        min_s: float | None = None,
        max_s: float | None = None,
        tag: str | None = None,
        status: Status | None = None,
        who: Who | None = None,
    ) -> list[SessionEntry]:
        """The sessions that fit all that is given, oldest first.

        Args:
            game: the name, in upper or lower case.
            after: began at that time or later; without a zone it is local time.
            before: began before that time.
            min_s: lasted that many seconds or more.
            max_s: lasted that many seconds or less.
            tag: bears this tag.
            status: ``recording``, ``completed``, ``recovered``.
            who: ``human``, ``agent``, ``mixed``, ``unknown``.
        """
        rules: list[tuple[str, object]] = [
            ("game = ? COLLATE NOCASE", game),
            ("started_at >= ?", after and iso_utc(after)),
            ("started_at < ?", before and iso_utc(before)),
            ("duration_ns >= ?", None if min_s is None else round(min_s * 1e9)),
            ("duration_ns <= ?", None if max_s is None else round(max_s * 1e9)),
            ("id IN (SELECT session FROM tags WHERE name = ?)", tag),
            ("status = ?", status),
            ("who = ?", who),
        ]
        used = [(rule, value) for rule, value in rules if value is not None]
        where = " AND ".join(rule for rule, _ in used) or "1"
        with self._reading() as connection:
            return select_entries(connection, self.data_dir, where, [value for _, value in used])

    def games(self) -> dict[str, int]:
        """The games that there are sessions of, and how many of each."""
        with self._reading() as connection:
            return dict(connection.execute("SELECT game, count(*) FROM sessions GROUP BY game ORDER BY game"))

    def find(self, key: str | Path) -> SessionEntry:
        """The one session of this id, folder (path or name), or beginning of an id or a folder's name.

        Raises:
            UnknownNameError: there is none.
            SessionError: several begin like that.
        """
        entries, text = self.sessions(), str(key)
        path = Path(key).absolute()
        exact = [entry for entry in entries if text in (entry.id, entry.folder.name) or entry.folder == path]
        found = exact or [entry for entry in entries if text and (entry.id + "/" + entry.folder.name).startswith(text)]
        found = found or [entry for entry in entries if text and entry.folder.name.startswith(text)]
        if len(found) == 1:
            return found[0]
        if found:
            names = ", ".join(entry.folder.name for entry in found[:5]) + (" ..." if len(found) > 5 else "")
            raise SessionError(f"{text!r} is the beginning of {len(found)} sessions: {names}. Say more of it.")
        near = suggest(text, [entry.folder.name for entry in entries])
        raise UnknownNameError(f"There is no session {text!r} in {self.path}.{near} See: gameon sessions list")

    def add(self, folder: str | Path) -> SessionEntry:
        """Take in a session's folder, or read it again.

        Raises:
            SessionError: no session there, or it lies outside the data folder.
        """
        name = relative_name(Path(folder), self.data_dir)
        entry = read_entry(self.data_dir / name)
        with self._writing() as connection:
            connection.execute("DELETE FROM sessions WHERE folder = ? AND id <> ?", (name, entry.id))
            upsert_entry(connection, entry, name)
        return entry

    def update(self, key: str | Path) -> SessionEntry:
        """Read a session again, by its id or its folder: at its end, after a change."""
        return self.add(key if (Path(key) / DATABASE_FILE).is_file() else _present(self.find(key)).folder)

    def tag(self, key: str | Path, *names: str) -> SessionEntry:
        """Give a session these tags, in its folder too."""
        if not all(name.strip() for name in names):
            raise SessionError("A tag is a word, not an empty text.")
        return self._edit(key, add=[name.strip() for name in names])

    def untag(self, key: str | Path, *names: str) -> SessionEntry:
        """Take these tags from a session, in its folder too.

        Raises:
            UnknownNameError: it bears no such tag.
        """
        entry = self.find(key)
        for name in names:
            if name not in entry.tags:
                raise UnknownNameError(f"{entry.folder.name} bears no tag {name!r}.{suggest(name, entry.tags)}")
        return self._edit(entry.id, remove=names)

    def note(self, key: str | Path, text: str) -> SessionEntry:
        """Write a session's note, in its folder too; it takes the place of the last one."""
        return self._edit(key, note=text)

    def delete(self, key: str | Path) -> SessionEntry:
        """Delete a session for good: its folder with all in it, and its entry.

        Raises:
            SessionError: it is being recorded.
            StorageError: the folder cannot be deleted; the entry stays.
        """
        entry = self.find(key)
        if entry.live:
            raise SessionError(f"{entry.folder}: this session is being recorded. Stop its recorder first.")
        try:
            if entry.present:
                shutil.rmtree(entry.folder)
        except OSError as error:
            raise StorageError(f"{entry.folder}: cannot be deleted ({error}).") from error
        with self._writing() as connection:
            connection.execute("DELETE FROM sessions WHERE id = ?", (entry.id,))
        return entry

    def reindex(self) -> Reindexed:
        """Make the list agree with the folders under ``<data_dir>/sessions``, whatever happened to them by hand."""
        with self._reading():
            return reindex(self._connection, self.data_dir)

    def close(self) -> None:
        """Callable twice."""
        self._connection.close()

    def __enter__(self) -> Catalogue:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _edit(
        self, key: str | Path, *, add: Iterable[str] = (), remove: Iterable[str] = (), note: str | None = None
    ) -> SessionEntry:
        entry = _present(self.find(key))
        edit_labels(entry.folder, add=add, remove=remove, note=note)
        return self.add(entry.folder)

    @contextmanager
    def _reading(self) -> Iterator[sqlite3.Connection]:
        with explained(self.path, CATALOGUE_LAYOUT):
            yield self._connection

    @contextmanager
    def _writing(self) -> Iterator[sqlite3.Connection]:
        with self._reading() as connection, connection:  # commits at its end, rolls back on an error
            connection.execute("BEGIN IMMEDIATE")
            yield connection


def _present(entry: SessionEntry) -> SessionEntry:
    if not entry.present:
        raise SessionError(
            f"{entry.folder}: this session's folder is not there. If it was deleted or moved by hand, "
            "bring the list up to date: gameon sessions reindex"
        )
    return entry
