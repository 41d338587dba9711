"""The display that a game draws on: a private virtual one (Xvfb), or that of this desktop."""

from __future__ import annotations

import os
import select
import shutil
import subprocess
import sys
import tempfile
import time
import weakref
from pathlib import Path
from typing import Self

from gameon_env.desktop.region import Region
from gameon_env.errors import DisplayError, MissingProgramError

START_TIMEOUT_S = 30.0

_ON_X11 = sys.platform not in ("win32", "darwin")


class PrivateDisplay:
    """A virtual X display of our own: no screen needed, nobody else's windows, keys or pointer on it.

    Takes 35 ms to start and 70 MB (12 MB with ``gl=False``). It picks a free display number itself, has no window
    manager and no key auto-repeat, and ends with :meth:`close`, or with this process.

    Args:
        size: ``(height, width)`` in pixels.
        gl: offer OpenGL (software).
        cursor: draw the mouse pointer; ``False`` keeps it out of the captured picture.

    Attributes:
        name: the display's name, such as ``":7"``.
        pid: the process id of its server.

    Raises:
        MissingProgramError: Xvfb is not installed.
        DisplayError: Xvfb did not start (the message holds what it said), or this system has no X11 desktops.
    """

    def __init__(self, size: tuple[int, int], *, gl: bool = True, cursor: bool = True) -> None:
        height, width = size
        if not (1 <= height <= 32767 and 1 <= width <= 32767):
            raise DisplayError(f"display size {size} is not (height, width) of 1 to 32767 pixels")
        if not _ON_X11:  # a Mac may have Xvfb, but its input and windows are not X11's
            raise DisplayError('a private display needs X11, which this system does not use: use display="current"')
        program = shutil.which("Xvfb")
        if program is None:
            raise MissingProgramError("a private display needs Xvfb, which is not installed: apt-get install xvfb")
        self.size = (height, width)
        read_fd, write_fd = os.pipe()
        command = [program, "-displayfd", str(write_fd), "-screen", "0", f"{width}x{height}x24"]
        command += ["-nolisten", "tcp", "-noreset", "-r"]
        command += [] if gl else ["-extension", "GLX"]
        command += [] if cursor else ["-nocursor"]
        with tempfile.TemporaryFile() as log:
            try:
                # Its own session: Ctrl-C in the terminal must not take the display away before the game.
                self._process = subprocess.Popen(
                    command, pass_fds=[write_fd], stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                    start_new_session=True,
                )  # fmt: skip
            finally:
                os.close(write_fd)
            self.pid = self._process.pid
            self._finalizer = weakref.finalize(self, _end_server, self._process, os.getpid())
            try:
                number = _read_line(read_fd, START_TIMEOUT_S)
            finally:
                os.close(read_fd)
            if not number:
                self.close()
                log.seek(0)
                said = log.read().decode(errors="replace").strip().splitlines()[-5:]
                raise DisplayError(
                    f"Xvfb did not start ({' '.join(command)}): " + (" | ".join(said) or "it said nothing")
                )
        self.name = f":{number}"
        self._own_properties: frozenset[int] | None = None

    def forget_game(self) -> None:
        """Make it as it was at the first call, before a game: some libraries leave notes on the display, of what they
        found out about it, and do something else when they find them.

        Raises:
            DisplayError: the display is gone.
        """
        from gameon_env.desktop import x11

        self._own_properties = x11.clear_root(self.name, keep=self._own_properties)

    @property
    def alive(self) -> bool:
        """Whether its server still runs."""
        return self._finalizer.alive and self._process.poll() is None

    def close(self) -> None:
        """End the display; more calls do nothing."""
        self._finalizer()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def private_display_possible() -> bool:
    """Whether :class:`PrivateDisplay` can work on this system."""
    return _ON_X11 and shutil.which("Xvfb") is not None


def current_display() -> str:
    """The name of this desktop's display: ``$DISPLAY`` where X11 is used, ``""`` on Windows and macOS.

    Raises:
        DisplayError: there is none, or it belongs to a Wayland session.
    """
    if not _ON_X11:
        return ""
    if os.environ.get("WAYLAND_DISPLAY") or os.environ.get("XDG_SESSION_TYPE") == "wayland":
        raise DisplayError(
            "this desktop is a Wayland session, and Wayland does not let a program capture the screen or inject "
            'input. Log in to an X11 ("Xorg") session, or use display="private".'
        )
    name = os.environ.get("DISPLAY")
    if not name:
        raise DisplayError('there is no desktop here: DISPLAY is not set. Use display="private".')
    return name


def display_alive(name: str) -> bool:
    """Whether an X server answers at the display ``name``; on Windows and macOS, whether it is the only one, ``""``."""
    if not _ON_X11:
        return not name
    from gameon_env.desktop import x11

    try:
        x11.connect(name).close()
    except DisplayError:
        return False
    return True


def screen_size(name: str | None = None) -> tuple[int, int]:
    """``(height, width)`` of the whole screen of a display (``None``: this desktop's).

    Raises:
        CaptureError: it cannot be reached.
    """
    return screen(name).size


def screen(name: str | None = None) -> Region:
    """The whole screen of a display: around all monitors, so on Windows and macOS it may begin left of or above 0.

    Raises:
        CaptureError: it cannot be reached.
    """
    return _rectangles(name)[0]


def monitors(name: str | None = None) -> list[Region]:
    """The monitors of a display, as regions of its screen; a private display has one.

    Raises:
        CaptureError: it cannot be reached.
    """
    whole, *rest = _rectangles(name)
    return rest or [whole]


def _rectangles(name: str | None) -> list[Region]:
    from gameon_env.desktop.capture import close_grabber, open_grabber

    grabber = open_grabber(name)
    try:
        return [Region(m["left"], m["top"], m["width"], m["height"]) for m in grabber.monitors]
    finally:
        close_grabber(grabber)


def _read_line(fd: int, timeout_s: float) -> str:
    """The number that Xvfb writes when it is ready; empty where it died instead."""
    poll = select.poll()  # select() takes no descriptor from 1024 on
    poll.register(fd, select.POLLIN)
    deadline = time.monotonic() + timeout_s
    data = b""
    while not data.endswith(b"\n"):
        left = deadline - time.monotonic()
        if left <= 0 or not poll.poll(left * 1e3):
            return ""
        chunk = os.read(fd, 32)
        if not chunk:
            return ""
        data += chunk
    return data.decode().strip()


def _end_server(process: subprocess.Popen[bytes], owner_pid: int) -> None:
    if os.getpid() != owner_pid:  # a forked child has only a copy of this object
        return
    process.terminate()
    try:
        process.wait(5)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
        _remove_leftovers(process.pid)


def _remove_leftovers(pid: int) -> None:
    """A killed server leaves its lock and its socket."""
    for lock in Path("/tmp").glob(".X*-lock"):
        try:
            if int(lock.read_text()) != pid:
                continue
        except (OSError, ValueError):
            continue
        Path(f"/tmp/.X11-unix/X{lock.name[2:-5]}").unlink(missing_ok=True)
        lock.unlink(missing_ok=True)
