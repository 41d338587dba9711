"""Frames, input events and sound become steps as they come in. :mod:`.step_table` does the same for whole arrays."""

from __future__ import annotations

import math
import operator
import threading
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from gameon_env.controls import Controls
from gameon_env.data_processing.input_tracker import InputTracker
from gameon_env.data_processing.time_queue import TimeQueue
from gameon_env.errors import ObservationError


@dataclass(frozen=True, slots=True, eq=False)
class SyncedData:
    """One step: a frame, and what happened from its time until the next frame's. Times in microseconds.

    Attributes:
        timestamp: time of the frame, and begin of the step.
        frame_id: as it was added.
        frame_features: as they were added.
        inputs: the input data of the step in order of time; those that came late for an earlier step are first.
        metadata: JSON-safe: ``end`` of the step (its first microsecond that is not in it); ``held``: controls that
            were down when it began; ``late``: how many of the first inputs belong to earlier times;
            ``gap_before``: what happened right before is not known, nothing of it is attached; ``gap_after``: no
            frame followed within the window; ``unattached``: how many inputs between the end of the step before and
            this frame only changed what is held; ``sync_window_ms``.
        vector: ``(A,) float32`` as recorded vectors are, and
        presses: ``(A,) uint8``, where the synchronizer was given the game's controls; else ``None``.
        audio: ``(time, samples)`` of the blocks of sound that began in the step.
    """

    timestamp: int
    frame_id: str
    frame_features: Any
    inputs: list[dict[str, Any]]
    metadata: dict[str, Any]
    vector: npt.NDArray[np.float32] | None = None
    presses: npt.NDArray[np.uint8] | None = None
    audio: tuple[tuple[int, npt.NDArray[np.float32]], ...] = ()


