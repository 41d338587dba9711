"""TFRecord shards: what was recorded is in them, TensorFlow alone reads them, and they appear whole or not at all."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gameon_env.errors import GameOnError, StorageError
from gameon_env.export.tensorflow_export import command, export_to_tfrecord
from tests.unit.data_processing.painted_video import number_in
from tests.unit.datasets.played_session import CONTROLS, PERIOD_NS, SIZE, catalogue_of, expected_inputs, played
from tests.unit.export.recipient import load_elsewhere
from tests.unit.recording.small_session import small_disk

pytest.importorskip("tensorflow")

from gameon_env.export import tfrecord_reader

ROWS = 13 + 24 + 20
"""Of two sessions, the first with a gap."""


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    data = tmp_path_factory.mktemp("data")
    played(data / "sessions" / "one", 40, id="aa01", gaps=((13, 16),), sound=True)
    played(data / "sessions" / "two", 20, id="bb02", first=100, started_at="2026-03-02T12:00:00.000000Z")
    return catalogue_of(data)


@pytest.fixture(scope="module")
def shards(database: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("export") / "dots_tf"
    export_to_tfrecord(database, folder, "Dots", "raw", shard_mb=1)
    return folder


def rows_of(folder: Path) -> list[dict[str, Any]]:
    return list(tfrecord_reader.read_rows(folder).as_numpy_iterator())


def numbers(frames: Any) -> list[int]:
    return [number_in(np.ascontiguousarray(frame)) for frame in np.asarray(frames)]


@pytest.mark.parametrize("encoding", ["png", "raw", "jpeg"])
def test_rows_are_what_was_recorded(database: Path, tmp_path: Path, encoding: Any) -> None:
    summary = export_to_tfrecord(database, tmp_path / "dots", "Dots", encoding)
    info = tfrecord_reader.read_info(tmp_path / "dots")
    assert (summary.rows, summary.episodes, info["rows"]) == (ROWS, 3, ROWS)
    assert info["controls"] == list(CONTROLS)
    assert [episode["session"] for episode in info["episodes"]] == ["aa01", "aa01", "bb02"]
    rows = rows_of(tmp_path / "dots")
    shown = [*range(13), *range(16, 40), *range(100, 120)]
    pictures = tfrecord_reader.decode(np.array([row["video"] for row in rows]), info)
    assert numbers(pictures) == shown
    for row, number in zip(rows, shown, strict=True):
        assert row["is_valid"] == (number not in (12, 39, 119))
        wanted = expected_inputs(number) if row["is_valid"] else [0.0] * 4
        np.testing.assert_allclose(row["inputs"], wanted, rtol=1e-6)
        assert row["timestamps"] == PERIOD_NS * (number - {0: 0, 1: 16, 2: 100}[row["episode"]])
    assert summary.size_bytes == sum(
        file.stat().st_size for file in (tmp_path / "dots").iterdir() if file.suffix in (".tfrecord", ".json")
    )
    assert not list((tmp_path / "dots").glob(".*"))


def test_shards_end_at_their_size(shards: Path) -> None:
    info = tfrecord_reader.read_info(shards)
    sizes = [shard["bytes"] for shard in info["shards"]]
    assert sizes == [(shards / shard["file"]).stat().st_size for shard in info["shards"]]
    assert len(sizes) == 1 or all(size >= 1_000_000 for size in sizes[:-1])
    assert max(sizes) < 1_100_000
    assert sum(shard["rows"] for shard in info["shards"]) == ROWS


def test_windows_stay_within_an_episode_and_have_their_actions(shards: Path) -> None:
    windows = list(tfrecord_reader.read_windows(shards, 4, stride=1, shuffle=0).as_numpy_iterator())
    assert len(windows) == (12 - 3) + (23 - 3) + (19 - 3)
    for window in windows:
        shown = numbers(window["video"])
        assert shown == list(range(shown[0], shown[0] + 4))
        np.testing.assert_allclose(window["inputs"], [expected_inputs(n) for n in shown], rtol=1e-6)
    shuffled = list(tfrecord_reader.read_windows(shards, 4, stride=1, shuffle=64).as_numpy_iterator())
    assert len(shuffled) <= len(windows)
    for stride in (1, 3, 4, 7):
        for shuffle in (0, 8):
            data = tfrecord_reader.read_windows(shards, 5, stride, shuffle)
            assert len(data) == len(list(data))
    assert [numbers(w["video"])[0] for w in shuffled] != [numbers(w["video"])[0] for w in windows][: len(shuffled)]


def test_a_recipient_needs_tensorflow_alone(shards: Path) -> None:
    result = load_elsewhere(
        """
