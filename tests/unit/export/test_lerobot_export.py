"""LeRobot datasets: what was recorded is in them, row by row, and LeRobot itself reads them.

``GAMEON_LEROBOT_PYTHON`` names a Python that has lerobot 0.4, which does not go into ours; without it the one test
that needs it is skipped.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import IO, Any

import av
import h5py
import numpy as np
import pyarrow.parquet as pq
import pytest

from gameon_env.data_processing.trajectory import load_episodes
from gameon_env.errors import DatasetError, MissingPartError, StorageError
from gameon_env.export import lerobot_episode, lerobot_file
from gameon_env.export.hdf5_export import export_to_hdf5
from gameon_env.export.lerobot_export import command, export_to_lerobot
from gameon_env.export.lerobot_stats import ColumnStatistics, PictureStatistics
from gameon_env.export.lerobot_tables import ParquetFile
from gameon_env.export.lerobot_video import LeRobotVideo
from gameon_env.export.summary import ExportProgress
from tests.unit.data_processing.painted_video import BRIGHT, DARK, number_in
from tests.unit.datasets.played_session import (
    CONTROLS,
    PERIOD_NS,
    SIZE,
    catalogue_of,
    expected_inputs,
    played,
    trajectory,
)

SHOWN = [*range(12)], [*range(16, 39)], [*range(100, 119)]
"""The frames of each episode: of two sessions, the first with a gap. After the last of each nothing was done."""
PICTURES = "observation.images.screen"
LEROBOT_PYTHON = os.environ.get("GAMEON_LEROBOT_PYTHON")


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    data = tmp_path_factory.mktemp("data")
    played(data / "sessions" / "one", 40, id="aa01", gaps=((13, 16),), sound=True)
    played(data / "sessions" / "two", 20, id="bb02", first=100, started_at="2026-03-02T12:00:00.000000Z", seed=None)
    return catalogue_of(data)


def table(folder: Path, pattern: str) -> dict[str, list[Any]]:
    """All rows of the tables of a kind, by the names of their columns."""
    tables = [pq.read_table(path) for path in sorted(folder.glob(pattern))]
    return {name: [row for one in tables for row in one[name].to_pylist()] for name in tables[0].column_names}


def pictures(folder: Path, file: int = 0) -> list[tuple[float, int]]:
    """Time and number of each picture in a video."""
    with av.open(folder / "videos" / PICTURES / "chunk-000" / f"file-{file:03d}.mp4") as video:
        assert video.streams.video[0].average_rate == info(folder)["fps"]
        return [(frame.time, number_in(frame.to_ndarray(format="rgb24"))) for frame in video.decode(video=0)]


def info(folder: Path) -> dict[str, Any]:
    facts: dict[str, Any] = json.loads((folder / "meta" / "info.json").read_text())
    return facts


def test_rows_are_what_was_recorded(database: Path, tmp_path: Path) -> None:
    folder = tmp_path / "dots"
    summary = export_to_lerobot(database, folder, "Dots", 1)
    assert (summary.episodes, summary.rows, summary.size, summary.notes) == (3, 57, SIZE, ())
    about, shown = info(folder), [number for numbers in SHOWN for number in numbers]
    assert (about["codebase_version"], about["fps"]) == ("v3.0", 30)
    assert (about["total_episodes"], about["total_frames"], about["splits"]) == (3, 54, {"train": "0:3"})
    assert about["features"]["action"] == {"dtype": "float32", "shape": [4], "names": list(CONTROLS)}
    rows = table(folder, "data/*/*.parquet")
    assert set(rows) == set(about["features"]) - {PICTURES}
    assert np.array(rows["action"]) == pytest.approx(np.array([expected_inputs(n) for n in shown]))
    assert [presses[0] for presses in rows["presses"]] == [int(n % 2 == 0) for n in shown]
    assert rows["index"] == list(range(54))
    assert rows["episode_index"] == [i for i, numbers in enumerate(SHOWN) for _ in numbers]
    assert rows["frame_index"] == [i for numbers in SHOWN for i in range(len(numbers))]
    assert rows["timestamp"] == pytest.approx([i / 30 for i in rows["frame_index"]])
    assert rows["capture_time_ns"] == [i * PERIOD_NS for i in rows["frame_index"]]
    assert [i for i, ended in enumerate(rows["next.truncated"]) if ended] == [11, 34, 53]
    assert not any(rows["next.done"])
    assert pictures(folder) == [(pytest.approx(i / 30), number) for i, number in enumerate(shown)]


def test_episodes_tell_where_they_are(database: Path, tmp_path: Path) -> None:
    folder = tmp_path / "dots"
    export_to_lerobot(database, folder)
    episodes = table(folder, "meta/episodes/*/*.parquet")
    assert episodes["length"] == [len(numbers) for numbers in SHOWN]
    assert episodes["dataset_from_index"] == [0, 12, 35]
    assert episodes["dataset_to_index"] == [12, 35, 54]
    assert episodes[f"videos/{PICTURES}/from_timestamp"] == pytest.approx([0, 12 / 30, 35 / 30])
    assert episodes[f"videos/{PICTURES}/to_timestamp"] == pytest.approx([12 / 30, 35 / 30, 54 / 30])
    assert episodes["tasks"] == [["Play Dots."]] * 3
    facts = [json.loads(text) for text in episodes["gameon"]]
    assert [(fact["session"], fact["seed"]) for fact in facts] == [("aa01", 7), ("aa01", 7), ("bb02", None)]
    tasks = pq.read_table(folder / "meta" / "tasks.parquet")
    assert json.loads(tasks.schema.metadata[b"pandas"])["index_columns"] == ["__index_level_0__"]
    assert tasks.to_pydict() == {"task_index": [0], "__index_level_0__": ["Play Dots."]}


def test_sound_is_what_was_heard_before(database: Path, tmp_path: Path) -> None:
    export_to_lerobot(database, tmp_path / "dots")
    export_to_hdf5(database, tmp_path / "dots.h5")
    rows = table(tmp_path / "dots", "data/*/*.parquet")
    first = 0
    for episode in load_episodes(tmp_path / "dots.h5"):
        part = slice(first, first + episode.num_steps)
        heard, mask = np.array(rows["observation.audio"][part]), rows["audio_mask"][part]
        assert not heard[0].any()
        assert not mask[0]
        assert (heard[1:] == episode.column("audio")[:-2]).all()
        assert mask[1:] == episode.column("audio_mask")[:-2].tolist()
        first = part.stop


def test_statistics_are_of_what_is_in_it(database: Path, tmp_path: Path) -> None:
    folder = tmp_path / "dots"
    export_to_lerobot(database, folder, downsample_factor=1)
    statistics, rows = json.loads((folder / "meta" / "stats.json").read_text()), table(folder, "data/*/*.parquet")
    assert set(statistics) == set(info(folder)["features"])
    actions = np.array(rows["action"], np.float64)
    for name, expected in (
        ("mean", actions.mean(axis=0)),
        ("std", actions.std(axis=0)),
        ("min", actions.min(axis=0)),
        ("max", actions.max(axis=0)),
        ("q01", np.quantile(actions, 0.01, axis=0)),
        ("q90", np.quantile(actions, 0.9, axis=0)),
    ):
        assert statistics["action"][name] == pytest.approx(expected), name
    assert statistics["action"]["count"] == [54]
    seen = statistics[PICTURES]
    assert np.shape(seen["mean"]) == (3, 1, 1)
    assert seen["min"][0][0][0] == pytest.approx(DARK / 255, abs=0.03)
    assert seen["max"][0][0][0] == pytest.approx(BRIGHT / 255, abs=0.03)
    episodes = table(folder, "meta/episodes/*/*.parquet")
    assert episodes["stats/action/mean"][1] == pytest.approx(actions[12:35].mean(axis=0))
    assert episodes["stats/next.reward/count"] == [[12], [23], [19]]


def test_statistics_of_long_columns() -> None:
    values = np.random.default_rng(0).normal(1e9, 2.0, (100_000, 2))
    found = ColumnStatistics()
    for block in np.array_split(values, 37):
        found.add(block)
    result = found.result()
    assert result["std"] == pytest.approx(values.std(axis=0))
    assert result["mean"] == pytest.approx(values.mean(axis=0), abs=1e-4)
    assert result["count"].tolist() == [100_000]
    assert result["q10"] == pytest.approx(np.quantile(values, 0.1, axis=0), abs=0.1)
    few = ColumnStatistics()
    few.add(np.arange(5.0)[:, None])
    assert few.result()["q50"].tolist() == [2.0]


def test_statistics_of_pictures() -> None:
    taken = np.random.default_rng(0).integers(10, 200, (5, 32, 40, 3), np.uint8)
    found = PictureStatistics()
    found.add(taken[:2])
    found.add(taken[2:])
    result, values = found.result(), taken.reshape(-1, 3) / 255
    for name, expected in (("mean", values.mean(axis=0)), ("std", values.std(axis=0)), ("min", values.min(axis=0))):
        assert result[name][:, 0, 0] == pytest.approx(expected), name
    assert result["q50"][:, 0, 0] == pytest.approx(np.median(values, axis=0), abs=1 / 255)
    assert result["count"].tolist() == [5]


@pytest.mark.parametrize("format", ["hdf5", "npz"])
def test_trajectory_files_keep_their_steps(tmp_path: Path, format: str) -> None:
    trajectory(tmp_path / "steps", (12, 8), format=format, terminal=True)
    export_to_lerobot(tmp_path / "steps", tmp_path / "out", downsample_factor=1)
    rows = table(tmp_path / "out", "data/*/*.parquet")
    shown = [*range(12), *range(100, 108)]
    assert np.array(rows["action"]) == pytest.approx(np.array([expected_inputs(n) for n in shown]))
    assert rows["next.reward"] == [*range(12), *range(8)]
    assert [i for i, done in enumerate(rows["next.done"]) if done] == [11, 19]
    assert not any(rows["next.truncated"])
    assert [number for _, number in pictures(tmp_path / "out")] == shown


@pytest.mark.parametrize("workers", [1, 2])
def test_blocks_change_nothing(tmp_path: Path, workers: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lerobot_episode, "_GROUP_ROWS", 20)
    session = played(tmp_path / "s", 130, sound=True)
    export_to_lerobot(session, tmp_path / "out", target_size=(256, 384), workers=workers)
    rows = table(tmp_path / "out", "data/*/*.parquet")
    assert pq.ParquetFile(tmp_path / "out/data/chunk-000/file-000.parquet").num_row_groups > 1
    assert [number for _, number in pictures(tmp_path / "out")] == list(range(129))
    assert np.array(rows["action"]) == pytest.approx(np.array([expected_inputs(n) for n in range(129)]))
    assert rows["frame_index"] == rows["index"] == list(range(129))
    assert rows["next.truncated"] == [False] * 128 + [True]


def test_a_video_that_is_long_enough_gets_no_other_episode(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lerobot_episode, "_LAST_S", 1)
    monkeypatch.setitem(lerobot_episode.FULL_MB, "data", 0)
    trajectory(tmp_path / "steps", (12, 8, 40, 5), format="npz")
    export_to_lerobot(tmp_path / "steps", tmp_path / "out", downsample_factor=1)
    episodes = table(tmp_path / "out", "meta/episodes/*/*.parquet")
    assert episodes[f"videos/{PICTURES}/file_index"] == [0, 0, 1, 2]
    assert episodes[f"videos/{PICTURES}/from_timestamp"] == pytest.approx([0, 12 / 30, 0, 0])
    assert episodes["data/file_index"] == [0, 1, 2, 3]
    shown = [[number for _, number in pictures(tmp_path / "out", file)] for file in range(3)]
    assert shown == [[*range(12), *range(100, 108)], [*range(200, 240)], [*range(300, 305)]]


@pytest.mark.parametrize("pixels", ["yuv444p", "yuv420p"])
def test_pictures_keep_their_colours(tmp_path: Path, pixels: Any) -> None:
    path = trajectory(tmp_path, (4,))
    colours = np.random.default_rng(0).integers(0, 256, (5, 6, 8, 3), np.uint8).repeat(8, axis=1).repeat(12, axis=2)
    with h5py.File(path, "r+") as file:
        file["video"][:] = colours
    export_to_lerobot(path, tmp_path / "out", downsample_factor=1, pixels=pixels)
    with av.open(tmp_path / "out" / "videos" / PICTURES / "chunk-000" / "file-000.mp4") as video:
        stream = video.streams.video[0]
        assert stream.pix_fmt == pixels == info(tmp_path / "out")["features"][PICTURES]["info"]["video.pix_fmt"]
        seen = np.stack([frame.to_ndarray(format="rgb24") for frame in video.decode(stream)])
    error = np.abs(seen.astype(int) - colours[:4]).mean()
    assert error < (8 if pixels == "yuv444p" else 24)


@pytest.mark.parametrize("controls", [("key:a",), ("key:a", "mouse:dx")])
def test_games_with_few_controls_and_odd_sizes(tmp_path: Path, controls: tuple[str, ...]) -> None:
    session = played(tmp_path / "s", 12, controls=controls)
    export_to_lerobot(session, tmp_path / "out", target_size=(47, 95), fps=10)
    about, rows = info(tmp_path / "out"), table(tmp_path / "out", "data/*/*.parquet")
    assert (about["fps"], about["features"][PICTURES]["shape"]) == (10, [47, 95, 3])
    assert about["features"][PICTURES]["info"]["video.pix_fmt"] == "yuv444p"
    assert np.shape(rows["action"]) == ((3,) if len(controls) == 1 else (3, 2))
    assert [number for _, number in pictures(tmp_path / "out")] == [0, 3, 6]


def test_time_that_is_counted_wrongly_is_told(tmp_path: Path) -> None:
    path = trajectory(tmp_path, (41,))
    assert export_to_lerobot(path, tmp_path / "even").notes == ()
    with h5py.File(path, "r+") as file:
        file["timestamps"][30:] += np.arange(12) * PERIOD_NS // 2
    (note,) = export_to_lerobot(path, tmp_path / "slower").notes
    assert "counts 30 even steps a second, and so is up to 0.17 s off" in note
    rows = table(tmp_path / "slower", "data/*/*.parquet")
    assert rows["capture_time_ns"][40] == 45 * PERIOD_NS
    assert rows["timestamp"][40] == pytest.approx(40 / 30)


def test_recordings_of_different_rates(tmp_path: Path) -> None:
    trajectory(tmp_path / "steps", (12,), name="slow")
    export_to_hdf5(tmp_path / "steps" / "slow.hdf5", tmp_path / "steps" / "skipped.h5", frame_skip=2)
    with pytest.raises(DatasetError, match=r"15 \(skipped.*30 \(slow.*--fps 30"):
        export_to_lerobot(tmp_path / "steps", tmp_path / "out")
    export_to_lerobot(tmp_path / "steps", tmp_path / "out", fps=15)
    assert info(tmp_path / "out")["fps"] == 15


def test_the_command_line(database: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["--game", "Dots", "--db", str(database), "--output", str(tmp_path / "out"), "--no-audio"]
    assert command.main([*words, "--fps", "20", "--frame-skip", "2", "--size", "32x64", "--pixels", "yuv420p"]) == 0
    assert "frames of 32x64, 4 controls, no sound" in capsys.readouterr().out
    assert info(tmp_path / "out")["fps"] == 10
    assert "observation.audio" not in info(tmp_path / "out")["features"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"fps": 30, "frame_skip": 4}, r"fps / frame_skip is 7\.5"),
        ({"fps": 0.5}, "is 0.5"),
        ({"target_size": (4, 4), "downsample_factor": 2}, "not both"),
        ({"game_name": "Dats"}, "Did you mean 'Dots'"),
        ({"pixels": "yuv44p"}, "Did you mean 'yuv444p'"),
        ({"pixels": "yuv420p", "target_size": (47, 64)}, "yuv420p needs even sides"),
    ],
)
def test_wrong_arguments(database: Path, tmp_path: Path, options: dict[str, Any], message: str) -> None:
    with pytest.raises((DatasetError, ValueError), match=message):
        export_to_lerobot(database, tmp_path / "out", **options)
    assert not list(tmp_path.iterdir())


def test_without_pyarrow_it_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(MissingPartError, match=r"needs pyarrow.*pip install 'gameon-env\[lerobot\]'"):
        export_to_lerobot(tmp_path, tmp_path / "out")
    assert not list(tmp_path.iterdir())


def test_a_file_that_cannot_be_closed_keeps_no_other_open(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files: list[Any] = []

    class Table(ParquetFile):
        def __init__(self, path: Path) -> None:
            super().__init__(path)
            files.append(self._file)

    class Steps(ParquetFile):
        def __init__(self, path: Path) -> None:
            super().__init__(path)
            self._file.close()
            self._file = full
            self._file.write(b"what is still to be written when it is closed")
            files.append(self._file)

    class Video(LeRobotVideo):
        def __init__(self, file: IO[bytes], *rest: Any) -> None:
            super().__init__(file, *rest)
            files.append(file)

    def stop(state: ExportProgress) -> None:
        if state.rows:
            raise KeyboardInterrupt

    monkeypatch.setattr(lerobot_file, "ParquetFile", Table)
    monkeypatch.setattr(lerobot_episode, "ParquetFile", Steps)
    monkeypatch.setattr(lerobot_episode, "LeRobotVideo", Video)
    path = trajectory(tmp_path / "steps", (6,))
    full = Path("/dev/full").open("wb")  # noqa: SIM115 - the export closes it
    with pytest.raises(StorageError, match="No space left"):
        export_to_lerobot(path, tmp_path / "out", progress=stop)
    assert [file.closed for file in files] == [True, True, True]
    assert [left.name for left in tmp_path.iterdir()] == ["steps"]


@pytest.mark.skipif(LEROBOT_PYTHON is None, reason="GAMEON_LEROBOT_PYTHON names no Python that has lerobot 0.4")
def test_lerobot_itself_reads_it(database: Path, tmp_path: Path) -> None:
    export_to_lerobot(database, tmp_path / "out")
    reader = Path(__file__).with_name("lerobot_reader.py")
    environment = os.environ | {"HF_HOME": str(tmp_path / "cache")}
    done = subprocess.run(
        [str(LEROBOT_PYTHON), str(reader), str(tmp_path / "out")],
        capture_output=True,
        text=True,
        check=False,
        env=environment,
    )
    assert done.returncode == 0, done.stderr
    read, rows = json.loads(done.stdout.splitlines()[-1]), table(tmp_path / "out", "data/*/*.parquet")
    assert (read["episodes"], read["fps"], read["names"]) == (3, 30, list(CONTROLS))
    assert set(read["statistics"]) == set(info(tmp_path / "out")["features"])
    shown = [number for numbers in SHOWN for number in numbers]
    for i, (row, number) in enumerate(zip(read["rows"], shown, strict=True)):
        assert _number(row.pop(PICTURES)) == number
        assert (row.pop("task"), row.pop("size")) == ("Play Dots.", [3, 224, 224])
        assert {name: values[i] for name, values in rows.items()} == row
    for i, (window, padded) in enumerate(zip(read["windows"], read["padded"], strict=True)):
        expected = [shown[i + step] for step, beyond in enumerate(padded) if not beyond]
        assert [_number(bars) for bars in window[: len(expected)]] == expected


def _number(bars: list[float]) -> int:
    return sum(1 << bit for bit, value in enumerate(bars) if value > (DARK + BRIGHT) / 2 / 255)
