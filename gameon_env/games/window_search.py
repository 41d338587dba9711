"""Games that run already: their part of the screen, the window that is played, and the one that takes its place."""

from __future__ import annotations

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


def owner_of(display: str, window: Window) -> int:
    """The process of a window; 0 where the display does not know it."""
    return next((info.pid for info in list_windows(display) if info.id == window.id), 0)


def window_again(display: str, owner: int, title: str | None, timeout_s: float) -> Window:
    """The window that a process opened, or opens soon, in place of one that went away: the largest that can be seen.

    Args:
        display: the display's name.
        owner: the process, as :func:`owner_of` says it.
        title: what its title must match, a regular expression.
        timeout_s: how long it may take.

    Raises:
        WindowError: it opens none.
        DisplayError: the display is gone.
    """
    end_s = time.monotonic() + timeout_s
    while owner and psutil.pid_exists(owner):
        found = find_window(display, pids={owner}, title=title)
        if found is not None:
            return open_window(display, found.id)
        if time.monotonic() > end_s:
            break
        time.sleep(LOOK_EVERY_S)
    raise WindowError("the game's window was closed")
