"""``gameon sessions stats``: how good the recordings are, as a page, on the terminal and as JSON."""

from __future__ import annotations

import json
from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Annotated

import typer
from rich.text import Text

from gameon_env.cli.console import open_console
from gameon_env.data_processing.trajectory import SUFFIXES_READ
from gameon_env.datasets.recordings import Recording, SessionRecording, find_recordings
from gameon_env.datasets.report.page_tables import spans_text
from gameon_env.datasets.report.report import Report, make_report
from gameon_env.errors import GameOnError, UnknownNameError, suggest
from gameon_env.recording.catalogue import Catalogue
from gameon_env.recording.model import DATABASE_FILE

MOST_SHOWN = 20


def stats(
    sessions: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[SESSION...]", help="Ids, folders, their beginnings; or trajectory files (.hdf5, .npz)."
        ),
    ] = None,
    game: Annotated[str | None, typer.Option(help="All sessions of this game.")] = None,
    every: Annotated[bool, typer.Option("--all", help="All sessions of the catalogue.")] = False,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="The page; report.html without it, none with --json.")
    ] = None,
    data_dir: Annotated[
        Path | None, typer.Option("--data-dir", help="The data folder; $GAMEON_DATA_DIR or ./data without it.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="For programs.")] = False,
) -> None:
    """Look at recordings before training on them: one page with figures, charts, pictures and warnings."""
    if (bool(sessions), game is not None, every).count(True) != 1:
        raise typer.BadParameter("name sessions, or give --game NAME, or --all")
    recordings, left_out = _chosen(sessions, game, data_dir)
    console = open_console(soft_wrap=True)
    watched = not as_json and console.is_terminal
    with console.status("looking at the recordings") if watched else nullcontext() as status:

        def say(done: int, of: int) -> None:
            if status is not None:
                status.update(f"looked at {done} of {of} recordings")

        report = make_report(recordings, title=_title(sessions, game), left_out=left_out, progress=say)
    if as_json:
        typer.echo(json.dumps(report.as_json(), indent=2))
    page = output or (None if as_json else Path("report.html"))
    if page is not None:
        report.write(page)
    if not as_json:
        _say(report)
        console.print(f"The page: {page}")


def _title(sessions: Sequence[str] | None, game: str | None) -> str:
    if game is not None:
        return f"Recordings of {game}"
    return f"Recordings: {Path(sessions[0]).name}" if sessions and len(sessions) == 1 else "Recordings"


def _chosen(
    sessions: Sequence[str] | None, game: str | None, data_dir: Path | None
) -> tuple[list[Recording], dict[str, str]]:
    recordings: list[Recording] = []
    folders: dict[str, Path] = {}
    left_out: dict[str, str] = {}
    for key in sessions or ():
        path = Path(key)
        if path.suffix in SUFFIXES_READ or (path.is_dir() and not (path / DATABASE_FILE).is_file()):
            recordings += find_recordings(path)
        elif (path / DATABASE_FILE).is_file():
            folders[str(path)] = path
        else:
            with Catalogue(data_dir, create=False) as catalogue:
                entry = catalogue.find(key)
            folders[entry.folder.name] = entry.folder
    if not sessions:
        with Catalogue(data_dir, create=False) as catalogue:
            entries, games = catalogue.sessions(game), catalogue.games()
        if game is not None and not entries:
            listed = f" There are: {', '.join(games)}." if games else ""
            raise UnknownNameError(f"there is no session of {game!r}.{suggest(game, games)}{listed}")
        folders = {entry.folder.name: entry.folder for entry in entries}
    for name, folder in folders.items():
        try:
            recordings.append(SessionRecording(folder))
        except GameOnError as error:
            left_out[name] = str(error)
    return recordings, left_out


def _say(report: Report) -> None:
    console = open_console(soft_wrap=True)
    names = {r.id: r.name for r in report.recordings}
    seconds = sum(r.duration_s for r in report.recordings)
    console.print(f"{len(report.recordings)} recordings, {seconds / 60:.1f} minutes")
    shown = sorted(report.findings, key=lambda finding: finding.level != "problem")
    for finding in shown[:MOST_SHOWN]:
        where = names.get(finding.recording) or f"all of {finding.game or 'the game'}"
        colour = "red" if finding.level == "problem" else "yellow"
        at = f" ({spans_text(finding.spans)})" if finding.spans else ""
        console.print(Text.assemble((finding.kind, colour), f": {where}{at}: {finding.what}"))
        console.print(f"    {finding.remedy}")
    if len(shown) > MOST_SHOWN:
        console.print(f"and {len(shown) - MOST_SHOWN} more warnings on the page")
    for name, why in report.left_out.items():
        console.print(Text.assemble(("not looked at", "red"), f": {name}: {why}"))
    if not report.findings and not report.left_out:
        console.print("no warnings")
