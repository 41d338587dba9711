"""Sessions as a kill, a power cut or a bad disk leaves them become complete ones; the originals are kept."""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

from gameon_env.data_processing.video_reader import VideoReader
from gameon_env.data_processing.wav_file import wav_layout
from gameon_env.errors import SessionError
from gameon_env.events import InputEvent
from gameon_env.recording.catalogue import Catalogue
from gameon_env.recording.folder_lock import FolderLock
from gameon_env.recording.model import AudioClockRow, FrameRow, Gap, Health
from gameon_env.recording.originals import Originals
from gameon_env.recording.recovery import Recovered, recover_cut_off, recover_session, recover_sessions
from gameon_env.recording.session import Session
from gameon_env.recording.session_writer import SessionWriter
from gameon_env.recording.verification import verify
from gameon_env.recording.video import VideoWriter
from gameon_env.recording.wav_writer import WavWriter
from tests.unit.recording.small_session import START_NS, end, info, record_media, small_disk

FRAME_NS = 16_666_667
FRAMES, WITH_ROWS = 60, 48
ORIGINALS = ("session.db", "session.db-wal", "video.mp4", "system_audio.wav")
SOUND = 48_000  # samples in the file: one second


@pytest.fixture(scope="module")
def killed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What a kill leaves of a session of one second: the files as they are while it is recorded."""
    base = tmp_path_factory.mktemp("killed")
    writer = SessionWriter.create(base / "live", info(), tags=["keep"], note="a note")
    with (
        VideoWriter(base / "live" / "video.mp4", (48, 64)) as video,
        WavWriter(base / "live" / "system_audio.wav", 48_000, 2) as sound,
    ):
        for number in range(FRAMES):
            t_ns = 1_000_123 + number * FRAME_NS
            video.write(np.full((48, 64, 4), 4 * number, np.uint8), t_ns)
            if number < WITH_ROWS:
                writer.add_frames([FrameRow(t_ns, number)])
                writer.add_events([InputEvent(START_NS + t_ns, "key:w", float(number % 2 == 0))])
        writer.add_frames([FrameRow(1_000_123 + 47 * FRAME_NS + 9_000_000, None, "dropped")])
        for block in range(100):
            sound.write(np.full((SOUND // 100, 2), 1000, np.int16))
            if block % 25 == 0 and block < 75:
                writer.add_audio_clock([AudioClockRow("system_audio", block * 480, 5_000_000 + block * 10_000_000)])
        writer.add_gap(Gap(0, None, "microphone_audio", "no microphone"))
        writer.add_health(Health(500_000_000, 10.0, 100.0, 5000.0, 30, 0, 30, 0))
        writer.commit()
        shutil.copytree(base / "live", base / "killed")
    writer.close()
    return base / "killed"


@pytest.fixture
def session(killed: Path, tmp_path: Path) -> Path:
    """A copy of it in a data folder."""
    return Path(shutil.copytree(killed, tmp_path / "sessions" / "Game_20260301_120000"))


def files(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def recovered(folder: Path) -> Recovered:
    """Recover it, and see that it is whole, and that another time changes nothing."""
    found = recover_session(folder)
    assert found.outcome == "recovered", found
    assert verify(folder) == []
    before = files(folder)
    assert recover_session(folder).outcome == "whole"
    assert files(folder) == before
    media = {"session.db", "video.mp4", "system_audio.wav"}
    assert {name for name in before if "/" not in name} <= media, "nothing of the recovery itself is left"
    assert not [name for name in before if name.endswith((".part", "unfinished"))]
    return found


def test_a_killed_session_comes_back_with_what_reached_the_disk(session: Path, killed: Path) -> None:
    found = recovered(session)
    with Session(session) as after:
        ending, frames = after.end, after.frames()
        assert ending is not None
        assert (after.status, ending.reason, ending.who) == ("recovered", "killed", "human")
        assert ending.missing == found.missing
        assert "cut off" in ending.missing[0]
        assert (after.tags, after.note) == (("keep",), "a note")
        assert after.info == info()
        assert (frames.video_frame >= 0).sum() == FRAMES
        assert frames.t_ns[:WITH_ROWS].tolist() == [1_000_123 + i * FRAME_NS for i in range(WITH_ROWS)]
        assert frames.t_ns[-1] == (1_000_123 + (FRAMES - 1) * FRAME_NS) // 1000 * 1000
        assert frames.reason.count("dropped") == 1
        assert len(after.events()) == WITH_ROWS, "nothing is invented"
        assert wav_layout(after.audio("system_audio")).frames == SOUND
        sound_end_ns = 1_005_000_000
        assert ending.duration_ns == sound_end_ns
        known_ns = 1_000_123 + 47 * FRAME_NS + 9_000_000
        assert set(after.gaps()) == {
            Gap(0, None, "microphone_audio", "no microphone"),
            Gap(known_ns, None, "input", "killed"),
            Gap(int(frames.t_ns[-1]), None, "video", "killed"),
        }
    kept = session / "before_recovery"
    for name in ORIGINALS:
        assert (kept / name).read_bytes() == (killed / name).read_bytes()


def test_rows_beyond_the_video_become_lost_frames(session: Path) -> None:
    path = session / "video.mp4"
    with VideoReader(path) as reader:
        assert len(reader) == FRAMES
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    found = recovered(session)
    with Session(session) as after:
        frames = after.frames()
        with VideoReader(after.video) as reader:
            assert 10 < len(reader) == (frames.video_frame >= 0).sum() < WITH_ROWS
        lost = frames.reason.count("lost")
        assert len(frames) == WITH_ROWS + 1
        assert any(f"{lost} frames" in text for text in found.missing)
        assert any("cut short" in text for text in found.missing)
        (gap,) = [gap for gap in after.gaps() if gap.stream == "video"]
        assert gap.start_ns == frames.t_ns[frames.reason.index("lost")]


def no_video(folder: Path) -> None:
    (folder / "video.mp4").unlink()


def empty_video(folder: Path) -> None:
    (folder / "video.mp4").write_bytes(b"")


def only_the_head_of_a_video(folder: Path) -> None:
    path = folder / "video.mp4"
    path.write_bytes(path.read_bytes()[:900])


@pytest.mark.parametrize("damage", [no_video, empty_video, only_the_head_of_a_video])
def test_without_a_video_all_frames_are_lost(session: Path, damage: Callable[[Path], None]) -> None:
    damage(session)
    found = recovered(session)
    assert any("video" in text for text in found.missing)
    with Session(session) as after:
        assert after.frames().reason.count("lost") == WITH_ROWS
        assert not after.video.exists()
        assert len(after.events()) == WITH_ROWS
        assert [gap.start_ns for gap in after.gaps() if gap.stream == "video"] == [1_000_123]


def no_sound(folder: Path) -> None:
    (folder / "system_audio.wav").unlink()


def empty_sound(folder: Path) -> None:
    (folder / "system_audio.wav").write_bytes(b"")


def only_the_head_of_a_sound(folder: Path) -> None:
    os.truncate(folder / "system_audio.wav", 80)


def cut_sound(folder: Path) -> None:
    os.truncate(folder / "system_audio.wav", 80 + 4 * 20_000 + 3)


def headless_sound(folder: Path) -> None:
    path = folder / "system_audio.wav"
    path.write_bytes(bytes(80) + path.read_bytes()[80:])


@pytest.mark.parametrize(
    ("damage", "frames"),
    [
        (no_sound, None),
        (empty_sound, None),
        (only_the_head_of_a_sound, 0),
        (cut_sound, 20_000),
        (headless_sound, SOUND),
    ],
)
def test_sound_that_a_power_cut_damaged(session: Path, damage: Callable[[Path], None], frames: int | None) -> None:
    damage(session)
    recovered(session)
    with Session(session) as after:
        path, (samples, _) = after.audio("system_audio"), after.audio_clock("system_audio")
        assert path.is_file() == (frames is not None)
        if frames is None:
            assert len(samples) == 0
        else:
            assert wav_layout(path).frames == frames
            assert (samples <= frames).all()
        gaps = [gap for gap in after.gaps() if gap.stream == "system_audio"]
        assert len(gaps) == (frames != SOUND)
        assert len(after.events()) == WITH_ROWS
        assert after.counts["frames"] == FRAMES


def test_sound_without_times_begins_with_the_session_and_that_is_said(session: Path) -> None:
    with closing(sqlite3.connect(session / "session.db")) as connection:
        connection.execute("DELETE FROM audio_clock")
        connection.commit()
    found = recovered(session)
    assert any("nobody knows when" in text for text in found.missing)


def no_database(folder: Path) -> None:
    for path in folder.glob("session.db*"):
        path.unlink()


def zeroed_database(folder: Path) -> None:
    for path in folder.glob("session.db*"):
        path.write_bytes(bytes(path.stat().st_size))


def empty_database(folder: Path) -> None:
    for path in folder.glob("session.db*"):
        path.write_bytes(b"")


def noise_for_a_database(folder: Path) -> None:
    for path in folder.glob("session.db*"):
        path.write_bytes(b"no database at all" * 1000)


@pytest.mark.parametrize("damage", [no_database, zeroed_database, empty_database, noise_for_a_database])
def test_a_lost_database_is_made_anew_from_video_and_sound(session: Path, damage: Callable[[Path], None]) -> None:
    damage(session)
    found = recovered(session)
    assert any("the database was lost" in text for text in found.missing)
    with Session(session) as after:
        assert (after.info.game, after.info.picture_size, after.info.codec) == ("Game", (48, 64), "h264")
        assert after.info.fps == 60
        assert after.counts == {"frames": FRAMES, "dropped": 0, "events": 0}
        assert wav_layout(after.audio("system_audio")).frames == SOUND


def checkpointed(folder: Path) -> Path:
    """All of its rows in the database, nothing in the log."""
    with closing(sqlite3.connect(folder / "session.db")) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    return folder / "session.db"


def test_a_lost_first_page_loses_no_row(session: Path) -> None:
    path = checkpointed(session)
    path.write_bytes(bytes(4096) + path.read_bytes()[4096:])
    found = recovered(session)
    assert any("all its rows could be read" in text for text in found.missing)
    with Session(session) as after:
        assert after.info == info()
        assert after.counts == {"frames": FRAMES, "dropped": 1, "events": WITH_ROWS}
        assert after.tags == ("keep",)


def test_a_lost_main_file_leaves_what_the_log_holds(session: Path) -> None:
    (session / "session.db").write_bytes(b"")
    found = recovered(session)
    assert any("nobody knows which keys" in text for text in found.missing)
    with Session(session) as after:
        frames = after.frames()
        assert after.counts == {"frames": FRAMES, "dropped": 1, "events": 0}
        assert frames.t_ns[:WITH_ROWS].tolist() == [1_000_123 + i * FRAME_NS for i in range(WITH_ROWS)]
        assert len(after.audio_clock("system_audio")[0]) == 3


def test_a_damaged_page_costs_only_its_rows(tmp_path: Path) -> None:
    folder = tmp_path / "long"
    writer = SessionWriter.create(folder, info())
    writer.add_events(InputEvent(START_NS + i * 1_000_000, "key:w", float(i % 2)) for i in range(20_000))
    writer.finish(end(duration_ns=30_000_000_000))
    path = folder / "session.db"
    data = bytearray(path.read_bytes())
    middle = len(data) // 2 // 4096 * 4096
    data[middle : middle + 4096] = os.urandom(4096)
    path.write_bytes(data)
    found = recovered(folder)
    assert any("others may be lost" in text for text in found.missing)
    with Session(folder) as after:
        assert 19_000 < after.counts["events"] < 20_000
        assert after.end is not None
        assert after.end.reason == "stopped"
    assert (folder / "before_recovery" / "session.db").read_bytes() == bytes(data)


def test_a_shortened_database_keeps_its_beginning(session: Path) -> None:
    path = checkpointed(session)
    os.truncate(path, path.stat().st_size - 4096 * 2)
    recovered(session)
    with Session(session) as after:
        assert after.info == info()


@pytest.mark.parametrize(
    "sql",
    [
        "UPDATE frames SET t_ns = t_ns + 7000000 WHERE video_frame = 20",
        "DELETE FROM frames WHERE video_frame = 20",
        "UPDATE frames SET video_frame = 900 WHERE video_frame = 20",
        "UPDATE input_events SET t_ns = -5 WHERE number = 7",
        "UPDATE input_events SET t_ns = 1 << 60 WHERE number = 7",
        "UPDATE input_events SET value = 9e999 WHERE number = 7",
        "UPDATE audio_clock SET t_ns = 1 WHERE sample > 0",
        "UPDATE audio_clock SET sample = 1 << 40 WHERE sample > 0",
        "UPDATE gaps SET end_ns = -1",
    ],
)
def test_rows_that_contradict_the_media_are_left_out(session: Path, sql: str) -> None:
    with closing(sqlite3.connect(session / "session.db")) as connection:
        assert connection.execute(sql).rowcount > 0
        connection.commit()
    recovered(session)
    with Session(session) as after:
        assert after.counts["frames"] == FRAMES
        assert after.counts["events"] >= WITH_ROWS - 1
        assert after.duration_ns < 2_000_000_000


def test_a_recovery_killed_at_any_moment_can_be_run_again(session: Path, killed: Path) -> None:
    """Each file operation of a recovery is its last one once."""
    script = """
