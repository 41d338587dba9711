"""Trajectory files by URL: read from a local copy that follows the content, written whole or not at all."""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import fsspec
import numpy as np
import pytest

from gameon_env.data_processing.trajectory import load_episodes
from gameon_env.datasets.options import DatasetOptions
from gameon_env.datasets.recordings import find_recordings
from gameon_env.datasets.remote_file import local_copy, local_path, upload
from gameon_env.datasets.windows import Windows
from gameon_env.errors import DatasetError, MissingPartError, StorageError
from gameon_env.export.hdf5_export import command, export_to_hdf5
from gameon_env.export.npz_export import export_to_npz
from tests.unit.datasets.played_session import catalogue_of, played, trajectory


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache" / "gameon-env" / "remote"


@pytest.fixture
def place() -> Iterator[str]:
    """A folder in fsspec's memory, whose files are of this process."""
    name = f"/gameon-{uuid.uuid4().hex}"
    system = fsspec.filesystem("memory")
    system.mkdirs(name)
    yield f"memory:/{name}"
    system.rm(name, recursive=True)


def listed(place: str) -> list[str]:
    system, path = fsspec.core.url_to_fs(place)
    return sorted(name.rpartition("/")[2] for name in system.ls(path, detail=False))


def test_a_dataset_from_elsewhere(place: str, tmp_path: Path) -> None:
    local = trajectory(tmp_path)
    upload(local, f"{place}/dots.h5")
    windows = Windows(DatasetOptions(db_path=f"{place}/dots.h5", sequence_length=3, target_size=(12, 24)))
    same = Windows(DatasetOptions(db_path=local, sequence_length=3, target_size=(12, 24)))
    assert len(windows) == len(same) > 0
    np.testing.assert_array_equal(windows.batch([0, 5]).frames, same.batch([0, 5]).frames)
    assert [recording.id for recording in windows.recordings] == ["dots.h5:0", "dots.h5:1"]


def test_the_copy_is_made_once_and_follows_the_content(place: str, tmp_path: Path, cache: Path) -> None:
    url = f"{place}/dots.h5"
    upload(trajectory(tmp_path / "a"), url)
    first = local_copy(url)
    stamp = first.stat().st_ino
    assert local_copy(url) == first
    assert first.stat().st_ino == stamp
    fingerprints = [recording.fingerprint for recording in find_recordings(url)]
    first.write_bytes(b"cut")  # a copy that is not whole is fetched again
    assert len(load_episodes(local_copy(url))) == 2
    assert [recording.fingerprint for recording in find_recordings(url)] == fingerprints
    upload(trajectory(tmp_path / "b", (3,)), url)
    second = local_copy(url)
    assert second != first
    assert len(load_episodes(second)) == 1
    assert first.exists()  # a training may still read it
    os.utime(first, (1, 1))
    local_copy(url)
    assert not first.exists()
    assert not list(cache.rglob("*.part"))


@pytest.mark.parametrize("compression", ["gzip", None])
def test_an_export_to_elsewhere(place: str, tmp_path: Path, compression: Any) -> None:
    played(tmp_path / "sessions" / "one", 20)
    database = catalogue_of(tmp_path)
    summary = export_to_hdf5(database, f"{place}/dots.h5", compression=compression)
    assert summary.path == f"{place}/dots.h5"
    assert listed(place) == ["dots.h5"]
    export_to_hdf5(database, tmp_path / "here.h5", compression=compression)
    (ours,), (same,) = load_episodes(local_copy(f"{place}/dots.h5")), load_episodes(tmp_path / "here.h5")
    np.testing.assert_array_equal(ours.video(), same.video())
    export_to_npz(f"{place}/dots.h5", f"{place}/again.npz")
    (again,) = find_recordings(f"{place}/again.npz")
    np.testing.assert_array_equal(again.frames(range(20)), same.video())


def test_the_command_takes_urls(place: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    upload(trajectory(tmp_path), f"{place}/dots.h5")
    assert (
        command.main(["--all", "--db", f"{place}/dots.h5", "--output", f"{place}/small.h5", "--downsample", "2"]) == 0
    )
    assert f"{place}/small.h5: 2 episodes" in capsys.readouterr().out
    assert listed(place) == ["dots.h5", "small.h5"]


def test_what_fails_leaves_what_was_there(place: str, tmp_path: Path) -> None:
    url = f"{place}/dots.h5"
    upload(trajectory(tmp_path), url)
    before = fsspec.filesystem("memory").cat(url)

    def stop(state: object) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        export_to_hdf5(played(tmp_path / "s"), url, progress=stop)
    assert fsspec.filesystem("memory").cat(url) == before
    assert listed(place) == ["dots.h5"]


def test_file_urls_are_paths(tmp_path: Path, cache: Path) -> None:
    session = played(tmp_path / "s")
    summary = export_to_hdf5(f"file://{session}", f"file://{tmp_path}/dots.h5")
    assert summary.path == tmp_path / "dots.h5"
    assert local_path(f"file://{tmp_path}/dots.h5") == tmp_path / "dots.h5"
    (recording,) = find_recordings(f"file://{tmp_path}/dots.h5")
    assert recording.path == tmp_path / "dots.h5"
    assert not cache.exists()
    with pytest.raises(StorageError, match="does not exist"):
        export_to_hdf5(session, f"file://{tmp_path}/nowhere/dots.h5")


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("memory://nowhere/dots.h5", "memory://nowhere/dots.h5 does not exist"),
        ("memory://data/gameon.db", "only single trajectory files .* gameon export hdf5"),
        ("memory://data/", "only single trajectory files"),
        ("nothing://data/a.h5", "no URL that fsspec knows"),
    ],
)
def test_wrong_sources(url: str, message: str) -> None:
    with pytest.raises(DatasetError, match=message):
        find_recordings(url)


def test_a_folder_named_like_a_file(place: str) -> None:
    fsspec.filesystem("memory").mkdirs(f"{place}/a.h5")
    with pytest.raises(DatasetError, match="is a folder"):
        find_recordings(f"{place}/a.h5")


def test_wrong_outputs(place: str, tmp_path: Path) -> None:
    session = played(tmp_path / "s")
    with pytest.raises(DatasetError, match="names no file"):
        export_to_hdf5(session, f"{place}/")
    with pytest.raises((StorageError, MissingPartError), match=r"a\.h5"):  # HTTP cannot, or is not installed
        export_to_hdf5(session, "http://127.0.0.1:9/a.h5")


def test_without_fsspec_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "fsspec", None)
    with pytest.raises(MissingPartError, match=r"pip install 'gameon-env\[remote\]'"):
        find_recordings("s3://data/a.h5")
