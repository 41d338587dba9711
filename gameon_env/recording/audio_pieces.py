"""Where the sound of a WAV file lies in time: rows of its clock, and the gaps between its pieces."""

from __future__ import annotations

from collections.abc import Callable
from statistics import median

from gameon_env.recording.model import AudioClockRow, Gap, Stream

ROW_EVERY_NS = 250_000_000

JUMP_NS = 30_000_000
"""A block this far from where the ones before it lead is no jitter, where those after it agree."""

AGREEING_BLOCKS = 5

LATE_START_NS = 50_000_000
"""A start later than this after the session's is stated as a gap."""

_SMOOTHING = 0.02


class PieceTracker:
    """Follows the times of blocks, and says where one unbroken piece ends and the next begins.

    All times are ns since the session's start; ``sample`` counts frames of the file.
    """

    def __init__(
        self,
        stream: Stream,
        rate_hz: int,
        on_clock: Callable[[AudioClockRow], None],
        on_gap: Callable[[Gap], None],
    ) -> None:
        self._stream: Stream = stream
        self._period_ns = 1e9 / rate_hz
        self._on_clock, self._on_gap = on_clock, on_gap
        self._offset: float | None = None
        """Time of sample 0, had the present piece always gone on; None: no piece is open."""
        self._suspects: list[tuple[int, int]] = []
        self._next_row_ns = 0
        self._gap_from: int | None = 0
        self._gap_reason = "starting"
        self._last_end_ns = 0

    def block(self, sample: int, t_ns: int, lost: int = 0) -> None:
        """A block whose first frame is number ``sample`` was heard at ``t_ns``; ``lost`` frames before it are not in
        the file."""
        if self._offset is None:
            self._begin(sample, t_ns)
        elif lost:
            self._break(sample, t_ns, t_ns - sample * self._period_ns)
        else:
            self._follow(sample, t_ns)

    def cut(self, sample: int, t_ns: int) -> None:
        """What is heard from ``t_ns`` on is not stored, on purpose; the file goes on at ``sample`` after that."""
        self._end_piece(sample)
        if t_ns >= 0:  # before the session's start nothing is missing, nor is it there
            self._end_gap(t_ns)

    def device_lost(self, sample: int) -> None:
        """The device is gone, or was not there."""
        if self._offset is not None:
            self._gap_from, self._gap_reason = self._time_of(sample), "device lost"
            self._end_piece(sample)
        elif self._gap_reason == "starting":
            self._gap_reason = "device absent"
        elif self._gap_from is None:
            self._gap_from, self._gap_reason = self._last_end_ns, "device lost"

    def finish(self, sample: int) -> None:
        """The recording ends with ``sample`` frames in the file."""
        self._end_piece(sample)
        if self._gap_from is not None:
            self._on_gap(Gap(self._gap_from, None, self._stream, self._gap_reason))
            self._gap_from = None

    def _begin(self, sample: int, t_ns: int) -> None:
        self._end_gap(t_ns)
        self._offset = t_ns - sample * self._period_ns
        self._row(sample, t_ns)

    def _end_gap(self, t_ns: int) -> None:
        """The device is heard at ``t_ns``."""
        if self._gap_from is not None:
            late = LATE_START_NS if self._gap_reason == "starting" else 0
            if t_ns - self._gap_from > late:
                self._on_gap(Gap(self._gap_from, t_ns, self._stream, self._gap_reason))
            self._gap_from, self._gap_reason = None, ""

    def _follow(self, sample: int, t_ns: int) -> None:
        assert self._offset is not None
        offset = t_ns - sample * self._period_ns
        if abs(offset - self._offset) < JUMP_NS:
            self._suspects.clear()
            self._offset += _SMOOTHING * (offset - self._offset)
            if t_ns >= self._next_row_ns:
                self._row(sample, t_ns)
            return
        self._suspects.append((sample, t_ns))
        if len(self._suspects) >= AGREEING_BLOCKS:
            first = self._suspects[0][0]
            agreed = median(t - s * self._period_ns for s, t in self._suspects)
            self._break(first, round(agreed + first * self._period_ns), agreed)

    def _break(self, sample: int, t_ns: int, offset: float) -> None:
        """What was heard before ``sample`` and what after it do not join."""
        end_ns = self._time_of(sample)
        self._end_piece(sample)
        if t_ns > end_ns:
            self._on_gap(Gap(end_ns, t_ns, self._stream, "overrun"))
        self._offset = offset
        self._row(sample, t_ns)

    def _end_piece(self, sample: int) -> None:
        if self._offset is not None:
            self._last_end_ns = self._time_of(sample)
            self._row(sample, self._last_end_ns)
            self._offset = None
        self._suspects.clear()

    def _time_of(self, sample: int) -> int:
        assert self._offset is not None
        return round(self._offset + sample * self._period_ns)

    def _row(self, sample: int, t_ns: int) -> None:
        self._next_row_ns = t_ns + ROW_EVERY_NS
        self._on_clock(AudioClockRow(self._stream, sample, t_ns))
