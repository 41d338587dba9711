"""robomimic files: what was recorded is in them, demo by demo, and robomimic itself reads them.

``GAMEON_ROBOMIMIC_PYTHON`` names a Python that has robomimic, which does not go into ours; without it the one test
that needs it is skipped.
"""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from gameon_env.data_processing.trajectory import load_episodes
from gameon_env.errors import DatasetError
from gameon_env.export.hdf5_export import export_to_hdf5
from gameon_env.export.robomimic_export import command, export_to_robomimic
from tests.unit.data_processing.painted_video import number_in
from tests.unit.datasets.played_session import (
    CONTROLS,
    PERIOD_NS,
    SIZE,
    catalogue_of,
    expected_inputs,
    played,
    trajectory,
)

SHOWN = [*range(13)], [*range(16, 40)], [*range(100, 120)]
"""The frames of each demo: of two sessions, the first with a gap."""
ROBOMIMIC_PYTHON = os.environ.get("GAMEON_ROBOMIMIC_PYTHON")


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    data = tmp_path_factory.mktemp("data")
    played(data / "sessions" / "one", 40, id="aa01", gaps=((13, 16),), sound=True)
    played(data / "sessions" / "two", 20, id="bb02", first=100, started_at="2026-03-02T12:00:00.000000Z", seed=None)
    return catalogue_of(data)


def numbers(pictures: Any) -> list[int]:
    return [number_in(picture) for picture in pictures]


@pytest.mark.parametrize("compression", ["gzip", "lzf", None])
def test_demos_are_what_was_recorded(database: Path, tmp_path: Path, compression: Any) -> None:
    path = tmp_path / "dots.hdf5"
    summary = export_to_robomimic(database, path, "Dots", compression, 1)
    assert (summary.episodes, summary.rows, summary.size) == (3, 57, SIZE)
    assert summary.size_bytes == path.stat().st_size
    with h5py.File(path) as file:
        assert set(file["data"]) == {"demo_0", "demo_1", "demo_2"}
        assert file["data"].attrs["total"] == 54
        assert list(file["data"].attrs["controls"]) == list(CONTROLS)
        about = json.loads(file["data"].attrs["env_args"])
        assert about == {"env_name": "Dots", "type": 2, "env_kwargs": {}, "controls": list(CONTROLS)}
        for i, shown in enumerate(SHOWN):
            demo, steps = file[f"data/demo_{i}"], len(shown) - 1
            assert demo.attrs["num_samples"] == steps
            assert demo.attrs.get("seed") == (7, None, None)[i]
            assert json.loads(demo.attrs["gameon"])["session"] == ("aa01", "aa01", "bb02")[i]
            assert numbers(demo["obs/screen"]) == shown[:-1]
            assert numbers(demo["next_obs/screen"]) == shown[1:]
            assert demo["actions"][:].tolist() == pytest.approx(np.array([expected_inputs(n) for n in shown[:-1]]))
            assert demo["presses"][:, 0].tolist() == [int(n % 2 == 0) for n in shown[:-1]]
            assert demo["timestamps"][:].tolist() == [j * PERIOD_NS for j in range(steps)]
            assert demo["dones"][:].tolist() == [0] * steps
            assert {len(demo[name]) for name in ("rewards", "obs/audio", "next_obs/audio_mask")} == {steps}


def test_sound_is_what_was_heard_before(database: Path, tmp_path: Path) -> None:
    export_to_robomimic(database, tmp_path / "dots.hdf5")
    export_to_hdf5(database, tmp_path / "dots.h5")
    with h5py.File(tmp_path / "dots.hdf5") as file:
        for i, ours in enumerate(load_episodes(tmp_path / "dots.h5")):
            demo = file[f"data/demo_{i}"]
            for name, values in (("audio", ours.column("audio")), ("audio_mask", ours.column("audio_mask")[:, None])):
                assert not demo["obs"][name][0].any()
                assert (demo["obs"][name][1:] == values[:-2]).all()
                assert (demo["next_obs"][name][:] == values[:-1]).all()


