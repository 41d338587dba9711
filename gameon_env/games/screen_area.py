"""A rectangle of the game's picture, and readers of which the number depends on nothing else."""

from __future__ import annotations

from abc import ABC, abstractmethod

import numpy as np
import numpy.typing as npt

from gameon_env.events import Frame
from gameon_env.games.game_view import GameView
from gameon_env.games.table import Table

Pixels = npt.NDArray[np.uint8]

KNOWN_BYTES = 1 << 22
"""So much memory may hold the looks of one area of which the number is known: 230 of Doom's digits, 2 ms each."""


class Area:
    """A rectangle of the game's picture: ``[left, top, width, height]`` in pixels; the whole picture without one."""

    def __init__(self, table: Table, *, required: bool = False) -> None:
        region = (
            table.integers("region", "left, top, width, height")
            if required
            else table.integers("region", "left, top, width, height", None)
        )
        self.region = region
        if region is not None and (min(region) < 0 or min(region[2:]) < 1):
            raise table.error("region", f"must be [left, top, width, height] with a positive size; it is {region}")

    def cut(self, frame: Frame) -> Pixels | None:
        """``(h, w, 4) uint8 BGRX``, a view; None where the picture ends before the rectangle does."""
        if self.region is None:
            return frame.pixels
        left, top, width, height = self.region
        pixels = frame.pixels[top : top + height, left : left + width]
        return pixels if pixels.shape[:2] == (height, width) else None


class AreaReader(ABC):
    """A number that its area of the picture alone decides: worked out once for each look that the area has."""

    def __init__(self, area: Area) -> None:
        self._area = area
        self._known: dict[bytes, float | None] = {}
        self._last: bytes | None = None
        self._value: float | None = None

    def reset(self) -> None:  # noqa: B027 (what an area says is the same in every episode)
        """A new episode begins."""

    def read(self, view: GameView) -> float | None:
        pixels = self._area.cut(view.frame)
        if pixels is None:
            return None
        if self._area.region is None:  # a whole picture is seldom the same twice
            return self._work_out(pixels[:, :, :3])
        look = pixels.view(np.uint32).tobytes()
        if look != self._last:
            if look not in self._known:
                self._known[look] = self._work_out(pixels[:, :, :3])
                if len(self._known) * len(look) > KNOWN_BYTES and len(self._known) > 1:
                    del self._known[next(iter(self._known))]
            self._last, self._value = look, self._known[look]
        return self._value

    @abstractmethod
    def _work_out(self, pixels: Pixels) -> float | None:
        """The number of ``(h, w, 3) uint8 BGR``; None where it cannot be read."""
