"""``gameon calibrate``: how well key, picture and sound of a recording are in step on this machine."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict

import typer
from rich.progress import Progress
from rich.table import Table

from gameon_env.cli.console import open_console
from gameon_env.recording.calibration import calibrate
from gameon_env.recording.calibration_figures import Spread
from gameon_env.recording.calibration_store import Calibration, store_calibration


def command(
    presses: int = typer.Option(100, min=1, help="How many key presses; about two a second."),
    display: str = typer.Option("private", help="private, current, or an X display such as :1."),
    by_hand: bool = typer.Option(False, help="You press the space bar, in place of injected presses."),
    as_json: bool = typer.Option(False, "--json", help="For programs."),
) -> None:
    """Measure the recorder's sync: a window flashes and beeps at each key press, and is recorded as a game is.

    Printed are the times from key to picture and from picture to sound as they are recorded, and the same without what
    the test window itself takes: the recorder's own error. They are kept, and later sessions of this machine carry
    them as their stated error.
    """
    console = open_console(soft_wrap=True)
    if as_json:
        found = calibrate(presses, display, by_hand=by_hand)
    else:
        told = "press the space bar in the calibration window" if by_hand else "measuring"
        with Progress(console=console, transient=True) as progress:
            task = progress.add_task(told, total=presses)
            show: Callable[[int], object] = lambda done: progress.update(task, completed=done)  # noqa: E731
            found = calibrate(presses, display, by_hand=by_hand, on_press=show)
    path = store_calibration(found)
    if as_json:
        typer.echo(json.dumps(asdict(found)))
        return
    console.print(figures_table(found))
    for line in found.missing:
        console.print(f"note: {line}")
    console.print(f"kept for later sessions of this machine: {path}")


def figures_table(found: Calibration) -> Table:
    """What was measured, for people."""
    sound = found.sound or "no sound"
    table = Table(title=f"{found.display} display, {sound}: {found.presses} presses", title_justify="left")
    for name in ("", "median ms", "p99 ms", "jitter ms", "presses"):
        table.add_column(name, justify="left" if not name else "right")
    for name, spread in (
        ("key to picture, as recorded", found.key_to_picture),
        ("  the recorder's own error", found.key_to_picture_error),
        ("picture to sound, as recorded", found.picture_to_sound),
        ("  the recorder's own error", found.picture_to_sound_error),
        ("the window's flip, in which the picture came", found.flip),
    ):
        table.add_row(name, *_cells(spread))
    table.caption = (
        f"in the recording: {found.recorded} keys, {found.seen} pictures, {found.heard} beeps. p99 is of the absolute "
        "value; jitter the standard deviation"
    )
    table.caption_justify = "left"
    return table


def _cells(spread: Spread | None) -> tuple[str, ...]:
    if spread is None:
        return ("not measured", "", "", "0")
    return (f"{spread.median_ms:+.2f}", f"{spread.p99_ms:.2f}", f"{spread.jitter_ms:.2f}", str(spread.count))
