"""Reading the sound of a session by time: at any rate, on the clock of its pictures."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from gameon_env.data_processing.audio_clock import AudioClock
from gameon_env.data_processing.mel import HOP, MEL_RATE_HZ, WINDOW, log_mel
from gameon_env.data_processing.wav_file import wav_layout
from gameon_env.errors import AudioError

ZERO_CROSSINGS = 24
"""Of the interpolating sinc, on each side. Measured, 48 to 16 kHz: a tone at 1 kHz comes out with an error of -96 dB,
one at 12 kHz is 100 dB down."""

PHASES = 512
_CHUNK = 16_384

Floats = npt.NDArray[np.float32]
Mask = npt.NDArray[np.bool_]


class Sound(NamedTuple):
    """``samples (n, channels) float32`` in [-1, 1], and ``recorded (n,) bool``: False where they are filled zeros."""

    samples: Floats
    recorded: Mask


class AudioReader:
    """One WAV file of a session, read by the session's time (ns since its start). Holds no file open.

    Args:
        path: 16-bit PCM, RIFF or RF64.
        clock: when its samples were heard; ``None``: sample 0 at time 0, then by the nominal rate.

    Attributes:
        rate_hz: the file's nominal rate.
        channels: of the file.
        clock: as above.

    Raises:
        AudioError: it is no such file.
    """

    def __init__(self, path: Path, clock: AudioClock | None = None) -> None:
        self.path = path
        layout = wav_layout(path)
        self.rate_hz, self.channels = layout.rate_hz, layout.channels
        self._frames = layout.frames
        self._data_start = layout.data_start
        if clock is None:
            ends = np.array([0, self._frames], np.int64)
            clock = AudioClock.fit(ends, ends * 1_000_000_000 // self.rate_hz, self.rate_hz)
        self.clock = clock

    def __len__(self) -> int:
        """Frames in the file."""
        return self._frames

    def read(self, start_ns: int, end_ns: int, *, rate_hz: float | None = None, mono: bool = False) -> Sound:
        """What was heard in ``[start_ns, end_ns)``.

        Args:
            start_ns: the first sample is of this moment.
            end_ns: later than that.
            rate_hz: true samples a second of the result; ``None``: the file's nominal rate. Lower than the file's:
                what could not be represented is filtered out first.
            mono: one channel, the mean.

        Returns:
            ``round((end_ns - start_ns) * rate_hz / 1e9)`` samples; zeros where nothing was recorded.
        """
        rate = float(rate_hz or self.rate_hz)
        if end_ns < start_ns or rate <= 0:
            raise AudioError(f"a span of sound from {start_ns} to {end_ns} ns at {rate} Hz: expected is start <= end")
        count = round((end_ns - start_ns) * rate / 1e9)
        return self._at(start_ns + np.arange(count, dtype=np.float64) * (1e9 / rate), rate, mono)

    def mel(self, step_times_ns: npt.NDArray[np.int64]) -> tuple[Floats, Mask]:
        """A log-mel frame for each step: of the sound from the step before it, at least 64 ms, up to its own moment.

        Nothing of a frame was heard after its step's time. See :func:`gameon_env.data_processing.mel.log_mel`.

        Args:
            step_times_ns: ``(T,) int64``, rising.

        Returns:
            ``(T, 128) float32``, zeros where nothing was recorded, and ``(T,) bool``: recorded throughout.
        """
        times = np.asarray(step_times_ns, np.int64)
        interval_s = float(np.median(np.diff(times))) / 1e9 if len(times) > 1 else 0.0
        windows = max(0, int(np.ceil((interval_s * MEL_RATE_HZ - WINDOW) / HOP)))
        length = WINDOW + windows * HOP
        before = np.arange(-length, 0) * (1e9 / MEL_RATE_HZ)
        frames = np.zeros((len(times), 128), np.float32)
        whole = np.zeros(len(times), bool)
        per_chunk = max(1, 4 * _CHUNK // length)
        for first in range(0, len(times), per_chunk):
            part = slice(first, first + per_chunk)
            moments = times[part, None].astype(np.float64) + before
            sound = self._at(moments.ravel(), MEL_RATE_HZ, mono=True)
            frames[part] = log_mel(sound.samples.reshape(-1, length))
            whole[part] = sound.recorded.reshape(-1, length).all(axis=1)
        return frames, whole

    def _at(self, moments_ns: npt.NDArray[np.float64], rate_hz: float, mono: bool) -> Sound:
        positions = self.clock.sample_at(moments_ns)
        recorded = np.isfinite(positions) & (positions < self._frames)
        samples = np.zeros((len(positions), 1 if mono else self.channels), np.float32)
        for piece in self.clock.pieces:
            wanted = np.flatnonzero(recorded & (positions >= piece.first) & (positions < piece.last))
            for begin in range(0, len(wanted), _CHUNK):
                chosen = wanted[begin : begin + _CHUNK]
                limits = piece.first, min(piece.last, self._frames)
                samples[chosen] = self._interpolate(positions[chosen], limits, rate_hz, mono)
        return Sound(samples, recorded)

    def _interpolate(
        self, positions: npt.NDArray[np.float64], limits: tuple[int, int], rate_hz: float, mono: bool
    ) -> Floats:
        """Windowed-sinc interpolation; beyond the piece's limits there is silence."""
        kernels = _kernels(min(1.0, rate_hz / self.rate_hz))
        reach = kernels.shape[1] // 2
        whole = np.floor(positions).astype(np.int64)
        phase = np.rint((positions - whole) * PHASES).astype(np.int64)
        begin, end = int(whole.min()) - reach + 1, int(whole.max()) + reach + 1
        taken = self._frames_of_file(max(begin, limits[0]), min(end, limits[1]), mono)
        around = ((max(0, limits[0] - begin), max(0, end - limits[1])), (0, 0))
        windows = np.lib.stride_tricks.sliding_window_view(np.pad(taken, around), 2 * reach, axis=0)
        result: Floats = np.einsum("nct,nt->nc", windows[whole - whole.min()], kernels[phase])
        return result

    def _frames_of_file(self, begin: int, end: int, mono: bool) -> Floats:
        count = max(0, end - begin) * self.channels
        offset = self._data_start + begin * 2 * self.channels
        raw = np.fromfile(self.path, "<i2", count, offset=offset)
        samples = raw.reshape(-1, self.channels).astype(np.float32) / np.float32(32768.0)
        return samples.mean(axis=1, keepdims=True) if mono else samples


@lru_cache(maxsize=8)
def _kernels(cutoff: float) -> Floats:
    """``(PHASES + 1, taps) float32``: the low-pass at ``cutoff`` of the file's band, for each fraction of a sample."""
    reach = int(np.ceil(ZERO_CROSSINGS / cutoff))
    # The pass band ends a little below the limit, so that what is above it is gone.
    edge = cutoff * (0.95 if cutoff < 1.0 else 0.98)
    distance = np.arange(-reach + 1, reach + 1)[None, :] - np.linspace(0, 1, PHASES + 1)[:, None]
    window = np.i0(9.0 * np.sqrt(np.maximum(0.0, 1 - (distance / reach) ** 2))) / np.i0(9.0)
    kernels = edge * np.sinc(edge * distance) * window
    kernels /= kernels.sum(axis=1, keepdims=True)
    result: Floats = kernels.astype(np.float32)
    return result
