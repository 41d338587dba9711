"""A game's process: started in a group of its own, watched, and ended whole with all that it started."""

from __future__ import annotations

import getpass
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import uuid
import weakref
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO, Self

from gameon_env.desktop import reaper
from gameon_env.errors import GameCrashError, MissingProgramError

GAME_FOLDERS = ("/usr/games", "/usr/local/games")
"""Where Debian puts games; not on every user's PATH."""

_ON_WINDOWS = sys.platform == "win32"

OUT_OF_THE_TERMINAL = 0
"""Flags for a process that the terminal's Ctrl-C must not reach; elsewhere than on Windows a new session does this."""
if sys.platform == "win32":
    # Without the second a console window would open for it, and count as the game's, where there is no terminal.
    OUT_OF_THE_TERMINAL = subprocess.CREATE_NEW_PROCESS_GROUP | subprocess.CREATE_NO_WINDOW


SERVICES = frozenset(
    {
        "dbus-daemon", "dbus-launch", "dbus-broker", "dbus-broker-lau", "at-spi-bus-laun", "at-spi2-registr",
        "dconf-service", "gvfsd", "gvfsd-fuse", "gconfd-2", "pulseaudio", "pipewire", "wireplumber", "gnome-keyring-d",
    }
)  # fmt: skip
"""Names (15 characters of them, as the kernel has) of what libraries start for a whole session, where none is there:
it outlives the game."""


class GameProcess:
    """A running game, with everything it starts. Make one with :meth:`launch`."""

    def __init__(self, process: subprocess.Popen[bytes], command: Sequence[str], log: IO[bytes], token: str) -> None:
        self.command = tuple(command)
        self.token = token
        self.pid: int = process.pid
        self.start_time = reaper.start_of(process.pid)
        self._process = process
        self._log = log
        self._lock = threading.Lock()
        self._last_output: str | None = None
        self._survivor: tuple[int, int] | None = None
        # The group is ended at the latest when this object or the interpreter goes.
        self._finalizer = weakref.finalize(
            self, _end, process, (self.pid, self.start_time, token), os.getpid(), self._lock, log
        )

    @classmethod
    def launch(
        cls,
        command: Sequence[str],
        *,
        display: str | None,
        cwd: Path | None = None,
        env: Mapping[str, str] | None = None,
        home: Path | None = None,
        log: Path | None = None,
    ) -> Self:
        """Start a game.

        Args:
            command: program and arguments; the program is looked up on PATH and in ``/usr/games``.
            display: the display to draw on, such as ``":7"``; ``None`` leaves the environment's.
            cwd: the folder it runs in.
            env: variables on top of this process's own; they win over all that is set here: on a given display
                ``SDL_VIDEODRIVER=x11`` (without it SDL silently draws nowhere where it finds no display) and no
                Wayland; ``SDL_AUDIODRIVER=dummy`` where this machine has no sound.
            home: its own HOME, made where it is missing: the person's settings and saved games stay untouched.
            log: where its output goes; a temporary file where ``None``.

        Raises:
            MissingProgramError: the program is not there.
            GameCrashError: it could not be started.
        """
        token = uuid.uuid4().hex
        variables = game_environment(display, home, env or {}, token)
        program = _find_program(command[0], variables, cwd)
        output: IO[bytes] = log.open("w+b") if log is not None else _temporary_log()
        try:
            process = subprocess.Popen(
                [program, *command[1:]], stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT,
                cwd=cwd, env=variables, start_new_session=True, creationflags=OUT_OF_THE_TERMINAL,
            )  # fmt: skip
        except OSError as error:
            output.close()
            raise GameCrashError(f"{' '.join(command)} could not be started: {error}") from error
        return cls(process, command, output, token)

    def pids(self) -> set[int]:
        """The living processes of this game: its group, their descendants, and those that left the group."""
        return reaper.members(self.pid, self.start_time, self.token)

    def poll(self) -> int | None:
        """The exit code (negative: ended by that signal), or ``None`` while it runs.

        A launcher that ends well while what it started goes on still counts as running; services of the desktop that
        a game started on its way (:data:`SERVICES`) do not.
        """
        with self._lock:
            code = self._process.poll()
        if code == 0 and self._finalizer.alive and self._goes_on():
            return None
        return code

    def _goes_on(self) -> bool:
        """Whether something that a finished launcher started is there. One that was seen is enough: no search."""
        if self._survivor is not None:
            entry = reaper.read_entry(self._survivor[0])
            if entry is not None and entry.start == self._survivor[1] and entry.state not in "ZX":
                return True
        entries = (reaper.read_entry(pid) for pid in self.pids() if reaper.name_of(pid) not in SERVICES)
        self._survivor = next(((entry.pid, entry.start) for entry in entries if entry is not None), None)
        return self._survivor is not None

    def output_tail(self, lines: int = 20) -> str:
        """The last lines that it wrote to stdout and stderr."""
        if self._last_output is not None:
            return "\n".join(self._last_output.splitlines()[-lines:])
        text = _last_bytes(self._log, 65536).decode(errors="replace")
        return "\n".join(text.splitlines()[-lines:])

    def close(self, grace_s: float = 1.0) -> None:
        """End all of it: TERM, after ``grace_s`` KILL. More calls do nothing."""
        if self._finalizer.alive:
            identity = (self.pid, self.start_time, self.token)
            _end_processes(self._process, identity, self._lock, grace_s)
            self._last_output = self.output_tail(200)
            self._finalizer()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def game_environment(display: str | None, home: Path | None, env: Mapping[str, str], token: str) -> dict[str, str]:
    """The environment a game is started with; ``env`` wins."""
    variables = _without_opencv(os.environ)
    if home is not None:
        home = home.resolve()
        home.mkdir(parents=True, exist_ok=True)
        # Another HOME must not lose the key to a display that asks for one.
        if "XAUTHORITY" not in variables and (Path.home() / ".Xauthority").exists():
            variables["XAUTHORITY"] = str(Path.home() / ".Xauthority")
        variables["HOME"] = str(home)
        if _ON_WINDOWS:
            variables["USERPROFILE"] = str(home)
        for name in ("XDG_CONFIG_HOME", "XDG_DATA_HOME", "XDG_CACHE_HOME", "XDG_STATE_HOME"):
            variables.pop(name, None)
    if display:
        variables["DISPLAY"] = display
        variables["SDL_VIDEODRIVER"] = "x11"
        for name in ("WAYLAND_DISPLAY", "XDG_SESSION_TYPE", "SDL_VIDEO_DRIVER"):
            variables.pop(name, None)
    if not has_sound() and "SDL_AUDIODRIVER" not in variables:
        variables["SDL_AUDIODRIVER"] = "dummy"
    if not _ON_WINDOWS:
        for name in ("USER", "LOGNAME"):  # of every desktop, but not of a container: some games end without them
            variables.setdefault(name, _account())
    return variables | dict(env) | {reaper.TOKEN_VARIABLE: token}


