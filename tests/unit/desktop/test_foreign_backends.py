"""The window backends of Windows and macOS on stand-ins for their systems' functions: the arithmetic, not the calls."""

from __future__ import annotations

import ctypes
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from gameon_env.desktop import windows_macos, windows_win32
from gameon_env.desktop.region import Region
from gameon_env.errors import DisplayError, WindowError

FRAME, BAR = 8, 31


class User32:
    """Windows by handle; a window's place is that of its inside, around which lie a frame and a title bar."""

    def __init__(self) -> None:
        self.insides = {10: Region(-1000, 131, 640, 480), 11: Region(0, 0, 50, 50), 20: Region(5, 5, 300, 200)}
        self.owners = {11: 10}
        self.pids = dict.fromkeys(self.insides, 7)
        self.titles = {10: "héllo", 20: "other"}
        self.foreground: int | None = None
        self.pointer = (0, 0)
        self.minimised: set[int] = set()

    def IsWindow(self, handle: int) -> int:
        return int(handle in self.insides)

    def IsWindowVisible(self, handle: int) -> int:
        return 1

    def IsIconic(self, handle: int) -> int:
        return int(handle in self.minimised)

    def ShowWindow(self, handle: int, _: int) -> int:
        self.minimised.discard(handle)
        return 1

    def EnumWindows(self, visit: Any, parameter: int) -> int:
        return int(all(visit(handle, parameter) for handle in (1, *self.insides)))

    def GetShellWindow(self) -> int:
        return 1

    def GetWindowLongW(self, handle: int, _: int) -> int:
        return 0x80 if handle == 11 else -0x80000000

    def GetWindowTextLengthW(self, handle: int) -> int:
        return len(self.titles.get(handle, ""))

    def GetWindowTextW(self, handle: int, buffer: Any, room: int) -> int:
        buffer.value = self.titles.get(handle, "")[: room - 1]
        return len(buffer.value)

    def GetWindowThreadProcessId(self, handle: int, pid: Any) -> int:
        pid._obj.value = self.pids.get(handle, 0)
        return 1

    def GetForegroundWindow(self) -> int | None:
        return self.foreground

    def SetForegroundWindow(self, handle: int) -> int:
        self.foreground = handle
        return 1

    def GetAncestor(self, handle: int | None, _: int) -> int | None:
        return self.owners.get(handle, handle) if handle in self.insides else None

    def GetCursorPos(self, point: Any) -> int:
        point._obj.x, point._obj.y = self.pointer
        return 1

    def WindowFromPoint(self, point: Any) -> int | None:
        for handle, r in self.insides.items():
            if 0 <= point.x - r.left < r.width and 0 <= point.y - r.top < r.height:
                return handle
        return None

    def GetClientRect(self, handle: int, rect: Any) -> int:
        if handle not in self.insides:
            return 0
        rect._obj.right, rect._obj.bottom = self.insides[handle].width, self.insides[handle].height
        return 1

    def ClientToScreen(self, handle: int, point: Any) -> int:
        point._obj.x += self.insides[handle].left
        point._obj.y += self.insides[handle].top
        return 1

    def GetWindowRect(self, handle: int, rect: Any) -> int:
        inside, r = self.insides[handle], rect._obj
        r.left, r.top = inside.left - FRAME, inside.top - BAR
        r.right, r.bottom = inside.left + inside.width + FRAME, inside.top + inside.height + FRAME
        return 1

    def SetWindowPos(self, handle: int, _: None, x: int, y: int, width: int, height: int, __: int) -> int:
        self.insides[handle] = Region(x + FRAME, y + BAR, width - 2 * FRAME, height - BAR - FRAME)
        return 1


@pytest.fixture
def user32(monkeypatch: pytest.MonkeyPatch) -> User32:
    stand_in = User32()
    monkeypatch.setattr(windows_win32, "_user32", lambda: stand_in)
    monkeypatch.setattr(windows_win32, "_dwmapi", lambda: SimpleNamespace(DwmGetWindowAttribute=lambda *_: 0))
    monkeypatch.setattr(windows_win32, "_use_physical_pixels", lambda: None)
    monkeypatch.setattr(ctypes, "WINFUNCTYPE", ctypes.CFUNCTYPE, raising=False)
    return stand_in


def test_windows_lists_neither_the_desktop_nor_tool_windows(user32: User32) -> None:
    assert [(w.id, w.title, w.pid) for w in windows_win32.open_list(None).visible()] == [
        (10, "héllo", 7),
        (20, "other", 7),
    ]
    user32.minimised.add(20)
    assert [w.id for w in windows_win32.open_list(None).visible()] == [10]


def test_windows_moves_the_inside(user32: User32) -> None:
    window = windows_win32.open_window(None, 10)
    assert window.region() == Region(-1000, 131, 640, 480)
    window.move_resize(Region(100, 200, 320, 240))
    assert window.region() == Region(100, 200, 320, 240)


def test_windows_focus(user32: User32) -> None:
    window, other = windows_win32.open_window(None, 10), windows_win32.open_window(None, 20)
    assert not window.focused
    user32.minimised.add(10)
    assert window.focus(timeout_s=0)
    assert not user32.minimised
    assert not other.focused
    user32.foreground = 11  # its own dialog
    assert window.focused
    user32.foreground = 20
    assert not window.focused


