"""A track stores what its device gives, says when it was heard, and states what is missing."""

from __future__ import annotations

import contextlib
import math
import queue
import time
import wave
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from gameon_env.data_processing.audio_clock import AudioClock
from gameon_env.desktop.audio import RecordedBlock
from gameon_env.errors import AudioError, StorageError
from gameon_env.recording import audio_track
from gameon_env.recording.audio_track import AudioTrack
from gameon_env.recording.model import AudioClockRow, Gap

RATE = 48_000
BLOCK = 960
BLOCK_NS = 20_000_000
START_NS = 5_000_000_000
END = None


class ScriptedDevice:
    """A device that gives the blocks it is handed; an error among them is raised."""

    rate_hz, channels = RATE, 1

    def __init__(self) -> None:
        self.todo: queue.Queue[RecordedBlock | AudioError | None] = queue.Queue()
        self.taken = queue.Queue[None]()

    def open(self) -> ScriptedDevice:
        return self

    def read(self) -> RecordedBlock:
        block = self.todo.get()
        self.taken.put(None)
        if block is None:
            raise AudioError("ended")
        if isinstance(block, AudioError):
            raise block
        return block

    def end(self) -> None:
        self.todo.put(END)

    def close(self) -> None:
        pass

    def give(self, number: int, *, shift_ns: int = 0, lost: int = 0) -> None:
        """Block ``number`` of an endless sound whose samples count upwards."""
        samples = (np.arange(number * BLOCK, (number + 1) * BLOCK) % 20_000 + 1).astype(np.int16)[:, None]
        self.todo.put(RecordedBlock(samples, START_NS + number * BLOCK_NS + shift_ns, lost))

    def wait_until_taken(self) -> None:
        """The track is done with all that was given but the last."""
        self.todo.put(RecordedBlock(np.zeros((0, 1), np.int16), 0))
        deadline = time.monotonic() + 5
        while not self.todo.empty() and time.monotonic() < deadline:
            time.sleep(0.001)
        time.sleep(0.01)


class Case:
    def __init__(self, folder: Path) -> None:
        self.device = ScriptedDevice()
        self.rows: list[AudioClockRow] = []
        self.gaps: list[Gap] = []
        self.path = folder / "a.wav"
        self.track = AudioTrack(
            "microphone_audio", self.path, self.device, START_NS, self.rows.append, self.gaps.append
        )
        self.track.start()

    def stored(self) -> np.ndarray:
        with wave.open(str(self.path)) as file:
            return np.frombuffer(file.readframes(file.getnframes()), np.int16)

    def clock(self) -> AudioClock:
        samples, times = (np.array([getattr(row, name) for row in self.rows], np.int64) for name in ("sample", "t_ns"))
        return AudioClock.fit(samples, times, RATE, len(self.stored()))


@pytest.fixture
def case(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Case]:
    monkeypatch.setattr(audio_track, "RETRY_S", (0.01, 0.01))
    case = Case(tmp_path)
    yield case
    with contextlib.suppress(StorageError):
        case.track.close()


def test_all_samples_and_four_rows_a_second(case: Case) -> None:
    for number in range(100):
        case.device.give(number)
    case.device.wait_until_taken()
    assert case.track.fault is None
    case.track.close()
    np.testing.assert_array_equal(case.stored(), np.arange(100 * BLOCK) % 20_000 + 1)
    assert case.track.samples == 100 * BLOCK
    assert case.gaps == []
    assert case.rows[0] == AudioClockRow("microphone_audio", 0, 0)
    assert case.rows[-1] == AudioClockRow("microphone_audio", 100 * BLOCK, 2_000_000_000)
    assert 8 <= len(case.rows) <= 10
    clock = case.clock()
    assert clock.time_of(RATE) == pytest.approx(1e9, abs=1e3)


