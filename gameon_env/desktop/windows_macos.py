"""Windows on macOS: found and followed by Quartz, focused by AppKit (pyobjc, which pynput brings).

Places are in points, as those of mss and pynput there. Titles of other programs' windows, and their pictures, need
the permission "Screen Recording".
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from types import ModuleType
from typing import Any

from gameon_env.desktop.region import Region
from gameon_env.desktop.windows import SMALLEST_PX, Window, WindowInfo, WindowList
from gameon_env.errors import DisplayError, WindowError
from gameon_env.optional import require

_NORMAL_LAYER = 0
"""Menus, the Dock and the desktop's own parts lie on others."""

_MOST_SCREENS = 32


def open_list(_display: str | None) -> WindowList:
    """The windows of this desktop. Raises ``DisplayError`` where macOS does not show them to this program."""
    may_see = getattr(_quartz(), "CGPreflightScreenCaptureAccess", None)  # from macOS 10.15 on
    if may_see is not None and not may_see():
        raise DisplayError(
            "macOS does not let this program see other programs' windows: allow it (or the terminal it runs in) in "
            "System Settings, Privacy & Security, Screen Recording, and start it anew"
        )
    return MacWindowList()


def open_window(_display: str | None, window_id: int) -> Window:
    """One window."""
    return MacWindow(window_id)


class MacWindowList:
    """The windows of this desktop, the frontmost first."""

    def visible(self) -> list[WindowInfo]:
        return [_info(row) for row in _rows_on_screen()]

    def close(self) -> None:
        pass


class MacWindow(Window):
    """One window, known by its number.

    It can be brought to the front only with the other windows of its program, and cannot be moved.
    """

    def __init__(self, window_id: int) -> None:
        self.id = window_id
        row = self._row()
        self._pid = int(row["kCGWindowOwnerPID"]) if row is not None else 0

    @property
    def title(self) -> str:
        row = self._row()
        return _title(row) if row is not None else ""

    @property
    def alive(self) -> bool:
        return self._row() is not None

    @property
    def focused(self) -> bool:
        # Not NSWorkspace.frontmostApplication: it stays what it was until the main thread's run loop turns.
        try:
            front = next(iter(_rows_on_screen()), None)
        except DisplayError:
            return False
        return front is not None and int(front["kCGWindowNumber"]) == self.id

    def region(self) -> Region:
        row = self._row()
        if row is None:
            raise WindowError("the game's window was closed")
        return _inside(_bounds(row))

    def ask_for_focus(self) -> None:
        app_kit = require("AppKit", "focusing a window")
        program = app_kit.NSRunningApplication.runningApplicationWithProcessIdentifier_(self._pid)
        if program is not None:
            everything = app_kit.NSApplicationActivateAllWindows | app_kit.NSApplicationActivateIgnoringOtherApps
            program.activateWithOptions_(everything)

    def move_resize(self, region: Region) -> None:
        self.region()
        raise WindowError(f"macOS does not let one program move another's window: move it to {region} by hand")

    def close(self) -> None:
        pass

    def _row(self) -> Mapping[str, Any] | None:
        quartz = _quartz()
        rows = quartz.CGWindowListCopyWindowInfo(quartz.kCGWindowListOptionIncludingWindow, self.id)
        return next((row for row in rows or () if int(row["kCGWindowNumber"]) == self.id), None)


def _rows_on_screen() -> list[Mapping[str, Any]]:
    """What the window server says of the programs' windows, the frontmost first."""
    quartz = _quartz()
    which = quartz.kCGWindowListOptionOnScreenOnly | quartz.kCGWindowListExcludeDesktopElements
    rows = quartz.CGWindowListCopyWindowInfo(which, quartz.kCGNullWindowID)
    if rows is None:
        raise DisplayError("the window server does not answer: this program runs outside a desktop session")
    return [row for row in rows if _may_be_played(row)]


def _may_be_played(row: Mapping[str, Any]) -> bool:
    """Not a menu, nor one of the invisible helpers that many programs keep in front."""
    bounds = _bounds(row)
    large = bounds.width > SMALLEST_PX and bounds.height > SMALLEST_PX
    return row["kCGWindowLayer"] == _NORMAL_LAYER and row.get("kCGWindowAlpha", 1) > 0 and large


def _info(row: Mapping[str, Any]) -> WindowInfo:
    return WindowInfo(int(row["kCGWindowNumber"]), _title(row), int(row["kCGWindowOwnerPID"]), _inside(_bounds(row)))


def _title(row: Mapping[str, Any]) -> str:
    return str(row.get("kCGWindowName") or "")


def _bounds(row: Mapping[str, Any]) -> Region:
    """The window with its title bar."""
    bounds = row["kCGWindowBounds"]
    return Region(*(int(bounds[name]) for name in ("X", "Y", "Width", "Height")))


def _inside(bounds: Region) -> Region:
    """Without its title bar. The window server does not say whether it has one: all but full-screen windows do."""
    if bounds in _screens():
        return bounds
    bar = min(_title_bar_height(), bounds.height)
    return Region(bounds.left, bounds.top + bar, bounds.width, bounds.height - bar)


def _screens() -> list[Region]:
    quartz = _quartz()
    _, displays, _ = quartz.CGGetActiveDisplayList(_MOST_SCREENS, None, None)
    rectangles = [quartz.CGDisplayBounds(display) for display in displays]
    return [Region(*map(int, (r.origin.x, r.origin.y, r.size.width, r.size.height))) for r in rectangles]


@functools.cache
def _title_bar_height() -> int:
    """How much higher a titled window is than its inside on this release of macOS, in points."""
    app_kit = require("AppKit", "finding a window's inside")
    inside = app_kit.NSMakeRect(0, 0, 100, 100)
    titled = app_kit.NSWindow.frameRectForContentRect_styleMask_(inside, app_kit.NSWindowStyleMaskTitled)
    return int(titled.size.height - inside.size.height)


def _quartz() -> ModuleType:
    return require("Quartz", "finding windows")
