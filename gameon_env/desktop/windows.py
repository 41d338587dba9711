"""The windows of games: one contract, the choice of its backend, and how a game's window is found."""

from __future__ import annotations

import re
import sys
import time
from abc import ABC, abstractmethod
from collections.abc import Collection
from dataclasses import dataclass
from typing import Protocol, Self

from gameon_env.desktop.process import GameProcess
from gameon_env.desktop.region import Region
from gameon_env.errors import GameCrashError, WindowError

SMALLEST_PX = 8
"""Windows up to this wide or high are helpers that toolkits make, not games."""

_POLL_S = 0.01


@dataclass(frozen=True, slots=True)
class WindowInfo:
    """A window as it was when listed; ``region`` in pixels of the display's root, ``pid`` 0 where unknown."""

    id: int
    title: str
    pid: int
    region: Region

    def __str__(self) -> str:
        return f"{self.title!r} {self.region} (process {self.pid or 'unknown'})"


class Window(ABC):
    """The contract of one window. Find it by :func:`find_window` or :func:`wait_for_window`.

    Its places are in the pixels that the capture and the injector of this system use: pixels of the screen on X11
    and Windows, points on macOS.
    """

    id: int

    @property
    @abstractmethod
    def title(self) -> str:
        """Its title now; empty where it has none or is closed."""

    @property
    @abstractmethod
    def alive(self) -> bool:
        """Whether it still exists, be it minimised; False as well where the display is gone."""

    @property
    @abstractmethod
    def focused(self) -> bool:
        """Whether keys go to it (or to a part of it, or to the frame around it); False where the display is gone."""

    @property
    def under_pointer(self) -> bool:
        """Whether a click goes to it, a part of it, or its own menu or dialog; True where the system does not tell."""
        return True

    @abstractmethod
    def region(self) -> Region:
        """Where it is: its inside, without a frame, in pixels of the root.

        Raises:
            WindowError: it was closed.
        """

    def focus(self, timeout_s: float = 1.0) -> bool:
        """Raise it and give it the keyboard. Returns whether it has it, which the desktop may refuse.

        Raises:
            WindowError: it was closed.
        """
        self.region()
        self.ask_for_focus()
        deadline = time.monotonic() + timeout_s
        while not self.focused:
            if time.monotonic() > deadline:
                return False
            time.sleep(_POLL_S)
        return True

    @abstractmethod
    def ask_for_focus(self) -> None:
        """Ask the desktop to raise it and give it the keyboard, and do not wait: :meth:`focus` does."""

    @abstractmethod
    def move_resize(self, region: Region) -> None:
        """Put its inside there. Games may refuse another size: ask :meth:`region` afterwards.

        Raises:
            WindowError: it was closed, or this system lets nobody move it.
        """

    @abstractmethod
    def close(self) -> None:
        """Let go of the display (the game's window stays); more calls do nothing."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class WindowList(Protocol):
    """The contract of a backend's list of windows, on one display."""

    def visible(self) -> list[WindowInfo]:
        """The windows that can be seen and are not menus or parts of the desktop itself; of any size and order.

        Raises:
            DisplayError: the display is gone.
        """
        ...

    def close(self) -> None:
        """Let go of the display."""
        ...


class Backend(Protocol):
    """What a backend's module offers."""

    def open_list(self, display: str | None, /) -> WindowList: ...

    def open_window(self, display: str | None, window_id: int, /) -> Window: ...


def list_windows(display: str | None) -> list[WindowInfo]:
    """The windows that can be seen on a display (``None``: this desktop's), the largest first.

    Raises:
        DisplayError: the display cannot be reached.
    """
    windows = _backend().open_list(display)
    try:
        return _largest_first(windows)
    finally:
        windows.close()


def find_window(
    display: str | None,
    *,
    pids: Collection[int] | None = None,
    title: str | None = None,
    without: Collection[int] = (),
) -> WindowInfo | None:
    """The largest visible window of these processes whose title matches the regular expression ``title``.

    ``without``: ids of windows that are not meant.
    """
    return _choose([info for info in list_windows(display) if info.id not in without], pids, title)


