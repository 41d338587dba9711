"""The command line that all exports share: ``python -m gameon_env.export.X`` and ``gameon export X``."""

from __future__ import annotations

import argparse
import dataclasses
import json
import re
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

from gameon_env.datasets.dataset_error import DatasetError
from gameon_env.errors import GameOnError
from gameon_env.export.summary import ExportProgress, ExportSummary, human_bytes
from gameon_env.paths import data_dir

ExportFunction = Callable[..., ExportSummary]
"""Called with ``db_path``, ``output_path``, ``game_name``, ``sessions``, ``fps``, ``frame_skip``, ``target_size``,
``downsample_factor``, ``include_audio``, ``audio_source``, ``latency_ms``, ``workers``, ``progress``, and what
``arguments_of`` adds or replaces; all by name."""


def _nothing(parser: argparse.ArgumentParser) -> None:
    """No arguments of its own."""


def _no_arguments(parsed: argparse.Namespace) -> dict[str, object]:
    return {}


@dataclasses.dataclass(frozen=True)
class ExportCommand:
    """The command line of one format.

    Attributes:
        export: what exports; see :data:`ExportFunction`.
        what: what it makes, for ``--help``.
        example: an output, for ``--help``.
        add_arguments: adds the arguments that only this format has.
        arguments_of: what they make of the export's arguments.
    """

    export: ExportFunction
    what: str
    example: str
    add_arguments: Callable[[argparse.ArgumentParser], None] = _nothing
    arguments_of: Callable[[argparse.Namespace], dict[str, object]] = _no_arguments

    def main(self, argv: Sequence[str] | None = None, prog: str | None = None) -> int:
        """Run the command line, with the errors of ours as one message.

        Args:
            argv: its words; None: those of this process.
            prog: its name in messages.

        Returns:
            The exit code: 0, 2 for an error, 130 where it was stopped.
        """
        parser = self._parser(prog)
        parsed = parser.parse_args(argv)
        try:
            summary = self._run(parsed)
        except GameOnError as error:
            print(f"{parser.prog}: {error}", file=sys.stderr)
            return 2
        except KeyboardInterrupt:
            print(f"{parser.prog}: stopped; nothing was written", file=sys.stderr)
            return 130
        if parsed.json:
            print(json.dumps(_as_json(summary), indent=2, ensure_ascii=False))
        else:
            print_summary(summary, _console())
        return 0

    def run(self, argv: Sequence[str], prog: str | None = None) -> ExportSummary:
        """The same without the summary's words; errors are raised."""
        return self._run(self._parser(prog).parse_args(argv))

    def _parser(self, prog: str | None) -> argparse.ArgumentParser:
        parser = argparse.ArgumentParser(prog=prog or _prog(), description=f"Export recordings to {self.what}.")
        add_source(parser)
        parser.add_argument(
            "--output", "-o", required=True, metavar="PATH", help=f"what to make, such as {self.example}"
        )
        add_steps(parser)
        self.add_arguments(parser)
        parser.add_argument("--workers", type=int, default=1, metavar="N", help="processes that decode (1)")
        parser.add_argument("--json", action="store_true", help="the summary for programs")
        return parser

    def _run(self, parsed: argparse.Namespace) -> ExportSummary:
        arguments = source_of(parsed) | steps_of(parsed) | {"output_path": parsed.output, "workers": parsed.workers}
        arguments |= self.arguments_of(parsed)
        with _Bar(quiet=parsed.json) as bar:
            return self.export(**arguments, progress=bar.update)


def add_source(parser: argparse.ArgumentParser) -> None:
    """``--game``, ``--all``, ``--sessions``, ``--data-dir``, ``--db``: which recordings."""
    which = parser.add_argument_group("which recordings")
    which.add_argument("--game", metavar="NAME", help="those of this game")
    which.add_argument("--all", action="store_true", help="those of all games, their controls aligned by name")
    which.add_argument(
        "--sessions", nargs="+", metavar="SESSION", help="only these: ids, beginnings of ids, or names of folders"
    )
    where = which.add_mutually_exclusive_group()
    where.add_argument("--data-dir", type=Path, help="the data folder; $GAMEON_DATA_DIR or ./data without it")
    where.add_argument(
        "--db", type=Path, metavar="PATH", help="gameon.db, a session's folder, a trajectory file, or a folder of them"
    )


