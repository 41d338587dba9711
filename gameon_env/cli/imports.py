"""``gameon import``: bring recordings that other programs made into the catalogue."""

from __future__ import annotations

import dataclasses
import json
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table
from rich.text import Text

from gameon_env.cli.console import open_console
from gameon_env.errors import DatasetError
from gameon_env.export.reacture_files import find_downloads
from gameon_env.export.reacture_import import ImportedReActure, import_reacture
from gameon_env.recording.model import Who
from gameon_env.recording.original_gameon import Imported, import_original

app = typer.Typer(no_args_is_help=True, rich_markup_mode=None)

_STYLES = {"imported": "green", "there already": "", "failed": "red"}


class _Player(StrEnum):
    HUMAN = "human"
    AGENT = "agent"


_WHO: dict[_Player, Who] = {_Player.HUMAN: "human", _Player.AGENT: "agent"}


@app.callback()
def imports() -> None:
    """Bring recordings that other programs made into the catalogue. Originals are only read."""


@app.command("gameon-db", short_help="Recordings of the original GameOn.")
def gameon_db(
    path: Annotated[Path, typer.Argument(help="The original's gameon.db, or the folder that holds it.")],
    data_dir: Annotated[Path | None, typer.Option(help="Where the sessions go: $GAMEON_DATA_DIR or ./data.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="For programs.")] = False,
) -> None:
    """Import the recordings of the original GameOn: video, sound and input. Run twice, imported once.

    What was written as rows of input and frames comes out as events and frames, and both are printed. Rows that have
    no words here stay in the session's folder, in original_events.jsonl.
    """
    console, done = open_console(soft_wrap=True), []
    for session in import_original(path, data_dir):
        done.append(session)
        if not as_json:
            console.print(Text.assemble(f"{session.number}: {session.game}: ", _result(session)))
    if as_json:
        typer.echo(json.dumps([dataclasses.asdict(session) for session in done], indent=2, default=str))
    else:
        console.print(_table(done) if done else "no sessions in it")
        for session in done:
            for note in session.notes:
                console.print(f"{session.number}: {note}")
            for what, count in session.unknown.items():
                console.print(f"{session.number}: unknown, kept as it was: {what} ({count} x)")
    if any(session.result == "failed" for session in done):
        raise typer.Exit(1)


@app.command("reacture", short_help="Downloads of the browser game, ours and the original's.")
def reacture(
    files: Annotated[
        list[Path], typer.Argument(help="The files of downloads (one of each is enough), or folders of them.")
    ],
    data_dir: Annotated[Path | None, typer.Option(help="Where the sessions go: $GAMEON_DATA_DIR or ./data.")] = None,
    who: Annotated[_Player | None, typer.Option(help="Who played; as the files say without it.")] = None,
    partial: Annotated[bool, typer.Option(help="Of files that were cut short, import what is whole.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="For programs.")] = False,
) -> None:
    """Import downloads of the browser game: every frame as it is, and the keys as input. Run twice, imported once.

    Faults of the original's files are mended on the way, and told; its files stay as they are. All rows stay in the
    session's folder too, from where gameon export reacture takes them.
    """
    console, done, failed = open_console(soft_wrap=True), list[ImportedReActure](), list[tuple[str, str]]()

    def fail(name: str, error: DatasetError) -> None:
        failed.append((name, str(error)))
        if not as_json:
            console.print(Text.assemble(f"{name}: ", ("failed", _STYLES["failed"]), f": {error}"))

    downloads: dict[Path, None] = {}
    for path in files:
        try:
            downloads |= dict.fromkeys(find_downloads(path))
        except DatasetError as error:
            fail(path.name or str(path), error)
    for metadata in downloads:
        name = metadata.stem.replace("_metadata", "")  # with the mark of a browser's copy
        try:
            imported = import_reacture(metadata, data_dir, who=None if who is None else _WHO[who], partial=partial)
        except DatasetError as error:
            fail(name, error)
            continue
        done.append(imported)
        if not as_json:
            console.print(Text.assemble(f"{name}: ", (imported.result, _STYLES[imported.result]), _counted(imported)))
            for note in imported.notes:
                console.print(f"  {note}")
    if as_json:
        rows = [dataclasses.asdict(one) for one in done]
        rows += [{"prefix": name, "result": "failed", "notes": [why]} for name, why in failed]
        typer.echo(json.dumps(rows, indent=2, default=str))
    if failed:
        raise typer.Exit(1)


def _counted(imported: ImportedReActure) -> str:
    if imported.result != "imported":
        return f": {imported.folder.name}"
    return f": {imported.folder.name}, {imported.frames} frames, {imported.events} events"


def _result(session: Imported) -> Text:
    where = f": {session.folder.name}" if session.folder is not None else ""
    return Text.assemble((session.result, _STYLES[session.result]), where)


def _table(sessions: list[Imported]) -> Table:
    table = Table("", "game", "rows in", "taken", "repeated", "unknown", "events", "frames in", "frames", "")
    imported = [session for session in sessions if session.result == "imported"]
    for session in sessions:
        counts = _counts(session) if session in imported else [session.rows] + [""] * 6
        table.add_row(str(session.number), session.game, *map(str, counts), Text(session.result))
    sums = [sum(column) for column in zip(*map(_counts, imported), strict=True)] or [0] * 7
    table.add_section()
    table.add_row("", "imported", *map(str, sums), f"{len(imported)} of {len(sessions)}")
    return table


def _counts(session: Imported) -> list[int]:
    unknown = sum(session.unknown.values())
    counts = [session.rows, session.taken, session.repeated, unknown, session.events]
    return [*counts, session.frames_in, session.frames]
