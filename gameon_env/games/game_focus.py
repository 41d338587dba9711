"""Whether what is typed and clicked goes to the game's window, on a display that a person uses as well."""

from __future__ import annotations

import threading

from gameon_env.clock import now_ns
from gameon_env.desktop.focus import FocusWatch, open_focus
from gameon_env.desktop.windows import Window, open_window
from gameon_env.errors import DisplayError


class GameFocus:
    """Watches one window, on connections of its own. Any thread may ask.

    Without the keyboard is a window as well while another program has grabbed it: a screen lock, a password dialog.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._window: Window | None = None
        self._watch: FocusWatch | None = None
        self._since_ns: int | None = None

    def follow(self, display: str, window_id: int | None) -> None:
        """Watch this window from now on; the one that is watched already is watched on.

        Raises:
            DisplayError: the display cannot be reached.
        """
        with self._lock:
            if window_id == (self._window.id if self._window is not None else None):
                return
            self._close()
            if window_id is not None:
                self._window = open_window(display, window_id)
                self._watch = open_focus(display, self._window)

    @property
    def since_ns(self) -> int | None:
        """Since when the window has the keyboard without a break; None while it has not, or the display is gone."""
        with self._lock:
            if self._window is None or self._watch is None:
                return None
            try:
                changes = self._watch.transitions()
            except DisplayError:
                self._since_ns = None
                return None
            # The window itself is asked too: a watch that polls may look less often than we do.
            if not (self._watch.focused and self._window.focused):
                self._since_ns = None
            elif changes or self._since_ns is None:
                self._since_ns = changes[-1][0] if changes else now_ns()
            return self._since_ns

    @property
    def under_pointer(self) -> bool:
        """Whether a click goes to the window."""
        with self._lock:
            return self._window is not None and self._window.under_pointer

    def close(self) -> None:
        """Let go of the display; more calls do nothing."""
        with self._lock:
            self._close()

    def _close(self) -> None:
        watch, window = self._watch, self._window
        self._watch = self._window = self._since_ns = None
        if watch is not None:
            watch.close()
        if window is not None:
            window.close()
