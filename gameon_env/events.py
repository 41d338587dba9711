"""What the live loop and the recorder speak: a frame with a time, an input event with a control's name."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt


@dataclass(frozen=True, slots=True)
class Frame:
    """One picture of the game.

    Attributes:
        pixels: ``(H, W, 4) uint8`` in the display's own order B, G, R, X (the fourth byte means nothing).
            Capture backends may reuse this memory at their next grab: copy what must last.
        t_ns: when it was captured, in ns of :func:`gameon_env.clock.now_ns`.
    """

    pixels: npt.NDArray[np.uint8]
    t_ns: int

    @property
    def size(self) -> tuple[int, int]:
        """``(height, width)`` in pixels."""
        return self.pixels.shape[0], self.pixels.shape[1]

    def rgb(self) -> npt.NDArray[np.uint8]:
        """A copy as ``(H, W, 3) uint8 RGB``."""
        return np.ascontiguousarray(self.pixels[:, :, 2::-1])


@dataclass(frozen=True, slots=True)
class InputEvent:
    """One change of one control.

    Attributes:
        t_ns: when it happened, in ns of :func:`gameon_env.clock.now_ns`.
        control: the canonical name, as in :mod:`gameon_env.keys`: ``key:w``, ``mouse:left``, ``mouse:dx``.
        value: keys and buttons: 1.0 pressed, 0.0 released. ``mouse:dx``, ``mouse:dy``: relative counts;
            ``mouse:wheel``: notches, up and away from the person is positive. ``mouse:x``, ``mouse:y``:
            pixels on the display.
        injected: True where the event came from a program (XTEST and the like), False from a device.
    """

    t_ns: int
    control: str
    value: float
    injected: bool = False


@dataclass(frozen=True, slots=True)
class AudioBlock:
    """A block of sound: ``samples (n, channels) float32`` in [-1, 1], the first of them heard at ``t_ns``."""

    samples: npt.NDArray[np.float32]
    rate_hz: float
    t_ns: int
