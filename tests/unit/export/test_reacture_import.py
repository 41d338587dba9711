"""Importing ReActure downloads: every frame, the keys as input, once, into sessions that all else works on."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from typer.testing import CliRunner

from gameon_env.cli import make_app
from gameon_env.data_processing.video_reader import VideoReader
from gameon_env.datasets.recordings import find_recordings
from gameon_env.datasets.session_recording import SessionRecording
from gameon_env.errors import DatasetError, StorageError
from gameon_env.export.reacture import ReActureDataset
from gameon_env.export.reacture_events import CONTROLS, ascending_ns
from gameon_env.export.reacture_export import export_to_reacture
from gameon_env.export.reacture_import import KEPT_METADATA, KEPT_ROWS, import_reacture
from gameon_env.export.reacture_video import write_lossless
from gameon_env.recording.catalogue import Catalogue
from gameon_env.recording.recovery import recover_sessions
from gameon_env.recording.redaction import redact
from gameon_env.recording.session import Session
from gameon_env.recording.verification import verify
from tests.unit.export.reacture_download import (
    PREFIX,
    Download,
    held_in,
    marked,
    original_download,
    our_download,
    picture,
    state,
)
from tests.unit.recording.small_session import small_disk

PLACE = {name: i for i, name in enumerate(CONTROLS)}


def held_vector(keys: dict[str, Any]) -> list[float]:
    """Of the eight buttons, as the row says."""
    names = (("W",), ("A",), ("S",), ("D",), ("Space",), ("E", "inspect"), ("R",), ("destroy",))
    return [float(any(keys[name] for name in these)) for these in names]


@pytest.fixture
def ours(tmp_path: Path) -> Download:
    download = our_download(tmp_path / "download")
    download.write()
    return download


def test_our_own_download_becomes_a_session(ours: Download, tmp_path: Path) -> None:
    imported = import_reacture(ours.folder, tmp_path / "data")
    assert (imported.result, imported.game, imported.frames, imported.notes) == ("imported", "reacture", 24, ())
    assert verify(imported.folder) == []
    with Catalogue(tmp_path / "data", create=False) as catalogue, Session(imported.folder) as session:
        (entry,) = catalogue.sessions()
        assert (entry.game, entry.folder, entry.status, entry.who) == (
            "reacture", imported.folder, "completed", "human",
        )  # fmt: skip
        assert session.info.started_at == "2024-11-09T18:40:00.000000+00:00"
        assert (session.info.seed, session.info.fps, session.info.recorder) == (7, 10.0, "gameon-env 0")
        assert session.frames().t_ns.tolist() == [100_000_000 * (i + 1) for i in range(24)]
        assert session.end is not None
        assert session.end.reason == "game ended: time_up"


def test_every_pixel_arrives(ours: Download, tmp_path: Path) -> None:
    recording = SessionRecording(import_reacture(ours.folder, tmp_path / "data").folder)
    assert (recording.frames(np.arange(24)) == ours.frames).all()
    assert (recording.frames([17, 3]) == ours.frames[[17, 3]]).all()
    assert recording.path.joinpath("video.mp4").stat().st_size < ours.frames.nbytes / 2


def test_noise_is_kept_too(tmp_path: Path) -> None:
    frames = np.random.default_rng(1).integers(0, 256, (5, 128, 128, 3), np.uint8)
    download = our_download(tmp_path / "download", 5)
    download.frames = frames
    recording = SessionRecording(import_reacture(download.write(), tmp_path / "data").folder)
    assert (recording.frames(np.arange(5)) == frames).all()


def test_the_action_of_step_i_is_what_row_i_plus_1_says(ours: Download, tmp_path: Path) -> None:
    """A row's keys cover the interval before it; a step's action is what happened after its frame."""
    recording = SessionRecording(import_reacture(ours.folder, tmp_path / "data").folder)
    assert recording.controls == CONTROLS
    steps = recording.steps()
    assert steps.runs.tolist() == [[0, 24]]
    for i in range(23):
        keys = held_in(i + 1)
        assert steps.inputs[i, :8].tolist() == held_vector(keys)
        moved = steps.inputs[i, 8:] * recording.mouse_scale_px
        assert moved.tolist() == pytest.approx([keys["mouse_dx"], keys["mouse_dy"]], abs=1e-3)
    assert not steps.inputs[23].any()  # after the last frame nothing was recorded
    pressed = np.array([held_vector(held_in(i)) for i in range(1, 24)])
    edges = np.diff(np.vstack([held_vector(held_in(0)), pressed]), axis=0) > 0
    assert (steps.presses[:23, :8] == edges).all()


@pytest.mark.parametrize("told_again", [False, True])
def test_keys_of_a_picture_that_could_not_be_read_are_kept(ours: Download, tmp_path: Path, told_again: bool) -> None:
    """Whether the next row with a frame tells of them again, or of the time since them only."""
    nothing = dict.fromkeys(ours.rows[0]["key_presses"], False) | {"mouse_dx": 0, "mouse_dy": 0}
    for row in ours.rows:
        if "key_presses" in row:
            row["key_presses"] = nothing
    held = nothing | {"R": True, "mouse_dx": 7}
    lost = ours.rows[10] | {"event": "capture_failed", "key_presses": held}
    del lost["visual_frame_path"]
    ours.rows = [*ours.rows[:10], *ours.rows[11:], lost]
    if told_again:
        ours.rows[10]["key_presses"] = held
    ours.frames, ours.times = np.delete(ours.frames, 10, axis=0), np.delete(ours.times, 10)
    ours.metadata["data_stats"]["total_frames"] = 23
    imported = import_reacture(ours.write(), tmp_path / "data")
    assert (imported.frames, imported.notes) == (23, ())
    recording = SessionRecording(imported.folder)
    steps = recording.steps()
    assert np.flatnonzero(steps.inputs[:, PLACE["key:r"]]).tolist() == [9]
    assert steps.presses[:, PLACE["key:r"]].sum() == 1
    moved = steps.inputs[:, PLACE["mouse:dx"]].sum() * recording.mouse_scale_px
    assert moved == pytest.approx(7 if told_again else 0, abs=1e-3)


def test_the_originals_keys_are_samples_at_their_rows_time(tmp_path: Path) -> None:
    download = original_download(tmp_path / "download")
    download.rows = [row for row in download.rows if row.get("visual_frame_path")]
    imported = import_reacture(download.write(), tmp_path / "data")
    assert verify(imported.folder) == []
    assert len(imported.notes) == 1
    recording = SessionRecording(imported.folder)
    assert (recording.frames(np.arange(24)) == download.frames).all()
    steps = recording.steps()
    for i in range(24):
        assert steps.inputs[i, :8].tolist() == held_vector(held_in(i))
    moved = steps.inputs[:23, PLACE["mouse:dx"]] * recording.mouse_scale_px
    assert moved == pytest.approx([held_in(i)["mouse_dx"] for i in range(1, 24)], abs=1e-3)


def test_the_originals_actions_are_what_its_samples_never_show(tmp_path: Path) -> None:
    download = original_download(tmp_path / "download", 8)
    for row in download.rows:
        if "key_presses" in row:
            row["key_presses"] |= {"Space": False, "R": False, "destroy": False}
    times = download.times
    for action, t_ms in (("jump", times[2] + 5), ("destroy_rubble", times[4] + 5), ("move_left_start", times[5] + 5)):
        download.rows.append({"type": "player_action", "timestamp": int(t_ms), "action": action, "robot": {}})
    download.rows.append({"type": "player_action", "timestamp": 10**15, "action": "refuel", "robot": {}})
    steps = SessionRecording(import_reacture(download.write(), tmp_path / "data").folder).steps()
    shown = {
        name: np.flatnonzero(steps.inputs[:, PLACE[name]]).tolist() for name in ("key:space", "mouse:left", "key:r")
    }
    assert shown == {"key:space": [2], "mouse:left": [4], "key:r": []}


def test_a_pause_of_the_original_parts_the_session(tmp_path: Path) -> None:
    download = original_download(tmp_path / "download", 12)
    download.times[6:] += 30_000
    for row in download.rows:
        if row.get("timestamp_ms", 0) > 800:
            row["timestamp_ms"] += 30_000
    imported = import_reacture(download.write(), tmp_path / "data")
    assert verify(imported.folder) == []
    assert SessionRecording(imported.folder).steps().runs.tolist() == [[0, 6], [6, 12]]


def test_imported_once_whatever_the_files_are_called(ours: Download, tmp_path: Path) -> None:
    first = import_reacture(ours.folder, tmp_path / "data")
    renamed = our_download(tmp_path / "renamed")
    renamed.prefix = "reacture_1999999999999"
    again = import_reacture(renamed.write(), tmp_path / "data")
    assert (again.result, again.folder) == ("there already", first.folder)
    other = our_download(tmp_path / "other", 23, session_id="session_2")
    assert import_reacture(other.write(), tmp_path / "data").result == "imported"
    assert len(list((tmp_path / "data" / "sessions").iterdir())) == 2


def test_a_download_before_the_end_and_one_after_it(ours: Download, tmp_path: Path) -> None:
    early = our_download(tmp_path / "early", 10)
    early.rows = early.rows[:10]
    first = import_reacture(early.write(), tmp_path / "data")
    whole = import_reacture(ours.folder, tmp_path / "data")
    assert (whole.result, whole.frames) == ("imported", 24)
    assert f"{first.folder.name} is the beginning of the same play" in whole.notes[0]
    with Catalogue(tmp_path / "data") as catalogue:
        catalogue.delete(first.folder)
    again = import_reacture(early.folder, tmp_path / "data")
    assert (again.result, again.folder) == ("there already", whole.folder)


def test_a_session_whose_folder_is_gone_is_imported_again(ours: Download, tmp_path: Path) -> None:
    first = import_reacture(ours.folder, tmp_path / "data")
    shutil.rmtree(first.folder)
    assert import_reacture(ours.folder, tmp_path / "data").result == "imported"


def test_a_new_catalogue_beside_older_folders_knows_them(ours: Download, tmp_path: Path) -> None:
    import_reacture(ours.folder, tmp_path / "data")
    for path in (tmp_path / "data").glob("gameon.db*"):
        path.unlink()
    assert import_reacture(ours.folder, tmp_path / "data").result == "there already"


def test_frames_and_rows_out_of_order_are_sorted(ours: Download, tmp_path: Path) -> None:
    order = [*range(12, 24), *range(12)]
    straight = ours.frames
    ours.rows[:24] = [ours.rows[i] for i in order]
    ours.frames, ours.times = ours.frames[order], ours.times[order]
    imported = import_reacture(ours.write(), tmp_path / "data")
    assert verify(imported.folder) == []
    recording = SessionRecording(imported.folder)
    assert (recording.frames(np.arange(24)) == straight).all()
    assert recording.steps().inputs[3, :8].tolist() == held_vector(held_in(4))


def test_times_that_are_the_same_are_told_apart(tmp_path: Path) -> None:
    times = np.array([0.0, 100.0, 100.0, 100.0, 100.0005, 200.0, 7200_000.5], np.float32)
    spread = ascending_ns(times)
    assert (np.diff(spread) >= 1000).all()
    assert np.abs(spread / 1e6 - times).max() < 0.01
    assert spread[-1] == 7200_000_500_000


def test_rows_stay_in_the_sessions_folder(ours: Download, tmp_path: Path) -> None:
    folder = import_reacture(ours.folder, tmp_path / "data").folder
    assert (folder / KEPT_ROWS).read_bytes() == ours.paths["data.jsonl"].read_bytes()
    assert (folder / KEPT_METADATA).read_bytes() == ours.paths["metadata.json"].read_bytes()


KILLED = """
import os, sys
from gameon_env.export.reacture_import import import_reacture
def end(event, args):
    if event == "shutil.copyfile" and str(args[0]).endswith(sys.argv[3]):
        os.kill(os.getpid(), 9)
