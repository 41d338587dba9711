"""Finding recordings, and being told what is wrong with those that cannot be used."""

from __future__ import annotations

import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

from gameon_env.datasets.options import DatasetOptions
from gameon_env.datasets.recordings import find, find_recordings
from gameon_env.datasets.windows import Windows
from gameon_env.errors import DatasetError, GameOnError, SessionError, TrajectoryError, UnknownNameError, VideoError
from gameon_env.recording.catalogue import Catalogue
from gameon_env.recording.session_writer import SessionWriter
from tests.unit.data_processing.painted_video import number_in
from tests.unit.datasets.played_session import SCALE_PX, SIZE, catalogue_of, played, trajectory
from tests.unit.recording.small_session import info


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two sessions of Dots, one of Lines, one without video, one cut off."""
    folder = tmp_path_factory.mktemp("data")
    sessions = folder / "sessions"
    played(sessions / "Dots_1", id="aa01", started_at="2026-03-01T12:00:00.000000Z")
    played(sessions / "Dots_2", id="aa02", started_at="2026-03-02T12:00:00.000000Z", first=100)
    played(sessions / "Lines_1", id="bb01", game="Lines", controls=("key:d", "key:space"))
    played(sessions / "Blind_1", id="cc01", game="Blind")
    (sessions / "Blind_1" / "video.mp4").unlink()
    played(sessions / "Dots_3", id="dd01", finish=False)
    catalogue_of(folder)
    return folder


def ids(source: Path, **options: object) -> list[str]:
    return [recording.id for recording in find_recordings(source, **options)]  # type: ignore[arg-type]


def test_the_catalogue_by_its_file_and_by_its_folder(data_dir: Path) -> None:
    for source in (data_dir, data_dir / "gameon.db", data_dir / "sessions"):
        found = find(source)
        assert sorted(recording.id for recording in found.recordings) == ["aa01", "aa02", "bb01"]
        assert len(found.left_out) == 2
    found = find(data_dir)
    assert set(found.left_out) == {"cc01", "dd01"}
    assert "video.mp4" in found.left_out["cc01"]
    assert "cut off" in found.left_out["dd01"]
    assert "gameon recover" in found.left_out["dd01"]


def test_what_is_left_out_is_told_by_the_windows(data_dir: Path) -> None:
    windows = Windows(DatasetOptions(db_path=data_dir, target_size=SIZE, include_audio=False))
    assert set(windows.left_out) == {"cc01", "dd01"}
    assert [recording.id for recording in windows.recordings] == ["aa01", "bb01", "aa02"]


def test_a_game_by_its_name(data_dir: Path) -> None:
    assert ids(data_dir, game_name="dots") == ["aa01", "aa02"]
    with pytest.raises(UnknownNameError, match="Did you mean 'Lines'"):
        find(data_dir, game_name="Line")


def test_sessions_by_id_beginning_and_folder(data_dir: Path) -> None:
    assert ids(data_dir, sessions=["aa"]) == ["aa01", "aa02"]
    assert ids(data_dir, sessions=["aa02", "Lines_1"]) == ["bb01", "aa02"]
    assert ids(data_dir, sessions=[str(data_dir / "sessions" / "Dots_1")]) == ["aa01"]
    with pytest.raises(UnknownNameError, match="Did you mean 'Dots_1'"):
        find(data_dir, sessions=["Dot_1"])


def test_a_session_asked_for_by_name_must_be_whole(data_dir: Path) -> None:
    with pytest.raises(VideoError, match=r"video\.mp4 does not exist"):
        find(data_dir, sessions=["cc01"])
    with pytest.raises(SessionError, match="cut off"):
        find(data_dir / "sessions" / "Dots_3")
    with pytest.raises(GameOnError, match="none of the 1 recordings"):
        find(data_dir, game_name="Blind")


def test_nothing_there(tmp_path: Path) -> None:
    with pytest.raises(GameOnError, match="gameon record"):
        find(tmp_path / "data" / "gameon.db")
    with pytest.raises(GameOnError, match="gameon record"):
        find(tmp_path / "nowhere")
    with Catalogue(tmp_path):
        pass
    with pytest.raises(GameOnError, match="lists no session"):
        find(tmp_path)
    (tmp_path / "empty").mkdir()
    with pytest.raises(DatasetError, match=r"no gameon\.db, no session and no trajectory file.*gameon record"):
        find(tmp_path / "empty")
    (tmp_path / "other.db").write_bytes(b"SQLite format 3\0")
    with pytest.raises(GameOnError, match=r"called gameon\.db"):
        find(tmp_path / "other.db")


def test_sessions_that_no_catalogue_lists_are_told_of(tmp_path: Path) -> None:
    played(tmp_path / "sessions" / "Dots_1", 5)
    for source in (tmp_path, tmp_path / "gameon.db"):
        with pytest.raises(
            DatasetError, match=r"Sessions are in .*sessions \(1\)\. List them: gameon sessions reindex"
        ):
            find(source)
    catalogue_of(tmp_path)
    assert ids(tmp_path) == ["aa01"]


def test_a_damaged_sound_or_a_short_run_leaves_a_session_out(tmp_path: Path) -> None:
    played(tmp_path / "a", 20, id="aa", sound=True)
    played(tmp_path / "b", 20, id="bb", sound=True)
    played(tmp_path / "c", 3, id="cc")
    (tmp_path / "b" / "system_audio.wav").write_bytes(b"RIFF no more")
    options = {"db_path": tmp_path, "target_size": SIZE, "sequence_length": 4}
    windows = Windows(DatasetOptions(**options))  # type: ignore[arg-type]
    assert [recording.id for recording in windows.recordings] == ["aa"]
    assert "system_audio.wav" in windows.left_out["bb"]
    assert windows.left_out["cc"] == "its longest run has 3 steps, a window 4"
    assert len(Windows(DatasetOptions(include_audio=False, **options)).recordings) == 2  # type: ignore[arg-type]


def test_a_session_whose_frames_all_lie_in_gaps_is_left_out(tmp_path: Path) -> None:
    played(tmp_path / "a", 20, id="aa")
    folder = played(tmp_path / "b", 20, id="bb")
    with closing(sqlite3.connect(folder / "session.db")) as connection, connection:
        connection.execute("INSERT INTO gaps (start_ns, end_ns, stream, reason) VALUES (0, NULL, 'input', 'lost')")
    windows = Windows(DatasetOptions(db_path=tmp_path, target_size=SIZE, sequence_length=4, include_audio=False))
    assert [recording.id for recording in windows.recordings] == ["aa"]
    assert windows.left_out["bb"] == "its longest run has 0 steps, a window 4"


def test_a_session_that_is_being_recorded_waits(tmp_path: Path) -> None:
    played(tmp_path / "a", 20, id="aa")
    writer = SessionWriter.create(tmp_path / "b", info(id="bb"))
    try:
        assert "still being recorded" in find(tmp_path).left_out["bb"]
    finally:
        writer.close()


def test_dropped_frames_part_nothing_and_lost_ones_do(tmp_path: Path) -> None:
    for reason, runs in (("dropped", [[0, 19]]), ("lost", [[0, 7], [7, 19]])):
        folder = played(tmp_path / reason, 20)
        with closing(sqlite3.connect(folder / "session.db")) as connection, connection:
            connection.execute("UPDATE frames SET video_frame = NULL, reason = ? WHERE video_frame = 7", [reason])
        (recording,) = find_recordings(folder)
        steps = recording.steps()
        assert steps.runs.tolist() == runs
        assert [number_in(picture) for picture in recording.frames(steps.frame)] == [*range(7), *range(8, 20)]
        motion = steps.inputs[:, 3] * SCALE_PX
        assert round(float(motion[6])) == (6 + 7 if reason == "dropped" else 6)


def test_a_session_whose_folder_is_gone(tmp_path: Path) -> None:
    for number in (1, 2):
        played(tmp_path / "sessions" / f"Dots_{number}", id=f"aa0{number}")
    database = catalogue_of(tmp_path)
    shutil.rmtree(tmp_path / "sessions" / "Dots_2")
    found = find(database)
    assert [recording.id for recording in found.recordings] == ["aa01"]
    assert "gameon sessions reindex" in found.left_out["aa02"]


def test_trajectory_files(tmp_path: Path) -> None:
    file = trajectory(tmp_path / "a")
    trajectory(tmp_path / "b", format="npz", game="Lines")
    assert ids(file) == [f"{file.name}:0", f"{file.name}:1"]
    assert len(find_recordings(tmp_path)) == 4
    assert len(find_recordings(tmp_path, game_name="lines")) == 2
    assert ids(file, sessions=[f"{file.name}:1"]) == [f"{file.name}:1"]
    with pytest.raises(UnknownNameError, match="There are: Dots"):
        find(file, game_name="Doom")
    recording = find_recordings(file)[1]
    assert recording.num_frames == 9
    assert recording.group == recording.id
    pictures = recording.frames([0, 8, 3])
    assert [number_in(picture) for picture in pictures] == [100, 108, 103]
    exported = trajectory(tmp_path / "c", session="aa01")
    assert {recording.group for recording in find_recordings(exported)} == {"aa01"}


def test_a_file_that_is_no_trajectory(tmp_path: Path) -> None:
    (tmp_path / "x.hdf5").write_bytes(b"not this" * 100)
    with pytest.raises(TrajectoryError, match="cannot be read"):
        find(tmp_path / "x.hdf5")


def test_a_damaged_file_among_others_is_left_out(tmp_path: Path) -> None:
    whole = trajectory(tmp_path / "a")
    (tmp_path / "x.hdf5").write_bytes(b"not this" * 100)
    found = find(tmp_path)
    assert len(found.recordings) == 2
    assert list(found.left_out) == ["x.hdf5"]
    assert "cannot be read" in found.left_out["x.hdf5"]
    with pytest.raises(TrajectoryError, match="cannot be read"):
        find(tmp_path, sessions=["x.hdf5"])
    whole.unlink()
    with pytest.raises(DatasetError, match=r"none of the 1 recordings .* x\.hdf5: "):
        find(tmp_path)


def test_a_video_that_was_cut(tmp_path: Path) -> None:
    folder = played(tmp_path / "s", 200)
    short = played(tmp_path / "t", 20)
    (folder / "video.mp4").unlink()
    shutil.copy(short / "video.mp4", folder / "video.mp4")
    with pytest.raises(SessionError, match="the video holds 20 frames, the database names frame 199"):
        find(folder)


def test_pictures_of_any_size(tmp_path: Path) -> None:
    (recording,) = find_recordings(played(tmp_path / "s", 5))
    native = recording.frames([1, 4])
    assert native.shape == (2, *SIZE, 3)
    for size in ((24, 48), (96, 192), (24, 192), (17, 31)):
        assert [number_in(p) for p in recording.frames([4, 1, 4], size)] == [4, 1, 4]
    boxed = recording.frames([3], (96, 96), letterbox=True)[0]
    assert not boxed[:24].any()
    assert not boxed[72:].any()
    np.testing.assert_array_equal(boxed[24:72], recording.frames([3])[0])
    np.testing.assert_array_equal(list(recording.stream([1, 3], (24, 48))), recording.frames([1, 3], (24, 48)))
    with pytest.raises(IndexError, match="frames 0 to 4"):
        recording.frames([5])