def test_windows_under_the_pointer(user32: User32) -> None:
    window, other = windows_win32.open_window(None, 10), windows_win32.open_window(None, 20)
    its_dialog = (10, 10)
    for place, expected in (
        ((-990, 140), (True, False)),
        (its_dialog, (True, False)),
        ((100, 100), (False, True)),
        ((900, 900), (False, False)),
    ):
        user32.pointer = place
        assert (window.under_pointer, other.under_pointer) == expected


def test_windows_closed_and_handle_used_again(user32: User32) -> None:
    window = windows_win32.open_window(None, 10)
    user32.foreground = 10
    user32.pids[10] = 8
    assert (window.alive, window.focused, window.title) == (False, False, "")
    del user32.insides[10]
    with pytest.raises(WindowError, match="closed"):
        window.region()
    with pytest.raises(WindowError, match="closed"):
        window.focus()


def row(number: int, x: float, y: float, width: float, height: float, **more: Any) -> dict[str, Any]:
    bounds = {"X": x, "Y": y, "Width": width, "Height": height}
    return {"kCGWindowNumber": number, "kCGWindowOwnerPID": 7, "kCGWindowLayer": 0, "kCGWindowBounds": bounds} | more


class Mac:
    """Quartz and AppKit in one. Windows from front to back, on one screen of 1440x900 points."""

    kCGWindowListOptionOnScreenOnly, kCGWindowListOptionIncludingWindow, kCGWindowListExcludeDesktopElements = 1, 8, 16
    kCGNullWindowID = 0
    NSApplicationActivateAllWindows, NSApplicationActivateIgnoringOtherApps, NSWindowStyleMaskTitled = 1, 2, 1

    def __init__(self) -> None:
        self.may_see = True
        self.rows: list[dict[str, Any]] | None = [
            row(1, 0, 0, 1440, 24, kCGWindowLayer=25),
            row(2, 0, 0, 1440, 900, kCGWindowAlpha=0.0),
            row(3, 0, 0, 5, 5),
            row(4, -100.0, 50.0, 640.0, 508.0, kCGWindowName="Game"),
            row(5, 0, 0, 1440, 900, kCGWindowOwnerPID=9),
        ]
        self.NSWindow = SimpleNamespace(frameRectForContentRect_styleMask_=self.frame_around)
        self.NSRunningApplication = SimpleNamespace(runningApplicationWithProcessIdentifier_=self.program)

    def CGPreflightScreenCaptureAccess(self) -> bool:
        return self.may_see

    def CGWindowListCopyWindowInfo(self, which: int, number: int) -> list[dict[str, Any]] | None:
        if self.rows is None or which != self.kCGWindowListOptionIncludingWindow:
            return self.rows
        return [row for row in self.rows if row["kCGWindowNumber"] == number]

    def CGGetActiveDisplayList(self, _: int, __: None, ___: None) -> tuple[int, tuple[int, ...], int]:
        return 0, (3,), 1

    def CGDisplayBounds(self, _: int) -> Any:
        return self.NSMakeRect(0.0, 0.0, 1440.0, 900.0)

    def NSMakeRect(self, x: float, y: float, width: float, height: float) -> Any:
        return SimpleNamespace(origin=SimpleNamespace(x=x, y=y), size=SimpleNamespace(width=width, height=height))

    def frame_around(self, inside: Any, _: int) -> Any:
        return self.NSMakeRect(0, 0, inside.size.width, inside.size.height + 28)

    def program(self, pid: int) -> Any:
        return SimpleNamespace(activateWithOptions_=lambda _: self.bring_forward(pid))

    def bring_forward(self, pid: int) -> bool:
        assert self.rows is not None
        self.rows.sort(key=lambda row: bool(row["kCGWindowOwnerPID"] != pid))
        return True


@pytest.fixture
def mac(monkeypatch: pytest.MonkeyPatch) -> Mac:
    stand_in = Mac()
    monkeypatch.setattr(windows_macos, "require", lambda module, purpose: stand_in)
    windows_macos._title_bar_height.cache_clear()
    return stand_in


def test_macos_lists_windows_without_their_title_bars(mac: Mac) -> None:
    listed = windows_macos.open_list("").visible()
    assert [(w.id, w.title, w.pid) for w in listed] == [(4, "Game", 7), (5, "", 9)]
    assert [w.region for w in listed] == [Region(-100, 78, 640, 480), Region(0, 0, 1440, 900)]
    mac.may_see = False
    with pytest.raises(DisplayError, match="Screen Recording"):
        windows_macos.open_list("")
    mac.may_see, mac.rows = True, None
    with pytest.raises(DisplayError, match="outside a desktop session"):
        windows_macos.open_list("").visible()


def test_macos_focus_and_what_cannot_be_done(mac: Mac) -> None:
    game, other = windows_macos.open_window("", 4), windows_macos.open_window("", 5)
    assert (game.focused, other.focused) == (True, False)
    assert other.focus(timeout_s=0)
    assert (game.focused, other.focused) == (False, True)
    with pytest.raises(WindowError, match="by hand"):
        game.move_resize(Region(0, 0, 10, 10))
    mac.rows = None
    assert (game.alive, game.focused, game.title) == (False, False, "")
    with pytest.raises(WindowError, match="closed"):
        game.region()


def test_the_backends_are_modules_of_one_contract() -> None:
    for backend in (windows_win32, windows_macos):
        assert isinstance(backend, ModuleType)
        assert {"open_list", "open_window"} <= set(vars(backend))


def test_a_callback_can_be_passed_as_a_pointer() -> None:
    """As EnumWindows is declared."""
    ctypes.c_void_p.from_param(ctypes.CFUNCTYPE(ctypes.c_int)(lambda: 0))