def open_window(display: str | None, window_id: int) -> Window:
    """The window with this id.

    Raises:
        DisplayError: the display cannot be reached.
    """
    return _backend().open_window(display, window_id)


def wait_for_window(
    display: str | None,
    *,
    process: GameProcess | None,
    title: str | None,
    timeout_s: float,
    waited_s: float | None = None,
) -> Window:
    """Wait until a game shows its window: visible, more than 8x8 pixels, the largest of its process.

    A window whose process the display does not know is taken where it is the only one there. ``waited_s`` is how long
    it was waited for in all, where that is not ``timeout_s``.

    Raises:
        GameCrashError: the process ended meanwhile; the message holds its last output.
        WindowError: no such window within ``timeout_s`` (the message lists those there are), or ``title`` is no
            regular expression.
        DisplayError: the display cannot be reached.
    """
    if title is not None:
        _compiled(title)
    backend = _backend()
    there = backend.open_list(display)
    deadline = time.monotonic() + timeout_s
    windows: list[WindowInfo] = []
    try:
        while True:
            windows = _largest_first(there)
            found = None
            if windows:
                pids = process.pids() if process is not None else None
                found = _choose(windows, pids, title)
                if found is None and pids is not None and len(windows) == 1 and not windows[0].pid:
                    found = _choose(windows, None, title)
            if found is not None:
                return backend.open_window(display, found.id)
            if process is not None and (code := process.poll()) is not None:
                said = process.output_tail()
                raise GameCrashError(
                    f"the game ended with code {code} before it showed a window ({' '.join(process.command)}). "
                    f"Its last output:\n{said or '(none)'}{_remedy(said)}"
                )
            if time.monotonic() >= deadline:
                break
            time.sleep(_POLL_S)
    finally:
        there.close()
    wanted = f" with a title like {title!r}" if title is not None else ""
    seen = "; ".join(map(str, windows)) or "none at all"
    said = f" The game's last output:\n{process.output_tail(5)}" if process is not None else ""
    limit_s = timeout_s if waited_s is None else waited_s
    raise WindowError(f"no window{wanted} of the game within {limit_s:g} s. Windows there: {seen}.{said}")


def _remedy(said: str) -> str:
    """For what a game says when it ends at once, where that is known."""
    if re.search(r"D-?Bus\b.*(not found|connect|session bus)", said, re.IGNORECASE):
        return (
            "\nIt needs a session bus, which a private display does not have. Give it one of its own, in [launch]: "
            'command = ["dbus-run-session", "--", ...] (on Debian: apt-get install dbus)'
        )
    return ""


def _backend() -> Backend:
    if sys.platform == "win32":
        from gameon_env.desktop import windows_win32 as chosen
    elif sys.platform == "darwin":
        from gameon_env.desktop import windows_macos as chosen
    else:
        from gameon_env.desktop import windows_x11 as chosen
    return chosen


def _largest_first(windows: WindowList) -> list[WindowInfo]:
    """Those that may be games. Stable: of two of one size the one that was listed first."""
    found = [w for w in windows.visible() if w.region.width > SMALLEST_PX and w.region.height > SMALLEST_PX]
    return sorted(found, key=lambda info: -info.region.width * info.region.height)


def _choose(windows: list[WindowInfo], pids: Collection[int] | None, title: str | None) -> WindowInfo | None:
    """The first that belongs to one of ``pids`` and whose title matches; ``None`` means any."""
    pattern = _compiled(title) if title is not None else None
    for window in windows:
        if (pids is None or window.pid in pids) and (pattern is None or pattern.search(window.title)):
            return window
    return None


def _compiled(title: str) -> re.Pattern[str]:
    """The pattern of a title. Raises ``WindowError`` where it is no regular expression."""
    try:
        return re.compile(title)
    except re.error as error:
        raise WindowError(f"the window title {title!r} is not a regular expression: {error}") from error
