"""``gameon recover``: bring back what a kill or a damaged disk left of recordings."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.text import Text

from gameon_env.cli.console import open_console
from gameon_env.data_processing.trajectory import RECOVERABLE, recover
from gameon_env.errors import GameOnError


def command(
    paths: Annotated[
        list[Path], typer.Argument(help="Trajectory files (.hdf5, .npz), leftover journals, or folders of them.")
    ],
) -> None:
    """Bring back the unfinished episodes of recordings that were killed, and what is left of damaged files.

    Originals stay as they are; what is brought back goes to a new file beside each.
    """
    console, failed = open_console(soft_wrap=True), False

    def say(path: Path, style: str, note: str) -> None:
        console.print(Text.assemble((str(path), style), ": ", note))

    for path in paths:
        files = _files(path)
        if not files:
            failed = True
            say(path, "red", f"nothing to recover in this folder, it holds no {', '.join(RECOVERABLE)} file")
        for file in files:
            try:
                found = recover(file)
            except GameOnError as error:
                failed = True
                say(file, "red", str(error))
                continue
            if found.target is None:
                say(file, "", f"{found.note}, nothing to do")
                continue
            episodes = f"{found.episodes} episode{'s' if found.episodes != 1 else ''}"
            say(file, "green", f"{found.note}: {found.target} ({episodes}, {found.steps} steps)")
    if failed:
        raise typer.Exit(1)


def _files(path: Path) -> list[Path]:
    if not path.is_dir():
        return [path]
    return sorted(p for p in path.rglob("*") if p.suffix in RECOVERABLE and not p.name.startswith("."))
