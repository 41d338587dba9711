from __future__ import annotations

import sqlite3
import threading
from contextlib import closing
from pathlib import Path

import pytest

from gameon_env.errors import SessionError
from gameon_env.recording.catalogue import CATALOGUE_LAYOUT, Catalogue
from gameon_env.recording.migrations import CATALOGUE_STEPS, migrate, version_of

NEWEST = len(CATALOGUE_STEPS)


def older(folder: Path, version: int) -> Path:
    """A catalogue as that version made and filled it."""
    path = folder / "gameon.db"
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        migrate(connection, CATALOGUE_STEPS, CATALOGUE_LAYOUT.application_id, target=version)
        columns = "id, folder, game, started_at, duration_ns, status"
        for i in range(20):
            row = (f"{i:08x}", f"sessions/Game_{i}", "Doom", f"2026-01-{i + 1:02d}T00:00:00.000000Z", i * 10**9)
            connection.execute(f"INSERT INTO sessions ({columns}) VALUES (?, ?, ?, ?, ?, 'completed')", row)
        if version >= 2:
            connection.execute("INSERT INTO tags VALUES ('00000003', 'good'), ('00000003', 'long')")
            connection.execute("UPDATE sessions SET note = 'mine', who = 'human' WHERE id = '00000003'")
        if version >= 3:
            connection.execute("UPDATE sessions SET frames = 5, size_bytes = 10 WHERE id = '00000003'")
    return path


@pytest.mark.parametrize("version", range(1, NEWEST + 1))
def test_every_row_of_an_older_version_is_kept(tmp_path: Path, version: int) -> None:
    path = older(tmp_path, version)
    with Catalogue(tmp_path) as catalogue:
        entries = catalogue.sessions()
        assert [entry.id for entry in entries] == [f"{i:08x}" for i in range(20)]
        assert [entry.duration_ns for entry in entries] == [i * 10**9 for i in range(20)]
        assert {entry.game for entry in entries} == {"Doom"}
        third = entries[3]
        assert third.folder == tmp_path / "sessions" / "Game_3"
        if version >= 2:
            assert (third.tags, third.note, third.who) == (("good", "long"), "mine", "human")
        else:
            assert (third.tags, third.note, third.who) == ((), "", "unknown")
        assert (third.frames, third.size_bytes) == ((5, 10) if version >= 3 else (None, None))
    with closing(sqlite3.connect(path)) as connection:
        assert version_of(connection) == NEWEST


def test_the_versions_end_with_the_same_tables(tmp_path: Path) -> None:
    tables = set()
    for version in range(NEWEST + 1):
        with closing(sqlite3.connect(":memory:", isolation_level=None)) as connection:
            migrate(connection, CATALOGUE_STEPS, 1, target=version)
            migrate(connection, CATALOGUE_STEPS, 1)
            sql = "SELECT type, name, sql FROM sqlite_master ORDER BY type, name"
            tables.add(tuple(connection.execute(sql).fetchall()))
    assert len(tables) == 1


def test_a_step_that_fails_leaves_the_old_version_whole(tmp_path: Path) -> None:
    path = older(tmp_path, 1)
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        steps = (*CATALOGUE_STEPS[:2], "CREATE TABLE more (id); INSERT INTO nowhere VALUES (1)")
        with pytest.raises(sqlite3.OperationalError, match="nowhere"):
            migrate(connection, steps, CATALOGUE_LAYOUT.application_id)
        assert version_of(connection) == 1
        names = {name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
        assert names == {"sessions"}
        assert connection.execute("SELECT count(*) FROM sessions").fetchone() == (20,)


@pytest.mark.parametrize("begin", ["older", "none"])
def test_many_programs_open_a_catalogue_at_once(tmp_path: Path, begin: str) -> None:
    """Those that make or migrate it, and change its journal, in the same moment: each waits for the others."""
    counts: list[int] = []

    def open_it(folder: Path, start: threading.Barrier) -> None:
        start.wait()
        with Catalogue(folder) as catalogue:
            counts.append(len(catalogue.sessions()))

    for number in range(30):  # without the waiting, one of these went wrong in one of 200 (older) or 12 (none)
        folder = tmp_path / str(number)
        folder.mkdir()
        if begin == "older":
            older(folder, 1)
        start = threading.Barrier(8)
        threads = [threading.Thread(target=open_it, args=(folder, start)) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert counts == [20 if begin == "older" else 0] * 240


def test_a_newer_version_is_refused(tmp_path: Path) -> None:
    path = older(tmp_path, NEWEST)
    with closing(sqlite3.connect(path)) as connection:
        connection.execute(f"PRAGMA user_version = {NEWEST + 1}")
    with pytest.raises(SessionError, match=rf"version {NEWEST + 1}.*knows up to {NEWEST}.*Update gameon-env"):
        Catalogue(tmp_path)
