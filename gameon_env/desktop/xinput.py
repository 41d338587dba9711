"""XInput 2 on the wire: which devices there are, and their raw events."""

from __future__ import annotations

import struct
from dataclasses import dataclass

from gameon_env.desktop.x11 import GENERIC_EVENT, Wire

EXTENSION = "XInputExtension"
HIERARCHY_CHANGED = 11
KEY_PRESS, KEY_RELEASE, BUTTON_PRESS, BUTTON_RELEASE, MOTION = 13, 14, 15, 16, 17
RAW_EVENTS = (KEY_PRESS, KEY_RELEASE, BUTTON_PRESS, BUTTON_RELEASE, MOTION)
_ALL_DEVICES, _ALL_MASTER_DEVICES = 0, 1
_VALUATOR_CLASS, _ABSOLUTE = 2, 1


@dataclass(frozen=True, slots=True)
class Device:
    """A source of events. ``absolute``: axis -> (lowest, highest) for tablets and touch screens, else empty."""

    is_xtest: bool
    absolute: dict[int, tuple[float, float]]


NO_DEVICE = Device(False, {})


def agree_on_version(wire: Wire) -> None:
    """Below version 2.1 raw events stop while a game grabs the pointer, and do not name their source."""
    wire.request(struct.pack("=BBHHH", wire.opcode(EXTENSION), 47, 2, 2, 2))


def select_raw_events(wire: Wire) -> None:
    """Ask for the raw events of all devices, and for news of devices that come and go."""
    raw = sum(1 << number for number in RAW_EVENTS)
    masks = struct.pack("=HHIHHI", _ALL_MASTER_DEVICES, 1, raw, _ALL_DEVICES, 1, 1 << HIERARCHY_CHANGED)
    wire.send(struct.pack("=BBHIHxx", wire.opcode(EXTENSION), 46, 3 + len(masks) // 4, wire.root, 2) + masks)


def query_devices(wire: Wire) -> dict[int, Device]:
    """All devices by id."""
    reply = wire.request(struct.pack("=BBHHxx", wire.opcode(EXTENSION), 48, 2, _ALL_DEVICES))
    (count,) = struct.unpack_from("=H", reply, 8)
    offset, devices = 32, {}
    for _ in range(count):
        number, _, _, classes, name_size = struct.unpack_from("=HHHHH", reply, offset)
        name = reply[offset + 12 : offset + 12 + name_size].decode(errors="replace")
        offset += 12 + (name_size + 3) // 4 * 4
        absolute = {}
        for _ in range(classes):
            kind_of_class, length = struct.unpack_from("=HH", reply, offset)
            if kind_of_class == _VALUATOR_CLASS and reply[offset + 40] == _ABSOLUTE:
                axis, _, low, low_part, high, high_part = struct.unpack_from("=HIiIiI", reply, offset + 6)
                absolute[axis] = (low + low_part / 2**32, high + high_part / 2**32)
            offset += 4 * length
        devices[number] = Device("XTEST" in name, absolute)
    return devices


def kind(packet: bytes) -> int:
    """The XInput2 event type; -1 for any other packet."""
    if packet[0] & 0x7F != GENERIC_EVENT:
        return -1
    number: int = struct.unpack_from("=H", packet, 8)[0]
    return number


def source(packet: bytes) -> int:
    """The id of the device that an event came from."""
    number: int = struct.unpack_from("=H", packet, 20)[0]
    return number


def raw_axes(packet: bytes) -> dict[int, float]:
    """Axis -> unaccelerated value of a raw motion."""
    (words,) = struct.unpack_from("=H", packet, 22)
    mask = int.from_bytes(packet[32 : 32 + 4 * words], "little")
    axes = [axis for axis in range(32 * words) if mask >> axis & 1]
    # The accelerated values come first, as many again are the raw ones.
    raw = struct.unpack_from(f"={'iI' * len(axes)}", packet, 32 + 4 * words + 8 * len(axes))
    return {axis: raw[2 * i] + raw[2 * i + 1] / 2**32 for i, axis in enumerate(axes)}
