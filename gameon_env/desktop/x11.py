"""What all X11 backends share: connecting, the wire without python-xlib's parsing, and the keycode table."""

from __future__ import annotations

import socket
import struct
import sys
import threading
import time
import traceback
from collections.abc import Iterator
from typing import Any

from gameon_env.clock import now_ns
from gameon_env.desktop.xlib_mends import mend
from gameon_env.errors import DisplayError, MissingProgramError
from gameon_env.keys import KEYS

MASTER_POINTER = 2
"""The id of "Virtual core pointer" in every X server."""

BUTTON_OF = {"mouse:left": 1, "mouse:middle": 2, "mouse:right": 3, "mouse:back": 8, "mouse:forward": 9}
"""X button numbers; 4 and 5 are the wheel, 6 and 7 its sideways turn."""
CONTROL_OF_BUTTON = {number: control for control, number in BUTTON_OF.items()}

SILENCE_S = 30.0
"""A server that does not answer for so long is taken for dead."""

RESETS, RESET_S = 5, 0.05
"""How often, and after how long, a server that closes a connection at once is asked again."""

_REPLY, _ERROR, GENERIC_EVENT = 1, 0, 35
_connecting = threading.Lock()


def _open(name: str | None) -> Any:
    """A server that resets, as its last client has gone, closes a connection that comes in meanwhile."""
    import Xlib.display
    import Xlib.error

    for _ in range(RESETS):
        try:
            return Xlib.display.Display(name or None)
        except Xlib.error.ConnectionClosedError:
            time.sleep(RESET_S)
    return Xlib.display.Display(name or None)


def connect(name: str | None) -> Any:
    """A ``Xlib.display.Display`` of the display ``name`` (``None``: that of ``$DISPLAY``).

    Errors without a reply are not printed; requests with a reply raise ``Xlib.error.XError``.

    Raises:
        DisplayError: nothing answers there; the message names the display.
        MissingProgramError: python-xlib is not installed.
    """
    try:
        import Xlib.display
        import Xlib.error

        mend()
    except ImportError as error:
        raise MissingProgramError("X11 displays need python-xlib: pip install python-xlib") from error
    # python-xlib keeps the extensions' opcodes in a dict of the class: two servers with different opcodes would
    # overwrite each other's. One connection at a time, and a copy for each.
    handled = sys.exc_info()[1]
    with _connecting:
        try:
            _knock(name)
            display = _open(name)
        except (Xlib.error.DisplayError, Xlib.error.ConnectionClosedError, OSError) as error:
            _close_left_sockets(error, handled)
            raise DisplayError(
                f"no X server answers at display {name or '$DISPLAY'} ({error}). "
                'Check DISPLAY, or use a private display: display="private".'
            ) from error
        display.display.extension_major_opcodes = dict(display.display.extension_major_opcodes)
    display.set_error_handler(lambda *_: None)
    return display


def clear_root(name: str, keep: frozenset[int] | None) -> frozenset[int]:
    """Delete what programs noted down at the root window of a display, but for some.

    Args:
        name: the display's.
        keep: atoms of properties; None: all of them.

    Returns:
        those that are left.

    Raises:
        DisplayError: nothing answers there.
    """
    display = connect(name)
    try:
        root = display.screen().root
        there = frozenset(root.list_properties())
        for atom in there - (there if keep is None else keep):
            root.delete_property(atom)
        display.sync()
    except OSError as error:
        raise DisplayError(f"display {name} is gone ({error})") from error
    finally:
        display.close()
    return there if keep is None else there & keep


def _knock(name: str | None) -> None:
    """Raise ``OSError`` where no local server listens: python-xlib leaves its sockets open when it finds out."""
    from Xlib.support.connect import get_display

    _, protocol, host, number, _ = get_display(name or None)
    if sys.platform == "linux" and host in ("", "unix") and protocol in (None, "", "unix"):
        path = f"/tmp/.X11-unix/X{number}"
        for address in (path, f"\0{path}"):
            with socket.socket(socket.AF_UNIX) as client:
                if client.connect_ex(address) == 0:
                    return
        raise ConnectionRefusedError(f"nothing listens at {path}")


def _close_left_sockets(error: BaseException | None, handled: BaseException | None) -> None:
    """Where a server dies while it is knocked at, python-xlib drops its open sockets: only its frames know them then.

    Args:
        error: what came of it.
        handled: what was being handled when the attempt began; that and what led to it is no matter of ours.
    """
    while error is not None and error is not handled:
        for frame, _ in traceback.walk_tb(error.__traceback__):
            if frame.f_globals.get("__name__", "").startswith("Xlib."):
                for value in list(frame.f_locals.values()):
                    held = value if isinstance(value, socket.socket) else _attributes(value).get("socket")
                    if isinstance(held, socket.socket):
                        held.close()
        error = error.__context__


