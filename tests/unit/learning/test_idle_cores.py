"""Threads are for cores that have nothing else to do."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator

import psutil
import pytest
import torch

from gameon_env.learning.distributed import TrainingGroup
from gameon_env.learning.idle_cores import idle_cores, usable_cores

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


def test_cores_that_a_container_counts_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {10, 37, 40})
    monkeypatch.setattr(psutil, "cpu_percent", lambda *_, **__: [3.0, 90.0, 4.0])
    assert idle_cores() == 2


@pytest.mark.usefixtures("busy_cores")
def test_processes_that_train_together_do_not_give_way_to_each_other() -> None:
    assert TrainingGroup(0, 2, 2, torch.device("cpu")).threads == max(1, len(usable_cores()) // 2)
