"""From input events to action vectors, for any number of steps at once: the rule of StepBinner in array operations."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from gameon_env.controls import Controls
from gameon_env.data_processing.step_times import Int64, StepTimes
from gameon_env.errors import ActionError
from gameon_env.events import InputEvent
from gameon_env.keys import BUTTONS, MOUSE_POSITION, PAD_AXES

LASTING_AXES = frozenset([*MOUSE_POSITION, *PAD_AXES])
"""Axes that keep their value until the next event; the others are motion, which is summed."""


@dataclass(frozen=True, slots=True, eq=False)
class EventTable:
    """M input events as columns.

    Attributes:
        t_ns: ``(M,) int64``, in any order; events of the same time keep theirs.
        control: ``(M,)`` of any integer dtype: index into ``names``.
        value: ``(M,)`` of any float dtype, in the units of :class:`gameon_env.events.InputEvent`; ``mouse:x`` and
            ``mouse:y`` in pixels from the corner of the game's picture.
        names: canonical control names; those that are not the game's are passed over.
    """

    t_ns: Int64
    control: npt.NDArray[np.integer]
    value: npt.NDArray[np.floating]
    names: tuple[str, ...]

    def __post_init__(self) -> None:
        shapes = {self.t_ns.shape, self.control.shape, self.value.shape}
        if len(shapes) != 1 or self.t_ns.ndim != 1:
            raise ActionError(f"an event table's columns must all be (M,); they are {sorted(shapes)}")
        if len(self.control) and not 0 <= self.control.min() <= self.control.max() < len(self.names):
            raise ActionError(
                f"an event table's control must index its {len(self.names)} names; it runs from {self.control.min()} "
                f"to {self.control.max()}"
            )

    @classmethod
    def of(cls, events: Iterable[InputEvent]) -> EventTable:
        """The table of ``events``, in their order."""
        rows = list(events)
        number: dict[str, int] = {}
        control = [number.setdefault(event.control, len(number)) for event in rows]
        return cls(
            np.array([event.t_ns for event in rows], np.int64),
            np.array(control, np.int32),
            np.array([event.value for event in rows], np.float64),
            tuple(number),
        )


@dataclass(frozen=True, slots=True)
class InputState:
    """What lasts from one step to the next.

    Attributes:
        held: keys and buttons that are down.
        axes: last value of each of :data:`LASTING_AXES` in the units of events; 0 for those that are absent.
    """

    held: frozenset[str] = frozenset()
    axes: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, eq=False)
class StepTable:
    """What happened in each of N steps.

    Attributes:
        steps: when they begin and end, their frames, and where gaps lie.
        inputs: ``(N, A) float32``, scaled as the action space, axes not clipped.
        presses: ``(N, A) uint8``: how often each key or button was pressed; 255 stands for more as well.
        state: of the game's controls after all events that were given, for the next table.
    """

    steps: StepTimes
    inputs: npt.NDArray[np.float32]
    presses: npt.NDArray[np.uint8]
    state: InputState


def bin_steps(
    steps: StepTimes,
    events: EventTable,
    controls: Controls,
    *,
    start: InputState | None = None,
    latency_ns: int = 0,
) -> StepTable:
    """Bin events into steps.

    A key is 1 in a step when it was held at any time in it, taps included. Motion and wheel are summed. Pointer
    position and the axes of pads are the last value known when the step ends. A press of what is held already
    (auto-repeat) is no press. Events before the first step, in gaps and after the last step only change the state.

    Args:
        steps: from :func:`~gameon_env.data_processing.step_times.steps_of_frames` or ``steps_at_rate``.
        events: what was heard.
        controls: names in the vector's order, and scales.
        start: what was held, and where the axes were, before the first event. Default: nothing, all 0.
        latency_ns: how much later than its picture an action is taken: the action of step i is what happened in
            ``[t_i + latency, end_i + latency)``.
    """
    start = start or InputState()
    inputs = np.zeros((len(steps), len(controls)), np.float32)
    presses = np.zeros((len(steps), len(controls)), np.uint8)
    held = set(start.held & set(controls.names))
    axes = {name: start.axes[name] for name in controls.names if name in start.axes}
    columns = _events_by_control(events, controls, latency_ns)
    for i, name in enumerate(controls.names):
        t_ns, value = columns[i]
        if name in LASTING_AXES:
            known = np.append(axes.get(name, 0.0), value)
            place = known[np.searchsorted(t_ns, steps.end_ns, side="left")]
            inputs[:, i] = place if name in PAD_AXES else place / controls.scale_of(name) - 1
            if len(value):
                axes[name] = float(value[-1])
        elif not len(value):  # most columns, where there are few steps
            inputs[:, i] = name in held
        elif name in BUTTONS:
            down = value >= 0.5
            inputs[:, i], presses[:, i] = _button(steps, t_ns, down, name in held)
            (held.add if down[-1] else held.discard)(name)
        else:
            step = steps.step_of(t_ns)
            motion = np.bincount(step[step >= 0], weights=value[step >= 0], minlength=len(steps))
            inputs[:, i] = motion / controls.scale_of(name)
    return StepTable(steps, inputs, presses, InputState(frozenset(held), axes))


def _events_by_control(
    events: EventTable, controls: Controls, latency_ns: int
) -> list[tuple[Int64, npt.NDArray[np.floating]]]:
    """Times and values of each control's events, in order of time."""
    column_of = np.array([controls.index.get(name, len(controls)) for name in events.names], np.int16)
    column = column_of[events.control] if len(events.control) else np.zeros(0, np.int16)
    t_ns, value = events.t_ns - latency_ns, events.value
    if np.any(t_ns[1:] < t_ns[:-1]):
        order = np.argsort(t_ns, kind="stable")
        t_ns, value, column = t_ns[order], value[order], column[order]
    order = np.argsort(column, kind="stable")
    t_ns, value = t_ns[order], value[order]
    bounds = np.searchsorted(column[order], np.arange(len(controls) + 1))
    return [(t_ns[a:b], value[a:b]) for a, b in itertools.pairwise(bounds.tolist())]


def _button(
    steps: StepTimes, t_ns: Int64, down: npt.NDArray[np.bool_], held: bool
) -> tuple[npt.NDArray[np.bool_], npt.NDArray[np.uint8]]:
    """Whether a button was down at any time in each step, and how often it was pressed there."""
    changed = down != np.append(held, down[:-1])[: len(down)]
    # What changes at t is first seen by the step that begins after t, whether or not t lies in a step.
    after = np.searchsorted(steps.t_ns, t_ns[changed], side="right")
    change = np.bincount(after, weights=np.where(down[changed], 1.0, -1.0), minlength=len(steps) + 1)
    any_time = (held + np.cumsum(change)[: len(steps)]) > 0.5
    step = steps.step_of(t_ns)
    any_time[step[down & (step >= 0)]] = True
    pressed = step[changed & down & (step >= 0)]
    count = np.bincount(pressed, minlength=len(steps))
    return any_time, np.minimum(count, 255).astype(np.uint8)
