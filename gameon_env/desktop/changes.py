"""When the picture of a game changes: what wakes the recorder, so that it takes each frame once."""

from __future__ import annotations

import sys
from abc import ABC, abstractmethod
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from gameon_env.clock import MonotonicClock, now_ns
from gameon_env.desktop.region import Region
from gameon_env.errors import CaptureError, UnknownNameError

_ROWS_AT_ONCE = 32
"""Of two 720p pictures: 2 x 160 KB, which stay in the processor's cache while they are compared."""


class Changes(ABC):
    """The contract: it wakes whenever a region of a display shows another picture.

    The use is always ``wait``, then grab. What changes after the return of ``wait`` wakes the next one, so no change
    is lost, however long the grab takes. One thread at a time may use it.

    Attributes:
        region: what it watches, in pixels of the display's root; set it anew where the window moved.
        backend: the name of the method in use, and why it fell back where it did.
        certain: whether each wake is a drawing of the game. Where False it is only time to look: compare the pictures
            (:func:`pictures_differ`) and keep those that changed.
    """

    region: Region
    backend: str
    certain: bool

    @abstractmethod
    def wait(self, timeout_s: float, not_before_ns: int = 0) -> int | None:
        """Wait for a change, until the frame is drawn to its end, and until the clock says ``not_before_ns``.

        Returns:
            when the frame was there that a grab sees now (ns, :func:`gameon_env.clock.now_ns`): the time of its last
            drawing, so that nothing of it was seen later than that. None where no frame was there after ``timeout_s``.

        Raises:
            CaptureError: the display is gone (by polling, the grab finds out), or this is closed.
        """

    @abstractmethod
    def overdrawn(self) -> list[int]:
        """The times of frames since the last call that the game showed, but drew over before ``wait`` returned: this
        machine was too busy. Those before a ``not_before_ns`` are left out. By polling nobody knows: always empty."""

    @abstractmethod
    def drawn_again(self) -> bool:
        """Whether the game has begun another frame since ``wait`` returned. By polling nobody knows: always False.

        Right after a grab it tells that the picture may be that frame's already.
        """

    @abstractmethod
    def close(self) -> None:
        """Let go of the display; more calls do nothing."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def open_changes(display: str | None, region: Region, *, poll_fps: float = 60.0, backend: str = "auto") -> Changes:
    """Watch ``region`` of ``display`` (``None``: this desktop's).

    Args:
        display: the display's name.
        region: in pixels of the root.
        poll_fps: how often to look, where the display does not tell what is drawn.
        backend: ``"damage"`` (X11), ``"polling"``, or ``"auto"``: damage where the display offers it.

    Raises:
        CaptureError: the display cannot be reached; or ``"damage"`` was asked for where there is none.
        UnknownNameError: no such backend.
    """
    if backend not in ("auto", "damage", "polling"):
        raise UnknownNameError(f"unknown backend {backend!r} of changes: allowed are 'auto', 'damage', 'polling'")
    if backend == "polling" or (backend == "auto" and sys.platform in ("win32", "darwin")):
        return PollingChanges(region, poll_fps)
    from gameon_env.desktop.changes_x11 import DamageChanges, has_damage

    if backend == "auto" and not has_damage(display):
        return PollingChanges(region, poll_fps, "the display has no DAMAGE extension")
    return DamageChanges(display, region)


class PollingChanges(Changes):
    """Says at a fixed rate that it is time to look, on any platform."""

    certain = False

    def __init__(self, region: Region, fps: float, why: str = "") -> None:
        self.region = region
        self.backend = f"polling at {fps:g} Hz" + (f" ({why})" if why else "")
        self._period_ns = round(1e9 / fps)
        self._clock = MonotonicClock()
        self._due_ns = now_ns()
        self._closed = False

    def wait(self, timeout_s: float, not_before_ns: int = 0) -> int | None:
        if self._closed:
            raise CaptureError("these changes are closed")
        now = now_ns()
        end_ns = now + round(timeout_s * 1e9)
        if now - self._due_ns > self._period_ns:  # too late by more than a tick: the schedule starts anew
            self._due_ns = now
        while self._due_ns < not_before_ns:
            self._due_ns += self._period_ns
        if self._due_ns > end_ns:
            self._clock.sleep_until(end_ns)
            return None
        self._clock.sleep_until(self._due_ns)
        self._due_ns += self._period_ns
        return now_ns()

    def overdrawn(self) -> list[int]:
        return []

    def drawn_again(self) -> bool:
        return False

    def close(self) -> None:
        self._closed = True


def pictures_differ(one: npt.NDArray[Any], other: npt.NDArray[Any]) -> bool:
    """Whether two pictures ``(H, W, 4) uint8`` are different.

    It ends at the first rows that differ; two equal 720p pictures take 0.2 ms.
    """
    if one.shape != other.shape:
        return True
    height, width = one.shape[:2]
    a, b = (np.ascontiguousarray(picture).reshape(height, -1) for picture in (one, other))
    if width % 2 == 0:  # eight bytes at a time
        a, b = a.view(np.uint64), b.view(np.uint64)
    return any(
        bool((a[row : row + _ROWS_AT_ONCE] != b[row : row + _ROWS_AT_ONCE]).any())
        for row in range(0, height, _ROWS_AT_ONCE)
    )
