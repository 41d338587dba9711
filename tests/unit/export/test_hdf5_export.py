"""HDF5 exports: what was recorded is in them, anyone can read them, and they appear whole or not at all."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import psutil
import pytest

from gameon_env.data_processing.trajectory import load_episodes
from gameon_env.data_processing.video_reader import VideoReader
from gameon_env.datasets.options import DatasetOptions
from gameon_env.datasets.windows import Windows
from gameon_env.errors import DatasetError, StorageError, UnknownNameError
from gameon_env.export.hdf5_export import export_to_hdf5
from gameon_env.export.summary import ExportProgress
from tests.unit.data_processing.painted_video import fill_disk, number_in
from tests.unit.datasets.played_session import (
    CONTROLS,
    PERIOD_NS,
    SIZE,
    catalogue_of,
    expected_inputs,
    played,
    trajectory,
)
from tests.unit.export.recipient import load_elsewhere
from tests.unit.recording.small_session import read_only, small_disk

FRAMES = 40
GAP = (13, 16)


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two sessions of one game, the first with a gap and sound; and one that is not finished."""
    data = tmp_path_factory.mktemp("data")
    played(data / "sessions" / "one", FRAMES, id="aa01", gaps=(GAP,), sound=True)
    played(data / "sessions" / "two", 20, id="bb02", first=100, started_at="2026-03-02T12:00:00.000000Z")
    played(data / "sessions" / "open", 8, id="cc03", finish=False)
    return catalogue_of(data)


def numbers(video: Any) -> list[int]:
    return [number_in(frame) for frame in video]


def test_what_an_export_says_outlives_another_one(database: Path, tmp_path: Path) -> None:
    export_to_hdf5(database, tmp_path / "once.h5", sessions=["aa01"], frame_skip=2, latency_ms=2 * PERIOD_NS / 1e6)
    export_to_hdf5(tmp_path / "once.h5", tmp_path / "twice.h5", frame_skip=2)
    once, twice = load_episodes(tmp_path / "once.h5"), load_episodes(tmp_path / "twice.h5")
    assert [episode.metadata["part"] for episode in once] == [0, 1]
    for first, second in zip(once, twice, strict=True):
        for name in ("part", "offset_ns", "latency_ms", "end_reason", "has_rewards", "start_time"):
            assert second.metadata[name] == first.metadata[name], name
        assert second.metadata["frame_skip"] == 4
    assert once[1].metadata["offset_ns"] > 0
    assert once[0].metadata["has_rewards"] is False


@pytest.mark.parametrize("latency_ms", [0.0, 50.0])
def test_only_a_gap_is_called_one(database: Path, tmp_path: Path, latency_ms: float) -> None:
    export_to_hdf5(database, tmp_path / "dots.h5", latency_ms=latency_ms)
    reasons = [episode.metadata["end_reason"] for episode in load_episodes(tmp_path / "dots.h5")]
    assert reasons[0] == "gap"
    assert "gap" not in reasons[1:]


def test_rows_are_what_was_recorded(database: Path, tmp_path: Path) -> None:
    summary = export_to_hdf5(db_path=database, output_path=tmp_path / "dots.h5", game_name="dots")
    before, after, second = load_episodes(tmp_path / "dots.h5")
    shown = [*range(GAP[0])], [*range(GAP[1], FRAMES)], [*range(100, 120)]
    for episode, wanted in zip((before, after, second), shown, strict=True):
        assert numbers(episode.video()) == wanted
        assert episode.inputs[:-1].tolist() == pytest.approx(np.array([expected_inputs(n) for n in wanted[:-1]]))
        assert episode.presses[:-1, 0].tolist() == [int(n % 2 == 0) for n in wanted[:-1]]
        assert not episode.inputs[-1].any()
        assert not episode.presses[-1].any()
        assert episode.is_valid.tolist() == [True] * (len(wanted) - 1) + [False]
        assert episode.timestamps.tolist() == [i * PERIOD_NS for i in range(len(wanted))]
        assert not episode.is_terminal.any()
        assert episode.controls == CONTROLS
        assert episode.fps == pytest.approx(30, rel=1e-3)
    assert [episode.metadata["session"] for episode in (before, after, second)] == ["aa01", "aa01", "bb02"]
    assert after.metadata["offset_ns"] == GAP[1] * PERIOD_NS
    assert [episode.metadata["end_reason"] for episode in (before, after)] == ["gap", "stopped"]
    assert summary.episodes == 3
    assert summary.rows == 13 + 24 + 20
    assert summary.size == SIZE
    assert summary.recordings == ("aa01", "bb02")
    assert summary.size_bytes == (tmp_path / "dots.h5").stat().st_size
    assert [(left.name, "recorded" in left.reason or "cut off" in left.reason) for left in summary.left_out] == [
        ("cc03", True)
    ]


