"""Canonical control names, and the one table that says what each key is called elsewhere.

Key names are *physical*: ``key:w`` is the key right of ``key:q`` on a US keyboard, whatever letter is printed on it.
X11 and Windows are addressed by the columns below; a layout changes what a key types, not its name here.
"""

from __future__ import annotations

from dataclasses import dataclass

from gameon_env.errors import UnknownNameError, suggest


@dataclass(frozen=True, slots=True)
class Key:
    """One physical key.

    Attributes:
        name: the canonical name without ``key:``.
        evdev: Linux input event code (``linux/input-event-codes.h``); the X11 keycode is this + 8.
        keysym: X11 keysym name on the US layout, for X servers whose keycodes are not evdev's.
        windows_vk: Windows virtual-key code on the US layout.
        mac_vk: macOS ``kVK`` code (``HIToolbox/Events.h``).
    """

    name: str
    evdev: int
    keysym: str
    windows_vk: int
    mac_vk: int


KEYS: dict[str, Key] = {
    key.name: key
    for key in (
        Key("a", 30, "a", 0x41, 0),
        Key("b", 48, "b", 0x42, 11),
        Key("c", 46, "c", 0x43, 8),
        Key("d", 32, "d", 0x44, 2),
        Key("e", 18, "e", 0x45, 14),
        Key("f", 33, "f", 0x46, 3),
        Key("g", 34, "g", 0x47, 5),
        Key("h", 35, "h", 0x48, 4),
        Key("i", 23, "i", 0x49, 34),
        Key("j", 36, "j", 0x4A, 38),
        Key("k", 37, "k", 0x4B, 40),
        Key("l", 38, "l", 0x4C, 37),
        Key("m", 50, "m", 0x4D, 46),
        Key("n", 49, "n", 0x4E, 45),
        Key("o", 24, "o", 0x4F, 31),
        Key("p", 25, "p", 0x50, 35),
        Key("q", 16, "q", 0x51, 12),
        Key("r", 19, "r", 0x52, 15),
        Key("s", 31, "s", 0x53, 1),
        Key("t", 20, "t", 0x54, 17),
        Key("u", 22, "u", 0x55, 32),
        Key("v", 47, "v", 0x56, 9),
        Key("w", 17, "w", 0x57, 13),
        Key("x", 45, "x", 0x58, 7),
        Key("y", 21, "y", 0x59, 16),
        Key("z", 44, "z", 0x5A, 6),
        Key("1", 2, "1", 0x31, 18),
        Key("2", 3, "2", 0x32, 19),
        Key("3", 4, "3", 0x33, 20),
        Key("4", 5, "4", 0x34, 21),
        Key("5", 6, "5", 0x35, 23),
        Key("6", 7, "6", 0x36, 22),
        Key("7", 8, "7", 0x37, 26),
        Key("8", 9, "8", 0x38, 28),
        Key("9", 10, "9", 0x39, 25),
        Key("0", 11, "0", 0x30, 29),
        Key("space", 57, "space", 0x20, 49),
        Key("enter", 28, "Return", 0x0D, 36),
        Key("escape", 1, "Escape", 0x1B, 53),
        Key("backspace", 14, "BackSpace", 0x08, 51),
        Key("tab", 15, "Tab", 0x09, 48),
        Key("caps_lock", 58, "Caps_Lock", 0x14, 57),
        Key("left_shift", 42, "Shift_L", 0xA0, 56),
        Key("right_shift", 54, "Shift_R", 0xA1, 60),
        Key("left_ctrl", 29, "Control_L", 0xA2, 59),
        Key("right_ctrl", 97, "Control_R", 0xA3, 62),
        Key("left_alt", 56, "Alt_L", 0xA4, 58),
        Key("right_alt", 100, "Alt_R", 0xA5, 61),
        Key("left_super", 125, "Super_L", 0x5B, 55),
        Key("right_super", 126, "Super_R", 0x5C, 54),
        Key("menu", 127, "Menu", 0x5D, 110),
        Key("up", 103, "Up", 0x26, 126),
        Key("down", 108, "Down", 0x28, 125),
        Key("left", 105, "Left", 0x25, 123),
        Key("right", 106, "Right", 0x27, 124),
        Key("insert", 110, "Insert", 0x2D, 114),
        Key("delete", 111, "Delete", 0x2E, 117),
        Key("home", 102, "Home", 0x24, 115),
        Key("end", 107, "End", 0x23, 119),
        Key("page_up", 104, "Prior", 0x21, 116),
        Key("page_down", 109, "Next", 0x22, 121),
        Key("minus", 12, "minus", 0xBD, 27),
        Key("equal", 13, "equal", 0xBB, 24),
        Key("left_bracket", 26, "bracketleft", 0xDB, 33),
        Key("right_bracket", 27, "bracketright", 0xDD, 30),
        Key("backslash", 43, "backslash", 0xDC, 42),
        Key("semicolon", 39, "semicolon", 0xBA, 41),
        Key("apostrophe", 40, "apostrophe", 0xDE, 39),
        Key("grave", 41, "grave", 0xC0, 50),
        Key("comma", 51, "comma", 0xBC, 43),
        Key("period", 52, "period", 0xBE, 47),
        Key("slash", 53, "slash", 0xBF, 44),
        Key("iso_extra", 86, "less", 0xE2, 10),
        Key("print_screen", 99, "Print", 0x2C, 105),
        Key("scroll_lock", 70, "Scroll_Lock", 0x91, 107),
        Key("pause", 119, "Pause", 0x13, 113),
        Key("num_lock", 69, "Num_Lock", 0x90, 71),
        Key("f1", 59, "F1", 0x70, 122),
        Key("f2", 60, "F2", 0x71, 120),
        Key("f3", 61, "F3", 0x72, 99),
        Key("f4", 62, "F4", 0x73, 118),
        Key("f5", 63, "F5", 0x74, 96),
        Key("f6", 64, "F6", 0x75, 97),
        Key("f7", 65, "F7", 0x76, 98),
        Key("f8", 66, "F8", 0x77, 100),
        Key("f9", 67, "F9", 0x78, 101),
        Key("f10", 68, "F10", 0x79, 109),
        Key("f11", 87, "F11", 0x7A, 103),
        Key("f12", 88, "F12", 0x7B, 111),
        Key("numpad_0", 82, "KP_0", 0x60, 82),
        Key("numpad_1", 79, "KP_1", 0x61, 83),
        Key("numpad_2", 80, "KP_2", 0x62, 84),
        Key("numpad_3", 81, "KP_3", 0x63, 85),
        Key("numpad_4", 75, "KP_4", 0x64, 86),
        Key("numpad_5", 76, "KP_5", 0x65, 87),
        Key("numpad_6", 77, "KP_6", 0x66, 88),
        Key("numpad_7", 71, "KP_7", 0x67, 89),
        Key("numpad_8", 72, "KP_8", 0x68, 91),
        Key("numpad_9", 73, "KP_9", 0x69, 92),
        Key("numpad_decimal", 83, "KP_Decimal", 0x6E, 65),
        Key("numpad_divide", 98, "KP_Divide", 0x6F, 75),
        Key("numpad_multiply", 55, "KP_Multiply", 0x6A, 67),
        Key("numpad_subtract", 74, "KP_Subtract", 0x6D, 78),
        Key("numpad_add", 78, "KP_Add", 0x6B, 69),
        Key("numpad_enter", 96, "KP_Enter", 0x0D, 76),
    )
}
"""All keys by name."""

