"""When each sample of a recorded sound was heard: the true rate of its device, fitted to the times of its blocks.

A device that says 48,000 Hz gives, say, 48,019: 23 ms a minute. Counting samples by the nominal rate would tear sound
and picture apart, and the time of a single block is off by the jitter of the machine. So a robust line is fitted to
each unbroken piece, and bent every ten seconds to where the median of its blocks lies: a rate that wanders over hours
is followed, a late block is not.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from gameon_env.errors import AudioError

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]

KNOT_S = 10.0
JUMP_S = 0.03
"""A persistent step of the times against the samples that is no jitter: samples are missing there."""

_STEP_ROWS = 11
"""Rows on each side of a step that must agree with each other: some three seconds."""

_SHORT_REST = 0.5
"""Of a knot's span: what is left at the end of a piece and shorter than this belongs to the knot before it."""


@dataclass(frozen=True, slots=True)
class Piece:
    """An unbroken run of samples.

    Attributes:
        first, last: its samples are those in ``[first, last)``.
        start_ns, end_ns: and were heard in ``[start_ns, end_ns)``.
        rate_hz: its mean true rate.
    """

    first: int
    last: int
    start_ns: float
    end_ns: float
    rate_hz: float


class AudioClock:
    """Sample numbers and times of one sound file, both ways. Make one with :meth:`fit`.

    Attributes:
        pieces: the unbroken runs, in order, without overlap in time or samples.
        rate_hz: the true rate, the mean over the pieces by their length; the nominal one where there is nothing.
        residual_ms: ``(median, p99)`` of how far the blocks' own times lie from this clock.
    """

    def __init__(self, knots: list[tuple[Floats, Floats]], rate_hz: float, residual_ms: tuple[float, float]) -> None:
        self.rate_hz = rate_hz
        self.residual_ms = residual_ms
        self._knots = knots
        self.pieces = tuple(
            Piece(int(s[0]), int(s[-1]), float(t[0]), float(t[-1]), float((s[-1] - s[0]) / (t[-1] - t[0]) * 1e9))
            for s, t in knots
        )
        self._starts_ns = np.array([piece.start_ns for piece in self.pieces])
        self._firsts = np.array([piece.first for piece in self.pieces])

    @classmethod
    def fit(cls, samples: Ints, t_ns: Ints, nominal_rate_hz: float, total: int | None = None) -> AudioClock:
        """Fit the clock of a file.

        Args:
            samples: ``(K,) int64``: sample numbers, not decreasing. The same number twice is a break: what was
                before it ended at the first time, what is after it began at the second.
            t_ns: ``(K,) int64``: when each was heard.
            nominal_rate_hz: what the file says.
            total: samples in the file, where the last row need not be at its end.

        Raises:
            AudioError: the rows do not fit each other.
        """
        samples, t_ns = np.asarray(samples, np.int64), np.asarray(t_ns, np.int64)
        if samples.shape != t_ns.shape or samples.ndim != 1:
            raise AudioError(
                f"rows of a sound's clock: {samples.shape} samples, {t_ns.shape} times; expected (K,) both"
            )
        if np.any(np.diff(samples) < 0):
            raise AudioError("rows of a sound's clock must be in the order of their samples")
        knots: list[tuple[Floats, Floats]] = []
        residuals: list[Floats] = []
        pieces = [
            part
            for begin, end in _runs(samples)
            for part in _at_steps(samples[begin:end].astype(float), t_ns[begin:end].astype(float), nominal_rate_hz)
        ]
        period_ns = _common_period(pieces, 1e9 / nominal_rate_hz)
        for index, (s, t) in enumerate(pieces):
            last = float(pieces[index + 1][0][0]) if index + 1 < len(pieces) else float(max(total or 0, s[-1]))
            if last <= s[0]:
                continue
            line = _bent_line(s, t, last, period_ns)
            residuals.append(np.abs(t - np.interp(s, *line)))
            knots.append(line)
        _part_in_time(knots)
        lengths = np.array([s[-1] - s[0] for s, _ in knots])
        spans = np.array([t[-1] - t[0] for _, t in knots])
        rate = float(lengths.sum() / spans.sum() * 1e9) if len(knots) else float(nominal_rate_hz)
        apart = np.concatenate(residuals) / 1e6 if residuals else np.zeros(1)
        return cls(knots, rate, (float(np.median(apart)), float(np.quantile(apart, 0.99))))

    def time_of(self, sample: npt.ArrayLike) -> Floats:
        """When samples were heard, ns, same shape, float64; NaN outside the file."""
        wanted = np.asarray(sample, np.float64)
        return self._look_up(wanted, self._firsts, [(s, t) for s, t in self._knots])

    def sample_at(self, t_ns: npt.ArrayLike) -> Floats:
        """Which samples were heard at these times, same shape, float64 with fractions; NaN where nothing was
        recorded."""
        wanted = np.asarray(t_ns, np.float64)
        return self._look_up(wanted, self._starts_ns, [(t, s) for s, t in self._knots])

    def _look_up(self, wanted: Floats, firsts: Floats, lines: list[tuple[Floats, Floats]]) -> Floats:
        found = np.full(wanted.shape, np.nan)
        piece = np.searchsorted(firsts, wanted, side="right") - 1
        for index in np.unique(piece[piece >= 0]):
            x, y = lines[index]
            inside = (piece == index) & (wanted < x[-1])
            found[inside] = np.interp(wanted[inside], x, y)
        return found