def test_the_documents_snippet_reads_it_where_nothing_of_ours_is(database: Path, tmp_path: Path) -> None:
    output = tmp_path / "dots_dataset.h5"
    export_to_hdf5(db_path=database, output_path=output, game_name="Dots", compression="gzip", downsample_factor=2)
    result = load_elsewhere(
        """
import h5py
with h5py.File('dots_dataset.h5', 'r') as f:
    video = f['video'][:]       # All video frames
    inputs = f['inputs'][:]     # All input events
    metadata = f['metadata'][:]  # Session metadata
episodes = [json.loads(text) for text in metadata]
result = [video.shape, str(video.dtype), inputs.shape, str(inputs.dtype), episodes[0]['controls'], len(episodes)]
""",
        tmp_path,
    )
    assert result == [[57, SIZE[0] // 2, SIZE[1] // 2, 3], "uint8", [57, 4], "float32", list(CONTROLS), 3]


@pytest.mark.parametrize("compression", ["gzip", "lzf", None])
def test_each_compression_holds_the_same(database: Path, tmp_path: Path, compression: Any) -> None:
    export_to_hdf5(database, tmp_path / "a.h5", compression=compression)
    with h5py.File(tmp_path / "a.h5") as file, VideoReader(database.parent / "sessions/one/video.mp4") as reader:
        assert file["video"].compression == compression
        assert file["video"].chunks == (1, *SIZE, 3)
        assert (file["video"][5] == reader.frame(5)).all()
        assert numbers(file["video"][-3:]) == [117, 118, 119]


def test_processes_write_the_same_as_one(database: Path, tmp_path: Path) -> None:
    for workers in (1, 2):
        export_to_hdf5(database, tmp_path / f"{workers}.h5", target_size=(24, 40), workers=workers)
    with h5py.File(tmp_path / "1.h5") as one, h5py.File(tmp_path / "2.h5") as two:
        assert set(one) == set(two)
        for name in one:
            assert (one[name][:] == two[name][:]).all(), name


def test_sound_and_its_mask(database: Path, tmp_path: Path) -> None:
    export_to_hdf5(database, tmp_path / "a.h5")
    with h5py.File(tmp_path / "a.h5") as file:
        audio, mask, valid = file["audio"][:], file["audio_mask"][:], file["is_valid"][:]
    assert audio.shape == (57, 128)
    assert audio[25:35].max() > 0.5  # the tone in the second half
    assert audio[5:12].max() == 0.0
    assert mask[5:12].all()
    assert not mask[37:].any()  # the second session has none
    assert not mask[36]  # an episode's last row
    windows = Windows(DatasetOptions(db_path=tmp_path / "a.h5", target_size=SIZE, sequence_length=1))
    heard = windows.batch(range(len(windows))).audio_mask
    assert heard is not None
    assert heard[:, 0].tolist() == mask[valid].tolist()
    assert export_to_hdf5(database, tmp_path / "b.h5", include_audio=False).has_audio is False
    assert export_to_hdf5(database, tmp_path / "c.h5", audio_source="microphone").has_audio is False
    with h5py.File(tmp_path / "b.h5") as file:
        assert "audio" not in file


def test_merged_steps_count_all_presses(tmp_path: Path) -> None:
    session = played(tmp_path / "s", 12)
    export_to_hdf5(session, tmp_path / "a.h5", frame_skip=4)
    (episode,) = load_episodes(tmp_path / "a.h5")
    assert numbers(episode.video()) == [0, 4, 8]
    assert episode.presses[:, 0].tolist() == [2, 2, 0]
    assert episode.metadata["frame_skip"] == 4


def test_trajectory_files_keep_their_steps(tmp_path: Path) -> None:
    source = trajectory(tmp_path, (12, 8))
    export_to_hdf5(source, tmp_path / "again.h5", compression=None)
    for old, new in zip(load_episodes(source), load_episodes(tmp_path / "again.h5"), strict=True):
        assert new.num_steps == old.num_steps
        for name in ("inputs", "presses", "rewards", "timestamps", "is_valid", "is_terminal"):
            assert (new.column(name) == old.column(name)).all(), name
        assert (new.video() == old.video()).all()


def test_games_are_aligned_by_the_names_of_their_controls(tmp_path: Path) -> None:
    played(tmp_path / "data/sessions/one", 10, id="aa01")
    played(tmp_path / "data/sessions/two", 10, id="bb02", game="Other", controls=("key:d", "key:x"))
    database = catalogue_of(tmp_path / "data")
    summary = export_to_hdf5(database, tmp_path / "all.h5")
    assert set(summary.controls) == {*CONTROLS, "key:x"}
    episodes = {episode.metadata["game"]: episode for episode in load_episodes(tmp_path / "all.h5")}
    d = summary.controls.index("key:d")
    assert episodes["Other"].inputs[:-1, d].tolist() == [float(i % 3 == 0) for i in range(9)]
    assert not episodes["Other"].inputs[:, summary.controls.index("key:a")].any()
    assert episodes["Other"].metadata["game_controls"] == ["key:d", "key:x"]
    options: dict[str, Any] = {"target_size": SIZE, "sequence_length": 1, "include_audio": False}
    recorded, exported = (Windows(DatasetOptions(db_path=p, **options)) for p in (database, tmp_path / "all.h5"))
    assert exported.controls == recorded.controls
    ends = [(recorded, 0), (exported, 0)], [(recorded, len(recorded) - 1), (exported, len(exported) - 1)]
    for (one, i), (other, j) in ends:
        assert one.item(i).control_mask.tolist() == other.item(j).control_mask.tolist()
    assert not exported.item(0).control_mask.all()
    alone = Windows(DatasetOptions(db_path=tmp_path / "all.h5", game_name="Other", **options))
    assert alone.controls == ("key:d", "key:x")
    assert alone.columns.inputs[:, 0].tolist() == [float(i % 3 == 0) for i in range(9)]


@pytest.mark.parametrize("axis", ["mouse:dx", "mouse:dy"])
def test_motion_of_either_axis_keeps_its_scale(tmp_path: Path, axis: str) -> None:
    controls = [*CONTROLS[:3], axis]
    for name, scale in (("a", 20.0), ("b", 80.0)):
        trajectory(tmp_path / name, (5,), name=name, controls=controls, mouse_scale_px=scale)
    export_to_hdf5(tmp_path, tmp_path / "all.h5")
    exported = Windows(
        DatasetOptions(db_path=tmp_path / "all.h5", target_size=SIZE, sequence_length=1, include_audio=False)
    )
    slow, fast = (episode.inputs[:-1, 3] for episode in load_episodes(tmp_path / "all.h5"))
    np.testing.assert_allclose(slow, [expected_inputs(number)[3] for number in range(5)])
    np.testing.assert_allclose(fast, slow * 4)
    np.testing.assert_allclose(exported.columns.inputs[:, 3], [*slow, *fast])
    assert exported.mouse_scale_px == 20.0


@pytest.mark.parametrize("workers", [1, 2])
def test_a_recording_that_is_damaged_in_the_middle_is_left_out(tmp_path: Path, workers: int) -> None:
    played(tmp_path / "data/sessions/one", 10, id="aa01")
    broken = played(tmp_path / "data/sessions/two", 40, id="bb02") / "video.mp4"
    data = bytearray(broken.read_bytes())
    start = len(data) // 3
    data[start : start * 2] = b"\xff" * start
    broken.write_bytes(data)
    summary = export_to_hdf5(catalogue_of(tmp_path / "data"), tmp_path / "all.h5", workers=workers)
    assert summary.recordings == ("aa01",)
    assert [left.name for left in summary.left_out] in (["two"], ["bb02"])
    assert len(load_episodes(tmp_path / "all.h5")) == 1


def test_a_process_that_dies_is_an_error(database: Path, tmp_path: Path) -> None:
    def kill(state: ExportProgress) -> None:
        for child in psutil.Process().children():
            if state.rows and any("spawn_main" in word for word in child.cmdline()):
                child.kill()
                child.wait()

    with pytest.raises(DatasetError, match=r"one of the exporting processes died.*fewer workers"):
        export_to_hdf5(database, tmp_path / "a.h5", workers=2, progress=kill)
    assert not list(tmp_path.iterdir())


def test_progress_is_told(database: Path, tmp_path: Path) -> None:
    told: list[ExportProgress] = []
    summary = export_to_hdf5(database, tmp_path / "a.h5", progress=told.append)
    assert told[0].rows == 0
    assert told[-1].rows == told[-1].total_rows == summary.rows
    assert summary.estimated_bytes == told[0].estimated_bytes
    assert [state.rows for state in told] == sorted(state.rows for state in told)


def test_the_estimate_is_near(tmp_path: Path) -> None:
    session = played(tmp_path / "s", 120, picture_size=SIZE)
    for compression in ("gzip", None):
        summary = export_to_hdf5(session, tmp_path / "a.h5", target_size=(96, 192), compression=compression)
        assert summary.estimated_bytes == pytest.approx(summary.size_bytes, rel=0.3, abs=1 << 17)


class TestTheDisk:
    def test_more_than_there_is_room_for_is_refused(self, database: Path, tmp_path: Path) -> None:
        with small_disk(tmp_path / "small", 1) as folder:
            with pytest.raises(StorageError, match=r"needs about 11\.\d MB, and .* 1\.0 MB free: .*--size"):
                export_to_hdf5(database, folder / "a.h5", target_size=(256, 256), compression=None)
            assert not list(folder.iterdir())

    def test_a_disk_that_fills_up_leaves_the_file_before(self, database: Path, tmp_path: Path) -> None:
        with small_disk(tmp_path / "small", 4) as folder:
            export_to_hdf5(database, folder / "a.h5")
            before = (folder / "a.h5").read_bytes()

            def fill(state: ExportProgress) -> None:
                fill_disk(folder)

            with pytest.raises(StorageError, match="What it held before is as it was"):
                export_to_hdf5(database, folder / "a.h5", target_size=(96, 96), compression=None, progress=fill)
            assert (folder / "a.h5").read_bytes() == before
            assert {path.name for path in folder.iterdir()} == {"a.h5", "filler"}

    def test_an_interrupted_export_leaves_the_file_before(self, database: Path, tmp_path: Path) -> None:
        output = tmp_path / "a.h5"
        output.write_text("precious")

        def stop(state: ExportProgress) -> None:
            if state.rows:
                raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            export_to_hdf5(database, output, progress=stop)
        assert output.read_text() == "precious"
        assert list(tmp_path.iterdir()) == [output]

    def test_what_a_killed_export_left_goes_with_the_next(self, database: Path, tmp_path: Path) -> None:
        output = tmp_path / "a.h5"
        code = (
            "import os, signal\n"
            "from gameon_env.export.hdf5_export import export_to_hdf5\n"
            "kill = lambda state: state.rows and os.kill(os.getpid(), signal.SIGKILL)\n"
            f"export_to_hdf5({str(database)!r}, {str(output)!r}, progress=kill)"
        )
        done = subprocess.run([sys.executable, "-c", code], check=False)
        assert done.returncode == -signal.SIGKILL
        (left,) = tmp_path.iterdir()
        assert left.name.startswith(".a.h5.")
        export_to_hdf5(database, output)
        assert list(tmp_path.iterdir()) == [output]

    def test_a_complete_one_replaces_it(self, database: Path, tmp_path: Path) -> None:
        output = tmp_path / "a.h5"
        output.write_text("old")
        output.chmod(0o640)
        export_to_hdf5(database, output)
        assert output.stat().st_mode & 0o777 == 0o640
        assert len(load_episodes(output)) == 3

    def test_where_nothing_can_be_made(self, database: Path, tmp_path: Path) -> None:
        with pytest.raises(DatasetError, match="is a folder: name the file"):
            export_to_hdf5(database, tmp_path)
        with pytest.raises(StorageError, match="mkdir -p"):
            export_to_hdf5(database, tmp_path / "no/such/a.h5")
        (tmp_path / "closed").mkdir()
        with read_only(tmp_path / "closed") as folder, pytest.raises(StorageError, match="another folder"):
            export_to_hdf5(database, folder / "a.h5")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"compression": "gzp"}, "Did you mean 'gzip'"),
        ({"downsample_factor": 0}, "downsample_factor must be a whole number from 1"),
        ({"downsample_factor": -2}, "downsample_factor"),
        ({"downsample_factor": 1.5}, "downsample_factor"),
        ({"workers": 0}, "workers must be"),
        ({"frame_skip": 0}, "frame_skip"),
        ({"fps": -1}, "fps"),
        ({"target_size": (0, 4)}, "target_size"),
        ({"target_size": (4, 4), "downsample_factor": 2}, "not both"),
        ({"output_path": ""}, "output_path"),
        ({"audio_source": "speaker"}, "audio_source"),
        ({"sessions": ["zz"]}, "no session 'zz'"),
        ({"game_name": "Dats"}, "Did you mean 'Dots'"),
    ],
)
def test_wrong_arguments(database: Path, tmp_path: Path, arguments: dict[str, Any], message: str) -> None:
    with pytest.raises((DatasetError, UnknownNameError), match=message):
        export_to_hdf5(**({"db_path": database, "output_path": tmp_path / "a.h5"} | arguments))
    assert not list(tmp_path.iterdir())


def test_one_frame_is_no_episode(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=r"nothing to export.*no two frames"):
        export_to_hdf5(played(tmp_path / "s", 1), tmp_path / "a.h5")


def test_metadata_is_told(tmp_path: Path) -> None:
    export_to_hdf5(played(tmp_path / "s", 5, who="human", seed=7), tmp_path / "a.h5", latency_ms=5)
    with h5py.File(tmp_path / "a.h5") as file:
        (text,) = file["metadata"][:]
        assert file.attrs["format"] == "gameon-trajectory"
    facts = json.loads(text)
    assert facts["played_by"] == ["human"]
    assert (facts["seed"], facts["game"], facts["latency_ms"], facts["mouse_scale_px"]) == (7, "Dots", 5.0, 50.0)
    assert facts["has_rewards"] is False