MOUSE_BUTTONS = ("mouse:left", "mouse:middle", "mouse:right", "mouse:back", "mouse:forward")
MOUSE_MOTION = ("mouse:dx", "mouse:dy")
MOUSE_POSITION = ("mouse:x", "mouse:y")
MOUSE_WHEEL = "mouse:wheel"
PAD_BUTTONS = tuple(
    f"pad:{name}"
    for name in (
        "a", "b", "x", "y", "back", "guide", "start", "left_stick", "right_stick", "left_shoulder",
        "right_shoulder", "dpad_up", "dpad_down", "dpad_left", "dpad_right",
    )
)  # fmt: skip
PAD_AXES = tuple(f"pad:{name}" for name in ("left_x", "left_y", "right_x", "right_y", "left_trigger", "right_trigger"))

BUTTONS = frozenset([*(f"key:{name}" for name in KEYS), *MOUSE_BUTTONS, *PAD_BUTTONS])
"""Controls that are up or down."""
AXES = frozenset([*MOUSE_MOTION, *MOUSE_POSITION, MOUSE_WHEEL, *PAD_AXES])
"""Controls with a value."""
CONTROLS = BUTTONS | AXES


def check_control(name: str) -> str:
    """Return ``name`` where it is a canonical control name.

    Raises:
        UnknownNameError: it is none; the message suggests the nearest one.
    """
    if name in CONTROLS:
        return name
    hint = suggest(name, CONTROLS) or suggest(f"key:{name}".lower(), CONTROLS)
    raise UnknownNameError(
        f"unknown control {name!r}: controls are named like 'key:w', 'key:left_shift', 'mouse:left', 'mouse:dx'.{hint}"
    )
