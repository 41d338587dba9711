"""``gameon sessions``: what was recorded."""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path
from typing import Annotated, TypeVar, get_args

import typer
from rich.table import Table
from rich.text import Text

from gameon_env.cli.console import open_console
from gameon_env.cli.session_page import entry_json, print_page, print_table, session_json
from gameon_env.cli.session_stats import stats
from gameon_env.cli.times import clock_time, seconds_of
from gameon_env.errors import SessionError, UnknownNameError, suggest
from gameon_env.recording.catalogue import Catalogue
from gameon_env.recording.catalogue_rows import SessionEntry, read_entry
from gameon_env.recording.model import DATABASE_FILE, Status, Who
from gameon_env.recording.recovery import is_session_folder
from gameon_env.recording.redaction import Redaction, finish_redaction, redaction_pending
from gameon_env.recording.redaction import redact as redact_session
from gameon_env.recording.verification import Problem, verify

app = typer.Typer(
    no_args_is_help=True, rich_markup_mode=None, help="The sessions that were recorded, and what is in them."
)

Key = Annotated[str, typer.Argument(metavar="SESSION", help="Its id, its folder, or the beginning of one of them.")]
DataDir = Annotated[
    Path | None, typer.Option("--data-dir", help="The data folder; $GAMEON_DATA_DIR or ./data without it.")
]
Choice = TypeVar("Choice", bound=str)
AsJson = Annotated[bool, typer.Option("--json", help="For programs.")]


app.command("stats")(stats)


