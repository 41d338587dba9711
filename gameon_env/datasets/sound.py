"""Sound for steps: each step's frame is of what was heard up to its own moment."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path

import numpy as np

from gameon_env.data_processing.audio_clock import AudioClock
from gameon_env.data_processing.audio_reader import AudioReader
from gameon_env.data_processing.mel import HOP, MEL_BINS, MEL_RATE_HZ, WINDOW, log_mel
from gameon_env.datasets.open_files import OpenFiles
from gameon_env.datasets.recording import AudioFeatures, AudioSource, Floats, Int64, Mask, waveform_samples
from gameon_env.datasets.session_checks import reading
from gameon_env.recording.model import AUDIO_FILES, Stream

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
    readers = [_sounds.get(_key(folder, source), partial(_OpenSound, folder, source)).reader for source in sources]
    # Samples of one grid for the whole session, so that a step sounds the same in whatever window it is.
    ends = np.rint(t_ns * (rate / 1e9)).astype(np.int64)
    for first, stop in _blocks(ends, length):
        begins = ends[first:stop] - ends[first]
        span_ns = round((int(begins[-1]) + length) * 1e9 / rate)
        start_ns = round((int(ends[first]) - length) * 1e9 / rate)
        sounds = [reader.read(start_ns, start_ns + span_ns, rate_hz=rate, mono=True) for reader in readers]
        samples = np.sum([sound.samples[:, 0] for sound in sounds], axis=0, dtype=np.float32)
        there = np.any([sound.recorded for sound in sounds], axis=0)
        rows = np.lib.stride_tricks.sliding_window_view(samples, length)[begins]
        values[first:stop] = log_mel(rows) if features == "mel" else rows
        recorded[first:stop] = np.lib.stride_tricks.sliding_window_view(there, length)[begins].all(axis=1)
    return values, recorded


def _key(folder: Path, source: AudioSource) -> tuple[Path, AudioSource, int]:
    return folder, source, (folder / AUDIO_FILES[STREAM_OF[source]]).stat().st_mtime_ns


def _blocks(ends: Int64, length: int) -> Iterator[tuple[int, int]]:
    """Steps ``[first, stop)`` to read together: near each other, and not too many samples at once."""
    first = 0
    while first < len(ends):
        near = ends[first : first + 4096] - ends[first]
        count = max(1, int(np.searchsorted(near, max(1, _MOST_SAMPLES - length), side="right")))
        still = np.flatnonzero(np.diff(near[:count]) > 4 * length)  # what is heard of a picture that stands still
        stop = first + (int(still[0]) + 1 if len(still) else count)
        yield first, stop
        first = stop
