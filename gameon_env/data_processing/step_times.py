"""From frame times to steps: when each step begins and ends, which frame is seen then, and where gaps lie."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from gameon_env.errors import ObservationError

Int64 = npt.NDArray[np.int64]
Span = tuple[int, int | None]
"""``(start_ns, end_ns)`` of what was not recorded; ``None``: to the end."""

_NEVER = np.iinfo(np.int64).max


@dataclass(frozen=True, slots=True, eq=False)
class StepTimes:
    """N steps in order. Step i is ``[t_ns[i], end_ns[i])``; it ends where the next begins, or where a gap does.

    Attributes:
        t_ns: ``(N,) int64`` when the observation was visible and the action begins.
        end_ns: ``(N,) int64``; ``t_ns[i] <= end_ns[i] <= t_ns[i + 1]``.
        frame: ``(N,) int64`` row of the observation in the frames that were given.
        is_gap_before: ``(N,) bool``: a gap lies between the step before and this one. False for the first step.
    """

    t_ns: Int64
    end_ns: Int64
    frame: Int64
    is_gap_before: npt.NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.t_ns)

    def step_of(self, t_ns: npt.ArrayLike) -> Int64:
        """In which step each of ``t_ns (M,) int64`` falls, and -1 for those before the first one and in gaps."""
        times = np.asarray(t_ns, np.int64)
        step = np.searchsorted(self.t_ns, times, side="right") - 1
        if len(self):
            step[times >= self.end_ns[step]] = -1  # step -1 reads the last end here, and stays -1 either way
        return step.astype(np.int64, copy=False)


def steps_of_frames(
    frames_ns: npt.ArrayLike,
    *,
    end_ns: int,
    max_interval_ns: int | None = None,
    gaps: Iterable[Span] = (),
    frame_skip: int = 1,
) -> StepTimes:
    """A step for every frame, or for every ``frame_skip``-th one since the start or the last gap.

    The last step before a gap or the end may span fewer frames than ``frame_skip``: no input is left out.

    Args:
        frames_ns: ``(F,) int64``, strictly increasing.
        end_ns: end of the recording. Frames at or after it are no steps.
        max_interval_ns: longest interval between frames; a longer one is a gap that begins this long after its first
            frame. ``None``: a picture may stand still for any time.
        gaps: spans that were not recorded, in any order. A frame within one is no step.
        frame_skip: frames a step.

    Raises:
        ObservationError: times that do not increase, a gap that ends before it starts, a number that is not positive.
    """
    if frame_skip < 1:
        raise ObservationError(f"frame_skip must be 1 or more, got {frame_skip}")
    every = _every_frame(frames_ns, end_ns, max_interval_ns, gaps)
    if frame_skip == 1 or not len(every):
        return every
    begins = _segment_starts(every)
    place = np.arange(len(every)) - np.repeat(begins, np.diff(np.append(begins, len(every))))
    chosen = np.flatnonzero(place % frame_skip == 0)
    last = np.append(chosen[1:], len(every)) - 1
    return StepTimes(every.t_ns[chosen], every.end_ns[last], every.frame[chosen], every.is_gap_before[chosen])


def steps_at_rate(
    frames_ns: npt.ArrayLike,
    fps: float,
    *,
    end_ns: int,
    max_interval_ns: int | None = None,
    gaps: Iterable[Span] = (),
) -> StepTimes:
    """Steps at ``t_0 + k / fps``, each with the last frame at or before it; the grid starts anew after each gap.

    Arguments and errors are those of :func:`steps_of_frames`. The last step before a gap or the end may be shorter
    than ``1 / fps``.
    """
    if not 0 < fps < np.inf:
        raise ObservationError(f"fps must be a rate in steps a second greater than 0, got {fps}")
    every = _every_frame(frames_ns, end_ns, max_interval_ns, gaps)
    if not len(every):
        return every
    times: list[Int64] = []
    ends: list[Int64] = []
    gap_before: list[npt.NDArray[np.bool_]] = []
    begins = _segment_starts(every)
    for number, (first, stop) in enumerate(zip(begins, np.append(begins[1:], len(every)), strict=True)):
        start, end = int(every.t_ns[first]), int(every.end_ns[stop - 1])
        grid = start + np.rint(np.arange(int((end - start) * fps / 1e9) + 2) * (1e9 / fps)).astype(np.int64)
        grid = grid[grid < end]
        times.append(grid)
        ends.append(np.append(grid[1:], np.int64(end))[: len(grid)])
        gap_before.append((np.arange(len(grid)) == 0) & (number > 0))
    t_ns = np.concatenate(times)
    row = np.searchsorted(every.t_ns, t_ns, side="right") - 1
    return StepTimes(t_ns, np.concatenate(ends), every.frame[row], np.concatenate(gap_before))


def _every_frame(frames_ns: npt.ArrayLike, end_ns: int, max_interval_ns: int | None, gaps: Iterable[Span]) -> StepTimes:
    times = np.asarray(frames_ns, np.int64)
    if times.ndim != 1 or np.any(times[1:] <= times[:-1]):
        raise ObservationError(
            "the times of frames must be (F,) int64 and strictly increasing: sort them, and leave out frames twice"
        )
    if max_interval_ns is not None and max_interval_ns <= 0:
        raise ObservationError(f"the longest interval between frames must be greater than 0, got {max_interval_ns} ns")
    starts, stops = _sorted_gaps([*gaps, (end_ns, None)])
    gap = np.searchsorted(starts, times, side="right")  # number of gaps that began at or before the frame
    outside = (gap == 0) | (times >= stops[gap - 1])
    frame = np.flatnonzero(outside)
    times, gap = times[frame], gap[frame]
    following = np.append(times[1:], _NEVER)[: len(times)]
    end = np.minimum(following, starts[gap]) if len(times) else times
    if max_interval_ns is not None:
        end = np.minimum(end, times + max_interval_ns)
    gap_before = np.zeros(len(times), np.bool_)
    gap_before[1:] = end[:-1] < times[1:]
    return StepTimes(times, end, frame.astype(np.int64), gap_before)


def _sorted_gaps(gaps: list[Span]) -> tuple[Int64, Int64]:
    """Starts in order, and for each the latest end of any gap that began by then."""
    spans = sorted((start, _NEVER if stop is None else stop) for start, stop in gaps)
    wrong = [span for span in spans if span[1] < span[0]]
    if wrong:
        raise ObservationError(f"a gap is said to end before it starts: {wrong[0]}; gaps are (start_ns, end_ns)")
    array = np.array(spans, np.int64)
    return array[:, 0], np.maximum.accumulate(array[:, 1])


def _segment_starts(steps: StepTimes) -> Int64:
    """Where a run of steps without a gap begins."""
    starts = steps.is_gap_before.copy()
    starts[:1] = True
    return np.flatnonzero(starts)
