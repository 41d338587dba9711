"""The focus on X11: XInput2's focus events, which the server stamps by the clock of the input events."""

from __future__ import annotations

import struct

from gameon_env.clock import now_ns
from gameon_env.desktop import xinput
from gameon_env.desktop.focus import FocusWatch
from gameon_env.desktop.windows import Window
from gameon_env.desktop.x11 import Wire
from gameon_env.errors import DisplayError

_ENTER, _LEAVE, _FOCUS_IN, _FOCUS_OUT = 7, 8, 9, 10
_NORMAL, _GRAB, _UNGRAB = 0, 1, 2
_INFERIOR, _POINTER = 2, 5
"""Details of an event: the other window is a part of this one, so nothing changes; the focus is the pointer's."""

_ALL_MASTER_DEVICES = 1
_REPLY = 1
_WHERE_THE_POINTER_IS = 1
_GET_INPUT_FOCUS = struct.pack("=BxH", 43, 1)
_STAMP_NS = 1_000_000
_LAG_NS = 2 * _STAMP_NS
"""The server stamps whole milliseconds, perhaps of a clock that itself ticks once a millisecond."""


class X11Focus(FocusWatch):
    """Focus events of one window, on a connection of its own.

    Also without the focus is a game while another program has grabbed the keyboard (a screen lock, a password dialog,
    a window manager's switcher): the keys go there. Where the focus is wherever the pointer is, as on a display
    without a window manager before anybody set it, the pointer's entering and leaving count.

    Each look asks the server a question on the connection that brings the events: what happened before comes first.
    """

    backend = "x11 focus events"

    def __init__(self, display: str | None, window: Window) -> None:
        self._window = window
        self._wire = Wire(display)
        self._grabbed = False
        self._focus = 0
        self._last_ns = 0
        try:
            xinput.agree_on_version(self._wire)
            self._select_events()
            self._look()
            self.confirmed_ns = now_ns()
            self.focused = window.focused
        except (OSError, DisplayError) as error:
            self.close()
            raise DisplayError(f"display {self._wire.name} does not tell who has the focus: {error}") from error

    def transitions(self) -> list[tuple[int, bool]]:
        changes: list[tuple[int, bool]] = []
        try:
            asked_ns = now_ns()
            known, packets = self._focus, self._look()
            # The focus moves between the frame around the game and other windows without an event for the game.
            while packets or self._focus != known:
                for packet in packets:
                    self._follow(packet, changes)
                focused = self._window.focused and not self._grabbed
                asked_ns = now_ns()
                known, packets = self._focus, self._look()
                if not packets and self._focus == known:
                    if focused and not self.focused:
                        self._select_events()  # a window that is opened anew may have the number of the last
                    self._note(changes, focused, asked_ns if focused else self.confirmed_ns)
        except OSError as error:
            raise DisplayError(f"display {self._wire.name} is gone: {error}") from error
        self.confirmed_ns = max(self.confirmed_ns, asked_ns - _LAG_NS)
        return changes

    def close(self) -> None:
        self._wire.close()

    def _select_events(self) -> None:
        events = sum(1 << kind for kind in (_ENTER, _LEAVE, _FOCUS_IN, _FOCUS_OUT))
        mask = struct.pack("=HHI", _ALL_MASTER_DEVICES, 1, events)
        opcode = self._wire.opcode(xinput.EXTENSION)
        self._wire.send(struct.pack("=BBHIHxx", opcode, 46, 3 + len(mask) // 4, self._window.id, 1) + mask)

    def _look(self) -> list[bytes]:
        """The events up to now, in order."""
        self._wire.send(_GET_INPUT_FOCUS)
        events: list[bytes] = []
        while True:
            for packet in self._wire.packets():
                if xinput.kind(packet) in (_ENTER, _LEAVE, _FOCUS_IN, _FOCUS_OUT):
                    events.append(packet)
                elif packet[0] == _REPLY:
                    before, self._focus = self._focus, struct.unpack_from("=I", packet, 8)[0]
                    by_pointer = _WHERE_THE_POINTER_IS in (before, self._focus)
                    return [event for event in events if by_pointer or xinput.kind(event) in (_FOCUS_IN, _FOCUS_OUT)]
            self._wire.receive()

    def _follow(self, packet: bytes, changes: list[tuple[int, bool]]) -> None:
        kind = xinput.kind(packet)
        stamp_ms, _, mode, detail = struct.unpack_from("=IHBB", packet, 12)
        stamp_ns = self._stamp_ns(stamp_ms)
        if kind == _FOCUS_IN and mode in (_NORMAL, _UNGRAB):
            self._grabbed = False
            # With the pointer it may go to a window that closes: the question that follows tells. What has the same
            # stamp may have come before it.
            if detail != _POINTER:
                self._note(changes, True, now_ns() if stamp_ns is None else stamp_ns + _STAMP_NS)
        elif kind in (_FOCUS_OUT, _LEAVE) and detail != _INFERIOR:
            self._grabbed = self._grabbed or (kind == _FOCUS_OUT and mode == _GRAB)
            self._note(changes, False, self.confirmed_ns if stamp_ns is None else stamp_ns)

    def _note(self, changes: list[tuple[int, bool]], focused: bool, t_ns: int) -> None:
        if focused == self.focused:
            return
        self.focused = focused
        self._last_ns = max(t_ns, self._last_ns, self.confirmed_ns)
        changes.append((self._last_ns, focused))

    def _stamp_ns(self, stamp_ms: int) -> int | None:
        """The start of the millisecond that the server stamped; None where its clock is another machine's."""
        if not self._wire.monotonic_clock:
            return None
        now_ms = now_ns() // _STAMP_NS
        age_ms = (now_ms - stamp_ms) % 2**32
        return (now_ms - (age_ms if age_ms < 2**31 else 0)) * _STAMP_NS
