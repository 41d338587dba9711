"""The input of any game in rows of the ReActure format: each row's ``inputs`` names what the seven keys cannot say."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from gameon_env.controls import Controls
from gameon_env.data_processing.step_table import LASTING_AXES
from gameon_env.errors import DatasetError, GameOnError
from gameon_env.events import InputEvent
from gameon_env.export.reacture_events import row_events
from gameon_env.export.reacture_rows import KEY_NAMES, rows_at
from gameon_env.keys import BUTTONS, MOUSE_MOTION, MOUSE_POSITION, MOUSE_WHEEL

KEY_OF = {
    "key:w": "W", "key:a": "A", "key:s": "S", "key:d": "D", "key:space": "Space", "key:e": "E", "key:r": "R",
    "mouse:left": "destroy",
}  # fmt: skip
"""Which control is which of a row's ``key_presses``."""


SIZE = (128, 128)
"""``(height, width)`` of the frames of a ReActure recording."""


_MOST = 1e9  # no device says more


def input_row(controls: Controls, vector: npt.NDArray[np.float32]) -> dict[str, Any]:
    """A recorded vector as a row's ``key_presses`` and ``inputs``: motion in counts, wheel in notches, nothing that is
    zero; the pointer and sticks from -1 to 1."""
    values = dict(zip(controls.names, vector.tolist(), strict=True))
    scaled = {name: value * _scale(controls, name) for name, value in values.items() if value}
    presses: dict[str, Any] = dict.fromkeys(KEY_NAMES, False)
    presses |= {KEY_OF[name]: value >= 0.5 for name, value in values.items() if name in KEY_OF}
    presses["inspect"] = presses["E"]
    presses |= {f"mouse_{axis}": _plain(scaled.get(f"mouse:{axis}", 0.0)) for axis in ("dx", "dy")}
    return {"key_presses": presses, "inputs": {name: _plain(value) for name, value in scaled.items()}}


def told_controls(metadata: Mapping[str, Any]) -> Controls | None:
    """The controls of a download that was exported from another game; None for the browser game's.

    Raises:
        DatasetError: they are no controls.
    """
    if "controls" not in metadata:
        return None
    names, mouse, wheel = metadata["controls"], metadata.get("mouse_scale_px"), metadata.get("wheel_scale")
    try:
        if not isinstance(names, list) or not all(value is None or _is_number(value) for value in (mouse, wheel)):
            raise DatasetError("expected a list of names, and numbers as scales")
        scales = {"mouse_scale_px": mouse or 100.0, "wheel_scale": wheel or 1.0}
        return Controls([str(name) for name in names], window_size=SIZE, **scales)
    except GameOnError as error:
        raise DatasetError(f"metadata.json tells of controls that cannot be: {error}") from error


def told_events(
    path: Path, offsets: npt.NDArray[np.int64], times_ns: npt.NDArray[np.int64], controls: Controls
) -> list[InputEvent]:
    """The events of rows whose ``inputs`` tell what was pressed in the interval before them."""
    values = np.zeros((len(offsets), len(controls)))
    for i, row in enumerate(rows_at(path, offsets.tolist())):
        inputs = row.get("inputs")
        for name, value in inputs.items() if isinstance(inputs, dict) else ():
            if name in controls.index and _is_number(value):
                values[i, controls.index[name]] = value
    columns = {name: values[:, i] for name, i in controls.index.items()}
    held = {name: column >= 0.5 for name, column in columns.items() if name in BUTTONS}
    motion = {name: column for name, column in columns.items() if name in (*MOUSE_MOTION, MOUSE_WHEEL)}
    events = row_events(times_ns, held, motion, before=True)
    events += _lasting_events(times_ns, {name: columns[name] for name in columns if name in LASTING_AXES}, controls)
    return sorted(events, key=lambda event: event.t_ns)


def _lasting_events(
    times_ns: npt.NDArray[np.int64], columns: Mapping[str, npt.NDArray[np.float64]], controls: Controls
) -> Iterable[InputEvent]:
    """Where the pointer and the sticks were, told whenever that changed."""
    begins = np.append(0, times_ns[:-1])
    for name, column in columns.items():
        for i in np.flatnonzero(np.diff(column, prepend=np.nan) != 0):
            place = (column[i] + 1) * controls.scale_of(name) if name in MOUSE_POSITION else column[i]
            yield InputEvent(int(begins[i]), name, float(place))


def _scale(controls: Controls, name: str) -> float:
    return controls.scale_of(name) if name in (*MOUSE_MOTION, MOUSE_WHEEL) else 1.0


def _plain(value: float) -> float:
    """A whole number as one: motion is in counts, and was divided by its scale and multiplied again."""
    return round(value) if abs(value - round(value)) < 1e-4 else value


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and -_MOST <= value <= _MOST
