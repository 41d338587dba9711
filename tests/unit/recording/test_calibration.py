"""Pairing, the beginning of a beep, and what is kept: on signals whose truth is known."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from gameon_env.errors import StorageError
from gameon_env.recording.calibration_beep import beep, find_beep
from gameon_env.recording.calibration_figures import Presses, Spread, pair, read_log
from gameon_env.recording.calibration_store import Calibration, calibration_path, stated_error, store_calibration

RATE = 48_000
SPREAD = Spread(1.0, 2.0, 0.5, 10)
MEASURED = Calibration(
    "private", "the private sound server", "2026-01-02T03:04:05+00:00", "gameon-env 0", 10, 10, 10, 10,
    SPREAD, SPREAD, SPREAD, SPREAD, SPREAD,
)  # fmt: skip


def sound_with_beep(at: float, loudness: float = 1.0, rate: float = RATE, seconds: float = 0.5) -> np.ndarray:
    """A beep that begins at sample ``at``, which may lie between two samples."""
    fine = beep(rate * 16)
    times = (np.arange(round(seconds * rate)) - at) * 16
    return loudness * np.interp(times, np.arange(len(fine)), fine, left=0, right=0)


@pytest.mark.parametrize("at", [0, 1, 777, 12_345])
def test_the_beginning_of_a_beep_is_exact(at: int) -> None:
    sound = np.zeros(20_000)
    sound[at : at + len(beep(RATE))] = beep(RATE)
    assert find_beep(sound, RATE) == pytest.approx(at, abs=0.02)


def test_it_is_found_between_two_samples_as_well() -> None:
    for at in (1000.25, 1000.5, 1000.9):
        assert find_beep(sound_with_beep(at), RATE) == pytest.approx(at, abs=0.15)


@pytest.mark.parametrize("loudness", [1.0, 0.1, 0.003])
def test_however_soft_it_is(loudness: float) -> None:
    rounded = np.round(sound_with_beep(5000, loudness) * 32767) / 32767
    assert find_beep(rounded, RATE) == pytest.approx(5000, abs=0.5)


def test_among_noise_and_music() -> None:
    rng = np.random.default_rng(0)
    t = np.arange(RATE // 2) / RATE
    music = 0.1 * np.sin(2 * np.pi * 440 * t) + 0.05 * np.sin(2 * np.pi * 2500 * t)
    for at in rng.integers(100, 20_000, 20):
        sound = sound_with_beep(float(at)) + music + rng.normal(0, 0.03, len(t))
        assert find_beep(sound, RATE) == pytest.approx(float(at), abs=1)


def test_of_two_beeps_the_first_counts() -> None:
    assert find_beep(sound_with_beep(3000, 0.8) + sound_with_beep(15_000), RATE) == pytest.approx(3000, abs=0.5)


def test_what_is_no_beep_is_none() -> None:
    rng = np.random.default_rng(1)
    steady = 0.4 * np.sin(2 * np.pi * 3000 * np.arange(RATE) / RATE)
    for sound in (np.zeros(RATE), rng.normal(0, 0.2, RATE), steady, np.zeros(5), beep(RATE)[::-1]):
        assert find_beep(sound, RATE) is None


def test_another_rate_has_its_own_beep() -> None:
    assert find_beep(sound_with_beep(3000, rate=44_100), 44_100) == pytest.approx(3000, abs=0.5)


def test_presses_and_key_events_are_paired() -> None:
    received = np.array([100.0, 400.0, 700.0])
    assert pair(received, np.array([95.0, 399.0, 702.0]), 50).tolist() == [95, 399, 702]


def test_what_is_missing_stays_alone() -> None:
    received = np.array([100.0, 400.0, 420.0])
    found = pair(received, np.array([10.0, 415.0, 900.0]), 50)
    assert np.isnan(found[:2]).all()  # of the two the nearer one has it
    assert found[2] == 415
    assert np.isnan(pair(received, np.zeros(0), 50)).all()
    assert len(pair(np.zeros(0), received, 50)) == 0


def test_one_event_is_used_once() -> None:
    found = pair(np.array([100.0, 101.0]), np.array([100.0, 130.0]), 50)
    assert found.tolist() == [100, 130]


def test_the_error_is_what_the_window_does_not_take() -> None:
    one = np.array([0.0, np.nan])
    key, received, flip, heard = one + 1e9, one + 1.001e9, one + 1.011e9, one + 1.040e9
    presses = Presses(key, flip + 2e6, heard + 3e6, received, flip - 1e6, flip, heard)
    assert presses.key_to_picture_ns[0] == pytest.approx(13e6)
    assert presses.key_to_picture_error_ns[0] == pytest.approx(3e6)  # 2 of the picture, 1 of the key
    assert presses.picture_to_sound_ns[0] == pytest.approx(30e6)
    assert presses.picture_to_sound_error_ns[0] == pytest.approx(1e6)
    assert Spread.of(presses.key_to_picture_error_ns) == Spread(pytest.approx(3.0), pytest.approx(3.0), 0.0, 1)


def test_a_spread_is_of_what_is_there() -> None:
    assert Spread.of(np.array([np.nan, np.nan])) is None
    spread = Spread.of(np.array([-1e6, 0.0, 4e6, np.nan]))
    assert spread is not None
    assert (spread.median_ms, spread.count) == (0.0, 3)
    assert 3.9 < spread.p99_ms <= 4.0


def test_of_a_log_only_whole_lines_are_read(tmp_path: Path) -> None:
    assert read_log(tmp_path / "log") == []
    (tmp_path / "log").write_text('{"kind": "ready"}\n{"kind": "pre')
    assert read_log(tmp_path / "log") == [{"kind": "ready"}]


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def test_nothing_measured_is_nothing_stated() -> None:
    assert stated_error("private", None) is None
    assert not calibration_path().exists()


def test_what_was_measured_is_stated() -> None:
    store_calibration(MEASURED)
    store_calibration(replace(MEASURED, display="desktop", sound="speakers", presses=7))
    stated = stated_error("private", "the private sound server")
    assert stated is not None
    assert stated == json.loads(json.dumps(stated))
    assert stated["presses"] == 10
    assert stated["picture_to_sound_error"] == {"median_ms": 1.0, "p99_ms": 2.0, "jitter_ms": 0.5, "count": 10}
    store_calibration(replace(MEASURED, presses=30))
    assert stated_error("private", "the private sound server") != stated


def test_of_another_sound_only_the_pictures_are_stated() -> None:
    store_calibration(MEASURED)
    stated = stated_error("private", None)
    assert stated is not None
    assert stated["key_to_picture_error"] is not None
    assert stated["picture_to_sound"] is stated["picture_to_sound_error"] is stated["sound"] is None
    assert stated_error("desktop", "the private sound server") is None


def test_a_damaged_file_is_measured_anew() -> None:
    calibration_path().parent.mkdir(parents=True)
    for damaged in ("", "[]", '{"private, no sound": 1}', "\x00"):
        calibration_path().write_text(damaged)
        assert stated_error("private", None) is None
    store_calibration(MEASURED)
    assert stated_error("private", None) is not None


def test_a_cache_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    (tmp_path / "cache").write_text("a file")
    with pytest.raises(StorageError, match="XDG_CACHE_HOME"):
        store_calibration(MEASURED)
