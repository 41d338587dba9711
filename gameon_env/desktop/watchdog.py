"""The owner's end of the watchdog: a small process that cleans up after an agent that died, even by kill -9."""

from __future__ import annotations

import contextlib
import os
import select
import subprocess
import sys
import tempfile
import weakref
from collections.abc import Iterable
from pathlib import Path
from typing import IO, Self

from gameon_env.desktop import reaper
from gameon_env.desktop.process import OUT_OF_THE_TERMINAL, GameProcess
from gameon_env.errors import InputError

READY_TIMEOUT_S = 30.0


class Watchdog:
    """Releases what its owner held, then ends the games and displays of its owner, once the owner is gone.

    It notices at once, however the owner ended (the kernel tells it), lives in a session of its own so that signals
    to the owner's group do not reach it, and compares start times so that it never hits a process that was given
    the number of a dead one. :meth:`close` is the orderly end: what is held is released, nothing else happens.
    """

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self._process = process
        self._owner_pid = os.getpid()
        self._ready = False
        self._finalizer = weakref.finalize(self, _end, process, self._owner_pid)

    @classmethod
    def start(cls, display: str | None, *, private: bool) -> Self:
        """Start it. Returns at once; the first :meth:`hold` waits until it is up (some 150 ms).

        Args:
            display: the display whose keys it releases (``None``: this desktop's).
            private: nobody else uses that display: release all that is down there, not only what was registered.
        """
        if sys.platform in ("win32", "darwin"):
            name = ""
        else:
            name = display or os.environ.get("DISPLAY", "")
        command = [sys.executable, "-I", str(Path(reaper.__file__).resolve())]
        command += [str(os.getpid()), name, "private" if private else "shared"]
        # -I leaves out PYTHONPATH and the person's own packages, where python-xlib may be.
        command += [str(Path(folder).resolve()) for folder in sys.path if folder]
        # What it has to say must not go to a terminal or a log that may be gone by then; a test can read it.
        log = os.environ.get("GAMEON_WATCHDOG_LOG")
        with Path(log).open("ab") if log else tempfile.TemporaryFile() as errors:
            process = subprocess.Popen(
                command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors, cwd=Path(sys.executable).anchor,
                start_new_session=True, creationflags=OUT_OF_THE_TERMINAL,
            )  # fmt: skip
        return cls(process)

    @property
    def pid(self) -> int:
        """The watchdog's own process id."""
        return self._process.pid

    @property
    def alive(self) -> bool:
        """Whether it still watches."""
        return self._finalizer.alive and self._process.poll() is None

    def hold(self, codes: Iterable[str]) -> None:
        """Register what is about to be pressed: ``k38`` is a key's code, ``b1`` a mouse button.

        Raises:
            InputError: the watchdog is not there: pressing would be unsafe.
        """
        self._wait_until_ready()
        self._say("hold " + " ".join(codes))

    def free(self, codes: Iterable[str]) -> None:
        """Register that these were released."""
        self._say("free " + " ".join(codes))

    def guard_process_group(self, process: GameProcess) -> None:
        """End this game when the owner is gone."""
        self._say(f"group {process.pid} {process.start_time} {process.token}")

    def unguard_process_group(self, process: GameProcess) -> None:
        """Forget this game: it was closed."""
        self._say(f"ungroup {process.pid} {process.start_time} {process.token}")

    def guard_display(self, pid: int) -> None:
        """End this display server when the owner is gone, after the games."""
        entry = reaper.read_entry(pid)
        if entry is not None:
            self._say(f"server {pid} {entry.start}")

    def guard_folder(self, folder: Path) -> None:
        """Remove this folder when the owner is gone, after everything else."""
        path = str(folder.resolve())
        if "\n" not in path:
            self._say(f"folder {path}")

    def unguard_folder(self, folder: Path) -> None:
        """Leave this folder."""
        self._say(f"unfolder {folder.resolve()}")

    def close(self) -> None:
        """The orderly end; more calls do nothing."""
        self._finalizer()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _wait_until_ready(self) -> None:
        if self._ready:
            return
        assert self._process.stdout is not None
        output = self._process.stdout
        # Windows cannot wait for a pipe with a limit.
        if (sys.platform != "win32" and not _speaks(output, READY_TIMEOUT_S)) or not output.readline():
            raise InputError(
                f"the watchdog did not start (exit code {self._process.poll()}): nothing is pressed without it"
            )
        self._ready = True

    def _say(self, line: str) -> None:
        if os.getpid() != self._owner_pid:  # a forked child shares the pipe, but it is not the owner
            return
        assert self._process.stdin is not None
        try:
            os.write(self._process.stdin.fileno(), line.encode() + b"\n")
        except (OSError, ValueError) as error:
            raise InputError(f"the watchdog is gone ({error}): nothing is pressed without it") from error


def _speaks(output: IO[bytes], timeout_s: float) -> bool:
    poll = select.poll()  # select() takes no descriptor from 1024 on
    poll.register(output, select.POLLIN)
    return bool(poll.poll(timeout_s * 1e3))


def _end(process: subprocess.Popen[bytes], owner_pid: int) -> None:
    assert process.stdin is not None
    assert process.stdout is not None
    if os.getpid() == owner_pid:
        with contextlib.suppress(OSError, ValueError):
            os.write(process.stdin.fileno(), b"bye\n")
    process.stdin.close()
    process.stdout.close()
    if os.getpid() == owner_pid:
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