def _account() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a number without a name
        return str(os.getuid())


def _without_opencv(variables: Mapping[str, str]) -> dict[str, str]:
    """Without what ``import cv2`` does to the variables of its process, and so of all that this starts: a folder of its
    own to load libraries from, then an empty one, which is the current folder; and its own plugins and fonts for Qt.
    """
    variables = dict(variables)
    package = getattr(sys.modules.get("cv2"), "__file__", None)
    if not package or _ON_WINDOWS:
        return variables
    folder = str(Path(package).parent)
    before, added = variables.get("LD_LIBRARY_PATH", ""), f"{folder}/../../lib64:"
    after = before
    while after.startswith(added):
        after = after.removeprefix(added)
    if before != after:
        variables["LD_LIBRARY_PATH"] = after
        if not after:
            del variables["LD_LIBRARY_PATH"]
    for name in ("QT_QPA_PLATFORM_PLUGIN_PATH", "QT_QPA_FONTDIR"):
        if variables.get(name, "").startswith(f"{folder}/"):
            del variables[name]
    return variables


def has_sound() -> bool:
    """Whether a sound server or a sound card is there."""
    if sys.platform == "linux" and not os.environ.get("PULSE_SERVER"):
        runtime = Path(os.environ.get("XDG_RUNTIME_DIR") or f"/run/user/{os.getuid()}")
        server = (runtime / "pulse" / "native").exists() or (runtime / "pipewire-0").exists()
        return server or any(Path("/dev/snd").glob("pcm*p"))
    return True


def _find_program(program: str, variables: Mapping[str, str], cwd: Path | None) -> str:
    if "/" in program and not Path(program).is_absolute() and cwd is not None:
        program = str(cwd / program)
    folders = [variables.get("PATH", os.defpath), *GAME_FOLDERS]
    found = shutil.which(program, path=os.pathsep.join(folders))
    if found is None:
        raise MissingProgramError(
            f"the program {program!r} is not installed or not on PATH. Install it (on Debian: apt-get install "
            f"{Path(program).name}), or correct the launch command."
        )
    return str(Path(found).absolute())


def _temporary_log() -> IO[bytes]:
    if not _ON_WINDOWS:
        return tempfile.TemporaryFile()
    # A file that Windows removes by itself could not be opened a second time: this one stays.
    return tempfile.NamedTemporaryFile(prefix="gameon-", suffix=".log", delete=False)


def _last_bytes(log: IO[bytes], count: int) -> bytes:
    """The end of a file, without moving its position: the game writes at the one it shares with us."""
    start = max(0, os.fstat(log.fileno()).st_size - count)
    if hasattr(os, "pread"):  # not on Windows
        end: bytes = os.pread(log.fileno(), count, start)
        return end
    with Path(log.name).open("rb") as another:
        another.seek(start)
        return another.read(count)


def _end(
    process: subprocess.Popen[bytes],
    identity: tuple[int, int, str],
    owner_pid: int,
    lock: threading.Lock,
    log: IO[bytes],
) -> None:
    log.close()
    if os.getpid() == owner_pid:  # a forked child has only a copy of this object
        _end_processes(process, identity, lock, grace_s=0.2)


def _end_processes(
    process: subprocess.Popen[bytes], identity: tuple[int, int, str], lock: threading.Lock, grace_s: float
) -> None:
    def collect() -> None:
        with lock:
            process.poll()

    reaper.end_processes(lambda: reaper.members(*identity), grace_s, collect)
    with lock:
        process.wait()
