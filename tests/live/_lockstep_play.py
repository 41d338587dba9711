"""Small programs under the virtual clock: compiled, launched, and played to their end."""

from __future__ import annotations

import subprocess
import time
from pathlib import Path

from gameon_env.desktop.lockstep.session import LockstepSession
from gameon_env.desktop.process import GameProcess

SECOND = 1_000_000_000
LONG = 1000 * SECOND
"""How long each wait of a probe takes: in real time the tests would never end."""


def compiled(name: str, folder: Path) -> str:
    """The C program of this name beside the tests."""
    program = folder / "probe"
    subprocess.run(["cc", "-O1", str(Path(__file__).with_name(name)), "-o", str(program), "-pthread"], check=True)
    return str(program)


def launch(session: LockstepSession, *command: str, seed: int = 1) -> GameProcess:
    variables = session.launch(command[0], seed)
    game = GameProcess.launch(command, display=None, env=variables)
    session.begin(lambda: game.poll() is None)
    return game


def play(session: LockstepSession, *command: str, seed: int = 1, most: int = 60) -> str:
    """Run to its end. Returns what it printed."""
    with launch(session, *command, seed=seed) as game:
        for _ in range(most):
            if session.clock.abandoned:
                break
            session.advance(500 * SECOND)
        deadline = time.monotonic() + 10
        while game.poll() is None and time.monotonic() < deadline:
            time.sleep(0.001)
        assert game.poll() == 0, game.output_tail()
        return game.output_tail(1000)


def measured(text: str) -> dict[str, tuple[int, int]]:
    """``{what: (ns that it took, its result)}``"""
    rows = [line.split() for line in text.splitlines()]
    return {row[0]: (int(row[1]), int(row[2])) for row in rows if len(row) == 3}
