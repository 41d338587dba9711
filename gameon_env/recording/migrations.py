"""The versions of a database: numbered steps, each of which keeps every row."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence

CATALOGUE_STEPS = (
    # 1: where each session is
    """
    CREATE TABLE sessions (
        id TEXT PRIMARY KEY,
        folder TEXT NOT NULL UNIQUE,
        game TEXT NOT NULL,
        started_at TEXT NOT NULL,
        duration_ns INTEGER,
        status TEXT NOT NULL
    );
    """,
    # 2: what people say of it
    """
    CREATE TABLE tags (
        session TEXT NOT NULL REFERENCES sessions (id) ON DELETE CASCADE,
        name TEXT NOT NULL,
        PRIMARY KEY (session, name)
    ) WITHOUT ROWID;
    CREATE INDEX tags_by_name ON tags (name);
    ALTER TABLE sessions ADD COLUMN note TEXT NOT NULL DEFAULT '';
    ALTER TABLE sessions ADD COLUMN who TEXT NOT NULL DEFAULT 'unknown';
    """,
    # 3: how much it holds; unknown (NULL) in older rows until they are read again
    """
    ALTER TABLE sessions ADD COLUMN reason TEXT NOT NULL DEFAULT '';
    ALTER TABLE sessions ADD COLUMN frames INTEGER;
    ALTER TABLE sessions ADD COLUMN dropped INTEGER;
    ALTER TABLE sessions ADD COLUMN events INTEGER;
    ALTER TABLE sessions ADD COLUMN size_bytes INTEGER;
    CREATE INDEX sessions_by_game ON sessions (game COLLATE NOCASE, started_at);
    CREATE INDEX sessions_by_time ON sessions (started_at);
    """,
)
"""Of ``data/gameon.db``. A new version is a new step at the end; the old ones stay as they are."""


def version_of(connection: sqlite3.Connection) -> int:
    """The number of steps that were taken."""
    return int(connection.execute("PRAGMA user_version").fetchone()[0])


def migrate(
    connection: sqlite3.Connection, steps: Sequence[str], application_id: int, *, target: int | None = None
) -> None:
    """Take the steps that are missing up to version ``target`` (all), all of them or none.

    The connection is in autocommit mode (``isolation_level=None``). Another program may do the same at this moment:
    the second one finds nothing left to do.
    """
    connection.execute("BEGIN IMMEDIATE")
    try:
        for number in range(version_of(connection), len(steps) if target is None else target):
            for statement in steps[number].split(";"):
                if statement.strip():
                    connection.execute(statement)
            connection.execute(f"PRAGMA user_version = {number + 1}")
        connection.execute(f"PRAGMA application_id = {application_id}")
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise
