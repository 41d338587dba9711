from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from gameon_env.recording.session_writer import SessionWriter
from gameon_env.recording.verification import media_checksums, verify
from tests.unit.recording.small_session import fill, info, record, record_media


def found(folder: Path) -> str:
    """What is wrong, in one text."""
    problems = verify(folder)
    assert all(problem.remedy for problem in problems)
    return "\n".join(problem.what for problem in problems)


def test_a_sound_session_has_no_problems(tmp_path: Path) -> None:
    folder = record_media(tmp_path / "s")
    assert sorted(path.name for path in folder.iterdir()) == [
        "microphone_audio.wav",
        "session.db",
        "system_audio.wav",
        "video.mp4",
    ]
    assert verify(folder) == []


def test_one_changed_byte_of_a_file_is_found(tmp_path: Path) -> None:
    folder = record_media(tmp_path / "s")
    path = folder / "system_audio.wav"
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)
    assert found(folder) == "system_audio.wav is not what was recorded: its checksum is another"


def test_missing_and_foreign_files_are_found(tmp_path: Path) -> None:
    folder = record_media(tmp_path / "s")
    (folder / "video.mp4").unlink()
    (folder / "microphone_audio.wav").unlink()
    text = found(folder)
    assert "video.mp4 is not there, and 2 frames should be in it" in text
    assert "microphone_audio.wav is not there, and there are times of 1 blocks of it" in text
    plain = record(tmp_path / "plain")
    (plain / "video.mp4").write_bytes((record_media(tmp_path / "t") / "video.mp4").read_bytes())
    assert "video.mp4 came into the folder after the recording" in found(plain)


@pytest.mark.parametrize(
    ("sql", "expected"),
    [
        ("UPDATE frames SET t_ns = t_ns + 5000000 WHERE video_frame = 1", "1 frames have another time in the video"),
        ("DELETE FROM frames WHERE video_frame = 1", "video.mp4 holds 2 frames, the database 1"),
        ("UPDATE frames SET video_frame = 2 WHERE video_frame = 1", "are not 0, 1, 2"),
        ("UPDATE frames SET t_ns = 0", "2 frames have the time of another frame"),
        ("UPDATE frames SET reason = NULL", "1 frames are not in the video, and no reason is given"),
        ("UPDATE input_events SET t_ns = -5 WHERE number = 1", "1 input events lie outside the session"),
        ("UPDATE input_events SET t_ns = 3000000000 WHERE number < 3", "2 input events lie outside the session"),
        ("UPDATE input_events SET value = 9e999 WHERE number = 1", "1 input events have no finite value"),
        ("UPDATE gaps SET end_ns = 50", "gap of all (paused) from 0.000 s to 0.000 s is no span"),
        ("UPDATE audio_clock SET sample = 5000 WHERE sample = 480", "system_audio.wav holds 960 samples"),
        ("UPDATE audio_clock SET t_ns = 5 WHERE sample = 480", "the times of system_audio.wav run backwards"),
        ("DELETE FROM audio_clock WHERE stream = 1", "microphone_audio.wav has no times"),
        ("UPDATE input_events SET control = 77 WHERE number = 1", "refer to a control that is not there"),
    ],
)
def test_rows_that_disagree_are_found(tmp_path: Path, sql: str, expected: str) -> None:
    folder = record_media(tmp_path)
    with closing(sqlite3.connect(folder / "session.db")) as connection:
        assert connection.execute(sql).rowcount > 0
        connection.commit()
    assert expected in found(folder)


def test_a_video_that_was_cut_is_found(tmp_path: Path) -> None:
    folder = record_media(tmp_path)
    path = folder / "video.mp4"
    path.write_bytes(path.read_bytes()[:600])
    text = found(folder)
    assert "its checksum is another" in text
    assert "video.mp4" in text.split("\n", 1)[1]


def test_unfinished_and_damaged_sessions_name_their_remedy(tmp_path: Path) -> None:
    writer = SessionWriter.create(tmp_path / "s", info())
    fill(writer)
    writer.commit()
    assert found(tmp_path / "s") == "it is being recorded"
    writer.close()
    (problem,) = verify(tmp_path / "s")
    assert problem.what == "its recorder ended without finishing it"
    assert "gameon recover" in problem.remedy
    (tmp_path / "s" / "session.db").write_bytes(b"x" * 5000)
    assert "damaged" in found(tmp_path / "s")


def test_only_media_have_checksums(tmp_path: Path) -> None:
    folder = record_media(tmp_path)
    assert sorted(media_checksums(folder)) == ["microphone_audio.wav", "system_audio.wav", "video.mp4"]
