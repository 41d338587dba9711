"""Hearing input by pynput: the portable backend, used on Windows and macOS."""

from __future__ import annotations

import struct
import threading
import time
from typing import Any

from gameon_env.clock import now_ns
from gameon_env.desktop import pynput_names
from gameon_env.desktop.listen import EventQueue
from gameon_env.errors import DisplayError, InputError
from gameon_env.events import InputEvent

START_TIMEOUT_S = 10.0


class PynputListener:
    """pynput's keyboard and mouse listeners.

    What it cannot do: motion is the difference of pointer positions, so nothing is heard beyond the screen's edge or
    in a game that locks the pointer; :meth:`held` knows only what was pressed after :meth:`start`; times are those of
    arrival; on X11 injected events count as physical, only the display of ``$DISPLAY`` is heard, keys are known by
    what they type (so a foreign layout changes names), and the numeric pad's keys by what they type too.
    """

    backend = "pynput"
    tells_injected = not pynput_names.ON_X11
    relative_motion = False

    def __init__(self, display: str | None) -> None:
        keyboard, mouse = pynput_names.load(display)
        self._by_vk = pynput_names.control_of_vk()
        self._queue = EventQueue()
        self._lock = threading.Lock()
        self._down: set[tuple[str, bool]] = set()
        self._pointer: tuple[int, int] = (0, 0)
        self._reported: tuple[int, int] = (0, 0)
        self._moved_injected = False
        self._controller: Any = mouse.Controller()
        self._listeners: list[Any] = [
            keyboard.Listener(on_press=self._on_press, on_release=self._on_release),
            mouse.Listener(on_move=self._on_move, on_click=self._on_click, on_scroll=self._on_scroll),
        ]
        self._nudger: threading.Thread | None = None
        self._stop = threading.Event()
        self._started = False

    @property
    def dropped(self) -> int:
        return self._queue.dropped

    def start(self) -> None:
        if self._started:
            raise InputError("a listener is started once; open another one")
        self._started = True
        self._pointer = self._reported = self.pointer()
        for listener in self._listeners:
            listener.start()
            listener.wait()
        if pynput_names.ON_X11:
            self._wait_for_record()
            self._nudger = threading.Thread(target=self._nudge, name="gameon-nudge", daemon=True)
            self._nudger.start()

    def drain(self) -> list[InputEvent]:
        events = sorted(self._queue.take(), key=lambda event: event.t_ns)  # two threads put them there
        if self._started and not self._stop.is_set() and not all(listener.is_alive() for listener in self._listeners):
            self._queue.fail(ConnectionResetError("pynput's listener ended by itself"))
            if not events:
                return self._queue.take()
        with self._lock:
            position, injected = self._pointer, self._moved_injected
            if position != self._reported:
                self._reported = position
                t_ns = now_ns()
                events.append(InputEvent(t_ns, "mouse:x", float(position[0]), injected))
                events.append(InputEvent(t_ns, "mouse:y", float(position[1]), injected))
        return events

    def wait(self, timeout_s: float) -> bool:
        return self._queue.wait(timeout_s)

    def held(self) -> frozenset[str]:
        with self._lock:
            return frozenset(control for control, _ in self._down)

    def pointer(self) -> tuple[int, int]:
        try:
            x, y = self._controller.position
        except Exception as error:  # pynput lets its platform's own errors through
            raise InputError(f"the pointer cannot be read, the display is gone: {error!r}") from error
        return int(x), int(y)

    def close(self) -> None:
        if self._stop.is_set():
            return
        self._stop.set()
        self._queue.close()
        if not self._started:
            pynput_names.close_controller(self._controller)
            return
        if self._nudger is not None:
            self._nudger.join()
        for listener in self._listeners:
            listener.stop()
        if pynput_names.ON_X11:
            self._stop_recording()
        for listener in self._listeners:
            threading.Thread.join(listener, 2.0)  # its own join raises what the thread met
        pynput_names.close_controller(self._controller)

    def _on_press(self, key: Any, injected: bool = False) -> None:
        self._change(pynput_names.control_of_key(key, self._by_vk), True, injected)

    def _on_release(self, key: Any, injected: bool = False) -> None:
        self._change(pynput_names.control_of_key(key, self._by_vk), False, injected)

    def _on_click(self, _x: int, _y: int, button: Any, pressed: bool, injected: bool = False) -> None:
        self._change(pynput_names.CONTROL_OF_BUTTON.get(button.name), pressed, injected)

    def _on_scroll(self, _x: int, _y: int, _dx: int, dy: int, injected: bool = False) -> None:
        if dy:
            self._queue.put([InputEvent(now_ns(), "mouse:wheel", float(dy), injected)])

    def _on_move(self, x: int, y: int, injected: bool = False) -> None:
        t_ns = now_ns()
        with self._lock:
            dx, dy = x - self._pointer[0], y - self._pointer[1]
            self._pointer, self._moved_injected = (int(x), int(y)), injected
        motion = (("mouse:dx", dx), ("mouse:dy", dy))
        self._queue.put([InputEvent(t_ns, control, float(counts), injected) for control, counts in motion if counts])

    def _change(self, control: str | None, pressed: bool, injected: bool) -> None:
        if control is None:
            return
        if injected and not self.tells_injected:
            return  # pynput's own controllers tell its listeners directly; the real event comes as well
        mark = (control, injected)
        with self._lock:
            if (mark in self._down) == pressed:
                return
            (self._down.add if pressed else self._down.discard)(mark)
        self._queue.put([InputEvent(now_ns(), control, float(pressed), injected)])

    def _wait_for_record(self) -> None:
        """pynput says that it is ready just before it is: wait until the server records for it."""
        from gameon_env.desktop.x11 import Wire

        wire = Wire(None)
        deadline = time.monotonic() + START_TIMEOUT_S
        try:
            for listener in self._listeners:
                get_context = struct.pack("=BBHI", wire.opcode("RECORD"), 4, 2, listener._context)
                while not wire.request(get_context)[1]:
                    if time.monotonic() > deadline:
                        raise InputError("pynput did not begin to listen")
                    time.sleep(0.002)
        except OSError as error:
            raise InputError(f"pynput did not begin to listen: {error}") from error
        finally:
            wire.close()

    def _stop_recording(self) -> None:
        """pynput's own request to stop stays in its queue while its thread waits for events: ask from outside."""
        from gameon_env.desktop.x11 import Wire

        try:
            wire = Wire(None)
        except DisplayError:
            return  # the display is gone, and the threads have ended with it
        try:
            for listener in self._listeners:
                wire.send(struct.pack("=BBHI", wire.opcode("RECORD"), 6, 2, listener._context))
            wire.sync()
        except OSError:
            pass  # as above
        finally:
            wire.close()

    def _nudge(self) -> None:
        """X servers keep recorded events back until they have something else to send: ask for something."""
        while not self._stop.wait(0.004):
            self._read_pointer()

    def _read_pointer(self) -> None:
        try:
            self.pointer()
        except InputError:
            self._stop.wait(0.1)
