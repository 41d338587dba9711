"""Minari datasets, as Minari itself reads them: what was recorded is in them, episode by episode."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import minari
import numpy as np
import pytest
from gymnasium import spaces

from gameon_env.data_processing.trajectory import load_episodes
from gameon_env.data_processing.video_reader import VideoReader
from gameon_env.errors import DatasetError
from gameon_env.export.hdf5_export import export_to_hdf5
from gameon_env.export.minari_export import command, export_to_minari
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
"""The frames of each episode: of two sessions, the first with a gap."""


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    data = tmp_path_factory.mktemp("data")
    played(data / "sessions" / "one", 40, id="aa01", gaps=((13, 16),), sound=True)
    played(data / "sessions" / "two", 20, id="bb02", first=100, started_at="2026-03-02T12:00:00.000000Z", seed=None)
    return catalogue_of(data)


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where Minari looks for its datasets."""
    monkeypatch.setenv("MINARI_DATASETS_PATH", str(tmp_path / "minari"))
    (tmp_path / "minari" / "dots").mkdir(parents=True)
    return tmp_path / "minari"


@pytest.mark.parametrize("compression", ["gzip", "lzf", None])
def test_minari_reads_what_was_recorded(database: Path, root: Path, compression: Any) -> None:
    summary = export_to_minari(database, root / "dots" / "human-v3", "Dots", compression, 1)
    assert (summary.episodes, summary.rows, summary.size) == (3, 57, SIZE)
    assert summary.notes == ("minari.load_dataset('dots/human-v3') loads it",)
    assert list(minari.list_local_datasets()) == ["dots/human-v3"]
    dataset = minari.load_dataset("dots/human-v3")
    assert (dataset.total_episodes, dataset.total_steps) == (3, 54)
    for episode, shown in zip(dataset, SHOWN, strict=True):
        steps = len(shown) - 1
        assert [number_in(frame) for frame in episode.observations] == shown
        assert episode.actions.tolist() == pytest.approx(np.array([expected_inputs(n) for n in shown[:-1]]))
        assert episode.rewards.shape == (steps,)
        assert not episode.terminations.any()
        assert episode.truncations.tolist() == [False] * (steps - 1) + [True]
        assert episode.infos["timestamps"].tolist() == [i * PERIOD_NS for i in range(steps + 1)]
        assert episode.infos["presses"][:, 0].tolist() == [0, *(int(n % 2 == 0) for n in shown[:-1])]
        assert all(episode.actions[i] in dataset.action_space for i in range(steps))
        assert episode.observations[0] in dataset.observation_space
    with VideoReader(database.parent / "sessions/one/video.mp4") as reader:
        assert (dataset[0].observations[5] == reader.frame(5)).all()
    dataset.set_seed(0)
    assert {len(episode) for episode in dataset.sample_episodes(3)} == {12, 23, 19}


def test_names_seeds_and_what_else_is_known(database: Path, root: Path) -> None:
    export_to_minari(database, root / "dots-v0", "Dots", latency_ms=5)
    dataset = minari.load_dataset("dots-v0")
    assert dataset.observation_space == spaces.Box(0, 255, (224, 224, 3), np.uint8)
    assert dataset.storage.metadata["controls"] == list(CONTROLS)
    assert all(name in dataset.storage.metadata["description"] for name in CONTROLS)
    told = list(dataset.storage.get_episode_metadata(dataset.episode_indices))
    assert [episode.get("seed") for episode in told] == [7, None, None]
    facts = [json.loads(episode["gameon"]) for episode in told]
    assert [fact["session"] for fact in facts] == ["aa01", "aa01", "bb02"]
    assert [fact["end_reason"] for fact in facts] == ["gap", "stopped", "stopped"]
    assert facts[0]["latency_ms"] == 5
    assert (root / "dots-v0" / "data" / "metadata.json").stat().st_size < 1_500_000


def test_sound_comes_with_the_observation_after_it(database: Path, root: Path, tmp_path: Path) -> None:
    export_to_minari(database, root / "dots-v0")
    export_to_hdf5(database, tmp_path / "dots.h5", target_size=(224, 224))
    for episode, ours in zip(minari.load_dataset("dots-v0"), load_episodes(tmp_path / "dots.h5"), strict=True):
        assert not episode.infos["audio"][0].any()
        assert (episode.infos["audio"][1:] == ours.column("audio")[:-1]).all()
        assert (episode.infos["audio_mask"][1:] == ours.column("audio_mask")[:-1]).all()
        assert (episode.observations == ours.video()).all()


