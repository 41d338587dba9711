from __future__ import annotations

import shutil
import sqlite3
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pytest

from gameon_env.errors import SessionError, StorageError, UnknownNameError
from gameon_env.recording.catalogue import Catalogue
from gameon_env.recording.reindex import Reindexed
from gameon_env.recording.session import Session
from gameon_env.recording.session_folder import new_session_folder
from gameon_env.recording.session_writer import SessionWriter
from tests.unit.recording.small_session import SECOND, end, fill, info, read_only, record

WHEN = datetime(2026, 3, 1, 13, 5, 9)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Three sessions of two games, on three days, 1 to 3 s long."""
    data = tmp_path / "data"
    with Catalogue(data) as catalogue:
        for i, (game, who) in enumerate([("Doom", "human"), ("CS:GO", "agent"), ("Doom", "unknown")], start=1):
            folder = new_session_folder(data, game, WHEN.replace(day=i))
            started = f"2026-03-0{i}T12:00:00.000000Z"
            writer = SessionWriter.create(folder, info(id=f"{i}a{i}b", game=game, started_at=started, who=who))
            catalogue.add(folder)
            fill(writer)
            writer.finish(end(duration_ns=i * SECOND), "recovered" if i == 3 else "completed")
            catalogue.update(folder)
    return data


def names(catalogue: Catalogue, **wanted: object) -> list[str]:
    return [entry.id for entry in catalogue.sessions(**wanted)]  # type: ignore[arg-type]


def test_sessions_are_found_by_what_they_are(data: Path) -> None:
    with Catalogue(data) as catalogue:
        assert names(catalogue) == ["1a1b", "2a2b", "3a3b"]
        assert names(catalogue, game="doom") == ["1a1b", "3a3b"]
        assert names(catalogue, after=datetime(2026, 3, 2, tzinfo=UTC)) == ["2a2b", "3a3b"]
        assert names(catalogue, before=datetime(2026, 3, 1, 12, tzinfo=UTC)) == []
        assert names(catalogue, min_s=1.5, max_s=2) == ["2a2b"]
        assert names(catalogue, status="recovered") == ["3a3b"]
        assert names(catalogue, who="agent") == ["2a2b"]
        assert catalogue.games() == {"CS:GO": 1, "Doom": 2}
        catalogue.tag("1a1b", "good")
        catalogue.tag("3a3b", "good", "long one")
        assert names(catalogue, tag="good") == ["1a1b", "3a3b"]
        assert names(catalogue, tag="good", game="Doom", min_s=2) == ["3a3b"]
        entry = catalogue.find("1a1b")
        assert (entry.frames, entry.dropped, entry.events, entry.reason) == (2, 1, 5, "stopped")
        assert entry.size_bytes == (entry.folder / "session.db").stat().st_size


def test_a_session_has_many_names(data: Path) -> None:
    with Catalogue(data) as catalogue:
        folder = data / "sessions" / "CS_GO_20260302_130509"
        for key in ("2a2b", "2a", folder, str(folder), folder.name, "CS_GO"):
            assert catalogue.find(key).id == "2a2b"
        with pytest.raises(SessionError, match="beginning of 2 sessions: Doom_20260301"):
            catalogue.find("Doom")
        with pytest.raises(UnknownNameError, match=r"Did you mean 'CS_GO_20260302_130509'\?"):
            catalogue.find("CSGO_20260302_130509")
        with pytest.raises(UnknownNameError, match="gameon sessions list"):
            catalogue.find("")


def test_tags_and_notes_live_in_the_folder(data: Path) -> None:
    with Catalogue(data) as catalogue:
        catalogue.tag("1a", "b", "a")
        catalogue.untag("1a", "b")
        entry = catalogue.note("1a", "a note")
        assert (entry.tags, entry.note) == (("a",), "a note")
        with Session(entry.folder) as session:
            assert (session.tags, session.note) == (("a",), "a note")
        with pytest.raises(UnknownNameError, match="bears no tag 'b'"):
            catalogue.untag("1a", "b")
        with pytest.raises(SessionError, match="not an empty text"):
            catalogue.tag("1a", " ")
        before = catalogue.sessions()
    for file in data.glob("gameon.db*"):
        file.unlink()
    with Catalogue(data) as catalogue:
        assert catalogue.sessions() == []
        done = catalogue.reindex()
        assert (len(done.added), done.changed, done.gone, done.problems) == (3, (), (), ())
        assert catalogue.sessions() == before


def test_reindex_follows_what_was_done_by_hand(data: Path) -> None:
    sessions = data / "sessions"
    first, second, third = sorted(sessions.iterdir(), key=lambda path: path.name[-15:])
    shutil.rmtree(second)
    keep = first.rename(sessions / "aside")
    third.rename(first)  # two folders change places
    keep.rename(third)
    record(sessions / "from a friend", id="f00d")
    shutil.copytree(first, sessions / "zz copy")
    (sessions / "no session").mkdir()
    with Catalogue(data) as catalogue:
        done = catalogue.reindex()
        assert done.added == ("from a friend",)
        assert sorted(done.changed) == sorted([first.name, third.name])
        assert done.gone == (second.name,)
        assert len(done.problems) == 1
        assert "a copy of" in done.problems[0]
        assert catalogue.find("1a1b").folder == third
        assert catalogue.find("3a3b").folder == first
        (first / "session.db").write_bytes(b"x" * 5000)
        done = catalogue.reindex()
        assert (done.added, done.changed, done.gone) == ((), ("zz copy",), ())  # the copy steps in
        assert "damaged" in done.problems[0]
        (third / "session.db").write_bytes(b"x" * 5000)
        done = catalogue.reindex()
        assert done.gone == ()
        assert len(done.problems) == 2
        assert catalogue.find("1a1b").folder == third  # its entry stays as it was
        assert len(names(catalogue)) == 3


def test_reindex_leaves_what_others_change_meanwhile(data: Path) -> None:
    def reindexed() -> Reindexed:
        with Catalogue(data) as catalogue:
            return catalogue.reindex()

    with Catalogue(data) as others, ThreadPoolExecutor(1) as pool:
        first, second, third = others.sessions()
        with closing(sqlite3.connect(second.folder / "session.db", isolation_level=None)) as held:
            held.execute("BEGIN EXCLUSIVE")  # its folders are being read until this ends
            running = pool.submit(reindexed)
            time.sleep(0.5)
            added = others.add(record(data / "sessions" / "zz new", id="f00d"))
            others.tag(third.id, "good")
            others.delete(first.id)
            assert not running.done()
            held.execute("ROLLBACK")
        done = running.result()
        assert (done.added, done.changed, done.gone) == ((), (), ())
        entries = others.sessions()
        assert sorted(entry.id for entry in entries) == [second.id, third.id, added.id]
        assert all(entry.present for entry in entries)
        assert others.find(third.id).tags == ("good",)


def test_of_two_copies_the_known_one_stays(data: Path) -> None:
    with Catalogue(data) as catalogue:
        known = catalogue.find("1a1b").folder
        shutil.copytree(known, known.with_name("A copy"))
        done = catalogue.reindex()
        assert (done.added, done.changed, done.gone) == ((), (), ())
        assert catalogue.find("1a1b").folder == known
        assert "A copy: a copy of" in done.problems[0]


def test_a_folder_deleted_by_hand_is_stated(data: Path) -> None:
    with Catalogue(data) as catalogue:
        entry = catalogue.find("1a1b")
        shutil.rmtree(entry.folder)
        assert [entry.present for entry in catalogue.sessions()] == [False, True, True]
        for change in (lambda: catalogue.tag("1a1b", "x"), lambda: catalogue.update("1a1b")):
            with pytest.raises(SessionError, match=r"not there.*gameon sessions reindex"):
                change()
        catalogue.delete("1a1b")
        assert names(catalogue) == ["2a2b", "3a3b"]


def test_deletion_takes_folder_entry_and_tags_but_no_session_in_progress(data: Path) -> None:
    with Catalogue(data) as catalogue:
        catalogue.tag("2a2b", "x")
        folder = catalogue.delete("2a2b").folder
        assert not folder.exists()
        assert names(catalogue) == ["1a1b", "3a3b"]
        assert names(catalogue, tag="x") == []
        writer = SessionWriter.create(new_session_folder(data, "Doom", WHEN), info(id="4a4b"))
        catalogue.add(writer.folder)
        assert catalogue.find("4a4b").live
        with pytest.raises(SessionError, match="is being recorded"):
            catalogue.delete("4a4b")
        writer.close()
        assert not catalogue.find("4a4b").live
        catalogue.delete("4a4b")
        assert not writer.folder.exists()


def test_a_folder_is_taken_by_another_session(data: Path) -> None:
    with Catalogue(data) as catalogue:
        folder = catalogue.find("1a1b").folder
        shutil.rmtree(folder)
        record(folder, id="beef")
        catalogue.add(folder)
        assert sorted(names(catalogue)) == ["2a2b", "3a3b", "beef"]


def test_it_can_be_moved_as_a_whole(data: Path) -> None:
    moved = data.rename(data.with_name("elsewhere"))
    with Catalogue(moved) as catalogue:
        assert all(entry.present and entry.folder.is_relative_to(moved) for entry in catalogue.sessions())
        record(moved.parent / "outside", id="0ff")
        with pytest.raises(SessionError, match="outside the data folder"):
            catalogue.add(moved.parent / "outside")


def test_a_list_that_is_read_while_another_writes(data: Path) -> None:
    with Catalogue(data) as catalogue, Catalogue(data, create=False, busy_s=0.05) as other:
        catalogue._connection.execute("BEGIN IMMEDIATE")
        assert len(other.sessions()) == 3
        with pytest.raises(SessionError, match=r"keeps the catalogue locked"):
            other.tag("1a1b", "x")
        catalogue._connection.execute("ROLLBACK")
        assert other.tag("1a1b", "x").tags == ("x",)


def test_a_read_only_data_folder_is_listed(data: Path) -> None:
    with read_only(data):
        with Catalogue(data, create=False) as catalogue:
            assert len(catalogue.sessions()) == 3
            with pytest.raises(StorageError):
                catalogue.tag("1a1b", "x")
        with pytest.raises(StorageError, match="--data-dir"):
            new_session_folder(data, "Doom", WHEN)
        with pytest.raises(StorageError):
            Catalogue(data / "inner")


def test_what_is_no_catalogue_says_what_it_is(tmp_path: Path) -> None:
    with pytest.raises(SessionError, match=r"no catalogue of sessions here.*--data-dir.*gameon sessions reindex"):
        Catalogue(tmp_path / "none", create=False)
    assert not (tmp_path / "none").exists()
    path = tmp_path / "gameon.db"
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE sessions (id INTEGER PRIMARY KEY, game_name TEXT NOT NULL)")
        connection.execute("CREATE TABLE input_events (id INTEGER PRIMARY KEY, session_id INTEGER)")
    before = path.read_bytes()
    with pytest.raises(SessionError, match=r"original GameOn.*gameon import gameon-db"):
        Catalogue(tmp_path)
    assert path.read_bytes() == before
    path.write_bytes(b"garbage" * 1000)
    with pytest.raises(SessionError, match=r"damaged.*Move gameon.db away.*gameon sessions reindex"):
        Catalogue(tmp_path)


def test_foreign_keys_and_the_log_are_on(data: Path) -> None:
    with closing(sqlite3.connect(data / "gameon.db")) as connection:
        assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    with Catalogue(data) as catalogue, pytest.raises(sqlite3.IntegrityError):
        catalogue._connection.execute("INSERT INTO tags VALUES ('no such session', 'x')")


@pytest.mark.parametrize(
    ("game", "expected"),
    [
        ("Doom", "Doom"),
        ("CS:GO", "CS_GO"),
        ("Half-Life 2", "Half-Life_2"),
        ('a/b\\c<d>e"f|g?h*i\n', "a_b_c_d_e_f_g_h_i"),
        ("../../etc", "etc"),
        ("", "game"),
        ("...", "game"),
        ("東方", "東方"),
    ],
)
def test_a_folder_is_named_for_its_game(tmp_path: Path, game: str, expected: str) -> None:
    data = tmp_path / "data"
    folder = new_session_folder(data, game, WHEN)
    assert folder == data / "sessions" / f"{expected}_20260301_130509"
    assert folder.is_dir()
    again, third = (new_session_folder(data, game, WHEN).name for _ in range(2))
    assert (again, third) == (f"{folder.name}_2", f"{folder.name}_3")
    assert (data / ".gitignore").read_text() == "*\n"


def test_a_long_name_still_makes_a_folder(tmp_path: Path) -> None:
    folder = new_session_folder(tmp_path, "長い名前" * 100, WHEN)
    assert folder.is_dir()
    assert folder.name.endswith("_20260301_130509")
