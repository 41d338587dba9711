"""What is left of a video becomes a whole one beside it, wherever it was cut."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gameon_env.data_processing.video_boxes import HEAD_SIZE
from gameon_env.data_processing.video_fragments import find_fragments
from gameon_env.data_processing.video_reader import VideoReader
from gameon_env.errors import StorageError, VideoError
from gameon_env.recording.video import VideoWriter
from gameon_env.recording.video_repair import repair
from tests.unit.data_processing.painted_video import fill_disk, number_in, painted, write_foreign
from tests.unit.recording.small_session import small_disk

COUNT = 70


@pytest.fixture(scope="module", params=["h264", "hevc", "av1"])
def unfinished(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of a video whose writer is still at it: what a kill leaves."""
    folder = tmp_path_factory.mktemp(request.param)
    with VideoWriter(folder / "finished.mp4", (96, 160), codec=request.param) as writer:
        for i in range(COUNT):
            writer.write(painted(i), 3_000_000_000 + i * 10_000_000)
        shutil.copyfile(writer.path, folder / "video.mp4")
    return folder / "video.mp4"


def check(path: Path, frames: int) -> None:
    with VideoReader(path) as reader:
        assert reader.times_ns.tolist() == [3_000_000_000 + i * 10_000_000 for i in range(frames)]
        indices = [frames - 1, 0, frames // 2]
        assert [number_in(frame) for frame in reader.frames(indices)] == indices
    found = find_fragments(path)
    assert found is not None
    assert found.finished


def test_an_unfinished_video_is_finished_beside_it(unfinished: Path) -> None:
    before = unfinished.read_bytes()
    report = repair(unfinished)
    assert (report.source, report.target) == (unfinished, unfinished.with_name("video.recovered.mp4"))
    assert (report.frames, report.whole) == (COUNT, True)
    assert report.target is not None
    check(report.target, COUNT)
    assert unfinished.read_bytes() == before
    assert report.target.read_bytes() == unfinished.with_name("finished.mp4").read_bytes()
    again = repair(unfinished)
    assert again == report
    assert repair(report.target).target is None


def test_a_finished_video_is_left_as_it_is(unfinished: Path) -> None:
    report = repair(unfinished.with_name("finished.mp4"))
    assert (report.target, report.frames, report.whole) == (None, COUNT, True)
    assert report.times_ns[0] == 3_000_000_000


@pytest.mark.parametrize("name", ["video.mp4", "finished.mp4"])
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(part=st.floats(0, 1, exclude_max=True))
def test_a_video_cut_anywhere_keeps_the_frames_before(unfinished: Path, name: str, part: float) -> None:
    whole = unfinished.with_name(name)
    found = find_fragments(whole)
    assert found is not None
    cut_at = int(part * whole.stat().st_size)
    path = whole.with_name("cut.mp4")
    path.write_bytes(whole.read_bytes()[:cut_at])
    frames = int(np.searchsorted(found.samples.offsets + found.samples.sizes, cut_at, side="right"))
    if not frames:
        with pytest.raises(VideoError):
            repair(path)
        return
    report = repair(path)
    assert report.target is not None
    assert report.frames == frames
    torn = cut_at - int((found.samples.offsets + found.samples.sizes)[frames - 1])
    assert report.whole == (torn == 0)
    check(report.target, frames)
    if name == "video.mp4":
        with VideoReader(path) as reader:
            assert len(reader) == frames, "and read as it is"


def test_a_hole_that_a_power_cut_left_ends_the_video(unfinished: Path) -> None:
    found = find_fragments(unfinished)
    assert found is not None
    path = unfinished.with_name("hole.mp4")
    for hole, size in ((int(found.samples.offsets[50]), 4096), (int(found.samples.offsets[50]) - HEAD_SIZE, 50)):
        data = bytearray(unfinished.read_bytes())
        data[hole : hole + size] = bytes(len(data[hole : hole + size]))
        path.write_bytes(data)
        report = repair(path)
        assert (report.frames, report.whole) == (50, False)
        assert report.target is not None
        check(report.target, 50)


def test_damage_inside_a_finished_video_does_not_hide_the_rest(unfinished: Path) -> None:
    found = find_fragments(unfinished)
    assert found is not None
    data = bytearray(unfinished.with_name("finished.mp4").read_bytes())
    at = int(found.samples.offsets[40]) - HEAD_SIZE
    data[at : at + HEAD_SIZE] = bytes(HEAD_SIZE)
    path = unfinished.with_name("scratched.mp4")
    path.write_bytes(data)
    assert repair(path).frames == COUNT


@pytest.mark.parametrize("make", [lambda p: p.write_bytes(b""), lambda p: p.write_text("no video"), lambda p: None])
def test_what_is_no_video_is_said(tmp_path: Path, make: Callable[[Path], object]) -> None:
    make(tmp_path / "video.mp4")
    with pytest.raises(VideoError):
        repair(tmp_path / "video.mp4")


def test_a_recorder_that_wrote_no_frame_is_said(tmp_path: Path) -> None:
    VideoWriter(tmp_path / "video.mp4", (96, 160)).close()
    with pytest.raises(VideoError, match="no whole frame"):
        repair(tmp_path / "video.mp4")


def test_a_video_of_another_program_is_only_looked_at(tmp_path: Path) -> None:
    path = write_foreign(tmp_path / "video.mp4", list(range(0, 1000, 20)), "libx264", {}, 2)
    report = repair(path)
    assert (report.target, report.frames) == (None, 50)


def test_a_full_disk_leaves_the_original_alone(unfinished: Path, tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", 1) as disk:
        path = Path(shutil.copy(unfinished, disk))
        fill_disk(disk)
        with pytest.raises(StorageError, match="Free some space"):
            repair(path)
        assert path.read_bytes() == unfinished.read_bytes()
        assert {entry.name for entry in disk.iterdir()} == {"video.mp4", "filler"}
