"""Making the catalogue agree with the folders that there are."""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass
from pathlib import Path

from gameon_env.errors import SessionError, StorageError
from gameon_env.recording.catalogue_rows import (
    SessionEntry,
    read_entry,
    relative_name,
    select_entries,
    upsert_entry,
)
from gameon_env.recording.session_folder import session_folders


@dataclass(frozen=True, slots=True)
class Reindexed:
    """What :func:`reindex` did: session folders by name; ``problems`` says what could not be read."""

    added: tuple[str, ...]
    changed: tuple[str, ...]
    gone: tuple[str, ...]
    problems: tuple[str, ...]


def reindex(connection: sqlite3.Connection, data_dir: Path) -> Reindexed:
    """Read all folders under ``<data_dir>/sessions`` anew; an entry whose folder cannot be read stays as it is."""
    before = {entry.id: entry for entry in select_entries(connection, data_dir)}
    found, unread, problems = _read_folders(data_dir, {entry.folder for entry in before.values()})
    with connection:
        connection.execute("BEGIN IMMEDIATE")
        now = {entry.id: entry for entry in select_entries(connection, data_dir)}
        # What other programs changed while the folders were read is newer than what was read.
        newer = {key for key in before.keys() | now.keys() if before.get(key) != now.get(key)}
        taken = {now[key].folder for key in newer if key in now}
        old = [entry for entry in before.values() if entry.id not in newer and entry.id not in found]
        stay, gone = [e for e in old if e.folder in unread], [e for e in old if e.folder not in unread]
        read = [entry for entry in found.values() if entry.id not in newer and entry.folder not in taken]
        connection.executemany("DELETE FROM sessions WHERE id = ?", [(entry.id,) for entry in gone])
        # Two folders may have changed names.
        moving = [(entry.id,) for entry in [*read, *stay]]
        connection.executemany("UPDATE sessions SET folder = id || '/moving' WHERE id = ?", moving)
        for entry in [*read, *stay]:
            upsert_entry(connection, entry, relative_name(entry.folder, data_dir))
    return Reindexed(
        added=tuple(entry.folder.name for entry in read if entry.id not in before),
        changed=tuple(e.folder.name for e in read if e.id in before and e != before[e.id]),
        gone=tuple(entry.folder.name for entry in gone),
        problems=tuple(problems),
    )


def _read_folders(data_dir: Path, known: set[Path]) -> tuple[dict[str, SessionEntry], set[Path], list[str]]:
    """The sessions by id (of copies the known one), the folders that cannot be read, and what is wrong, in words."""
    found: dict[str, SessionEntry] = {}
    unread, problems = set[Path](), []
    for folder in sorted(session_folders(data_dir), key=lambda folder: folder not in known):
        try:
            entry = read_entry(folder)
        except (SessionError, StorageError) as error:
            problems.append(str(error))
            unread.add(folder)
            continue
        first = found.setdefault(entry.id, entry)
        if first is not entry:
            problems.append(
                f"{folder}: a copy of {first.folder.name} (the same id), which alone is listed. Delete one of the two."
            )
    return found, unread, problems
