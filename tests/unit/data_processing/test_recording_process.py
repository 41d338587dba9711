"""An episode that another process still records is known as one, whatever happens to the clock meanwhile."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from gameon_env.data_processing.recording_process import KEY, recording_elsewhere, this_process

RECORDER = """
import json, sys
from gameon_env.data_processing.recording_process import this_process
print(json.dumps(this_process()), flush=True)
sys.stdin.read()
"""


@pytest.fixture
def recorder() -> Iterator[subprocess.Popen[str]]:
    with subprocess.Popen([sys.executable, "-c", RECORDER], stdin=-1, stdout=-1, text=True) as process:
        yield process
        process.kill()


def mark_of(process: subprocess.Popen[str]) -> dict[str, Any]:
    assert process.stdout is not None
    mark: dict[str, Any] = json.loads(process.stdout.readline())
    return mark


def test_another_process_is_told_from_this_and_from_gone_ones(recorder: subprocess.Popen[str]) -> None:
    mark = mark_of(recorder)
    assert recording_elsewhere({KEY: mark}) == recorder.pid
    assert recording_elsewhere({KEY: this_process()}) is None
    assert recording_elsewhere({KEY: mark | {"host": "another"}}) is None
    for nonsense in ({}, {"pid": "x"}, {"pid": -1}, {"pid": 10**12}, {"pid": None}):
        assert recording_elsewhere({KEY: {"host": mark["host"]} | nonsense}) is None
    recorder.kill()
    psutil.Process(recorder.pid).wait()
    assert recording_elsewhere({KEY: mark}) is None


@pytest.mark.skipif(not Path("/proc/sys/kernel/random/boot_id").exists(), reason="the kernel does not say it here")
def test_the_clock_may_be_set_while_it_records(recorder: subprocess.Popen[str]) -> None:
    mark = mark_of(recorder)
    assert recording_elsewhere({KEY: mark | {"started": mark["started"] + 3600}}) == recorder.pid
    assert recording_elsewhere({KEY: mark | {"ticks": mark["ticks"] - 1}}) is None  # an earlier one of this number
    assert recording_elsewhere({KEY: mark | {"boot": "another"}}) is None


def test_files_of_older_versions_say_the_time_alone(recorder: subprocess.Popen[str]) -> None:
    mark = mark_of(recorder)
    old = {name: mark[name] for name in ("host", "pid", "started")}
    assert recording_elsewhere({KEY: old}) == recorder.pid
    assert recording_elsewhere({KEY: old | {"started": mark["started"] - 5}}) is None


def test_a_process_that_cannot_be_looked_at_counts_as_alive(
    recorder: subprocess.Popen[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def denied(process: psutil.Process) -> str:
        raise psutil.AccessDenied(process.pid)

    mark = mark_of(recorder)
    monkeypatch.setattr(psutil.Process, "status", denied)
    assert recording_elsewhere({KEY: mark}) == recorder.pid
