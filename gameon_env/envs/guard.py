"""A thread that takes keyboard and mouse from an agent: at the stop key, when it hangs, when it loses the focus."""

from __future__ import annotations

import threading
import weakref
from collections.abc import Callable

from gameon_env.clock import now_ns
from gameon_env.desktop.listen import Listener, open_listener
from gameon_env.errors import EmergencyStop, InputError

LOOK_EVERY_S = 0.02
HANG_S = 2.0
"""An agent that takes no step for so long does not hold keys meanwhile: its program may have ended in an error and
still be there, as in a notebook."""


class Guard:
    """Watches over one agent.

    Args:
        display: the display that it plays on.
        stop_key: the control that stops it. None where no person can reach the display.
        own_key: the agent may press the stop key itself: only presses of a device count then, not injected ones.
            Otherwise both do, for the keys of remote desktops and key remappers are injected.
        release: lets go of all that the agent holds; called from the guard's thread, as often as needed. Held weakly:
            the guard ends by itself when the game is gone.
        release_astray: lets go of what the agent holds where that goes to another window, and says whether it did;
            called and held in the same way. None where no other window can have the keyboard.
        hang_s: how long the agent may take for a step while it holds keys.
    """

    def __init__(
        self,
        display: str,
        stop_key: str | None,
        release: Callable[[], object],
        release_astray: Callable[[], bool] | None = None,
        hang_s: float = HANG_S,
        *,
        own_key: bool = False,
    ) -> None:
        self._stop_key = stop_key
        self._own_key = own_key
        self._release = weakref.WeakMethod(release)
        self._release_astray = None if release_astray is None else weakref.WeakMethod(release_astray)
        self._hang_ns = int(hang_s * 1e9)
        self._last_step_ns = now_ns()
        self._released = False
        self._stopped = threading.Event()
        self._ending = threading.Event()
        self._error: InputError | None = None
        self._listener: Listener | None = None
        if stop_key is not None:
            self._listener = open_listener(display)
            self._listener.start()
        self._thread = threading.Thread(target=self._watch, name="gameon-guard", daemon=True)
        self._thread.start()

    def begin(self) -> None:
        """An episode begins: a stop from before it is over."""
        self._look()
        self._stopped.clear()
        self._last_step_ns = now_ns()

    def check(self) -> bool:
        """A step begins. Returns whether what was held had been let go since the last one.

        Raises:
            EmergencyStop: the person pressed the stop key.
            InputError: the display is gone.
        """
        self._look()
        if self._stopped.is_set():
            raise EmergencyStop(f"stopped by {self._stop_key}: everything was let go; call reset() to go on")
        if self._error is not None:
            raise self._error
        released, self._released = self._released, False
        self._last_step_ns = now_ns()
        return released

    def close(self) -> None:
        """End the thread. May be called twice."""
        self._ending.set()
        if threading.current_thread() is not self._thread:
            self._thread.join()
        if self._listener is not None:
            self._listener.close()
            self._listener = None

    def _watch(self) -> None:
        while not self._ending.wait(LOOK_EVERY_S):
            release = self._release()
            if release is None:
                return
            release_astray = None if self._release_astray is None else self._release_astray()
            try:
                self._look()
                if self._stopped.is_set():
                    release()
                elif now_ns() - self._last_step_ns > self._hang_ns and not self._released:
                    release()
                    self._released = True
                elif release_astray is not None and release_astray():
                    self._released = True
            except InputError as error:  # the display is gone: check() says so to the agent
                self._error = error
                return
            del release, release_astray  # nothing is kept while waiting

    def _look(self) -> None:
        if self._listener is None or self._stopped.is_set():
            return
        for event in self._listener.drain():
            counts = not (self._own_key and event.injected)
            if event.control == self._stop_key and event.value >= 0.5 and counts:
                self._stopped.set()