def source_of(parsed: argparse.Namespace) -> dict[str, Any]:
    """``db_path``, ``game_name`` and ``sessions`` as :func:`add_source` took them.

    Raises:
        DatasetError: it is not said which.
    """
    if parsed.all and parsed.game is not None:
        raise DatasetError("--game and --all contradict each other: give one of them")
    if not (parsed.all or parsed.game is not None or parsed.sessions):
        raise DatasetError("say what to export: --game NAME, --all, or --sessions SESSION ...")
    db_path = parsed.db if parsed.db is not None else data_dir(parsed.data_dir) / "gameon.db"
    return {"db_path": db_path, "game_name": parsed.game, "sessions": parsed.sessions}


def add_steps(parser: argparse.ArgumentParser) -> None:
    """``--fps``, ``--frame-skip``, ``--size``, ``--downsample``, ``--no-audio`` and the like: as what."""
    how = parser.add_argument_group("as what")
    how.add_argument("--fps", type=float, help="steps a second; without it each recorded frame is a step")
    how.add_argument("--frame-skip", type=int, default=1, metavar="N", help="frames (of --fps) a step (1)")
    size = how.add_mutually_exclusive_group()
    size.add_argument("--size", type=_size, metavar="HxW", help="height and width of the pictures, such as 224x224")
    size.add_argument("--downsample", type=int, default=1, metavar="N", help="divide both sides by this (1)")
    how.add_argument("--no-audio", action="store_true", help="leave out the sound")
    how.add_argument("--audio-source", choices=("system", "microphone", "both"), default="system", help="(system)")
    how.add_argument(
        "--latency-ms", type=float, default=0.0, metavar="MS", help="how much later than its picture an action is (0)"
    )


def steps_of(parsed: argparse.Namespace) -> dict[str, Any]:
    """What :func:`add_steps` took, as an export's arguments."""
    return {
        "fps": parsed.fps,
        "frame_skip": parsed.frame_skip,
        "target_size": parsed.size,
        "downsample_factor": parsed.downsample,
        "include_audio": not parsed.no_audio,
        "audio_source": parsed.audio_source,
        "latency_ms": parsed.latency_ms,
    }


def print_summary(summary: ExportSummary, console: Console) -> None:
    """What was written, what was left out and why."""
    height, width = summary.size
    console.print(
        f"{summary.path}: {summary.episodes} episode{'s' * (summary.episodes != 1)} of {len(summary.recordings)} "
        f"recording{'s' * (len(summary.recordings) != 1)}, {summary.rows} frames of {height}x{width}, "
        f"{len(summary.controls)} controls, {'with' if summary.has_audio else 'no'} sound; "
        f"{human_bytes(summary.size_bytes)} in {summary.seconds:.1f} s"
    )
    for note in summary.notes:
        console.print(f"  {note}")
    if summary.left_out:
        console.print("left out:")
        for left in summary.left_out:
            console.print(f"  {left.name}: {left.reason}")


class _Bar:
    """A progress bar on the error output, so that the summary can be piped on; on no terminal it says nothing."""

    def __init__(self, *, quiet: bool) -> None:
        console = Console(stderr=True, markup=False, emoji=False, highlight=False)
        columns = (
            TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TextColumn("{task.fields[rate]}"),
            TimeRemainingColumn(),
        )  # fmt: skip
        self._console = console
        self._quiet = quiet
        self._progress = Progress(*columns, console=console, disable=quiet or not console.is_terminal)
        self._task: Any = None

    def update(self, state: ExportProgress) -> None:
        if state.rows == 0 and not self._quiet:
            self._console.print(f"{state.total_rows} frames, about {human_bytes(state.estimated_bytes)}")
        if self._task is None:
            self._task = self._progress.add_task("exporting", total=state.total_rows, rate="")
        task = self._progress.tasks[0]
        rate = f"{task.speed:.0f} frames/s" if task.speed else ""
        self._progress.update(self._task, completed=state.rows, total=state.total_rows, rate=rate)

    def __enter__(self) -> _Bar:
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()


def _as_json(summary: ExportSummary) -> dict[str, Any]:
    return dataclasses.asdict(summary) | {"path": str(summary.path)}


def _console() -> Console:
    return Console(markup=False, emoji=False, highlight=False, soft_wrap=True)


def _size(text: str) -> tuple[int, int]:
    found = re.fullmatch(r"(\d{1,5})x(\d{1,5})", text.strip().lower())
    if found is None:
        raise argparse.ArgumentTypeError(f"{text!r} is no size: expected HEIGHTxWIDTH, such as 224x224")
    return int(found[1]), int(found[2])


def _prog() -> str:
    """As it was called: ``python -m gameon_env.export.hdf5_export``."""
    spec = getattr(sys.modules["__main__"], "__spec__", None)
    return f"python -m {spec.name}" if spec is not None else Path(sys.argv[0]).name
