"""Importing the original GameOn's recordings: databases and folders as it left them, with what is odd about them."""

from __future__ import annotations

import hashlib
import json
import math
import shutil
import signal
import sqlite3
import struct
import subprocess
import sys
import time
import wave
from collections.abc import Iterator, Sequence
from datetime import datetime
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from typer.testing import CliRunner

from gameon_env.cli import make_app
from gameon_env.data_processing.video_reader import VideoReader
from gameon_env.errors import SessionError
from gameon_env.recording.catalogue import Catalogue
from gameon_env.recording.import_folder import import_folder
from gameon_env.recording.original_gameon import LEFT_OVER_FILE, Imported, import_original
from gameon_env.recording.original_store import OriginalStore
from gameon_env.recording.recovery import recover_sessions
from gameon_env.recording.session import Session
from gameon_env.recording.verification import verify
from tests.unit.recording.small_session import SECOND

SESSIONS = """
CREATE TABLE sessions (
    id INTEGER PRIMARY KEY AUTOINCREMENT, game_name TEXT NOT NULL, start_time TEXT NOT NULL, end_time TEXT,
    duration_seconds INTEGER, video_path TEXT, system_audio_path TEXT, microphone_audio_path TEXT, input_type TEXT,
    fps INTEGER DEFAULT 60, latency_offset_ms INTEGER DEFAULT 0, status TEXT DEFAULT 'recording',
    monitor_index INTEGER, notes TEXT, video_width INTEGER, video_height INTEGER, video_codec TEXT,
    total_frames INTEGER, file_size_bytes INTEGER
);
"""
REST = """
CREATE TABLE action_codes (
    id INTEGER PRIMARY KEY, input_device TEXT, raw_input TEXT, encoded_value TEXT, description TEXT, category TEXT,
    created_at TEXT
);
CREATE TABLE input_events (
    id INTEGER PRIMARY KEY AUTOINCREMENT, session_id INTEGER REFERENCES sessions (id), timestamp_ms INTEGER,
    input_device TEXT, button_key TEXT, action TEXT, value REAL, x_position REAL, y_position REAL,
    action_code INTEGER REFERENCES action_codes (id)
);
CREATE TABLE frame_timestamps (
    id INTEGER PRIMARY KEY, session_id INTEGER, frame_number INTEGER, capture_timestamp_ms INTEGER,
    write_timestamp_ms INTEGER, dropped INTEGER
);
CREATE TABLE session_health (
    id INTEGER PRIMARY KEY, session_id INTEGER, check_time TEXT, disk_space_gb REAL, cpu_percent REAL, memory_mb REAL,
    frames_captured INTEGER, frames_dropped INTEGER
);
"""
Row = tuple[int, str, str | None, str, float | None, float | None, float | None]
WASD: list[Row] = [
    (100, "keyboard", "w", "press", 1.0, None, None),
    (130, "keyboard", "w", "press", 1.0, None, None),  # the keyboard's repeat
    (160, "keyboard", "w", "release", 0.0, None, None),
    (200, "keyboard", "Key.space", "press", 1.0, None, None),
    (300, "keyboard", "Key.space", "release", 0.0, None, None),
    (400, "mouse", "Button.left", "press", 1.0, 640.0, 360.0),
    (450, "mouse", "Button.left", "release", 0.0, 640.0, 360.0),
    (500, "mouse", None, "scroll", -2.0, 640.0, 360.0),
]


