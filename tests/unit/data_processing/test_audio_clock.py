"""Samples and times agree to some milliseconds after hours, whatever the device and the machine do."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gameon_env.data_processing.audio_clock import AudioClock
from gameon_env.errors import AudioError

RATE = 48_000
ROW = 12_000


class Device:
    """A simulated device: rows as a recorder writes them, and the truth."""

    def __init__(self, ppm: float, jitter_ms: float, seed: int) -> None:
        self.random = np.random.default_rng(seed)
        self.period = 1e9 / (RATE * (1 + ppm * 1e-6))
        self.jitter_ms = jitter_ms
        self.sample, self.now = 0, 150e6
        self.rows: list[tuple[np.ndarray, np.ndarray]] = []
        self.truth: list[tuple[np.ndarray, np.ndarray]] = []

    def play(self, seconds: float, wander_ppm: float = 0.0) -> None:
        count = max(2, int(seconds * 4))
        s = self.sample + ROW * np.arange(count + 1)
        wander = wander_ppm * 1e-6 * np.sin(np.arange(count) / 4 / 600)
        t = self.now + np.concatenate([[0.0], np.cumsum(ROW * self.period * (1 + wander))])
        late = self.random.exponential(self.jitter_ms, count) - 0.7 * self.jitter_ms
        late[self.random.random(count) < 0.01] += 80.0
        self.rows.append((s[:-1], t[:-1] + late * 1e6))
        self.truth.append((s[:-1], t[:-1]))
        self.sample, self.now = int(s[-1]), float(t[-1])

    def gap(self, seconds: float, *, stated: bool) -> None:
        if stated:
            self.rows.append((np.array([self.sample]), np.array([self.now])))
        self.now += seconds * 1e9

    def fit(self) -> AudioClock:
        samples, times = (np.concatenate([row[i] for row in self.rows]) for i in (0, 1))
        return AudioClock.fit(samples.astype(np.int64), np.rint(times).astype(np.int64), RATE, self.sample)

    def worst_ms(self, clock: AudioClock) -> float:
        errors = [np.abs(clock.time_of(s) - t).max() / 1e6 for s, t in self.truth]
        errors += [np.abs(clock.sample_at(t + 40e6) - 0.04 * RATE - s).max() / RATE * 1e3 for s, t in self.truth]
        return max(errors)


@settings(max_examples=40, deadline=None)
@given(
    ppm=st.floats(-1000, 1000),
    jitter_ms=st.floats(0, 3),
    seed=st.integers(0, 2**32 - 1),
    parts=st.lists(st.tuples(st.floats(15, 4000), st.floats(0.1, 300), st.booleans()), min_size=1, max_size=4),
)
def test_sound_and_picture_line_up_after_hours(
    ppm: float, jitter_ms: float, seed: int, parts: list[tuple[float, float, bool]]
) -> None:
    device = Device(ppm, jitter_ms, seed)
    for seconds, gap_s, stated in parts:
        device.play(seconds)
        device.gap(gap_s, stated=stated)
    device.play(60)
    clock = device.fit()
    assert device.worst_ms(clock) <= 5.0
    assert len(clock.pieces) == len(parts) + 1


def test_a_rate_that_wanders_is_followed_for_hours() -> None:
    device = Device(390, 2.0, seed=1)
    device.play(4 * 3600, wander_ppm=20)
    clock = device.fit()
    assert device.worst_ms(clock) <= 5.0
    assert clock.rate_hz == pytest.approx(RATE * (1 + 390e-6), rel=5e-6)
    median, p99 = clock.residual_ms
    assert 0.5 < median < 2.0 < p99


def test_there_and_back() -> None:
    device = Device(-390, 0.5, seed=2)
    device.play(100)
    device.gap(7, stated=True)
    device.play(100)
    clock = device.fit()
    samples = np.arange(0, device.sample, 997)
    np.testing.assert_allclose(clock.sample_at(clock.time_of(samples)), samples, atol=0.5)


def test_nothing_is_found_where_nothing_was_recorded() -> None:
    device = Device(0, 0, seed=3)
    device.play(20)
    end_ns = device.now
    device.gap(2, stated=True)
    begin_ns = device.now
    device.play(20)
    clock = device.fit()
    assert np.isnan(clock.sample_at([0.0, 149e6, end_ns + 1e6, begin_ns - 1e6, device.now + 1e6])).all()
    assert np.isfinite(clock.sample_at([151e6, end_ns - 1e6, begin_ns + 1e6, device.now - 1e6])).all()
    assert np.isnan(clock.time_of([-1, device.sample])).all()
    first, second = clock.pieces
    assert (first.last, second.first) == (20 * RATE, 20 * RATE)
    assert second.start_ns - first.end_ns == pytest.approx(2e9, abs=1e6)


@pytest.mark.parametrize("count", [0, 1, 2, 3, 9, 10, 11])
def test_few_rows(count: int) -> None:
    samples = np.arange(count, dtype=np.int64) * ROW
    clock = AudioClock.fit(samples, samples * 1_000_000_000 // RATE + 7, RATE, total=count * ROW)
    assert clock.rate_hz == pytest.approx(RATE, rel=1e-4)
    assert len(clock.pieces) == (1 if count else 0)
    if count:
        assert clock.sample_at(7 + 1e9 * ROW / RATE * (count - 0.5)) == pytest.approx(ROW * (count - 0.5), abs=1)


def test_pieces_never_overlap_in_time() -> None:
    samples = np.array([0, 48_000, 48_000, 96_000], np.int64)
    times = np.array([0, 1_000_000_000, 990_000_000, 1_990_000_000], np.int64)
    first, second = AudioClock.fit(samples, times, RATE).pieces
    assert first.end_ns <= second.start_ns


def test_rows_that_fit_nothing() -> None:
    with pytest.raises(AudioError, match="expected"):
        AudioClock.fit(np.arange(3), np.arange(4), RATE)
    with pytest.raises(AudioError, match="order"):
        AudioClock.fit(np.array([5, 4]), np.array([0, 1]), RATE)
