"""``gameon recover``: bring back what a kill or a damaged disk left of recordings."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

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
    console, failed = Console(soft_wrap=True), False
    for path in _files(paths):
        try:
            found = recover(path)
        except GameOnError as error:
            failed = True
            console.print(f"[red]{path}[/red]: {error}", highlight=False)
            continue
        if found.target is None:
            console.print(f"{path}: {found.note}, nothing to do", highlight=False)
        else:
            console.print(
                f"[green]{path}[/green]: {found.note}: {found.target} "
                f"({found.episodes} episode{'s' if found.episodes != 1 else ''}, {found.steps} steps)",
                highlight=False,
            )
    if failed:
        raise typer.Exit(1)


def _files(paths: list[Path]) -> Iterator[Path]:
    for path in paths:
        if path.is_dir():
            yield from sorted(p for p in path.rglob("*") if p.suffix in RECOVERABLE and not p.name.startswith("."))
        else:
            yield path
