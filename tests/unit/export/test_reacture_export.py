"""Exporting to ReActure downloads: five files that plain numpy reads, of any game, and back again."""

from __future__ import annotations

import contextlib
import json
import warnings
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from typer.testing import CliRunner

from gameon_env.cli import make_app
from gameon_env.controls import Controls
from gameon_env.datasets.session_recording import SessionRecording
from gameon_env.errors import DatasetError, GameOnError, StorageError, UnknownNameError
from gameon_env.export.reacture import ReActureDataset, ReActureWarning
from gameon_env.export.reacture_export import export_to_reacture
from gameon_env.export.reacture_import import KEPT_ROWS, import_reacture
from gameon_env.export.reacture_inputs import input_row
from gameon_env.export.summary import ExportProgress
from gameon_env.recording.catalogue import Catalogue
from gameon_env.recording.model import Who
from gameon_env.recording.redaction import redact
from gameon_env.recording.verification import verify
from tests.unit.data_processing.painted_video import fill_disk, number_in
from tests.unit.datasets.played_session import CONTROLS, PERIOD_NS, SCALE_PX, catalogue_of, played, trajectory
from tests.unit.export.reacture_download import PREFIX, original_download, our_download, picture
from tests.unit.export.recipient import load_elsewhere
from tests.unit.recording.small_session import small_disk

PARTS = ("README.md", "data.jsonl", "frames.npy", "metadata.json", "timestamps.npy")
STEP = 3
"""Frames of 30 a second in a step at 10 Hz."""


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    data = tmp_path_factory.mktemp("data")
    played(data / "sessions" / "one", 60, id="aa01", gaps=((30, 40),))
    return catalogue_of(data)


def metadata_in(folder: Path) -> list[Path]:
    return sorted(folder.glob("*_metadata.json"))


def seen(frame: np.ndarray) -> int:
    """The number that a frame shows, which was painted at 48x96."""
    return number_in(cv2.resize(frame, (96, 48), interpolation=cv2.INTER_AREA))


def test_five_files_for_each_stretch_that_plain_numpy_reads(database: Path, tmp_path: Path) -> None:
    summary = export_to_reacture(database, tmp_path / "out", game_name="Dots")
    assert (summary.episodes, summary.rows, summary.size, summary.path) == (2, 17, (128, 128), tmp_path / "out")
    names = sorted(path.name for path in (tmp_path / "out").iterdir())
    prefixes = ["reacture_1772366400000", "reacture_1772366401333"]
    assert names == [f"{prefix}_{part}" for prefix in prefixes for part in PARTS]
    assert summary.size_bytes == sum(path.stat().st_size for path in (tmp_path / "out").iterdir())
    result = load_elsewhere(
        """
import numpy as np
frames = np.load('reacture_1772366400000_frames.npy', mmap_mode='r', allow_pickle=False)
times = np.load('reacture_1772366400000_timestamps.npy', allow_pickle=False)
with open('reacture_1772366400000_data.jsonl', encoding='utf-8') as file:
    rows = [json.loads(line) for line in file]
result = [list(frames.shape), str(frames.dtype), str(times.dtype), times.tolist(), [r['timestamp_ms'] for r in rows]]
""",
        tmp_path / "out",
    )
    times = [100.0 * i for i in range(10)]
    assert result == [[10, 128, 128, 3], "uint8", "float32", times, times]


def test_row_i_is_what_frame_i_shows_and_what_was_pressed_before_it(database: Path, tmp_path: Path) -> None:
    export_to_reacture(database, tmp_path / "out")
    for path, first in zip(metadata_in(tmp_path / "out"), (0, 40), strict=True):
        dataset = ReActureDataset(path)  # no warning
        assert dataset.repairs == ()
        for i, sample in enumerate(dataset):
            number = first + STEP * i
            assert seen(sample["frame"]) == number
            before = range(number - STEP, number) if i else range(0)
            pressed = {"key:a": any(n % 2 == 0 for n in before), "key:d": any(n % 3 == 0 for n in before)}
            inputs = {name: 1 for name, down in pressed.items() if down}
            if sum(before):
                inputs["mouse:dx"] = sum(before)
            assert sample["inputs"] == inputs
            assert sample["key_presses"]["A"] == pressed["key:a"]
            assert sample["key_presses"]["D"] == pressed["key:d"]
            assert sample["key_presses"]["mouse_dx"] == sum(before)
            assert sample["keys"].tolist() == [0, pressed["key:a"], 0, pressed["key:d"], 0, 0]
            assert np.isnan(sample["battery"])


