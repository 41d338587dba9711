"""Run as a program: reads gamepads through SDL and writes what changes as JSON lines, until its owner is gone.

SDL wants an event loop, and settings in the environment: in a process of its own it disturbs nobody's. Its lines on
stdout (``GamepadListener`` reads them):

- ``{"pad": {"id", "name", "guid", "mapping", "t_ns"}}``: one is there; ``{"gone": id, "t_ns": ...}``: no longer;
- ``{"ready": {control: value}}``: listening begins, and this is held already;
- ``[t_ns, control, value]``: an event;
- ``{"mark": n}``: the answer to line ``n`` on stdin: all that had happened when it came has been written.
"""

from __future__ import annotations

import json
import os
import sys
import threading
from collections.abc import Callable
from typing import Any

from gameon_env.clock import now_ns
from gameon_env.keys import PAD_AXES, PAD_BUTTONS

ENVIRONMENT = {
    "SDL_VIDEODRIVER": "dummy",
    "SDL_AUDIODRIVER": "dummy",
    "SDL_JOYSTICK_ALLOW_BACKGROUND_EVENTS": "1",  # the game has the focus, never this process
    "SDL_JOYSTICK_THREAD": "1",  # Windows: plugging is told to a window, and the dummy driver has none
    "SDL_NO_SIGNAL_HANDLERS": "1",
    "SDL_GAMECONTROLLER_USE_BUTTON_LABELS": "0",  # Nintendo's A is where others have B: names are places here
    "PYGAME_HIDE_SUPPORT_PROMPT": "1",
}
"""What SDL is told, on top of the owner's environment."""

PERIOD_S = 0.001
"""Between two looks at the pads: they report 125 to 1000 times a second."""
IDLE_PERIOD_S = 0.02
"""The same while there is none."""

_STICK_END = 32767


def level(control: str, raw: int) -> float:
    """SDL's 16 bit number of an axis as it is stored: sticks [-1, 1], triggers [0, 1]."""
    return max(0.0 if control.endswith("trigger") else -1.0, raw / _STICK_END)


class MergedPads:
    """What all pads together say: a button is down while it is down on any, an axis stands where it is farthest out.

    So whichever of several pads the person takes, it is heard, and the noise of those that lie there is not.
    """

    def __init__(self) -> None:
        self.values: dict[str, float] = {}
        self._of_pad: dict[int, dict[str, float]] = {}

    def set(self, pad: int, control: str, value: float) -> list[tuple[str, float]]:
        """Take in one value of one pad. Returns the change of the whole, if it is one."""
        self._of_pad.setdefault(pad, {})[control] = value
        return self._update(control)

    def remove(self, pad: int) -> list[tuple[str, float]]:
        """The pad is gone, and with it what was held on it."""
        return [change for control in self._of_pad.pop(pad, {}) for change in self._update(control)]

    def _update(self, control: str) -> list[tuple[str, float]]:
        value = max((values.get(control, 0.0) for values in self._of_pad.values()), key=abs, default=0.0)
        if value == self.values.get(control, 0.0):
            return []
        self.values[control] = value
        return [(control, value)]


class Owner:
    """The process that reads: its questions on stdin, and whether it is still there."""

    def __init__(self) -> None:
        self.gone = False
        self._called = threading.Event()
        self._marks: list[int] = []
        self._lock = threading.Lock()
        self._parent = os.getppid()
        threading.Thread(target=self._listen, daemon=True).start()

    def marks(self) -> list[int]:
        """The questions since the last call."""
        with self._lock:
            marks, self._marks = self._marks, []
            self._called.clear()
        if os.getppid() != self._parent:  # a forked sibling may keep the pipe open
            self.gone = True
        return marks

    def wait(self, seconds: float) -> None:
        """Sleep, but not through a question."""
        self._called.wait(seconds)

    def _listen(self) -> None:
        # Not sys.stdin, whose lock this thread would take to the interpreter's end.
        rest = b""
        while data := os.read(0, 4096):
            *lines, rest = (rest + data).split(b"\n")
            with self._lock:
                self._marks += map(int, lines)
                self._called.set()
        self.gone = True
        self._called.set()


