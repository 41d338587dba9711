"""Whether the game's window has the keyboard, and since when: what is typed elsewhere must never be stored."""

from __future__ import annotations

import sys
from abc import ABC, abstractmethod
from typing import Self

from gameon_env.clock import now_ns
from gameon_env.desktop.windows import Window

POLL_NS = 20_000_000


class FocusWatch(ABC):
    """The contract. It has no thread: :meth:`transitions` looks. One thread at a time may call it.

    Where the time of a change is not known exactly, the uncertain time counts as without the focus.

    Attributes:
        backend: the name of the method in use.
        focused: whether the window had the focus when :meth:`transitions` last looked (or this was opened).
        confirmed_ns: the transitions up to this time (:func:`gameon_env.clock.now_ns`) are all known: an event up to
            then can be kept or thrown away, a later one must wait for the next look.
    """

    backend: str
    focused: bool
    confirmed_ns: int

    @abstractmethod
    def transitions(self) -> list[tuple[int, bool]]:
        """The changes since the last call, by time: ``(t_ns, focused)``, each the opposite of the one before.

        A window that was closed is without the focus; so is one of a display that is gone by polling.

        Raises:
            DisplayError: the display is gone.
        """

    @abstractmethod
    def close(self) -> None:
        """Let go of the display (the window given stays open); more calls do nothing."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def open_focus(display: str | None, window: Window) -> FocusWatch:
    """Watch the focus of ``window``, which is on ``display`` (``None``: this desktop's).

    Raises:
        DisplayError: the display cannot be reached.
    """
    if sys.platform in ("win32", "darwin"):
        return PollingFocus(window)
    from gameon_env.desktop.focus_x11 import X11Focus

    return X11Focus(display, window)


class PollingFocus(FocusWatch):
    """Asks the window at 50 Hz at most, on any platform. A loss and return between two looks is not seen."""

    backend = "polling"

    def __init__(self, window: Window) -> None:
        self._window = window
        self.confirmed_ns = now_ns()
        self.focused = window.focused

    def transitions(self) -> list[tuple[int, bool]]:
        before_ns = now_ns()
        if before_ns - self.confirmed_ns < POLL_NS:
            return []
        focused, known_ns = self._window.focused, self.confirmed_ns
        self.confirmed_ns = before_ns
        if focused == self.focused:
            return []
        self.focused = focused
        if not focused:  # it may have gone right after the last look
            return [(known_ns, False)]
        self.confirmed_ns = now_ns()
        return [(self.confirmed_ns, True)]

    def close(self) -> None:
        pass
