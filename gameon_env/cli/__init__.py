"""``gameon``: the command line. Each command lives in a module of its own, imported when it is used."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Sequence

import typer

from gameon_env import __version__
from gameon_env.errors import GameOnError

COMMANDS = {
    "doctor": "What this machine can do, and the command that mends each lack.",
    "games": "The games there are, and what their profiles say.",
    "look": "Screenshots of a game, and what its profile reads from them.",
    "record": "Record a person, or an agent, who plays: video, input and sound.",
    "play": "Let an agent play a live game.",
    "train": "Make a policy: from recordings, or by playing.",
    "evaluate": "Score a policy on the live game, against random and the recording.",
    "sessions": "The sessions that were recorded: list, show, tag, verify, delete.",
    "import": "Bring recordings that other programs made into the catalogue.",
    "export": "Recordings as a file to train from, or to pass on: HDF5, npz, PyTorch, TensorFlow.",
    "recover": "Bring back what a killed recording left.",
    "calibrate": "Measure how well key, picture and sound of a recording are in step on this machine.",
    "web": "The browser game, and its recordings, on this machine.",
    "teach": "Teach a font, or cut a picture out, so that a score can be read off the screen.",
}
"""Command (and its module in this package) -> its line in ``gameon --help``."""

MODULES = {"import": "imports"}
"""Commands whose module has another name: Python keeps this word to itself."""


def make_app(names: Sequence[str]) -> typer.Typer:
    """The command line with these commands only; only their modules are imported."""
    app = typer.Typer(no_args_is_help=True, add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False)

    @app.callback()
    def root(
        version: bool = typer.Option(False, "--version", callback=_version, is_eager=True, help="Show the version."),
    ) -> None:
        """Any game on your desktop as a Gymnasium environment: play, record, learn, and let the agent play."""

    for name in names:
        module = importlib.import_module(f"gameon_env.cli.{MODULES.get(name, name)}")
        if hasattr(module, "app"):
            app.add_typer(module.app, name=name, short_help=COMMANDS[name], rich_help_panel=None)
        else:
            app.command(name=name, short_help=COMMANDS[name])(module.command)
    return app


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"gameon {__version__}")
        raise typer.Exit


def main() -> None:
    """The console command: errors of ours are one clear message and exit code 2, not a traceback."""
    wanted = next((word for word in sys.argv[1:] if not word.startswith("-")), None)
    names = [wanted] if wanted in COMMANDS else list(COMMANDS)
    try:
        make_app([name for name in names if name])()
    except GameOnError as error:
        print(f"gameon: {error}", file=sys.stderr)
        sys.exit(2)
    except KeyboardInterrupt:
        print("gameon: stopped", file=sys.stderr)
        sys.exit(130)
