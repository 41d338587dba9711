"""Making input by pynput: the portable backend, used on Windows and macOS."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

from gameon_env.desktop import pynput_names
from gameon_env.desktop.inject import check_button
from gameon_env.desktop.watchdog import Watchdog
from gameon_env.errors import InputError
from gameon_env.keys import KEYS


class PynputInjector:
    """pynput's controllers, addressed by virtual keys.

    What it cannot do: motion is relative to where the pointer is, set as a place, so a game that locks the pointer
    does not get the counts. On X11 only the display of ``$DISPLAY`` can be reached. Keys go out as key codes, never
    as characters: those pynput sends on X11 by XSendEvent, which many games ignore.
    """

    backend = "pynput"
    relative_motion = False

    def __init__(self, display: str | None, watchdog: Watchdog | None = None) -> None:
        keyboard, self._mouse_module = pynput_names.load(display)
        self._key_code: Callable[[int], Any] = keyboard.KeyCode.from_vk
        self._keyboard: Any = keyboard.Controller()
        self._mouse: Any = self._mouse_module.Controller()
        self._vk = pynput_names.virtual_keys()
        self._watchdog = watchdog
        self._owner_pid = os.getpid()
        self._pending: list[Callable[[], None]] = []
        self._pressing: set[str] = set()
        self._releasing: set[str] = set()
        self._held: dict[str, str] = {}
        self._closed = False

    @property
    def held(self) -> frozenset[str]:
        return frozenset(self._held)

    def press(self, control: str) -> None:
        check_button(control)
        if control in self._held:
            return
        target, code = self._target(control)
        self._held[control] = code
        self._pressing.add(code)
        controller = self._keyboard if code[0] == "k" else self._mouse
        self._pending.append(lambda: controller.press(target))

    def release(self, control: str) -> None:
        check_button(control)
        if control not in self._held:
            return
        target, code = self._target(control)
        del self._held[control]
        self._releasing.add(code)
        controller = self._keyboard if code[0] == "k" else self._mouse
        self._pending.append(lambda: controller.release(target))

    def move(self, dx: int, dy: int) -> None:
        self._pending.append(lambda: self._mouse.move(dx, dy))

    def move_to(self, x: int, y: int) -> None:
        self._pending.append(lambda: setattr(self._mouse, "position", (x, y)))

    def scroll(self, notches: int) -> None:
        self._pending.append(lambda: self._mouse.scroll(0, notches))

    def flush(self) -> None:
        if self._closed:
            raise InputError("this injector is closed")
        if os.getpid() != self._owner_pid:
            return
        if self._watchdog is not None and self._pressing:
            self._watchdog.hold(self._pressing)
        actions, self._pending = self._pending, []
        try:
            for action in actions:
                action()
        except Exception as error:  # pynput lets its platform's own errors through
            raise InputError(f"input cannot be injected by pynput, the display is gone: {error!r}") from error
        if self._watchdog is not None and self._releasing:
            self._watchdog.free(self._releasing - set(self._held.values()))
        self._pressing.clear()
        self._releasing.clear()

    def release_all(self) -> None:
        self._pending.clear()  # what was never sent is dropped, so that no watchdog is needed to let go
        self._pressing.clear()
        for control in list(self._held):
            self.release(control)
        self.flush()

    def close(self) -> None:
        if self._closed:
            return
        # What is held is released even where the watchdog is gone.
        watchdog, self._watchdog = self._watchdog, None
        codes = self._releasing | set(self._held.values())
        try:
            self.release_all()
            if watchdog is not None and codes:
                watchdog.free(codes)
        except InputError:
            pass  # the display is gone, and with it all that was held there; or the watchdog is
        finally:
            self._closed = True
            pynput_names.close_controller(self._keyboard)
            pynput_names.close_controller(self._mouse)

    def _target(self, control: str) -> tuple[Any, str]:
        """What pynput is given, and the watchdog's code of it."""
        if control in pynput_names.BUTTON_NAMES:
            numbers = {"mouse:left": 1, "mouse:middle": 2, "mouse:right": 3, "mouse:back": 8, "mouse:forward": 9}
            return getattr(self._mouse_module.Button, pynput_names.BUTTON_NAMES[control]), f"b{numbers[control]}"
        vk = self._vk.get(control)
        if not vk and control != "key:a":  # 0 is the A key of macOS, elsewhere no key
            raise InputError(f"pynput cannot press {control!r} on this system: choose another control")
        # The watchdog releases by XTEST on X11, by virtual key elsewhere.
        code = KEYS[control.removeprefix("key:")].evdev + 8 if pynput_names.ON_X11 else vk
        return self._key_code(vk or 0), f"k{code}"
