"""The game's window: found by its process or title, followed, focused (X11)."""

from __future__ import annotations

import re
import sys
import threading
import time
from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Any, Self, TypeVar

from gameon_env.desktop import x11
from gameon_env.desktop.process import GameProcess
from gameon_env.desktop.region import Region
from gameon_env.errors import DisplayError, GameCrashError, WindowError

SMALLEST_PX = 8
"""Windows up to this wide or high are helpers that toolkits make, not games."""

_POLL_S = 0.01
_NOBODY, _WHERE_THE_POINTER_IS = 0, 1
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


class Window:
    """One window, on a connection of its own. Find it by :func:`find_window` or :func:`wait_for_window`."""

    def __init__(self, display: str | None, window_id: int) -> None:
        self._display = _connect(display)
        self._window = self._display.create_resource_object("window", window_id)
        self._lock = threading.Lock()
        self.id = window_id

    @property
    def title(self) -> str:
        """Its title now; empty where it has none or is closed."""
        with self._lock:
            return _title(self._display, self._window)

    @property
    def alive(self) -> bool:
        """Whether it still exists, be it minimised; False as well where the display is gone."""
        try:
            with self._lock:
                return _ask(self._window.get_geometry) is not None
        except DisplayError:
            return False

    @property
    def focused(self) -> bool:
        """Whether keys go to it (or to a part of it, or to the frame around it); False where the display is gone."""
        try:
            with self._lock:
                return self._has_focus()
        except DisplayError:
            return False

    def region(self) -> Region:
        """Where it is: its inside, without a frame, in pixels of the root.

        Raises:
            WindowError: it was closed.
        """
        with self._lock:
            found = _region(self._display, self._window)
        if found is None:
            raise WindowError("the game's window was closed")
        return found

    def focus(self, timeout_s: float = 1.0) -> bool:
        """Raise it and give it the keyboard. Returns whether it has it, which a window manager may refuse.

        Raises:
            WindowError: it was closed.
        """
        self.region()
        with self._lock:
            from Xlib import X
            from Xlib.protocol import event

            name = self._display.intern_atom("_NET_ACTIVE_WINDOW")
            root = self._display.screen().root
            if _property(self._display, root, "_NET_SUPPORTED") is not None:
                message = event.ClientMessage(window=self._window, client_type=name, data=(32, [2, 0, 0, 0, 0]))
                root.send_event(message, event_mask=X.SubstructureRedirectMask | X.SubstructureNotifyMask)
            else:
                self._window.configure(stack_mode=X.Above)
                self._window.set_input_focus(X.RevertToPointerRoot, X.CurrentTime)
            _ask(self._display.sync)
        deadline = time.monotonic() + timeout_s
        while not self.focused:
            if time.monotonic() > deadline:
                return False
            time.sleep(_POLL_S)
        return True

    def move_resize(self, region: Region) -> None:
        """Put it there. Games may refuse another size: ask :meth:`region` afterwards.

        Raises:
            WindowError: it was closed.
        """
        self.region()
        with self._lock:
            self._window.configure(x=region.left, y=region.top, width=region.width, height=region.height)
            _ask(self._display.sync)

    def close(self) -> None:
        """Let go of the display (the game's window stays); more calls do nothing."""
        with self._lock:
            self._display.display.socket.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _has_focus(self) -> bool:
        answer = _ask(self._display.get_input_focus)
        if answer is None or answer.focus == _NOBODY:
            return False
        if answer.focus == _WHERE_THE_POINTER_IS:
            return self.id in self._path_under_pointer()
        focus: int = getattr(answer.focus, "id", answer.focus)
        return focus == self.id or focus in self._path_to_root(self.id) or self.id in self._path_to_root(focus)

    def _path_to_root(self, window_id: int) -> set[int]:
        """The windows around one, without the root."""
        path: set[int] = set()
        window = self._display.create_resource_object("window", window_id)
        while (tree := _ask(window.query_tree)) is not None and tree.parent and tree.parent != tree.root:
            path.add(tree.parent.id)
            window = tree.parent
        return path

    def _path_under_pointer(self) -> set[int]:
        path: set[int] = set()
        window = self._display.screen().root
        while (answer := _ask(window.query_pointer)) is not None and answer.child:
            window = answer.child
            path.add(window.id)
        return path


def list_windows(display: str | None) -> list[WindowInfo]:
    """The windows that can be seen on a display (``None``: this desktop's), the largest first.

    Raises:
        DisplayError: the display cannot be reached.
    """
    connection = _connect(display)
    try:
        return _list(connection)
    finally:
        connection.display.socket.close()


def find_window(
    display: str | None, *, pids: Collection[int] | None = None, title: str | None = None
) -> WindowInfo | None:
    """The largest visible window of these processes whose title matches the regular expression ``title``."""
    return _choose(list_windows(display), pids, title)


