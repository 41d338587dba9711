"""Which rows of a batch this process computes."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class BatchPart:
    """Rows ``[first, stop)`` of a batch of ``total`` rows.

    What is drawn at random is drawn for the whole batch by every process, from the same seed, and each takes its rows
    of it: so several processes do with a batch what one would.
    """

    first: int
    stop: int
    total: int

    @classmethod
    def whole(cls, total: int) -> BatchPart:
        """All of it."""
        return cls(0, total, total)

    @classmethod
    def of(cls, total: int, number: int, parts: int) -> BatchPart:
        """Part ``number`` of ``parts`` that differ by one row at most."""
        return cls(total * number // parts, total * (number + 1) // parts, total)

    @property
    def rows(self) -> slice:
        return slice(self.first, self.stop)

    @property
    def weight(self) -> float:
        """Its share of the batch, 0 to 1."""
        return (self.stop - self.first) / self.total