def test_metadata_and_readme_say_what_is_not_known(database: Path, tmp_path: Path) -> None:
    summary = export_to_reacture(database, tmp_path / "out")
    path = metadata_in(tmp_path / "out")[0]
    metadata = json.loads(path.read_text())
    assert (metadata["game"], metadata["controls"], metadata["key_interval"]) == ("Dots", list(CONTROLS), "before")
    assert (metadata["mouse_scale_px"], metadata["sampling_rate_hz"], metadata["duration_s"]) == (SCALE_PX, 10.0, 0.9)
    assert metadata["missing"] == ["position", "velocity", "accelerometer", "battery", "damage"]
    assert metadata["start_time"] == "2026-03-01T12:00:00.000Z"
    assert json.loads(metadata_in(tmp_path / "out")[1].read_text())["start_time"] == "2026-03-01T12:00:01.333Z"
    readme = path.with_name(path.name.replace("metadata.json", "README.md")).read_text()
    for said in ("(10, 128, 128, 3) uint8", "position, velocity, accelerometer, battery, damage", "recorded at 96x48"):
        assert said in readme
    assert "null in them" in " ".join(summary.notes)


def test_the_readmes_snippets_run(database: Path, tmp_path: Path) -> None:
    pytest.importorskip("torch")
    export_to_reacture(database, tmp_path / "out")
    readme = next((tmp_path / "out").glob("*_README.md")).read_text()
    codes = [block.split("```")[0] for block in readme.split("```python\n")[1:]]
    assert len(codes) == 2
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(tmp_path / "out")
        for code in codes:
            exec(code, {})


def test_exported_and_imported_the_steps_are_the_same(database: Path, tmp_path: Path) -> None:
    """At the rate of the recording nothing is merged; only the size of the pictures differs."""
    export_to_reacture(database, tmp_path / "out", fps=1e9 / PERIOD_NS)
    original = SessionRecording(database.parent / "sessions" / "one").steps()
    for path, (first, stop) in zip(metadata_in(tmp_path / "out"), original.runs.tolist(), strict=True):
        imported = import_reacture(path, tmp_path / "data")
        assert (imported.game, imported.frames) == ("Dots", stop - first)
        assert verify(imported.folder) == []
        recording = SessionRecording(imported.folder)
        assert (recording.controls, recording.mouse_scale_px) == (CONTROLS, SCALE_PX)
        steps = recording.steps()
        count = stop - first - 1
        assert steps.inputs[:count] == pytest.approx(original.inputs[first : first + count], abs=1e-5)
        assert [seen(picture) for picture in recording.frames(np.arange(stop - first))] == list(
            range(first if first < 30 else 40, (first if first < 30 else 40) + stop - first)
        )


@pytest.mark.parametrize("who", ["agent", "human"])
def test_who_played_survives_the_way_there_and_back(tmp_path: Path, who: Who) -> None:
    played(tmp_path / "s" / "sessions" / "one", 12, id="aa" * 6, who=who)
    export_to_reacture(catalogue_of(tmp_path / "s"), tmp_path / "out")
    (path,) = metadata_in(tmp_path / "out")
    import_reacture(path, tmp_path / "data")
    with Catalogue(tmp_path / "data") as catalogue:
        assert [entry.who for entry in catalogue.sessions()] == [who]


def test_of_a_session_whose_video_is_damaged_nothing_is_left(tmp_path: Path) -> None:
    imported = import_reacture(our_download(tmp_path / "download").write(), tmp_path / "data")
    video = imported.folder / "video.mp4"
    bytes_ = bytearray(video.read_bytes())
    middle = len(bytes_) // 2
    bytes_[middle : middle + 2000] = bytes(2000)
    video.write_bytes(bytes_)
    with contextlib.suppress(GameOnError):
        export_to_reacture(tmp_path / "data", tmp_path / "out", game_name="reacture")
    assert not list((tmp_path / "out").glob("*.npy"))


@pytest.mark.parametrize("make", [our_download, original_download])
def test_an_imported_download_comes_back_as_it_was(tmp_path: Path, make: Any) -> None:
    download = make(tmp_path / "download")
    metadata = download.write()
    import_reacture(metadata, tmp_path / "data")
    summary = export_to_reacture(tmp_path / "data", tmp_path / "out", game_name="reacture")
    assert (summary.episodes, summary.rows, summary.notes) == (1, 24, ())
    out = tmp_path / "out"
    assert (np.load(out / f"{PREFIX}_frames.npy") == download.frames).all()
    assert (np.load(out / f"{PREFIX}_timestamps.npy") == download.times).all()
    assert json.loads((out / f"{PREFIX}_metadata.json").read_text()) == download.metadata
    rows = [json.loads(line) for line in (out / f"{PREFIX}_data.jsonl").read_text().splitlines()]
    framed = [row for row in download.rows if row.get("visual_frame_path")]
    assert rows == framed + [row for row in download.rows if not row.get("visual_frame_path")]
    assert ReActureDataset(out).repairs == ()
    assert import_reacture(out, tmp_path / "data").result == "there already"


