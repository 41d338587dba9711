"""``gameon recover``: bring back what a kill, a full disk or a power cut left of recordings."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.text import Text

from gameon_env.cli.console import open_console
from gameon_env.data_processing.trajectory import RECOVERABLE, recover
from gameon_env.errors import GameOnError
from gameon_env.paths import data_dir
from gameon_env.recording.recovery import Recovered, is_session_folder, recover_session, recover_sessions
from gameon_env.recording.session_folder import SESSIONS

STYLES = {"recovered": "green", "failed": "red", "empty": "yellow"}


def command(
    paths: Annotated[
        list[Path] | None,
        typer.Argument(
            help="Folders of sessions, data folders, trajectory files (.hdf5, .npz), leftover journals, or folders "
            "of them; without one the data folder."
        ),
    ] = None,
) -> None:
    """Bring back sessions and episodes of recordings that were killed, and what is left of damaged files.

    Nothing is lost by it: a session's files that change are kept in its folder before_recovery, and what is brought
    back of a trajectory file goes to a new file beside it. A recording that goes on is left alone.
    """
    console = open_console(soft_wrap=True)
    if False in [_recover(console, path) for path in paths or [data_dir()]]:
        raise typer.Exit(1)


def _recover(console: Console, path: Path) -> bool:
    """Whether all that is there could be brought back."""
    if is_session_folder(path):
        try:
            return _say_session(console, recover_session(path))
        except GameOnError as error:
            return _say_session(console, Recovered(path, "failed", str(error)))
    sessions, files = recover_sessions(path), _files(path)
    if not sessions and not files:
        text = f"nothing to recover in this folder, it holds no session and no {', '.join(RECOVERABLE)} file"
        _say(console, path, "red", text)
        return False
    whole = sum(found.outcome == "whole" for found in sessions)
    if whole:
        _say(console, path, "", f"{whole} session{'s are' if whole > 1 else ' is'} complete, nothing to do")
    done = [_say_session(console, found) for found in sessions if found.outcome != "whole"]
    return all(done + [_recover_file(console, file) for file in files])


def _say(console: Console, path: Path, style: str, note: str) -> None:
    console.print(Text.assemble((str(path), style), ": ", note))


def _say_session(console: Console, found: Recovered) -> bool:
    done = {"whole": "nothing to do", "live": "left alone"}.get(found.outcome, found.outcome)
    _say(console, found.folder, STYLES.get(found.outcome, ""), f"{done}: {found.note}")
    for what in found.missing:
        console.print(Text(f"  missing: {what}"))
    return found.outcome != "failed"


def _recover_file(console: Console, file: Path) -> bool:
    try:
        found = recover(file)
    except GameOnError as error:
        _say(console, file, "red", str(error))
        return False
    if found.target is None:
        _say(console, file, "", f"{found.note}, nothing to do")
        return True
    episodes = f"{found.episodes} episode{'s' if found.episodes != 1 else ''}"
    _say(console, file, "green", f"{found.note}: {found.target} ({episodes}, {found.steps} steps)")
    return True


def _files(path: Path) -> list[Path]:
    """Trajectory files; none of a session's."""
    if not path.is_dir():
        return [path]
    found = [file for file in path.rglob("*") if file.suffix in RECOVERABLE and not file.name.startswith(".")]
    return sorted(file for file in found if path / SESSIONS not in file.parents)
