"""Pictures of an X11 screen by MIT-SHM on a connection of our own, which hears of a window's changes as well."""

from __future__ import annotations

import mmap
import os
import struct
import sys

import numpy as np
import numpy.typing as npt

from gameon_env.clock import now_ns
from gameon_env.desktop.region import Region
from gameon_env.desktop.x11 import Wire
from gameon_env.errors import CaptureError, DisplayError
from gameon_env.events import Frame

_EXTENSION = "MIT-SHM"
_QUERY_VERSION, _DETACH, _GET_IMAGE, _ATTACH_FD = 0, 2, 4, 6
_ALL_PLANES, _Z_PIXMAP = 0xFFFF_FFFF, 2
_STRUCTURE_NOTIFY, _EVENT_MASK = 1 << 17, 1 << 11
_CHANGE_ATTRIBUTES, _QUERY_TREE, _GET_INPUT_FOCUS = 2, 15, 43
_ERROR, _REPLY = 0, 1
_STRUCTURE_EVENTS = range(17, 27)
"""From DestroyNotify to CirculateNotify; another keyboard in use is announced to everybody too."""


class X11Capture:
    """ShmGetImage into memory that is given to the server once: one request and one answer a picture.

    Two pictures take turns, so that the one before stays whole until the window is known to be where it was.

    On the same connection come the events of the window and of the frames around it: what happened before a picture
    was taken is heard before its answer, so that no question is needed to know that it shows the whole window.

    Raises:
        CaptureError: the display cannot be reached, has no shared memory or other than 32-bit pixels, or the region is
            not wholly on its screen.
    """

    backend = "x11 MIT-SHM"

    def __init__(self, display: str | None, region: Region, window_id: int | None = None) -> None:
        try:
            self._wire = Wire(display)
        except DisplayError as error:
            raise CaptureError(str(error)) from error
        self._closed = False
        self._steady = window_id is None
        self._window_id = window_id
        self._segments: list[tuple[int, mmap.mmap]] = []
        self._pictures: list[npt.NDArray[np.uint8]] = []
        self._spare = 0
        try:
            self._opcode = self._check_server()
            self._screen = self._wire.screen_size()
            self._hear_of(self._wire.root)  # of its size
            self.look_at(region)
            self._hear_of_window()
        except OSError as error:
            self.close()
            raise CaptureError(f"display {self._wire.name} cannot be captured: {error}") from error
        except CaptureError:
            self.close()
            raise

    @property
    def region(self) -> Region:
        return self._region

    @property
    def steady(self) -> bool:
        return self._steady

    def settle(self) -> None:
        if self._closed:
            return
        try:
            self._hear_of_window()
        except OSError as error:
            raise CaptureError(self._explain(error)) from error
        self._steady = True

    def look_at(self, region: Region) -> None:
        width, height = self._screen
        if not region.inside(height, width):
            raise CaptureError(
                f"the region {region} is not wholly on the screen of display {self._wire.name}, which is "
                f"{width}x{height} pixels: choose a region inside it"
            )
        needed = region.width * region.height * 4
        if not self._segments or len(self._segments[0][1]) < needed:
            self._make_segments(needed)
        self._region = region
        self._pictures = [
            np.frombuffer(memory, np.uint8, needed).reshape(region.height, region.width, 4)
            for _, memory in self._segments
        ]
        corner_and_size = region.left, region.top, region.width, region.height
        self._requests = [
            struct.pack(
                "=BBHIhhHHIBxxxII", self._opcode, _GET_IMAGE, 8, self._wire.root, *corner_and_size, _ALL_PLANES,
                _Z_PIXMAP, segment, 0,
            )
            for segment, _ in self._segments
        ]  # fmt: skip

    def grab(self) -> Frame:
        if self._closed:
            raise CaptureError("this capture is closed")
        t_ns = now_ns()
        try:
            self._wire.send(self._requests[self._spare])
            self._answer()
        except OSError as error:
            raise CaptureError(self._explain(error)) from error
        pixels = self._pictures[self._spare]
        if self._steady:
            self._spare = 1 - self._spare
        return Frame(pixels, t_ns)

    def close(self) -> None:
        if not self._closed:
            self._closed = True
            self._wire.close()
            # A picture that is still looked at keeps its memory; else it goes now.
            self._pictures, self._segments = [], []

    def _check_server(self) -> int:
        found = self._wire.extension(_EXTENSION)
        if found is None:
            raise CaptureError(f"display {self._wire.name} has no {_EXTENSION} extension")
        opcode = found[0]
        version = struct.unpack_from("=HH", self._wire.request(struct.pack("=BBH", opcode, _QUERY_VERSION, 1)), 8)
        if version < (1, 2) or not self._wire.local or sys.platform != "linux":
            raise CaptureError(f"display {self._wire.name} takes no memory of another process")
        if not self._wire.pixels_are_bgrx:
            raise CaptureError(f"the pixels of display {self._wire.name} are not 32 bits: blue, green, red, unused")
        return opcode

    def _make_segments(self, size: int) -> None:
        size = -(-size // mmap.PAGESIZE) * mmap.PAGESIZE
        old, self._segments, self._pictures = self._segments, [], []
        for segment, _ in old:
            self._wire.send(struct.pack("=BBHI", self._opcode, _DETACH, 2, segment))
        for _ in range(2):
            fd = os.memfd_create("gameon-capture", os.MFD_CLOEXEC)
            try:
                os.ftruncate(fd, size)
                memory = mmap.mmap(fd, size)
                segment = self._wire.new_id()
                request = struct.pack("=BBHIBxxx", self._opcode, _ATTACH_FD, 3, segment, 0)
                self._wire.send_with_file(request, fd)
                self._segments.append((segment, memory))
            finally:
                os.close(fd)
        self._wire.send(struct.pack("=BxH", _GET_INPUT_FOCUS, 1))
        self._answer()

    def _hear_of_window(self) -> None:
        """Ask for the events of the window and of the frames around it, up to the root."""
        if self._window_id is None:
            return
        window = self._window_id
        while window and window != self._wire.root:
            self._hear_of(window)
            self._wire.send(struct.pack("=BxHI", _QUERY_TREE, 2, window))
            try:
                window = struct.unpack_from("=I", self._answer(), 12)[0]
            except _Refused:
                return  # it was closed: whoever asks the window hears so

    def _hear_of(self, window: int) -> None:
        mask = struct.pack("=II", _EVENT_MASK, _STRUCTURE_NOTIFY)
        self._wire.send(struct.pack("=BxHI", _CHANGE_ATTRIBUTES, 4, window) + mask)

    def _answer(self) -> bytes:
        """The reply to what was sent last. Events that come before it are noted."""
        while True:
            for packet in self._wire.packets():
                if packet[0] == _REPLY:
                    return packet
                if packet[0] == _ERROR:
                    if packet[10] != _CHANGE_ATTRIBUTES:  # the question that follows that one is refused as well
                        raise _Refused(f"error {packet[1]} of the X server to request {packet[10]}")
                elif packet[0] & 0x7F in _STRUCTURE_EVENTS:
                    self._steady = False
            self._wire.receive()

    def _explain(self, error: OSError) -> str:
        return (
            f"the region {self._region} of display {self._wire.name} cannot be captured ({error}). "
            "The display is gone, or its screen was resized: open the capture anew."
        )


class _Refused(OSError):
    """The server answered with an error."""