def wait_for_window(display: str | None, *, process: GameProcess | None, title: str | None, timeout_s: float) -> Window:
    """Wait until a game shows its window: visible, more than 8x8 pixels, the largest of its process.

    A window whose process the display does not know is taken where it is the only one there.

    Raises:
        GameCrashError: the process ended meanwhile; the message holds its last output.
        WindowError: no such window within ``timeout_s``; the message lists those there are.
        DisplayError: the display cannot be reached.
        ValueError: ``title`` is no regular expression.
    """
    if title is not None:
        _compiled(title)
    connection = _connect(display)
    deadline = time.monotonic() + timeout_s
    windows: list[WindowInfo] = []
    try:
        while True:
            windows = _list(connection)
            found = None
            if windows:
                pids = process.pids() if process is not None else None
                found = _choose(windows, pids, title)
                if found is None and pids is not None and len(windows) == 1 and not windows[0].pid:
                    found = _choose(windows, None, title)
            if found is not None:
                return Window(display, found.id)
            if process is not None and (code := process.poll()) is not None:
                raise GameCrashError(
                    f"the game ended with code {code} before it showed a window ({' '.join(process.command)}). "
                    f"Its last output:\n{process.output_tail() or '(none)'}"
                )
            if time.monotonic() >= deadline:
                break
            time.sleep(_POLL_S)
    finally:
        connection.display.socket.close()
    wanted = f" with a title like {title!r}" if title is not None else ""
    seen = "; ".join(map(str, windows)) or "none at all"
    said = f" The game's last output:\n{process.output_tail(5)}" if process is not None else ""
    raise WindowError(f"no window{wanted} of the game within {timeout_s:g} s. Windows there: {seen}.{said}")


def _choose(windows: list[WindowInfo], pids: Collection[int] | None, title: str | None) -> WindowInfo | None:
    pattern = _compiled(title) if title is not None else None
    for window in windows:
        if (pids is None or window.pid in pids) and (pattern is None or pattern.search(window.title)):
            return window
    return None


def _compiled(title: str) -> re.Pattern[str]:
    try:
        return re.compile(title)
    except re.error as error:
        raise WindowError(f"the window title {title!r} is not a regular expression: {error}") from error


def _connect(display: str | None) -> Any:
    if sys.platform in ("win32", "darwin"):
        raise WindowError("windows can be found on X11 only: give the profile a region or a monitor instead")
    return x11.connect(display)


def _list(connection: Any) -> list[WindowInfo]:
    root = connection.screen().root
    clients = _property(connection, root, "_NET_CLIENT_LIST")
    if clients is not None:
        candidates = [connection.create_resource_object("window", int(client)) for client in clients]
    else:
        tree = _ask(root.query_tree)
        candidates = [] if tree is None else [child for child in tree.children if not _is_popup(root, child)]
    windows = [info for info in (_describe(connection, window) for window in candidates) if info is not None]
    # Stable: of two of one size the one that was there first.
    return sorted(windows, key=lambda info: -info.region.width * info.region.height)


def _is_popup(root: Any, window: Any) -> bool:
    """Menus and tooltips bypass the window manager; so do old full-screen games."""
    attributes, own, whole = _ask(window.get_attributes), _ask(window.get_geometry), _ask(root.get_geometry)
    if attributes is None or own is None or whole is None:
        return True
    return bool(attributes.override_redirect) and (own.width < whole.width or own.height < whole.height)


def _describe(connection: Any, window: Any) -> WindowInfo | None:
    from Xlib import X

    attributes = _ask(window.get_attributes)
    if attributes is None or attributes.map_state != X.IsViewable or attributes.win_class != X.InputOutput:
        return None
    region = _region(connection, window)
    if region is None or region.width <= SMALLEST_PX or region.height <= SMALLEST_PX:
        return None
    return WindowInfo(window.id, _title(connection, window), _pid(connection, window), region)


def _region(connection: Any, window: Any) -> Region | None:
    geometry = _ask(window.get_geometry)
    origin = _ask(lambda: connection.screen().root.translate_coords(window, 0, 0))
    if geometry is None or origin is None:
        return None
    return Region(origin.x, origin.y, geometry.width, geometry.height)


def _title(connection: Any, window: Any) -> str:
    for name in ("_NET_WM_NAME", "WM_NAME"):
        value = _property(connection, window, name)
        if value is not None:
            return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)
    return ""


def _pid(connection: Any, window: Any) -> int:
    """What the server knows of the process at the other end, else what the window says of itself; else 0."""
    from Xlib.ext import res

    if connection.has_extension("X-Resource"):
        specs = [{"client": window.id, "mask": res.LocalClientPIDMask}]
        answer = _ask(lambda: connection.res_query_client_ids(specs))
        for client in answer.ids if answer is not None else ():
            if client.value and client.value[0]:
                return int(client.value[0])
    said = _property(connection, window, "_NET_WM_PID")
    return int(said[0]) if said is not None and len(said) else 0


def _property(connection: Any, window: Any, name: str) -> Any:
    from Xlib import X

    atom = connection.intern_atom(name)
    answer = _ask(lambda: window.get_full_property(atom, X.AnyPropertyType))
    return None if answer is None else answer.value


def _ask(question: Callable[[], _T]) -> _T | None:
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
