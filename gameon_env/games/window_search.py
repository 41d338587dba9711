"""Games that run already: their part of the screen, the window that is played, and the one that takes its place."""

from __future__ import annotations

import re
import time

import psutil

from gameon_env.desktop.display import monitors
from gameon_env.desktop.region import Region
from gameon_env.desktop.windows import Window, find_window, list_windows, open_window
from gameon_env.errors import OffScreenError, ProfileError, WindowError
from gameon_env.games.profile import Attach

LOOK_EVERY_S = 0.02
"""How much time the game gets between two looks for its window."""


def focused_window(display: str) -> Window | None:
    """The window that has the keyboard; None where none has."""
    for found in list_windows(display):
        window = open_window(display, found.id)
        if window.focused:
            return window
        window.close()
    return None


def part_of_screen(display: str, attach: Attach) -> Region:
    """The region or the monitor that is named. Raises ``ProfileError`` where there is no such monitor."""
    if attach.region is not None:
        return Region(*attach.region)
    screens = monitors(display)
    number = attach.monitor or 0
    if not 0 <= number < len(screens):
        raise ProfileError(f"attach.monitor must be from 0 to {len(screens) - 1} here; it is {number}")
    return screens[number]


def seen_part(screen: Region, region: Region) -> Region:
    """What of a region is on the screen. Raises ``OffScreenError`` where that is nothing."""
    seen = region.common(screen)
    if seen is None:
        raise OffScreenError("the game's window lies outside the screen: move it back onto it")
    return seen


class Succession:
    """Which window may take the place of an attached game's: one that its process opens anew, no other one that it has.

    A browser, a terminal, or all that comes over one connection from another machine is one process with windows that
    are not the game. One that stood beside the game's is none of its successors.

    Args:
        display: the display's name.
        window: the game's.
        title: what a successor's title must match, a regular expression; without it, it is the game's own, as last
            seen.
    """

    def __init__(self, display: str, window: Window, title: str | None) -> None:
        self._display = display
        self._any_title = title is None
        self._title = title
        self._owner = next((info.pid for info in list_windows(display) if info.id == window.id), 0)
        self._others: set[int] = set()
        self._beside: set[int] = set()
        self.look(window.id)
        self._others.update(self._beside)

    def look(self, window_id: int) -> None:
        """Call now and then, with the game's window. One that is there at two looks is another one: a game that opens
        its window anew may for a moment have both.

        Raises:
            DisplayError: the display is gone.
        """
        own = {info.id: info for info in list_windows(self._display) if info.pid == self._owner}
        if not self._owner or window_id not in own:
            return
        if self._any_title:
            self._title = rf"\A{re.escape(own[window_id].title)}\Z"
        beside = own.keys() - {window_id}
        self._others.update(beside & self._beside)
        self._beside = beside

    def find(self, timeout_s: float) -> Window:
        """The window that the process opened, or opens soon, in place of one that went away: the largest.

        Raises:
            WindowError: it opens none.
            DisplayError: the display is gone.
        """
        end_s = time.monotonic() + timeout_s
        while self._owner and psutil.pid_exists(self._owner):
            found = find_window(self._display, pids={self._owner}, title=self._title, without=self._others)
            if found is not None:
                return open_window(self._display, found.id)
            if time.monotonic() > end_s:
                break
            time.sleep(LOOK_EVERY_S)
        raise WindowError("the game's window was closed")
