"""Plays the person at the keyboard and mouse of a virtual display.

XTEST can make events on a given device: on "Xvfb keyboard" and "Xvfb mouse" they are what a real device's are.
"""

from __future__ import annotations

import struct
from typing import Self

from gameon_env.desktop.x11 import BUTTON_OF, Wire

# Offsets of the XInput 1 events from the extension's first event (XI.h).
_VALUATOR, _KEY_PRESS, _KEY_RELEASE, _BUTTON_PRESS, _BUTTON_RELEASE, _MOTION = range(6)
_RELATIVE = 1


class PhysicalDevices:
    """The keyboard and three-button mouse of the virtual display ``name``."""

    def __init__(self, name: str) -> None:
        self._wire = Wire(name)
        self._xtest = self._wire.opcode("XTEST")
        query = struct.pack("=BxHHxx", 98, 2 + len(b"XInputExtension\0") // 4, len("XInputExtension"))
        self._first_event = self._wire.request(query + b"XInputExtension\0")[10]
        self._wire.request(struct.pack("=BBHHH", self._wire.opcode("XInputExtension"), 47, 2, 2, 2))
        reply = self._wire.request(struct.pack("=BBHHxx", self._wire.opcode("XInputExtension"), 48, 2, 0))
        self._keyboard, self._mouse = _find(reply, "Xvfb keyboard"), _find(reply, "Xvfb mouse")

    def press(self, control: str) -> None:
        self._change(control, _KEY_PRESS, _BUTTON_PRESS)

    def release(self, control: str) -> None:
        self._change(control, _KEY_RELEASE, _BUTTON_RELEASE)

    def move(self, dx: int, dy: int) -> None:
        motion = self._event(_MOTION, _RELATIVE, self._mouse)
        kind, axes = self._first_event + _VALUATOR, 2
        valuators = struct.pack("=BBHHBBiiiiii", kind, self._mouse, 0, 0, axes, 0, dx, dy, 0, 0, 0, 0)
        self._send(motion + valuators)

    def close(self) -> None:
        self._wire.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _change(self, control: str, key: int, button: int) -> None:
        if control in BUTTON_OF:
            self._send(self._event(button, BUTTON_OF[control], self._mouse))
        else:
            self._send(self._event(key, self._wire.keymap.keycode_of[control], self._keyboard))

    def _event(self, kind: int, detail: int, device: int) -> bytes:
        # bit 7 of the device says that valuators follow
        device |= 0x80 if kind == _MOTION else 0
        return struct.pack("=BB2xII8x4x7xB", self._first_event + kind, detail, 0, 0, device)

    def _send(self, events: bytes) -> None:
        self._wire.send(struct.pack("=BBH", self._xtest, 2, 1 + len(events) // 4) + events)
        self._wire.sync()


def _find(reply: bytes, wanted: str) -> int:
    offset = 32
    for _ in range(struct.unpack_from("=H", reply, 8)[0]):
        number, _, _, classes, size = struct.unpack_from("=HHHHH", reply, offset)
        name = reply[offset + 12 : offset + 12 + size].decode()
        if name == wanted:
            return int(number)
        offset += 12 + (size + 3) // 4 * 4
        for _ in range(classes):
            offset += 4 * struct.unpack_from("=HH", reply, offset)[1]
    raise LookupError(f"no device {wanted!r}")
