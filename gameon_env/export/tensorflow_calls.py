"""Calls of TensorFlow's threads into Python: none may be under way when Python ends.

A pipeline that nobody has used up reads on, into its buffers. A thread of it that asks for Python's lock while Python
ends is ended there and then, and the pipeline, which waits for it, keeps the process from ending (seen in 3 of 5 runs).
"""

from __future__ import annotations

import atexit
import threading
import time
from types import TracebackType

_QUIET_S = 0.2
"""Without a call: then all buffers are full, and nothing asks for more."""
_PATIENCE_S = 30.0


class Calls:
    """Counts those that are under way: each is a ``with`` block.

    Attributes:
        ended: Python ends. A call has nothing to do any more but return.
    """

    def __init__(self) -> None:
        self.ended = False
        self._lock = threading.Lock()
        self._running = 0
        self._last = float("-inf")
        atexit.register(self.end)

    def __enter__(self) -> None:
        with self._lock:
            self._running += 1

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        with self._lock:
            self._running -= 1
            self._last = time.monotonic()

    def end(self) -> None:
        """Wait until there are no more calls."""
        self.ended = True
        started = time.monotonic()
        if self._last == float("-inf") and not self._running:
            return
        while time.monotonic() - started < _PATIENCE_S:
            with self._lock:
                quiet = not self._running and time.monotonic() - max(self._last, started) > _QUIET_S
            if quiet:
                return
            time.sleep(0.02)


calls = Calls()
