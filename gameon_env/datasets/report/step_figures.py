"""What the steps of a recording say of motion, pointer and runs."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from gameon_env.datasets.recording import RecordedSteps, Recording
from gameon_env.datasets.report.spans import Floats
from gameon_env.keys import MOUSE_MOTION, MOUSE_POSITION, MOUSE_WHEEL


@dataclass(frozen=True, slots=True, eq=False)
class StepFigures:
    """As :class:`gameon_env.datasets.report.evidence.Evidence` names them."""

    t_s: Floats
    run_s: Floats
    motion: dict[str, Floats] = field(default_factory=dict)
    pointer: Floats | None = None

    @classmethod
    def none(cls) -> StepFigures:
        """Of a recording without steps."""
        return cls(np.zeros(0), np.zeros(0))

    def pointer_at(self, t_s: float) -> tuple[float, float] | None:
        """As parts of the picture's width and height; None where it is outside, or not known."""
        if self.pointer is None or not len(self.t_s):
            return None
        step = max(0, int(np.searchsorted(self.t_s, t_s, side="right")) - 1)
        x, y = ((self.pointer[step] + 1) / 2).tolist()
        return (x, y) if 0 <= x <= 1 and 0 <= y <= 1 else None


def step_figures(recording: Recording, fps: float | None) -> StepFigures:
    """Of the steps at ``fps``, in counts and notches where the scales are known.

    Raises:
        SessionError, TrajectoryError: it has no steps.
    """
    return figures_of(recording, recording.steps(fps=fps))


def figures_of(recording: Recording, steps: RecordedSteps) -> StepFigures:
    """The same of steps that were made already."""
    place = {name: i for i, name in enumerate(recording.controls)}
    scales = dict.fromkeys(MOUSE_MOTION, recording.mouse_scale_px or 1.0)
    scales[MOUSE_WHEEL] = recording.wheel_scale or 1.0
    motion = {
        name: steps.inputs[:, place[name]].astype(np.float64) * scale for name, scale in scales.items() if name in place
    }
    pointer = None
    if all(name in place for name in MOUSE_POSITION):
        pointer = steps.inputs[:, [place[name] for name in MOUSE_POSITION]].astype(np.float64)
    runs = steps.runs
    lengths = (steps.end_ns[runs[:, 1] - 1] - steps.t_ns[runs[:, 0]]) / 1e9 if len(runs) else np.zeros(0)
    return StepFigures(steps.t_ns / 1e9, lengths, motion, pointer)


def held_names(held: dict[str, Floats], start_s: float, end_s: float) -> tuple[str, ...]:
    """Buttons that were down at any time in ``[start_s, end_s)``."""
    names = []
    for name, spans in held.items():
        at = int(np.searchsorted(spans[:, 0], end_s, side="left")) - 1
        if at >= 0 and spans[at, 1] >= start_s:
            names.append(name)
    return tuple(names)
