"""The frames of several recordings at once."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from gameon_env.datasets.cache_build import build_caches
from gameon_env.datasets.cache_file import file_bytes
from gameon_env.datasets.frame_cache import FrameCache
from gameon_env.errors import DatasetError, StorageError
from tests.unit.datasets.drawn_recording import DrawnRecording, draw

SIZE = (24, 32)


@pytest.mark.parametrize("workers", [1, 2])
def test_all_recordings_in_their_order(tmp_path: Path, workers: int) -> None:
    recordings = [DrawnRecording(tmp_path, 10 * n, name=f"r{n}") for n in range(1, 5)]
    rows = [None, [3, 4], range(30), [0]]
    cache = FrameCache(tmp_path / "cache")
    cache.open(recordings[3], SIZE).close()
    seen: list[tuple[int, int]] = []
    frames = build_caches(
        recordings, SIZE, rows=rows, cache=cache, workers=workers, progress=lambda *done: seen.append(done)
    )
    assert [len(each) for each in frames] == [10, 2, 30, 40]
    np.testing.assert_array_equal(frames[1].frames([4])[0], draw(4, SIZE))
    assert seen[-1] == (42, 42)
    assert [done for done, _ in seen] == sorted(done for done, _ in seen)
    build_caches(recordings, SIZE, rows=rows, cache=cache, workers=workers)
    assert [recording.decoded for recording in recordings] == [1, 1, 1, 1]


def test_room_for_all_or_nothing_is_decoded(tmp_path: Path) -> None:
    recordings = [DrawnRecording(tmp_path, name=name) for name in "abc"]
    cache = FrameCache(tmp_path / "cache", max_bytes=2 * file_bytes(40, SIZE))
    kept = cache.open(recordings[0], SIZE)
    with pytest.raises(StorageError, match="80 frames of 2 recordings"):
        build_caches(recordings, SIZE, cache=cache)
    assert [recording.decoded for recording in recordings] == [1, 0, 0]
    assert len(kept) == 40


def test_a_worker_s_error_is_raised_here(tmp_path: Path) -> None:
    broken = DrawnRecording(tmp_path / "nowhere", name="broken")
    with pytest.raises(FileNotFoundError, match="broken"):
        build_caches([DrawnRecording(tmp_path), broken], SIZE, cache=FrameCache(tmp_path / "cache"), workers=2)


def test_nothing_and_too_few_rows(tmp_path: Path) -> None:
    assert build_caches([], SIZE, cache=FrameCache(tmp_path / "cache")) == []
    with pytest.raises(DatasetError, match="each of the 1 recordings"):
        build_caches([DrawnRecording(tmp_path)], SIZE, rows=[], cache=FrameCache(tmp_path / "cache"))
