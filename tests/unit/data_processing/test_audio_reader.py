"""Sound read by time is that of the moment, at any rate, and zeros where there was none."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from gameon_env.data_processing.audio_clock import AudioClock
from gameon_env.data_processing.audio_reader import AudioReader
from gameon_env.data_processing.mel import log_mel
from gameon_env.data_processing.wav_file import wav_header
from gameon_env.errors import AudioError

RATE = 48_000


def write(path: Path, samples: np.ndarray) -> Path:
    """``(n, channels)`` floats as a WAV file."""
    data = np.rint(samples * 32767).astype("<i2")
    path.write_bytes(wav_header(RATE, samples.shape[1], data.nbytes) + data.tobytes())
    return path


def tone(frequency_hz: float, seconds: float, rate: float = RATE) -> np.ndarray:
    return 0.5 * np.sin(2 * np.pi * frequency_hz * np.arange(int(seconds * rate)) / rate)


def db(samples: np.ndarray) -> float:
    return float(20 * np.log10(np.sqrt(np.mean(np.square(samples))) + 1e-12))


@pytest.mark.parametrize("rate", [8_000, 16_000, 22_050, 44_100, 48_000, 96_000])
def test_a_tone_keeps_its_place_and_height_at_any_rate(tmp_path: Path, rate: int) -> None:
    reader = AudioReader(write(tmp_path / "a.wav", np.stack([tone(1000, 4), -tone(1000, 4)], axis=1)))
    sound = reader.read(1_000_000_000, 3_000_000_000, rate_hz=rate)
    assert sound.samples.dtype == np.float32
    assert sound.samples.shape == (2 * rate, 2)
    assert sound.recorded.all()
    error = sound.samples - np.stack([tone(1000, 3, rate)[rate:], -tone(1000, 3, rate)[rate:]], axis=1)
    assert db(error) < -80


@pytest.mark.parametrize(("frequency_hz", "loudness"), [(1000, -9.0), (7000, -9.0), (9000, -95.0), (15_000, -95.0)])
def test_what_a_lower_rate_cannot_hold_is_gone(tmp_path: Path, frequency_hz: float, loudness: float) -> None:
    reader = AudioReader(write(tmp_path / "a.wav", tone(frequency_hz, 3)[:, None]))
    found = db(reader.read(1_000_000_000, 2_000_000_000, rate_hz=16_000).samples)
    assert found == pytest.approx(loudness, abs=0.5) if loudness > -20 else found < loudness


def test_stereo_becomes_mono(tmp_path: Path) -> None:
    both = np.stack([tone(500, 1), np.zeros(RATE)], axis=1)
    reader = AudioReader(write(tmp_path / "a.wav", both))
    assert len(reader) == RATE
    mono = reader.read(0, 1_000_000_000, mono=True).samples
    assert mono.shape == (RATE, 1)
    np.testing.assert_allclose(mono[100:-100, 0], both.mean(axis=1)[100:-100], atol=1e-3)


def test_the_true_rate_and_the_gaps_of_the_clock(tmp_path: Path) -> None:
    """A device 2000 ppm fast, and two pieces with a second of nothing between."""
    true_rate = RATE * 1.002
    frames = int(20 * true_rate)
    path = write(tmp_path / "a.wav", tone(1000, 41, true_rate)[: 2 * frames, None])
    samples = np.concatenate([np.arange(0, frames + 1, frames // 80), frames + np.arange(0, frames + 1, frames // 80)])
    times = samples / true_rate * 1e9
    times[len(times) // 2 :] += 1e9
    clock = AudioClock.fit(samples.astype(np.int64), times.astype(np.int64), RATE, 2 * frames)
    reader = AudioReader(path, clock)
    sound = reader.read(0, 41_000_000_000, rate_hz=RATE)
    moments = np.arange(len(sound.samples)) / RATE
    in_gap = (moments > 20.001) & (moments < 20.999)
    assert not sound.recorded[in_gap].any()
    assert not sound.samples[in_gap].any()
    assert sound.recorded[(moments < 19.999) | ((moments > 21.001) & (moments < 40.99))].all()
    middle = (moments > 5) & (moments < 15)
    heard = sound.samples[middle, 0]
    spectrum = np.abs(np.fft.rfft(heard * np.hanning(len(heard))))
    assert spectrum.argmax() / 10 == pytest.approx(1000, abs=0.11)
    error = heard - 0.5 * np.sin(2 * np.pi * 1000 * moments[middle])
    assert db(error) < -40


def test_before_and_after_the_file_there_is_nothing(tmp_path: Path) -> None:
    reader = AudioReader(write(tmp_path / "a.wav", np.ones((RATE, 1)) * 0.5))
    sound = reader.read(-500_000_000, 1_500_000_000)
    assert sound.recorded.sum() == pytest.approx(RATE, abs=2)
    assert not sound.recorded[: RATE // 2 - 1].any()
    assert not sound.samples[-RATE // 2 + 2 :].any()
    assert reader.read(10**15, 10**15 + 10**9).samples.any() == False  # noqa: E712 - a numpy bool
    assert reader.read(5, 5).samples.shape == (0, 1)
    with pytest.raises(AudioError, match="start <= end"):
        reader.read(5, 4)


def test_an_empty_file(tmp_path: Path) -> None:
    reader = AudioReader(write(tmp_path / "a.wav", np.zeros((0, 2))))
    sound = reader.read(0, 1_000_000_000)
    assert sound.samples.shape == (RATE, 2)
    assert not sound.recorded.any()
    mel, whole = reader.mel(np.arange(1, 4) * 50_000_000)
    assert not mel.any()
    assert not whole.any()


def test_mel_frames_belong_to_their_steps(tmp_path: Path) -> None:
    """A beep from 1.0 to 1.2 s: only the steps whose past holds it hear it."""
    samples = np.zeros((3 * RATE, 1))
    samples[RATE : RATE + RATE // 5, 0] = tone(1000, 0.2)
    reader = AudioReader(write(tmp_path / "a.wav", samples))
    steps = np.arange(1, 60) * 50_000_000
    mel, whole = reader.mel(steps)
    assert mel.shape == (59, 128)
    assert mel.dtype == np.float32
    assert whole[1:].all()
    assert not whole[0]  # its window begins before the sound does
    heard = np.flatnonzero(mel.max(axis=1) > 0.5)
    assert steps[heard].min() / 1e9 == pytest.approx(1.05, abs=0.01)
    assert steps[heard].max() / 1e9 == pytest.approx(1.25, abs=0.05)
    assert mel[heard[1]].max() == pytest.approx(1 + np.log10(0.25) / 10, abs=0.03)
    assert not mel[:19].any()


def test_slow_steps_miss_nothing(tmp_path: Path) -> None:
    samples = np.zeros((5 * RATE, 1))
    samples[int(2.05 * RATE) :][: RATE // 20, 0] = tone(2000, 0.05)
    reader = AudioReader(write(tmp_path / "a.wav", samples))
    mel, _ = reader.mel(np.arange(1, 5) * 1_000_000_000)
    assert [row.max() > 0.3 for row in mel] == [False, False, True, False]


def test_mel_of_a_full_scale_sine_is_one_in_the_right_bin() -> None:
    frequencies = [300.0, 1000.0, 3000.0, 6000.0]
    rows = np.stack([2 * tone(f, 0.2, 16_000) for f in frequencies]).astype(np.float32)
    mel = log_mel(rows)
    assert mel.shape == (4, 128)
    highest = 2595 * np.log10(1 + 8000 / 700)
    centres = 700 * (10 ** (np.linspace(0, highest, 130)[1:-1] / 2595) - 1)
    for row, frequency in zip(mel, frequencies, strict=True):
        assert row.max() == pytest.approx(1.0, abs=0.05)
        assert centres[row.argmax()] == pytest.approx(frequency, rel=0.03)
    assert not log_mel(np.zeros((2, 2048), np.float32)).any()
