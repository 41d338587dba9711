"""Which windows a display shows, whose they are, and questions to windows that may die before they answer (X11)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from gameon_env.desktop.region import Region
from gameon_env.desktop.windows import WindowInfo
from gameon_env.errors import DisplayError

_T = TypeVar("_T")


def visible(connection: Any) -> list[WindowInfo]:
    """The visible windows; without a window manager all that are not menus.

    Raises:
        DisplayError: the display went away.
    """
    root = connection.screen().root
    clients = property_of(connection, root, "_NET_CLIENT_LIST")
    if clients is not None:
        candidates = [connection.create_resource_object("window", int(client)) for client in clients]
    else:
        tree = ask(root.query_tree)
        candidates = [] if tree is None else [child for child in tree.children if not _is_popup(root, child)]
    return [info for info in (_describe(connection, window) for window in candidates) if info is not None]


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
    if region is None:
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
