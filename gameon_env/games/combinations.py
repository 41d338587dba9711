"""Named combinations of controls: ``fire_left = ["key:left", "key:space"]``, ``aim = { "mouse:dx" = 0.5 }``."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence

from gameon_env.errors import suggest
from gameon_env.keys import BUTTONS

Combination = Mapping[str, float]
"""What is not at rest, by control: 1.0 for keys and buttons, a value in [-1, 1] for axes."""


def read_combinations(
    values: Mapping[str, object], controls: Sequence[str], error: Callable[[str, str], Exception]
) -> dict[str, dict[str, float]]:
    """Check combinations as a person writes them.

    Args:
        values: by name, a list of keys and buttons that are held, or a table from control to value. An empty list
            is doing nothing.
        controls: the game's.
        error: makes the exception from a combination's name and what is wrong with it.

    Returns:
        by name, what is not at rest.
    """
    read: dict[str, dict[str, float]] = {}
    for name, value in values.items():
        try:
            read[name] = _read(value, controls)
        except ValueError as problem:
            raise error(name, str(problem)) from None
        double = next((other for other in read if other != name and read[other] == read[name]), None)
        if double is not None:
            raise error(name, f"is the same combination as {double}: keep one of them")
    return read


def _read(value: object, controls: Sequence[str]) -> dict[str, float]:
    if isinstance(value, Mapping):
        entries = [(control, number) for control, number in value.items()]
    elif isinstance(value, Sequence) and not isinstance(value, str):
        axes = [control for control in value if control in controls and control not in BUTTONS]
        if axes:
            raise ValueError(f'holds the axis {axes[0]}, which needs a value: write {{ "{axes[0]}" = 0.5 }}')
        entries = [(control, 1.0) for control in value]
    else:
        raise ValueError(f"must be a list of controls, or a table of values by control; it is {value!r}")
    read: dict[str, float] = {}
    for control, number in entries:
        if control not in controls:
            near = suggest(control, controls) if isinstance(control, str) else ""
            raise ValueError(f"holds {control!r}, which is none of this game's controls ({', '.join(controls)}).{near}")
        if control in read:
            raise ValueError(f"holds {control} twice")
        read[control] = _check_value(control, number)
    return {control: number for control, number in read.items() if number != 0.0}


def _check_value(control: str, number: object) -> float:
    low = 0 if control in BUTTONS else -1
    if isinstance(number, bool) or not isinstance(number, int | float) or not math.isfinite(number):
        raise ValueError(f"gives {control} the value {number!r}; expected a number from {low} to 1")
    if control in BUTTONS and number not in (0, 1):
        raise ValueError(f"gives {control} the value {number!r}; a key or button is 1 (held) or 0")
    if not low <= number <= 1:
        raise ValueError(f"gives {control} the value {number!r}; expected a number from {low} to 1")
    return float(number)