def _attributes(value: object) -> dict[str, Any]:
    """Without asking for one: a half-made display of python-xlib looks for any that it lacks for ever."""
    try:
        return dict(object.__getattribute__(value, "__dict__"))
    except AttributeError:
        return {}


class Wire:
    """An X connection that speaks bytes: python-xlib authenticates it, then lets go of its socket.

    python-xlib takes some 50 us to build a request or to parse an event; these paths run a thousand times a second.
    One thread at a time may use it.
    """

    def __init__(self, name: str | None) -> None:
        self._display = connect(name)
        self.name: str = self._display.get_display_name()
        self.root: int = self._display.screen().root.id
        self._opcodes: dict[str, int] = self._display.display.extension_major_opcodes
        self.monotonic_clock = _clock_is_monotonic(self._display)
        self.keymap = Keymap(self._display)
        self._display.sync()
        self._socket: socket.socket = self._display.display.socket
        self._socket.settimeout(SILENCE_S)
        self._buffer = bytearray(self._display.display.data_recv)

    @property
    def local(self) -> bool:
        """Whether the server is on this machine, so that files can be given to it."""
        return sys.platform != "win32" and self._socket.family == socket.AF_UNIX

    @property
    def pixels_are_bgrx(self) -> bool:
        """Whether pictures of the screen come as four bytes a pixel: blue, green, red, and one that means nothing."""
        info, screen = self._display.display.info, self._display.screen()
        formats = {(f.depth, f.bits_per_pixel, f.scanline_pad) for f in info.pixmap_formats}
        visuals = (visual for depth in screen.allowed_depths for visual in depth.visuals)
        masks = next((v.red_mask, v.green_mask, v.blue_mask) for v in visuals if v.visual_id == screen.root_visual)
        little_endian = info.image_byte_order == 0
        return (screen.root_depth, 32, 32) in formats and masks == (0xFF0000, 0xFF00, 0xFF) and little_endian

    def opcode(self, extension: str) -> int:
        """The major opcode of an extension.

        Raises:
            DisplayError: the server has no such extension.
        """
        if extension not in self._opcodes:
            raise DisplayError(f"display {self.name} has no {extension} extension, which is needed for input events")
        return self._opcodes[extension]

    def extension(self, name: str) -> tuple[int, int] | None:
        """The major opcode of an extension and the number of its first event; None where the server has it not.

        Raises:
            OSError: the server is gone.
        """
        text = name.encode()
        padded = text + bytes(-len(text) % 4)
        reply = self.request(struct.pack("=BxHHxx", 98, 2 + len(padded) // 4, len(text)) + padded)
        return (reply[9], reply[10]) if reply[8] else None

    def new_id(self) -> int:
        """An id for something that this connection makes in the server."""
        number: int = self._display.display.allocate_resource_id()
        return number

    def time_ns(self, arrival_ns: int, stamp_ms: int) -> int:
        """When an event happened that the server stamped ``stamp_ms`` and that was read at ``arrival_ns``.

        The server stamps whole milliseconds, so arrival is finer where it is soon after.
        """
        if not self.monotonic_clock:
            return arrival_ns
        age_ms = (arrival_ns // 1_000_000 - stamp_ms) % 2**32
        if age_ms >= 2**31:  # stamped after it arrived, by a millisecond's rounding
            return arrival_ns
        return min(arrival_ns, (arrival_ns // 1_000_000 - age_ms) * 1_000_000 + 999_999)

    def fileno(self) -> int:
        return self._socket.fileno()

    def send(self, data: bytes | bytearray) -> None:
        """Send requests. Raises ``OSError`` where the server is gone."""
        self._socket.sendall(data)

    def send_with_file(self, data: bytes, fd: int) -> None:
        """Send a request that hands a file to a :attr:`local` server. Raises ``OSError`` where it is gone."""
        if socket.send_fds(self._socket, [data], [fd]) != len(data):
            raise ConnectionError(f"display {self.name} took only a part of a request")

    def request(self, data: bytes) -> bytes:
        """Send requests of which the last has a reply, and return that reply (32 bytes or more).

        Events that come meanwhile are dropped: use it before any were selected.

        Raises:
            OSError: the server is gone, or answered with an error.
        """
        self.send(data)
        while True:
            for packet in self.packets():
                if packet[0] == _REPLY:
                    return packet
                if packet[0] == _ERROR:
                    raise OSError(f"the X server answered with error {packet[1]} to request {packet[10]}")
            self.receive()

    def sync(self) -> None:
        """Return when the server has carried out all that was sent."""
        self.request(_GET_INPUT_FOCUS)

    def receive(self) -> None:
        """Wait for bytes. Raises ``OSError`` where the server is gone or silent for :data:`SILENCE_S`."""
        try:
            data = self._socket.recv(65536)
        except TimeoutError as error:
            raise TimeoutError(f"display {self.name} did not answer within {SILENCE_S:g} s") from error
        if not data:
            raise ConnectionResetError(f"display {self.name} closed the connection")
        self._buffer += data

    def packets(self) -> Iterator[bytes]:
        """Take whole events, replies and errors off the buffer."""
        while len(self._buffer) >= 32:
            size = 32
            if self._buffer[0] & 0x7F in (_REPLY, GENERIC_EVENT):
                size += 4 * struct.unpack_from("=I", self._buffer, 4)[0]
            if len(self._buffer) < size:
                return
            packet = bytes(self._buffer[:size])
            del self._buffer[:size]
            yield packet

    def screen_size(self) -> tuple[int, int]:
        """``(width, height)`` of the root, the order of X11."""
        width, height = struct.unpack_from("=HH", self.request(struct.pack("=BxHI", 14, 2, self.root)), 16)
        return width, height

    def pointer(self) -> tuple[int, int]:
        """Where the pointer is, ``(x, y)`` in pixels of the root."""
        reply = self.request(struct.pack("=BxHI", 38, 2, self.root))
        x, y = struct.unpack_from("=hh", reply, 16)
        return x, y

    def held(self) -> frozenset[str]:
        """The keys and mouse buttons that are down, whoever holds them."""
        keymap = self.request(struct.pack("=BxH", 44, 1))[8:40]
        down = {8 * byte + bit for byte in range(32) for bit in range(8) if keymap[byte] >> bit & 1}
        keys = {self.keymap.control_of[keycode] for keycode in down if keycode in self.keymap.control_of}
        # The core protocol's pointer mask ends at button 5: XIQueryPointer knows the side buttons too.
        reply = self.request(struct.pack("=BBHIHxx", self.opcode("XInputExtension"), 40, 3, self.root, MASTER_POINTER))
        mask = int.from_bytes(reply[56:], "little")
        return frozenset(keys) | {control for number, control in CONTROL_OF_BUTTON.items() if mask >> number & 1}

    def close(self) -> None:
        """Close the connection; more calls do nothing."""
        self._socket.close()


_GET_INPUT_FOCUS = struct.pack("=BxH", 43, 1)
"""The cheapest request that has a reply."""


class Keymap:
    """Which keycode is which key. Names are physical, so the layout does not matter where keycodes are evdev's.

    Attributes:
        keycode_of: ``key:w`` -> X keycode.
        control_of: X keycode -> ``key:w``.
    """

    # Keys that no layout moves: enough to tell evdev's keycodes from others.
    _PROBES = ("left", "right", "up", "down", "space", "enter", "escape")

    def __init__(self, display: Any) -> None:
        from Xlib import XK

        first, last = display.display.info.min_keycode, display.display.info.max_keycode
        keysyms = display.get_keyboard_mapping(first, last - first + 1)
        keycode_of_keysym: dict[int, int] = {}
        for column in range(2):
            for row, columns in enumerate(keysyms):
                if column < len(columns) and columns[column]:
                    keycode_of_keysym.setdefault(columns[column], first + row)
        XK.load_keysym_group("xkb")
        wanted = {key.name: XK.string_to_keysym(key.keysym) for key in KEYS.values()}
        agreeing = sum(keycode_of_keysym.get(wanted[name]) == KEYS[name].evdev + 8 for name in self._PROBES)
        self.is_evdev = agreeing > len(self._PROBES) // 2
        self.keycode_of: dict[str, int] = {}
        for key in KEYS.values():
            keycode = key.evdev + 8 if self.is_evdev else keycode_of_keysym.get(wanted[key.name])
            if keycode is not None and first <= keycode <= last:
                self.keycode_of[f"key:{key.name}"] = keycode
        self.control_of = {keycode: control for control, keycode in self.keycode_of.items()}


def _clock_is_monotonic(display: Any) -> bool:
    """Whether the server stamps its events by this machine's monotonic clock (a remote server does not)."""
    from Xlib import X, Xatom

    window = display.screen().root.create_window(
        0, 0, 1, 1, 0, X.CopyFromParent, window_class=X.InputOnly, event_mask=X.PropertyChangeMask
    )
    before_ms = now_ns() // 1_000_000
    window.change_property(Xatom.WM_NAME, Xatom.STRING, 8, b"clock")
    display.sync()
    after_ms = now_ns() // 1_000_000
    stamps = []
    while display.pending_events():
        event = display.next_event()
        if event.type == X.PropertyNotify:
            stamps.append(event.time)
    window.destroy()
    # 10 ms of tolerance: servers may use the coarse monotonic clock, which ticks with the scheduler.
    return any((stamp - (before_ms - 10)) % 2**32 <= after_ms - before_ms + 11 for stamp in stamps)
