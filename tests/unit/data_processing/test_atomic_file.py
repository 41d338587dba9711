"""Commits are whole or absent: seen at every single write that a commit makes."""

from __future__ import annotations

import errno
import io
import os
import shutil
from pathlib import Path

import h5py
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gameon_env.data_processing import atomic_file
from gameon_env.data_processing.atomic_file import AtomicFile, has_redo, redo_path, sync_folder
from gameon_env.data_processing.trajectory import STEP_COLUMNS, Column, load_episodes, open_writer, recover, zero_row

writes = st.lists(
    st.one_of(
        st.tuples(st.just("write"), st.integers(0, 20_000), st.binary(min_size=1, max_size=6000)),
        st.tuples(st.just("truncate"), st.integers(0, 20_000), st.just(b"")),
        st.tuples(st.just("commit"), st.booleans().map(int), st.just(b"")),
    ),
    max_size=30,
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=writes)
def test_it_reads_like_a_file_and_keeps_the_last_commit(
    tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[str, int, bytes]]
) -> None:
    path = tmp_path_factory.mktemp("atomic") / "f"
    path.write_bytes(b"")
    file = AtomicFile(path, writable=True)
    model, committed = bytearray(), b""
    for kind, number, data in steps:
        if kind == "write":
            model.extend(bytes(max(0, number - len(model))))
            model[number : number + len(data)] = data
            file.seek(number)
            assert file.write(data) == len(data)
        elif kind == "truncate":
            model = model[:number] + bytes(max(0, number - len(model)))
            file.truncate(number)
        else:
            file.commit(durable=bool(number))
            committed = bytes(model)
            assert path.read_bytes() == committed
        assert path.read_bytes()[: len(committed)] == committed
        assert file.seek(0, io.SEEK_END) == len(model)
        file.seek(0)
        buffer = bytearray(len(model))
        file.readinto(buffer)
        assert buffer == model
    file.close()
    file.close()
    assert not redo_path(path).exists()


def snapshots_of(path: Path, folder: Path, monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """Copy the file and its redo file before, within and after each write from now on: what a kill there leaves.

    Returns a growing list of the copies.
    """
    taken: list[Path] = []
    write_all = atomic_file._write_all

    def snapshot() -> None:
        target = folder / f"{len(taken)}{path.suffix}"
        shutil.copyfile(path, target)
        if redo_path(path).exists():
            shutil.copyfile(redo_path(path), redo_path(target))
        taken.append(target)

    def observed(file: io.FileIO, data: memoryview, offset: int) -> None:
        snapshot()
        write_all(file, data[: len(data) // 2], offset)
        snapshot()
        write_all(file, data[len(data) // 2 :], offset + len(data) // 2)
        snapshot()

    monkeypatch.setattr(atomic_file, "_write_all", observed)
    return taken


def test_a_kill_between_any_two_writes_leaves_one_commit_or_the_next(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "f"
    path.write_bytes(old := bytes(range(256)) * 64)
    file = AtomicFile(path, writable=True)
    taken = snapshots_of(path, tmp_path, monkeypatch)
    new = bytearray(old)
    for offset in (0, 5000, 12_000):
        new[offset : offset + 100] = b"x" * 100
        file.seek(offset)
        file.write(b"x" * 100)
    file.commit(durable=False)
    file.close()
    contents = []
    for target in taken:
        with AtomicFile(target, writable=False) as snapshot:
            contents.append(snapshot.read(len(old)))
    assert set(contents) == {old, bytes(new)}
    assert contents == sorted(contents, key=lambda content: content == new)
    assert any(has_redo(target) for target in taken)


def test_a_kill_between_any_two_writes_loses_no_finished_episode(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    columns = (Column("video", "uint8", (40, 40, 3)), Column("inputs", "float32", (2,)), *STEP_COLUMNS)
    writer = open_writer(tmp_path / "live", "game", columns)
    (tmp_path / "snapshots").mkdir()
    taken = snapshots_of(writer.path, tmp_path / "snapshots", monkeypatch)
    finished_at: list[int] = []
    for number in range(8):
        writer.start_episode({"seed": number})
        for i in range(12):
            row = zero_row(columns)
            row["video"][...] = number * 20 + i
            row["is_first"][...], row["is_last"][...] = i == 0, i == 11
            writer.append(row)
        writer.end_episode({"seed": number})
        finished_at.append(len(taken))
    writer.close()
    assert len(taken) > 200
    between = 0
    for index, target in enumerate(taken[::3]):
        finished = sum(at <= index * 3 for at in finished_at)
        episodes = load_episodes(target)
        assert len(episodes) in (finished, finished + 1)
        for number, episode in enumerate(episodes):
            np.testing.assert_array_equal(episode.video()[:, 0, 0, 0], number * 20 + np.arange(12))
        if not has_redo(target):
            with h5py.File(target) as file:
                assert len(file["metadata"]) == len(episodes)
        else:
            between += 1
        if index % 20 == 0:
            recover(target)
    assert between


def test_a_full_disk_is_kept_as_the_error_and_closing_still_works(tmp_path: Path) -> None:
    with Path("/dev/full").open("r+b", buffering=0) as full:
        path = tmp_path / "f"
        path.write_bytes(b"old")
        file = AtomicFile(path, writable=True)
        file._file.close()
        file._file = full
        file.seek(3)
        file.write(b"new")
        assert file.error is not None
        with pytest.raises(OSError, match="No space left"):
            file.commit(durable=False)
        with pytest.raises(OSError, match="No space left"):
            file.check()
        file.close()
    assert path.read_bytes() == b"old"


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="no file system here that cannot wait for folders")
def test_a_file_system_that_cannot_wait_for_folders_is_no_error() -> None:
    folder = os.open("/proc", os.O_RDONLY)
    with pytest.raises(OSError, match="Invalid argument"):
        os.fsync(folder)
    os.close(folder)
    sync_folder(Path("/proc"))


def test_a_disk_that_fails_is_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(_: int) -> None:
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(os, "fsync", fails)
    with pytest.raises(OSError, match="Input/output"):
        sync_folder(tmp_path)
