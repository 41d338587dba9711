"""Hearing input: one contract, and the choice of its backend."""

from __future__ import annotations

import sys
import threading
from collections import deque
from collections.abc import Iterable
from typing import Protocol

from gameon_env.errors import InputError, UnknownNameError
from gameon_env.events import InputEvent

QUEUE_LIMIT = 200_000
"""Events kept between two drains: more than three minutes of a mouse that reports a thousand times a second."""


class Listener(Protocol):
    """The contract of a listening backend.

    Attributes:
        backend: its name.
        tells_injected: whether it knows events that programs made from those of devices; where it does not,
            ``InputEvent.injected`` is always False.
        relative_motion: whether ``mouse:dx`` and ``mouse:dy`` are the device's own counts, also at the screen's edge
            and in a game that locks the pointer; otherwise they are differences of pointer positions.
        dropped: how many events were lost because nobody drained them.
    """

    backend: str
    tells_injected: bool
    relative_motion: bool

    @property
    def dropped(self) -> int: ...

    def start(self) -> None:
        """Begin to listen. Returns only when it does: no event after that is lost.

        Raises:
            InputError: the display is gone, or does not let anybody listen.
        """
        ...

    def drain(self) -> list[InputEvent]:
        """All events since the last call, in order. Safe to call from any thread.

        A press of what is down already (auto-repeat) is no event. Where the pointer has moved since the last call,
        its position now comes last, as ``mouse:x`` and ``mouse:y``.

        Raises:
            InputError: listening ended by itself, because the display is gone; events before that are handed out
                first.
        """
        ...

    def wait(self, timeout_s: float) -> bool:
        """Wait until something was heard that :meth:`drain` has not handed out, or listening ended by itself.

        Returns whether that is so; False after ``timeout_s``, or when it is closed meanwhile.
        """
        ...

    def held(self) -> frozenset[str]:
        """The keys and mouse buttons that are down now. Raises ``InputError`` where the display is gone."""
        ...

    def pointer(self) -> tuple[int, int]:
        """Where the pointer is, ``(x, y)`` in pixels of the display. Raises ``InputError`` as above."""
        ...

    def close(self) -> None:
        """End listening; more calls do nothing."""
        ...


def open_listener(display: str | None, backend: str = "auto") -> Listener:
    """A listener, not yet started, on ``display`` (``None``: this desktop's).

    Args:
        display: the display's name.
        backend: ``"x11"``, ``"pynput"``, or ``"auto"``: x11 on Linux, pynput on Windows and macOS.

    Raises:
        UnknownNameError: no such backend.
        DisplayError: nothing answers at that display.
        MissingPartError: pynput is not installed.
    """
    if choose_backend(backend) == "x11":
        from gameon_env.desktop.listen_x11 import X11Listener

        return X11Listener(display)
    from gameon_env.desktop.listen_pynput import PynputListener

    return PynputListener(display)


def choose_backend(backend: str) -> str:
    """``"auto"`` made definite: the backend of both sides of input on this system."""
    if backend not in ("auto", "x11", "pynput"):
        raise UnknownNameError(f"unknown input backend {backend!r}: allowed are 'auto', 'x11', 'pynput'")
    if backend != "auto":
        return backend
    return "pynput" if sys.platform in ("win32", "darwin") else "x11"


class EventQueue:
    """What lies between the thread that hears and the caller: bounded, counted drops, errors handed on."""

    def __init__(self, limit: int = QUEUE_LIMIT) -> None:
        self._events: deque[InputEvent] = deque()
        self._limit = limit
        self._lock = threading.Condition()
        self._error: BaseException | None = None
        self._closed = False
        self.dropped = 0

    def put(self, events: Iterable[InputEvent]) -> None:
        with self._lock:
            self._events.extend(events)
            while len(self._events) > self._limit:
                self._events.popleft()
                self.dropped += 1
            if self._events:
                self._lock.notify_all()

    def fail(self, error: BaseException) -> None:
        """The thread met ``error`` and ends."""
        with self._lock:
            self._error = error
            self._lock.notify_all()

    def close(self) -> None:
        """Nobody waits any more."""
        with self._lock:
            self._closed = True
            self._lock.notify_all()

    def wait(self, timeout_s: float) -> bool:
        """Whether there are events or an error, or will be within ``timeout_s``."""
        with self._lock:
            self._lock.wait_for(lambda: self._events or self._error is not None or self._closed, timeout_s)
            return bool(self._events) or self._error is not None

    def take(self) -> list[InputEvent]:
        with self._lock:
            if self._error is not None and not self._events:
                raise InputError(f"listening ended: {self._error}. The display is gone.") from self._error
            events = list(self._events)
            self._events.clear()
            return events
