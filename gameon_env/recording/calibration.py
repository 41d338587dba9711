"""Measuring the recorder's sync on this machine: a window that flashes and beeps at each key press is recorded."""

from __future__ import annotations

import datetime
import random
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np

from gameon_env import __version__
from gameon_env.desktop.inject import open_injector
from gameon_env.desktop.watchdog import Watchdog
from gameon_env.errors import GameOnError
from gameon_env.recording.calibration_figures import KEY, Presses, Spread, read_log, read_presses
from gameon_env.recording.calibration_store import Calibration
from gameon_env.recording.recorder import SessionRecorder
from gameon_env.recording.session import Session

READY_S = 30.0
SETTLE_S = 2.0
"""Until the devices of the sound have opened."""
REST_S = 1.0
"""After the last press, so that its picture and its beep are in the recording."""
BETWEEN_S = (0.2, 0.5)
HELD_S = (0.04, 0.1)
PATIENCE_S = 60.0
"""How long a person may take for the next press, or for giving the window the keyboard."""

PROFILE = """
title = "Calibration"
description = "A window that flashes and beeps at each press of the space bar."
fps = 60
[launch]
command = [
  "{python}", "-m", "gameon_env.recording.calibration_window", "{folder}/window.log", "--size", "{width}x{height}",
]
screen_size = [480, 640]
window = "GameOn calibration"
gl = false
env = { JACK_NO_START_SERVER = "1" }
[controls]
names = ["key:space"]
"""


def calibrate(
    presses: int = 100,
    display: str = "private",
    *,
    by_hand: bool = False,
    seed: int = 0,
    on_press: Callable[[int], object] = lambda _: None,
) -> Calibration:
    """Measure it; :func:`gameon_env.recording.calibration_store.store_calibration` keeps it for later sessions.

    Args:
        presses: how many, about two a second.
        display: ``private``, ``current`` or ``:N``.
        by_hand: a person presses the space bar; otherwise the presses are injected by XTEST (on other systems, as
            the environments inject).
        seed: of the random intervals.
        on_press: is told the number of presses so far.

    Raises:
        GameOnError: the window, the display or the recorder failed, or no press arrived; the message names the remedy.
    """
    with tempfile.TemporaryDirectory(prefix="gameon-calibration-") as folder:
        run = CalibrationRun(Path(folder), display, seed)
        if by_hand:
            run.record_by_hand(presses, on_press)
        else:
            run.record(lambda done: done < presses, on_press)
        return run.calibration()


