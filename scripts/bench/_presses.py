"""Keys that are pressed on a display all the time, and when each was: what a recording is held against."""

from __future__ import annotations

import threading

from gameon_env.clock import now_ns
from gameon_env.desktop.inject import open_injector
from gameon_env.errors import GameOnError

KEYS = ("key:left", "key:right", "key:space")
TAP_S = 0.02


class Presses:
    """Presses keys on a display until the block ends, and knows when each change was sent (``sent``)."""

    def __init__(self, display: str) -> None:
        self.sent: list[tuple[int, str, float]] = []
        self._injector = open_injector(display, "x11")
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._press, daemon=True)

    def __enter__(self) -> Presses:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()

    def _press(self) -> None:
        number = 0
        try:
            while not self._ended.is_set():
                key, value = KEYS[number // 2 % len(KEYS)], float(number % 2 == 0)
                (self._injector.press if value else self._injector.release)(key)
                self._injector.flush()
                self.sent.append((now_ns(), key, value))
                number += 1
                self._ended.wait(TAP_S)
            self._injector.close()
        except GameOnError:
            pass  # the display died, as it should
