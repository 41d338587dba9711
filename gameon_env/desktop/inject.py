"""Making input: one contract, and the choice of its backend."""

from __future__ import annotations

from typing import Protocol

from gameon_env.desktop.listen import choose_backend
from gameon_env.desktop.watchdog import Watchdog
from gameon_env.errors import InputError
from gameon_env.keys import BUTTONS, check_control


class Injector(Protocol):
    """The contract of an injecting backend. Nothing happens before :meth:`flush`, which keeps the order.

    Attributes:
        backend: its name.
        relative_motion: whether :meth:`move` is relative for games too: N counts arrive as N counts in a game that
            locks the pointer. Otherwise it moves the pointer to a place.
        held: the keys and buttons that it holds, those still waiting for :meth:`flush` included.
    """

    backend: str
    relative_motion: bool

    @property
    def held(self) -> frozenset[str]: ...

    def press(self, control: str) -> None:
        """Press ``key:...`` or a mouse button; what it holds already stays as it is, without another press.

        Raises:
            UnknownNameError: no such control; the message suggests the nearest.
            InputError: a control that cannot be pressed: an axis, a gamepad's, a key this display does not have.
        """
        ...

    def release(self, control: str) -> None:
        """Release what it holds itself; anything else is left alone, for somebody else may hold it."""
        ...

    def move(self, dx: int, dy: int) -> None:
        """Move the mouse by counts, right and down positive."""
        ...

    def move_to(self, x: int, y: int) -> None:
        """Move the pointer to a pixel of the display."""
        ...

    def scroll(self, notches: int) -> None:
        """Turn the wheel; up, away from the person, is positive."""
        ...

    def flush(self) -> None:
        """Send all of the above; returns when the display has it.

        Raises:
            InputError: the display is gone.
        """
        ...

    def release_all(self) -> None:
        """Release all that it holds, at once."""
        ...

    def close(self) -> None:
        """Release all that it holds and let go of the display; more calls do nothing."""
        ...


def open_injector(display: str | None, backend: str = "auto", watchdog: Watchdog | None = None) -> Injector:
    """An injector on ``display`` (``None``: this desktop's).

    Args:
        display: the display's name.
        backend: ``"x11"``, ``"pynput"``, or ``"auto"``: x11 on Linux, pynput on Windows and macOS.
        watchdog: is told what will be held before it is pressed.

    Raises:
        UnknownNameError: no such backend.
        DisplayError: nothing answers at that display.
        MissingPartError: pynput is not installed.
    """
    if choose_backend(backend) == "x11":
        from gameon_env.desktop.inject_x11 import X11Injector

        return X11Injector(display, watchdog)
    from gameon_env.desktop.inject_pynput import PynputInjector

    return PynputInjector(display, watchdog)


def check_button(control: str) -> str:
    """Return ``control`` where it is a key or mouse button.

    Raises:
        UnknownNameError: no control has this name.
        InputError: it is an axis or a gamepad's.
    """
    check_control(control)
    if control.startswith("pad:"):
        raise InputError(f"{control!r} cannot be injected: gamepads are recorded, not played. Use keys and the mouse.")
    if control not in BUTTONS:
        raise InputError(f"{control!r} is an axis, not a key or button: use move, move_to or scroll")
    return control
