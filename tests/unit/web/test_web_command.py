"""``gameon web`` as a person uses it: an address, and Ctrl+C."""

from __future__ import annotations

import re
import signal
import socket
import subprocess
import sys
import urllib.request
from pathlib import Path

PROGRAM = "import typer; from gameon_env.cli.web import command; typer.run(command)"


def start(*arguments: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", PROGRAM, *arguments]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def test_it_serves_until_ctrl_c(tmp_path: Path) -> None:
    web = start("--port", "0", "--no-open", "--data-dir", str(tmp_path / "my data"))
    assert web.stdout is not None
    found = re.match(r"ReActure is at (http://localhost:\d+/) ", web.stdout.readline())
    assert found is not None
    assert web.stdout.readline() == f"recordings: {tmp_path / 'my data' / 'reacture'}\n"
    with urllib.request.urlopen(found[1], timeout=60) as answer:
        assert b"ReActure" in answer.read()
    web.send_signal(signal.SIGINT)
    said, errors = web.communicate(timeout=60)
    assert (web.returncode, errors) == (0, "")
    assert said == "ended; open recordings were completed\n"


def test_a_port_that_is_taken(tmp_path: Path) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        web = start("--port", str(port), "--no-open", "--data-dir", str(tmp_path))
        _, errors = web.communicate(timeout=60)
    assert web.returncode != 0
    assert f"port {port} is taken" in errors
    assert f"gameon web --port {port + 1}" in errors
