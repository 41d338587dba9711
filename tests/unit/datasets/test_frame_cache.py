"""Decoded frames on the disk: what is read is what was decoded, once, by one of all who want it."""

from __future__ import annotations

import os
import pickle
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gameon_env.datasets.cache_file import file_bytes
from gameon_env.datasets.frame_cache import FrameCache
from gameon_env.datasets.session_recording import SessionRecording
from gameon_env.errors import DatasetError, StorageError, VideoError
from tests.unit.datasets.drawn_recording import DrawnRecording, draw
from tests.unit.recording.small_session import read_only, record_media, small_disk

SIZE = (24, 32)
FILE_BYTES = file_bytes(40, SIZE)


def expected(rows: object, size: tuple[int, int] = SIZE) -> np.ndarray:
    return np.stack([draw(int(row), size) for row in rows])  # type: ignore[attr-defined]


def test_frames_are_those_of_the_recording_and_decoded_once(tmp_path: Path) -> None:
    recording = DrawnRecording(tmp_path)
    cache = FrameCache(tmp_path / "cache")
    assert cache.find(recording, SIZE) is None
    with cache.open(recording, SIZE) as frames:
        assert (len(frames), frames.size) == (40, SIZE)
        np.testing.assert_array_equal(frames.array, expected(range(40)))
        assert not frames.array.flags.writeable
    for again in (cache.open(recording, SIZE), FrameCache(tmp_path / "cache").find(recording, SIZE)):
        assert again is not None
        np.testing.assert_array_equal(again.frames([39, 0, 7, 7]), expected([39, 0, 7, 7]))
    assert recording.decoded == 1


@settings(max_examples=40, deadline=None)
@given(rows=st.lists(st.integers(0, 39), min_size=1, max_size=40), data=st.data())
def test_any_rows_in_any_order(rows: list[int], data: st.DataObject, tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.mktemp("any")
    wanted = data.draw(st.lists(st.sampled_from(rows), max_size=60))
    frames = FrameCache(folder / "cache").open(DrawnRecording(folder), SIZE, rows=rows)
    assert frames.rows.tolist() == sorted(set(rows))
    assert frames.path.stat().st_size == file_bytes(len(set(rows)), SIZE)
    out = np.empty((len(wanted), *SIZE, 3), np.uint8)
    frames.gather(wanted, out)
    for row, picture in zip(wanted, out, strict=True):
        np.testing.assert_array_equal(picture, draw(row, SIZE))
    for absent in {-1, 40, *range(40)} - set(rows):
        with pytest.raises(IndexError, match=f"not row {absent}"):
            frames.frames([rows[0], absent])


def test_a_video_of_a_session(tmp_path: Path) -> None:
    recording = SessionRecording(record_media(tmp_path / "session"))
    frames = FrameCache(tmp_path / "cache").open(recording, (24, 32))
    np.testing.assert_array_equal(frames.frames([1, 0]), recording.frames([1, 0], (24, 32)))
    assert abs(int(frames.frames([1]).mean()) - 40) < 3


def test_what_changes_the_frames_makes_another_file(tmp_path: Path) -> None:
    cache, recording = FrameCache(tmp_path / "cache"), DrawnRecording(tmp_path)
    other = DrawnRecording(tmp_path, name="b")
    changed = DrawnRecording(tmp_path)
    changed.fingerprint = "2"
    paths = {
        cache.open(recording, SIZE).path,
        cache.open(recording, (25, 32)).path,
        cache.open(recording, SIZE, letterbox=True).path,
        cache.open(changed, SIZE).path,
        cache.open(other, SIZE).path,
        cache.open(other, (8, 8), rows=range(3)).path,
        cache.open(other, (8, 8), rows=range(4)).path,
    }
    assert len(paths) == 7
    assert cache.open(recording, SIZE, rows=[3, 5]).path in paths  # all are there: those serve
    assert cache.open(recording, SIZE, rows=[3, 5]).frames([5]).tolist() == expected([5]).tolist()


def test_pickled_and_forked_handles(tmp_path: Path) -> None:
    cache = FrameCache(tmp_path / "cache")
    frames = cache.open(DrawnRecording(tmp_path), SIZE)
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(frames)).frames([4]), expected([4]))  # noqa: S301 - ours
    child = os.fork()
    if child == 0:
        ok = frames.frames([11]).tolist() == expected([11]).tolist()
        ok &= cache.open(DrawnRecording(tmp_path), SIZE).frames([12]).tolist() == expected([12]).tolist()
        os._exit(0 if ok else 1)
    assert os.waitpid(child, 0)[1] == 0
    gone = pickle.dumps(frames)
    frames.path.unlink()
    with pytest.raises(StorageError, match="removed"):
        pickle.loads(gone)  # noqa: S301 - ours


