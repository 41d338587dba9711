"""Trajectory files from anyone, changed where a dataset looks: an error of ours, or steps that fit each other."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import h5py
import numpy as np
import pytest

from gameon_env.datasets.options import DatasetOptions
from gameon_env.datasets.windows import Windows
from gameon_env.errors import GameOnError
from tests.unit.datasets.played_session import trajectory

FACTS = ("fps", "controls", "session", "game", "mouse_scale_px", "wheel_scale", "audio_source", "first_row", "last_row")
VALUES = (
    ("0", "-1", "1e-300", "1e300", "Infinity", "-Infinity", "NaN", "true", "null", '""', '"x"', "[]", "{}", "[[]]")
    + ('["key:a"]', '["key:a", "key:a", "key:b", "key:c"]', '["", "x", "y", "z"]', "[1, 2, 3, 4]", "9" * 30)
)  # fmt: skip


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return trajectory(tmp_path_factory.mktemp("whole"))


def _use(file: Path) -> None:
    for options in ({}, {"fps": 15.0}, {"frame_skip": 4, "latency_ms": 50.0}):
        try:
            windows = Windows(DatasetOptions(db_path=file, sequence_length=2, target_size=(8, 8), **options))  # type: ignore[arg-type]
            batch = windows.batch(range(len(windows)))
        except GameOnError:
            continue
        assert batch.frames.shape == (len(windows), 2, 8, 8, 3)
        assert np.isfinite(batch.inputs).all()
        assert batch.inputs.shape == (len(windows), 2, windows.num_actions)


def test_any_fact_in_the_metadata(whole: Path, tmp_path: Path) -> None:
    file = tmp_path / "t.hdf5"
    for fact in FACTS:
        for value in VALUES:
            shutil.copy(whole, file)
            with h5py.File(file, "r+") as opened:
                row = json.loads(opened["metadata"][0])
                row[fact] = "@"
                opened["metadata"][0] = json.dumps(row).replace('"@"', value)
            _use(file)


@pytest.mark.parametrize("column", ["timestamps", "inputs", "rewards", "presses", "is_valid", "is_first", "is_last"])
def test_any_values_in_the_columns(whole: Path, tmp_path: Path, column: str) -> None:
    file = tmp_path / "t.hdf5"
    rng = np.random.default_rng(0)
    for _ in range(15):
        shutil.copy(whole, file)
        with h5py.File(file, "r+") as opened:
            dataset = opened[column]
            values = dataset[:]
            where = rng.random(values.shape) < 0.2
            raw = np.frombuffer(rng.bytes(values.nbytes), np.uint8)
            wild = (raw & 1).astype(bool) if values.dtype == bool else raw.view(values.dtype)
            values[where] = wild.reshape(values.shape)[where]
            dataset[:] = values
        _use(file)


def test_any_bytes(whole: Path, tmp_path: Path) -> None:
    rng = np.random.default_rng(2)
    npz = trajectory(tmp_path / "npz", (9,), format="npz")
    for number in range(200):
        source = (whole, npz)[number % 2]
        data = bytearray(source.read_bytes())
        for place in rng.integers(0, len(data), 1 + number % 50):
            data[place] = rng.integers(256)
        if number % 5 == 0:
            data = data[: rng.integers(len(data))]
        file = tmp_path / f"t{source.suffix}"
        file.write_bytes(data)
        _use(file)
