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
    stay = [entry for entry in before.values() if entry.id not in found and entry.folder in unread]
    gone = [entry for entry in before.values() if entry.id not in found and entry.folder not in unread]
    with connection:
        connection.execute("BEGIN IMMEDIATE")
        connection.executemany("DELETE FROM sessions WHERE id = ?", [(entry.id,) for entry in gone])
        connection.execute("UPDATE sessions SET folder = id || '/moving'")  # two folders may have changed names
        for entry in [*found.values(), *stay]:
            upsert_entry(connection, entry, relative_name(entry.folder, data_dir))
    return Reindexed(
        added=tuple(entry.folder.name for entry in found.values() if entry.id not in before),
        changed=tuple(e.folder.name for e in found.values() if e.id in before and e != before[e.id]),
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
