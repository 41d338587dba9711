"""A sound server of our own for the game on a private display: heard by us alone, and by no loudspeaker."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import time
import weakref
from pathlib import Path
from typing import Self

from gameon_env.desktop.watchdog import Watchdog
from gameon_env.errors import AudioError, MissingProgramError

START_TIMEOUT_S = 30.0
SINK = "game"
RATE_HZ = 48_000
CHANNELS = 2
INSTALL = "apt-get install pulseaudio libasound2-plugins"


class PrivateSoundServer:
    """A PulseAudio with one output that leads nowhere, whose monitor can be recorded.

    Starts in some 100 ms, as root too, and needs no D-Bus, no cookie and no session. It has a folder, a socket and
    settings of its own: a server of the person's is neither used nor changed. It ends with :meth:`close`, with the
    interpreter, or, through a watchdog, when this process is killed.

    Args:
        watchdog: one that is there already, and outlives this server; ``None``: starts one of its own.

    Attributes:
        environment: variables that make a game play here (PulseAudio, SDL 2 and 3, OpenAL, and ALSA through its
            ``pulse`` plugin).
        source: the PulseAudio name of what is recorded: the monitor of its output.

    Raises:
        MissingProgramError: PulseAudio is not installed.
        AudioError: it did not start (the message holds what it said), or this system is not Linux.
    """

    def __init__(self, watchdog: Watchdog | None = None) -> None:
        if not sys.platform.startswith("linux"):
            raise AudioError(
                "a private sound server needs PulseAudio on Linux: record this desktop's own output instead"
            )
        program = shutil.which("pulseaudio")
        if program is None:
            raise MissingProgramError(f"a private sound server needs PulseAudio, which is not installed: {INSTALL}")
        self._folder = Path(tempfile.mkdtemp(prefix="gameon-sound-"))
        self._socket = self._folder / "native"
        self._program = program
        self._watchdog = watchdog or Watchdog.start(None, private=False)
        self._watchdog.guard_folder(self._folder)
        self._processes: list[subprocess.Popen[bytes]] = []
        own = self._watchdog if watchdog is None else None
        self._finalizer = weakref.finalize(self, _end, self._processes, self._folder, own, os.getpid())
        self.source = f"{SINK}.monitor"
        server = f"unix:{self._socket}"
        self.environment = {
            "PULSE_SERVER": server,
            # Clients would make folders among the person's settings.
            "PULSE_RUNTIME_PATH": str(self._folder),
            "PULSE_COOKIE": str(self._folder / "cookie"),
            "PULSE_SINK": SINK,
            "SDL_AUDIODRIVER": "pulseaudio,alsa",
            "ALSOFT_DRIVERS": "pulse,alsa",
        }
        try:
            self._start()
        except (OSError, AudioError):
            self.close()
            raise

    @property
    def pid(self) -> int:
        """The process id of the server."""
        return self._processes[-1].pid

    @property
    def alive(self) -> bool:
        """Whether the server still runs."""
        return self._finalizer.alive and self._processes[-1].poll() is None

    def restart(self) -> None:
        """Start it anew, at the same address, after it died; while it lives nothing happens.

        Raises:
            AudioError: it was closed, or does not start.
        """
        if not self._finalizer.alive:
            raise AudioError("this sound server was closed: make another one")
        if not self.alive:
            self._start()

    def close(self) -> None:
        """End the server; more calls do nothing."""
        self._finalizer()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _start(self) -> None:
        self._socket.unlink(missing_ok=True)
        process = self._launch()
        self._processes.append(process)
        self._watchdog.guard_display(process.pid)
        deadline = time.monotonic() + START_TIMEOUT_S
        while not self._socket.exists():
            if process.poll() is not None or time.monotonic() > deadline:
                said = self._log.read_text(errors="replace").strip().splitlines()[-5:]
                raise AudioError("PulseAudio did not start: " + (" | ".join(said) or "it said nothing"))
            time.sleep(0.005)

    def _launch(self) -> subprocess.Popen[bytes]:
        own = str(self._folder)
        variables = {name: value for name, value in os.environ.items() if not name.startswith(("PULSE_", "XDG_"))}
        # DISPLAY would let it look for another server on the X root window, and start a D-Bus daemon.
        for name in ("DISPLAY", "WAYLAND_DISPLAY"):
            variables.pop(name, None)
        variables |= {
            "HOME": own, "XDG_RUNTIME_DIR": own, "XDG_CONFIG_HOME": own, "PULSE_RUNTIME_PATH": own,
            "DBUS_SESSION_BUS_ADDRESS": f"unix:path={own}/no-bus", "DBUS_SYSTEM_BUS_ADDRESS": f"unix:path={own}/no-bus",
        }  # fmt: skip
        # With norewinds the output renders at most 50 ms ahead in place of 2 s: a recording begins at once.
        sink = f"module-null-sink sink_name={SINK} rate={RATE_HZ} channels={CHANNELS} format=s16le norewinds=1"
        # The folder is ours alone (0700): whoever reaches the socket may use it.
        protocol = f"module-native-protocol-unix socket={self._socket} auth-anonymous=1 auth-cookie-enabled=0"
        command = [
            self._program,
            "-n",
            "--daemonize=no",
            "--use-pid-file=no",
            "--exit-idle-time=-1",
            "--disable-shm=yes",
        ]
        command += ["--realtime=no", "--high-priority=no", "--log-target=stderr", "--log-level=notice"]
        command += ["-L", sink, "-L", protocol]
        with self._log.open("wb") as log:
            # Its own session: Ctrl-C in the terminal must not take the sound away before the game.
            return subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=variables, start_new_session=True
            )

    @property
    def _log(self) -> Path:
        return self._folder / "log"


def _end(processes: list[subprocess.Popen[bytes]], folder: Path, watchdog: Watchdog | None, owner_pid: int) -> None:
    if os.getpid() != owner_pid:  # a forked child has only a copy of this object
        return
    for process in processes:
        process.terminate()
        try:
            process.wait(5)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
    shutil.rmtree(folder, ignore_errors=True)
    if watchdog is not None:
        watchdog.close()
