"""Any frame of any video by its number, exactly."""

from __future__ import annotations

import itertools
import random
import wave
from pathlib import Path

import numpy as np
import pytest

from gameon_env.data_processing.video_boxes import BRIDGE_US
from gameon_env.data_processing.video_reader import VideoReader
from gameon_env.errors import VideoError
from gameon_env.recording.video import VideoWriter
from tests.unit.data_processing.painted_video import number_in, painted, write_foreign, write_video

COUNT = 240


def uneven_times(step: int = 1) -> list[int]:
    """Times of frames that come when they come."""
    rng = random.Random(7)
    return list(itertools.accumulate(rng.choice([7, 20, 33, 90]) * step for _ in range(COUNT)))


@pytest.fixture(scope="module")
def ours(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_video(tmp_path_factory.mktemp("video") / "video.mp4", uneven_times(1_000_000))


@pytest.mark.parametrize("threads", [1, 3])
def test_random_access_gives_exactly_the_frames_asked_for(ours: Path, threads: int) -> None:
    rng = random.Random(1)
    with VideoReader(ours, threads=threads) as reader:
        indices = [rng.randrange(COUNT) for _ in range(200)]
        assert [number_in(reader.frame(i)) for i in indices] == indices


def test_runs_skips_and_steps_back_in_one_iterator(ours: Path) -> None:
    indices = [*range(0, 40), *range(40, 120, 3), *range(239, 100, -20), 5, 5, 6, 239, 0]
    with VideoReader(ours) as reader:
        assert [number_in(frame) for frame in reader.frames(indices)] == indices


def test_times_and_size_are_known_without_decoding(ours: Path) -> None:
    with VideoReader(ours) as reader:
        assert reader.times_ns.tolist() == uneven_times(1_000_000)
        assert reader.times_ns.dtype == np.int64
        assert (len(reader), reader.size) == (COUNT, (96, 160))


def test_negative_numbers_count_from_the_end_and_beyond_is_an_index_error(ours: Path) -> None:
    with VideoReader(ours) as reader:
        assert number_in(reader.frame(-1)) == COUNT - 1
        for index in (COUNT, -COUNT - 1):
            with pytest.raises(IndexError, match="240 frames"):
                reader.frame(index)


def test_the_size_asked_for_is_an_area_average(ours: Path) -> None:
    with VideoReader(ours) as reader:
        full, small = reader.frame(77), reader.frame(77, (24, 40))
        assert small.shape == (24, 40, 3)
        averaged = full.reshape(24, 4, 40, 4, 3).mean(axis=(1, 3))
        assert np.abs(small - averaged).mean() < 2
        assert [number_in(frame) for frame in reader.frames(range(0, COUNT, 7), (24, 48))] == list(range(0, COUNT, 7))


@pytest.mark.parametrize("size", [(95, 161), (97, 160), (96, 159), (70, 98), (51, 37)])
def test_odd_sizes_come_back_as_they_were(tmp_path: Path, size: tuple[int, int]) -> None:
    path = write_video(tmp_path / "video.mp4", [0, 10_000_000, 20_000_000], size)
    with VideoReader(path) as reader:
        assert reader.size == size
        for i in range(3):
            error = np.abs(reader.frame(i).astype(int) - painted(i, size)[..., :3])
            assert error.mean() < 4
            assert error[-2:].mean() < 6, "the last rows"
            assert error[:, -2:].mean() < 6, "the last columns"
        assert reader.frame(0, (30, 20)).shape == (30, 20, 3)


@pytest.mark.parametrize(
    ("name", "encoder", "options", "b_frames"),
    [
        ("b_frames.mp4", "libx264", {}, 3),
        ("b_frames.mkv", "libx264", {}, 3),
        ("open_gop.mp4", "libx264", {"x264-params": "open-gop=1"}, 3),
        ("mpeg4.avi", "mpeg4", {}, 0),
        ("b_frames_mpeg4.avi", "mpeg4", {}, 2),
        ("b_frames_h264.avi", "libx264", {}, 3),
        ("hevc.mkv", "libx265", {"x265-params": "log-level=none"}, 3),
        ("vp9.webm", "libvpx-vp9", {"deadline": "realtime", "cpu-used": "8"}, 0),
        ("stream.ts", "libx264", {}, 2),
    ],
)
def test_videos_of_other_programs(
    tmp_path: Path, name: str, encoder: str, options: dict[str, str], b_frames: int
) -> None:
    times = uneven_times()
    path = write_foreign(tmp_path / name, times, encoder, options, b_frames)
    rng = random.Random(2)
    with VideoReader(path) as reader:
        assert len(reader) == COUNT
        assert [number_in(frame) for frame in reader.frames(range(COUNT))] == list(range(COUNT))
        indices = [rng.randrange(COUNT) for _ in range(25)]
        assert [number_in(reader.frame(i)) for i in indices] == indices
        if path.suffix != ".avi":  # which has no times
            elapsed = np.diff(reader.times_ns) / 1_000_000
            assert np.abs(elapsed - np.diff(times)).max() < 0.1


def test_a_recording_in_progress_shows_what_was_there(tmp_path: Path) -> None:
    with VideoWriter(tmp_path / "video.mp4", (96, 160)) as writer:
        with VideoReader(writer.path) as empty:
            assert (len(empty), empty.size) == (0, (96, 160))
        for i in range(70):
            writer.write(painted(i), i * 10_000_000)
        with VideoReader(writer.path) as reader:
            assert len(reader) == 70
            for i in range(70, 75):
                writer.write(painted(i), i * 10_000_000)
            assert [number_in(reader.frame(i)) for i in (69, 3, 40, 41, 0, 69)] == [69, 3, 40, 41, 0, 69]


def test_a_long_pause_is_no_frame(tmp_path: Path) -> None:
    hour = 3_600_000_000_000
    times = [0, 16_000_000, 5 * hour, 5 * hour + 16_000_000, 5 * hour + 16_000_000 + BRIDGE_US * 1000, 9 * hour]
    path = write_video(tmp_path / "video.mp4", times)
    with VideoReader(path) as reader:
        assert len(reader) == len(times)
        assert np.abs(reader.times_ns - times).max() <= 1000
        assert [number_in(reader.frame(i)) for i in (5, 2, 0, 1, 4, 3)] == [5, 2, 0, 1, 4, 3]


def test_what_is_no_video_is_said(tmp_path: Path) -> None:
    text = tmp_path / "text.mp4"
    text.write_text("no video " * 1000)
    sound = tmp_path / "sound.wav"
    with wave.open(str(sound), "wb") as file:
        file.setparams((1, 2, 8000, 0, "NONE", ""))
        file.writeframes(bytes(16000))
    cut = write_foreign(tmp_path / "cut.mp4", uneven_times(), "libx264", {}, 0)
    cut.write_bytes(cut.read_bytes()[: cut.stat().st_size // 2])
    with pytest.raises(VideoError, match="does not exist"):
        VideoReader(tmp_path / "absent.mp4")
    with pytest.raises(VideoError, match="cannot be read as a video"):
        VideoReader(text)
    with pytest.raises(VideoError, match="holds no video"):
        VideoReader(sound)
    with pytest.raises(VideoError, match="too little is left"):
        VideoReader(cut)


def test_ours_cut_short_gives_what_is_left(tmp_path: Path, ours: Path) -> None:
    path = tmp_path / "cut.mp4"
    path.write_bytes(ours.read_bytes()[: ours.stat().st_size // 2])
    with VideoReader(path) as reader:
        assert 50 < len(reader) < COUNT
        assert reader.times_ns.tolist() == uneven_times(1_000_000)[: len(reader)]
        indices = [len(reader) - 1, 0, 49, 50]
        assert [number_in(reader.frame(i)) for i in indices] == indices


def test_a_foreign_video_cut_short_gives_what_is_left_or_says_so(tmp_path: Path) -> None:
    whole = write_foreign(tmp_path / "whole.mkv", uneven_times(), "libx264", {}, 0).read_bytes()
    path = tmp_path / "cut.mkv"
    path.write_bytes(whole[: len(whole) // 2])
    with VideoReader(path) as reader:
        assert 20 < len(reader) < COUNT - 20
        for i in (len(reader) - 2, 0, len(reader) // 2):
            assert number_in(reader.frame(i)) == i
    path.write_bytes(whole[:200])
    with pytest.raises(VideoError):
        VideoReader(path)