def _runs(samples: Ints) -> list[tuple[int, int]]:
    """Rows that belong together: broken where a sample number comes twice."""
    breaks = np.flatnonzero(np.diff(samples) == 0) + 1
    edges = [0, *breaks.tolist(), len(samples)]
    return [(begin, end) for begin, end in itertools.pairwise(edges) if end > begin]


def _at_steps(s: Floats, t: Floats, rate_hz: float) -> list[tuple[Floats, Floats]]:
    """Split a run where its times step for good without saying so (samples that a device lost)."""
    if len(s) < 2 * _STEP_ROWS:
        return [(s, t)]
    offset = t - s * (1e9 / rate_hz)
    medians = np.median(np.lib.stride_tricks.sliding_window_view(offset, _STEP_ROWS), axis=1)
    # Row k starts something new where the rows from k on lie off those before it.
    step = np.abs(medians[_STEP_ROWS:] - medians[:-_STEP_ROWS])
    rows = np.arange(_STEP_ROWS, len(s) - _STEP_ROWS + 1)
    # What the clock itself drifts over ten rows is no step, even at 1000 ppm.
    drift = 1e-3 * (t[rows + _STEP_ROWS - 1] - t[rows - _STEP_ROWS])
    suspected = rows[step > JUMP_S * 1e9 + drift]
    cuts = []
    while len(suspected):
        near = suspected[suspected < suspected[0] + 2 * _STEP_ROWS]
        cuts.append(_best_cut(offset, int(near[0]), int(near[-1])))
        suspected = suspected[len(near) :]
    edges = [0, *cuts, len(s)]
    return [(s[begin:end], t[begin:end]) for begin, end in itertools.pairwise(edges) if end > begin]


def _best_cut(offset: Floats, low: int, high: int) -> int:
    """The row in ``[low, high]`` that parts the rows around it into two that agree best, whatever single rows do."""
    begin, end = low - _STEP_ROWS, high + _STEP_ROWS
    before = np.abs(offset[begin:end] - np.median(offset[begin:low]))
    after = np.abs(offset[begin:end] - np.median(offset[high:end]))
    apart = np.concatenate([[0.0], np.cumsum(before)]) + np.concatenate([np.cumsum(after[::-1])[::-1], [0.0]])
    return low + int(np.argmin(apart[low - begin : high - begin + 1]))


def _common_period(pieces: list[tuple[Floats, Floats]], nominal_ns: float) -> float:
    """Nanoseconds a sample in the longest piece: short ones are too short to tell jitter from rate."""
    longest = max(pieces, key=lambda piece: piece[0][-1] - piece[0][0], default=None)
    return nominal_ns if longest is None else _period(*longest, nominal_ns)


def _bent_line(s: Floats, t: Floats, last: float, period: float) -> tuple[Floats, Floats]:
    """Knots ``(samples, times)`` from the piece's first sample to ``last``."""
    offset = t - s * period
    bins = ((s - s[0]) * period // (KNOT_S * 1e9)).astype(np.int64)
    if bins[-1] > 0 and np.sum(bins == bins[-1]) < _SHORT_REST * np.sum(bins == 0):
        bins[bins == bins[-1]] = bins[-1] - 1
    middles = np.array([[np.median(s[bins == b]), np.median(offset[bins == b])] for b in np.unique(bins)])
    x, y = middles[:, 0], middles[:, 1]
    ends = np.array([s[0], last])
    if len(x) > 1:
        # Beyond the outer knots the line goes on as it went between them.
        slopes = np.array([(y[1] - y[0]) / (x[1] - x[0]), (y[-1] - y[-2]) / (x[-1] - x[-2])])
        y_ends = np.array([y[0], y[-1]]) + slopes * (ends - np.array([x[0], x[-1]]))
    else:
        y_ends = np.array([y[0], y[0]])
    x, y = np.concatenate([[ends[0]], x, [ends[1]]]), np.concatenate([[y_ends[0]], y, [y_ends[1]]])
    keep = np.concatenate([[True], np.diff(x) > 0])
    keep[-1] = True
    x, y = x[keep], y[keep]
    if len(x) > 2 and x[-2] >= x[-1]:
        x, y = np.delete(x, -2), np.delete(y, -2)
    return x, y + x * period


def _period(s: Floats, t: Floats, nominal: float) -> float:
    """Nanoseconds a sample: least squares, twice without what lies far off."""
    if s[-1] - s[0] < KNOT_S * 1e9 / nominal:
        return nominal
    x, y = s - s[0], t - t[0] - (s - s[0]) * nominal
    kept = np.ones(len(s), bool)
    slope = 0.0
    for _ in range(3):
        slope, constant = np.polyfit(x[kept], y[kept], 1)
        apart = np.abs(y - slope * x - constant)
        kept = apart <= max(3 * float(np.median(apart)), 1e5)
    return nominal + float(np.clip(slope, -2e-3 * nominal, 2e-3 * nominal))


def _part_in_time(knots: list[tuple[Floats, Floats]]) -> None:
    """A piece that reaches into the next one by an error of its times ends where that begins."""
    for index in range(len(knots) - 1):
        s, t = knots[index]
        begin = knots[index + 1][1][0]
        if t[-1] > begin > t[0]:
            inside = t < begin
            knots[index] = np.append(s[inside], s[-1]), np.append(t[inside], begin)