@pytest.mark.parametrize("make", [our_download, original_download])
@pytest.mark.parametrize("part", ["frames.npy", "timestamps.npy", "data.jsonl"])
def test_a_download_that_was_cut_short_comes_back_as_far_as_it_was_whole(tmp_path: Path, make: Any, part: str) -> None:
    download = make(tmp_path / "download")
    metadata = download.write()
    content = download.paths[part].read_bytes()
    if part == "data.jsonl":
        lines = content.splitlines(keepends=True)
        content = b"".join(lines[:15]) + lines[15][:40]
    else:
        content = content[: -len(content) // 6]
    download.paths[part].write_bytes(content)
    count = import_reacture(metadata, tmp_path / "data", partial=True).frames
    assert 0 < count < 24
    export_to_reacture(tmp_path / "data", tmp_path / "out", game_name="reacture")
    out = ReActureDataset(tmp_path / "out")
    framed = [row for row in download.rows if row.get("visual_frame_path")][:count]
    assert out.repairs == ()
    assert (out.frames_array == download.frames[:count]).all()
    assert out.frame_timestamps.tolist() == download.times[:count].tolist()
    assert [sample["robot"] for sample in out] == [row["robot"] for row in framed]
    assert out.metadata["environment"] == "earthquake"
    assert out.metadata["data_stats"]["total_frames"] == count


def test_the_end_of_a_session_that_was_redacted_does_not_come_back(tmp_path: Path) -> None:
    download = our_download(tmp_path / "download")
    download.write()
    frames = download.paths["frames.npy"]
    frames.write_bytes(frames.read_bytes()[:-60_000])
    folder = import_reacture(download.folder, tmp_path / "data", partial=True).folder
    redact(folder, [(1.55, 9.0)])
    export_to_reacture(tmp_path / "data", tmp_path / "out")
    (path,) = metadata_in(tmp_path / "out")
    dataset = ReActureDataset(path)
    assert len(dataset) <= 16
    assert {row["event"] for row in [*dataset, *dataset.other_rows()]} == {"periodic_update_10hz"}


def test_a_download_with_frames_of_another_size_comes_back_too(tmp_path: Path) -> None:
    download = our_download(tmp_path / "download")
    download.frames = np.stack([picture(i, 72, 96) for i in range(24)])
    import_reacture(download.write(), tmp_path / "data")
    summary = export_to_reacture(tmp_path / "data", tmp_path / "out")
    assert (summary.size, summary.notes) == ((72, 96), ())
    out = ReActureDataset(tmp_path / "out")
    assert (out.frames_array == download.frames).all()
    assert [sample["robot"] for sample in out] == [row["robot"] for row in download.rows[:24]]
    assert "(24, 72, 96, 3) uint8" in (tmp_path / "out" / f"{PREFIX}_README.md").read_text()


def test_a_download_that_was_renamed_comes_back_under_its_time(tmp_path: Path) -> None:
    download = our_download(tmp_path / "download", duration_s=10**400)
    download.prefix = "my best game"
    import_reacture(download.write(), tmp_path / "data")
    export_to_reacture(tmp_path / "data", tmp_path / "out")
    assert [path.name for path in metadata_in(tmp_path / "out")] == [f"{PREFIX}_metadata.json"]


def test_two_downloads_of_one_millisecond(tmp_path: Path) -> None:
    for name, count in (("a", 10), ("b", 12)):
        import_reacture(our_download(tmp_path / name, count, session_id=name).write(), tmp_path / "data")
    summary = export_to_reacture(tmp_path / "data", tmp_path / "out")
    assert (summary.episodes, summary.rows) == (2, 22)
    assert sorted(len(ReActureDataset(path)) for path in metadata_in(tmp_path / "out")) == [10, 12]


def test_of_a_redacted_session_comes_what_is_left(tmp_path: Path) -> None:
    import_reacture(our_download(tmp_path / "download").write(), tmp_path / "data")
    (folder,) = (tmp_path / "data" / "sessions").iterdir()
    redact(folder, [(1.05, 1.55)])
    summary = export_to_reacture(tmp_path / "data", tmp_path / "out")
    datasets = [ReActureDataset(path) for path in metadata_in(tmp_path / "out")]
    assert summary.episodes == len(datasets) == 2
    assert sum(map(len, datasets)) <= 19


def test_a_session_without_its_rows_is_exported_as_any_other(tmp_path: Path) -> None:
    download = our_download(tmp_path / "download")
    folder = import_reacture(download.write(), tmp_path / "data").folder
    (folder / KEPT_ROWS).unlink()
    export_to_reacture(tmp_path / "data", tmp_path / "out")
    (path,) = metadata_in(tmp_path / "out")
    dataset = ReActureDataset(path)
    assert (dataset.frames_array == download.frames).all()
    assert (dataset.numbers("keys")[1:, :4] == ReActureDataset(download.folder).numbers("keys")[1:, :4]).all()


def test_a_trajectory_file(tmp_path: Path) -> None:
    summary = export_to_reacture(trajectory(tmp_path, (12, 8)), tmp_path / "out", fps=1e9 / PERIOD_NS)
    assert (summary.episodes, summary.rows) == (2, 22)
    lengths = []
    for path in metadata_in(tmp_path / "out"):
        dataset = ReActureDataset(path)
        lengths.append(len(dataset))
        assert [sample["reward"] for sample in dataset] == [0, *range(len(dataset) - 1)]
    assert sorted(lengths) == [9, 13]


def test_several_games_keep_their_own_controls(tmp_path: Path) -> None:
    data = tmp_path / "data"
    played(data / "sessions" / "one", 12, id="aa01")
    played(data / "sessions" / "two", 12, id="bb02", game="Lines", controls=("key:w", "key:a"))
    export_to_reacture(catalogue_of(data), tmp_path / "out")
    told = [json.loads(path.read_text()) for path in metadata_in(tmp_path / "out")]
    assert {metadata["game"]: metadata["controls"] for metadata in told} == {
        "Dots": list(CONTROLS), "Lines": ["key:w", "key:a"],
    }  # fmt: skip


def test_all_kinds_of_input_survive_the_way_there_and_back(tmp_path: Path) -> None:
    names = ("key:up", "mouse:left", "mouse:dx", "mouse:dy", "mouse:wheel", "mouse:x", "pad:left_x", "key:e")
    controls = Controls(names, mouse_scale_px=40.0, wheel_scale=2.0, window_size=(128, 128))
    generator = np.random.default_rng(4)
    count = 30
    vectors = generator.uniform(-1, 1, (count, len(names))).astype(np.float32)
    vectors[:, controls.is_button] = vectors[:, controls.is_button] > 0
    vectors[:, 2:5] = np.rint(vectors[:, 2:5] * 20) / np.array([40, 40, 2], np.float32)
    download = our_download(tmp_path / "download", count)
    for row, vector in zip(download.rows[:count], vectors, strict=True):
        row |= input_row(controls, vector)
    download.metadata |= {"game": "Any", "controls": list(names), "mouse_scale_px": 40.0, "wheel_scale": 2.0}
    steps = SessionRecording(import_reacture(download.write(), tmp_path / "data").folder).steps()
    assert steps.inputs[: count - 1] == pytest.approx(vectors[1:], abs=1e-4)


def test_a_folder_that_is_not_empty_is_left_alone(database: Path, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "mine.txt").write_text("mine")
    with pytest.raises(DatasetError, match="there already"):
        export_to_reacture(database, tmp_path / "out")
    (tmp_path / "out" / "mine.txt").unlink()
    export_to_reacture(database, tmp_path / "out")
    assert len(metadata_in(tmp_path / "out")) == 2
    with pytest.raises(DatasetError, match="there already"):
        export_to_reacture(database, metadata_in(tmp_path / "out")[0])
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_wrong_arguments(database: Path, tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="128x128"):
        export_to_reacture(database, tmp_path / "out", target_size=(64, 64))
    with pytest.raises(DatasetError, match="128x128"):
        export_to_reacture(database, tmp_path / "out", downsample_factor=2)
    with pytest.raises(UnknownNameError):
        export_to_reacture(database, tmp_path / "out", game_name="Dots2")
    with pytest.raises(DatasetError):
        export_to_reacture(tmp_path / "nothing.db", tmp_path / "out")
    with pytest.raises(StorageError, match="folder"):
        export_to_reacture(database, tmp_path / "no" / "such" / "out")
    assert list(tmp_path.iterdir()) == []


def test_a_disk_that_fills_up_leaves_nothing(database: Path, tmp_path: Path) -> None:
    with small_disk(tmp_path / "small", 3) as folder:

        def fill(state: ExportProgress) -> None:
            fill_disk(folder)

        with pytest.raises(StorageError):
            export_to_reacture(database, folder / "out", progress=fill)
        assert [path.name for path in folder.iterdir() if "out" in path.name] == []


def test_the_command(database: Path, tmp_path: Path) -> None:
    words = ["--game", "Dots", "--data-dir", str(database.parent), "--output", str(tmp_path / "out"), "--json"]
    done = CliRunner().invoke(make_app(["export"]), ["export", "reacture", *words])
    assert done.exit_code == 0, done.output
    told = json.loads(done.stdout)
    assert (told["episodes"], told["rows"]) == (2, 17)
    with warnings.catch_warnings():
        warnings.simplefilter("error", ReActureWarning)
        assert len(ReActureDataset(metadata_in(tmp_path / "out")[0])) == 10