@app.command("list")
def list_sessions(
    game: Annotated[str | None, typer.Option(help="Of this game.")] = None,
    after: Annotated[datetime | None, typer.Option(help="Began then or later; local time.")] = None,
    before: Annotated[datetime | None, typer.Option(help="Began before; local time.")] = None,
    min_s: Annotated[float | None, typer.Option(help="Lasted that many seconds or more.")] = None,
    max_s: Annotated[float | None, typer.Option(help="Lasted that many seconds or less.")] = None,
    tag: Annotated[str | None, typer.Option(help="Bears this tag.")] = None,
    status: Annotated[str | None, typer.Option(help=" | ".join(get_args(Status)))] = None,
    who: Annotated[str | None, typer.Option(help="Who played: " + " | ".join(get_args(Who)))] = None,
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """The sessions that fit all that is asked for, oldest first."""
    with Catalogue(data_dir, create=False) as catalogue:
        entries = catalogue.sessions(
            game,
            after=after,
            before=before,
            min_s=min_s,
            max_s=max_s,
            tag=tag,
            status=_one_of(status, get_args(Status), "--status"),
            who=_one_of(who, get_args(Who), "--who"),
        )
        games = catalogue.games()
    if as_json:
        typer.echo(json.dumps([entry_json(entry) for entry in entries], indent=2))
        return
    console = open_console()
    if entries:
        print_table(entries, console)
    else:
        known = f" There are sessions of: {', '.join(games)}." if games else ""
        console.print(f"No session fits.{known}")


@app.command()
def show(session: Key, data_dir: DataDir = None, as_json: AsJson = False) -> None:
    """All that a session says of itself, and how its recorder did."""
    entry = _find(session, data_dir)
    if as_json:
        typer.echo(json.dumps(session_json(entry), indent=2))
    else:
        print_page(entry, open_console())


@app.command()
def tag(
    session: Key,
    names: Annotated[list[str], typer.Argument(metavar="TAG...", help="Words of your own.")],
    data_dir: DataDir = None,
) -> None:
    """Give a session tags."""
    with Catalogue(data_dir, create=False) as catalogue:
        _say_tags(catalogue.tag(session, *names))


@app.command()
def untag(
    session: Key, names: Annotated[list[str], typer.Argument(metavar="TAG...")], data_dir: DataDir = None
) -> None:
    """Take tags from a session."""
    with Catalogue(data_dir, create=False) as catalogue:
        _say_tags(catalogue.untag(session, *names))


@app.command()
def note(
    session: Key,
    text: Annotated[str, typer.Argument(help="Takes the place of the last note; '' for none.")],
    data_dir: DataDir = None,
) -> None:
    """Write a session's note."""
    with Catalogue(data_dir, create=False) as catalogue:
        entry = catalogue.note(session, text)
    open_console(soft_wrap=True).print(f"{entry.folder.name}: {entry.note or 'no note'}")


@app.command()
def delete(
    sessions: Annotated[list[str], typer.Argument(metavar="SESSION...", help="Ids, folders, or their beginnings.")],
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    data_dir: DataDir = None,
) -> None:
    """Delete sessions for good: video, sound, input, and their entries."""
    with Catalogue(data_dir, create=False) as catalogue:
        entries = {entry.id: entry for entry in map(catalogue.find, sessions)}.values()
        console = open_console()
        print_table(list(entries), console)
        if not yes and not typer.confirm(f"Delete {len(entries)} session{'s' if len(entries) > 1 else ''} for good?"):
            raise typer.Abort
        for entry in entries:
            catalogue.delete(entry.id)
            console.print(f"deleted: {entry.folder}", soft_wrap=True)


@app.command()
def redact(
    session: Key,
    start: Annotated[
        list[str] | None, typer.Option("--from", metavar="TIME", help="Where a span begins: 12.5, 1:20 or 1:02:03.5.")
    ] = None,
    end: Annotated[
        list[str] | None, typer.Option("--to", metavar="TIME", help="Where it ends. Give both again for more spans.")
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    data_dir: DataDir = None,
) -> None:
    """Cut spans of time out of a session for good: video, sound and input.

    What was exported from it before is not changed. A redaction that was cut off is finished first; without any
    --from and --to nothing else is done.
    """
    spans = list(zip(map(seconds_of, start or ()), map(seconds_of, end or ()), strict=False))
    if len(start or ()) != len(end or ()):
        raise typer.BadParameter("each --from needs its --to")
    entry = _find(session, data_dir)
    console = open_console(soft_wrap=True)
    if not spans and not redaction_pending(entry.folder):
        raise typer.BadParameter("say what to cut out: --from TIME --to TIME")
    if spans and not yes:
        words = ", ".join(f"{clock_time(begin)} to {clock_time(stop)}" for begin, stop in spans)
        if not typer.confirm(f"Cut {words} out of {entry.folder.name} for good?"):
            raise typer.Abort
    done = redact_session(entry.folder, spans) if spans else None
    if done is None:
        finish_redaction(entry.folder)
        console.print(f"{entry.folder.name}: the redaction that was cut off is finished")
    else:
        _say_redaction(done)
    _refresh(entry, data_dir)


@app.command("verify")
def verify_sessions(
    sessions: Annotated[
        list[str] | None, typer.Argument(metavar="[SESSION...]", help="Ids, folders, or their beginnings.")
    ] = None,
    every: Annotated[bool, typer.Option("--all", help="All sessions of the catalogue.")] = False,
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Check that files, counts, times and checksums agree. Exit code 1 where something is wrong."""
    if bool(sessions) == every:
        raise typer.BadParameter("name sessions, or give --all")
    if every:
        with Catalogue(data_dir, create=False) as catalogue:
            named: dict[Path, str | None] = {entry.folder: entry.id for entry in catalogue.sessions()}
    else:
        named = dict(_named(key, data_dir) for key in sessions or ())
    console, found = open_console(soft_wrap=True), dict[Path, list[Problem]]()
    for folder in named:
        problems = found[folder] = verify(folder)
        if as_json:
            continue
        verdict = Text("sound", "green") if not problems else Text("not sound", "red")
        console.print(Text.assemble((folder.name, "bold"), ": ", verdict))
        for problem in problems:
            console.print(f"  {problem.what}\n    {problem.remedy}")
    if as_json:
        rows = [
            {
                "id": name,
                "folder": str(folder),
                "problems": [{"what": problem.what, "remedy": problem.remedy} for problem in found[folder]],
            }
            for folder, name in named.items()
        ]
        typer.echo(json.dumps(rows, indent=2))
    if any(found.values()):
        raise typer.Exit(1)


@app.command("reindex")
def reindex_folders(data_dir: DataDir = None, as_json: AsJson = False) -> None:
    """Make the list agree with the session folders that there are: after moving, copying or deleting them by hand."""
    with Catalogue(data_dir) as catalogue:
        done, where = catalogue.reindex(), catalogue.path
        count = len(catalogue.sessions())
    if as_json:
        facts = {"added": done.added, "changed": done.changed, "gone": done.gone, "problems": done.problems}
        typer.echo(json.dumps(facts, indent=2))
    else:
        console = open_console(soft_wrap=True)
        table = Table(show_header=False, box=None)
        for what, names in (("added", done.added), ("changed", done.changed), ("gone", done.gone)):
            table.add_row(what, str(len(names)), ", ".join(names))
        console.print(table)
        console.print(f"{count} session{'s' if count != 1 else ''} in {where}")
        for problem in done.problems:
            console.print(Text(problem, "red"))
    if done.problems:
        raise typer.Exit(1)


def _find(key: str, data_dir: Path | None) -> SessionEntry:
    """By the catalogue, or a folder that stands alone."""
    if (Path(key) / DATABASE_FILE).is_file():
        return read_entry(Path(key).absolute())
    with Catalogue(data_dir, create=False) as catalogue:
        return catalogue.find(key)


def _named(key: str, data_dir: Path | None) -> tuple[Path, str | None]:
    """A session's folder and its id, which a damaged one does not tell."""
    if not is_session_folder(Path(key)):
        entry = _find(key, data_dir)
        return entry.folder, entry.id
    folder = Path(key).absolute()
    try:
        return folder, read_entry(folder).id
    except SessionError:
        return folder, None


def _refresh(entry: SessionEntry, data_dir: Path | None) -> None:
    """The catalogue's entry, where the session is in one."""
    try:
        with Catalogue(data_dir, create=False) as catalogue:
            if any(known.folder == entry.folder for known in catalogue.sessions()):
                catalogue.update(entry.folder)
    except SessionError:
        pass  # a folder that stands alone


def _say_redaction(done: Redaction) -> None:
    console = open_console(soft_wrap=True)
    spans = ", ".join(f"{clock_time(start)} to {clock_time(end)}" for start, end in done.spans_s)
    gone = [f"{done.frames} frames", f"{done.events} input events"]
    gone += [f"{seconds:.1f} s of {stream.replace('_', ' ')}" for stream, seconds in done.sound_s.items()]
    console.print(f"{done.folder.name}: cut out {spans}: {', '.join(gone)}")
    for name in done.removed:
        console.print(f"  deleted: {name}")
    for name in done.unknown:
        console.print(f"  not looked into: {name}")
    console.print("  What was exported from it before still holds what was cut out.")


def _one_of(word: str | None, known: tuple[Choice, ...], option: str) -> Choice | None:
    found = next((choice for choice in known if choice == word), None)
    if word is not None and found is None:
        raise UnknownNameError(f"{option} {word!r}: it is one of {', '.join(known)}.{suggest(word, known)}")
    return found


def _say_tags(entry: SessionEntry) -> None:
    open_console(soft_wrap=True).print(f"{entry.folder.name}: {', '.join(entry.tags) or 'no tags'}")
