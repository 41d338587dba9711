"""Sound as a network sees it: log-mel frames, the same live and in training."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import numpy.typing as npt

MEL_RATE_HZ = 16_000
MEL_BINS = 128
WINDOW = 1024
"""Samples of one spectrum: 64 ms."""

HOP = 512

Floats = npt.NDArray[np.float32]


def log_mel(samples: Floats) -> Floats:
    """Log-mel frame of each row of samples.

    The row is cut into Hann windows of 64 ms that overlap by half, the last of them ending at its end; their power
    spectra are averaged, scaled so that a full-scale sine has power 1, summed by 128 triangular filters spaced evenly
    on the mel scale ``2595 log10(1 + f / 700)`` from 0 to 8 kHz, and given as ``1 + log10(power) / 10``, cut at 0:
    0 is silence (-100 dB), 1 a full-scale sine.

    Args:
        samples: ``(T, n) float32`` at 16 kHz, in [-1, 1], ``n >= 1024``.

    Returns:
        ``(T, 128) float32``, 0 to about 1.
    """
    starts = range(samples.shape[1] - WINDOW, -1, -HOP)
    window = np.hanning(WINDOW + 1)[:-1].astype(np.float32)
    power = np.zeros((len(samples), WINDOW // 2 + 1), np.float32)
    for start in starts:
        spectrum = np.fft.rfft(samples[:, start : start + WINDOW] * window)
        power += (spectrum.real**2 + spectrum.imag**2).astype(np.float32)
    # Half the window's sum is the height of a full-scale sine; Hann spreads its power over 1.5 bins.
    power *= np.float32(1.0 / (len(starts) * (window.sum() / 2) ** 2 * 1.5))
    # Not by BLAS, whose threads wait for each other on a busy machine: 0.4 ms in place of up to 33.
    mel = np.einsum("tf,fm->tm", power, _filters())
    loudness: Floats = np.maximum(0.0, 1.0 + np.log10(np.maximum(mel, 1e-10)) / 10.0).astype(np.float32)
    return loudness


@lru_cache(maxsize=1)
def _filters() -> Floats:
    """``(513, 128) float32``: triangles of height 1; narrow ones take at least the bin they stand on."""
    highest = 2595 * np.log10(1 + MEL_RATE_HZ / 2 / 700)
    centres = 700 * (10 ** (np.linspace(0, highest, MEL_BINS + 2) / 2595) - 1)
    frequency = np.fft.rfftfreq(WINDOW, 1 / MEL_RATE_HZ)[:, None]
    step = MEL_RATE_HZ / WINDOW
    left = np.maximum(centres[1:-1] - centres[:-2], step)
    right = np.maximum(centres[2:] - centres[1:-1], step)
    rising, falling = 1 + (frequency - centres[1:-1]) / left, 1 - (frequency - centres[1:-1]) / right
    filters: Floats = np.maximum(0.0, np.minimum(rising, falling)).astype(np.float32)
    return filters