class DataSynchronizer:
    """Attaches each input to the one step in which it happened.

    The step of frame i takes the inputs in ``[t_i, t_(i+1))``. When the next frame comes more than ``sync_window_ms``
    later, a gap lies between them: the step ends one window after its frame, and what happens in the gap only changes
    what is held. So it is with what comes before the first frame and later than one window after the last.

    A step comes out of :meth:`sync_data` as soon as its end is known, which is when the next frame was added. Inputs
    may be added in any order until then. One that comes later still is not lost: it goes into the next step, where
    it is counted as late; after a gap it only changes what is held. It never overrides what happened after it: a press
    that comes later than its own release is a tap. Where inputs take their time, ask for the steps up to a time by
    which everything has come: ``sync_data(until=now - 300_000)``.

    What was taken is forgotten: the memory needed is that of the items between ``until`` and now. Any thread may add.

    Args:
        sync_window_ms: longest interval between frames that is no gap. ``None``: a picture may stand still for any
            time (as captured frames do that come only when the game shows something new).
        controls: the game's controls, for ``vector`` and ``presses``. They need input data of the form
            ``{"control": "key:w", "value": 1.0}``, as do ``held`` and lateness; any other data is attached all the
            same.
        held: controls that are down at the start.
        pointer: ``(x, y)`` in pixels of the game's picture at the start.
    """

    def __init__(
        self,
        sync_window_ms: float | None = 100,
        *,
        controls: Controls | None = None,
        held: Iterable[str] = (),
        pointer: tuple[float, float] = (0.0, 0.0),
    ) -> None:
        if sync_window_ms is not None and not 0 < sync_window_ms < math.inf:
            raise ObservationError(f"sync_window_ms must be greater than 0, or None for no limit; got {sync_window_ms}")
        self.sync_window_ms = sync_window_ms
        self.controls = controls
        self._window = None if sync_window_ms is None else max(1, round(sync_window_ms * 1000))
        self._frames: deque[tuple[int, str, Any]] = deque()
        self._gaps: deque[int] = deque()
        self._inputs: TimeQueue[dict[str, Any]] = TimeQueue()
        self._audio: TimeQueue[npt.NDArray[np.float32]] = TimeQueue()
        self._tracker = InputTracker(controls, held, pointer)
        self._newest = -(1 << 63)
        self._newest_frame: int | None = None
        self._done: int | None = None
        self._follows_on = False
        self._any_given = False
        self._unattached = 0
        self._lock = threading.Lock()

    def add_frame(self, frame_id: str, timestamp: int, features: Any = None) -> None:
        """Add the next frame. ``features``: any array, such as those of ``FrameProcessor``; it is passed on.

        Raises:
            ObservationError: it is not later than the frame before it, or earlier than an ``until`` that was given.
        """
        t = _microseconds(timestamp)
        with self._lock:
            if self._newest_frame is not None and t <= self._newest_frame:
                raise ObservationError(
                    f"frame {frame_id!r} at {t} us is not later than the one before it, at {self._newest_frame} us: "
                    "add frames in order of their times, each once"
                )
            if not self._frames and self._done is not None and t < self._done:
                raise ObservationError(
                    f"frame {frame_id!r} at {t} us comes too late: all before {self._done} us was given out; "
                    "call sync_data with an earlier 'until'"
                )
            self._newest = max(self._newest, t)
            self._newest_frame = t
            self._frames.append((t, frame_id, features))

    def add_input(self, timestamp: int, input_data: dict[str, Any]) -> None:
        """Add an input event, before or after the frames of its time."""
        t = _microseconds(timestamp)
        with self._lock:
            self._newest = max(self._newest, t)
            self._inputs.push(t, input_data)

    def add_audio(self, timestamp: int, samples: npt.NDArray[np.float32]) -> None:
        """Add a block of sound ``(n, channels) float32``. It goes, whole, to the step in which it began."""
        t = _microseconds(timestamp)
        with self._lock:
            self._newest = max(self._newest, t)
            self._audio.push(t, samples)

    def add_gap(self, timestamp: int) -> None:
        """Say that recording stopped at ``timestamp`` (a pause, a lost focus) until the next frame.

        Raises:
            ObservationError: an earlier gap was said to begin later.
        """
        t = _microseconds(timestamp)
        with self._lock:
            if self._gaps and t < self._gaps[-1]:
                raise ObservationError(f"a gap at {t} us comes after one at {self._gaps[-1]} us: add gaps in order")
            self._newest = max(self._newest, t)
            self._gaps.append(t)

    @property
    def held(self) -> frozenset[str]:
        """What is down after all that was given out."""
        with self._lock:
            return self._tracker.held

    def sync_data(self, final: bool = False, until: int | None = None) -> list[SyncedData]:
        """The steps that are complete, in order, each once.

        Args:
            final: nothing more comes: give out the rest.
            until: all frames and inputs before this time have been added. Steps that end later wait, and where no
                frame followed within the window the step comes out without one. Default: the newest frame's time.

        Raises:
            ObservationError: ``until`` is no whole number.
        """
        with self._lock:
            known = self._newest_frame if until is None else _microseconds(until)
            if final:
                known = self._newest + (self._window or 0) + 1
            if known is None:
                return []
            steps = []
            while self._frames and (end := self._end(known, final)) is not None:
                steps.append(self._take(end))
            if not self._frames and (final or until is not None):
                self._close(known)
            table = self._tracker.vectors([(step.timestamp, step.metadata["end"]) for step in steps])
        if table is None:
            return steps
        return [replace(step, vector=table.inputs[i], presses=table.presses[i]) for i, step in enumerate(steps)]

    def _end(self, known: int, final: bool) -> int | None:
        """Where the step of the first frame ends; None while that may still change."""
        t = self._frames[0][0]
        following = self._frames[1][0] if len(self._frames) > 1 else None
        while self._gaps and self._gaps[0] < t:
            self._gaps.popleft()
        ends = [] if following is None else [following]
        if self._window is not None:
            ends.append(t + self._window)
        if self._gaps:
            ends.append(self._gaps[0])
        if not ends:
            return known if final else None
        end = min(ends)
        # Without a next frame, one at `end` itself would be no gap: that it does not come is known after it only.
        return end if end < known or (following is not None and end == known) else None

    def _take(self, end: int) -> SyncedData:
        t, frame_id, features = self._frames.popleft()
        inputs = self._inputs.pop_before(end)
        audio = self._audio.pop_before(end)
        early = sum(at < t for at, _ in inputs)
        if not self._follows_on:
            self._drop(inputs[:early], t - 1)
            inputs, early = inputs[early:], 0
            audio = [block for block in audio if block[0] >= t]
        has_next = bool(self._frames) and self._frames[0][0] == end
        metadata = {
            "sync_window_ms": self.sync_window_ms,
            "end": end,
            "held": sorted(self._tracker.held),
            "late": early,
            "gap_before": self._any_given and not self._follows_on,
            "gap_after": not has_next,
            "unattached": self._unattached,
        }
        for at, data in inputs:
            self._tracker.apply(at, data, max(at, t))
        self._done, self._follows_on, self._any_given, self._unattached = end, has_next, True, 0
        return SyncedData(t, frame_id, features, [data for _, data in inputs], metadata, audio=tuple(audio))

    def _close(self, known: int) -> None:
        """No frame comes before ``known``: what happened until then is in no step."""
        self._drop(self._inputs.pop_before(known), known - 1)
        self._audio.pop_before(known)
        self._done = known if self._done is None else max(self._done, known)

    def _drop(self, inputs: list[tuple[int, dict[str, Any]]], at_us: int) -> None:
        """Let inputs that belong to no step change what is held, at a time that lies in none."""
        for t, data in inputs:
            self._tracker.apply(t, data, at_us)
        self._unattached += len(inputs)


def _microseconds(timestamp: int) -> int:
    try:
        return operator.index(timestamp)
    except TypeError as error:
        raise ObservationError(
            f"a timestamp must be a whole number of microseconds, got {timestamp!r}: use t_ns // 1000"
        ) from error
