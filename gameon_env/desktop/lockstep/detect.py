"""Which programs a preloaded library cannot reach, and why: seen before they are launched."""

from __future__ import annotations

import os
import platform
import shutil
import stat
import struct
from pathlib import Path

from gameon_env.desktop.lockstep.lockstep_error import LockstepError
from gameon_env.desktop.process import GAME_FOLDERS
from gameon_env.errors import MissingProgramError

_MACHINES = {"x86_64": 62, "aarch64": 183}
_PT_INTERP, _PT_NOTE = 3, 4
_SCRIPTS_DEEP = 4


def check_program(program: str | Path) -> None:
    """Refuse a program that would not see the virtual clock.

    Of a script the interpreter is looked at; what a script starts is not known here.

    Raises:
        LockstepError: static, Go, setuid, for another processor or C library; the message says which.
        MissingProgramError: it is not there.
    """
    reason = why_not(program)
    if reason:
        raise LockstepError(f'{program} cannot run with time="lockstep": {reason}; use time="real"')


def why_not(program: str | Path) -> str:
    """Why a program is out of reach of a preloaded library; empty where it is not."""
    path = _find(str(program))
    for _ in range(_SCRIPTS_DEEP):
        reason = _privileges(path)
        if reason:
            return reason
        with path.open("rb") as file:
            head = file.read(4096)
        if not head.startswith(b"#!"):
            return _why_not_elf(path)
        path = _find(_interpreter(head))
    return "its interpreter is a script, of a script, of a script"


def _find(program: str) -> Path:
    found = shutil.which(program, path=os.pathsep.join([os.environ.get("PATH", os.defpath), *GAME_FOLDERS]))
    if found is None:
        raise MissingProgramError(f"the program {program!r} is not installed or not on PATH")
    return Path(found).resolve()


def _interpreter(head: bytes) -> str:
    words = os.fsdecode(head[2:].split(b"\n", 1)[0]).split()
    if not words:
        return "/bin/sh"
    if Path(words[0]).name == "env":
        named = [word for word in words[1:] if not word.startswith("-") and "=" not in word]
        return named[0] if named else words[0]
    return words[0]


def _privileges(path: Path) -> str:
    mode = path.stat().st_mode
    if mode & (stat.S_ISUID | stat.S_ISGID):
        return (
            f"{path} is setuid or setgid, and the system loads no library of ours into such programs; a copy of it "
            "(by cp) that launch.command names is neither"
        )
    try:
        os.getxattr(path, "security.capability")
    except OSError:
        return ""  # none, or a file system without them
    return f"{path} has capabilities of its own, and the system loads no library of ours into such programs"


def _why_not_elf(path: Path) -> str:
    with path.open("rb") as file:
        head = file.read(64)
        if head[:4] != b"\x7fELF" or len(head) < 64:
            return f"{path} is neither a Linux program nor a script"
        if head[4] != 2:
            return "it is a 32-bit program, and the library is a 64-bit one"
        machine = struct.unpack_from("<H", head, 18)[0]
        if machine != _MACHINES.get(platform.machine(), machine):
            return "it is for another processor"
        offset, size, count = struct.unpack_from("<Q", head, 32)[0], *struct.unpack_from("<HH", head, 54)
        file.seek(offset)
        table = file.read(size * count)
        loader = ""
        for number in range(count):
            kind, _, begin, _, _, length = struct.unpack_from("<IIQQQQ", table, number * size)
            if kind == _PT_INTERP:
                file.seek(begin)
                loader = os.fsdecode(file.read(length).rstrip(b"\0"))
            elif kind == _PT_NOTE:
                file.seek(begin)
                if b"\x04\0\0\0Go\0\0" in file.read(min(length, 65536)):
                    return "it is written in Go, whose programs ask the kernel for the time themselves"
    if not loader:
        return "it is statically linked, and loads no library"
    if "musl" in loader:
        return "it uses the C library musl, and the library is for GNU's"
    return ""
