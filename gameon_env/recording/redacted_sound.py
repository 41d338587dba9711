"""Sound with spans of time cut out: the samples that stay, and when they were heard."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from gameon_env.data_processing.audio_clock import AudioClock
from gameon_env.data_processing.wav_file import wav_layout
from gameon_env.recording.model import AudioClockRow, Stream
from gameon_env.recording.wav_writer import WavWriter

Ints = npt.NDArray[np.int64]
Span = tuple[int, int]

_CHUNK = 1 << 20


@dataclass(frozen=True, slots=True)
class RedactedSound:
    """What is left of a stream: ``kept`` frames of the file, the rows of its clock, and the seconds that are gone."""

    kept: int
    rows: tuple[AudioClockRow, ...]
    removed_s: float


def redact_sound(
    source: Path, target: Path, stream: Stream, clock: tuple[Ints, Ints], spans: Sequence[Span]
) -> RedactedSound:
    """Write what of ``source`` was heard outside the spans to ``target``; where that is nothing, no file is written.

    Args:
        source: a WAV file of 16-bit samples.
        target: must not exist.
        stream: whose rows are returned.
        clock: ``(samples, t_ns)``, both ``(N,) int64``, the rows of the file's clock. Without any, sample 0 was heard
            at time 0 and the others by the file's own rate.
        spans: ``(start_ns, end_ns)`` in rising order, without overlap.

    Raises:
        AudioError: ``source`` is no such file.
        StorageError: ``target`` cannot be written.
    """
    layout = wav_layout(source)
    frames, rate_hz = layout.frames, layout.rate_hz
    samples, t_ns = clock
    if not len(samples):
        samples = np.array([0, frames], np.int64)
        t_ns = samples * 1_000_000_000 // rate_hz
    fitted = AudioClock.fit(samples, t_ns, rate_hz, frames)
    cuts = [cut for cut in _cuts(fitted, spans, frames) if cut[0] < cut[1]]
    removed = sum(stop - start for start, stop in cuts)
    if removed == frames:
        return RedactedSound(0, (), removed / rate_hz)
    with WavWriter(target, rate_hz, layout.channels) as writer:
        for start, stop in _rest(cuts, 0, frames):
            for begin in range(start, stop, _CHUNK):
                count = min(_CHUNK, stop - begin) * layout.channels
                taken = np.fromfile(source, "<i2", count, offset=layout.data_start + begin * layout.frame_bytes)
                writer.write(taken.astype(np.int16, copy=False).reshape(-1, layout.channels))
    rows = _rows(samples, t_ns, frames, cuts, fitted)
    return RedactedSound(frames - removed, tuple(AudioClockRow(stream, s, t) for s, t in rows), removed / rate_hz)


def _cuts(clock: AudioClock, spans: Sequence[Span], frames: int) -> list[Span]:
    """Samples ``[start, stop)`` that were heard in the spans, rather one too many than one too few."""
    found: list[Span] = []
    for piece in clock.pieces:
        for start_ns, end_ns in spans:
            if start_ns >= piece.end_ns or end_ns <= piece.start_ns:
                continue
            first, last = (float(sample) for sample in clock.sample_at([start_ns, end_ns]))
            start = int(np.floor(first)) if start_ns > piece.start_ns and np.isfinite(first) else piece.first
            stop = int(np.ceil(last)) + 1 if end_ns < piece.end_ns and np.isfinite(last) else piece.last
            start, stop = max(start, piece.first), min(stop, piece.last, frames)
            if found and found[-1][1] >= start:
                start = found.pop()[0]
            found.append((start, stop))
    return found


def _rest(cuts: Sequence[Span], first: int, last: int) -> list[Span]:
    """What of ``[first, last)`` the cuts leave."""
    parts, start = [], first
    for begin, end in cuts:
        if begin > start:
            parts.append((start, min(begin, last)))
        start = max(start, end)
    parts.append((start, last))
    return [(begin, end) for begin, end in parts if begin < end]


def _rows(samples: Ints, t_ns: Ints, frames: int, cuts: Sequence[Span], clock: AudioClock) -> list[tuple[int, int]]:
    """The rows of what is left: those that were there, and two with the same sample number at each cut, as at a
    break: when the one part ended and when the next began."""
    edges = [0, *(np.flatnonzero(np.diff(samples) == 0) + 1).tolist(), len(samples)]
    rows: list[tuple[int, int]] = []
    for begin, end in itertools.pairwise(edges):
        s, t = samples[begin:end], t_ns[begin:end]
        last = int(samples[end]) if end < len(samples) else max(frames, int(s[-1]))
        for start, stop in _rest([cut for cut in cuts if cut[0] < last and cut[1] > s[0]], int(s[0]), last):
            inner = (s >= start) & (s <= stop)
            if start > s[0]:
                start_ns = int(clock.time_of(start))
                rows.append((start, start_ns))
                inner &= (s > start) & (t > start_ns)
            if stop < last:
                stop_ns = int(clock.time_of(stop - 1) + 1e9 / clock.rate_hz)
                inner &= (s < stop) & (t < stop_ns)
            rows += zip(s[inner].tolist(), t[inner].tolist(), strict=True)
            if stop < last:
                rows.append((stop, stop_ns))
    return _renumbered(rows, cuts)


def _renumbered(rows: Sequence[tuple[int, int]], cuts: Sequence[Span]) -> list[tuple[int, int]]:
    """Sample numbers as they are without the cuts; times that rise, where a fitted one is off by its jitter."""
    done: list[tuple[int, int]] = []
    for sample, t_ns in rows:
        gone = sum(min(stop, sample) - start for start, stop in cuts if start < sample)
        done.append((sample - gone, max(t_ns, done[-1][1] + 1) if done else t_ns))
    return done
