"""The game's window: found by its process or title, followed, focused (X11)."""

from __future__ import annotations

import threading
import time
from typing import Self

from gameon_env.desktop import window_list
from gameon_env.desktop.process import GameProcess
from gameon_env.desktop.region import Region
from gameon_env.desktop.window_list import WindowInfo, find_window, list_windows
from gameon_env.errors import DisplayError, GameCrashError, WindowError

__all__ = ["Window", "WindowInfo", "find_window", "list_windows", "wait_for_window"]

_POLL_S = 0.01
_NOBODY, _WHERE_THE_POINTER_IS = 0, 1


class Window:
    """One window, on a connection of its own. Find it by :func:`find_window` or :func:`wait_for_window`."""

    def __init__(self, display: str | None, window_id: int) -> None:
        self._display = window_list.connect(display)
        self._window = self._display.create_resource_object("window", window_id)
        self._lock = threading.Lock()
        self.id = window_id

    @property
    def title(self) -> str:
        """Its title now; empty where it has none or is closed."""
        with self._lock:
            return window_list.title_of(self._display, self._window)

    @property
    def alive(self) -> bool:
        """Whether it still exists, be it minimised; False as well where the display is gone."""
        try:
            with self._lock:
                return window_list.ask(self._window.get_geometry) is not None
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
            found = window_list.region_of(self._display, self._window)
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
            if window_list.property_of(self._display, root, "_NET_SUPPORTED") is not None:
                message = event.ClientMessage(window=self._window, client_type=name, data=(32, [2, 0, 0, 0, 0]))
                root.send_event(message, event_mask=X.SubstructureRedirectMask | X.SubstructureNotifyMask)
            else:
                self._window.configure(stack_mode=X.Above)
                self._window.set_input_focus(X.RevertToPointerRoot, X.CurrentTime)
            window_list.ask(self._display.sync)
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
            window_list.ask(self._display.sync)

    def close(self) -> None:
        """Let go of the display (the game's window stays); more calls do nothing."""
        with self._lock:
            self._display.display.socket.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

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
        window_list.compiled(title)
    connection = window_list.connect(display)
    deadline = time.monotonic() + timeout_s
    windows: list[WindowInfo] = []
    try:
        while True:
            windows = window_list.list_on(connection)
            found = None
            if windows:
                pids = process.pids() if process is not None else None
                found = window_list.choose(windows, pids, title)
                if found is None and pids is not None and len(windows) == 1 and not windows[0].pid:
                    found = window_list.choose(windows, None, title)
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
