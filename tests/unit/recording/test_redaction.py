"""What was cut out of a session is in no byte of its folder, and what stays is where it was."""

from __future__ import annotations

import errno
import os
import shutil
import sqlite3
import stat
import struct
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

from gameon_env.data_processing.audio_clock import AudioClock
from gameon_env.data_processing.audio_reader import AudioReader
from gameon_env.data_processing.video_reader import VideoReader
from gameon_env.errors import SessionError, StorageError, VideoError
from gameon_env.events import InputEvent
from gameon_env.recording.model import AudioClockRow, FrameRow, Health
from gameon_env.recording.redaction import finish_redaction, redact, redaction_pending
from gameon_env.recording.redaction_swap import STAGE
from gameon_env.recording.session import Session
from gameon_env.recording.session_writer import SessionWriter
from gameon_env.recording.verification import media_checksums, verify
from gameon_env.recording.video import VideoWriter
from gameon_env.recording.wav_writer import WavWriter
from tests.unit.data_processing.painted_video import number_in, painted
from tests.unit.recording.small_session import SECOND, START_NS, end, info, small_disk

MS = 1_000_000
LENGTH_S = 8
RATE, TRUE_RATE = 48_000, 48_019.0
SPAN = (3.0, 4.5)
"""In it a password is typed and a secret is said."""

PASSWORD = ("key:h", "key:u", "key:n", "key:t", "key:e", "key:r", "key:2")
SECRET_X = 1234.5678901234567
FRAME_NS = 40 * MS


def sound() -> np.ndarray:
    """Noise, so that every few samples of it can be found anywhere: (n, 2) int16."""
    return np.random.default_rng(1).integers(-20_000, 20_000, (int(LENGTH_S * TRUE_RATE), 2), np.int16)


def events() -> list[InputEvent]:
    def at(seconds: float, control: str, value: float, injected: bool = False) -> InputEvent:
        return InputEvent(START_NS + round(seconds * SECOND), control, value, injected)

    typed = [at(3.2 + i * 0.1 + 0.05 * (v < 1), key, v) for i, key in enumerate(PASSWORD) for v in (1.0, 0.0)]
    return [
        at(0.5, "key:w", 1.0),  # held across the span
        at(1.0, "key:d", 1.0),  # let go in it
        at(1.5, "key:q", 1.0),
        at(1.6, "key:q", 0.0),
        at(2.0, "pad:left_x", 0.25),
        at(3.0, "key:enter", 1.0),  # at the first moment of the span
        at(3.1, "mouse:x", SECRET_X),
        at(3.1, "key:enter", 0.0),
        *typed,
        at(3.9, "pad:left_x", -0.5),
        at(4.0, "key:d", 0.0),
        at(4.2, "key:s", 1.0, injected=True),  # pressed in it, let go after it
        at(4.5, "key:e", 1.0),  # the first moment after it
        at(4.6, "key:e", 0.0),
        at(5.0, "key:s", 0.0, injected=True),
        at(6.0, "key:w", 0.0),
        at(7.0, "mouse:dx", 3.0),
    ]


