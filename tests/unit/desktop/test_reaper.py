"""Finding a game's processes where there is no ``/proc``, as on Windows and macOS."""

from __future__ import annotations

import subprocess
import sys

import psutil

from gameon_env.desktop import reaper

PARENT = "import subprocess, sys; subprocess.run([sys.executable, '-c', 'print(1, flush=True); input()'])"


def test_a_process_with_its_descendants() -> None:
    with subprocess.Popen([sys.executable, "-c", PARENT], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as parent:
        assert parent.stdout is not None
        parent.stdout.readline()
        (child,) = psutil.Process(parent.pid).children()
        start = int(psutil.Process(parent.pid).create_time() * 1000)
        assert reaper._tree(parent.pid, start) == {parent.pid, child.pid}
        # The number of a process that is gone, given to another one.
        assert reaper._tree(parent.pid, start - 60_000) == set()
        parent.communicate(b"\n")
    assert reaper._tree(parent.pid, start) == set()
