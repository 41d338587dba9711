"""A queue of things that happened, given out in order of time although some arrive late."""

from __future__ import annotations

import heapq
from collections import deque
from typing import Generic, TypeVar

T = TypeVar("T")


class TimeQueue(Generic[T]):
    """What arrives in order costs O(1); a stray costs O(log k) with k strays waiting. Same times keep their order."""

    def __init__(self) -> None:
        self._ordered: deque[tuple[int, int, T]] = deque()
        self._strays: list[tuple[int, int, T]] = []
        self._number = 0

    def __len__(self) -> int:
        return len(self._ordered) + len(self._strays)

    def push(self, t: int, item: T) -> None:
        """Add what happened at ``t``."""
        entry = (t, self._number, item)  # the number is unique: items are never compared
        self._number += 1
        if not self._ordered or t >= self._ordered[-1][0]:
            self._ordered.append(entry)
        else:
            heapq.heappush(self._strays, entry)

    def pop_before(self, t: int) -> list[tuple[int, T]]:
        """Remove and return ``(time, item)`` of all that happened before ``t``."""
        ordered, strays = [], []
        while self._ordered and self._ordered[0][0] < t:
            ordered.append(self._ordered.popleft())
        while self._strays and self._strays[0][0] < t:
            strays.append(heapq.heappop(self._strays))
        return [(at, item) for at, _, item in (heapq.merge(ordered, strays) if strays else ordered)]
