"""Sessions from anyone: each gives an error of ours, or steps that fit each other; nothing else."""

from __future__ import annotations

import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

from gameon_env.datasets.recordings import find_recordings
from gameon_env.errors import GameOnError
from tests.unit.datasets.played_session import played

HUGE = 2**62
VALUES: tuple[object, ...] = (
    0,
    -1,
    -HUGE,
    HUGE,
    2**63 - 1,
    1e308,
    -1e308,
    float("inf"),
    0.5,
    "",
    "x",
    b"\x80\x02.",
    "[1",
)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return played(tmp_path_factory.mktemp("whole") / "s", 12, gaps=((5, 7),), sound=True)


def _use(folder: Path) -> None:
    (recording,) = find_recordings(folder)
    for fps in (None, 30.0):
        steps = recording.steps(fps=fps, frame_skip=2, latency_ms=10.0)
        assert len(steps.frame) == len(steps.inputs) == len(steps.presses) == len(steps.t_ns)
        assert len(steps) < 10_000_000
        assert np.isfinite(steps.inputs).all()
        assert (np.diff(steps.runs.ravel()) >= 0).all()
        if len(steps):
            assert 0 <= steps.frame.min() <= steps.frame.max() < recording.num_frames
            assert recording.frames(steps.frame[:1], (8, 8)).shape == (1, 8, 8, 3)
            recording.audio(steps.t_ns[:3], steps.end_ns[:3])


def test_any_value_anywhere_in_the_database(whole: Path, tmp_path: Path) -> None:
    with closing(sqlite3.connect(whole / "session.db")) as connection:
        tables = ("session", "controls", "input_events", "frames", "gaps", "audio_clock")
        columns = [
            (table, row[1]) for table in tables for row in connection.execute(f"PRAGMA table_info({table})").fetchall()
        ]
    refused = used = 0
    for number, (table, column) in enumerate(columns):
        for value in (*VALUES, None):
            folder = tmp_path / f"{number}"
            shutil.copytree(whole, folder)
            with closing(sqlite3.connect(folder / "session.db")) as connection:
                connection.execute("PRAGMA ignore_check_constraints = 1")
                try:
                    connection.execute(
                        f"UPDATE {table} SET {column} = ? WHERE rowid = (SELECT max(rowid) FROM {table})", [value]
                    )
                except sqlite3.Error:
                    pass  # the schema itself refuses it
                connection.commit()
            try:
                _use(folder)
                used += 1
            except GameOnError:
                refused += 1
            shutil.rmtree(folder)
    assert refused > 100
    assert used > 100


def test_a_damaged_file_of_any_kind(whole: Path, tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    for number in range(400):
        folder = tmp_path / f"{number}"
        shutil.copytree(whole, folder)
        victim = folder / ("session.db", "video.mp4", "system_audio.wav")[number % 3]
        data = bytearray(victim.read_bytes())
        if number % 4 == 0:
            data = data[: rng.integers(len(data))]
        else:
            for place in rng.integers(0, len(data), 1 + number % 40):
                data[place] = rng.integers(256)
        victim.write_bytes(data)
        try:
            _use(folder)
        except GameOnError:
            pass
        shutil.rmtree(folder)
