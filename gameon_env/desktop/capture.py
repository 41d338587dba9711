"""Pictures of the screen: one contract, the choice of its backend, and the one by mss, which every platform has."""

from __future__ import annotations

import sys
from typing import Any, Protocol

import numpy as np

from gameon_env.clock import now_ns
from gameon_env.desktop.region import Region
from gameon_env.errors import CaptureError
from gameon_env.events import Frame


class Capture(Protocol):
    """The contract of a capture backend.

    Attributes:
        region: what it captures, in pixels of the display's root.
        backend: the name of the method in use, and why it fell back where it did.
        steady: True where the window that was named has neither moved nor changed nor closed from :meth:`settle` to
            the last picture, or where none was named; False where it may have, or where the screen has another size.
    """

    @property
    def region(self) -> Region: ...

    @property
    def backend(self) -> str: ...

    @property
    def steady(self) -> bool: ...

    def settle(self) -> None:
        """Watch the window from now on; ask where it is afterwards.

        Raises:
            CaptureError: the display is gone.
        """
        ...

    def look_at(self, region: Region) -> None:
        """Capture another region from now on.

        Raises:
            CaptureError: it is not wholly on the screen, or the display is gone.
        """
        ...

    def grab(self) -> Frame:
        """The region as it is now, ``(H, W, 4) uint8`` BGRX; its pixels are valid until the next grab.

        The picture before stays as it was while the new one is not :attr:`steady`.

        Raises:
            CaptureError: the display is gone.
        """
        ...

    def close(self) -> None:
        """Let go of the display; more calls do nothing."""
        ...


def open_capture(display: str | None, region: Region, window_id: int | None = None, backend: str = "auto") -> Capture:
    """Capture ``region`` of ``display`` (``None``: this desktop's).

    Args:
        display: the display's name.
        region: in pixels of its root.
        window_id: the window that is to be seen there, which the capture watches where it can.
        backend: ``"x11"``, ``"mss"``, or ``"auto"``: x11 on Linux where the server takes shared memory, else mss.

    Raises:
        CaptureError: the display cannot be reached, or the region is not wholly on its screen.
    """
    if backend == "x11" or (backend == "auto" and sys.platform == "linux"):
        from gameon_env.desktop.capture_x11 import X11Capture

        try:
            return X11Capture(display, region, window_id)
        except CaptureError as error:
            if backend == "x11":
                raise
            return MssCapture(display, region, steady=window_id is None, instead_of=str(error))
    return MssCapture(display, region, steady=window_id is None)


class MssCapture:
    """mss: XShmGetImage on X11 (0.1 ms of CPU a 720p frame), else what the platform has. It watches no window."""

    def __init__(self, display: str | None, region: Region, *, steady: bool = True, instead_of: str = "") -> None:
        self._grabber: Any = open_grabber(display)
        self._instead_of = instead_of
        self.display = display
        self.steady = steady
        try:
            self.look_at(region)
            self.grab()  # mss finds out at the first picture whether shared memory works
        except CaptureError:
            self.close()
            raise

    @property
    def region(self) -> Region:
        return self._region

    @property
    def backend(self) -> str:
        implementation = type(self._grabber._impl).__name__.removeprefix("MSSImpl") if self._grabber else "closed"
        reasons = [note for note in self._notes if "working correctly" not in note]
        fallen_back = f" ({self._instead_of})" if self._instead_of else ""
        slow = f" without shared memory ({'; '.join(reasons)})" if reasons else ""
        return f"mss {implementation}{slow}{fallen_back}"

    def settle(self) -> None:
        """Nothing: the window is asked at each picture."""

    def look_at(self, region: Region) -> None:
        whole = self._grabber.monitors[0]
        # On Windows and macOS the screen may start at negative coordinates, left of the main monitor.
        moved = Region(region.left - whole["left"], region.top - whole["top"], region.width, region.height)
        if not moved.inside(whole["height"], whole["width"]):
            raise CaptureError(
                f"the region {region} is not wholly on the screen of display {self.display or 'of this desktop'}, "
                f"which is {whole['width']}x{whole['height']} pixels: choose a region inside it"
            )
        self._region = region
        self._monitor = {"left": region.left, "top": region.top, "width": region.width, "height": region.height}
        self._notes: list[str] = self._grabber.performance_status

    def grab(self) -> Frame:
        from mss.exception import ScreenShotError

        if self._grabber is None:
            raise CaptureError("this capture is closed")
        try:
            t_ns = now_ns()
            shot = self._grabber.grab(self._monitor)
        except (ScreenShotError, OSError, ValueError, AssertionError) as error:  # mss asserts where X is gone
            raise CaptureError(self._explain(error)) from error
        # mss hands out a buffer of its own for each picture: this is a view of it, not a copy.
        pixels = np.frombuffer(shot.raw, np.uint8).reshape(shot.height, shot.width, 4)
        return Frame(pixels, t_ns)

    def close(self) -> None:
        if self._grabber is not None:
            self._grabber, grabber = None, self._grabber
            close_grabber(grabber)

    def _explain(self, error: Exception) -> str:
        return (
            f"the region {self._region} of display {self.display or 'of this desktop'} cannot be captured ({error}). "
            "The display is gone, or its screen was resized: open the capture anew."
        )


def close_grabber(grabber: Any) -> None:
    """Close an ``mss.MSS``, whether or not its display is still there."""
    from mss.exception import ScreenShotError

    try:
        grabber.close()
    except ScreenShotError:
        pass  # mss complains on closing where the display went first: nothing is left to close


def open_grabber(display: str | None) -> Any:
    """An ``mss.MSS`` of ``display``.

    Raises:
        CaptureError: the display cannot be reached.
    """
    import mss
    from mss.exception import ScreenShotError

    try:
        return mss.MSS(display=display) if display else mss.MSS()
    except (ScreenShotError, OSError) as error:
        raise CaptureError(
            f"display {display or 'of this desktop'} cannot be captured ({error}). "
            'Check DISPLAY, or use display="private".'
        ) from error
