"""What a stream of inputs leaves held, and the vectors that come of it, when some inputs arrive late."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from gameon_env.controls import Controls
from gameon_env.data_processing.step_table import LASTING_AXES, EventTable, InputState, StepTable, bin_steps
from gameon_env.data_processing.step_times import StepTimes
from gameon_env.keys import BUTTONS, MOUSE_POSITION

_MANY_ROWS = 4096
"""So many inputs in a row without a step are folded into the state, to bound the memory of a long gap."""


class InputTracker:
    """Applies inputs of the form ``{"control": name, "value": number}``; others change nothing.

    Args:
        controls: of the vectors; ``None``: there are none.
        held: what is down at the start.
        pointer: ``(x, y)`` in pixels at the start.
    """

    def __init__(
        self, controls: Controls | None = None, held: Iterable[str] = (), pointer: tuple[float, float] = (0.0, 0.0)
    ) -> None:
        self._controls = controls
        self._held = set(held)
        self._state = InputState(frozenset(self._held), dict(zip(MOUSE_POSITION, pointer, strict=True)))
        self._changed_at: dict[str, int] = {}
        self._rows: list[tuple[int, int, float]] = []

    @property
    def held(self) -> frozenset[str]:
        """Keys and buttons that are down, the game's or not."""
        return frozenset(self._held)

    def apply(self, t_us: int, data: Mapping[str, Any], at_us: int) -> None:
        """Apply the input of time ``t_us``, which has its effect at ``at_us``: later than ``t_us`` if it came late.

        What happened after ``t_us`` stays as it is: of a late press whose release was applied only a tap is left.
        """
        control, value = data.get("control"), data.get("value")
        if not isinstance(control, str) or not isinstance(value, int | float | np.number):
            return
        number = float(value)
        if control in BUTTONS or control in LASTING_AXES:
            if t_us < self._changed_at.get(control, t_us):
                if control in BUTTONS and number >= 0.5 and control not in self._held:
                    self._note(at_us, control, 1.0)
                    self._note(at_us, control, 0.0)
                return
            self._changed_at[control] = t_us
            if control in BUTTONS:
                (self._held.add if number >= 0.5 else self._held.discard)(control)
        self._note(at_us, control, number)

    def vectors(self, times_us: list[tuple[int, int]]) -> StepTable | None:
        """The vectors of the steps ``(begin, end)``, from all inputs applied since the last call that had steps."""
        if self._controls is None or (not times_us and len(self._rows) < _MANY_ROWS):
            return None
        t_ns, end_ns = (np.array(times_us, np.int64).reshape(-1, 2) * 1000).T
        steps = StepTimes(t_ns, end_ns, np.arange(len(t_ns)), np.zeros(len(t_ns), np.bool_))
        events = EventTable(
            np.array([row[0] for row in self._rows], np.int64) * 1000,
            np.array([row[1] for row in self._rows], np.int64),
            np.array([row[2] for row in self._rows], np.float64),
            self._controls.names,
        )
        self._rows.clear()
        table = bin_steps(steps, events, self._controls, start=self._state)
        self._state = table.state
        return table

    def _note(self, at_us: int, control: str, value: float) -> None:
        if self._controls is not None and control in self._controls.index:
            self._rows.append((at_us, self._controls.index[control], value))
