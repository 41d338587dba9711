"""``gameon web``: the browser game ReActure on this machine."""

from __future__ import annotations

import logging
import webbrowser
from pathlib import Path

import typer

from gameon_env.cli.console import open_console
from gameon_env.paths import data_dir as default_data_dir
from gameon_env.web.server import WebServer, serve


def command(
    port: int = typer.Option(8000, min=0, max=65535, help="Of http://localhost:PORT; 0 is any that is free."),
    data_dir: Path = typer.Option(None, help="Where recordings and scores go."),
    no_open: bool = typer.Option(False, "--no-open", help="Do not open the browser."),
) -> None:
    """Play ReActure in the browser: search and rescue, recorded as NumPy files to download and train on.

    The page, its recordings and its scores stay on this machine: the server answers no other one. Each game becomes a
    session in the catalogue too. Ctrl+C ends it.
    """
    console = open_console(soft_wrap=True)
    logging.basicConfig(format="%(message)s", level=logging.WARNING)

    def say(server: WebServer) -> None:
        for line in server.completed:
            console.print(f"left by an earlier run: {line}")
        console.print(f"ReActure is at http://localhost:{server.port}/   (Ctrl+C ends it)")
        console.print(f"recordings: {default_data_dir(data_dir) / 'reacture'}")
        if not no_open and not webbrowser.open(server.url):
            console.print("No browser could be opened: open the address yourself.")

    serve(data_dir, port=port, on_ready=say)
    console.print("ended; open recordings were completed")
