"""Threads are for cores that have nothing else to do."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator

import pytest

from gameon_env.learning.idle_cores import idle_cores

SPIN = "import os, sys\nos.sched_setaffinity(0, {int(sys.argv[1])})\nprint(flush=True)\nwhile True: pass"


@pytest.fixture
def busy_cores() -> Iterator[None]:
    """A program that computes on each core."""
    programs = [
        subprocess.Popen([sys.executable, "-c", SPIN, str(core)], stdout=subprocess.PIPE)
        for core in sorted(os.sched_getaffinity(0))
    ]
    for program in programs:
        assert program.stdout is not None
        program.stdout.readline()
    yield
    for program in programs:
        program.kill()
        program.communicate()


@pytest.mark.usefixtures("busy_cores")
def test_beside_programs_that_compute_on_all_cores_one_thread_is_enough() -> None:
    assert idle_cores() == 1


def test_there_are_never_more_than_the_process_may_use() -> None:
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(before)})
    try:
        assert idle_cores() == 1
    finally:
        os.sched_setaffinity(0, before)
