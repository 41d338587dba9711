"""A rectangle of the screen."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Region:
    """A rectangle in pixels of the display's root: ``left``, ``top``, ``width``, ``height``."""

    left: int
    top: int
    width: int
    height: int

    @property
    def size(self) -> tuple[int, int]:
        """``(height, width)``."""
        return self.height, self.width

    def inside(self, height: int, width: int) -> bool:
        """Whether it is not empty and lies wholly on a screen of ``height`` x ``width``."""
        return (
            self.width > 0
            and self.height > 0
            and self.left >= 0
            and self.top >= 0
            and self.left + self.width <= width
            and self.top + self.height <= height
        )

    def overlaps(self, other: Region) -> bool:
        """Whether they have a pixel in common."""
        across = self.left < other.left + other.width and other.left < self.left + self.width
        return across and self.top < other.top + other.height and other.top < self.top + self.height

    def common(self, other: Region) -> Region | None:
        """The part that belongs to both; None where there is none."""
        left, top = max(self.left, other.left), max(self.top, other.top)
        right = min(self.left + self.width, other.left + other.width)
        bottom = min(self.top + self.height, other.top + other.height)
        return Region(left, top, right - left, bottom - top) if right > left and bottom > top else None

    def covers(self, other: Region) -> bool:
        """Whether all of ``other`` lies in it."""
        across = self.left <= other.left and self.left + self.width >= other.left + other.width
        return across and self.top <= other.top and self.top + self.height >= other.top + other.height

    def __str__(self) -> str:
        return f"{self.width}x{self.height}+{self.left}+{self.top}"
