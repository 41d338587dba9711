"""The command line that all exports share: ``python -m gameon_env.export.X`` and ``gameon export X``."""

from __future__ import annotations

import argparse
import dataclasses
import json
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

from gameon_env.datasets.recordings import find_recordings
from gameon_env.errors import GameOnError
from gameon_env.export.arguments import add_source, add_steps, add_work, source_of, steps_of, workers_of
from gameon_env.export.report_page import check_page, write_page
from gameon_env.export.summary import ExportProgress, ExportSummary, human_bytes

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
        example: an output, for ``--help``; a folder ends with a slash.
        add_arguments: adds the arguments that only this format has.
        arguments_of: what they make of the export's arguments.
        size: ``(height, width)`` of the pictures where none is asked for; None: as recorded.
    """

    export: ExportFunction
    what: str
    example: str
    add_arguments: Callable[[argparse.ArgumentParser], None] = _nothing
    arguments_of: Callable[[argparse.Namespace], dict[str, object]] = _no_arguments
    size: tuple[int, int] | None = None

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
            print_summary(summary, open_console())
        return 0

    def run(self, argv: Sequence[str], prog: str | None = None) -> ExportSummary:
        """The same without the summary's words; errors are raised."""
        return self._run(self._parser(prog).parse_args(argv))

    def _parser(self, prog: str | None) -> argparse.ArgumentParser:
        parser = argparse.ArgumentParser(prog=prog or _prog(), description=f"Export recordings to {self.what}.")
        add_source(parser)
        parser.add_argument(
            "--output",
            "-o",
            required=True,
            metavar="PATH",
            help=f"what to make, such as {self.example}" + ("" if self.example.endswith("/") else "; a file's URL too"),
        )
        add_steps(parser, size=self.size)
        self.add_arguments(parser)
        add_work(parser, workers=1)
        parser.add_argument(
            "--report",
            nargs="?",
            const="report.html",
            metavar="FILE.html",
            help="write a page too: figures, charts, pictures and warnings about the recordings (report.html)",
        )
        parser.add_argument("--json", action="store_true", help="the summary for programs")
        return parser

    def _run(self, parsed: argparse.Namespace) -> ExportSummary:
        source = source_of(parsed)
        arguments = source | steps_of(parsed) | {"output_path": parsed.output, "workers": workers_of(parsed)}
        arguments |= self.arguments_of(parsed)
        check_page(parsed.report)
        with ProgressBar(quiet=parsed.json) as bar:
            summary = self.export(**arguments, progress=bar.update)
        if parsed.report is None:
            return summary
        names = source["game_name"], source["sessions"]
        recordings = find_recordings(source["db_path"], game_name=names[0], sessions=names[1])
        inside = [recording for recording in recordings if recording.id in summary.recordings]
        return dataclasses.replace(summary, report=write_page(parsed.report, inside, summary))


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
    if summary.report is not None:
        console.print(f"The page: {summary.report}")


class ProgressBar:
    """A progress bar on the error output, so that the summary can be piped on; on no terminal it says nothing."""

    def __init__(self, *, quiet: bool, what: str = "exporting") -> None:
        console = Console(stderr=True, markup=False, emoji=False, highlight=False)
        columns = (
            TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TextColumn("{task.fields[rate]}"),
            TimeRemainingColumn(),
        )  # fmt: skip
        self._console = console
        self._quiet = quiet
        self._what = what
        self._progress = Progress(*columns, console=console, disable=quiet or not console.is_terminal)
        self._task: Any = None

    def update(self, state: ExportProgress) -> None:
        if state.rows == 0 and state.estimated_bytes and not self._quiet:
            self._console.print(f"{state.total_rows} frames, about {human_bytes(state.estimated_bytes)}")
        if self._task is None:
            self._task = self._progress.add_task(self._what, total=state.total_rows, rate="")
        task = self._progress.tasks[0]
        rate = f"{task.speed:.0f} frames/s" if task.speed else ""
        self._progress.update(self._task, completed=state.rows, total=state.total_rows, rate=rate)

    def __enter__(self) -> ProgressBar:
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()


def _as_json(summary: ExportSummary) -> dict[str, Any]:
    page = None if summary.report is None else str(summary.report)
    return dataclasses.asdict(summary) | {"path": str(summary.path), "report": page}


def open_console() -> Console:
    return Console(markup=False, emoji=False, highlight=False, soft_wrap=True)


def _prog() -> str:
    """As it was called: ``python -m gameon_env.export.hdf5_export``."""
    spec = getattr(sys.modules["__main__"], "__spec__", None)
    return f"python -m {spec.name}" if spec is not None else Path(sys.argv[0]).name
