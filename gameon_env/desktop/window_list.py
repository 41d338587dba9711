"""Which windows a display shows, whose they are, and questions to windows that may die before they answer (X11)."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Any, TypeVar

from gameon_env.desktop import x11
from gameon_env.desktop.region import Region
from gameon_env.errors import DisplayError, WindowError

SMALLEST_PX = 8
"""Windows up to this wide or high are helpers that toolkits make, not games."""

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class WindowInfo:
    """A window as it was when listed; ``region`` in pixels of the display's root, ``pid`` 0 where unknown."""

    id: int
    title: str
    pid: int
    region: Region

    def __str__(self) -> str:
        return f"{self.title!r} {self.region} (process {self.pid or 'unknown'})"


def list_windows(display: str | None) -> list[WindowInfo]:
    """The windows that can be seen on a display (``None``: this desktop's), the largest first.

    Raises:
        DisplayError: the display cannot be reached.
    """
    connection = connect(display)
    try:
        return list_on(connection)
    finally:
        connection.display.socket.close()


def find_window(
    display: str | None, *, pids: Collection[int] | None = None, title: str | None = None
) -> WindowInfo | None:
    """The largest visible window of these processes whose title matches the regular expression ``title``."""
    return choose(list_windows(display), pids, title)


def choose(windows: list[WindowInfo], pids: Collection[int] | None, title: str | None) -> WindowInfo | None:
    """The first that belongs to one of ``pids`` and whose title matches; ``None`` means any."""
    pattern = compiled(title) if title is not None else None
    for window in windows:
        if (pids is None or window.pid in pids) and (pattern is None or pattern.search(window.title)):
            return window
    return None


def compiled(title: str) -> re.Pattern[str]:
    """The pattern of a title. Raises ``WindowError`` where it is no regular expression."""
    try:
        return re.compile(title)
    except re.error as error:
        raise WindowError(f"the window title {title!r} is not a regular expression: {error}") from error


def connect(display: str | None) -> Any:
    """A connection for questions about windows. Raises ``WindowError`` on systems other than X11."""
    if sys.platform in ("win32", "darwin"):
        raise WindowError("windows can be found on X11 only: give the profile a region or a monitor instead")
    return x11.connect(display)


def list_on(connection: Any) -> list[WindowInfo]:
    """The visible windows, the largest first; without a window manager all that are not menus or helpers."""
    root = connection.screen().root
    clients = property_of(connection, root, "_NET_CLIENT_LIST")
    if clients is not None:
        candidates = [connection.create_resource_object("window", int(client)) for client in clients]
    else:
        tree = ask(root.query_tree)
        candidates = [] if tree is None else [child for child in tree.children if not _is_popup(root, child)]
    windows = [info for info in (_describe(connection, window) for window in candidates) if info is not None]
    # Stable: of two of one size the one that was there first.
    return sorted(windows, key=lambda info: -info.region.width * info.region.height)


def _is_popup(root: Any, window: Any) -> bool:
    """Menus and tooltips bypass the window manager; so do old full-screen games."""
    attributes, own, whole = ask(window.get_attributes), ask(window.get_geometry), ask(root.get_geometry)
    if attributes is None or own is None or whole is None:
        return True
    return bool(attributes.override_redirect) and (own.width < whole.width or own.height < whole.height)


def _describe(connection: Any, window: Any) -> WindowInfo | None:
    from Xlib import X

    attributes = ask(window.get_attributes)
    if attributes is None or attributes.map_state != X.IsViewable or attributes.win_class != X.InputOutput:
        return None
    region = region_of(connection, window)
    if region is None or region.width <= SMALLEST_PX or region.height <= SMALLEST_PX:
        return None
    return WindowInfo(window.id, title_of(connection, window), _pid(connection, window), region)


def region_of(connection: Any, window: Any) -> Region | None:
    """Where a window's inside is on the root; None where it is gone."""
    geometry = ask(window.get_geometry)
    origin = ask(lambda: connection.screen().root.translate_coords(window, 0, 0))
    if geometry is None or origin is None:
        return None
    return Region(origin.x, origin.y, geometry.width, geometry.height)


def title_of(connection: Any, window: Any) -> str:
    """A window's title; empty where it has none or is gone."""
    for name in ("_NET_WM_NAME", "WM_NAME"):
        value = property_of(connection, window, name)
        if value is not None:
            return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)
    return ""


def _pid(connection: Any, window: Any) -> int:
    """What the server knows of the process at the other end, else what the window says of itself; else 0."""
    from Xlib.ext import res

    if connection.has_extension("X-Resource"):
        specs = [{"client": window.id, "mask": res.LocalClientPIDMask}]
        answer = ask(lambda: connection.res_query_client_ids(specs))
        for client in answer.ids if answer is not None else ():
            if client.value and client.value[0]:
                return int(client.value[0])
    said = property_of(connection, window, "_NET_WM_PID")
    return int(said[0]) if said is not None and len(said) else 0


def property_of(connection: Any, window: Any, name: str) -> Any:
    """The value of a window's property; None where it or the window is not there."""
    from Xlib import X

    atom = connection.intern_atom(name)
    answer = ask(lambda: window.get_full_property(atom, X.AnyPropertyType))
    return None if answer is None else answer.value


def ask(question: Callable[[], _T]) -> _T | None:
    """The answer, or None where the window went away in the meantime.

    Raises:
        DisplayError: the display went away.
    """
    from Xlib import error

    try:
        return question()
    except error.XError:
        return None
    except (error.ConnectionClosedError, OSError) as problem:
        raise DisplayError(f"the display is gone: {problem}") from problem