import os, sys
from pathlib import Path
from gameon_env.recording.recovery import recover_session
left = int(sys.argv[2])
def count(event, args):
    global left
    if event in ("open", "os.rename", "os.remove", "shutil.copyfile", "os.truncate", "sqlite3.connect", "os.mkdir"):
        if event != "open" or str(args[0]).startswith(sys.argv[1]):
            left -= 1
            if left < 0:
                os.kill(os.getpid(), 9)
sys.addaudithook(count)
print(recover_session(Path(sys.argv[1])).outcome)
"""
    whole = 0
    for moment in range(0, 200, 3):
        folder = Path(shutil.copytree(killed, session.with_name(f"Game_{moment}")))
        command = [sys.executable, "-c", script, str(folder), str(moment)]
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode == 0:
            assert done.stdout.strip() == "recovered"
            whole = moment
            break
        assert done.returncode == -9, done.stderr
        assert recover_session(folder).outcome in ("recovered", "whole")
        assert verify(folder) == []
        with Session(folder) as after:
            assert after.counts == {"frames": FRAMES, "dropped": 1, "events": WITH_ROWS}
            streams = [gap.stream for gap in after.gaps()]
            assert sorted(streams) == ["input", "microphone_audio", "video"]
        kept = folder / "before_recovery"
        for name in ORIGINALS:
            assert (kept / name).read_bytes() == (killed / name).read_bytes(), moment
    assert whole > 10


def test_a_session_that_is_recorded_is_left_alone(session: Path) -> None:
    before = files(session)
    lock = FolderLock(session)
    assert recover_session(session).outcome == "live"
    assert {name: files(session)[name] for name in ORIGINALS} == {name: before[name] for name in ORIGINALS}
    assert not (session / "before_recovery").exists()
    lock.release()


def test_a_whole_session_is_left_alone(tmp_path: Path) -> None:
    folder = record_media(tmp_path / "s")
    before = files(folder)
    assert recover_session(folder).outcome == "whole"
    assert files(folder) == before


def test_a_session_damaged_another_time_keeps_both_originals(session: Path) -> None:
    recovered(session)
    path = session / "session.db"
    path.write_bytes(bytes(4096) + path.read_bytes()[4096:])
    second = path.read_bytes()
    recovered(session)
    assert (session / "before_recovery_2" / "session.db").read_bytes() == second
    with Session(session) as after:
        assert after.end is not None
        assert after.end.reason == "killed"
        assert after.counts["events"] == WITH_ROWS


def test_a_database_of_a_newer_version_is_not_touched(session: Path) -> None:
    path = checkpointed(session)
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA user_version = 99")
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    before = path.read_bytes()
    with pytest.raises(SessionError, match="Update gameon-env"):
        recover_session(session)
    assert path.read_bytes() == before


def test_a_full_disk_changes_nothing(session: Path, tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", 1) as disk:
        folder = Path(shutil.copytree(session, disk / "s", ignore=shutil.ignore_patterns("*.reserve")))
        before = {name: files(folder)[name] for name in ORIGINALS}
        with (disk / "ballast").open("wb") as ballast:
            ballast.write(bytes(shutil.disk_usage(disk).free))
        with pytest.raises(Exception, match=r"room|space|full|written") as raised:
            recover_session(folder)
        assert isinstance(raised.value, OSError)
        assert {name: files(folder)[name] for name in ORIGINALS} == before
        (disk / "ballast").unlink()
        recovered(folder)


def test_a_recorder_that_began_nothing_leaves_nothing(tmp_path: Path) -> None:
    folder = tmp_path / "s"
    folder.mkdir()
    with pytest.raises(SessionError, match="no session here"):
        recover_session(folder)
    (folder / "session.db").write_bytes(b"")
    assert recover_session(folder).outcome == "empty"
    assert recover_session(folder).outcome == "empty"


def test_a_data_folder_is_recovered_and_its_catalogue_knows(session: Path, tmp_path: Path) -> None:
    whole = record_media(tmp_path / "sessions" / "Whole_20260301_110000", id="0" * 12)
    lost = Path(shutil.copytree(session, session.with_name("Other_20260301_130000")))
    with Catalogue(tmp_path) as catalogue:
        catalogue.add(session)
        catalogue.add(whole)
        no_database(lost)
        outcomes = {found.folder.name: found.outcome for found in recover_sessions(tmp_path)}
        assert outcomes == {session.name: "recovered", whole.name: "whole", lost.name: "recovered"}
        assert [entry.status for entry in catalogue.sessions()] == ["completed", "recovered", "recovered"]


def test_the_next_recorder_brings_back_what_was_cut_off(session: Path, tmp_path: Path) -> None:
    with Catalogue(tmp_path) as catalogue:
        catalogue.add(session)
        (found,) = recover_cut_off(catalogue)
        assert (found.folder, found.outcome) == (session, "recovered")
        assert catalogue.find(session).status == "recovered"
        assert recover_cut_off(catalogue) == []


def test_one_that_was_never_catalogued_is_found_by_its_lock(session: Path, tmp_path: Path) -> None:
    with Catalogue(tmp_path) as catalogue:
        assert (session / "recording.lock").exists()
        (found,) = recover_cut_off(catalogue)
        assert found.outcome == "recovered"
        assert catalogue.find(session).status == "recovered"


def test_a_recorder_killed_at_its_last_step_left_a_whole_session(session: Path, tmp_path: Path) -> None:
    with Catalogue(tmp_path) as catalogue:
        catalogue.add(session)
        recover_session(session.rename(tmp_path / "elsewhere"))
        (tmp_path / "elsewhere").rename(session)
        (session / "recording.lock").touch()
        assert catalogue.find(session).status == "recording"
        assert recover_cut_off(catalogue) == []
        assert catalogue.find(session).status == "recovered"
        assert not (session / "recording.lock").exists()


def test_originals_are_kept_once(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("first")
    Originals(tmp_path).copy("a")
    (tmp_path / "a").write_text("second")
    originals = Originals(tmp_path)
    originals.copy("a", "b")
    assert (originals.folder / "a").read_text() == "first"


@pytest.mark.parametrize("seed", [*range(12), 116])
def test_whatever_is_damaged_the_session_comes_back_or_it_is_said(session: Path, seed: int) -> None:
    dice = np.random.default_rng(seed)
    if seed % 2:
        checkpointed(session)
    for name in ORIGINALS:
        path = session / name
        if dice.random() < 0.4 or not path.exists():
            continue
        data = bytearray(path.read_bytes())
        at = int(dice.integers(0, max(1, len(data)))) // 512 * 512
        length = min(int(dice.choice([1, 512, 4096])), len(data) - at)
        match dice.integers(4):
            case 0:
                del data[at:]
            case 1:
                data[at : at + length] = bytes(length)
            case 2:
                data[at : at + length] = dice.bytes(length)
            case _:
                data += bytes(4096)
        path.write_bytes(data)
    damaged = {name: (session / name).read_bytes() for name in ORIGINALS if (session / name).exists()}
    found = recovered(session)
    assert found.missing
    for name, data in damaged.items():
        kept = session / "before_recovery" / name
        assert kept.read_bytes() == data if kept.exists() else (session / name).read_bytes() == data