@pytest.mark.parametrize("format", ["hdf5", "npz"])
def test_trajectory_files_keep_their_steps(root: Path, tmp_path: Path, format: str) -> None:
    trajectory(tmp_path / "steps", (12, 8), format=format)
    export_to_minari(tmp_path / "steps", root / "steps-v0", downsample_factor=1)
    dataset = minari.load_dataset("steps-v0")
    assert [len(episode) for episode in dataset] == [12, 8]
    for number, episode in enumerate(dataset):
        shown = [100 * number + row for row in range(len(episode) + 1)]
        assert [number_in(frame) for frame in episode.observations] == shown
        assert episode.actions.tolist() == pytest.approx(np.array([expected_inputs(n) for n in shown[:-1]]))
        assert episode.rewards.tolist() == list(range(len(episode)))


def test_a_game_that_ended_terminates(root: Path, tmp_path: Path) -> None:
    path = trajectory(tmp_path / "steps", (6,), terminal=True)
    export_to_minari(path, root / "steps-v0")
    (episode,) = minari.load_dataset("steps-v0")
    assert episode.terminations.tolist() == [False] * 5 + [True]
    assert not episode.truncations.any()


def test_blocks_change_nothing(root: Path, tmp_path: Path) -> None:
    session = played(tmp_path / "s", 60, sound=True)
    for workers in (1, 2):
        export_to_minari(session, root / f"w-v{workers}", target_size=(256, 384), workers=workers)
    (one,), (two,) = minari.load_dataset("w-v1"), minari.load_dataset("w-v2")
    assert [number_in(frame) for frame in one.observations] == list(range(60))
    assert (one.observations == two.observations).all()
    assert (one.actions == two.actions).all()
    for name, values in one.infos.items():
        assert len(values) == 60
        assert (values == two.infos[name]).all(), name


def test_minaris_own_commands_find_it(database: Path, root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["--game", "Dots", "--db", str(database), "--output", str(root / "dots" / "human-v0"), "--size", "32x64"]
    assert command.main([*words, "--dataset-id", "dots/human-v0", "--no-audio"]) == 0
    assert "57 frames of 32x64, 4 controls, no sound" in capsys.readouterr().out
    listed = subprocess.run(
        [sys.executable, "-m", "minari.cli", "list", "local"], capture_output=True, text=True, check=True
    )
    assert "dots/human-v0" in listed.stdout


def test_the_seed_is_not_of_what_follows_a_gap_right_after_the_first_picture(root: Path, tmp_path: Path) -> None:
    session = played(tmp_path / "s", 40, gaps=((1, 16),))
    export_to_minari(session, root / "dots-v0", "Dots")
    (told,) = minari.load_dataset("dots-v0").storage.get_episode_metadata([0])
    assert "seed" not in told
    assert json.loads(told["gameon"])["seed"] == 7


def test_the_working_folder_needs_a_name_that_minari_takes(
    database: Path, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(root / "dots")
    with pytest.raises(DatasetError, match=rf"'dots' is no name of a Minari dataset.*{root / 'doom-v0'}"):
        export_to_minari(database, ".")
    (root / "dots-v1").mkdir()
    monkeypatch.chdir(root / "dots-v1")
    assert export_to_minari(database, ".").notes == ("minari.load_dataset('dots-v1') loads it",)
    assert len(minari.load_dataset("dots-v1")) == 3


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("dots", {}, r"'dots' is no name of a Minari dataset.*dots?.*-v0"),
        ("dots v0-v0", {}, "no name of a Minari dataset"),
        ("dots-v0", {"dataset_id": "doom/human-v0"}, r"name the output \.\.\./doom/human-v0"),
        ("dots-v0", {"compression": "gzp"}, "Did you mean 'gzip'"),
        ("dots-v0", {"target_size": (4, 4), "downsample_factor": 2}, "not both"),
        ("dots-v0", {"output_path": "s3://bucket/dots-v0"}, "is a URL"),
        ("dots-v0", {"game_name": "Dats"}, "Did you mean 'Dots'"),
    ],
)
def test_wrong_arguments(database: Path, tmp_path: Path, name: str, options: dict[str, Any], message: str) -> None:
    with pytest.raises((DatasetError, ValueError), match=message):
        export_to_minari(**({"db_path": database, "output_path": tmp_path / name} | options))
    assert not list(tmp_path.iterdir())
