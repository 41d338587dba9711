"""How the original GameOn, and the libraries it heard input with, call keys, buttons and axes; our names for them."""

from __future__ import annotations

import ast

from gameon_env.keys import CONTROLS, KEYS, PAD_AXES

_PYNPUT = {
    "alt": "left_alt", "alt_l": "left_alt", "alt_r": "right_alt", "alt_gr": "right_alt", "cmd": "left_super",
    "cmd_l": "left_super", "cmd_r": "right_super", "ctrl": "left_ctrl", "ctrl_l": "left_ctrl",
    "ctrl_r": "right_ctrl", "esc": "escape", "shift": "left_shift", "shift_l": "left_shift",
    "shift_r": "right_shift",
}  # fmt: skip
"""``pynput.keyboard.Key``; what is not here is called the same (``space``, ``page_up``, ``f5``)."""

_OTHERS = {
    "return": "enter", "control": "left_ctrl", "left_control": "left_ctrl", "right_control": "right_ctrl",
    "windows": "left_super", "win": "left_super", "left_windows": "left_super", "right_windows": "right_super",
    "spacebar": "space", "pageup": "page_up", "pagedown": "page_down", "pgup": "page_up", "pgdn": "page_down",
    "capslock": "caps_lock", "numlock": "num_lock", "del": "delete", "ins": "insert", "apps": "menu",
    "up_arrow": "up", "down_arrow": "down", "left_arrow": "left", "right_arrow": "right",
}  # fmt: skip
_KEYSYMS = {key.keysym.lower(): key.name for key in KEYS.values() if len(key.keysym) > 1}
_WINDOWS_VKS = {key.windows_vk: key.name for key in reversed(KEYS.values())}
_KEYPAD = {
    **{0xFFB0 + digit: f"numpad_{digit}" for digit in range(10)},
    **dict(zip(range(0xFF95, 0xFF9F), (f"numpad_{digit}" for digit in "7486293150"), strict=True)),  # without Num Lock
    0xFF9F: "numpad_decimal", 0xFF8D: "numpad_enter", 0xFFAA: "numpad_multiply", 0xFFAB: "numpad_add",
    0xFFAD: "numpad_subtract", 0xFFAE: "numpad_decimal", 0xFFAF: "numpad_divide",
}  # fmt: skip
"""X11 keysyms (``keysymdef.h``): pynput gives the numeric pad as numbers there, and virtual-key codes on Windows."""

# What a key types with Shift on the US layout; a program that hears characters cannot tell more.
_TYPED = dict(zip('!@#$%^&*()_+{}|:"~<>?', "1234567890-=[]\\;'`,./", strict=True))
_CHARACTERS = {
    "-": "minus", "=": "equal", "[": "left_bracket", "]": "right_bracket", "\\": "backslash", ";": "semicolon",
    "'": "apostrophe", "`": "grave", ",": "comma", ".": "period", "/": "slash", " ": "space",
    "\t": "tab", "\r": "enter", "\n": "enter", "\x1b": "escape", "\x7f": "delete",
}  # fmt: skip

_MOUSE = {
    "left": "mouse:left", "right": "mouse:right", "middle": "mouse:middle", "x1": "mouse:back", "x2": "mouse:forward",
    "button8": "mouse:back", "button9": "mouse:forward", "back": "mouse:back", "forward": "mouse:forward",
}  # fmt: skip

_PADS = {
    "cross": "a", "circle": "b", "square": "x", "triangle": "y", "btn_south": "a", "btn_east": "b", "btn_west": "x",
    "btn_north": "y", "share": "back", "select": "back", "create": "back", "btn_select": "back", "options": "start",
    "menu": "start", "btn_start": "start", "ps": "guide", "home": "guide", "xbox": "guide", "btn_mode": "guide",
    "view": "back", "lb": "left_shoulder", "l1": "left_shoulder", "left_bumper": "left_shoulder",
    "btn_tl": "left_shoulder", "rb": "right_shoulder", "r1": "right_shoulder", "right_bumper": "right_shoulder",
    "btn_tr": "right_shoulder", "ls": "left_stick", "l3": "left_stick", "left_thumb": "left_stick",
    "btn_thumbl": "left_stick", "rs": "right_stick", "r3": "right_stick", "right_thumb": "right_stick",
    "btn_thumbr": "right_stick", "up": "dpad_up", "down": "dpad_down", "left": "dpad_left", "right": "dpad_right",
    "lt": "left_trigger", "l2": "left_trigger", "abs_z": "left_trigger", "rt": "right_trigger",
    "r2": "right_trigger", "abs_rz": "right_trigger", "left_stick_x": "left_x", "abs_x": "left_x", "lx": "left_x",
    "left_stick_y": "left_y", "abs_y": "left_y", "ly": "left_y", "right_stick_x": "right_x", "abs_rx": "right_x",
    "rx": "right_x", "right_stick_y": "right_y", "abs_ry": "right_y", "ry": "right_y",
}  # fmt: skip


def control_named(device: str, name: str) -> str | None:
    """Our name of what ``name`` is called on ``device`` (``keyboard``, ``mouse``, ``xbox``, ``playstation``), or None.

    Both styles of the original: a character or ``Key.space``, ``Button.left``; with quotes, in upper case, and as
    other libraries say it (``Shift_L``, ``left shift``, ``<96>``). A bare ``Key.shift`` is the left one.
    """
    if name in CONTROLS:
        return name
    text = _unquoted(name)
    if device == "keyboard":
        key = _key(text)
        return f"key:{key}" if key is not None else None
    plain = _plain(text)
    if device == "mouse":
        return _MOUSE.get(plain.removeprefix("button.").removeprefix("mouse_").removesuffix("_button"))
    if device in ("xbox", "playstation"):
        plain = plain.removeprefix("button.").removeprefix("button_")
        control = f"pad:{_PADS.get(plain, plain)}"
        return control if control in CONTROLS else None
    return None


def pad_level(control: str, value: float) -> float:
    """A pad's axis as we have it; the original stores what its library gave: [-1, 1] or whole numbers."""
    if abs(value) > 1.0:
        trigger = control.endswith("trigger")
        value /= next((end for end in (255, 1023) if trigger and value <= end), 32767)
    return min(1.0, max(0.0 if control in PAD_AXES[4:] else -1.0, value))


def _key(text: str) -> str | None:
    if len(text) == 1:
        if "\x01" <= text <= "\x1a" and text not in _CHARACTERS:  # a letter with Ctrl held
            text = chr(ord(text) + ord("a") - 1)
        character = _TYPED.get(text, text).lower()
        found = _CHARACTERS.get(character, character)
        return found if found in KEYS else None
    if text.startswith("<") and text.endswith(">") and text[1:-1].isdecimal():
        number = int(text[1:-1])
        return _KEYPAD.get(number) or _WINDOWS_VKS.get(number)
    plain = _plain(text).removeprefix("key.")
    names = (plain, _PYNPUT.get(plain), _OTHERS.get(plain), _KEYSYMS.get(plain))
    return next((name for name in names if name in KEYS), None)


def _plain(text: str) -> str:
    return text.strip().lower().replace(" ", "_").replace("-", "_")


def _unquoted(text: str) -> str:
    """``w`` of ``'w'``: what ``str()`` makes of a key in pynput."""
    if len(text) >= 3 and text[0] == text[-1] and text[0] in "'\"":
        try:
            inner = ast.literal_eval(text)
        except (SyntaxError, ValueError):
            return text
        return inner if isinstance(inner, str) else text
    return text