def test_damaged_pixels_are_noticed_and_removed(tmp_path: Path) -> None:
    recording, cache = DrawnRecording(tmp_path), FrameCache(tmp_path / "cache")
    path = cache.open(recording, SIZE).path
    for spot in (0, 24 * 32 * 3 * 40 - 1):
        with path.open("r+b") as file:
            file.seek(spot)
            byte = file.read(1)[0]
            file.seek(spot)
            file.write(bytes([byte ^ 4]))
        with pytest.raises(StorageError, match="not what was written"):
            cache.open(recording, SIZE).frames([20])
        assert not path.exists()
        cache.open(recording, SIZE).check()
    assert recording.decoded == 3


def test_anything_else_than_a_whole_file_is_made_anew(tmp_path: Path) -> None:
    recording, cache = DrawnRecording(tmp_path), FrameCache(tmp_path / "cache")
    path = cache.open(recording, SIZE).path
    whole = path.read_bytes()
    rng = np.random.default_rng(0)
    pixels = 24 * 32 * 3 * 40
    damaged = [b"", b"x" * 99, whole[:-1], whole + b"\0", whole[:pixels], whole[1:]]
    for spot in rng.integers(pixels, len(whole), 30):
        damaged.append(whole[:spot] + bytes([whole[spot] ^ int(rng.integers(1, 256))]) + whole[spot + 1 :])
    for content in damaged:
        path.write_bytes(content)
        np.testing.assert_array_equal(cache.open(recording, SIZE).frames(range(40)), expected(range(40)))
        assert path.read_bytes() == whole


def test_least_recently_used_goes_first_and_what_is_open_stays(tmp_path: Path) -> None:
    cache = FrameCache(tmp_path / "cache", max_bytes=3 * FILE_BYTES)
    recordings = [DrawnRecording(tmp_path, name=name) for name in "abcd"]
    kept = cache.open(recordings[0], SIZE)
    for recording in recordings[1:3]:
        cache.open(recording, SIZE).close()
        time.sleep(0.01)
    cache.open(recordings[1], SIZE).close()  # of those that nobody uses, c is now the one not used for longest
    cache.open(recordings[3], SIZE).close()
    there = [cache.find(recording, SIZE) is not None for recording in recordings]
    assert there == [True, True, False, True]
    assert [entry.in_use for entry in cache.entries() if entry.path == kept.path] == [True]
    assert sum(entry.bytes for entry in cache.entries()) <= cache.max_bytes


