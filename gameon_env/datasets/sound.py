"""Sound for steps: each step's frame is of what was heard up to its own moment."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from gameon_env.data_processing.audio_clock import AudioClock
from gameon_env.data_processing.audio_reader import AudioReader
from gameon_env.data_processing.mel import HOP, MEL_BINS, MEL_RATE_HZ, WINDOW, log_mel
from gameon_env.datasets.open_files import OpenFiles
from gameon_env.datasets.recording import AudioFeatures, AudioSource, Floats, Int64, Mask, waveform_samples
from gameon_env.datasets.session_checks import reading
from gameon_env.recording.model import Stream

STREAM_OF: dict[AudioSource, Stream] = {"system": "system_audio", "microphone": "microphone_audio"}

_MOST_SAMPLES = 1 << 19
"""Read at once: half a minute at 16 kHz."""


class _OpenSound:
    """A reader among open files; it holds none open itself."""

    def __init__(self, folder: Path, source: AudioSource) -> None:
        stream = STREAM_OF[source]
        with reading(folder) as session:
            path = session.audio(stream)
            samples, t_ns = session.audio_clock(stream)
        plain = AudioReader(path)
        clock = AudioClock.fit(samples, t_ns, plain.rate_hz, len(plain)) if len(samples) else None
        self.reader = AudioReader(path, clock) if clock is not None else plain

    def close(self) -> None:
        """Nothing is open."""


_sounds: OpenFiles[_OpenSound] = OpenFiles(16)


def session_sound(
    folder: Path,
    sources: Sequence[AudioSource],
    t_ns: Int64,
    features: AudioFeatures,
    rate_hz: float | None,
    interval_ns: float,
) -> tuple[Floats, Mask]:
    """``(N, F) float32`` and ``(N,) bool`` for a session's steps at ``t_ns (N,)``; the sum of the sources.

    Raises:
        AudioError: a sound file is damaged.
        SessionError: the session's database is.
    """
    if features == "mel":
        rate = float(MEL_RATE_HZ)
        windows = max(0, int(np.ceil((interval_ns * rate / 1e9 - WINDOW) / HOP)))
        length, width = WINDOW + windows * HOP, MEL_BINS
    else:
        rate = float(rate_hz or MEL_RATE_HZ)
        length = width = waveform_samples(rate, interval_ns)
    values, recorded = np.zeros((len(t_ns), width), np.float32), np.zeros(len(t_ns), bool)
    if not sources:
        return values, recorded
    readers = [_sounds.get((folder, source), lambda s=source: _OpenSound(folder, s)).reader for source in sources]  # type: ignore[misc]  # the default binds the loop's source
    for first, stop, begins in _blocks(t_ns, rate, length):
        span_ns = round((int(begins[-1]) + length) * 1e9 / rate)
        start_ns = int(t_ns[first]) - round(length * 1e9 / rate)
        sounds = [reader.read(start_ns, start_ns + span_ns, rate_hz=rate, mono=True) for reader in readers]
        samples = np.sum([sound.samples[:, 0] for sound in sounds], axis=0, dtype=np.float32)
        there = np.any([sound.recorded for sound in sounds], axis=0)
        rows = np.lib.stride_tricks.sliding_window_view(samples, length)[begins]
        values[first:stop] = log_mel(rows) if features == "mel" else rows
        recorded[first:stop] = np.lib.stride_tricks.sliding_window_view(there, length)[begins].all(axis=1)
    return values, recorded


def _blocks(t_ns: Int64, rate: float, length: int) -> Iterator[tuple[int, int, Int64]]:
    """Steps ``[first, stop)`` to read together, and where the sound of each begins among the samples that are read."""
    first = 0
    while first < len(t_ns):
        begins = np.rint((t_ns[first : first + 4096] - t_ns[first]) * (rate / 1e9)).astype(np.int64)
        near = max(1, int(np.searchsorted(begins, max(1, _MOST_SAMPLES - length), side="right")))
        gap = np.flatnonzero(
            np.diff(begins[:near]) > 4 * length
        )  # a picture that stood still: what is between is not read
        stop = first + (int(gap[0]) + 1 if len(gap) else near)
        yield first, stop, begins[: stop - first]
        first = stop
