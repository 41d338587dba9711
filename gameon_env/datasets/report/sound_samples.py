"""Looking at a session's sound: how loud it is in windows spread over it, and how its blocks lie on its clock."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from gameon_env.data_processing.audio_clock import JUMP_S, AudioClock
from gameon_env.data_processing.wav_file import wav_layout
from gameon_env.datasets.recording import Int64
from gameon_env.datasets.report.evidence import SILENCE_DB, Sound, SoundClock
from gameon_env.datasets.report.spans import Floats

WINDOW_S = 0.1
MOST_WINDOWS = 400
MOST_POINTS = 500
_FULL_SCALE = 32_767


def sample_sound(source: str, path: Path, clock: AudioClock | None) -> Sound:
    """Levels of a WAV file.

    Raises:
        AudioError: it is no WAV file of ours.
    """
    layout = wav_layout(path)
    length = max(1, round(WINDOW_S * layout.rate_hz))
    count = max(1, min(MOST_WINDOWS, layout.frames // length))
    starts = np.unique(np.linspace(0, max(0, layout.frames - length), count).astype(np.int64))
    if not layout.frames:
        return Sound(source, np.zeros(0), np.zeros(0), 0.0, "the file holds no sample")
    middles = starts + min(length, layout.frames) / 2
    t_s = middles / layout.rate_hz if clock is None else clock.time_of(middles) / 1e9
    level = np.full(len(starts), SILENCE_DB)
    full = looked = 0
    for i, start in enumerate(starts.tolist()):
        offset = layout.data_start + start * layout.frame_bytes
        samples = np.fromfile(path, "<i2", min(length, layout.frames - start) * layout.channels, offset=offset)
        power = float(np.mean(np.square(samples, dtype=np.float64))) / 32768.0**2 if len(samples) else 0.0
        level[i] = max(SILENCE_DB, 10 * np.log10(max(power, 1e-12)))
        full += int((np.abs(samples.astype(np.int32)) >= _FULL_SCALE).sum())
        looked += len(samples)
    every = layout.frames / layout.rate_hz / len(starts)
    how = f"{len(starts)} windows of {WINDOW_S * 1000:.0f} ms, one every {every:.2g} s"
    known = np.isfinite(t_s)
    return Sound(source, t_s[known], level[known], full / max(looked, 1), how)


def sound_clock(source: str, samples: Int64, t_ns: Int64, nominal_hz: float, clock: AudioClock) -> SoundClock:
    """How the blocks lie on the clock.

    Args:
        samples, t_ns: ``(K,)`` rows of the session's audio clock.
    """
    chosen = np.unique(np.linspace(0, len(samples) - 1, min(len(samples), MOST_POINTS)).astype(np.int64))
    fitted = clock.time_of(samples[chosen])
    known = np.isfinite(fitted)
    residual = (t_ns[chosen][known] - fitted[known]) / 1e6
    return SoundClock(
        source, t_ns[chosen][known] / 1e9, residual, nominal_hz, clock.rate_hz, clock.residual_ms[1],
        _jumps(clock, samples),
    )  # fmt: skip


def _jumps(clock: AudioClock, samples: Int64) -> tuple[tuple[float, float], ...]:
    """Where one piece ends and the next begins at another time, though the recorder named no break there."""
    named = set(samples[1:][np.diff(samples) == 0].tolist())
    found = []
    for before, after in zip(clock.pieces, clock.pieces[1:], strict=False):
        step_ms = (after.start_ns - before.end_ns) / 1e6
        if after.first not in named and abs(step_ms) >= JUMP_S * 500:
            found.append((after.start_ns / 1e9, step_ms))
    return tuple(found)


def row_levels(source: str, t_s: Floats, mel: Floats) -> Sound:
    """Levels of rows of log-mel frames ``(n, 128)``: the loudest band of each."""
    level = np.maximum(SILENCE_DB, (np.max(mel, axis=1) - 1.0) * 100.0)
    return Sound(source, t_s, level, 0.0, f"the loudest mel band of {len(t_s)} steps spread evenly")
