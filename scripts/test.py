"""Sets everything up and passes all checks: ``python3 scripts/test.py``; arguments go to pytest (``-k name``)."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import NamedTuple

import _setup


class Stage(NamedTuple):
    name: str
    command: list[str]
    remedy: str


class Result(NamedTuple):
    stage: Stage
    code: int
    seconds: float
    closing_line: str


def main(pytest_arguments: list[str]) -> int:
    _setup.prepare("test")
    results = [run(stage) for stage in stages(pytest_arguments)]
    print("\nsummary")
    for result in results:
        print(f"  {result.stage.name:<8} {'ok' if result.code == 0 else 'FAILED':<8} {result.seconds:6.1f} s")
    failed = [result for result in results if result.code != 0]
    if failed:
        print(f"first to mend: {failed[0].stage.name}; run {failed[0].stage.remedy}")
    # Last, because whoever reads only the end wants pytest's count.
    print(results[-1].closing_line, flush=True)
    return 1 if failed else 0


def stages(pytest_arguments: list[str]) -> list[Stage]:
    """In order of haste: what fails soonest comes first; all run, whatever fails."""
    program = {name: str(_setup.venv_program(name)) for name in ("ruff", "mypy", "lint-imports", "python")}
    colour = ["--color=yes"] if sys.stdout.isatty() else []
    pytest = [program["python"], "-m", "pytest", *colour, *pytest_arguments]
    return [
        Stage("lint", [program["ruff"], "check", "."], ".venv/bin/ruff check --fix ."),
        Stage("format", [program["ruff"], "format", "--check", "."], ".venv/bin/ruff format ."),
        Stage("types", [program["mypy"]], ".venv/bin/mypy"),
        Stage("imports", [program["lint-imports"]], ".venv/bin/lint-imports"),
        Stage("tests", pytest, ".venv/bin/python -m pytest --last-failed"),
    ]


def run(stage: Stage) -> Result:
    """Run one stage, its output passed on as it comes."""
    print(f"\n== {stage.name}: {' '.join([Path(stage.command[0]).name, *stage.command[1:]])}", flush=True)
    started = time.monotonic()
    process = subprocess.Popen(
        stage.command, cwd=_setup.ROOT, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )
    output = bytearray()
    reader = threading.Thread(target=pass_on, args=(process, output), daemon=True)
    reader.start()
    try:
        code = process.wait()
    except KeyboardInterrupt:
        process.wait()  # it got the same interrupt, and ends in its own way
        raise
    # A process that a test left behind may hold the pipe open for ever: what it still says is not awaited.
    reader.join(timeout=5)
    lines = output.decode(errors="replace").split("\n")
    closing_line = next((line for line in reversed(lines) if line.strip()), "")
    return Result(stage, code, time.monotonic() - started, closing_line)


def pass_on(process: subprocess.Popen[bytes], output: bytearray) -> None:
    assert process.stdout is not None
    while chunk := os.read(process.stdout.fileno(), 65536):
        sys.stdout.buffer.write(chunk)
        sys.stdout.buffer.flush()
        output += chunk
        del output[:-65536]


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except KeyboardInterrupt:
        sys.exit(130)