@pytest.mark.parametrize("format", ["hdf5", "npz"])
def test_trajectory_files_keep_their_steps(tmp_path: Path, format: str) -> None:
    trajectory(tmp_path / "steps", (12, 8), format=format, terminal=True)
    export_to_robomimic(tmp_path / "steps", tmp_path / "a.hdf5", downsample_factor=1)
    with h5py.File(tmp_path / "a.hdf5") as file:
        for i, steps in enumerate((12, 8)):
            demo, shown = file[f"data/demo_{i}"], [100 * i + row for row in range(steps + 1)]
            assert (numbers(demo["obs/screen"]), numbers(demo["next_obs/screen"])) == (shown[:-1], shown[1:])
            assert demo["actions"][:].tolist() == pytest.approx(np.array([expected_inputs(n) for n in shown[:-1]]))
            assert demo["rewards"][:].tolist() == list(range(steps))
            assert demo["dones"][:].tolist() == [0] * (steps - 1) + [1]


@pytest.mark.parametrize("workers", [1, 2])
def test_blocks_change_nothing(tmp_path: Path, workers: int) -> None:
    session = played(tmp_path / "s", 60, sound=True)
    export_to_robomimic(session, tmp_path / "a.hdf5", target_size=(256, 384), workers=workers)
    export_to_hdf5(session, tmp_path / "a.h5", target_size=(256, 384))
    (ours,) = load_episodes(tmp_path / "a.h5")
    with h5py.File(tmp_path / "a.hdf5") as file:
        demo = file["data/demo_0"]
        assert (demo["obs/screen"][:] == ours.video()[:-1]).all()
        assert (demo["next_obs/screen"][:] == ours.video()[1:]).all()
        assert (demo["actions"][:] == ours.inputs[:-1]).all()
        assert (demo["next_obs/audio"][:] == ours.column("audio")[:-1]).all()
        assert (demo["obs/audio"][1:] == ours.column("audio")[:-2]).all()


def test_the_command_line(database: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["--game", "Dots", "--db", str(database), "--output", str(tmp_path / "a.hdf5"), "--no-audio"]
    assert command.main([*words, "--no-next-obs", "--compression", "none"]) == 0
    assert "57 frames of 224x224, 4 controls, no sound" in capsys.readouterr().out
    with h5py.File(tmp_path / "a.hdf5") as file:
        assert "next_obs" not in file["data/demo_0"]
        assert list(file["data/demo_0/obs"]) == ["screen"]
        assert file["data/demo_0/obs/screen"].compression is None


@pytest.mark.parametrize("next_obs", [True, False])
def test_the_estimate_is_near(tmp_path: Path, next_obs: bool) -> None:
    session = played(tmp_path / "s", 60)
    summary = export_to_robomimic(session, tmp_path / "a.hdf5", compression=None, next_obs=next_obs)
    assert summary.estimated_bytes == pytest.approx(summary.size_bytes, rel=0.1)


def test_wrong_arguments(database: Path, tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="next_obs must be True or False"):
        export_to_robomimic(database, tmp_path / "a.hdf5", next_obs="no")  # type: ignore[arg-type]  # what people try
    with pytest.raises(DatasetError, match="Did you mean 'lzf'"):
        export_to_robomimic(database, tmp_path / "a.hdf5", compression="lz")  # type: ignore[arg-type]
    assert not list(tmp_path.iterdir())


@pytest.mark.skipif(ROBOMIMIC_PYTHON is None, reason="GAMEON_ROBOMIMIC_PYTHON names no Python that has robomimic")
def test_robomimic_itself_reads_it(database: Path, tmp_path: Path) -> None:
    export_to_robomimic(database, tmp_path / "dots.hdf5")
    export_to_hdf5(database, tmp_path / "dots.h5", target_size=(224, 224))
    reader = Path(__file__).with_name("robomimic_reader.py")
    command = [str(ROBOMIMIC_PYTHON), str(reader), str(tmp_path / "dots.hdf5")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    read = json.loads(done.stdout.splitlines()[-1])
    assert read["environment"]["controls"] == list(CONTROLS)
    assert (read["actions"], read["keys"]) == (4, ["audio", "audio_mask", "screen"])
    sequences = iter(read["sequences"])
    for episode in load_episodes(tmp_path / "dots.h5"):
        sums = episode.video().sum(axis=(1, 2, 3), dtype=np.int64).tolist()
        for first in range(episode.num_steps - 2):
            sequence = next(sequences)
            assert sequence["pictures"] == sums[first : first + 3]
            assert sequence["next_pictures"] == sums[first + 1 : first + 4]
            assert sequence["actions"] == episode.inputs[first : first + 3].tolist()
            assert sequence["dones"] == [0, 0, 0]
    assert not list(sequences)