sys.addaudithook(end)
import_reacture(sys.argv[1], sys.argv[2])
"""


def test_a_killed_import_is_none(ours: Download, tmp_path: Path) -> None:
    for part in ("metadata.json", "data.jsonl", "timestamps.npy"):
        data_dir = tmp_path / part
        command = [sys.executable, "-c", KILLED, str(ours.folder), str(data_dir), part]
        assert subprocess.run(command).returncode == -signal.SIGKILL
        assert recover_sessions(data_dir) == []
        imported = import_reacture(ours.folder, data_dir)
        assert imported.result == "imported"
        assert list((data_dir / "sessions").iterdir()) == [imported.folder]
        assert (imported.folder / KEPT_ROWS).read_bytes() == ours.paths["data.jsonl"].read_bytes()
        assert verify(imported.folder) == []


@pytest.mark.parametrize("part", ["metadata.json", "data.jsonl", "frames.npy", "timestamps.npy"])
def test_of_a_damaged_download_nothing_is_left(ours: Download, tmp_path: Path, part: str) -> None:
    path = ours.paths[part]
    path.write_bytes(path.read_bytes()[:-60] if part != "data.jsonl" else path.read_bytes()[:2000])
    with pytest.raises(DatasetError):
        import_reacture(ours.folder, tmp_path / "data")
    assert list((tmp_path / "data").rglob("session.db")) == []
    if part == "frames.npy":
        assert import_reacture(ours.folder, tmp_path / "data", partial=True).frames == 23


def test_metadata_that_say_nonsense_do_no_harm(ours: Download, tmp_path: Path) -> None:
    ours.metadata |= {
        "start_time": "../../etc", "seed": 10**30, "sampling_rate_hz": "x", "game_result": [], "data_stats": 5,
        "generator": {"a": 1}, "environment_name": "\ud800",
    }  # fmt: skip
    ours.metadata |= {"game": "\ud800/../x" * 100, "controls": ["key:w"], "mouse_scale_px": None, "missing": "x"}
    ours.metadata |= {"recorded_size": 5, "duration_s": [], "key_interval": ["before"]}
    for row in ours.rows:
        row["inputs"] = {"key:w": 10**400, "mouse:dx": "1", "\ud800": None}
    imported = import_reacture(ours.write(), tmp_path / "data")
    assert imported.folder.parent == tmp_path / "data" / "sessions"
    with Session(imported.folder) as session:
        assert session.info.started_at.startswith("2024-11-09T18:40:00")  # as the files' names say
        assert session.info.seed is None
    export_to_reacture(tmp_path / "data", tmp_path / "out")
    assert len(ReActureDataset(tmp_path / "out", warn=False)) == 24


@pytest.mark.parametrize("start", ["9999-12-31T23:59:59.999Z", "0001-01-01T00:00:00Z", "0001-01-01T00:00:00+14:00"])
def test_a_start_at_the_end_of_time_is_not_believed(ours: Download, tmp_path: Path, start: str) -> None:
    ours.metadata["start_time"] = start
    imported = import_reacture(ours.write(), tmp_path / "data")
    with Session(imported.folder) as session:
        assert session.info.started_at.startswith("2024-11-09T18:40:00")  # as the files' names say


def test_times_that_no_game_has(ours: Download, tmp_path: Path) -> None:
    ours.times[5] = 1e17
    with pytest.raises(DatasetError, match=r"a time is 1e\+17 ms from the game's start, more than a year"):
        import_reacture(ours.write(), tmp_path / "data")
    assert list((tmp_path / "data").rglob("session.db")) == []


def test_controls_that_are_none(ours: Download, tmp_path: Path) -> None:
    for controls in (["key:wrong"], "key:w", [], [1]):
        ours.metadata["controls"] = controls
        with pytest.raises(DatasetError, match=r"metadata\.json tells of controls"):
            import_reacture(ours.write(), tmp_path / "data")


def test_a_full_disk_leaves_nothing(ours: Download, tmp_path: Path) -> None:
    with small_disk(tmp_path / "small", 1) as folder:
        with pytest.raises(StorageError):
            import_reacture(ours.folder, folder / "data")
        assert list((folder / "data").rglob("video.mp4")) == []


@pytest.mark.parametrize("pause_us", [1_999_999_999, 2_000_000_000, 2_500_000_000, 9_000_000_001])
def test_a_video_keeps_its_times_over_a_long_pause(tmp_path: Path, pause_us: int) -> None:
    pictures = [picture(i, 32, 48) for i in range(90)]
    times_us = [12_345 + 100_000 * i + pause_us * (i >= 40) for i in range(90)]
    write_lossless(tmp_path / "video.mp4", (32, 48), pictures, times_us)
    with VideoReader(tmp_path / "video.mp4") as video:
        assert np.abs(video.times_ns // 1000 - times_us).max() <= 1
        for i in (39, 40, 41, *range(0, 90, 13)):
            assert np.array_equal(video.frame(i), pictures[i])


def test_what_came_after_a_long_pause_can_be_cut_out(ours: Download, tmp_path: Path) -> None:
    ours.times[12:] += 2_500_000
    for i, row in enumerate(ours.rows[12:24], 12):
        row["timestamp_ms"] = float(ours.times[i])
    imported = import_reacture(ours.write(), tmp_path / "data")
    assert verify(imported.folder) == []
    assert redact(imported.folder, [(2501.25, 2501.75)]).frames == 5
    assert verify(imported.folder) == []
    with Session(imported.folder) as session, VideoReader(session.video) as video:
        assert len(video) == session.counts["frames"] == 19
        kept = [i for i in range(24) if not 2501.25 <= ours.times[i] / 1000 < 2501.75]
        for number, i in enumerate(kept):
            assert np.abs(video.frame(number).astype(int) - ours.frames[i]).mean() < 10


def test_an_unwritable_video_is_told(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match="cannot be written"):
        write_lossless(tmp_path / "no" / "video.mp4", (8, 8), [np.zeros((8, 8, 3), np.uint8)], [0])


def test_what_ffmpeg_cannot_say_in_a_number_is_told_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*_: object, **__: object) -> None:
        raise av.error.ExternalError(-542398533, "Generic error in an external library")

    monkeypatch.setattr(av, "open", fails)
    with pytest.raises(StorageError, match="Generic error in an external library"):
        write_lossless(tmp_path / "video.mp4", (8, 8), [np.zeros((8, 8, 3), np.uint8)], [0])


def test_cloning_and_datasets_work_on_it(ours: Download, tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    from gameon_env.export.pytorch_export import GameOnDataset

    import_reacture(ours.folder, tmp_path / "data")
    (recording,) = find_recordings(tmp_path / "data", game_name="ReActure")
    assert recording.controls_declared
    dataset = GameOnDataset(
        db_path=tmp_path / "data" / "gameon.db", game_name="reacture", sequence_length=4, target_size=(128, 128)
    )
    item = dataset[0]
    assert item["frames"].shape == (4, 3, 128, 128)
    assert dataset.controls == CONTROLS
    assert torch.equal((item["frames"][0] * 255).round().byte().permute(1, 2, 0), torch.from_numpy(ours.frames[0]))


def run(*words: object) -> Any:
    return CliRunner().invoke(make_app(["import"]), ["import", "reacture", *map(str, words)])


def test_the_command(ours: Download, tmp_path: Path) -> None:
    original_download(tmp_path / "download" / "old").write()
    second = our_download(tmp_path / "download", 5, session_id="session_2")
    second.prefix = "reacture_1731177700000"
    second.write()
    data = ("--data-dir", tmp_path / "data")
    done = run(*ours.paths.values(), tmp_path / "download", tmp_path / "download" / "old", *data)
    assert done.exit_code == 0, done.output
    assert done.output.count("imported: reacture_") == 3
    assert "np.load refuses" in done.output
    again = run(ours.paths["frames.npy"], *data, "--json")
    assert [row["result"] for row in json.loads(again.output)] == ["there already"]
    (row,) = json.loads(again.output)
    assert row["prefix"] == PREFIX


@pytest.mark.parametrize(("words", "who"), [((), "human"), (("--who", "agent"), "agent")])
def test_the_command_says_who_played(ours: Download, tmp_path: Path, words: tuple[str, ...], who: str) -> None:
    assert run(ours.folder, "--data-dir", tmp_path / "data", *words).exit_code == 0
    with Catalogue(tmp_path / "data") as catalogue:
        assert [entry.who for entry in catalogue.sessions()] == [who]
    assert run(ours.folder, "--data-dir", tmp_path / "data", "--who", "nobody").exit_code == 2


def test_the_command_goes_on_after_a_damaged_download(ours: Download, tmp_path: Path) -> None:
    second = our_download(tmp_path / "download", 5)
    second.prefix = "reacture_1731177500000"
    second.write()
    second.paths["frames.npy"].write_bytes(b"<html>")
    done = run(tmp_path / "download", "--data-dir", tmp_path / "data")
    assert done.exit_code == 1
    assert "reacture_1731177500000: failed" in done.output
    assert "web page" in done.output
    assert f"{PREFIX}: imported" in done.output
    strange = run(tmp_path / "notes.txt", "--data-dir", tmp_path / "data")
    assert strange.exit_code != 0


def test_the_command_goes_on_after_a_name_that_is_none(ours: Download, tmp_path: Path) -> None:
    second = our_download(tmp_path / "download", 5, session_id="session_2")
    marked(second, " (1)")
    ours.write()
    (tmp_path / "empty").mkdir()
    names = f"download/{PREFIX}_frames.npy.part", "download/reacture_notes.txt", "reacture_notes.txt", "empty"
    strange = [tmp_path / name for name in names]
    files = [*strange, *ours.paths.values(), *second.paths.values()]
    done = run(*files, "--data-dir", tmp_path / "data")
    assert done.exit_code == 1
    for path in strange:
        assert f"{path.name}: failed" in done.output
    assert f"{PREFIX}: imported" in done.output
    assert f"{PREFIX} (1): imported" in done.output
    rows = json.loads(run(*files, "--data-dir", tmp_path / "data", "--json").output)
    assert [row["result"] for row in rows] == ["there already"] * 2 + ["failed"] * 4
    assert [row["prefix"] for row in rows[2:]] == [path.name for path in strange]


def test_a_million_counts_of_the_mouse_and_wild_numbers(tmp_path: Path) -> None:
    download = our_download(tmp_path / "download", 4)
    wild = [1e6, float("nan"), None, "12"]
    for row, value in zip(download.rows[:4], wild, strict=True):
        row["key_presses"] = {**held_in(0), "mouse_dx": value, "W": value}
    download.rows.append(state(0, float("inf")))
    steps = SessionRecording(import_reacture(download.write(), tmp_path / "data").folder).steps()
    assert np.isfinite(steps.inputs).all()
