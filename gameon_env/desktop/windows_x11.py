"""Windows on X11: found, followed, focused and moved by python-xlib."""

from __future__ import annotations

import threading
from typing import Any

from gameon_env.desktop import window_list, x11
from gameon_env.desktop.region import Region
from gameon_env.desktop.windows import Window, WindowInfo, WindowList
from gameon_env.errors import DisplayError, WindowError

_NOBODY, _WHERE_THE_POINTER_IS = 0, 1


def open_list(display: str | None) -> WindowList:
    """The windows of a display. Raises ``DisplayError`` where it cannot be reached."""
    return X11WindowList(display)


def open_window(display: str | None, window_id: int) -> Window:
    """One window. Raises ``DisplayError`` where the display cannot be reached."""
    return X11Window(display, window_id)


class X11WindowList:
    """The windows of one display, on a connection of its own."""

    def __init__(self, display: str | None) -> None:
        self._display: Any = x11.connect(display)

    def visible(self) -> list[WindowInfo]:
        return window_list.visible(self._display)

    def close(self) -> None:
        self._display.display.socket.close()


class X11Window(Window):
    """One window, on a connection of its own."""

    def __init__(self, display: str | None, window_id: int) -> None:
        self._display: Any = x11.connect(display)
        self._window = self._display.create_resource_object("window", window_id)
        self._lock = threading.Lock()
        self.id = window_id

    @property
    def title(self) -> str:
        with self._lock:
            return window_list.title_of(self._display, self._window)

    @property
    def alive(self) -> bool:
        try:
            with self._lock:
                return window_list.ask(self._window.get_geometry) is not None
        except DisplayError:
            return False

    @property
    def focused(self) -> bool:
        try:
            with self._lock:
                return self._has_focus()
        except DisplayError:
            return False

    @property
    def under_pointer(self) -> bool:
        try:
            with self._lock:
                path = self._path_under_pointer()
                return self.id in path or any(map(self._is_own_popup, path))
        except DisplayError:
            return False

    def _is_own_popup(self, window_id: int) -> bool:
        """Whether it is a menu, or a dialog above this window, that was made on the same connection."""
        own_bits: int = self._display.display.info.resource_id_mask
        if (window_id ^ self.id) & ~own_bits:
            return False
        window = self._display.create_resource_object("window", window_id)
        about = window_list.ask(window.get_attributes)
        above = window_list.ask(window.get_wm_transient_for)
        return bool(about is not None and about.override_redirect) or getattr(above, "id", None) == self.id

    def region(self) -> Region:
        with self._lock:
            found = window_list.region_of(self._display, self._window)
        if found is None:
            raise WindowError("the game's window was closed")
        return found

    def ask_for_focus(self) -> None:
        from Xlib import X
        from Xlib.protocol import event

        with self._lock:
            name = self._display.intern_atom("_NET_ACTIVE_WINDOW")
            root = self._display.screen().root
            if window_list.property_of(self._display, root, "_NET_SUPPORTED") is not None:
                message = event.ClientMessage(window=self._window, client_type=name, data=(32, [2, 0, 0, 0, 0]))
                root.send_event(message, event_mask=X.SubstructureRedirectMask | X.SubstructureNotifyMask)
            else:
                self._window.configure(stack_mode=X.Above)
                self._window.set_input_focus(X.RevertToPointerRoot, X.CurrentTime)
            window_list.ask(self._display.sync)

    def move_resize(self, region: Region) -> None:
        self.region()
        with self._lock:
            self._window.configure(x=region.left, y=region.top, width=region.width, height=region.height)
            window_list.ask(self._display.sync)

    def close(self) -> None:
        with self._lock:
            self._display.display.socket.close()

    def _has_focus(self) -> bool:
        answer = window_list.ask(self._display.get_input_focus)
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
        while (tree := window_list.ask(window.query_tree)) is not None and tree.parent and tree.parent != tree.root:
            path.add(tree.parent.id)
            window = tree.parent
        return path

    def _path_under_pointer(self) -> set[int]:
        path: set[int] = set()
        window = self._display.screen().root
        while (answer := window_list.ask(window.query_pointer)) is not None and answer.child:
            window = answer.child
            path.add(window.id)
        return path
