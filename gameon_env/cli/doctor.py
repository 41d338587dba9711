"""``gameon doctor``: what this machine can do, and the command that mends each lack."""

from __future__ import annotations

import json
from dataclasses import asdict

import typer
from rich.console import Console
from rich.text import Text

from gameon_env import __version__
from gameon_env.cli.check import Check
from gameon_env.cli.checks import check_machine, playable


def command(
    as_json: bool = typer.Option(False, "--json", help="For programs."),
) -> None:
    """What this machine can do: display, capture, input, sound, gamepads, video codecs, sync, accelerator.

    Everything is tried on a private display; nothing is pressed on your own desktop. Ends with code 1 where there is
    no display at all to play on.
    """
    console = Console(highlight=False, soft_wrap=True)
    checks = []
    for check in check_machine():
        checks.append(check)
        if not as_json:
            _print(console, check)
    ready = playable(checks)
    if as_json:
        typer.echo(json.dumps({"version": __version__, "ready": ready, "checks": [asdict(check) for check in checks]}))
    elif not ready:
        console.print("\nThere is no display to play on: mend one of the two above.")
    raise typer.Exit(0 if ready else 1)


def _print(console: Console, check: Check) -> None:
    state = Text("ok   " if check.ok else "lacks", "green" if check.ok else "red")
    console.print(state, Text(f"{check.part:<16} {check.found}"))
    if check.remedy:
        console.print(Text(f"{'':22} mend: {check.remedy}", "yellow"))
