"""One recorder for one window, wherever the lock can be kept."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest

from gameon_env.errors import SessionError, StorageError
from gameon_env.recording.window_lock import WindowLock
from tests.unit.recording.small_session import read_only


@pytest.fixture(autouse=True)
def folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))


def taken() -> None:
    with pytest.raises(SessionError, match=r"another recorder records window 5 of display :1\.0 already"):
        WindowLock(":1.0", "window 5")


def test_the_second_recorder_is_told_and_nothing_is_left(tmp_path: Path) -> None:
    lock = WindowLock(":1", "window 5")
    taken()
    other = WindowLock(":1", "window 6")
    lock.release()
    lock.release()
    WindowLock(":1.0", "window 5").release()
    other.release()
    assert list((tmp_path / "cache" / "gameon-env" / "recorded_windows").iterdir()) == []
    assert not (tmp_path / "temporary").exists()


def test_without_a_folder_for_caches_it_is_kept_among_temporary_files(tmp_path: Path) -> None:
    (tmp_path / "cache").write_text("no folder")
    lock = WindowLock(":1", "window 5")
    taken()
    lock.release()
    (kept,) = (tmp_path / "temporary").iterdir()
    assert list((kept / "recorded_windows").iterdir()) == []


def test_a_folder_for_caches_that_became_read_only(tmp_path: Path) -> None:
    WindowLock(":1", "window 5").release()
    with read_only(tmp_path / "cache"):
        lock = WindowLock(":1", "window 5")
        taken()
        lock.release()


def test_where_nothing_can_be_written_the_remedy_is_named(tmp_path: Path) -> None:
    for name in ("cache", "temporary"):
        (tmp_path / name).write_text("no folder")
    with pytest.raises(StorageError, match="XDG_CACHE_HOME"):
        WindowLock(":1", "window 5")
