"""Controls: input events and named action vectors, in both directions.

A vector has one element per control, in the profile's order. Keys and buttons lie in [0, 1] (held when >= 0.5), axes
in [-1, 1]. :class:`Controls` holds names, scales and the space; :class:`ActionEncoder` turns vectors into what must be
injected; :class:`StepBinner` turns events that were heard into vectors, and is the only code that does so.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import compress
from typing import Literal

import numpy as np
import numpy.typing as npt
from gymnasium import spaces

from gameon_env.errors import ActionError, ProfileError
from gameon_env.events import InputEvent
from gameon_env.keys import BUTTONS, MOUSE_MOTION, MOUSE_POSITION, MOUSE_WHEEL, PAD_AXES, check_control

Vector = npt.NDArray[np.float32]


class Controls:
    """The controls of one game: names in order, what 1.0 means on each axis, and the action space.

    Args:
        names: canonical control names, each once.
        mouse_scale_px: counts of relative motion in one step that are 1.0 on ``mouse:dx`` and ``mouse:dy``.
        wheel_scale: notches in one step that are 1.0 on ``mouse:wheel``.
        window_size: ``(height, width)`` in pixels of the game's picture; ``mouse:x`` and ``mouse:y`` run from -1
            at its left or top pixel to 1 at its right or bottom one.

    Raises:
        UnknownNameError: a name is no control; the message suggests the nearest.
        ProfileError: no name, or a name twice, or a scale that is not positive.
    """

    def __init__(
        self,
        names: Sequence[str],
        *,
        mouse_scale_px: float = 100.0,
        wheel_scale: float = 1.0,
        window_size: tuple[int, int] = (480, 640),
    ) -> None:
        self.names = tuple(check_control(name) for name in names)
        if not self.names or len(set(self.names)) != len(self.names):
            raise ProfileError(f"controls must be at least one name, each once; got {list(names)}")
        if mouse_scale_px <= 0 or wheel_scale <= 0:
            raise ProfileError("mouse_scale_px and wheel_scale must be greater than 0")
        self.mouse_scale_px = float(mouse_scale_px)
        self.wheel_scale = float(wheel_scale)
        self.window_size = window_size
        self.index = {name: i for i, name in enumerate(self.names)}
        self.is_button = np.array([name in BUTTONS for name in self.names])
        low = np.where(self.is_button, 0.0, -1.0).astype(np.float32)
        self.space = spaces.Box(low, np.ones(len(self.names), np.float32), dtype=np.float32)

    def __len__(self) -> int:
        return len(self.names)

    def __repr__(self) -> str:
        return f"Controls({list(self.names)})"

    def zeros(self) -> Vector:
        """The vector ``(A,) float32`` of a player who does nothing (an absolute pointer rests in the middle)."""
        return np.zeros(len(self.names), np.float32)

    def vector(self, **values: float) -> Vector:
        """A vector from ``name=value`` with ``:`` written as ``_``: ``controls.vector(key_w=1, mouse_dx=0.5)``."""
        vector = self.zeros()
        by_word = {name.replace(":", "_"): i for name, i in self.index.items()}
        for word, value in values.items():
            if word not in by_word:
                raise ActionError(f"no control {word!r} here; there are: {', '.join(by_word)}")
            vector[by_word[word]] = value
        return vector

    def clip(self, action: npt.ArrayLike) -> Vector:
        """Check an action and clip it to the space.

        Raises:
            ActionError: wrong shape, not numbers, or NaN.
        """
        try:
            vector = np.asarray(action, dtype=np.float32)
        except (TypeError, ValueError) as error:
            raise ActionError(f"an action must be {len(self)} numbers, one per control {list(self.names)}") from error
        if vector.shape != (len(self),):
            raise ActionError(
                f"an action must have shape ({len(self)},), one number per control {list(self.names)}; "
                f"got shape {vector.shape}"
            )
        if not (vector == vector).all():  # NaN alone differs from itself
            bad = [name for name, value in zip(self.names, vector, strict=True) if np.isnan(value)]
            raise ActionError(f"an action must not hold NaN; it does for {bad}")
        return np.minimum(np.maximum(vector, self.space.low), self.space.high)

    def scale_of(self, name: str) -> float:
        """Counts, notches or half-extents in pixels that are 1.0 on the axis ``name``; a pad reports in [-1, 1]."""
        if name in MOUSE_MOTION:
            return self.mouse_scale_px
        if name == MOUSE_WHEEL:
            return self.wheel_scale
        if name in PAD_AXES:
            return 1.0
        side = self.window_size[1] if name == "mouse:x" else self.window_size[0]
        return max(side - 1, 1) / 2


@dataclass(frozen=True, slots=True)
class Command:
    """One thing to inject.

    ``press`` and ``release`` use ``control``; ``move`` is relative by ``(x, y)`` counts; ``move_to`` goes to pixel
    ``(x, y)`` of the game's picture; ``scroll`` is ``y`` notches.
    """

    kind: Literal["press", "release", "move", "move_to", "scroll"]
    control: str = ""
    x: int = 0
    y: int = 0


class ActionEncoder:
    """Turns action vectors into commands: what changed since the last one, and motion in whole counts.

    The part of a motion that is less than one count is kept for the next step, so that slow motion is not lost.
    """

    def __init__(self, controls: Controls) -> None:
        self.controls = controls
        self.held: frozenset[str] = frozenset()
        self._remainder = dict.fromkeys((*MOUSE_MOTION, MOUSE_WHEEL), 0.0)

    def reset(self) -> None:
        """Forget what is held (it has been released) and all remainders."""
        self.held = frozenset()
        self._remainder = dict.fromkeys(self._remainder, 0.0)

    def encode(self, action: npt.ArrayLike) -> tuple[list[Command], Vector]:
        """Commands for one step, pointer first (aim, then click), and the vector that they really apply.

        Raises:
            ActionError: as :meth:`Controls.clip`.
        """
        controls = self.controls
        vector = controls.clip(action)
        pressed = (vector >= 0.5) & controls.is_button
        applied = np.where(controls.is_button, pressed, vector).astype(np.float32)
        counts = {name: self._counts(name, vector, applied) for name in self._remainder if name in controls.index}
        commands: list[Command] = []
        if any(name in controls.index for name in MOUSE_POSITION):
            commands.append(Command("move_to", x=self._pixel("mouse:x", vector), y=self._pixel("mouse:y", vector)))
        dx, dy = counts.get("mouse:dx", 0), counts.get("mouse:dy", 0)
        if dx or dy:
            commands.append(Command("move", x=dx, y=dy))
        if counts.get(MOUSE_WHEEL):
            commands.append(Command("scroll", y=counts[MOUSE_WHEEL]))
        down = frozenset(compress(controls.names, pressed.tolist()))
        if down != self.held:
            commands += [Command("release", name) for name in controls.names if name in self.held - down]
            commands += [Command("press", name) for name in controls.names if name in down - self.held]
            self.held = down
        return commands, applied

    def _counts(self, name: str, vector: Vector, applied: Vector) -> int:
        i, scale = self.controls.index[name], self.controls.scale_of(name)
        wanted = float(vector[i]) * scale + self._remainder[name]
        counts = round(wanted)
        self._remainder[name] = wanted - counts
        applied[i] = counts / scale
        return counts

    def _pixel(self, name: str, vector: Vector) -> int:
        scale = self.controls.scale_of(name)
        value = float(vector[self.controls.index[name]]) if name in self.controls.index else 0.0
        return round((value + 1) * scale)


@dataclass(frozen=True, slots=True)
class StepInput:
    """What happened in one step: ``inputs (A,) float32`` and ``presses (A,) uint8`` (how often each was pressed)."""

    inputs: Vector
    presses: npt.NDArray[np.uint8]


class StepBinner:
    """Bins input events into steps.

    A key is 1 when it was held at any time in the step, so that taps shorter than a step survive. Motion and wheel
    are summed and never clipped; sticks and triggers of a gamepad keep their place. A press of what is held already
    (auto-repeat) is no press. An event is used once: in the step of its time, or in the next one taken when it arrives
    after its step was taken.

    Args:
        controls: the game's controls.
        held: what is held when the first step begins.
        origin: ``(left, top)`` of the game's picture on the display, for ``mouse:x`` and ``mouse:y``.
        pointer: ``(x, y)`` of the pointer on the display when the first step begins.
    """

    def __init__(
        self,
        controls: Controls,
        held: Iterable[str] = (),
        origin: tuple[int, int] = (0, 0),
        pointer: tuple[int, int] = (0, 0),
    ) -> None:
        self.controls = controls
        self.origin = origin
        self._pending: deque[InputEvent] = deque()
        self._held: set[str] = set(held)
        self._position: dict[str, float] = {}
        self._sticks: dict[str, float] = {name: 0.0 for name in controls.names if name in PAD_AXES}
        self.point(*pointer)

    @property
    def held(self) -> frozenset[str]:
        """What is held after the last step that was taken."""
        return frozenset(self._held)

    def add(self, events: Iterable[InputEvent]) -> None:
        """Queue events. Those of controls that are not the game's are dropped when their step is taken."""
        self._pending.extend(events)

    def point(self, x: float, y: float) -> None:
        """Say where the pointer is on the display, for ``mouse:x`` and ``mouse:y``."""
        for name, value in zip(MOUSE_POSITION, (x, y), strict=True):
            if name in self.controls.index:
                self._position[name] = self._place(name, value)

    def take(self, until_ns: int) -> StepInput:
        """The step that ends at ``until_ns``: all queued events before that time."""
        controls = self.controls
        inputs = controls.zeros()
        presses = np.zeros(len(controls), np.uint8)
        for name in self._held:
            if name in controls.index:
                inputs[controls.index[name]] = 1.0
        later: deque[InputEvent] = deque()
        for event in self._pending:
            if event.t_ns >= until_ns:
                later.append(event)
            else:
                self._apply(event, inputs, presses)
        self._pending = later
        for name, value in (*self._position.items(), *self._sticks.items()):
            inputs[controls.index[name]] = value
        return StepInput(inputs, presses)

    def _apply(self, event: InputEvent, inputs: Vector, presses: npt.NDArray[np.uint8]) -> None:
        i = self.controls.index.get(event.control)
        if event.control in BUTTONS:
            if event.value < 0.5:
                self._held.discard(event.control)
            elif event.control not in self._held:
                self._held.add(event.control)
                if i is not None:
                    inputs[i] = 1.0
                    presses[i] = min(int(presses[i]) + 1, 255)
        elif i is not None and event.control in self._position:
            self._position[event.control] = self._place(event.control, event.value)
        elif event.control in self._sticks:
            self._sticks[event.control] = event.value
        elif i is not None:
            inputs[i] += event.value / self.controls.scale_of(event.control)

    def _place(self, name: str, value_px: float) -> float:
        return (value_px - self.origin[MOUSE_POSITION.index(name)]) / self.controls.scale_of(name) - 1


def held_before(events: Iterable[InputEvent], held: Iterable[str]) -> set[str]:
    """Which keys and buttons were down before ``events``, in order, of those that were ``held`` while they came.

    It does not matter which of the events had happened when ``held`` was asked for: the first event of a control tells
    how it was before, so that no event is missed or counted twice.
    """
    before = set(held)
    for event in reversed([event for event in events if event.control in BUTTONS]):
        (before.discard if event.value >= 0.5 else before.add)(event.control)
    return before