sys.path.insert(0, ".")
from read_dataset import read_dataset
frames, inputs, audio = next(iter(read_dataset(".", batch_size=2, sequence_length=8)))
(seen, heard), done = read_dataset(".", batch_size=2, sequence_length=8, as_supervised=True).element_spec
result = [list(part.shape) for part in (frames, inputs, audio)] + [float(frames.numpy().max()), list(seen.shape)]
""",
        shards,
    )
    assert result[:3] == [[2, 8, *SIZE, 3], [2, 8, 4], [2, 8, 128]]
    assert 0.7 < result[3] <= 1
    assert result[4] == [None, 8, *SIZE, 3]
    assert "read_dataset" in (shards / "README.md").read_text()
    assert all(f"`{name}`" in (shards / "README.md").read_text() for name in CONTROLS)


def test_the_documents_command_line(database: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["--game", "Dots", "--db", str(database), "--output", f"{tmp_path}/dots_tf/", "--size", "24x48"]
    assert command.main([*arguments, "--no-audio"]) == 0
    assert "57 frames of 24x48" in capsys.readouterr().out
    info = tfrecord_reader.read_info(tmp_path / "dots_tf")
    assert info["frames"]["size"] == [24, 48]
    assert "audio" not in info["features"]
    frames, inputs = next(iter(tfrecord_reader.read_dataset(tmp_path / "dots_tf", sequence_length=2)))
    assert frames.shape[1:] == (2, 24, 48, 3)
    assert inputs.shape[1:] == (2, 4)


def test_a_new_export_takes_the_place_of_an_older_one_when_it_is_complete(database: Path, tmp_path: Path) -> None:
    folder = tmp_path / "dots"
    export_to_tfrecord(database, folder, "Dots")
    before = {file: file.read_bytes() for file in folder.iterdir()}
    with pytest.raises(GameOnError):
        export_to_tfrecord(database, folder, "Dotz")

    class Stop(Exception):
        pass

    def stop(state: Any) -> None:
        if state.rows > 20:
            raise Stop

    with pytest.raises(Stop):
        export_to_tfrecord(database, folder, "Dots", progress=stop)
    assert {file: file.read_bytes() for file in folder.iterdir()} == before

    export_to_tfrecord(database, folder, "Dots", "jpeg", sessions=["bb02"])
    info = json.loads((folder / "dataset_info.json").read_text())
    assert {file.name for file in folder.glob("*.tfrecord")} == {shard["file"] for shard in info["shards"]}
    assert len(rows_of(folder)) == 20


def test_a_folder_with_other_things_in_it_is_left_alone(database: Path, tmp_path: Path) -> None:
    (tmp_path / "README.md").write_text("mine")
    with pytest.raises(GameOnError, match="holds other files"):
        export_to_tfrecord(database, tmp_path, "Dots")
    with pytest.raises(GameOnError, match="is a file"):
        export_to_tfrecord(database, tmp_path / "README.md", "Dots")
    with pytest.raises(GameOnError, match="does not exist"):
        export_to_tfrecord(database, tmp_path / "no" / "folder", "Dots")
    assert [file.name for file in tmp_path.iterdir()] == ["README.md"]


def test_nothing_is_left_where_the_disk_is_too_small(database: Path, tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", 1) as disk:
        with pytest.raises(StorageError):
            export_to_tfrecord(database, disk / "dots", "Dots", "raw", target_size=(480, 960))
        assert not list(disk.iterdir())


@pytest.mark.parametrize(
    ("options", "says"),
    [({"frame_encoding": "pgn"}, "Did you mean 'png'"), ({"shard_mb": 0}, "shard_mb"), ({"workers": 0}, "workers")],
)
def test_what_cannot_be_is_an_error(database: Path, tmp_path: Path, options: dict[str, Any], says: str) -> None:
    with pytest.raises(GameOnError, match=says):
        export_to_tfrecord(database, tmp_path / "dots", "Dots", **options)
    assert not (tmp_path / "dots").exists()
