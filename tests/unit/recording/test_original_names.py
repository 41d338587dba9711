from __future__ import annotations

import pytest

from gameon_env.keys import KEYS
from gameon_env.recording.original_names import control_named, pad_level


@pytest.mark.parametrize(
    ("name", "control"),
    [
        ("w", "key:w"), ("W", "key:w"), ("'w'", "key:w"), ("'W'", "key:w"), ('"\'"', "key:apostrophe"),
        ("'\\\\'", "key:backslash"), ("1", "key:1"), ("!", "key:1"), ("?", "key:slash"), (" ", "key:space"),
        ("Key.space", "key:space"), ("Key.left", "key:left"), ("Key.shift", "key:left_shift"),
        ("Key.shift_l", "key:left_shift"), ("Key.shift_r", "key:right_shift"), ("Key.ctrl_r", "key:right_ctrl"),
        ("Key.alt_gr", "key:right_alt"), ("Key.cmd", "key:left_super"), ("Key.esc", "key:escape"),
        ("Key.page_up", "key:page_up"), ("Key.f12", "key:f12"), ("KEY.ENTER", "key:enter"),
        ("space", "key:space"), ("left shift", "key:left_shift"), ("Shift_L", "key:left_shift"),
        ("Return", "key:enter"), ("Prior", "key:page_up"), ("ESC", "key:escape"), ("\x01", "key:a"),
        ("<96>", "key:numpad_0"), ("<65437>", "key:numpad_5"), ("<65438>", "key:numpad_0"),
        ("<65461>", "key:numpad_5"), ("<65>", "key:a"), ("<13>", "key:enter"),
        ("key:left_ctrl", "key:left_ctrl"), ("+", "key:equal"), ("-", "key:minus"), (",", "key:comma"),
    ],
)  # fmt: skip
def test_keys(name: str, control: str) -> None:
    assert control_named("keyboard", name) == control


def test_every_key_is_known_by_its_own_name_and_by_its_keysym() -> None:
    for key in KEYS.values():
        assert control_named("keyboard", key.name) == f"key:{key.name}"
        assert control_named("keyboard", key.keysym) == f"key:{key.name}"


@pytest.mark.parametrize(
    ("device", "name", "control"),
    [
        ("mouse", "Button.left", "mouse:left"), ("mouse", "right", "mouse:right"), ("mouse", "Button.x1", "mouse:back"),
        ("mouse", "Button.button9", "mouse:forward"), ("mouse", "LEFT_BUTTON", "mouse:left"),
        ("xbox", "A", "pad:a"), ("xbox", "LB", "pad:left_shoulder"), ("xbox", "DPAD_UP", "pad:dpad_up"),
        ("xbox", "BTN_SOUTH", "pad:a"), ("xbox", "left_trigger", "pad:left_trigger"),
        ("xbox", "ABS_RY", "pad:right_y"), ("playstation", "R2", "pad:right_trigger"),
        ("playstation", "cross", "pad:a"), ("playstation", "Triangle", "pad:y"),
        ("playstation", "options", "pad:start"), ("playstation", "left_stick_x", "pad:left_x"),
    ],
)  # fmt: skip
def test_mouse_and_pads(device: str, name: str, control: str) -> None:
    assert control_named(device, name) == control


@pytest.mark.parametrize(
    ("device", "name"),
    [("keyboard", "Key.media_next"), ("keyboard", "ü"), ("keyboard", ""), ("keyboard", "<999999>"), ("keyboard", "'"*3),
     ("mouse", "Button.unknown"), ("xbox", "button_17"), ("wheel", "left")],
)  # fmt: skip
def test_what_has_no_name_here_is_none(device: str, name: str) -> None:
    assert control_named(device, name) is None


def test_axes_come_in_our_ranges() -> None:
    assert pad_level("pad:left_x", -0.25) == -0.25
    assert pad_level("pad:left_x", -32768) == -1.0
    assert pad_level("pad:left_trigger", 255) == 1.0
    assert pad_level("pad:left_trigger", 1023) == 1.0
    assert pad_level("pad:right_trigger", -1.0) == 0.0
