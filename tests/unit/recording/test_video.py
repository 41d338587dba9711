"""What is written is in the file: every frame, with its time and its colours, whatever ends the writer."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import av
import cv2
import numpy as np
import pytest

from gameon_env.data_processing.video_boxes import BRIDGE_US, boxes
from gameon_env.data_processing.video_reader import VideoReader
from gameon_env.errors import StorageError, VideoError
from gameon_env.recording import video_encoder
from gameon_env.recording.video import VideoWriter
from tests.unit.data_processing.painted_video import fill_disk, number_in, painted, write_video
from tests.unit.recording.small_session import small_disk

CODECS = ["h264", "hevc", "av1"]

_KILLED = """
import sys, numpy as np
from pathlib import Path
from gameon_env.recording.video import VideoWriter
from tests.unit.data_processing.painted_video import fill_disk, painted
writer = VideoWriter(Path(sys.argv[1]), (96, 160), codec=sys.argv[2])
for number in range(4000):
    writer.write(painted(number), number * 1_000_000_000)
    print(number + 1, flush=True)
"""


@pytest.mark.parametrize("codec", CODECS)
def test_every_frame_is_in_the_file_when_write_returns(tmp_path: Path, codec: str) -> None:
    with VideoWriter(tmp_path / "video.mp4", (96, 160), codec=codec) as writer:
        for i in range(45):
            writer.write(painted(i), i * 5_000_000)
            assert writer.frames == i + 1
    with VideoReader(writer.path) as reader:
        assert [number_in(frame) for frame in reader.frames(range(45))] == list(range(45))
        assert reader.times_ns.tolist() == [i * 5_000_000 for i in range(45)]


@pytest.mark.parametrize("codec", CODECS)
def test_a_kill_loses_no_frame_that_was_written(tmp_path: Path, codec: str) -> None:
    path = tmp_path / "video.mp4"
    command = [sys.executable, "-c", _KILLED, str(path), codec]
    with subprocess.Popen(command, stdout=subprocess.PIPE, cwd=Path(__file__).parents[3]) as process:
        assert process.stdout is not None
        for _ in range(67):
            process.stdout.readline()
        process.send_signal(signal.SIGKILL if hasattr(signal, "SIGKILL") else signal.SIGTERM)
        written = 67 + len(process.stdout.read().split())
    with VideoReader(path) as reader:
        assert len(reader) in (written, written + 1)  # one may have been written but not reported
        indices = [len(reader) - 1, 0, 66]
        assert [number_in(frame) for frame in reader.frames(indices)] == indices


def test_when_closed_it_is_an_ordinary_mp4_for_others(tmp_path: Path) -> None:
    path = write_video(tmp_path / "video.mp4", [i * 20_000_000 for i in range(100)])
    assert [kind for kind, _ in _top_boxes(path)] == [b"ftyp", b"mdat", b"moov"]
    other = cv2.VideoCapture(str(path))
    assert other.get(cv2.CAP_PROP_FRAME_COUNT) == 100
    assert other.get(cv2.CAP_PROP_FPS) == pytest.approx(50)
    for i in (70, 20, 99):
        other.set(cv2.CAP_PROP_POS_FRAMES, i)
        got, picture = other.read()
        assert got
        assert number_in(picture) == i
    other.release()


def test_times_are_kept_to_the_microsecond_and_always_increase(tmp_path: Path) -> None:
    given = [1_234_567, 1_234_999, 1_235_100, 900_000, 50_000_000_999]
    with VideoReader(write_video(tmp_path / "video.mp4", given)) as reader:
        assert (reader.times_ns // 1000).tolist() == [1234, 1235, 1236, 1237, 50_000_000]


def test_the_time_of_the_first_frame_is_kept(tmp_path: Path) -> None:
    path = write_video(tmp_path / "video.mp4", [7_500_000_000, 7_600_000_000])
    with VideoReader(path) as reader:
        assert reader.times_ns.tolist() == [7_500_000_000, 7_600_000_000]
    with av.open(str(path)) as container:
        assert container.streams.video[0].start_time == 7_500_000


@pytest.mark.parametrize("gap_us", [BRIDGE_US - 1, BRIDGE_US, BRIDGE_US + 1, 3 * BRIDGE_US, 36_000_000_000])
def test_any_gap_can_lie_between_two_frames(tmp_path: Path, gap_us: int) -> None:
    times = [0, 1_000_000, 1_000_000 + gap_us * 1000, 2_000_000 + gap_us * 1000]
    with VideoReader(write_video(tmp_path / "video.mp4", times)) as reader:
        moved = reader.times_ns - times
        assert moved.tolist() == [0, 0] + [1000 * (gap_us % BRIDGE_US == 0)] + [moved[3]]
        assert [number_in(frame) for frame in reader.frames([3, 2, 1, 0])] == [3, 2, 1, 0]


def test_saturated_colours_survive(tmp_path: Path) -> None:
    colours = [(255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 0), (0, 255, 255), (255, 0, 255)]
    colours += [(255, 255, 255), (0, 0, 0), (128, 128, 128), (200, 30, 60)]
    pixels = np.zeros((80, 320, 4), np.uint8)
    for i, colour in enumerate(colours):
        pixels[:, 32 * i : 32 * i + 32, :3] = colour[::-1]
    for codec in CODECS:
        path = tmp_path / f"{codec}.mp4"
        with VideoWriter(path, (80, 320), codec=codec) as writer:
            writer.write(pixels, 0)
        with VideoReader(path) as reader:
            for picture in (reader.frame(0), reader.frame(0, (20, 160))):
                middles = picture[picture.shape[0] // 2, picture.shape[1] // 20 :: picture.shape[1] // 10]
                assert np.abs(middles.astype(int) - colours).max() <= 6, codec


def test_a_player_shows_an_odd_picture_with_its_edge_repeated(tmp_path: Path) -> None:
    path = write_video(tmp_path / "video.mp4", [0], (95, 161))
    with av.open(str(path)) as container:
        picture = next(container.decode(video=0)).to_ndarray(format="rgb24")
    assert picture.shape == (96, 162, 3)
    assert np.abs(picture[-1].astype(int) - picture[-2]).max() <= 4
    assert np.abs(picture[:, -1].astype(int) - picture[:, -2]).max() <= 4


def test_keyframes_come_as_often_as_asked(tmp_path: Path) -> None:
    path = write_video(tmp_path / "video.mp4", [i * 10_000_000 for i in range(40)], keyframe_every=10)
    with av.open(str(path)) as container:
        keys = [i for i, packet in enumerate(container.demux(video=0)) if packet.is_keyframe]
    assert set(range(0, 40, 10)) <= set(keys)


def test_a_better_quality_is_larger(tmp_path: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 255, (96, 160, 4), np.uint8)
    sizes = []
    for quality in (10, 20, 40):
        path = tmp_path / f"{quality}.mp4"
        with VideoWriter(path, (96, 160), quality=quality) as writer:
            writer.write(noise, 0)
        sizes.append(path.stat().st_size)
    assert sizes == sorted(sizes, reverse=True)


def test_a_full_disk_leaves_all_frames_that_fitted(tmp_path: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 255, (200, 320, 4), np.uint8)
    with small_disk(tmp_path / "disk", 2) as disk:
        writer = VideoWriter(disk / "video.mp4", (200, 320))
        with pytest.raises(StorageError, match="No space left"):
            _write_all(writer, noise)
        written = writer.frames
        assert written > 10
        with pytest.raises(StorageError):
            writer.write(noise, 10_000_000_000)
        writer.close()
        with VideoReader(writer.path) as reader:
            assert len(reader) == written
            assert (
                np.abs(reader.frame(written - 1).astype(int) - np.roll(noise, written - 1, 0)[..., 2::-1]).mean() < 60
            )


def test_a_disk_too_full_for_the_index_leaves_all_frames(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", 1) as disk:
        writer = VideoWriter(disk / "video.mp4", (96, 160))
        for i in range(300):
            writer.write(painted(i), i * 1_000_000)
        fill_disk(disk)
        with pytest.raises(StorageError):
            writer.close()
        with VideoReader(writer.path) as reader:
            assert [number_in(reader.frame(i)) for i in (299, 0, 150)] == [299, 0, 150]


def test_an_unknown_codec_is_answered_with_those_there_are(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(VideoError, match="h264, hevc, av1"):
        VideoWriter(tmp_path / "video.mp4", (96, 160), codec="theora")
    monkeypatch.setitem(video_encoder.CODECS, "hevc", video_encoder.Codec("libnone", 20))
    with pytest.raises(VideoError, match=r"'hevc'.*h264, av1"):
        VideoWriter(tmp_path / "video.mp4", (96, 160), codec="hevc")
    assert not list(tmp_path.iterdir())


def test_what_cannot_be_written_is_said(tmp_path: Path) -> None:
    (tmp_path / "there.mp4").write_bytes(b"precious")
    with pytest.raises(StorageError, match="exists"):
        VideoWriter(tmp_path / "there.mp4", (96, 160))
    assert (tmp_path / "there.mp4").read_bytes() == b"precious"
    with pytest.raises(StorageError, match="No such file"):
        VideoWriter(tmp_path / "absent" / "video.mp4", (96, 160))
    with pytest.raises(VideoError, match="at least one pixel"):
        VideoWriter(tmp_path / "video.mp4", (0, 160))
    with VideoWriter(tmp_path / "video.mp4", (96, 160)) as writer:
        with pytest.raises(VideoError, match=r"\(96, 160, 4\)"):
            writer.write(painted(0, (90, 160)), 0)
        writer.write(painted(0), 0)
    with pytest.raises(VideoError, match="closed"):
        writer.write(painted(1), 1_000_000)
    assert writer.frames == 1


def test_a_picture_cut_out_of_a_larger_one_is_taken(tmp_path: Path) -> None:
    with VideoWriter(tmp_path / "video.mp4", (96, 160)) as writer:
        large = np.zeros((200, 300, 4), np.uint8)
        large[50:146, 70:230] = painted(5)
        writer.write(large[50:146, 70:230], 0)
    with VideoReader(writer.path) as reader:
        assert number_in(reader.frame(0)) == 5


def _write_all(writer: VideoWriter, pixels: np.ndarray) -> None:
    for i in range(1000):
        writer.write(np.roll(pixels, i, axis=0), i * 1_000_000)


def _top_boxes(path: Path) -> list[tuple[bytes, bytes]]:
    data = path.read_bytes()
    at = data.index(b"mdat", 0, 200) - 4
    end = at + int.from_bytes(data[at + 8 : at + 16], "big")
    assert data[at : at + 4] == b"\0\0\0\1", "a box with a 64-bit size"
    return [*boxes(data[:at]), (b"mdat", b""), *boxes(data[end:])]
