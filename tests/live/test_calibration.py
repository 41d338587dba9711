"""Calibration on real displays: every press is found again as key, picture and beep, and sessions state the error."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest

from gameon_env.desktop.display import PrivateDisplay
from gameon_env.errors import GameOnError
from gameon_env.recording.calibration import CalibrationRun
from gameon_env.recording.calibration_figures import KEY, Spread
from gameon_env.recording.session import Session
from tests.physical import PhysicalDevices


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


@pytest.mark.skipif(
    shutil.which("pulseaudio") is None, reason="PulseAudio is not installed: apt-get install pulseaudio"
)
def test_every_press_is_found_as_key_picture_and_beep(tmp_path: Path) -> None:
    told: list[int] = []
    run = CalibrationRun(tmp_path, "private", seed=1)
    run.record(lambda done: done < 12, told.append)
    found, presses = run.calibration(), run.presses()
    assert told == list(range(1, 13))
    assert all("steady" in line for line in found.missing)
    assert (found.display, found.sound) == ("private", "the private sound server")
    assert (found.presses, found.recorded, found.seen, found.heard) == (12, 12, 12, 12)
    assert np.all(np.diff(presses.key_ns) > 0)
    assert np.all(presses.frame_ns > presses.key_ns - 5e6)  # both times have their errors
    assert np.all(presses.onset_ns > presses.key_ns)
    # How good they are is for the bench to say: a busy machine is no fault of the code.
    assert found.key_to_picture_error is not None
    assert abs(found.key_to_picture_error.median_ms) < 50
    assert found.picture_to_sound_error is not None
    assert abs(found.picture_to_sound_error.median_ms) < 50


def test_a_person_presses_where_there_is_no_sound(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PULSE_SERVER", f"unix:{tmp_path}/nowhere")
    with PrivateDisplay((480, 640), gl=False) as desktop, PhysicalDevices(desktop.name) as person:
        run = CalibrationRun(tmp_path, desktop.name)
        done = threading.Event()

        def press() -> None:
            while not done.wait(0.3):
                person.press(KEY)
                time.sleep(0.05)
                person.release(KEY)

        thread = threading.Thread(target=press)
        thread.start()
        try:
            run.record_by_hand(6, lambda number: done.set() if number >= 6 else None)
        finally:
            done.set()
            thread.join()
        found = run.calibration()
        with Session(run.session_folder) as session:
            assert session.info.details["calibration"] is None
            assert session.end is not None
            assert session.end.who == "human"
    assert found.display == "desktop"
    assert found.sound is None
    assert len(found.missing) == 2  # the recording's sound, and the window's own
    assert found.seen >= 6
    assert found.heard == 0
    assert isinstance(found.key_to_picture_error, Spread)
    assert found.picture_to_sound is found.picture_to_sound_error is None


def test_the_command_keeps_what_later_sessions_state(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "gameon_env", "calibrate", "--presses", "3", "--json"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["presses"] == found["recorded"] == found["seen"] == 3
    assert [path.name for path in tmp_path.iterdir()] == ["cache"]  # its recording is gone
    folder = tmp_path / "later"
    folder.mkdir()
    later = CalibrationRun(folder, "private")
    later.record(lambda number: number < 1)
    with Session(later.session_folder) as session:
        assert session.info.details["calibration"] == found


def test_no_press_at_all_is_said(tmp_path: Path) -> None:
    run = CalibrationRun(tmp_path, "private")
    run.record(lambda _: False)
    with pytest.raises(GameOnError, match="must have the keyboard"):
        run.calibration()
    with pytest.raises(GameOnError, match="records once"):
        run.record(lambda _: False)
