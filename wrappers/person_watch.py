"""A thread that hears the person's devices, and takes the game from the agent at the first thing they do."""

from __future__ import annotations

import threading
import weakref

from gameon_env.clock import now_ns
from gameon_env.desktop.listen import open_listener
from gameon_env.envs.live_game import LiveGame
from gameon_env.errors import InputError
from gameon_env.events import InputEvent
from gameon_env.keys import BUTTONS, MOUSE_POSITION

LOOK_EVERY_S = 0.25
"""How often it looks whether the game is still there, when nobody does anything."""


class PersonWatch:
    """Who has the game: the agent, or the person at the keyboard and mouse.

    What the person does is told from what programs inject by the device it comes from. The agent's keys go up on the
    thread that hears the person, not when the agent's step ends, and it presses none until :meth:`hand_back`.

    A key that both hold down is not let go of at that moment, because on X11 a release by one device frees the key
    that another one holds: ours goes up after theirs. Where our release and their press crossed, it is pressed again
    on their behalf.

    Args:
        display: the display that the game is on.
        backend: how to listen: ``auto``, ``x11`` or ``pynput``.
        game: what the agent plays. Held weakly: the thread ends with it.
        hand_back_key: the key by which the person gives the game back.
        passed_over: other keys that take nothing over, such as the emergency stop.

    Raises:
        InputError: this system does not tell a person's input from an agent's, or nothing can be heard.
    """

    def __init__(
        self, display: str, backend: str, game: LiveGame, hand_back_key: str, passed_over: frozenset[str]
    ) -> None:
        self._game = weakref.ref(game)
        self._hand_back_key = hand_back_key
        self._passed_over = passed_over | {hand_back_key}
        self._lock = threading.RLock()
        self._events: list[InputEvent] = []
        self._since_ns: int | None = None
        self._armed = False
        self._asked_back = False
        self._last_ns = now_ns()
        self._error: Exception | None = None
        self._ending = threading.Event()
        self._listener = open_listener(display, backend)
        try:
            if not self._listener.tells_injected:
                raise InputError(
                    f"the {self._listener.backend} backend does not tell a person's input from an agent's here: "
                    "a person can take over on X11 only. Elsewhere, record a person alone: HumanControl"
                )
            self._listener.start()
            self._held = set(self._listener.held())
        except BaseException:
            self._listener.close()
            raise
        self._thread = threading.Thread(target=self._run, name="gameon-person", daemon=True)
        self._thread.start()

    @property
    def since_ns(self) -> int | None:
        """Since when the person has the game; None while the agent has it."""
        return self._since_ns

    def begin(self, t_ns: int) -> frozenset[str]:
        """An episode began at ``t_ns``: it is the agent's, unless the person holds something down.

        Returns:
            the keys and buttons that the person holds down.
        """
        with self._lock:
            self._look()
            self._events.clear()
            self._armed = True
            if self._held - self._passed_over:
                self._take_over(t_ns)
                self._hold_again()
            return frozenset(self._held)

    def arm(self, armed: bool) -> None:
        """Whether what the person does is for the game: while another window has the focus it is not."""
        with self._lock:
            self._armed = armed

    def pause(self) -> None:
        """No episode is played: whoever has the game, the environment may inject what a new one needs."""
        with self._lock:
            self._armed = False
            self._go_on()

    def heard(self) -> list[InputEvent]:
        """What the person has done since the last call, in order, all that happened before this call.

        Raises:
            InputError: the display is gone.
        """
        with self._lock:
            if self._error is not None:
                raise self._error
            self._look()
            events, self._events = self._events, []
            return events

    def pointer(self) -> tuple[int, int]:
        """Where the pointer is, ``(x, y)`` in pixels of the display."""
        return self._listener.pointer()

    def hand_back(self, idle_s: float | None) -> bool:
        """Let the agent go on, where the person said so or did nothing for ``idle_s``, and holds nothing down.

        Returns:
            whether the agent has the game now.

        Raises:
            InputError: the display is gone.
        """
        with self._lock:
            if self._error is not None:
                raise self._error
            self._look()
            if self._since_ns is not None and not self._held - self._passed_over:
                idle_ns = now_ns() - max(self._last_ns, self._since_ns)
                if self._asked_back or (idle_s is not None and idle_ns >= idle_s * 1e9):
                    self._go_on()
            return self._since_ns is None

    def close(self) -> None:
        """End the thread; more calls do nothing."""
        self._ending.set()
        self._listener.close()
        if threading.current_thread() is not self._thread:
            self._thread.join()

    def _run(self) -> None:
        try:
            while not self._ending.is_set() and self._game() is not None:
                if self._listener.wait(LOOK_EVERY_S):
                    with self._lock:
                        self._look()
        except Exception as error:  # noqa: BLE001 - handed on: heard() raises it in the caller's thread
            self._error = error
        if self._game() is None:
            self._listener.close()

    def _look(self) -> None:
        for event in self._listener.drain():
            if event.control in MOUSE_POSITION:
                continue
            if event.injected:
                self._mend(event)
                continue
            self._events.append(event)
            self._last_ns = event.t_ns
            if event.control in BUTTONS:
                self._follow(event)
            pressed = event.control not in BUTTONS or event.value >= 0.5
            if event.control == self._hand_back_key:
                self._asked_back |= pressed and self._since_ns is not None
            elif pressed and self._armed and self._since_ns is None and event.control not in self._passed_over:
                self._take_over(event.t_ns)

    def _take_over(self, t_ns: int) -> None:
        game = self._game()
        if game is not None:
            game.give_way(keep={control for control in self._held if control.startswith("key:")})
        self._since_ns, self._asked_back = t_ns, False

    def _go_on(self) -> None:
        game = self._game()
        if self._since_ns is not None and game is not None:
            game.go_on()
        self._since_ns = None

    def _hold_again(self) -> None:
        """What the environment did before the episode may have freed keys that the person held all the time."""
        game = self._game()
        for control in self._held - self._listener.held():
            if control.startswith("key:") and game is not None:
                game.hold(control)

    def _follow(self, event: InputEvent) -> None:
        if event.value >= 0.5:
            self._held.add(event.control)
            return
        self._held.discard(event.control)
        game = self._game()
        if self._since_ns is not None and game is not None:
            game.let_go(event.control)

    def _mend(self, event: InputEvent) -> None:
        """A release of ours that came after the person's press of the same key has freed it: hold it for them."""
        freed = event.control.startswith("key:") and event.value < 0.5 and event.control in self._held
        game = self._game()
        if freed and self._since_ns is not None and game is not None:
            game.hold(event.control)
