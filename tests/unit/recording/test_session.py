from __future__ import annotations

import shutil
import signal
import sqlite3
import subprocess
import sys
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gameon_env.errors import SessionError, StorageError
from gameon_env.events import InputEvent
from gameon_env.recording import session_writer
from gameon_env.recording.model import FrameRow, Gap, Health
from gameon_env.recording.session import Session
from gameon_env.recording.session_schema import STREAMS
from gameon_env.recording.session_writer import SessionWriter, edit_labels
from tests.unit.recording.small_session import (
    CLOCK,
    EVENTS,
    FRAMES,
    SECOND,
    START_NS,
    end,
    fill,
    info,
    read_only,
    record,
    small_disk,
)


def relative(events: list[InputEvent]) -> list[InputEvent]:
    return [replace(event, t_ns=event.t_ns - START_NS) for event in events]


def test_all_that_is_written_is_read_and_one_file_is_left(tmp_path: Path) -> None:
    folder = tmp_path / "session"
    writer = SessionWriter.create(folder, info(), tags=["good", "café"], note="a note")
    fill(writer)
    writer.add_audio_clock(CLOCK)
    last = end(missing=("the microphone from 1.0 s on",), checksums={"video.mp4": "ab"}, who="mixed")
    writer.finish(last)
    assert [path.name for path in folder.iterdir()] == ["session.db"]
    with Session(folder) as session:
        assert session.info == info(who="mixed")  # as the end knows it
        assert session.end == last
        assert (session.status, session.live, session.note, session.tags) == (
            "completed",
            False,
            "a note",
            ("café", "good"),
        )
        assert list(session.input_events()) == relative(EVENTS)
        frames = session.frames()
        assert frames.t_ns.tolist() == [row.t_ns for row in FRAMES]
        assert frames.video_frame.tolist() == [0, -1, 1]
        assert frames.reason == (None, "dropped", None)
        assert session.gaps() == (Gap(100, 200, "all", "paused"),)
        assert session.health() == (Health(SECOND, 12.5, 100.0, 5000.0, 2, 1, 5, 0),)
        samples, t_ns = session.audio_clock("system_audio")
        assert (samples.tolist(), t_ns.tolist()) == ([0, 480], [1_000_000, 11_000_000])
        assert session.audio_clock("microphone_audio")[1].tolist() == [2_000_000]
        assert session.counts == {"frames": 2, "dropped": 1, "events": 5}
        assert session.duration_ns == 2 * SECOND
        assert session.size_bytes == (folder / "session.db").stat().st_size
        assert session.problems() == ()


@settings(deadline=None, max_examples=25)
@given(
    st.lists(
        st.builds(
            InputEvent,
            st.integers(START_NS, START_NS + 10 * SECOND),
            st.sampled_from(["key:w", "mouse:dx", "mouse:x", "pad:a"]),
            st.floats(allow_nan=False, allow_infinity=False),
            st.booleans(),
        ),
        max_size=40,
    ),
    st.integers(1, 5),
)
def test_events_of_any_kind_come_back_in_the_order_of_time(
    tmp_path_factory: pytest.TempPathFactory, events: list[InputEvent], batches: int
) -> None:
    folder = tmp_path_factory.mktemp("session")
    writer = SessionWriter.create(folder, info())
    for i in range(batches):
        writer.add_events(events[i::batches])
        writer.commit()
    writer.finish(end())
    written = [event for i in range(batches) for event in events[i::batches]]
    with Session(folder) as session:
        assert list(session.input_events()) == relative(sorted(written, key=lambda event: event.t_ns))


