"""Windows on Microsoft Windows: found, followed, focused and moved by user32."""

from __future__ import annotations

import ctypes
import functools
from ctypes.wintypes import BOOL, DWORD, HWND, INT, LONG, LPARAM, LPVOID, LPWSTR, POINT, RECT, UINT
from typing import Any

from gameon_env.desktop.region import Region
from gameon_env.desktop.windows import Window, WindowInfo, WindowList
from gameon_env.errors import DisplayError, WindowError

_GA_ROOTOWNER = 3
_GWL_EXSTYLE = -20
_WS_EX_TOOLWINDOW = 0x80
_SW_RESTORE = 9
_SWP_NOZORDER, _SWP_NOACTIVATE = 0x4, 0x10
_DWMWA_CLOAKED = 14
_PER_MONITOR_DPI_AWARE = 2

_windows: Any = ctypes
"""For what ctypes has on Windows only."""

# Without these a window's handle would be cut to 32 bits.
_SIGNATURES: dict[str, tuple[Any, list[Any]]] = {
    "ClientToScreen": (BOOL, [HWND, ctypes.POINTER(POINT)]),
    "EnumWindows": (BOOL, [LPVOID, LPARAM]),
    "GetAncestor": (HWND, [HWND, UINT]),
    "GetClientRect": (BOOL, [HWND, ctypes.POINTER(RECT)]),
    "GetCursorPos": (BOOL, [ctypes.POINTER(POINT)]),
    "GetForegroundWindow": (HWND, []),
    "GetShellWindow": (HWND, []),
    "GetWindowLongW": (LONG, [HWND, INT]),
    "GetWindowRect": (BOOL, [HWND, ctypes.POINTER(RECT)]),
    "GetWindowTextLengthW": (INT, [HWND]),
    "GetWindowTextW": (INT, [HWND, LPWSTR, INT]),
    "GetWindowThreadProcessId": (DWORD, [HWND, ctypes.POINTER(DWORD)]),
    "IsIconic": (BOOL, [HWND]),
    "IsWindow": (BOOL, [HWND]),
    "IsWindowVisible": (BOOL, [HWND]),
    "SetForegroundWindow": (BOOL, [HWND]),
    "SetWindowPos": (BOOL, [HWND, HWND, INT, INT, INT, INT, UINT]),
    "ShowWindow": (BOOL, [HWND, INT]),
    "WindowFromPoint": (HWND, [POINT]),
}


def open_list(_display: str | None) -> WindowList:
    """The windows of this desktop."""
    _use_physical_pixels()
    return Win32WindowList()


def open_window(_display: str | None, window_id: int) -> Window:
    """One window."""
    _use_physical_pixels()
    return Win32Window(window_id)


class Win32WindowList:
    """The windows of this desktop, the topmost first."""

    def visible(self) -> list[WindowInfo]:
        handles: list[int] = []

        def visit(handle: int | None, _: int) -> bool:
            if handle:
                handles.append(handle)
            return True

        if not _user32().EnumWindows(_windows.WINFUNCTYPE(BOOL, HWND, LPARAM)(visit), 0):
            reason = _windows.FormatError(_windows.get_last_error()).strip()
            raise DisplayError(f"the windows of this desktop cannot be listed ({reason}): is somebody logged in?")
        shell = _user32().GetShellWindow()
        return [info for handle in handles if handle != shell and (info := _describe(handle)) is not None]

    def close(self) -> None:
        pass


