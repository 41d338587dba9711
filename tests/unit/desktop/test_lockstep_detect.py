"""Programs that a preloaded library cannot reach are told from those it can, with the reason."""

from __future__ import annotations

import shutil
import struct
import subprocess
import sys
from pathlib import Path

import pytest

from gameon_env.desktop.lockstep.detect import check_program, why_not
from gameon_env.desktop.lockstep.lockstep_error import LockstepError
from gameon_env.errors import MissingProgramError

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="lockstep is for Linux")


def program(path: Path, *headers: tuple[int, bytes], bits: int = 2, machine: int = 62) -> Path:
    """An ELF file with these program headers: ``(kind, content)``."""
    offset, table, content = 64 + 56 * len(headers), b"", b""
    for kind, data in headers:
        table += struct.pack("<IIQQQQQQ", kind, 4, offset + len(content), 0, 0, len(data), len(data), 1)
        content += data
    head = b"\x7fELF" + bytes([bits, 1, 1]) + bytes(9)
    head += struct.pack("<HHIQQQIHHHHHH", 3, machine, 1, 0, 64, 0, 0, 64, 56, len(headers), 64, 0, 0)
    path.write_bytes(head + table + content)
    path.chmod(0o755)
    return path


LOADER = (3, b"/lib64/ld-linux-x86-64.so.2\0")
GO_NOTE = (4, struct.pack("<III", 4, 4, 4) + b"Go\0\0" + b"abcd")


@pytest.fixture(autouse=True)
def machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("platform.machine", lambda: "x86_64")


def test_ordinary_programs_and_scripts(tmp_path: Path) -> None:
    assert why_not(program(tmp_path / "game", LOADER)) == ""
    script = tmp_path / "launcher"
    script.write_text(f"#!{tmp_path}/game -x\n")
    script.chmod(0o755)
    assert why_not(script) == ""
    script.write_text("#!/usr/bin/env -S sh\n")
    assert why_not(script) == why_not("sh")


@pytest.mark.parametrize(
    ("headers", "options", "reason"),
    [
        ([], {}, "statically linked"),
        ([LOADER, GO_NOTE], {}, "written in Go"),
        ([(3, b"/lib/ld-musl-x86_64.so.1\0")], {}, "musl"),
        ([LOADER], {"bits": 1}, "32-bit"),
        ([LOADER], {"machine": 183}, "another processor"),
    ],
)
def test_out_of_reach(tmp_path: Path, headers: list[tuple[int, bytes]], options: dict[str, int], reason: str) -> None:
    game = program(tmp_path / "game", *headers, **options)
    with pytest.raises(LockstepError, match=f'game cannot run with time="lockstep".*{reason}.*time="real"'):
        check_program(game)
    script = tmp_path / "launcher"
    script.write_text(f"#!{game}\n")
    script.chmod(0o755)
    assert reason in why_not(script)


def test_setuid(tmp_path: Path) -> None:
    game = program(tmp_path / "game", LOADER)
    game.chmod(0o4755)
    assert "setuid" in why_not(game)


def test_no_program_at_all(tmp_path: Path) -> None:
    (tmp_path / "picture").write_bytes(b"\x89PNG" * 100)
    (tmp_path / "picture").chmod(0o755)
    assert "neither" in why_not(tmp_path / "picture")
    with pytest.raises(MissingProgramError, match="no-such-game"):
        check_program("no-such-game")


@pytest.mark.skipif(shutil.which("cc") is None, reason="needs a C compiler")
def test_what_a_compiler_makes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    source = tmp_path / "game.c"
    source.write_text("int main(void) { return 0; }\n")
    for name, options in (("dynamic", []), ("static", ["-static"])):
        subprocess.run(["cc", str(source), "-o", str(tmp_path / name), *options], check=True)
    assert why_not(tmp_path / "dynamic") == ""
    assert "statically linked" in why_not(tmp_path / "static")
