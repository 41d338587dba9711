"""Making input on X11: XTEST, which games cannot tell from a keyboard and a mouse."""

from __future__ import annotations

import os
import struct

from gameon_env.desktop.inject import check_button
from gameon_env.desktop.watchdog import Watchdog
from gameon_env.desktop.x11 import BUTTON_OF, Wire
from gameon_env.errors import InputError

_KEY_PRESS, _KEY_RELEASE, _BUTTON_PRESS, _BUTTON_RELEASE, _MOTION = 2, 3, 4, 5, 6
_WHEEL_UP, _WHEEL_DOWN = 4, 5
_MOST = 32767


class X11Injector:
    """XTEST on one display: all of a step goes out in one write, followed by one round trip (some 50 us)."""

    backend = "x11"
    relative_motion = True

    def __init__(self, display: str | None, watchdog: Watchdog | None = None) -> None:
        self._wire = Wire(display)
        self._opcode = self._wire.opcode("XTEST")
        self._watchdog = watchdog
        self._owner_pid = os.getpid()
        self._pending = bytearray()
        self._pressing: set[str] = set()
        self._releasing: set[str] = set()
        self._held: dict[str, str] = {}
        self._closed = False

    @property
    def held(self) -> frozenset[str]:
        return frozenset(self._held)

    def press(self, control: str) -> None:
        check_button(control)
        if control in self._held:
            return
        code = self._code(control)
        self._held[control] = code
        self._pressing.add(code)
        self._add(_KEY_PRESS if code[0] == "k" else _BUTTON_PRESS, int(code[1:]))

    def release(self, control: str) -> None:
        check_button(control)
        code = self._held.pop(control, None)
        if code is None:
            return
        self._releasing.add(code)
        self._add(_KEY_RELEASE if code[0] == "k" else _BUTTON_RELEASE, int(code[1:]))

    def move(self, dx: int, dy: int) -> None:
        while dx or dy:
            part_x, part_y = max(-_MOST, min(_MOST, dx)), max(-_MOST, min(_MOST, dy))
            self._add(_MOTION, 1, part_x, part_y)
            dx, dy = dx - part_x, dy - part_y

    def move_to(self, x: int, y: int) -> None:
        # WarpPointer, not XTEST: listeners to raw events take XTEST's absolute motion for a relative one.
        self._pending += struct.pack("=BxHIIhhHHhh", 41, 6, 0, self._wire.root, 0, 0, 0, 0, x, y)

    def scroll(self, notches: int) -> None:
        button = _WHEEL_UP if notches > 0 else _WHEEL_DOWN
        for _ in range(abs(notches)):
            self._add(_BUTTON_PRESS, button)
            self._add(_BUTTON_RELEASE, button)

    def flush(self) -> None:
        if self._closed:
            raise InputError("this injector is closed")
        if not self._pending or os.getpid() != self._owner_pid:
            return
        if self._watchdog is not None and self._pressing:
            self._watchdog.hold(self._pressing)
        self._send_pending()
        if self._watchdog is not None and self._releasing:
            # Pressed again in the same step: still held.
            self._watchdog.free(self._releasing - set(self._held.values()))
        self._pressing.clear()
        self._releasing.clear()

    def release_all(self) -> None:
        # Whatever else is wrong, what is down goes up: what was never sent is dropped, and no watchdog is needed.
        codes = (set(self._held.values()) - self._pressing) | self._releasing
        self._pending.clear()
        self._pressing.clear()
        self._releasing.clear()
        self._held.clear()
        if self._closed or not codes or os.getpid() != self._owner_pid:
            return
        for code in sorted(codes):
            self._add(_KEY_RELEASE if code[0] == "k" else _BUTTON_RELEASE, int(code[1:]))
        self._send_pending()
        if self._watchdog is not None and self._watchdog.alive:
            self._watchdog.free(codes)

    def close(self) -> None:
        if self._closed:
            return
        # What is held is released even where the watchdog is gone.
        watchdog, self._watchdog = self._watchdog, None
        codes = self._releasing | set(self._held.values())
        try:
            self.release_all()
            if watchdog is not None and codes:
                watchdog.free(codes)
        except InputError:
            pass  # the display is gone, and with it all that was held there; or the watchdog is
        finally:
            self._closed = True
            self._wire.close()

    def _send_pending(self) -> None:
        data = bytes(self._pending)
        self._pending.clear()
        try:
            self._wire.send(data)
            self._wire.sync()
        except OSError as error:
            raise InputError(f"input cannot be injected, display {self._wire.name} is gone: {error}") from error

    def _code(self, control: str) -> str:
        if control in BUTTON_OF:
            return f"b{BUTTON_OF[control]}"
        keycode = self._wire.keymap.keycode_of.get(control)
        if keycode is None:
            raise InputError(f"display {self._wire.name} has no key for {control!r}: choose another key")
        return f"k{keycode}"

    def _add(self, kind: int, detail: int, x: int = 0, y: int = 0) -> None:
        self._pending += struct.pack("=BBHBB2xII8xhh7xB", self._opcode, 2, 9, kind, detail, 0, 0, x, y, 0)
