"""The sound of the calibration window, and where it begins in a recording, to a fraction of a sample."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

BEEP_S = 0.03
LOW_HZ, HIGH_HZ = 1000.0, 6000.0
AMPLITUDE = 0.4
_FADE_S = 0.001

LIKENESS = 0.5
"""A beep among other sounds is one where the normalised correlation is at least this; alone it is above 0.95, and
noise of 30 ms does not reach 0.25."""

Floats = npt.NDArray[np.float64]


def beep(rate_hz: float) -> Floats:
    """A rising tone, ``(n,) float64`` in [-1, 1]: unlike a steady one it has one place only where it fits itself."""
    t = np.arange(round(BEEP_S * rate_hz)) / rate_hz
    tone = np.sin(2 * np.pi * (LOW_HZ * t + (HIGH_HZ - LOW_HZ) / (2 * BEEP_S) * t * t))
    fade = np.minimum(1.0, np.minimum(t + 1 / rate_hz, BEEP_S - t) / _FADE_S)
    result: Floats = AMPLITUDE * tone * fade
    return result


def find_beep(sound: npt.ArrayLike, rate_hz: float) -> float | None:
    """The sample, with a fraction, at which the first beep begins.

    Args:
        sound: ``(n,)``, one channel, of any loudness.
        rate_hz: its samples a second.

    Returns:
        None where there is no beep.
    """
    heard, wanted = np.asarray(sound, np.float64), beep(rate_hz)
    if len(heard) < len(wanted):
        return None
    size = 1 << (len(heard) + len(wanted) - 1).bit_length()
    spectrum = np.fft.rfft(heard, size) * np.conj(np.fft.rfft(wanted, size))
    places = len(heard) - len(wanted) + 1
    match = np.fft.irfft(spectrum, size)[:places]
    energy = np.concatenate([[0.0], np.cumsum(heard * heard)])
    around = energy[len(wanted) :] - energy[: len(heard) - len(wanted) + 1]
    # What is far softer than the loudest place is silence with its rounding, which may be like anything.
    floor = max(1e-12, 1e-4 * float(around.max()))
    likeness = match / np.sqrt(np.maximum(around, floor) * float(wanted @ wanted))
    good = np.flatnonzero(likeness >= LIKENESS)
    if not len(good):
        return None
    first = slice(int(good[0]), int(good[0]) + len(wanted) // 4)
    best = first.start + int(np.argmax(likeness[first]))
    if not 0 < best < places - 1:
        return float(best)
    before, at, after = match[best - 1 : best + 2]
    bend = before - 2 * at + after
    return best + (0.5 * float((before - after) / bend) if bend < 0 else 0.0)