def main() -> None:
    """Listen until the owner is gone."""
    # What a library prints must not get between the lines.
    output = os.dup(1)
    os.dup2(2, 1)
    owner = Owner()
    os.environ.update(ENVIRONMENT)
    pads = _Pads()
    lines = [*pads.look(), {"ready": {control: value for control, value in pads.merged.values.items() if value}}]
    while not owner.gone:
        try:
            _write(output, lines)
        except BrokenPipeError:
            return
        owner.wait(PERIOD_S if pads.open else IDLE_PERIOD_S)
        marks = owner.marks()
        lines = [*pads.changes(), *({"mark": mark} for mark in marks)]


class _Pads:
    """The pads that SDL has, opened as they come."""

    def __init__(self) -> None:
        import pygame
        from pygame._sdl2 import controller

        self._pygame, self._controller = pygame, controller
        pygame.display.init()  # its event queue needs it; the dummy driver shows nothing
        controller.init()
        self._kinds: dict[int, Callable[[Any], list[object]]] = {
            pygame.CONTROLLERBUTTONDOWN: lambda event: self._button(event, 1.0),
            pygame.CONTROLLERBUTTONUP: lambda event: self._button(event, 0.0),
            pygame.CONTROLLERAXISMOTION: self._axis,
            pygame.CONTROLLERDEVICEADDED: lambda _: self.look(),
            pygame.CONTROLLERDEVICEREMOVED: self._gone,
        }
        self.merged = MergedPads()
        self.open: dict[int, Any] = {}

    def changes(self) -> list[object]:
        """Lines for what happened since the last call."""
        events = self._pygame.event.get()
        return [line for event in events for line in self._kinds.get(event.type, lambda _: [])(event)]

    def look(self) -> list[object]:
        """Open the pads that came, and take what is held on them."""
        self._pygame.event.pump()
        lines: list[object] = []
        for index in range(self._controller.get_count()):
            try:
                pad = self._controller.Controller(index) if self._controller.is_controller(index) else None
                joystick = pad.as_joystick() if pad is not None else None
            except self._pygame.error as error:  # vanished meanwhile, or no right to read it
                print(f"gamepad {index} cannot be opened: {error}", file=sys.stderr)
                continue
            if pad is None or joystick is None or joystick.get_instance_id() in self.open:
                continue
            number = joystick.get_instance_id()
            self.open[number] = pad
            mapping = ",".join(f"{name}:{value}" for name, value in pad.get_mapping().items())
            facts = {"id": number, "name": pad.name, "guid": joystick.get_guid(), "mapping": mapping, "t_ns": now_ns()}
            lines.append({"pad": facts})
            self._pygame.event.pump()
            for button, control in enumerate(PAD_BUTTONS):
                lines += self._set(number, control, float(pad.get_button(button)))
            for axis, control in enumerate(PAD_AXES):
                lines += self._set(number, control, level(control, pad.get_axis(axis)))
        return lines

    def _button(self, event: Any, value: float) -> list[object]:
        # Paddles and touch pads come after those that have names.
        known = event.button < len(PAD_BUTTONS)
        return self._set(event.instance_id, PAD_BUTTONS[event.button], value) if known else []

    def _axis(self, event: Any) -> list[object]:
        control = PAD_AXES[event.axis]
        return self._set(event.instance_id, control, level(control, event.value))

    def _gone(self, event: Any) -> list[object]:
        pad = self.open.pop(event.instance_id, None)
        if pad is None:
            return []
        pad.quit()
        t_ns = now_ns()
        changes = [[t_ns, control, value] for control, value in self.merged.remove(event.instance_id)]
        return [*changes, {"gone": event.instance_id, "t_ns": t_ns}]

    def _set(self, pad: int, control: str, value: float) -> list[object]:
        if pad not in self.open:
            return []
        return [[now_ns(), *change] for change in self.merged.set(pad, control, value)]


def _write(output: int, lines: list[object]) -> None:
    data = "".join(json.dumps(line, separators=(",", ":")) + "\n" for line in lines).encode()
    while data:
        data = data[os.write(output, data) :]


if __name__ == "__main__":
    main()
