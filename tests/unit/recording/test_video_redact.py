"""What was cut out of a video is in no frame of it, and nowhere in its bytes."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from gameon_env.data_processing.video_fragments import find_fragments
from gameon_env.data_processing.video_reader import VideoReader
from gameon_env.errors import StorageError, VideoError
from gameon_env.recording.video import VideoWriter
from gameon_env.recording.video_encoder import CODECS
from gameon_env.recording.video_redact import redact_video
from gameon_env.recording.video_repair import repair
from tests.unit.data_processing.painted_video import fill_disk, number_in, painted, write_foreign
from tests.unit.recording.small_session import small_disk

COUNT, STEP_NS = 150, 10_000_000
SECRET = [(40, 55), (60, 61), (90, 120)]
"""Frames from, to: within one group of pictures, one frame, a whole group (keyframes are at 0, 30, 60 ...)."""

secret = {i for start, stop in SECRET for i in range(start, stop)}
kept = [i for i in range(COUNT) if i not in secret]
spans = [(start * STEP_NS, stop * STEP_NS) for start, stop in SECRET]


def picture(number: int, size: tuple[int, int]) -> np.ndarray:
    """``painted``; where it is secret in a red of its own, so that no other frame has the same bytes."""
    pixels = painted(number, size)
    if number in secret:
        pixels[..., :2] //= 8
        pixels[..., 2] += np.random.default_rng(number).integers(0, 50, size, np.uint8)
    return pixels


def redness(frame: np.ndarray) -> float:
    return float(frame[..., 0].mean() - frame[..., 1].mean())


def record(path: Path, size: tuple[int, int] = (96, 160), codec: str = "h264", quality: int | None = None) -> Path:
    with VideoWriter(path, size, codec=codec, quality=quality) as writer:
        for i in range(COUNT):
            writer.write(picture(i, size), i * STEP_NS)
    return path


def packets(path: Path) -> list[bytes]:
    found = find_fragments(path)
    assert found is not None
    data = path.read_bytes()
    return [data[at : at + size] for at, size in zip(found.samples.offsets, found.samples.sizes, strict=True)]


def frames_after_a_cut(path: Path) -> int:
    """How many frames that stay follow a secret one before the next keyframe."""
    found = find_fragments(path)
    assert found is not None
    count, cut = 0, False
    for i, key in enumerate(found.samples.keys):
        cut = (cut and not key) or i in secret
        count += cut and i not in secret
    return count


@pytest.mark.parametrize(
    ("codec", "size", "quality"),
    [("h264", (96, 160), None), ("h264", (95, 161), 31), ("hevc", (96, 160), None), ("av1", (96, 160), 20)],
)
def test_nothing_of_the_spans_is_left(tmp_path: Path, codec: str, size: tuple[int, int], quality: int | None) -> None:
    path = record(tmp_path / "video.mp4", size, codec, quality)
    before = packets(path)
    following = frames_after_a_cut(path)
    redaction = redact_video(path, spans)
    assert redaction.path == path
    assert redaction.removed == len(secret)
    assert [i for i, number in enumerate(redaction.frames) if number is None] == sorted(secret)
    assert [number for number in redaction.frames if number is not None] == list(range(len(kept)))
    assert redaction.encoded_again == following > 0
    with VideoReader(path) as reader:
        assert reader.size == size
        assert reader.times_ns.tolist() == [i * STEP_NS for i in kept]
        frames = list(reader.frames(range(len(reader))))
        assert [number_in(frame) for frame in frames] == kept
        assert max(redness(frame) for frame in frames) < 10
        assert number_in(reader.frame(kept.index(56))) == 56
    data = path.read_bytes()
    for i in secret:
        assert before[i][16:] not in data
    assert [p.name for p in tmp_path.iterdir()] == ["video.mp4"]
    assert repair(path).target is None


def test_frames_before_a_span_are_copied_as_they_were(tmp_path: Path) -> None:
    path = record(tmp_path / "video.mp4")
    before = packets(path)
    redact_video(path, [(40 * STEP_NS, 55 * STEP_NS)])
    after = packets(path)
    assert after[:40] == before[:40]
    assert after[45:] == before[60:]


def test_where_the_encoder_is_not_the_recorders_all_is_encoded_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    codec = CODECS["h264"]
    with monkeypatch.context() as patch:
        patch.setitem(CODECS, "h264", replace(codec, options={**codec.options, "profile": "baseline"}))
        path = record(tmp_path / "video.mp4")
    assert redact_video(path, spans).encoded_again == len(kept)
    with VideoReader(path) as reader:
        assert [number_in(frame) for frame in reader.frames(range(len(reader)))] == kept


def test_a_span_without_a_frame_changes_nothing(tmp_path: Path) -> None:
    path = record(tmp_path / "video.mp4")
    before = path.read_bytes()
    redaction = redact_video(path, [(STEP_NS + 1, 2 * STEP_NS), (COUNT * STEP_NS, 10 * COUNT * STEP_NS)])
    assert (redaction.removed, redaction.frames) == (0, tuple(range(COUNT)))
    assert path.read_bytes() == before


def test_all_of_a_video_can_go(tmp_path: Path) -> None:
    path = record(tmp_path / "video.mp4")
    assert redact_video(path, [(0, COUNT * STEP_NS)]).removed == COUNT
    assert path.stat().st_size < 2000
    with VideoReader(path) as reader:
        assert len(reader) == 0


def test_a_video_of_another_program(tmp_path: Path) -> None:
    path = write_foreign(tmp_path / "video.avi", list(range(0, 3000, 20)), "libx264", {}, 3)
    times = VideoReader(path).times_ns
    redaction = redact_video(path, [(int(times[40]), int(times[55]))])
    assert (redaction.removed, redaction.encoded_again) == (15, 135)
    with VideoReader(path) as reader:
        assert [number_in(frame) for frame in reader.frames(range(135))] == [*range(40), *range(55, 150)]
        assert np.abs(reader.times_ns - np.delete(times, range(40, 55))).max() <= 1000


def test_a_damaged_video_is_to_be_recovered_first(tmp_path: Path) -> None:
    path = record(tmp_path / "video.mp4")
    found = find_fragments(path)
    assert found is not None
    data = bytearray(path.read_bytes())
    data[int(found.samples.offsets[80]) - 20] ^= 0xFF
    path.write_bytes(data)
    with pytest.raises(VideoError, match="recover"):
        redact_video(path, spans)
    assert path.read_bytes() == data


def test_without_room_the_video_stays_as_it_was(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", 2) as disk:
        path = record(disk / "video.mp4")
        before = path.read_bytes()
        fill_disk(disk)
        with pytest.raises(StorageError, match="is as it was"):
            redact_video(path, spans)
        assert path.read_bytes() == before
        assert {entry.name for entry in disk.iterdir()} == {"video.mp4", "filler"}
