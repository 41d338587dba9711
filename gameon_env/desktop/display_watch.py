"""Whether a display is still the one that it was: another one may come under its name."""

from __future__ import annotations

import os
import sys
import threading

from gameon_env.desktop.display import display_alive
from gameon_env.desktop.x11 import Wire
from gameon_env.errors import DisplayError


class DisplayWatch:
    """A connection to a display, which ends with the X server at its other end. Safe to ask from any thread.

    Args:
        name: the display's; ``""`` on Windows and macOS, where there is only one, which stays.

    Raises:
        DisplayError: nothing answers there.
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self._owner_pid = os.getpid()
        self._lock = threading.Lock()
        self._wire: Wire | None = None
        self._open = True
        if sys.platform not in ("win32", "darwin"):
            self._wire = Wire(name)
        elif name:
            raise DisplayError(f"this system has no display {name}: use display='current'")

    @property
    def alive(self) -> bool:
        """Whether the display that was there at first still answers."""
        if os.getpid() != self._owner_pid:  # a forked child must not talk on its parent's connection
            return display_alive(self._name)
        with self._lock:
            if self._open and self._wire is not None:
                try:
                    self._wire.sync()
                except OSError:
                    self._open = False  # one that is late would answer the next question
            return self._open

    def close(self) -> None:
        """Let go of the display; more calls do nothing."""
        with self._lock:
            self._open = False
            if self._wire is not None:
                self._wire.close()