class Store:
    """An original's folder, being filled."""

    def __init__(self, root: Path, schema: str = SESSIONS + REST) -> None:
        self.data = root / "data"
        self.path = self.data / "gameon.db"
        self.data.mkdir(parents=True)
        self.connection = sqlite3.connect(self.path)
        self.connection.executescript(schema)

    def folder(self, game: str = "Game", started: str = "20231127_143022") -> Path:
        folder = self.data / "sessions" / f"{game}_{started}"
        folder.mkdir(parents=True, exist_ok=True)
        return folder

    def session(self, rows: Sequence[Row] = WASD, **columns: object) -> None:
        defaults = {"game_name": "Game", "start_time": "2023-11-27T14:30:22.250000", "status": "completed"}
        columns = defaults | {"video_path": "data/sessions/Game_20231127_143022/video.mp4"} | columns
        names = ", ".join(columns)
        marks = ", ".join("?" * len(columns))
        cursor = self.connection.execute(f"INSERT INTO sessions ({names}) VALUES ({marks})", tuple(columns.values()))
        sql = (
            "INSERT INTO input_events (session_id, timestamp_ms, input_device, button_key, action, value, x_position,"
            " y_position) VALUES (?, ?, ?, ?, ?, ?, ?, ?)"
        )
        self.connection.executemany(sql, [(cursor.lastrowid, *row) for row in rows])
        self.connection.commit()

    def bring(self, into: Path, path: Path | None = None) -> list[Imported]:
        self.connection.close()
        return list(import_original(path or self.path, into))


def film(
    path: Path,
    frames: int = 30,
    fps: int | Fraction = 30,
    codec: str = "libx264",
    options: dict[str, str] | None = None,
):  # type: ignore[no-untyped-def]
    """A small video; frame i is grey with the level ``8 * i``."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=fps, options=options or {})
        stream.width, stream.height = 64, 48
        stream.pix_fmt = "yuvj420p" if codec == "mjpeg" else "yuv420p"
        for i in range(frames):
            picture = np.full((48, 64, 3), 8 * i % 256, np.uint8)
            frame = av.VideoFrame.from_ndarray(picture, "rgb24")
            frame.pts, frame.time_base = i, 1 / Fraction(fps)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))


def sound(path: Path, seconds: float = 1.0, rate: int = 8000) -> bytes:
    samples = (np.sin(np.arange(int(seconds * rate)) * 0.1) * 20000).astype("<i2").tobytes()
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes(samples)
    return samples


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "original")


@pytest.fixture
def central_europe(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    with monkeypatch.context() as patch:
        patch.setenv("TZ", "CET-1CEST,M3.5.0,M10.5.0/3")
        time.tzset()
        yield
    time.tzset()


def contents(folder: Path) -> dict[str, str]:
    files = (path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def told(session: Session) -> list[tuple[int, str, float]]:
    return [(event.t_ns // 1_000_000, event.control, event.value) for event in session.input_events()]


def one(imported: list[Imported]) -> Session:
    (only,) = imported
    assert only.result == "imported", only.notes
    assert only.folder is not None
    assert verify(only.folder) == []
    return Session(only.folder)


def test_a_session_comes_over_whole(store: Store, tmp_path: Path) -> None:
    film(store.folder() / "video.mp4")
    samples = sound(store.folder() / "system_audio.wav")
    store.session(
        system_audio_path="data/sessions/Game_20231127_143022/system_audio.wav", end_time="2023-11-27T14:30:23.400000",
        fps=30, notes="a good one", total_frames=69, latency_offset_ms=50,
    )  # fmt: skip
    before = contents(store.data)
    imported = store.bring(tmp_path / "mine")
    assert contents(store.data) == before
    (report,) = imported
    assert (report.rows, report.taken, report.repeated, dict(report.unknown)) == (8, 7, 1, {})
    assert (report.frames_in, report.frames) == (30, 30)
    with one(imported) as session:
        assert told(session) == [
            (100, "key:w", 1.0), (160, "key:w", 0.0), (200, "key:space", 1.0), (300, "key:space", 0.0),
            (400, "mouse:x", 640.0), (400, "mouse:y", 360.0), (400, "mouse:left", 1.0), (450, "mouse:left", 0.0),
            (500, "mouse:wheel", -2.0),
        ]  # fmt: skip
        assert report.events == session.counts["events"] == 9
        frames = session.frames()
        assert np.array_equal(frames.video_frame, np.arange(30))
        assert np.allclose(frames.t_ns / 1e9, np.arange(30) / 30, atol=1e-4)
        assert session.video.read_bytes() == (store.folder() / "video.mp4").read_bytes()
        with wave.open(str(session.audio("system_audio"))) as file:
            assert file.readframes(file.getnframes()) == samples
        assert len(session.audio_clock("system_audio")[0]) == 1
        info, end = session.info, session.end
        assert end is not None
        assert (session.status, end.reason, end.missing) == ("completed", "stopped", ())
        assert datetime.fromisoformat(info.started_at) == datetime(2023, 11, 27, 14, 30, 22, 250000).astimezone()
        assert end.duration_ns == 1_150_000_000
        assert (info.game, info.fps, info.picture_size, info.codec, info.who) == (
            "Game",
            30.0,
            (48, 64),
            "h264",
            "human",
        )
        assert session.note == "a good one"
        assert info.details["original"]["session"]["total_frames"] == 69  # type: ignore[index]
    with Catalogue(tmp_path / "mine") as catalogue:
        (entry,) = catalogue.sessions(game="game")
        assert entry.id == info.id


def test_twice_is_once_wherever_the_original_lies(store: Store, tmp_path: Path) -> None:
    film(store.folder() / "video.mp4")
    store.session()
    store.session(start_time="2023-11-28T09:00:00", video_path="data/sessions/Game_20231128_090000/video.mp4")
    film(store.folder(started="20231128_090000") / "video.mp4")
    first = store.bring(tmp_path / "mine")
    assert [each.result for each in first] == ["imported", "imported"]
    shutil.move(store.data.parent, tmp_path / "moved")
    again = list(import_original(tmp_path / "moved", tmp_path / "mine"))
    assert [(each.result, each.folder) for each in again] == [("there already", each.folder) for each in first]
    (tmp_path / "mine" / "gameon.db").unlink()  # the list is made again from the folders
    for log in (tmp_path / "mine").glob("gameon.db-*"):
        log.unlink()
    assert [each.result for each in import_original(tmp_path / "moved", tmp_path / "mine")] == ["there already"] * 2
    assert len(list((tmp_path / "mine" / "sessions").iterdir())) == 2


KILLED = """
import os, sys
from gameon_env.recording.original_gameon import import_original
left = int(sys.argv[3])
def count(event, args):
    global left
    if event in ("open", "os.rename", "os.remove", "shutil.copyfile", "sqlite3.connect", "os.mkdir", "os.rmdir"):
        if event != "open" or str(args[0]).startswith(sys.argv[2]):
            left -= 1
            if left < 0:
                os.kill(os.getpid(), 9)
