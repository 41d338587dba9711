"""Steps on the disk: what goes in comes out, and what was saved stays."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gameon_env.controls import Controls
from gameon_env.data_processing import DataStorage, DataSynchronizer, SyncedData
from gameon_env.errors import GameOnError, SessionError, StorageError, UnknownNameError


def step(number: int, features: Any = None, **more: Any) -> SyncedData:
    inputs = more.pop("inputs", [{"control": "key:w", "value": 1.0}])
    return SyncedData(number * 1000, f"frame_{number:06d}", features, inputs, {"end": number * 1000 + 999}, **more)


def assert_same(found: SyncedData, expected: SyncedData) -> None:
    for name in ("timestamp", "frame_id", "inputs", "metadata"):
        assert getattr(found, name) == getattr(expected, name)
    for name in ("frame_features", "vector", "presses"):
        a, b = getattr(found, name), getattr(expected, name)
        assert (a is None) == (b is None)
        if a is not None:
            np.testing.assert_array_equal(a, b)
            assert a.dtype == np.asarray(b).dtype
    assert len(found.audio) == len(expected.audio)
    for (t, samples), (t2, samples2) in zip(found.audio, expected.audio, strict=True):
        assert t == t2
        np.testing.assert_array_equal(samples, samples2)


@settings(deadline=None, max_examples=25)
@given(
    batches=st.lists(st.lists(st.tuples(st.booleans(), st.integers(0, 3)), max_size=5), max_size=4),
    compression=st.sampled_from(["gzip", "lzf", None]),
)
def test_what_goes_in_comes_out(
    tmp_path_factory: pytest.TempPathFactory, batches: list[list[tuple[bool, int]]], compression: str | None
) -> None:
    storage = DataStorage(tmp_path_factory.mktemp("storage"), compression)
    storage.start_session("one", {"game": "Döom: II"}, controls=["key:w", "mouse:dx"])
    random = np.random.default_rng(0)
    saved: list[SyncedData] = []
    for batch in batches:
        steps = [
            step(
                len(saved) + i,
                random.normal(size=(4, 2)).astype(np.float32) if has_features else None,
                vector=random.normal(size=2).astype(np.float32),
                presses=random.integers(0, 3, 2).astype(np.uint8),
                audio=tuple((k, random.normal(size=(k, 2)).astype(np.float32)) for k in range(blocks)),
                inputs=[{"control": "key:w", "value": k, "text": "ä☃"} for k in range(blocks)],
            )
            for i, (has_features, blocks) in enumerate(batch)
        ]
        storage.save_synced_data(steps)
        saved += steps
        found = storage.load("one")  # while it is still being written
        assert len(found) == len(saved)
    for a, b in zip(storage.load("one"), saved, strict=True):
        assert_same(a, b)
    assert storage.metadata("one") == {"game": "Döom: II"}


def test_many_steps_are_read_in_blocks(tmp_path: Path) -> None:
    with DataStorage(tmp_path) as storage:
        storage.start_session("long", {})
        steps = [
            step(i, np.full(3, i, np.float32) if i % 3 else None, audio=((i, np.full((i % 4, 1), i, np.float32)),))
            for i in range(700)
        ]
        storage.save_synced_data(steps[:300])
        storage.save_synced_data(steps[300:])
    for a, b in zip(storage.iterate("long"), steps, strict=True):
        assert_same(a, b)


def test_a_synchronizer_s_steps_are_stored_with_their_names_and_plain_h5py_reads_them(tmp_path: Path) -> None:
    names = ["key:w", "mouse:dx"]
    sync = DataSynchronizer(controls=Controls(names))
    for i in range(10):
        sync.add_frame(f"f{i}", i * 33_000, np.full(8, i, np.float32))
        sync.add_input(i * 33_000 + 5, {"control": "mouse:dx", "value": 50})
    with DataStorage(tmp_path) as storage:
        assert storage.start_session("20240101_120000", {"game": "doom"}, controls=names) == "20240101_120000"
        assert storage.current_session == "20240101_120000"
        storage.save_synced_data(sync.sync_data(final=True))
    assert storage.current_session is None
    with h5py.File(tmp_path / "session_20240101_120000" / "data.h5") as file:
        assert file.attrs["session_id"] == "20240101_120000"
        assert json.loads(file.attrs["metadata"]) == {"game": "doom"}
        assert json.loads(file.attrs["controls"]) == names
        assert file["frames/frame_id"].asstr()[:].tolist() == [f"f{i}" for i in range(10)]
        assert file["frames/timestamp"][:].tolist() == [i * 33_000 for i in range(10)]
        assert json.loads(file["frames/inputs"][3]) == [{"control": "mouse:dx", "value": 50}]
        assert file["features/values"].shape == (10, 8)
        assert file["features/row"][:].tolist() == list(range(10))
        assert file["vectors/inputs"][:, 1].tolist() == [0.5] * 10


def test_tensors_and_numpy_values_are_stored(tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    storage = DataStorage(tmp_path)
    storage.start_session("a", {"size": np.array([1, 2]), "path": tmp_path, "keys": {"b", "a"}})
    storage.save_synced_data(
        [step(0, torch.ones(3, requires_grad=True), inputs=[{"value": np.float32(0.5), "at": np.int64(7)}])]
    )
    (found,) = storage.load("a")
    assert found.frame_features.tolist() == [1, 1, 1]
    assert found.inputs == [{"value": 0.5, "at": 7}]
    assert storage.metadata("a") == {"size": [1, 2], "path": str(tmp_path), "keys": ["a", "b"]}


def test_without_a_session_nothing_is_saved(tmp_path: Path) -> None:
    storage = DataStorage(tmp_path)
    with pytest.raises(ValueError, match="No active session") as caught:
        storage.save_synced_data([step(0)])
    assert isinstance(caught.value, GameOnError)
    storage.start_session("a", {})
    storage.close()
    storage.close()
    with pytest.raises(SessionError, match="No active session"):
        storage.save_synced_data([step(0)])


def test_a_session_is_never_overwritten(tmp_path: Path) -> None:
    storage = DataStorage(tmp_path)
    storage.start_session("a", {})
    storage.save_synced_data([step(0)])
    for other in (storage, DataStorage(tmp_path)):
        with pytest.raises(SessionError, match="nothing is overwritten"):
            other.start_session("a", {})
    storage.save_synced_data([step(1)])  # the session goes on
    assert [found.timestamp for found in storage.load("a")] == [0, 1000]
    storage.start_session("b", {})
    assert storage.sessions() == ["a", "b"]
    with pytest.raises(UnknownNameError, match="Did you mean 'a'"):
        storage.load("aa")


@pytest.mark.parametrize("session_id", ["", ".", "..", "../x", "a/b", "a\\b", "C:x", "a\n", ".hidden", "x "])
def test_ids_that_are_no_folder_s_name_are_refused(tmp_path: Path, session_id: str) -> None:
    with pytest.raises(SessionError, match="cannot name a session"):
        DataStorage(tmp_path / "base").start_session(session_id, {})
    assert list((tmp_path / "base").iterdir()) == []


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        (step(3, np.zeros(3, np.float32), inputs=[{"value": b"raw"}]), "inputs of frame 'frame_000003'.*bytes"),
        (step(3, np.zeros(3, np.float32), inputs=[{"value": float("nan")}]), "cannot be stored as JSON"),
        (step(3, np.zeros(4, np.float32)), "features/values holds \\(3,\\) float32"),
        (step(3, np.zeros(3, np.float64)), "got \\(3,\\) float64"),
        (step(3, np.array(["x"])), "must be an array of numbers"),
        (step(3, vector=np.zeros(2, np.float32), presses=np.zeros(2, np.uint8)), "start_session\\(controls"),
        (step(3, audio=((0, np.zeros((5, 1), np.float32)),)), "session's sound"),
    ],
)
def test_of_a_batch_with_a_bad_step_nothing_is_saved(tmp_path: Path, bad: SyncedData, message: str) -> None:
    good = [step(i, np.full(3, i, np.float32), audio=((i, np.zeros((5, 2), np.float32)),)) for i in range(3)]
    storage = DataStorage(tmp_path)
    storage.start_session("a", {})
    storage.save_synced_data(good)
    with pytest.raises(SessionError, match=message):
        storage.save_synced_data([step(7, np.zeros(3, np.float32)), bad])
    storage.save_synced_data([step(9, np.full(3, 9, np.float32))])
    assert [found.timestamp for found in storage.load("a")] == [0, 1000, 2000, 9000]
    assert storage.load("a")[3].frame_features.tolist() == [9, 9, 9]


def test_steps_without_vectors_are_refused_where_the_session_has_controls(tmp_path: Path) -> None:
    storage = DataStorage(tmp_path)
    storage.start_session("a", {}, controls=["key:w"])
    with pytest.raises(SessionError, match="each step needs a vector"):
        storage.save_synced_data([step(0)])
    assert storage.load("a") == []


def test_metadata_may_be_larger_than_an_attribute_of_old_hdf5(tmp_path: Path) -> None:
    storage = DataStorage(tmp_path)
    storage.start_session("a", {"text": "x" * 200_000})
    storage.save_synced_data([step(0, inputs=[{"text": "y" * 200_000}])])
    assert len(storage.metadata("a")["text"]) == len(storage.load("a")[0].inputs[0]["text"]) == 200_000


def test_a_damaged_or_foreign_file_is_said_to_be_one(tmp_path: Path) -> None:
    storage = DataStorage(tmp_path)
    storage.start_session("a", {})
    storage.close()
    path = tmp_path / "session_a" / "data.h5"
    path.write_bytes(path.read_bytes()[:500])
    with pytest.raises(SessionError, match="cannot be read"):
        storage.load("a")
    path.unlink()
    with h5py.File(path, "w") as file:
        file["x"] = 1
    with pytest.raises(SessionError, match="expected gameon-synced"):
        storage.load("a")
    with pytest.raises(UnknownNameError, match="compression"):
        DataStorage(tmp_path, "zip")


def test_a_disk_that_refuses_leaves_what_was_saved(tmp_path: Path) -> None:
    """The limit on a file's size stands for a full disk: the write fails in the same place."""
    code = """
import resource, signal, sys
import numpy as np
from gameon_env.data_processing import DataStorage, SyncedData
from gameon_env.errors import StorageError
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
storage = DataStorage(sys.argv[1], compression=None)
storage.start_session("a", {})
resource.setrlimit(resource.RLIMIT_FSIZE, (3_000_000, 3_000_000))
for i in range(1000):
    try:
        storage.save_synced_data([SyncedData(i, str(i), np.full(10_000, i, np.float32), [], {})])
    except StorageError as error:
        print(i, error, flush=True)
        break
"""
    done = subprocess.run([sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    count = int(done.stdout.split()[0])
    assert count > 10
    assert "What was saved before is safe" in done.stdout
    found = DataStorage(tmp_path).load("a")
    assert [item.timestamp for item in found] == list(range(count))
    assert all(item.frame_features[0] == item.timestamp for item in found)


@pytest.mark.skipif(sys.platform == "win32", reason="SIGKILL")
@pytest.mark.parametrize("run", range(6))
def test_a_kill_leaves_all_that_was_saved(tmp_path: Path, run: int) -> None:
    code = """
import sys
import numpy as np
from gameon_env.data_processing import DataStorage, SyncedData
storage = DataStorage(sys.argv[1])
storage.start_session("a", {})
for i in range(10**6):
    features = np.full(500, i, np.float32)
    storage.save_synced_data([SyncedData(i * 3 + k, str(i), features, [{"i": i}], {}) for k in range(3)])
    print(i, flush=True)
"""
    child = subprocess.Popen([sys.executable, "-c", code, str(tmp_path)], stdout=subprocess.PIPE, text=True)
    assert child.stdout is not None
    saved = -1
    for line in child.stdout:
        saved = int(line)
        if saved >= 20 + 7 * run:
            os.kill(child.pid, signal.SIGKILL)
            break
    saved = max([saved, *(int(line) for line in child.stdout)])
    child.stdout.close()
    child.wait()
    found = DataStorage(tmp_path).load("a")
    assert len(found) in (3 * (saved + 1), 3 * (saved + 2))
    assert [item.timestamp for item in found] == list(range(len(found)))
    assert found[-1].frame_features.tolist() == [len(found) // 3 - 1] * 500


def test_a_folder_that_cannot_be_made_is_a_storage_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError, match="could not be written"):
        DataStorage(tmp_path / "file" / "below")
