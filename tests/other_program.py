"""Another program on a game's display, which takes the keyboard and gets input of its own."""

from __future__ import annotations

from Xlib import X

from gameon_env.desktop.x11 import connect


class OtherProgram:
    """Its window, and what it receives."""

    def __init__(self, display: str, left: int, top: int, width: int = 100, height: int = 100) -> None:
        self._connection = connect(display)
        mask = X.KeyPressMask | X.KeyReleaseMask | X.ButtonPressMask | X.ButtonReleaseMask
        root = self._connection.screen().root
        self.window = root.create_window(left, top, width, height, 0, X.CopyFromParent, event_mask=mask)
        self.window.map()
        self._connection.sync()

    def take_focus(self) -> None:
        self.window.set_input_focus(X.RevertToPointerRoot, X.CurrentTime)
        self._connection.sync()

    def grab_keyboard(self) -> None:
        assert self.window.grab_keyboard(False, X.GrabModeAsync, X.GrabModeAsync, X.CurrentTime) == X.GrabSuccess

    def ungrab_keyboard(self) -> None:
        self._connection.ungrab_keyboard(X.CurrentTime)
        self._connection.sync()

    def received(self) -> list[tuple[int, int]]:
        """``(event type, key or button)`` since the last call."""
        self._connection.sync()
        events = [self._connection.next_event() for _ in range(self._connection.pending_events())]
        kinds = (X.KeyPress, X.KeyRelease, X.ButtonPress, X.ButtonRelease)
        return [(event.type, event.detail) for event in events if event.type in kinds]

    def close(self) -> None:
        self._connection.close()
