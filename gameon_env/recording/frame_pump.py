"""From the screen into the video: one thread that catches each picture, one that encodes, a bounded queue between."""

from __future__ import annotations

import queue
import threading
from collections import deque
from collections.abc import Callable

import cv2
import numpy as np
import numpy.typing as npt

from gameon_env.clock import now_ns
from gameon_env.desktop.catch import Catcher, Caught
from gameon_env.desktop.changes import Changes
from gameon_env.desktop.region import Region
from gameon_env.errors import DisplayError, OffScreenError, WindowError
from gameon_env.events import Frame
from gameon_env.recording.model import FrameRow
from gameon_env.recording.video import VideoWriter

QUEUE_BYTES = 128 * 2**20
"""Pictures that may wait for the encoder: 36 of 1280x720, more than half a second at 60 a second."""

MOST_BEHIND_NS = 300_000_000
"""Nor may one wait longer: what waits is what a kill takes, and of small pictures the queue holds seconds."""

WAIT_S = 0.05
CHECK_NS = 100_000_000
"""How often to look after a game whose pictures are not wanted: it may have opened its window anew."""
BURST = 4
"""How many pictures may come early before the ceiling holds them back: games do not show them at even times."""

Pixels = npt.NDArray[np.uint8]


class FramePump:
    """Catches every picture that the game shows, once, and writes it into the video.

    Args:
        grab: the picture of now and where it is on the display; called from the pump's own thread only. While it
            raises ``OffScreenError`` there is none.
        changes: what wakes it; the pump closes it.
        video: what it writes to; the pump closes it.
        size: ``(height, width)`` of the video; a picture of another size is fitted into it with black borders.
        start_ns: the session's start on the clock.
        ceiling_fps: no more than so many pictures a second, on average.
        wanted: whether a picture of that time may be kept (not while paused); asked before the grab and after it, for
            the thread that pauses all else may be held up.
        check: called in the pump's thread while no picture is taken; whether the game is at another place now, where
            nothing wakes the pump. Raises where it is gone.
    """

    def __init__(
        self,
        grab: Callable[[], tuple[Frame, Region]],
        changes: Changes,
        video: VideoWriter,
        size: tuple[int, int],
        start_ns: int,
        ceiling_fps: float,
        wanted: Callable[[int], bool],
        check: Callable[[], bool],
    ) -> None:
        self._grab = grab
        self._changes = changes
        self._video = video
        self._size = size
        self._start_ns = start_ns
        self._period_ns = int(1e9 / ceiling_fps)
        self._wanted = wanted
        self._check = check
        room = max(4, QUEUE_BYTES // (size[0] * size[1] * 4))
        self._queue: queue.Queue[tuple[Pixels, int] | None] = queue.Queue(room)
        self._spare: deque[Pixels] = deque(maxlen=room + 2)
        self._rows: list[FrameRow] = []
        self._rows_lock = threading.Lock()
        self._encoded_ns = -1
        self._last_ns = -1
        self._check_due_ns = 0
        self._ending = threading.Event()
        self._force = threading.Event()
        self._error: BaseException | None = None
        self.caught = 0
        self.dropped = 0
        self._threads = [
            threading.Thread(target=self._run, args=(self._catch, True), name="gameon-catch", daemon=True),
            threading.Thread(target=self._run, args=(self._encode, False), name="gameon-encode", daemon=True),
        ]

    @property
    def waiting(self) -> int:
        """Pictures that wait for the encoder."""
        return self._queue.qsize()

    @property
    def error(self) -> BaseException | None:
        """What ended a thread before :meth:`close`, if anything did."""
        return self._error

    def start(self) -> None:
        """Begin, with a picture of now."""
        self._force.set()
        for thread in self._threads:
            thread.start()

    def refresh(self) -> None:
        """Catch a picture soon even where nothing changes: recording goes on after a pause."""
        self._force.set()

    def take_rows(self) -> list[FrameRow]:
        """Rows of the pictures that were written, or dropped, since the last call, by time."""
        with self._rows_lock:
            known_ns = self._encoded_ns if self._threads[1].is_alive() else self._last_ns
            rows = sorted((row for row in self._rows if row.t_ns <= known_ns), key=lambda row: row.t_ns)
            self._rows = [row for row in self._rows if row.t_ns > known_ns]
            return rows

    def close(self) -> None:
        """Encode what waits, and finish the video. Raises what went wrong in its threads."""
        self._ending.set()
        for thread in self._threads:
            if thread.ident is not None:
                thread.join()
        try:
            self._video.close()
        finally:
            self._changes.close()
        if self._error is not None:
            raise self._error

    def _run(self, work: Callable[[], None], is_first: bool) -> None:
        try:
            work()
        except BaseException as error:  # noqa: BLE001 - handed on: the recorder looks, and close() raises it
            self._error = self._error or error
            self._ending.set()
        finally:
            if is_first:
                self._queue_end()

    def _queue_end(self) -> None:
        while self._threads[1].is_alive():
            try:
                self._queue.put(None, timeout=WAIT_S)
                return
            except queue.Full:
                continue

    def _catch(self) -> None:
        catcher = Catcher(self._changes, self._grab)
        allowed_ns = 0  # a leaky bucket: when the next picture would be on time
        while not self._ending.is_set():
            if not self._wanted(now_ns()):
                passed = catcher.skip(WAIT_S)
                if not passed or now_ns() >= self._check_due_ns:  # others may draw there all the time
                    self._check()
                    self._check_due_ns = now_ns() + CHECK_NS
                continue
            forced = self._force.is_set()
            self._force.clear()
            not_before_ns = allowed_ns - BURST * self._period_ns
            try:
                found = catcher.catch(WAIT_S, not_before_ns, force=forced, look=not self._queue.full())
            except OffScreenError:  # window managers move it away for a moment when it is minimised
                self._force.set()
                self._ending.wait(WAIT_S)
                continue
            if not found and self._check():
                self._force.set()
            for caught in self._kept(found):
                allowed_ns = max(allowed_ns, caught.t_ns) + self._period_ns
                self._offer(caught)
        if self._error is None and self._wanted(now_ns()):
            self._catch_last(catcher)

    def _catch_last(self, catcher: Catcher) -> None:
        """What the game showed between the last look and the end."""
        try:
            found = catcher.catch(0)
        except (DisplayError, WindowError):
            return  # it ended because the game went away, and its picture with it
        for caught in self._kept(found):
            self._offer(caught)

    def _kept(self, found: list[Caught]) -> list[Caught]:
        return [caught for caught in found if self._wanted(caught.t_ns)]

    def _offer(self, caught: Caught) -> None:
        t_ns = max(caught.t_ns - self._start_ns, self._last_ns + 1000, 0)  # the video counts in microseconds
        self._last_ns = t_ns
        self.caught += 1
        if caught.pixels is None or self._queue.full() or self._behind(t_ns):
            self.dropped += 1
            with self._rows_lock:
                self._rows.append(FrameRow(t_ns, None, "dropped"))
            return
        pixels = self._spare.pop() if self._spare else np.empty((*self._size, 4), np.uint8)
        _fit(caught.pixels, pixels)
        self._queue.put((pixels, t_ns))

    def _behind(self, t_ns: int) -> bool:
        with self._queue.mutex:
            first = next(iter(self._queue.queue), None)
        return first is not None and t_ns - first[1] > MOST_BEHIND_NS

    def _encode(self) -> None:
        number = 0
        while (item := self._queue.get()) is not None:
            pixels, t_ns = item
            self._video.write(pixels, t_ns)
            with self._rows_lock:
                self._rows.append(FrameRow(t_ns, number))
                self._encoded_ns = t_ns
            self._spare.append(pixels)
            number += 1


def _fit(pixels: Pixels, into: Pixels) -> None:
    """Copy a picture; where its size is another, scale it into the middle."""
    if pixels.shape == into.shape:
        np.copyto(into, pixels)
        return
    height, width = into.shape[:2]
    top, left, rows, columns = fitted(pixels.shape[:2], (height, width))
    into[:] = 0
    into[top : top + rows, left : left + columns] = cv2.resize(pixels, (columns, rows), interpolation=cv2.INTER_AREA)


def fitted(size: tuple[int, ...], into: tuple[int, int]) -> tuple[int, int, int, int]:
    """Where a picture of ``size`` lies in one of size ``into``, aspect kept: ``(top, left, height, width)``."""
    scale = min(into[0] / size[0], into[1] / size[1])
    rows, columns = max(1, round(size[0] * scale)), max(1, round(size[1] * scale))
    return (into[0] - rows) // 2, (into[1] - columns) // 2, rows, columns