def picture(number: int) -> np.ndarray:
    pixels = painted(number, (96, 160))
    if SPAN[0] <= number * 0.04 < SPAN[1]:
        pixels[..., :2] //= 8
        pixels[..., 2] += np.random.default_rng(number).integers(0, 50, (96, 160), np.uint8)
    return pixels


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data") / "game"
    writer = SessionWriter.create(folder, info(controls=("key:w", "key:a", "key:d", "key:s"), held=("key:a",)))
    writer.add_events(events())
    frames = [FrameRow(i * FRAME_NS, i - (i > 90), None) for i in range(200) if i != 90]
    writer.add_frames(sorted([*frames, FrameRow(90 * FRAME_NS, None, "dropped")], key=lambda row: row.t_ns))
    with VideoWriter(folder / "video.mp4", (96, 160)) as video:
        for row in frames:
            video.write(picture(row.t_ns // FRAME_NS), row.t_ns)
    with WavWriter(folder / "system_audio.wav", RATE, 2) as wav:
        wav.write(sound())
    times = np.arange(0, LENGTH_S, 0.25)
    jitter = np.random.default_rng(3).integers(-2 * MS, 2 * MS, len(times))
    rows = [
        AudioClockRow("system_audio", round(t * TRUE_RATE), round(t * SECOND) + 5 * MS + int(j))
        for t, j in zip(times, jitter, strict=True)
    ]
    writer.add_audio_clock(rows)
    for second in range(1, LENGTH_S):
        writer.add_health(Health(second * SECOND, 1.0, 1.0, 1.0, second, 0, second, 0))
    writer.finish(end(duration_ns=LENGTH_S * SECOND + 20 * MS, checksums=media_checksums(folder)))
    return folder


@pytest.fixture
def folder(recorded: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(recorded, tmp_path / "game"))


def listed(folder: Path) -> list[tuple[float, str, float]]:
    with Session(folder) as session:
        return [(event.t_ns / SECOND, event.control, event.value) for event in session.input_events()]


def all_bytes(folder: Path) -> bytes:
    return b"".join(path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file())


def test_the_test_finds_what_is_there(folder: Path) -> None:
    assert verify(folder) == []
    found = all_bytes(folder)
    assert struct.pack(">d", SECRET_X) in found
    assert all(key.encode() in found for key in PASSWORD)
    samples = sound()
    assert samples[170_000:170_010].tobytes() in found


def test_nothing_of_it_is_in_any_byte_of_the_folder(folder: Path) -> None:
    (folder / "before_recovery").mkdir()
    shutil.copy(folder / "session.db", folder / "before_recovery")
    (folder / "notes.txt").write_text("mine")
    shutil.copytree(folder / "before_recovery", folder / "before_recovery_2")
    shutil.copy(folder / "video.mp4", folder / "video.recovered.mp4")
    done = redact(folder, [SPAN])
    assert done.removed == ("before_recovery", "before_recovery_2", "video.recovered.mp4")
    assert done.unknown == ("notes.txt",)
    assert sorted(path.name for path in folder.iterdir()) == [
        "notes.txt", "session.db", "system_audio.wav", "video.mp4",
    ]  # fmt: skip
    found = all_bytes(folder)
    assert struct.pack(">d", SECRET_X) not in found
    for key in {*PASSWORD, "key:enter"} - {"key:e"}:
        assert key.encode() not in found
    with closing(sqlite3.connect(folder / "session.db")) as database:
        numbers = [number for (number,) in database.execute("SELECT number FROM input_events")]
        assert numbers == list(range(1, len(numbers) + 1))  # a hole would tell how many there were
        assert database.execute("PRAGMA freelist_count").fetchone() == (0,)
    samples = sound()
    heard = round((SPAN[0] - 0.005) * TRUE_RATE), round((SPAN[1] - 0.005) * TRUE_RATE)
    jitter = round(0.005 * RATE)
    for sample in range(heard[0] + jitter, heard[1] - jitter, 500):
        assert samples[sample : sample + 8].tobytes() not in found
    with VideoReader(folder / "video.mp4") as video:
        for i in range(len(video)):
            frame = video.frame(i)
            assert float(frame[..., 0].mean() - frame[..., 1].mean()) < 20
            number = number_in(frame)
            assert number is not None
            assert not SPAN[0] <= number * 0.04 < SPAN[1]


def test_what_stays_is_where_it_was(folder: Path) -> None:
    with Session(folder) as before:
        times = before.frames().t_ns
    done = redact(folder, [SPAN])
    assert verify(folder) == []
    assert done.spans_s == (SPAN,)
    assert done.events == 20
    assert done.frames == 38
    with Session(folder) as session:
        frames = session.frames()
        assert frames.t_ns.tolist() == [t for t in times.tolist() if not 3.0 <= t / SECOND < 4.5]
        with VideoReader(session.video) as video:
            for t_ns, number in zip(frames.t_ns, frames.video_frame, strict=True):
                if number >= 0:
                    assert number_in(video.frame(int(number))) == t_ns // FRAME_NS
        assert [(gap.start_ns, gap.end_ns, gap.stream, gap.reason) for gap in session.gaps()] == [
            (3 * SECOND, 4_500 * MS, "all", "redacted")
        ]
        assert [row.t_ns // SECOND for row in session.health()] == [1, 2, 5, 6, 7]
        assert session.status == "completed"
        assert session.end is not None
        assert session.end.missing == ("redacted: 3.000 s to 4.500 s",)
        assert session.info.held == ("key:a",)


def test_what_is_held_is_right_after_it(folder: Path) -> None:
    redact(folder, [SPAN])
    assert [row for row in listed(folder) if 2 <= row[0] < 4.55] == [
        (2.0, "pad:left_x", 0.25),
        (4.5, "key:d", 0.0),
        (4.5, "key:s", 1.0),
        (4.5, "pad:left_x", -0.5),
        (4.5, "key:e", 1.0),
    ]


def test_sound_and_picture_still_line_up(folder: Path) -> None:
    with Session(folder) as session:
        samples, t_ns = session.audio_clock("system_audio")
    before = AudioReader(folder / "system_audio.wav", AudioClock.fit(samples, t_ns, RATE, len(sound())))
    redact(folder, [SPAN])
    with Session(folder) as session:
        samples, t_ns = session.audio_clock("system_audio")
    path = folder / "system_audio.wav"
    after = AudioReader(path, AudioClock.fit(samples, t_ns, RATE, len(AudioReader(path))))
    assert len(sound()) - len(after) == pytest.approx(1.5 * RATE, abs=40)
    assert len(after.clock.pieces) == 2
    for seconds in (0.5, 2.9, 4.6, 7.5):
        t = round(seconds * SECOND)
        (sample,), (was,) = after.clock.sample_at([t]), before.clock.sample_at([t])
        shift = 0 if seconds < 3 else len(sound()) - len(after)
        assert abs(sample + shift - was) < 0.002 * RATE  # the device's times have 2 ms of jitter themselves
    heard = after.read(round(2.9 * SECOND), round(4.6 * SECOND))
    assert not heard.recorded[round(0.105 * RATE) : round(1.59 * RATE)].any()
    assert heard.recorded[: round(0.09 * RATE)].all()


def test_several_spans_the_first_and_the_last_moment(folder: Path) -> None:
    redact(folder, [(7.5, 60), (0, 1.2), (0.5, 1.7)])
    assert verify(folder) == []
    with Session(folder) as session:
        assert (session.info.held, session.info.pointer) == ((), (0, 0))
        assert [(gap.start_ns, gap.end_ns) for gap in session.gaps()] == [
            (0, 1_700 * MS), (7_500 * MS, LENGTH_S * SECOND + 20 * MS),
        ]  # fmt: skip
        times = session.frames().t_ns / SECOND
    assert 1.7 <= times.min() < 1.75
    assert 7.4 < times.max() < 7.5
    assert listed(folder)[:3] == [(1.7, "key:a", 1.0), (1.7, "key:d", 1.0), (1.7, "key:w", 1.0)]
    redact(folder, [SPAN])
    redact(folder, [SPAN])
    assert verify(folder) == []
    with Session(folder) as session:
        assert len(session.gaps()) == 3


def test_all_of_it(folder: Path) -> None:
    done = redact(folder, [(0, 100)])
    assert done.removed == ("system_audio.wav",)
    assert listed(folder) == []
    assert verify(folder) == []


def test_one_that_is_cut_off_at_any_moment_is_completed_by_the_next(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each change of a file's name is a moment at which a machine may die."""

    class Killed(BaseException):
        pass

    real = Path.replace
    original = all_bytes(folder)
    half = 0
    for moment in range(20):
        left = [moment]

        def dying(path: Path, target: Path, left: list[int] = left) -> Path:
            if "game" in str(path) and path.parent.name in (STAGE,) and not path.name.endswith(".part"):
                left[0] -= 1
                if left[0] < 0:
                    raise Killed
            return real(path, target)

        with monkeypatch.context() as patched:
            patched.setattr(Path, "replace", dying)
            try:
                redact(folder, [SPAN])
                break
            except Killed:
                pass
        if redaction_pending(folder):
            half += 1
            problems = verify(folder)
            assert problems
            with Session(folder) as session:
                assert session.status == "recording"
            assert finish_redaction(folder)
            assert verify(folder) == []
            assert struct.pack(">d", SECRET_X) not in all_bytes(folder)
            shutil.rmtree(folder)
            shutil.copytree(folder.parent / "copy", folder)
        else:
            assert all_bytes(folder) == original
            shutil.copytree(folder, folder.parent / "copy", dirs_exist_ok=True)
    assert half >= 2
    assert not redaction_pending(folder)


def test_what_cannot_be_redacted_is_said(folder: Path, tmp_path: Path) -> None:
    before = all_bytes(folder)
    for span in ((5, 4), (-1, 2), (9, 10), (2, float("nan"))):
        with pytest.raises(SessionError, match=r"lasts 8\.020 s"):
            redact(folder, [span])
    with pytest.raises(SessionError, match="at least one span"):
        redact(folder, [])
    assert all_bytes(folder) == before
    writer = SessionWriter.create(tmp_path / "live", info())
    with pytest.raises(SessionError, match="another recorder"):
        redact(tmp_path / "live", [(0, 1)])
    writer.close()
    with pytest.raises(SessionError, match="gameon recover"):
        redact(tmp_path / "live", [(0, 1)])
    with pytest.raises(SessionError, match="no session"):
        redact(tmp_path / "nothing", [(0, 1)])
    assert not finish_redaction(folder)


def test_rows_say_what_is_cut_and_a_video_of_other_times_is_refused(folder: Path) -> None:
    def move(after_ns: int, by_ns: int) -> None:
        with closing(sqlite3.connect(folder / "session.db")) as database, database:
            database.execute("UPDATE frames SET t_ns = t_ns + ? WHERE t_ns >= ?", (by_ns, after_ns))

    move(3 * SECOND, 500_000)
    assert redact(folder, [(2.0, 3.0003)]).frames == 25  # the frame at 3.0005 s, in the video at 3 s, stays
    move(4 * SECOND, -SECOND)
    before = all_bytes(folder)
    with pytest.raises(VideoError, match=r"up to 1\.000 s from where its session has them"):
        redact(folder, [(5, 6)])
    assert all_bytes(folder) == before
    with closing(sqlite3.connect(folder / "session.db")) as database, database:
        database.execute("DELETE FROM frames WHERE t_ns >= ?", (6 * SECOND,))
    with pytest.raises(VideoError, match="gameon recover it first"):
        redact(folder, [(5, 6)])


def test_a_full_disk_leaves_it_as_it_was(recorded: Path, tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", 4) as disk:
        folder = Path(shutil.copytree(recorded, disk / "game"))
        before = all_bytes(folder)
        free = shutil.disk_usage(disk).free
        (disk / "ballast").write_bytes(b"x" * (free - (300 << 10)))
        with pytest.raises(StorageError):
            redact(folder, [SPAN])
        assert all_bytes(folder) == before
        assert verify(folder) == []
        assert not (folder / STAGE).exists()
        (disk / "ballast").unlink()
        redact(folder, [SPAN])
        assert verify(folder) == []


def test_on_a_file_system_that_cannot_wait_for_folders(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real, refused = os.fsync, []

    def fsync(file: int) -> None:
        if stat.S_ISDIR(os.fstat(file).st_mode):
            refused.append(file)
            raise OSError(errno.EINVAL, "Invalid argument")  # as on folders that VirtualBox shares
        real(file)

    monkeypatch.setattr(os, "fsync", fsync)
    redact(folder, [SPAN])
    assert len(refused) == 4
    assert verify(folder) == []
    assert not redaction_pending(folder)