def test_a_thousand_hertz_mouse_takes_little_room(tmp_path: Path) -> None:
    count = 100_000
    steps = np.random.default_rng(0).integers(-40, 41, count).tolist()
    axes = "mouse:dx", "mouse:dy"
    writer = SessionWriter.create(tmp_path, info())
    for first in range(0, count, 400):
        writer.add_events(
            InputEvent(START_NS + i // 2 * 1_000_000, axes[i % 2], steps[i]) for i in range(first, first + 400)
        )
        writer.commit()
    writer.finish(end())
    assert (tmp_path / "session.db").stat().st_size / count < 25
    with Session(tmp_path) as session:
        assert session.events().value.tolist() == steps


def test_a_session_in_progress_is_read_and_tagged_up_to_the_last_commit(tmp_path: Path) -> None:
    writer = SessionWriter.create(tmp_path, info())
    writer.add_events(EVENTS[:2])
    writer.commit()
    writer.add_events(EVENTS[2:])
    with Session(tmp_path) as session:
        assert (session.status, session.live, session.end) == ("recording", True, None)
        assert list(session.input_events()) == relative(EVENTS[:2])
        assert session.duration_ns == 20
        edit_labels(tmp_path, add=["live"], note="now")
        writer.commit()
        assert session.tags == ("live",)
        assert len(session.events()) == 5
        writer.finish(end())  # while somebody reads
        assert (session.status, session.live) == ("completed", False)
    edit_labels(tmp_path, remove=["live"])  # takes away what SQLite left for that reader
    assert [path.name for path in tmp_path.iterdir()] == ["session.db"]


def test_a_gap_is_ended_later(tmp_path: Path) -> None:
    writer = SessionWriter.create(tmp_path, info())
    number = writer.add_gap(Gap(10, None, "input", "focus"))
    other = writer.add_gap(Gap(5, None, "system_audio", "device lost"))
    writer.commit()
    with Session(tmp_path) as session:
        assert session.gaps() == (Gap(5, None, "system_audio", "device lost"), Gap(10, None, "input", "focus"))
    writer.end_gap(number, 30)
    writer.finish(end())
    assert other != number
    with Session(tmp_path) as session:
        assert session.gaps() == (Gap(5, None, "system_audio", "device lost"), Gap(10, 30, "input", "focus"))


KILLED = """
import os, signal, sys
from pathlib import Path
from gameon_env.recording.model import Gap
from gameon_env.recording.session_writer import SessionWriter
from tests.unit.recording.small_session import EVENTS, FRAMES, info
writer = SessionWriter.create(Path(sys.argv[1]), info())
writer.add_events(EVENTS)
writer.add_frames(FRAMES)
writer.add_gap(Gap(55, None, "input", "focus"))
writer.commit()
writer.add_events(EVENTS)
os.kill(os.getpid(), signal.SIGKILL)
"""


def kill_a_writer(folder: Path) -> None:
    done = subprocess.run([sys.executable, "-c", KILLED, str(folder)])
    assert done.returncode == -signal.SIGKILL


def test_a_killed_writer_leaves_all_that_was_committed(tmp_path: Path) -> None:
    kill_a_writer(tmp_path)
    with Session(tmp_path) as session:
        assert (session.status, session.live, session.end) == ("recording", False, None)
        assert list(session.input_events()) == relative(EVENTS)
    writer = SessionWriter.reopen(tmp_path)
    assert writer.info == info()
    assert writer.lose_frames(1) == 1
    assert writer.open_gaps == {0: Gap(55, None, "input", "focus")}
    writer.end_gap(0, 58)
    assert writer.add_gap(Gap(60, None, "all", "killed")) == 1
    writer.add_events([InputEvent(START_NS + 60, "key:new", 1.0)])
    writer.finish(end(reason="killed"), "recovered")
    assert [path.name for path in tmp_path.iterdir()] == ["session.db"]
    with Session(tmp_path) as session:
        assert session.status == "recovered"
        frames = session.frames()
        assert frames.video_frame.tolist() == [0, -1, -1]
        assert frames.reason == (None, "dropped", "lost")
        assert session.gaps() == (Gap(55, 58, "input", "focus"), Gap(60, None, "all", "killed"))
        assert session.events().names[-1] == "key:new"
        assert len(session.events()) == 6


def test_one_folder_has_one_writer(tmp_path: Path) -> None:
    writer = SessionWriter.create(tmp_path, info())
    with pytest.raises(SessionError, match="another recorder"):
        SessionWriter.create(tmp_path, info())
    with pytest.raises(SessionError, match="another recorder"):
        SessionWriter.reopen(tmp_path)
    writer.finish(end())
    with pytest.raises(SessionError, match="a session in it already"):
        SessionWriter.create(tmp_path, info())


def test_a_full_disk_costs_nothing_that_was_there(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", 8) as disk:
        writer = SessionWriter.create(disk / "s", info())
        added = 0

        def record_on() -> None:
            nonlocal added
            while added < 2_000_000:
                writer.add_events(InputEvent(START_NS + i * 1000, "mouse:dx", 1.5) for i in range(added, added + 500))
                added += 500
                writer.commit()

        with pytest.raises(StorageError, match="disk is full"):
            record_on()
        with Session(disk / "s") as session:
            assert added - 500 <= len(session.events()) <= added
            assert session.problems() == ()
        writer.finish(end(reason="disk full"))
        assert [path.name for path in (disk / "s").iterdir()] == ["session.db"]
        with Session(disk / "s") as session:
            assert len(session.events()) == added  # the last batch too: room was kept for it
            assert session.problems() == ()
            assert session.status == "completed"


def test_no_room_for_a_session(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", 2) as disk:
        with pytest.raises(StorageError, match="no room for a session"):
            SessionWriter.create(disk / "s", info())
        assert list((disk / "s").iterdir()) == []


def test_a_read_only_medium(tmp_path: Path) -> None:
    record(tmp_path / "finished")
    kill_a_writer(tmp_path / "cut off")
    (tmp_path / "cut off" / "session.db-shm").unlink()  # as after a copy of what matters
    with read_only(tmp_path):
        for name in ("finished", "cut off"):
            with Session(tmp_path / name) as session:
                assert list(session.input_events()) == relative(EVENTS)
                assert not session.live
        with pytest.raises(StorageError, match="--data-dir"):
            SessionWriter.create(tmp_path / "new", info())
        with pytest.raises(StorageError):
            edit_labels(tmp_path / "finished", add=["x"])


def test_what_cannot_be_read_says_why(tmp_path: Path) -> None:
    with pytest.raises(SessionError, match=r"not there.*gameon sessions reindex"):
        Session(tmp_path / "deleted")
    (tmp_path / "empty").mkdir()
    with pytest.raises(SessionError, match="there is no session's database here"):
        Session(tmp_path / "empty")
    folder = record(tmp_path / "good")
    database = folder / "session.db"

    def copy(name: str) -> Path:
        (tmp_path / name).mkdir()
        return Path(shutil.copy(database, tmp_path / name))

    with closing(sqlite3.connect(copy("newer"))) as connection:
        connection.execute("PRAGMA user_version = 99")
    with pytest.raises(SessionError, match=r"of version 99.*knows up to 1.*Update gameon-env"):
        Session(tmp_path / "newer")
    copy("garbage").write_bytes(b"no database at all, just words" * 500)
    with pytest.raises(SessionError, match=r"damaged.*gameon recover"):
        Session(tmp_path / "garbage")
    (cut := copy("cut")).write_bytes(cut.read_bytes()[:9000])
    with pytest.raises(SessionError, match=r"damaged.*gameon recover"):
        Session(tmp_path / "cut").events()
    copy("blank").write_bytes(b"")
    with pytest.raises(SessionError, match="empty"):
        Session(tmp_path / "blank")
    with closing(sqlite3.connect(copy("rowless"))) as connection:
        connection.execute("DELETE FROM session")
        connection.commit()
    with pytest.raises(SessionError, match="ended before it began"):
        Session(tmp_path / "rowless")
    copy("foreign").unlink()
    with closing(sqlite3.connect(tmp_path / "foreign" / "session.db")) as connection:
        connection.execute("CREATE TABLE recipes (name TEXT)")
    with pytest.raises(SessionError, match="is no session's database"):
        Session(tmp_path / "foreign")


def test_a_locked_database_is_said_to_be(tmp_path: Path) -> None:
    record(tmp_path)
    with closing(sqlite3.connect(tmp_path / "session.db", isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        with pytest.raises(SessionError, match="keeps the session's database locked"):
            Session(tmp_path, busy_s=0.05)
    with Session(tmp_path) as session:
        assert session.counts["events"] == 5


def test_rows_wait_while_another_program_holds_the_database(tmp_path: Path) -> None:
    writer = SessionWriter.create(tmp_path, info(), busy_s=0.05)
    with closing(sqlite3.connect(tmp_path / "session.db", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        writer.add_events(EVENTS[:3])
        writer.add_frames([FrameRow(0, 0)])
        with pytest.raises(SessionError, match="locked"):
            writer.commit()
        writer.add_events(EVENTS[3:])
    writer.finish(end())
    with Session(tmp_path) as session:
        assert list(session.input_events()) == relative(EVENTS)
        assert len(session.frames()) == 1


def test_plain_sqlite_reads_it_with_names(tmp_path: Path) -> None:
    writer = SessionWriter.create(tmp_path, info())
    fill(writer)
    writer.add_audio_clock(CLOCK)
    writer.finish(end())
    with closing(sqlite3.connect(tmp_path / "session.db")) as connection:
        rows = connection.execute("SELECT * FROM input_events_named").fetchall()
        assert rows[1] == (pytest.approx(20e-9), "mouse:dx", -3.0, 1)
        streams = connection.execute("SELECT stream, sample FROM audio_clock_named").fetchall()
        assert streams == [(row.stream, row.sample) for row in CLOCK]
        assert tuple(name for (name,) in connection.execute("SELECT name FROM streams ORDER BY id")) == STREAMS


def test_a_full_disk_writes_no_row_twice(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(session_writer, "DURABLE_EVERY_S", 0.0)
    with small_disk(tmp_path / "disk", 6) as disk:
        writer = SessionWriter.create(disk / "s", info())
        (disk / "ballast").write_bytes(bytes(shutil.disk_usage(disk).free - 700_000))
        count = full = 0
        while not full:
            writer.add_events(InputEvent(START_NS + count + i, "key:w", 1.0) for i in range(500))
            count += 500
            try:
                writer.commit()
            except StorageError:
                full += 1
        (disk / "ballast").unlink()
        writer.finish(end())
        with Session(disk / "s") as session:
            assert session.counts["events"] == count
