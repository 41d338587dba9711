"""Each frame that a game shows, once: woken by its changes, grabbed, and told when one was lost."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from gameon_env.clock import now_ns
from gameon_env.desktop.changes import Changes, pictures_differ
from gameon_env.desktop.region import Region
from gameon_env.events import Frame

_SOON_S = 0.05
_MOST_LOOKS = 3
"""A game that draws without a pause is not looked at for ever."""


@dataclass(frozen=True, slots=True)
class Caught:
    """A frame that was on the screen from ``t_ns`` on.

    ``pixels``: ``(H, W, 4) uint8`` BGRX, valid until the next catch; None where the game drew the next frame over it
    before it could be grabbed.
    """

    t_ns: int
    pixels: npt.NDArray[np.uint8] | None


class Catcher:
    """Catches frames.

    Args:
        changes: what wakes it. The caller closes it.
        grab: the picture of now, and where it is on the display.
    """

    def __init__(self, changes: Changes, grab: Callable[[], tuple[Frame, Region]]) -> None:
        self._changes = changes
        self._grab = grab
        self._before: npt.NDArray[Any] | None = None

    def catch(
        self, timeout_s: float, not_before_ns: int = 0, *, force: bool = False, look: bool = True
    ) -> list[Caught]:
        """Wait for a frame: nothing where there was none within ``timeout_s``, one, or more where some were lost.

        Frames from before ``not_before_ns`` are passed over. ``force``: do not wait, and take the picture of now, be it
        an old one. ``look=False``: there is no room for a picture, so that a frame is only noted, where it is certain
        that there is one: a grab that is thrown away costs time in which the next ones would be lost too.

        Raises:
            CaptureError: the display is gone.
        """
        if force:
            self._changes.wait(0)
            self._changes.overdrawn()
            self._before = None
        t_ns = now_ns() if force else self._changes.wait(timeout_s, not_before_ns)
        if t_ns is None:
            return []
        if not look and self._changes.certain:
            return [*(Caught(lost_ns, None) for lost_ns in self._changes.overdrawn()), Caught(t_ns, None)]
        pixels = self._look()
        if not self._changes.certain:
            if self._before is not None and not pictures_differ(pixels, self._before):
                return []
            self._before = pixels.copy()
            return [Caught(t_ns, pixels)]
        caught = [Caught(lost_ns, None) for lost_ns in self._changes.overdrawn()]
        for _ in range(_MOST_LOOKS):
            if not self._changes.drawn_again():
                break
            # The game drew while this was grabbed: it may be the next frame already, and is so if that looks the same.
            first = pixels.copy()
            later_ns = self._changes.wait(_SOON_S)
            if later_ns is None:
                break
            pixels = self._look()
            caught.append(Caught(t_ns, first if pictures_differ(first, pixels) else None))
            caught += [Caught(lost_ns, None) for lost_ns in self._changes.overdrawn()]
            t_ns = later_ns
        caught.append(Caught(t_ns, pixels))
        return caught

    def skip(self, timeout_s: float) -> bool:
        """Wait for a frame and let it pass; whether there was one."""
        passed = self._changes.wait(timeout_s) is not None
        self._changes.overdrawn()
        return passed

    def _look(self) -> npt.NDArray[np.uint8]:
        frame, self._changes.region = self._grab()
        return frame.pixels
