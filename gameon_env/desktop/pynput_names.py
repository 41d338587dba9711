"""Our names and pynput's: its virtual keys, on each system, and its mouse buttons."""

from __future__ import annotations

import os
import sys
from types import ModuleType
from typing import Any

from gameon_env.errors import InputError, MissingPartError
from gameon_env.keys import KEYS
from gameon_env.optional import require

ON_X11 = sys.platform not in ("win32", "darwin")
"""pynput is not the first choice here: see the listener and the injector for what it cannot do."""

X11_BUTTONS = {"mouse:left": "left", "mouse:middle": "middle", "mouse:right": "right"}
SIDE_BUTTONS = (
    {"mouse:back": "button8", "mouse:forward": "button9"} if ON_X11 else {"mouse:back": "x1", "mouse:forward": "x2"}
)
BUTTON_NAMES = X11_BUTTONS | ({} if sys.platform == "darwin" else SIDE_BUTTONS)
"""Control -> attribute of ``pynput.mouse.Button``."""
CONTROL_OF_BUTTON = {name: control for control, name in BUTTON_NAMES.items()}

# On X11 and macOS pynput reports what a key types: with Shift held, other characters than the key's own.
_US_SHIFTED = dict(zip('!@#$%^&*()_+{}|:"~<>?', "1234567890-=[]\\;'`,./", strict=True))
_CHARACTERS = {
    "-": "minus", "=": "equal", "[": "left_bracket", "]": "right_bracket", "\\": "backslash", ";": "semicolon",
    "'": "apostrophe", "`": "grave", ",": "comma", ".": "period", "/": "slash", " ": "space",
}  # fmt: skip


def load(display: str | None) -> tuple[ModuleType, ModuleType]:
    """``pynput.keyboard`` and ``pynput.mouse``.

    Raises:
        InputError: pynput cannot reach this display: on X11 it knows only the one that ``$DISPLAY`` names.
        MissingPartError: pynput is not installed.
    """
    if ON_X11:
        named = os.environ.get("DISPLAY")
        if not named or (display or named) != named:
            raise InputError(
                f"pynput knows only the display that DISPLAY names ({named or 'not set'}), not {display or 'another'}: "
                'set DISPLAY, or use the backend "x11"'
            )
    try:
        return require("pynput.keyboard", "the input backend"), require("pynput.mouse", "the input backend")
    except MissingPartError as error:
        if "X connection" in str(error):
            raise InputError(f"pynput cannot reach display {os.environ.get('DISPLAY')}: {error.__cause__}") from error
        raise


def virtual_keys() -> dict[str, int]:
    """Control -> what pynput calls ``vk``: a keysym on X11, a virtual-key code on Windows, a key code on macOS."""
    if ON_X11:
        from Xlib import XK

        return {f"key:{key.name}": XK.string_to_keysym(key.keysym) for key in KEYS.values()}
    on_windows = sys.platform == "win32"
    return {f"key:{key.name}": key.windows_vk if on_windows else key.mac_vk for key in KEYS.values()}


def control_of_vk() -> dict[int, str]:
    """The other way round; of two keys with one number (Windows: both Enter keys) the first."""
    table: dict[int, str] = {}
    for control, vk in virtual_keys().items():
        table.setdefault(vk, control)
    return table


def control_of_key(key: Any, by_vk: dict[int, str]) -> str | None:
    """The control of a ``pynput`` key, or None for a key that has no name here."""
    code = getattr(key, "value", key)  # a named key is an enum around a key code
    if code is None:
        return None
    if code.vk is not None and code.vk in by_vk:
        return by_vk[code.vk]
    if not code.char:
        return None
    character = _US_SHIFTED.get(code.char, code.char).lower()
    name = _CHARACTERS.get(character, character)
    return f"key:{name}" if name in KEYS else None


def close_controller(controller: Any) -> None:
    """Close the connection of a controller, which pynput does only when it is collected, and not without noise."""
    connection = controller.__dict__.pop("_display", None)
    if connection is not None:
        try:
            connection.close()
        except Exception:  # noqa: BLE001 - python-xlib's own errors: the display went first
            connection.display.socket.close()
