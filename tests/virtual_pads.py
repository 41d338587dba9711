"""Gamepads that only SDL sees: they live in the process that reads, which otherwise runs as it always does.

Run as a program it is ``gamepad_process`` with a thread beside it that does to virtual pads what the test says.
"""

from __future__ import annotations

import ctypes
import os
import sys
import threading
from multiprocessing.connection import Client, Connection, Listener
from pathlib import Path
from typing import Any, Self

from gameon_env.desktop import gamepad_process
from gameon_env.desktop.gamepad import GamepadListener
from gameon_env.keys import PAD_AXES, PAD_BUTTONS

XBOX = ("Virtual Xbox pad", 0x045E, 0x028E)
PLAYSTATION = ("Virtual DualShock", 0x054C, 0x09CC)


class VirtualPads:
    """The test's side. ``held`` is done to the pads before anybody listens."""

    def __init__(self, folder: Path, held: tuple[tuple[Any, ...], ...] = ()) -> None:
        address = str(folder / "pads")
        self._server = Listener(address)
        self._held = held
        self.listener = GamepadListener((sys.executable, __file__, address))

    def __enter__(self) -> Self:
        thread = threading.Thread(target=self._accept)
        thread.start()
        self.listener.start()
        thread.join()
        return self

    def _accept(self) -> None:
        self._connection = self._server.accept()
        for command in (*self._held, ("go",)):
            self.do(*command)

    def __exit__(self, *_: object) -> None:
        self.listener.close()
        self._connection.close()
        self._server.close()

    def do(self, *command: Any) -> Any:
        """Returns when it is done: ``attach NAME VENDOR PRODUCT`` gives the pad's number, ``detach PAD``,
        ``button PAD CONTROL DOWN``, ``axis PAD CONTROL RAW``."""
        self._connection.send(command)
        return self._connection.recv()


class _Description(ctypes.Structure):
    """``SDL_VirtualJoystickDesc``."""

    _fields_ = [
        *((name, ctypes.c_uint16) for name in ("version", "type", "axes", "buttons", "hats", "vendor", "product")),
        ("padding", ctypes.c_uint16),
        ("button_mask", ctypes.c_uint32),
        ("axis_mask", ctypes.c_uint32),
        ("name", ctypes.c_char_p),
        *((f"call_{i}", ctypes.c_void_p) for i in range(7)),
    ]


class _Hands:
    """The process's side."""

    def __init__(self) -> None:
        os.environ.update(gamepad_process.ENVIRONMENT)
        import pygame
        from pygame._sdl2 import controller

        pygame.display.init()
        controller.init()
        self._sdl = ctypes.CDLL(controller.__file__)  # and the SDL that it is linked with
        self._sdl.SDL_JoystickOpen.restype = ctypes.c_void_p
        self._sdl.SDL_JoystickFromInstanceID.restype = ctypes.c_void_p
        self._number_of: dict[int, int] = {}

    def attach(self, name: str, vendor: int, product: int) -> int:
        described = _Description(
            version=1, type=1, axes=6, buttons=15, vendor=vendor, product=product, name=name.encode()
        )
        index = self._sdl.SDL_JoystickAttachVirtualEx(ctypes.byref(described))
        assert index >= 0
        pad = self._sdl.SDL_JoystickOpen(index)
        number = int(self._sdl.SDL_JoystickInstanceID(ctypes.c_void_p(pad)))
        for trigger in (4, 5):
            self._axis(number, trigger, -32768)
        return number

    def detach(self, number: int) -> None:
        for index in range(self._sdl.SDL_NumJoysticks()):
            if self._sdl.SDL_JoystickGetDeviceInstanceID(index) == number:
                assert self._sdl.SDL_JoystickDetachVirtual(index) == 0
                return
        raise LookupError(number)

    def button(self, number: int, control: str, down: bool) -> None:
        assert self._sdl.SDL_JoystickSetVirtualButton(self._pad(number), PAD_BUTTONS.index(control), int(down)) == 0

    def axis(self, number: int, control: str, raw: int) -> None:
        self._axis(number, PAD_AXES.index(control), raw)

    def _axis(self, number: int, axis: int, raw: int) -> None:
        assert self._sdl.SDL_JoystickSetVirtualAxis(self._pad(number), axis, ctypes.c_int16(raw)) == 0

    def _pad(self, number: int) -> ctypes.c_void_p:
        return ctypes.c_void_p(self._sdl.SDL_JoystickFromInstanceID(number))

    def obey(self, connection: Connection[Any, Any]) -> None:
        """Do what is said until the word to go on, or the end."""
        while True:
            try:
                word, *arguments = connection.recv()
            except EOFError:
                return
            connection.send(None if word == "go" else getattr(self, word)(*arguments))
            if word == "go":
                return


def main() -> None:
    connection, hands = Client(sys.argv[1]), _Hands()
    hands.obey(connection)
    threading.Thread(target=hands.obey, args=(connection,), daemon=True).start()
    gamepad_process.main()


if __name__ == "__main__":
    main()
