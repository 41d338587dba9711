"""How well are key, picture and sound of a recording in step, and do they stay so?

    .venv/bin/python scripts/bench/sync.py [--minutes 10] [--display private] [--keep FOLDER]

The calibration window (as in ``gameon calibrate``: it changes its colour and beeps at each press) is recorded for so
long, with some two presses a second at random intervals. Printed: the figures of a calibration over the whole length;
the recorder's error minute by minute; the drift, which is the median of the last minute less that of the first, and
what it would be by the sound's nominal rate, without its fitted clock.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table

sys.path.insert(0, str(Path(__file__).parents[2]))

from gameon_env.cli.calibrate import figures_table
from gameon_env.data_processing.audio_clock import AudioClock
from gameon_env.recording.calibration import CalibrationRun
from gameon_env.recording.calibration_figures import Presses, Spread
from gameon_env.recording.session import Session

RATE_HZ = 48_000


def minutes_table(presses: Presses) -> Table:
    table = Table("minute", "presses", "key to picture, error ms", "picture to sound, error ms", title="by the minute")
    minute = (presses.received_ns // 60e9).astype(int)
    for number in np.unique(minute):
        part = minute == number
        cells = []
        for error in (presses.key_to_picture_error_ns[part], presses.picture_to_sound_error_ns[part]):
            spread = Spread.of(error)
            cells.append("" if spread is None else f"{spread.median_ms:+.2f}  (p99 {spread.p99_ms:.2f})")
        table.add_row(str(number + 1), str(part.sum()), *cells)
    return table


def parts_table(presses: Presses) -> Table:
    """Where the error comes from: each of the three against what the window says of it."""
    table = Table("", "median ms", "p99 ms", "jitter ms", title="the recording against the window's own word")
    for name, error in (
        ("key event - arrival in the window", presses.key_ns - presses.received_ns),
        ("picture - return of the flip", presses.frame_ns - presses.flip_ns),
        ("beginning of the beep - heard", presses.onset_ns - presses.heard_ns),
    ):
        spread = Spread.of(error)
        if spread is not None:
            table.add_row(name, f"{spread.median_ms:+.2f}", f"{spread.p99_ms:.2f}", f"{spread.jitter_ms:.2f}")
    return table


def drift_ms(presses: Presses, error_ns: np.ndarray, span_s: float) -> float:
    """The median of the last ``span_s`` less that of the first."""
    first, last = presses.received_ns[0], presses.received_ns[-1]
    early, late = presses.received_ns < first + span_s * 1e9, presses.received_ns > last - span_s * 1e9
    return float(np.nanmedian(error_ns[late]) - np.nanmedian(error_ns[early])) / 1e6


def nominal_drift_ms(folder: Path) -> tuple[float, float]:
    """What counting samples by the nominal rate would be off at the end, and the fitted rate in ppm off the nominal."""
    with Session(folder) as session:
        samples, t_ns = session.audio_clock("system_audio")
    clock = AudioClock.fit(samples, t_ns, RATE_HZ)
    off_ns = sum((piece.last - piece.first) * 1e9 / RATE_HZ - (piece.end_ns - piece.start_ns) for piece in clock.pieces)
    return off_ns / 1e6, (clock.rate_hz / RATE_HZ - 1) * 1e6


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--display", default="private")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--keep", type=Path, help="keep the recording here")
    arguments = parser.parse_args()
    console = Console(width=130)
    with tempfile.TemporaryDirectory() as temporary:
        folder = arguments.keep or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        run = CalibrationRun(folder, arguments.display, arguments.seed)
        end = time.monotonic() + arguments.minutes * 60
        load = os.getloadavg()
        run.record(lambda _: time.monotonic() < end)
        presses, calibration = run.presses(), run.calibration()
        console.print(figures_table(calibration))
        for line in calibration.missing:
            console.print(line)
        console.print(parts_table(presses))
        console.print(minutes_table(presses))
        span_s = min(60.0, arguments.minutes * 15)
        drift = drift_ms(presses, presses.key_to_picture_error_ns, span_s)
        console.print(f"drift, last {span_s:g} s against the first: key to picture {drift:+.2f} ms")
        if calibration.heard:
            drift = drift_ms(presses, presses.picture_to_sound_error_ns, span_s)
            off_ms, ppm = nominal_drift_ms(run.session_folder)
            console.print(f"drift, last {span_s:g} s against the first: picture to sound {drift:+.2f} ms")
            console.print(
                f"the sound's true rate is {ppm:+.1f} ppm off: by the nominal one it would be {off_ms:+.2f} ms"
            )
        busy = ", ".join(f"{value:.1f}" for value in (*load, *os.getloadavg()))
        console.print(f"{os.cpu_count()} cores; load averages before and after: {busy}; {time.strftime('%Y-%m-%d')}")


if __name__ == "__main__":
    main()
