"""The original GameOn's rows of input, told in our words."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from gameon_env.events import InputEvent
from gameon_env.keys import BUTTONS, MOUSE_WHEEL, PAD_AXES
from gameon_env.recording.original_names import control_named, pad_level
from gameon_env.recording.original_store import LONGEST_S, OriginalEvent

_STICKS = {"left_stick": "pad:left", "right_stick": "pad:right"}


@dataclass(slots=True)
class Tally:
    """What became of the rows: each is counted once, as taken, repeated or unknown.

    Attributes:
        rows: rows in.
        taken: rows that became events.
        repeated: presses of what was down, releases of what was up: a keyboard's auto-repeat.
        unknown: rows that have no words here, by device and name.
        clamped: rows from before the start, which count as at the start.
        events: events out. A row of the mouse may be several: two places, and the motion from the last ones.
        last_ns: the time of the last event.
        held: what the first event of is a release: it was down at the start.
    """

    rows: int = 0
    taken: int = 0
    repeated: int = 0
    unknown: Counter[str] = field(default_factory=Counter)
    clamped: int = 0
    events: int = 0
    last_ns: int = 0
    held: set[str] = field(default_factory=set)


class Translation:
    """Tells the rows of one session, in order; :attr:`tally` counts along.

    ``mouse:x`` and ``mouse:y`` are pixels of the screen, as they were stored. ``mouse:dx`` and ``mouse:dy`` are the
    differences of the places of a move and of what came before: what it moved while no row was written is not known.
    """

    def __init__(self) -> None:
        self.tally = Tally()
        self._down: dict[str, bool] = {}
        self._place: tuple[float, float] | None = None
        self.left_over: list[OriginalEvent] = []

    def events(self, rows: Iterable[OriginalEvent]) -> Iterator[InputEvent]:
        """The events of ``rows``. Rows that have no words here come into :attr:`left_over`."""
        tally = self.tally
        for row in rows:
            tally.rows += 1
            changes = self._changes(row)
            if changes is None:
                name = row.name if row.name is not None else "(no name)"
                when = "" if _is_possible(row.timestamp_ms) else " at no possible time"
                tally.unknown[f"{row.device} {row.action} {name}{when}"] += 1
                self.left_over.append(row)
                continue
            if not changes:
                tally.repeated += 1
                continue
            t_ns = round(row.timestamp_ms * 1e6)
            tally.taken += 1
            tally.clamped += t_ns < 0
            tally.events += len(changes)
            tally.last_ns = max(tally.last_ns, t_ns)
            for control, value in changes:
                yield InputEvent(max(0, t_ns), control, value)

    def _changes(self, row: OriginalEvent) -> list[tuple[str, float]] | None:
        """What a row changes, empty for a repetition; None where its words are not known."""
        numbers = (row.value or 0.0, row.x or 0.0, row.y or 0.0)
        if not all(map(math.isfinite, numbers)) or not _is_possible(row.timestamp_ms):
            return None
        if row.action in ("press", "release"):
            return self._press_or_release(row)
        if row.action == "move" and row.device == "mouse":
            return None if row.x is None or row.y is None else self._motion(row.x, row.y)
        if row.action == "move":
            return self._axis(row)
        if row.action == "scroll" and row.value is not None:
            return [*self._moved_to(row), (MOUSE_WHEEL, row.value)]
        return None

    def _press_or_release(self, row: OriginalEvent) -> list[tuple[str, float]] | None:
        control = control_named(row.device, row.name) if row.name is not None else None
        if control is None:
            return None
        down = row.action == "press"
        if control in BUTTONS:
            if self._down.get(control, not down) == down:
                return []
            if control not in self._down and not down:
                self.tally.held.add(control)
            self._down[control] = down
        return [*self._moved_to(row), (control, float(down))]

    def _axis(self, row: OriginalEvent) -> list[tuple[str, float]] | None:
        stick = _STICKS.get((row.name or "").lower())
        if stick is not None and row.x is not None and row.y is not None:
            both = ((f"{stick}_x", row.x), (f"{stick}_y", row.y))
            return [(control, pad_level(control, value)) for control, value in both]
        control = control_named(row.device, row.name) if row.name is not None else None
        if control not in PAD_AXES or row.value is None:
            return None
        return [(control, pad_level(control, row.value))]

    def _motion(self, x: float, y: float) -> list[tuple[str, float]]:
        last, self._place = self._place, (x, y)
        if last == (x, y):
            return []
        moved = [] if last is None else [("mouse:dx", x - last[0]), ("mouse:dy", y - last[1])]
        return [*((control, counts) for control, counts in moved if counts), ("mouse:x", x), ("mouse:y", y)]

    def _moved_to(self, row: OriginalEvent) -> list[tuple[str, float]]:
        """Where the pointer is at a click; how it got there was not recorded."""
        if row.device != "mouse" or row.x is None or row.y is None or self._place == (row.x, row.y):
            return []
        self._place = (row.x, row.y)
        return [("mouse:x", row.x), ("mouse:y", row.y)]


def _is_possible(timestamp_ms: float) -> bool:
    """False for a time of day, say, in place of the time since the start."""
    return abs(timestamp_ms) <= LONGEST_S * 1e3  # NaN is not