def test_what_another_process_uses_is_not_removed_until_it_dies(tmp_path: Path) -> None:
    cache = FrameCache(tmp_path / "cache", max_bytes=FILE_BYTES)
    script = (
        "import sys; from pathlib import Path\n"
        "from gameon_env.datasets.frame_cache import FrameCache\n"
        "from tests.unit.datasets.drawn_recording import DrawnRecording\n"
        f"frames = FrameCache({str(cache.folder)!r}).open(DrawnRecording(Path({str(tmp_path)!r})), {SIZE})\n"
        "print('open', flush=True); sys.stdin.read()\n"
    )
    process = subprocess.Popen([sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == "open\n"
        other = DrawnRecording(tmp_path, name="b")
        with pytest.raises(StorageError, match=f"{FILE_BYTES:,} bytes.*running processes"):
            cache.open(other, SIZE)
        assert other.decoded == 0
    finally:
        process.kill()
        process.communicate()
    assert len(cache.open(other, SIZE)) == 40
    assert [entry.bytes for entry in cache.entries()] == [FILE_BYTES]


def test_processes_that_start_at_once_decode_once(tmp_path: Path) -> None:
    recording = DrawnRecording(tmp_path, slow_s=0.02)
    script = (
        "import sys; from pathlib import Path\n"
        "from gameon_env.datasets.frame_cache import FrameCache\n"
        "from tests.unit.datasets.drawn_recording import DrawnRecording\n"
        f"recording = DrawnRecording(Path({str(tmp_path)!r}), slow_s=0.02)\n"
        f"frames = FrameCache({str(tmp_path / 'cache')!r}).open(recording, {SIZE})\n"
        f"print(int(frames.frames(range(40)).sum()))\n"
    )
    processes = [subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True) for _ in range(4)]
    answers = [process.communicate()[0].strip() for process in processes]
    assert answers == [str(int(expected(range(40)).sum()))] * 4
    assert recording.decoded == 1


def test_a_builder_that_is_killed_leaves_nothing_whole(tmp_path: Path) -> None:
    cache = FrameCache(tmp_path / "cache", max_bytes=FILE_BYTES)
    for rounds in range(1, 5):
        child = os.fork()
        if child == 0:
            slow = DrawnRecording(tmp_path, name="slow", slow_s=0.01)
            cache.open(slow, SIZE)
            os._exit(0)
        deadline = time.monotonic() + 30
        while not list(cache.folder.glob("*.building")) and time.monotonic() < deadline:
            time.sleep(0.005)
        time.sleep(0.05 * rounds)
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        assert cache.entries() == []
    other = DrawnRecording(tmp_path, name="b")  # what the dead one reserved does not count
    np.testing.assert_array_equal(cache.open(other, SIZE).frames([3]), expected([3]))
    assert not list(cache.folder.glob("*.building"))


def test_an_interrupted_or_failing_decoder_leaves_nothing(tmp_path: Path) -> None:
    cache, recording = FrameCache(tmp_path / "cache"), DrawnRecording(tmp_path, num_frames=2000)

    def stop(done: int, total: int) -> None:
        assert total == 2000
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        cache.open(recording, SIZE, progress=stop)
    assert list(cache.folder.glob("*.frames")) == list(cache.folder.glob("*.building")) == []

    session = SessionRecording(record_media(tmp_path / "session"))
    (session.path / "video.mp4").write_bytes(b"no video")
    with pytest.raises(VideoError):
        cache.open(session, SIZE)
    assert list(cache.folder.glob("*.building")) == []


def test_no_room_is_said_before_anything_is_decoded(tmp_path: Path) -> None:
    huge = DrawnRecording(tmp_path, num_frames=10**5)
    needed = file_bytes(10**5, (8192, 8192))
    with pytest.raises(StorageError, match=f"{needed:,} bytes.* bytes are free"):
        FrameCache(tmp_path / "cache", max_bytes=2**60).open(huge, (8192, 8192))
    with pytest.raises(StorageError, match=r"bound is 1,000 bytes.*max_bytes"):
        FrameCache(tmp_path / "cache", max_bytes=1000).open(DrawnRecording(tmp_path), SIZE)
    assert huge.decoded == 0
    with pytest.raises(DatasetError, match="max_bytes"):
        FrameCache(tmp_path, max_bytes=0)


def test_a_small_disk(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", 4) as disk:
        cache = FrameCache(disk / "cache")
        large = DrawnRecording(tmp_path, num_frames=3000)
        with pytest.raises(StorageError, match="bytes are free"):
            cache.open(large, SIZE)
        assert large.decoded == 0
        first = [DrawnRecording(tmp_path, num_frames=600, name=name) for name in "ab"]
        for recording in first:  # 1.3 MB each
            cache.open(recording, SIZE).close()
        cache.open(DrawnRecording(tmp_path, num_frames=900, name="c"), SIZE).close()  # the oldest goes for it
        assert cache.find(first[0], SIZE) is None
        assert cache.find(first[1], SIZE) is not None


def test_a_folder_that_cannot_be_written(tmp_path: Path) -> None:
    recording, cache = DrawnRecording(tmp_path), FrameCache(tmp_path / "cache")
    cache.open(recording, SIZE).close()
    with read_only(tmp_path / "cache"):
        np.testing.assert_array_equal(cache.open(recording, SIZE).frames([1]), expected([1]))
        with pytest.raises(StorageError, match="writable"):
            cache.open(recording, (10, 10))
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError, match="cannot be made"):
        FrameCache(tmp_path / "file").open(recording, SIZE)


def test_a_folder_that_somebody_emptied(tmp_path: Path) -> None:
    recording, cache = DrawnRecording(tmp_path), FrameCache(tmp_path / "cache")
    first = cache.open(recording, SIZE)
    shutil.rmtree(cache.folder)
    np.testing.assert_array_equal(first.frames([2]), expected([2]))
    second = cache.open(recording, SIZE)
    np.testing.assert_array_equal(second.frames([3]), expected([3]))
    assert [entry.in_use for entry in cache.entries()] == [True]
    first.close()
    second.close()
    assert [entry.in_use for entry in cache.entries()] == [False]


def test_rows_and_sizes_that_cannot_be(tmp_path: Path) -> None:
    recording, cache = DrawnRecording(tmp_path), FrameCache(tmp_path / "cache")
    for rows in ([-1], [40], [0, 1000]):
        with pytest.raises(DatasetError, match="rows 0 to 39"):
            cache.open(recording, SIZE, rows=rows)
    with pytest.raises(DatasetError, match="at least one pixel"):
        cache.open(recording, (0, 5))
    empty = cache.open(recording, SIZE, rows=[])
    assert empty.frames([]).shape == (0, *SIZE, 3)
    assert cache.open(recording).size == recording.size