def test_what_was_heard_before_the_session_is_not_stored(case: Case) -> None:
    for number in range(-3, 20):
        case.device.give(number, shift_ns=-BLOCK_NS // 4)
    case.device.wait_until_taken()
    case.track.close()
    assert case.stored()[0] == BLOCK // 4 + 1
    assert case.rows[0] == AudioClockRow("microphone_audio", 0, 0)


def test_nothing_of_a_pause_is_stored_to_the_sample(case: Case) -> None:
    case.track.pause(START_NS + 105_000_000)
    case.track.pause(START_NS + 200_000_000)  # it is paused already
    case.track.resume(START_NS + 307_000_000)
    case.track.pause(START_NS + 401_000_000)
    case.track.resume(START_NS + 402_000_000)
    for number in range(50):
        case.device.give(number)
    case.device.wait_until_taken()
    case.track.close()
    everything = np.arange(50 * BLOCK) % 20_000 + 1
    kept = [everything[: 105 * 48], everything[307 * 48 : 401 * 48], everything[402 * 48 :]]
    np.testing.assert_array_equal(case.stored(), np.concatenate(kept))
    assert case.gaps == []
    clock = case.clock()
    assert len(clock.pieces) == 3
    assert clock.sample_at(307_000_000) == pytest.approx(105 * 48, abs=1)
    assert math.isnan(clock.sample_at(200_000_000))
    assert clock.sample_at(900_000_000) == pytest.approx((900 - 202 - 1) * 48, abs=1)


def test_a_pause_is_no_gap_of_the_device(case: Case) -> None:
    """Neither one at the very start nor one in which the device went and came back."""
    case.track.pause(START_NS)
    for number in range(20):
        case.device.give(number)
    case.track.resume(START_NS + 400_000_000)
    for number in range(20, 30):
        case.device.give(number)
    case.track.pause(START_NS + 600_000_000)
    case.device.give(30)
    case.device.todo.put(AudioError("unplugged"))
    for number in range(40, 60):
        case.device.give(number)
    case.track.resume(START_NS + 1_000_000_000)
    case.device.wait_until_taken()
    case.track.close()
    assert case.gaps == [Gap(600_000_000, 800_000_000, "microphone_audio", "device lost")]
    assert len(case.stored()) == 20 * BLOCK


def test_a_device_that_vanishes_is_a_gap_and_comes_back(case: Case) -> None:
    for number in range(10):
        case.device.give(number)
    case.device.todo.put(AudioError("unplugged"))
    case.device.wait_until_taken()
    assert case.track.level == audio_track.SILENCE_DBFS or case.track.fault is None
    for number in range(60, 70):
        case.device.give(number)
    case.device.wait_until_taken()
    case.track.close()
    assert len(case.stored()) == 20 * BLOCK
    assert case.gaps == [Gap(200_000_000, 1_200_000_000, "microphone_audio", "device lost")]
    assert [p.first for p in case.clock().pieces] == [0, 10 * BLOCK]


def test_a_device_that_never_is_there(case: Case) -> None:
    for _ in range(3):
        case.device.todo.put(AudioError("no such device"))
    case.device.wait_until_taken()
    assert case.track.fault == "no such device"
    assert not case.track.wait_until_heard(0.0)
    case.track.close()
    assert case.gaps == [Gap(0, None, "microphone_audio", "device absent")]
    assert case.rows == []
    assert len(case.stored()) == 0


def test_samples_that_the_device_lost_are_found_by_their_times(case: Case) -> None:
    for number in range(50):
        case.device.give(number, shift_ns=0 if number != 20 else 45_000_000)  # one late block: jitter
    for number in range(50, 100):
        case.device.give(number, shift_ns=70_000_000)
    case.device.wait_until_taken()
    case.track.close()
    assert case.gaps == [Gap(1_000_000_000, 1_070_000_000, "microphone_audio", "overrun")]
    assert [p.first for p in case.clock().pieces] == [0, 50 * BLOCK]


def test_frames_that_were_dropped_are_counted_and_stated(case: Case) -> None:
    for number in range(20):
        case.device.give(number)
    for number in range(21, 40):
        case.device.give(number, lost=BLOCK if number == 21 else 0)
    case.device.wait_until_taken()
    assert case.track.dropped == BLOCK
    case.track.close()
    assert case.gaps == [Gap(400_000_000, 420_000_000, "microphone_audio", "overrun")]


def test_level_is_in_dbfs(case: Case) -> None:
    assert case.track.level == audio_track.SILENCE_DBFS
    for number in range(5):
        samples = np.full((BLOCK, 1), 16384, np.int16)
        case.device.todo.put(RecordedBlock(samples, START_NS + number * BLOCK_NS))
    case.device.wait_until_taken()
    assert case.track.level == pytest.approx(-6.02, abs=0.01)


def test_a_file_that_cannot_be_written_ends_it_with_an_error(case: Case) -> None:
    case.device.give(0)
    case.device.wait_until_taken()
    case.track._wav.close()  # as if the disk went away
    case.device.give(1)
    case.track._thread.join()
    with pytest.raises(StorageError):
        case.track.check()
    with pytest.raises(StorageError):
        case.track.close()
    case.track.close()


def test_close_before_start(tmp_path: Path) -> None:
    track = AudioTrack("system_audio", tmp_path / "a.wav", ScriptedDevice(), 0, print, print)
    track.close()
    track.close()
    with pytest.raises(StorageError, match="cannot be written"):
        AudioTrack("system_audio", tmp_path / "a.wav", ScriptedDevice(), 0, print, print)
