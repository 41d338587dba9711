"""The ``.pt`` file: complete, a whole zip archive, and opened where nothing of this project can be imported."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch

from gameon_env.data_processing.trajectory import load_episodes
from gameon_env.errors import GameOnError
from gameon_env.export.hdf5_export import export_to_hdf5
from gameon_env.export.pytorch_export import command, export_to_pytorch
from tests.unit.data_processing.painted_video import number_in
from tests.unit.datasets.played_session import CONTROLS, SIZE, catalogue_of, expected_inputs, played

READER = """
import sys
sys.modules["gameon_env"] = None
import torch
data = torch.load({path!r}, weights_only=True, mmap={mmap})
assert data["video"].shape[1:] == (48, 96, 3), data["video"].shape
print(int(data["video"].sum()), len(data["controls"]), len(data["metadata"]))
"""


@pytest.fixture(scope="module")
def catalogue(tmp_path_factory: pytest.TempPathFactory) -> Path:
    data = tmp_path_factory.mktemp("data")
    (data / "sessions").mkdir()
    played(data / "sessions" / "a", 40, id="aa01", gaps=((13, 16),), sound=True)
    played(data / "sessions" / "b", 30, id="bb02", first=50)
    return catalogue_of(data)


@pytest.fixture(scope="module")
def exported(catalogue: Path) -> Path:
    path = catalogue.parent / "dots.pt"
    summary = export_to_pytorch(catalogue, path, "Dots")
    assert (summary.episodes, summary.rows, summary.size) == (3, 67, SIZE)
    assert summary.size_bytes == path.stat().st_size
    return path


def test_it_holds_what_was_recorded(exported: Path) -> None:
    data = torch.load(exported, weights_only=True)
    assert tuple(data["controls"]) == CONTROLS
    assert data["video"].dtype == torch.uint8
    assert data["audio"].shape == (67, 128)
    for episode in data["metadata"]:
        first, last = episode["first_row"], episode["last_row"]
        assert data["is_first"][first]
        assert data["is_last"][last]
        assert episode["game"] == "Dots"
        shown = [number_in(picture.numpy()) for picture in data["video"][first : last + 1]]
        assert shown == list(range(shown[0], shown[0] + last - first + 1))
        expected = [expected_inputs(n) for n in shown[:-1]] + [[0.0] * 4]
        torch.testing.assert_close(data["inputs"][first : last + 1], torch.tensor(expected))
        assert data["is_valid"][first : last + 1].tolist() == [True] * (last - first) + [False]
    assert data["metadata"][-1]["last_row"] == 66


def test_it_holds_what_the_hdf5_export_does(catalogue: Path, exported: Path, tmp_path: Path) -> None:
    export_to_hdf5(catalogue, tmp_path / "dots.h5", "Dots", None)
    data = torch.load(exported, weights_only=True)
    for episode, metadata in zip(load_episodes(tmp_path / "dots.h5"), data["metadata"], strict=True):
        rows = slice(metadata["first_row"], metadata["last_row"] + 1)
        assert episode.metadata == metadata
        np.testing.assert_array_equal(episode.video(), data["video"][rows].numpy())
        for name in ("inputs", "presses", "audio", "audio_mask", "timestamps", "rewards", "is_terminal"):
            np.testing.assert_array_equal(episode.column(name), data[name][rows].numpy())


def test_its_archive_is_whole(exported: Path) -> None:
    with zipfile.ZipFile(exported) as archive:
        assert archive.testzip() is None
    again = exported.with_name("again.pt")
    torch.save(torch.load(exported, weights_only=True), again)
    with zipfile.ZipFile(exported) as ours, zipfile.ZipFile(again) as theirs:
        data = [n.split("/", 1)[1] for n in theirs.namelist() if "/data/" in n]
        for name in data:
            assert ours.read(f"{ours.namelist()[0].split('/')[0]}/{name}") == theirs.read(
                f"{theirs.namelist()[0].split('/')[0]}/{name}"
            )


@pytest.mark.parametrize("mmap", [False, True])
def test_it_opens_where_nothing_of_ours_is(exported: Path, tmp_path: Path, mmap: bool) -> None:
    said = subprocess.run(
        [sys.executable, "-c", READER.format(path=str(exported), mmap=mmap)],
        cwd=tmp_path, env={k: v for k, v in os.environ.items() if k != "PYTHONPATH"},
        check=True, capture_output=True, text=True,
    ).stdout  # fmt: skip
    assert said.split() == [str(int(torch.load(exported, weights_only=True)["video"].sum())), "4", "3"]


def test_the_command_of_the_guide(catalogue: Path, tmp_path: Path) -> None:
    words = ["--game", "Dots", "--output", "dots.pt", "--data-dir", str(catalogue.parent), "--size", "24x48", "--json"]
    said = subprocess.run(
        [sys.executable, "-m", "gameon_env.export.pytorch_export", *words],
        cwd=tmp_path, check=True, capture_output=True, text=True,
    ).stdout  # fmt: skip
    assert json.loads(said)["rows"] == 67
    data = torch.load(tmp_path / "dots.pt", weights_only=True)
    assert data["video"].shape == (67, 24, 48, 3)
    assert command.main(["--game", "Dotz", "--output", str(tmp_path / "x.pt"), "--db", str(catalogue)]) == 2
    assert not (tmp_path / "x.pt").exists()


def test_an_export_that_fails_leaves_what_was_there(catalogue: Path, tmp_path: Path) -> None:
    path = tmp_path / "dots.pt"
    path.write_text("before")
    with pytest.raises(GameOnError, match="Dots"):
        export_to_pytorch(catalogue, path, "Dotz")
    assert path.read_text() == "before"
    assert list(tmp_path.iterdir()) == [path]
