"""The two C libraries of the virtual clock, compiled on first use into the cache."""

from __future__ import annotations

import hashlib
import os
import platform
import shlex
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from gameon_env.desktop.lockstep.lockstep_error import LockstepError
from gameon_env.errors import MissingProgramError, StorageError
from gameon_env.paths import cache_dir

INSTALL = "apt-get install gcc libc6-dev"

SHIM = (
    "shim.c", "process.c", "scheduler.c", "hooks_clock.c", "hooks_random.c", "hooks_threads.c", "hooks_conditions.c",
    "hooks_futex.c", "hooks_files.c", "hooks_reads.c", "hooks_writes.c", "hooks_streams.c", "hooks_queues.c",
    "hooks_signals.c", "hooks_home.c", "hooks_processes.c", "hooks_gl.c", "timers.c",
)  # fmt: skip
"""What is loaded into the game."""

CONTROL = ("control.c", "scheduler.c")
"""What Python calls."""

# Without built-ins and fortified headers: the functions are defined here, not only called.
_FLAGS = (
    "-O2",
    "-std=gnu11",
    "-shared",
    "-fPIC",
    "-fvisibility=hidden",
    "-fno-builtin",
    "-U_FORTIFY_SOURCE",
    "-Wl,-z,defs",
)
_LIBRARIES = ("-ldl", "-pthread")
_SOURCES = Path(__file__).parent

_NOT_PRELOADED = " :$"
"""ld.so(8): a space and a colon divide the list of libraries, a dollar sign begins a token such as $ORIGIN."""


@dataclass(frozen=True)
class Libraries:
    """The compiled libraries: ``shim`` is loaded into the game, ``control`` into this process."""

    shim: Path
    control: Path


def libraries() -> Libraries:
    """The libraries, compiled now where the cache does not have them (some 1 s).

    Raises:
        LockstepError: this is not Linux with the GNU C library, or the compiler fails.
        MissingProgramError: there is no C compiler, or not its headers.
        StorageError: the cache cannot be written, or its path cannot be preloaded.
    """
    if sys.platform != "linux" or platform.libc_ver()[0] != "glibc":
        raise LockstepError('time="lockstep" needs Linux with the GNU C library; use time="real" here')
    sources = hashlib.sha256()
    for file in sorted({*SHIM, *CONTROL, "hooks.h", "shim.h", "state.h"}):
        sources.update((_SOURCES / file).read_bytes())
    sources.update(" ".join(_FLAGS + _LIBRARIES + (platform.machine(),)).encode())
    key, store = sources.hexdigest()[:16], cache_dir() / "lockstep"
    if any(sign in str(store) for sign in _NOT_PRELOADED):
        raise StorageError(
            f"the library for time='lockstep' cannot be loaded into a game from {store}: LD_PRELOAD takes no path "
            "with a space, a colon or a dollar sign. Set XDG_CACHE_HOME to a folder without one (a link to it will do)"
        )
    compiler = _compiler()
    if compiler is None:
        for built in sorted(store.glob(f"{key}-*")):  # by a compiler that was there once
            return Libraries(built / "shim.so", built / "control.so")
        raise MissingProgramError(
            f'time="lockstep" compiles a small library and finds no C compiler: {INSTALL} (or set CC)'
        )
    version = subprocess.run([*compiler, "--version"], capture_output=True, check=False).stdout
    folder = store / f"{key}-{hashlib.sha256(' '.join(compiler).encode() + version).hexdigest()[:8]}"
    if not folder.is_dir():
        try:
            _build(compiler, folder)
        except MissingProgramError:  # which is an OSError as well
            raise
        except OSError as error:
            raise StorageError(
                f"the library for time='lockstep' cannot be written to {folder}: {error}. Make room there, or set "
                "XDG_CACHE_HOME to a folder that can be written"
            ) from error
    return Libraries(folder / "shim.so", folder / "control.so")


def _compiler() -> list[str] | None:
    named = shlex.split(os.environ.get("CC", ""))
    for command in [named] if named else [["cc"], ["gcc"], ["clang"]]:
        if shutil.which(command[0]):
            return command
    return None


def _build(compiler: list[str], folder: Path) -> None:
    """Both or nothing: another process may build the same, or be ended while it does."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=".building-") as name:
        work = Path(name) / "built"
        work.mkdir()
        for output, files, more in (("shim.so", SHIM, ()), ("control.so", CONTROL, ("-DCONTROLLER",))):
            _compile([*compiler, *more], files, work / output)
        try:
            work.rename(folder)
        except OSError:
            if not folder.is_dir():
                raise


def _compile(compiler: list[str], files: tuple[str, ...], output: Path) -> None:
    command = [*compiler, *_FLAGS, *(str(_SOURCES / file) for file in files), "-o", str(output), *_LIBRARIES]
    result = subprocess.run(command, capture_output=True, text=True, errors="replace", check=False)
    if result.returncode == 0:
        return
    said = "\n".join(result.stderr.strip().splitlines()[-8:])
    if ".h: No such file" in said or "file not found" in said or "cannot find" in said:
        raise MissingProgramError(f'time="lockstep" cannot compile its library: {INSTALL}. The compiler said:\n{said}')
    raise LockstepError(f"{shlex.join(command[:3])} ... could not compile the library for time='lockstep':\n{said}")