sys.addaudithook(count)
print([each.result for each in import_original(sys.argv[1], sys.argv[2])])
"""


def test_an_import_killed_at_any_moment_is_none(store: Store, tmp_path: Path) -> None:
    """Each file operation of an import is its last one once."""
    film(store.folder() / "video.mp4")
    store.session()
    store.connection.close()
    for moment in range(1, 200, 3):
        mine = tmp_path / str(moment)
        command = [sys.executable, "-c", KILLED, str(store.path), str(mine), str(moment)]
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode == 0:
            break
        assert done.returncode == -signal.SIGKILL, done.stderr
        before = [found.outcome for found in recover_sessions(mine)]
        assert before in ([], ["whole"]), moment
        (imported,) = import_original(store.path, mine)
        assert imported.result == ("there already" if before else "imported"), moment
        assert imported.folder is not None
        left = [path for path in (mine / "sessions").iterdir() if any(path.iterdir())]  # an empty one is no session
        assert left == [imported.folder], moment
        assert verify(imported.folder) == []
        with Session(imported.folder) as session:
            assert session.counts == {"frames": 30, "dropped": 0, "events": 9}
    assert done.stdout.strip() == "['imported']"
    assert moment > 20


def test_what_another_process_imports_now_is_left_to_it(store: Store, tmp_path: Path) -> None:
    store.session(video_path=None)
    with OriginalStore(store.path) as original, Catalogue(tmp_path / "mine") as catalogue:
        (session,) = original.sessions()
        with import_folder(catalogue, session.identity) as filled:
            (report,) = import_original(store.path, tmp_path / "mine")
            assert report.result == "failed"
            assert "another process imports" in report.notes[0]
            assert filled.is_dir()
    one(store.bring(tmp_path / "mine")).close()


def test_an_older_database_lacks_columns_and_tables(tmp_path: Path) -> None:
    schema = (
        "CREATE TABLE sessions (id INTEGER PRIMARY KEY, game_name TEXT NOT NULL, start_time TEXT NOT NULL,"
        " duration_seconds INTEGER, video_path TEXT);"
        "CREATE TABLE input_events (id INTEGER PRIMARY KEY, session_id INTEGER, timestamp_ms INTEGER,"
        " input_device TEXT, button_key TEXT, action TEXT);"
    )
    store = Store(tmp_path / "original", schema)
    film(store.folder() / "video.avi", codec="mpeg4")
    store.connection.execute(
        "INSERT INTO sessions VALUES (7, 'Game', '2023-11-27 14:30:22', 1,"
        " 'data/sessions/Game_20231127_143022/video.avi')"
    )
    store.connection.executemany(
        "INSERT INTO input_events (session_id, timestamp_ms, input_device, button_key, action) VALUES (7, ?, ?, ?, ?)",
        [(10, "keyboard", "'a'", "press"), (20, "keyboard", "Key.shift_l", "press"), (30, "keyboard", "A", "release")],
    )
    store.connection.commit()
    with one(store.bring(tmp_path / "mine")) as session:
        assert told(session) == [(10, "key:a", 1.0), (20, "key:left_shift", 1.0), (30, "key:a", 0.0)]
        assert session.counts["frames"] == 30
        assert session.info.fps == 60.0


@pytest.mark.parametrize(
    "stored",
    [
        "data/sessions/Game_20231127_143022/video.mp4",
        "sessions/Game_20231127_143022/video.mp4",
        "./GameOn/data/sessions/Game_20231127_143022/video.mp4",
        "C:\\Users\\me\\GameOn\\data\\sessions\\Game_20231127_143022\\video.mp4",
        "data\\sessions\\Game_20231127_143022\\video.mp4",
        "/home/somebody/else/Game_20231127_143022/video.mp4",
        "data/sessions/Game_20231127_143022/video.avi",
        None,
    ],
)
def test_files_are_found_from_any_folder(store: Store, tmp_path: Path, stored: str | None) -> None:
    film(store.folder() / "video.mp4")
    store.session(video_path=stored)
    with one(store.bring(tmp_path / "mine")) as session:
        assert session.counts["frames"] == 30


def test_an_absolute_path_to_its_recording_is_taken_as_it_is(store: Store, tmp_path: Path) -> None:
    folder = tmp_path / "another disk" / "sessions" / "Game_20231127_143022"
    folder.mkdir(parents=True)
    film(folder / "video.mp4")
    store.session(video_path=str(folder / "video.mp4"))
    with one(store.bring(tmp_path / "mine")) as session:
        assert session.counts["frames"] == 30


def test_other_files_that_a_database_names_are_not_copied(store: Store, tmp_path: Path) -> None:
    private = tmp_path / "private"
    private.mkdir()
    sound(private / "song.wav")
    film(private / "video.mp4")
    (store.folder() / "id_rsa").write_text("secret")
    (private / "video").write_text("secret")
    for stored in (
        private / "video.mp4", private / "video", "../private/video.mp4", "data/../../private/video.mp4",
        "data/sessions/Game_20231127_143022/id_rsa", store.folder() / "id_rsa", "/", "..", "/video.mp4",
    ):  # fmt: skip
        store.session(video_path=str(stored), system_audio_path=str(private / "song.wav"))
        store.connection.execute("UPDATE sessions SET game_name = game_name || id WHERE game_name = 'Game'")
        store.connection.commit()
    imported = store.bring(tmp_path / "mine")
    assert len(imported) == 9
    for report in imported:
        assert (report.result, report.frames_in) == ("imported", 0)
        assert report.folder is not None
        assert [path.name for path in report.folder.iterdir()] == ["session.db"]
        assert [note.split(":")[0] for note in report.notes] == ["video", "system_audio"]


@pytest.mark.parametrize("game", ["Half-Life 2: Episode One", 'a/b\\c*?"<>|', "ゼルダ", "..", "x" * 300])
def test_any_name_of_a_game(store: Store, tmp_path: Path, game: str) -> None:
    store.session(game_name=game, video_path=None)
    with one(store.bring(tmp_path / "mine")) as session:
        assert session.info.game == game
        assert session.folder.parent == tmp_path / "mine" / "sessions"


def test_empty_sound_is_no_sound_and_said(store: Store, tmp_path: Path) -> None:
    folder = store.folder()
    for name in ("system_audio", "microphone_audio"):
        sound(folder / f"{name}.wav", seconds=0)
    assert (folder / "system_audio.wav").stat().st_size == 44
    store.session(
        system_audio_path="data/sessions/Game_20231127_143022/system_audio.wav",
        microphone_audio_path="data/sessions/Game_20231127_143022/microphone_audio.wav",
    )
    film(folder / "video.mp4")
    with one(store.bring(tmp_path / "mine")) as session:
        assert not session.audio("system_audio").exists()
        assert session.end is not None
        assert [text.split(":")[0] for text in session.end.missing] == ["system_audio", "microphone_audio"]


def test_sound_whose_header_was_never_finished(store: Store, tmp_path: Path) -> None:
    path = store.folder() / "system_audio.wav"
    samples = sound(path, seconds=2.5)
    data = bytearray(path.read_bytes())
    data[40:44] = struct.pack("<I", 0)
    path.write_bytes(data)
    store.session(video_path=None, system_audio_path=str(path))
    with one(store.bring(tmp_path / "mine")) as session:
        with wave.open(str(session.audio("system_audio"))) as file:
            assert file.readframes(file.getnframes()) == samples
        assert session.audio_clock("system_audio")[0].tolist() == [0, 8000, 16000]
        assert session.audio_clock("system_audio")[1].tolist() == [0, 1_000_000_000, 2_000_000_000]


def test_sound_that_is_not_16_bit(store: Store, tmp_path: Path) -> None:
    path = store.folder() / "microphone_audio.wav"
    with av.open(str(path), "w", format="wav") as container:
        stream = container.add_stream("pcm_f32le", rate=8000, layout="mono")
        tone = (np.sin(np.arange(8000) * 0.1) * 0.5).astype(np.float32)[None]
        frame = av.AudioFrame.from_ndarray(tone, "flt", "mono")
        frame.rate = 8000
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    store.session(video_path=None, microphone_audio_path=str(path))
    with one(store.bring(tmp_path / "mine")) as session, wave.open(str(session.audio("microphone_audio"))) as file:
        back = np.frombuffer(file.readframes(8000), "<i2") / 32768
        assert np.abs(back - tone[0]).max() < 1e-4


@pytest.mark.parametrize(
    ("codec", "word"), [("mpeg4", "moved"), ("mjpeg", "encoded anew"), ("libx264", "encoded anew")]
)
def test_an_avi_becomes_an_mp4(store: Store, tmp_path: Path, codec: str, word: str) -> None:
    film(store.folder() / "video.avi", codec=codec)
    store.session(video_path="data/sessions/Game_20231127_143022/video.avi")
    imported = store.bring(tmp_path / "mine")
    with one(imported) as session, VideoReader(session.video) as video:
        assert word in imported[0].notes[0]
        assert np.allclose(video.times_ns / 1e9, np.arange(30) / 30, atol=0.002)
        assert [int(frame.mean()) for frame in video.frames([3, 20])] == pytest.approx([24, 160], abs=8)


def test_a_video_that_runs_too_fast_is_stretched_to_the_session(store: Store, tmp_path: Path) -> None:
    film(store.folder() / "video.mp4", frames=30, fps=60)  # 30 frames were all it got in six seconds
    store.session(end_time="2023-11-27T14:30:28.250000", duration_seconds=6, fps=60, total_frames=360)
    imported = store.bring(tmp_path / "mine")
    with one(imported) as session, VideoReader(session.video) as video:
        assert np.allclose(video.times_ns / 1e9, np.arange(30) * 0.2, atol=1e-4)
        assert np.array_equal(video.times_ns, session.frames().t_ns)
        assert "stretched 12.000 x" in imported[0].notes[0]
        assert int(video.frame(20).mean()) == pytest.approx(160, abs=8)


@pytest.mark.parametrize(
    ("start", "end", "column_s", "began", "lasted_s"),
    [
        ("2025-10-26T02:10:00", "2025-10-26T03:10:00", 3600, "2025-10-26T01:10:00", 3600),  # in the second such hour
        ("2025-10-26T02:10:00", "2025-10-26T03:10:00", 3600, "2025-10-26T00:10:00", 7200),  # in the first
        ("2025-10-26T01:50:00", "2025-10-26T02:10:00", 1200, "2025-10-25T23:50:00", 4800),
        ("2025-10-26T01:50:00", "2025-10-26T02:10:00", 1200, "2025-10-25T23:50:00", 1200),
        ("2025-03-30T01:30:00", "2025-03-30T03:30:00", 7200, "2025-03-30T00:30:00", 3600),
        ("2025-03-30T01:30:00", "2025-03-30T03:30:00", 7200, "2025-03-30T00:30:00", 7200),  # where no such hour is
    ],
)
@pytest.mark.parametrize("filmed", [True, False])
def test_a_session_in_the_night_when_the_clocks_change(
    store: Store, tmp_path: Path, central_europe: None, start: str, end: str, column_s: int, began: str, lasted_s: int,
    filmed: bool,
) -> None:  # fmt: skip
    if filmed:
        film(store.folder() / "video.mp4", frames=lasted_s // 60, fps=Fraction(1, 60))
    rows: list[Row] = [(i * 1000, "keyboard", "w", ("press", "release")[i % 2], 1.0, None, None) for i in (2, 3)]
    rows.append(((lasted_s - 40) * 1000, "keyboard", "d", "press", 1.0, None, None))
    store.session(rows, start_time=start, end_time=end, duration_seconds=column_s)
    imported = store.bring(tmp_path / "mine")
    with one(imported) as session:
        assert session.info.started_at == f"{began}.000000+00:00"
        assert session.end is not None
        assert session.end.duration_ns == lasted_s * SECOND
        assert not any("stretched" in note for note in imported[0].notes)


def test_a_video_that_fits_no_reading_of_that_night_is_stretched(
    store: Store, tmp_path: Path, central_europe: None
) -> None:
    film(store.folder() / "video.mp4")
    rows: list[Row] = [(3_590_000, "keyboard", "w", "press", 1.0, None, None)]
    store.session(rows, start_time="2025-10-26T02:10:00", end_time="2025-10-26T03:10:00", duration_seconds=3600)
    imported = store.bring(tmp_path / "mine")
    with one(imported) as session:
        assert "3600.000 x to the session's 3600.0 s" in imported[0].notes[0]
        assert session.info.started_at == "2025-10-26T01:10:00.000000+00:00"


@pytest.mark.parametrize("status", ["recording", "failed"])
def test_a_session_that_was_never_finished(store: Store, tmp_path: Path, status: str) -> None:
    path = store.folder() / "video.mp4"
    film(path)
    path.write_bytes(path.read_bytes()[:600])  # no index: the recorder was killed
    store.session(status=status)
    with one(store.bring(tmp_path / "mine")) as session:
        assert session.status == "recovered"
        assert session.end is not None
        assert status in session.end.reason
        assert "cannot be read" in session.end.missing[0]
        assert (session.folder / "original_video.mp4").read_bytes() == path.read_bytes()
        assert session.counts == {"frames": 0, "dropped": 0, "events": 9}
        assert session.end.duration_ns == 500_000_000


def test_what_has_no_name_here_is_kept_and_counted(store: Store, tmp_path: Path) -> None:
    strange: list[Row] = [
        (10, "keyboard", "Key.media_next", "press", 1.0, None, None),
        (11, "keyboard", "Key.media_next", "release", 0.0, None, None),
        (12, "keyboard", None, "press", 1.0, None, None),
        (13, "wheel", "pedal", "move", 0.3, None, None),
        (14, "mouse", None, "move", None, None, None),
        (15, "mouse", None, "scroll", math.inf, None, None),
    ]
    store.session([*strange, *WASD], video_path=None)
    imported = store.bring(tmp_path / "mine")
    with one(imported) as session:
        (report,) = imported
        assert sum(report.unknown.values()) == 6
        assert report.unknown["keyboard press Key.media_next"] == 1
        assert report.rows == report.taken + report.repeated + 6 == 14
        lines = (session.folder / LEFT_OVER_FILE).read_text().splitlines()
        assert [json.loads(line)[:3] for line in lines] == [list(row[:3]) for row in strange]


def test_the_mouse_and_pads(store: Store, tmp_path: Path) -> None:
    rows: list[Row] = [
        (-20, "keyboard", "d", "release", 0.0, None, None),  # the offset came to more than the time
        (10, "mouse", None, "move", None, 100.0, 100.0),
        (20, "mouse", None, "move", None, 110.0, 95.0),
        (30, "mouse", "Button.right", "press", 1.0, 500.0, 400.0),
        (40, "mouse", None, "move", None, 501.0, 400.0),
        (50, "xbox", "A", "press", 1.0, None, None),
        (60, "playstation", "cross", "release", 0.0, None, None),
        (70, "xbox", "left_stick_x", "move", -0.5, None, None),
        (80, "xbox", "right_trigger", "press", 1.0, None, None),
        (90, "playstation", "right_stick", "move", None, 0.25, -1.0),
    ]
    store.session(rows, video_path=None)
    imported = store.bring(tmp_path / "mine")
    with one(imported) as session:
        assert told(session) == [
            (0, "key:d", 0.0),
            (10, "mouse:x", 100.0), (10, "mouse:y", 100.0),
            (20, "mouse:dx", 10.0), (20, "mouse:dy", -5.0), (20, "mouse:x", 110.0), (20, "mouse:y", 95.0),
            (30, "mouse:x", 500.0), (30, "mouse:y", 400.0), (30, "mouse:right", 1.0),
            (40, "mouse:dx", 1.0), (40, "mouse:x", 501.0), (40, "mouse:y", 400.0),
            (50, "pad:a", 1.0), (60, "pad:a", 0.0), (70, "pad:left_x", -0.5), (80, "pad:right_trigger", 1.0),
            (90, "pad:right_x", 0.25), (90, "pad:right_y", -1.0),
        ]  # fmt: skip
        assert session.info.held == ("key:d",)
    assert imported[0].taken == imported[0].rows == 10


def test_many_events_keep_their_count(store: Store, tmp_path: Path) -> None:
    rows: list[Row] = [
        (i, "keyboard", "wasd"[i // 2 % 4], ("press", "release")[i % 2], 1.0, None, None) for i in range(50_000)
    ]
    store.session(rows, video_path=None)
    imported = store.bring(tmp_path / "mine")
    assert (imported[0].rows, imported[0].taken, imported[0].events) == (50_000, 50_000, 50_000)
    one(imported).close()


@pytest.mark.parametrize(
    ("timestamp_ms", "columns"),
    [
        (1_701_095_422_000, {}),  # a time of day
        (10**15, {}),
        (-(10**14), {}),
        (1e300, {}),
        (100, {"game_name": b"\xff"}),
        (100, {"duration_seconds": -5}),
        (100, {"duration_seconds": 10**12}),
        (100, {"duration_seconds": math.inf}),
        (100, {"end_time": "9999-11-27T14:30:22"}),
    ],
)
def test_times_that_cannot_be_spoil_nothing_else(
    store: Store, tmp_path: Path, timestamp_ms: float, columns: dict[str, object]
) -> None:
    film(store.folder() / "video.mp4")
    store.session([(timestamp_ms, "keyboard", "w", "press", 1.0, None, None), *WASD[3:]], **columns)  # type: ignore[list-item]
    store.session(game_name="Other", start_time="2023-11-27T15:00:00", video_path=None)
    first, other = store.bring(tmp_path / "new")
    assert (first.result, first.rows, first.frames) == ("imported", 6, 30)
    assert other.result == "imported"
    assert first.folder is not None
    with Session(first.folder) as session:
        assert session.duration_ns < 10 * SECOND
        assert [event.t_ns for event in session.input_events()][-1] == SECOND // 2
    if timestamp_ms == 100:
        assert first.unknown == {}
    else:
        assert first.unknown == {"keyboard press w at no possible time": 1}
        assert len((first.folder / LEFT_OVER_FILE).read_text().splitlines()) == 1
    assert verify(first.folder) == []


def test_a_broken_session_does_not_keep_the_others(store: Store, tmp_path: Path) -> None:
    store.session(start_time="yesterday", video_path=None)
    store.session(video_path=None)
    broken, good = store.bring(tmp_path / "mine")
    assert (broken.result, broken.folder) == ("failed", None)
    assert "yesterday" in broken.notes[0]
    assert good.result == "imported"
    assert len(list((tmp_path / "mine" / "sessions").iterdir())) == 1


def test_a_database_in_use_is_read_with_what_waits_in_its_log(store: Store, tmp_path: Path) -> None:
    store.connection.execute("PRAGMA journal_mode = WAL")
    store.session(video_path=None)
    before = contents(store.data)
    assert "gameon.db-wal" in before
    imported = list(import_original(store.path, tmp_path / "mine"))
    assert contents(store.data) == before
    one(imported).close()
    store.connection.close()
    assert list(store.data.iterdir()) == [store.path]
    again = list(import_original(store.path, tmp_path / "mine"))
    assert list(store.data.iterdir()) == [store.path], "reading leaves nothing beside the original"
    assert [each.result for each in again] == ["there already"]


def test_databases_that_are_none(tmp_path: Path) -> None:
    text, cut, foreign = tmp_path / "text.db", tmp_path / "cut.db", tmp_path / "foreign.db"
    text.write_text("no database\n" * 100)
    whole = Store(tmp_path / "original")
    whole.session([WASD[0]] * 5000, video_path=None)
    whole.connection.close()
    cut.write_bytes(whole.path.read_bytes()[: whole.path.stat().st_size // 2])
    with sqlite3.connect(foreign) as connection:
        connection.execute("CREATE TABLE cats (name TEXT)")
    connection.close()
    for path, words in (
        (text, "cannot be read"), (cut, "cannot be read"), (foreign, "tables: cats"), (tmp_path / "no", "no database"),
    ):  # fmt: skip
        with pytest.raises(SessionError, match=words):
            list(import_original(path, tmp_path / "mine"))
    with Catalogue(tmp_path / "mine") as catalogue, pytest.raises(SessionError, match="GameOn env"):
        list(import_original(catalogue.path, tmp_path / "other"))


def test_into_the_originals_own_folder_is_refused(store: Store) -> None:
    store.session(video_path=None)
    with pytest.raises(SessionError, match="original GameOn"):
        store.bring(store.data)


def test_the_command_prints_counts_in_and_out(store: Store, tmp_path: Path) -> None:
    film(store.folder() / "video.mp4")
    store.session([*WASD, (600, "keyboard", "Key.media_next", "press", 1.0, None, None)])
    store.connection.close()
    arguments = ["import", "gameon-db", str(store.path), "--data-dir", str(tmp_path / "mine")]
    result = CliRunner().invoke(make_app(["import", "games"]), arguments, env={"COLUMNS": "160"})
    assert result.exit_code == 0, result.output
    assert "1: Game: imported: Game_20231127_143022" in result.output
    cells = [word.strip() for word in next(line for line in result.output.splitlines() if "1 of 1" in line).split("│")]
    assert cells[2:11] == ["imported", "9", "7", "1", "1", "9", "30", "30", "1 of 1"]
    assert "Key.media_next" in result.output
    again = CliRunner().invoke(make_app(["import", "games"]), [*arguments, "--json"])
    assert json.loads(again.output)[0]["result"] == "there already"