class Win32Window(Window):
    """One window, known by its handle and its process: handles are used again."""

    def __init__(self, window_id: int) -> None:
        self.id = window_id
        self._pid = _pid(window_id)

    @property
    def title(self) -> str:
        return _title(self.id) if self.alive else ""

    @property
    def alive(self) -> bool:
        return bool(_user32().IsWindow(self.id)) and _pid(self.id) == self._pid

    @property
    def focused(self) -> bool:
        # The foreground window may be a dialog that the game's window owns, or that of an embedded game its parent.
        foreground = _user32().GetAncestor(_user32().GetForegroundWindow(), _GA_ROOTOWNER)
        return self.alive and bool(foreground) and foreground == _user32().GetAncestor(self.id, _GA_ROOTOWNER)

    @property
    def under_pointer(self) -> bool:
        place = POINT(0, 0)
        if not _user32().GetCursorPos(ctypes.byref(place)):
            return False
        found = _user32().GetAncestor(_user32().WindowFromPoint(place), _GA_ROOTOWNER)
        return self.alive and bool(found) and found == _user32().GetAncestor(self.id, _GA_ROOTOWNER)

    def region(self) -> Region:
        found = _inside(self.id) if self.alive else None
        if found is None:
            raise WindowError("the game's window was closed")
        return found

    def ask_for_focus(self) -> None:
        if _user32().IsIconic(self.id):
            _user32().ShowWindow(self.id, _SW_RESTORE)
        # Windows refuses this where another program than ours is in the foreground.
        _user32().SetForegroundWindow(self.id)

    def move_resize(self, region: Region) -> None:
        inside = self.region()
        outside = RECT()
        _user32().GetWindowRect(self.id, ctypes.byref(outside))
        # What is moved is the window with its frame.
        frame_width = outside.right - outside.left - inside.width
        frame_height = outside.bottom - outside.top - inside.height
        _user32().SetWindowPos(
            self.id, None,
            region.left - (inside.left - outside.left), region.top - (inside.top - outside.top),
            region.width + frame_width, region.height + frame_height,
            _SWP_NOZORDER | _SWP_NOACTIVATE,
        )  # fmt: skip

    def close(self) -> None:
        pass


def _use_physical_pixels() -> None:
    """Ask for places in the screen's own pixels on every monitor, as mss does; once asked for, it stays."""
    _windows.WinDLL("shcore").SetProcessDpiAwareness(_PER_MONITOR_DPI_AWARE)


def _describe(handle: int) -> WindowInfo | None:
    if not _user32().IsWindowVisible(handle) or _user32().IsIconic(handle) or _is_cloaked(handle):
        return None
    if _user32().GetWindowLongW(handle, _GWL_EXSTYLE) & _WS_EX_TOOLWINDOW:  # the task bar, tooltips, palettes
        return None
    region = _inside(handle)
    return None if region is None else WindowInfo(handle, _title(handle), _pid(handle), region)


def _is_cloaked(handle: int) -> bool:
    """Whether the desktop hides it though it counts as visible: sleeping store apps, other virtual desktops."""
    cloaked = DWORD(0)
    failed = _dwmapi().DwmGetWindowAttribute(handle, _DWMWA_CLOAKED, ctypes.byref(cloaked), ctypes.sizeof(cloaked))
    return not failed and bool(cloaked.value)


def _inside(handle: int) -> Region | None:
    """Where a window's inside is; None where it is gone."""
    inside, origin = RECT(), POINT(0, 0)
    if not _user32().GetClientRect(handle, ctypes.byref(inside)):
        return None
    if not _user32().ClientToScreen(handle, ctypes.byref(origin)):
        return None
    return Region(origin.x, origin.y, inside.right, inside.bottom)


def _title(handle: int) -> str:
    buffer = ctypes.create_unicode_buffer(_user32().GetWindowTextLengthW(handle) + 1)
    _user32().GetWindowTextW(handle, buffer, len(buffer))
    return buffer.value


def _pid(handle: int) -> int:
    pid = DWORD(0)
    _user32().GetWindowThreadProcessId(handle, ctypes.byref(pid))
    return pid.value


@functools.cache
def _user32() -> Any:
    library = _windows.WinDLL("user32", use_last_error=True)
    for name, (result, arguments) in _SIGNATURES.items():
        function = getattr(library, name)
        function.restype, function.argtypes = result, arguments
    return library


@functools.cache
def _dwmapi() -> Any:
    library = _windows.WinDLL("dwmapi")
    library.DwmGetWindowAttribute.restype = LONG
    library.DwmGetWindowAttribute.argtypes = [HWND, DWORD, LPVOID, DWORD]
    return library