class CalibrationRun:
    """One recording of the calibration window, and what it says.

    Args:
        folder: an empty one, where the recording and the window's log go.
        display: as in :func:`calibrate`.
        seed: of the random intervals.
    """

    def __init__(self, folder: Path, display: str, seed: int = 0) -> None:
        self._log = folder / "window.log"
        profile = folder / "calibration.toml"
        profile.write_text(PROFILE, encoding="utf-8")
        self._recorder = SessionRecorder(
            profile, display=display, data_dir=folder, gamepads=False, pause_key=None, stop_key=None
        )
        self._dice = random.Random(seed)
        self._missing: list[str] = []
        self._presses: Presses | None = None

    def record(self, wanted: Callable[[int], bool], on_press: Callable[[int], object] = lambda _: None) -> None:
        """Record presses that are injected at random intervals, while ``wanted`` (number so far) is true."""
        with self._recorder, ExitStack() as stack:
            ready = self._wait_until_ready()
            name = ready["display"]
            watchdog = Watchdog.start(name, private=False)
            stack.callback(watchdog.close)
            injector = open_injector(name, watchdog=watchdog)
            stack.callback(injector.close)
            done = 0
            while wanted(done):
                self._wait(lambda: self._recorder.status.paused == "", "the calibration window has not the keyboard")
                injector.press(KEY)
                injector.flush()
                time.sleep(self._dice.uniform(*HELD_S))
                injector.release(KEY)
                injector.flush()
                done += 1
                on_press(done)
                self._sleep(self._dice.uniform(*BETWEEN_S))
            self._sleep(REST_S)

    def record_by_hand(self, presses: int, on_press: Callable[[int], object] = lambda _: None) -> None:
        """Record until a person has pressed the space bar so often."""
        with self._recorder:
            self._wait_until_ready()
            before, silent_since = self._count(), time.monotonic()
            done = 0
            while done < presses:
                self._sleep(0.05)
                if self._count() - before > done:
                    done, silent_since = self._count() - before, time.monotonic()
                    on_press(done)
                elif time.monotonic() > silent_since + PATIENCE_S:
                    raise GameOnError(
                        f"the space bar was not pressed for {PATIENCE_S:.0f} s: click on the calibration window and "
                        "press it, or have presses injected: gameon calibrate without --by-hand"
                    )
            self._sleep(REST_S)

    @property
    def session_folder(self) -> Path:
        """The folder of the session."""
        return self._recorder.folder

    def presses(self) -> Presses:
        """What was measured, press by press; after one of the above."""
        if self._presses is None:
            self._presses = read_presses(self._recorder.folder, read_log(self._log))
        return self._presses

    def calibration(self) -> Calibration:
        """What was measured, in all.

        Raises:
            GameOnError: no press arrived in the window and in the recording.
        """
        presses = self.presses()
        recorded = int(np.isfinite(presses.key_ns).sum())
        if recorded == 0:
            raise GameOnError(
                f"the calibration window received {len(presses)} presses, and the recording holds none of them: the "
                "window must have the keyboard; on a desktop click on it, or use --display private"
            )
        with Session(self._recorder.folder) as session:
            details = session.info.details
        unsure = int((np.isfinite(presses.onset_ns) & np.isnan(presses.heard_ns)).sum())
        if unsure:
            self._missing.append(f"{unsure} beeps do not count in the error: the sound server was not steady")
        sounds: Any = details.get("sound") or {}
        return Calibration(
            display=str(details.get("display")),
            sound=sounds.get("system_audio"),
            measured_at=datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
            recorder=f"gameon-env {__version__}",
            presses=len(presses),
            recorded=recorded,
            seen=int(np.isfinite(presses.frame_ns).sum()),
            heard=int(np.isfinite(presses.onset_ns).sum()),
            key_to_picture=Spread.of(presses.key_to_picture_ns),
            key_to_picture_error=Spread.of(presses.key_to_picture_error_ns),
            picture_to_sound=Spread.of(presses.picture_to_sound_ns),
            picture_to_sound_error=Spread.of(presses.picture_to_sound_error_ns),
            flip=Spread.of(presses.flip_ns - presses.flip_from_ns),
            missing=tuple(dict.fromkeys(self._missing)),
        )

    def _wait_until_ready(self) -> dict[str, Any]:
        self._wait(lambda: bool(read_log(self._log)), "the calibration window did not show", READY_S)
        ready = read_log(self._log)[0]
        self._missing += self._recorder.notices
        if not ready["sound"]:
            self._missing.append(f"the calibration window has no sound: {ready['why']}")
        self._sleep(SETTLE_S)
        return ready

    def _count(self) -> int:
        return sum(line["kind"] == "press" for line in read_log(self._log))

    def _wait(self, done: Callable[[], bool], lacking: str, timeout_s: float = PATIENCE_S) -> None:
        end = time.monotonic() + timeout_s
        while not done():
            if time.monotonic() > end:
                raise GameOnError(f"{lacking} within {timeout_s:.0f} s: click on it, or use --display private")
            self._sleep(0.05)

    def _sleep(self, seconds: float) -> None:
        """While the recording goes on."""
        if self._recorder.wait(seconds):
            raise GameOnError(f"the recording of the calibration window ended: {self._recorder.end_reason}")
