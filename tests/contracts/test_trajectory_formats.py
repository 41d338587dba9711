"""What every trajectory format promises: one suite over all of them."""

from __future__ import annotations

import json
import multiprocessing
import os
import pickle
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gameon_env.data_processing.trajectory import (
    STEP_COLUMNS,
    Column,
    Episode,
    TrajectoryWriter,
    load_episodes,
    open_writer,
    recover,
    zero_row,
)
from gameon_env.errors import StorageError, TrajectoryError, UnknownNameError

CONTROLS = ["key:w", "mouse:dx", "mouse:left"]
COLUMNS = (
    Column("video", "uint8", (8, 6, 3)),
    Column("inputs", "float32", (3,)),
    Column("presses", "uint8", (3,)),
    *STEP_COLUMNS,
)
LARGE = (Column("video", "uint8", (48, 64, 3)), *COLUMNS[1:])
Arrays = dict[str, npt.NDArray[Any]]


@pytest.fixture(params=["hdf5", "npz"])
def fmt(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def make_episode(steps: int, seed: int = 0, columns: tuple[Column, ...] = COLUMNS) -> Arrays:
    """Columns of a random episode with ``steps`` actions."""
    rng = np.random.default_rng(seed)
    rows = {
        column.name: rng.integers(0, 256, (steps + 1, *column.shape)).astype(column.dtype)
        for column in columns
        if not column.name.startswith("is_")
    }
    rows["timestamps"] = np.arange(steps + 1) * 33_000_000
    for name in ("is_first", "is_last", "is_terminal", "is_valid"):
        rows[name] = np.zeros(steps + 1, bool)
    rows["is_first"][0] = rows["is_last"][-1] = True
    rows["is_terminal"][-1] = bool(seed % 2)
    rows["is_valid"][:-1] = True
    for name in ("inputs", "presses", "rewards", "actions"):
        if name in rows:
            rows[name][-1] = 0
    return rows


def write_rows(writer: TrajectoryWriter, rows: Arrays, stop: int | None = None) -> None:
    for i in range(len(rows["rewards"]) if stop is None else stop):
        writer.append({name: values[i] for name, values in rows.items()})


def write_episode(writer: TrajectoryWriter, rows: Arrays, metadata: dict[str, Any] | None = None) -> Path:
    metadata = {"controls": CONTROLS, "fps": 30, **(metadata or {})}
    writer.start_episode(metadata)
    write_rows(writer, rows)
    return writer.end_episode({**metadata, "end_reason": "terminated"})


def assert_same(episode: Episode, rows: Arrays) -> None:
    assert episode.num_steps == len(rows["rewards"]) - 1
    for name, values in rows.items():
        read = episode.column(name)
        assert read.dtype == values.dtype
        np.testing.assert_array_equal(read, values)


episodes_strategy = st.lists(st.integers(1, 40), min_size=1, max_size=4)


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(lengths=episodes_strategy, seed=st.integers(0, 1000))
def test_what_is_written_is_read(
    tmp_path_factory: pytest.TempPathFactory, fmt: str, lengths: list[int], seed: int
) -> None:
    folder = tmp_path_factory.mktemp("round")
    written = [make_episode(steps, seed + i) for i, steps in enumerate(lengths)]
    writer = open_writer(folder, "game", COLUMNS, fmt)
    for i, rows in enumerate(written):
        write_episode(writer, rows, {"seed": i})
    writer.close()
    episodes = load_episodes(folder)
    assert [episode.metadata["seed"] for episode in episodes] == list(range(len(lengths)))
    for episode, rows in zip(episodes, written, strict=True):
        assert_same(episode, rows)


column_strategy = st.tuples(
    st.sampled_from(["float32", "float64", "int64", "uint8", "int8", "bool", "int32"]),
    st.lists(st.integers(1, 5), max_size=3).map(tuple),
)


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(parts=st.lists(column_strategy, min_size=1, max_size=4), steps=st.integers(1, 20))
def test_native_columns_of_any_kind_are_read_as_written(
    tmp_path_factory: pytest.TempPathFactory, fmt: str, parts: list[tuple[str, tuple[int, ...]]], steps: int
) -> None:
    columns = (
        *(Column(f"observations/a/{i}", dtype, shape) for i, (dtype, shape) in enumerate(parts)),
        Column("actions", *parts[0]),
        *STEP_COLUMNS,
    )
    rows = make_episode(steps, 3, columns)
    folder = tmp_path_factory.mktemp("native")
    writer = open_writer(folder, "game", columns, fmt)
    write_episode(writer, rows, {"controls": None})
    writer.close()
    (episode,) = load_episodes(folder)
    assert episode.controls is None
    np.testing.assert_array_equal(episode.observations("a/0"), rows["observations/a/0"])
    np.testing.assert_array_equal(episode.actions, rows["actions"])  # type: ignore[arg-type]
    assert_same(episode, rows)


def test_rows_can_be_asked_for_in_any_way(tmp_path: Path, fmt: str) -> None:
    writer = open_writer(tmp_path, "game", COLUMNS, fmt)
    write_episode(writer, make_episode(5, 1))
    rows = make_episode(9, 2)
    write_episode(writer, rows)
    writer.close()
    episode = load_episodes(tmp_path)[1]
    video = rows["video"]
    np.testing.assert_array_equal(episode.video(), video)
    np.testing.assert_array_equal(episode.video(3), video[3:4])
    np.testing.assert_array_equal(episode.video(-1), video[-1:])
    np.testing.assert_array_equal(episode.video(slice(2, 7)), video[2:7])
    np.testing.assert_array_equal(episode.video(slice(None, None, -2)), video[::-2])
    np.testing.assert_array_equal(episode.video(slice(7, 2)), video[7:2])
    np.testing.assert_array_equal(episode.video(np.array([4, 0, 4, -2])), video[[4, 0, 4, -2]])
    np.testing.assert_array_equal(episode.video(rows["is_valid"]), video[:-1])  # type: ignore[arg-type]
    assert episode.video([]).shape == (0, 8, 6, 3)
    with pytest.raises(IndexError, match="asked of an episode with 10"):
        episode.video(10)
    with pytest.raises(TrajectoryError, match=r"no column 'audio'; it has .*video"):
        episode.column("audio")
    assert episode.controls == tuple(CONTROLS)
    assert episode.fps == 30


def test_plain_libraries_read_the_files(tmp_path: Path, fmt: str) -> None:
    rows = make_episode(7)
    writer = open_writer(tmp_path, "game", COLUMNS, fmt)
    path = write_episode(writer, rows)
    writer.close()
    if fmt == "hdf5":
        with h5py.File(path) as file:
            content = {name: file[name][:] for name in file}
            metadata = json.loads(file["metadata"].asstr()[0])
            assert file["video"].chunks == (1, 8, 6, 3) or file["video"].chunks[1:] == (8, 6, 3)
    else:
        with np.load(path) as file:
            content = dict(file)
            metadata = json.loads(str(file["metadata"][0]))
    for name, values in rows.items():
        np.testing.assert_array_equal(content[name], values)
        assert content[name].dtype == values.dtype
    assert (metadata["first_row"], metadata["last_row"], metadata["end_reason"]) == (0, 7, "terminated")


def read_in_child(episode: Episode) -> int:
    return int(episode.video(slice(1, 3)).sum())


def test_episodes_travel_to_other_processes(tmp_path: Path, fmt: str) -> None:
    rows = make_episode(4)
    writer = open_writer(tmp_path, "game", COLUMNS, fmt)
    write_episode(writer, rows)
    writer.close()
    (episode,) = load_episodes(tmp_path)
    assert_same(pickle.loads(pickle.dumps(episode)), rows)  # noqa: S301  # our own
    with multiprocessing.get_context("fork").Pool(2) as pool:
        assert pool.map(read_in_child, [episode] * 4) == [int(rows["video"][1:3].sum())] * 4


def test_no_file_is_ever_overwritten(tmp_path: Path, fmt: str) -> None:
    writers = [open_writer(tmp_path, "game", COLUMNS, fmt) for _ in range(3)]
    written = [make_episode(3, seed) for seed in range(3)]
    paths = [write_episode(writer, rows) for writer, rows in zip(writers, written, strict=True)]
    for writer in writers:
        writer.close()
    again = open_writer(tmp_path, "game", COLUMNS, fmt)
    paths.append(write_episode(again, written[0]))
    again.close()
    assert len(set(paths)) == 4
    for path, rows in zip(paths, [*written, written[0]], strict=True):
        assert_same(load_episodes(path)[0], rows)
    assert sorted(tmp_path.iterdir()) == sorted(paths)  # no journal, redo or temporary file is left


def test_unknown_format(tmp_path: Path) -> None:
    with pytest.raises(UnknownNameError, match=r"'hdf'.*hdf5, npz.*Did you mean 'hdf5'"):
        open_writer(tmp_path, "game", COLUMNS, "hdf")


def test_an_unfinished_episode_is_left_out_and_can_be_recovered(tmp_path: Path, fmt: str) -> None:
    finished, unfinished = make_episode(5, 1), make_episode(30, 2)
    writer = open_writer(tmp_path, "game", COLUMNS, fmt)
    write_episode(writer, finished)
    writer.start_episode({"controls": CONTROLS, "seed": 77})
    write_rows(writer, unfinished, stop=20)
    writer.close()
    assert_same(load_episodes(tmp_path)[0], finished)
    assert len(load_episodes(tmp_path)) == 1

    source = writer.path if fmt == "hdf5" else writer.path.with_suffix(".journal")
    before = source.read_bytes()
    recovery = recover(source)
    assert source.read_bytes() == before
    assert (recovery.episodes, recovery.steps) == (1, 19)
    assert recovery.target is not None
    stamp = recovery.target.stat().st_mtime_ns
    again = recover(source)
    assert (again.target, again.steps) == (recovery.target, 19)
    assert again.target is not None
    assert again.target.stat().st_mtime_ns == stamp

    episodes = load_episodes(tmp_path)
    assert len(episodes) == 2
    recovered = next(episode for episode in episodes if episode.path == recovery.target)
    assert recovered.metadata["seed"] == 77
    assert recovered.metadata["end_reason"] == "recovered"
    np.testing.assert_array_equal(recovered.video(), unfinished["video"][:20])
    np.testing.assert_array_equal(recovered.inputs[:-1], unfinished["inputs"][:19])
    assert not recovered.inputs[-1].any()
    assert recovered.is_valid.tolist() == [True] * 19 + [False]
    assert recovered.is_last[-1]
    assert not recovered.is_terminal.any()


def test_a_whole_file_needs_no_recovery(tmp_path: Path, fmt: str) -> None:
    writer = open_writer(tmp_path, "game", COLUMNS, fmt)
    path = write_episode(writer, make_episode(3))
    writer.close()
    recovery = recover(path)
    assert (recovery.target, recovery.episodes) == (None, 0)
    assert list(tmp_path.iterdir()) == [path]
    with pytest.raises(TrajectoryError, match="does not exist"):
        recover(tmp_path / "absent.hdf5")


@pytest.mark.parametrize("part", [0.0, 0.01, 0.1, 0.3, 0.5, 0.7, 0.9, 0.999])
def test_a_cut_file_is_refused_and_its_first_steps_are_saved(tmp_path: Path, fmt: str, part: float) -> None:
    written = [make_episode(20, seed, LARGE) for seed in range(20 if fmt == "hdf5" else 1)]
    writer = open_writer(tmp_path / "whole", "game", LARGE, fmt)
    for rows in written:
        path = write_episode(writer, rows)
    writer.close()
    raw = path.read_bytes()
    cut = tmp_path / f"cut{path.suffix}"
    cut.write_bytes(raw[: int(len(raw) * part)])
    with pytest.raises(TrajectoryError, match=rf"cut{path.suffix} cannot be read: .*gameon recover '.*cut"):
        load_episodes(cut)
    try:
        recovery = recover(cut)
    except TrajectoryError as error:
        assert part <= (0.3 if fmt == "hdf5" else 0.1)
        assert "nothing can be saved" in str(error)  # noqa: PT017  # one of two right outcomes
        return
    assert recovery.target is not None
    saved = load_episodes(tmp_path / f"cut.recovered{path.suffix}")
    frames = np.concatenate([rows["video"] for rows in written])
    for episode in saved:
        first = next(i for i, rows in enumerate(written) if (rows["video"][0] == episode.video(0)[0]).all())
        n = episode.num_steps + 1
        np.testing.assert_array_equal(episode.video(), written[first]["video"][:n])
        np.testing.assert_array_equal(episode.inputs[:-1], written[first]["inputs"][: n - 1])
    # HDF5's index of the last 64 frames or so may lie behind the cut.
    assert sum(episode.num_steps + 1 for episode in saved) >= len(frames) * part - (100 if fmt == "hdf5" else 1)
    recover(cut)
    path.unlink()  # in a folder what was saved stands for the damaged file
    assert [episode.path for episode in load_episodes(tmp_path)] == [recovery.target] * len(saved)
    assert sorted(p.name for p in tmp_path.iterdir() if p.is_file()) == sorted([cut.name, recovery.target.name])


@pytest.mark.parametrize("content", [b"", b"hello", b"PK\x05\x06" + bytes(18), b"\x89HDF\r\n\x1a\n" + b"\xff" * 200])
def test_what_is_no_trajectory_file_is_refused(tmp_path: Path, fmt: str, content: bytes) -> None:
    path = tmp_path / f"x.{fmt}"
    path.write_bytes(content)
    with pytest.raises(TrajectoryError, match=rf"x\.{fmt}.*gameon recover"):
        load_episodes(path)
    with pytest.raises(TrajectoryError, match="nothing can be saved"):
        recover(path)


@pytest.mark.parametrize("size", [0, 8, 1 << 20, (1 << 64) - 1])
def test_a_damaged_heap_of_texts_is_refused(tmp_path: Path, size: int) -> None:
    """HDF5 walks on in it for ever."""
    writer = open_writer(tmp_path, "game", COLUMNS, "hdf5")
    path = write_episode(writer, make_episode(6))
    writer.close()
    raw = path.read_bytes()
    heap = raw.rindex(b"GCOL")
    path.write_bytes(raw[: heap + 24] + size.to_bytes(8, "little") + raw[heap + 32 :])  # of its first object
    with pytest.raises(TrajectoryError, match="texts of metadata are damaged"):
        load_episodes(path)


@pytest.mark.parametrize("part", [b"BTLF", b"FHDB"])
def test_damaged_links_are_refused(tmp_path: Path, part: bytes) -> None:
    """HDF5 crashes where it lists them."""
    writer = open_writer(tmp_path, "game", COLUMNS, "hdf5")
    path = write_episode(writer, make_episode(6))
    writer.close()
    raw = path.read_bytes()
    at = raw.index(part) + 30
    path.write_bytes(raw[:at] + bytes(byte ^ 0xFF for byte in raw[at : at + 4]) + raw[at + 4 :])
    with pytest.raises(TrajectoryError, match="checksum"):
        load_episodes(path)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_damage_anywhere_gives_our_error_or_an_episode(
    tmp_path_factory: pytest.TempPathFactory, fmt: str, data: st.DataObject
) -> None:
    folder = tmp_path_factory.mktemp("damage")
    writer = open_writer(folder, "game", COLUMNS, fmt)
    path = write_episode(writer, make_episode(6))
    writer.close()
    raw = bytearray(path.read_bytes())
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(raw) - 8))
        raw[at : at + 4] = data.draw(st.binary(min_size=4, max_size=4))
    path.write_bytes(raw)
    try:
        for episode in load_episodes(path):
            episode.video()
            episode.inputs  # noqa: B018
    except TrajectoryError as error:
        assert path.name in str(error)  # noqa: PT017  # one of two right outcomes


def test_shapes_that_do_not_fit_are_refused(tmp_path: Path, fmt: str) -> None:
    rows: Arrays = make_episode(4)
    metadata = {"first_row": 0, "last_row": 4, "controls": CONTROLS}
    wrong: dict[str, tuple[Arrays, dict[str, Any], str]] = {
        "short": ({**rows, "rewards": rows["rewards"][:-1]}, metadata, "rows"),
        "type": ({**rows, "inputs": rows["inputs"].astype("float64")}, metadata, "inputs is float64"),
        "frame": ({**rows, "video": rows["video"][..., :2]}, metadata, "video"),
        "missing": (
            {k: v for k, v in rows.items() if k != "is_valid"},
            metadata,
            "no trajectory file: it has no is_valid.*RecordEpisode",
        ),
        "beyond": (rows, {**metadata, "last_row": 5}, "rows 0 to 5 of 5"),
        "names": (rows, {**metadata, "controls": ["key:w"]}, "1 controls"),
        "marks": ({**rows, "is_first": ~rows["is_first"]}, metadata, "not one episode"),
        "controls": (rows, {**metadata, "controls": 7}, "controls are 7"),
    }
    for name, (arrays, meta, message) in wrong.items():
        path = tmp_path / f"{name}.{fmt}"
        save_plainly(path, arrays, json.dumps(meta))
        with pytest.raises(TrajectoryError, match=message):
            load_episodes(path)
    save_plainly(tmp_path / f"good.{fmt}", rows, json.dumps(metadata))
    assert_same(load_episodes(tmp_path / f"good.{fmt}")[0], rows)
    save_plainly(tmp_path / f"json.{fmt}", rows, "{no json")
    with pytest.raises(TrajectoryError, match="no JSON"):
        load_episodes(tmp_path / f"json.{fmt}")


def save_plainly(path: Path, arrays: Arrays, metadata: str) -> None:
    """A file as somebody else would write it, compressed."""
    if path.suffix == ".npz":
        np.savez_compressed(path, metadata=np.array([metadata]), **arrays)  # type: ignore[arg-type]
        return
    with h5py.File(path, "w") as file:
        for name, values in arrays.items():
            file.create_dataset(name, data=values, compression="gzip")
        file.create_dataset("metadata", data=[metadata], dtype=h5py.string_dtype())


CHILD = """
import sys, numpy as np, resource, time
sys.path.insert(0, {root!r})
from gameon_env.data_processing.trajectory import *
from gameon_env.errors import StorageError
columns = (Column("video", "uint8", (48, 64, 3)), Column("inputs", "float32", (3,)), *STEP_COLUMNS)
if {limit}:
    resource.setrlimit(resource.RLIMIT_FSIZE, ({limit}, {limit}))
writer = open_writer({folder!r}, "game", columns, {fmt!r})
finished = 0
try:
    while True:
        writer.start_episode({{"seed": finished}})
        for i in range(11):
            row = zero_row(columns)
            row["video"][...] = (finished * 16 + i) % 256
            row["is_first"][...], row["is_last"][...], row["is_valid"][...] = i == 0, i == 10, i < 10
            writer.append(row)
        writer.end_episode({{"seed": finished}})
        finished += 1
        print(finished, flush=True)
except StorageError as error:
    print("refused", error, flush=True)
    writer.close()
    writer.close()
"""


def run_child(folder: Path, fmt: str, limit: int = 0) -> subprocess.Popen[str]:
    root = str(Path(__file__).parents[2])
    code = CHILD.format(root=root, folder=str(folder), fmt=fmt, limit=limit)
    return subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)


def assert_child_episodes(episodes: list[Episode], at_least: int) -> None:
    seeds = [episode.metadata["seed"] for episode in episodes]
    assert seeds == list(range(len(seeds)))
    assert len(seeds) >= at_least
    for seed, episode in enumerate(episodes):
        np.testing.assert_array_equal(episode.video()[:, 0, 0, 0], [(seed * 16 + i) % 256 for i in range(11)])


def test_an_episode_that_is_still_being_recorded_is_left_alone(tmp_path: Path, fmt: str) -> None:
    with run_child(tmp_path, fmt) as child:
        assert child.stdout is not None
        child.stdout.readline()
        os.kill(child.pid, signal.SIGSTOP)
        try:
            for path in tmp_path.iterdir():
                assert recover(path).target is None if path.suffix in (".hdf5", ".journal") else True
        finally:
            os.kill(child.pid, signal.SIGKILL)
            os.kill(child.pid, signal.SIGCONT)


@pytest.mark.parametrize("left", [0, 10, 24, 60])
def test_a_journal_that_was_only_just_begun_is_no_damage(tmp_path: Path, left: int) -> None:
    writer = open_writer(tmp_path, "game", COLUMNS, "npz")
    writer.start_episode({"controls": CONTROLS})
    writer.close()
    journal = writer.path.with_suffix(".journal")
    os.truncate(journal, left)
    assert recover(journal).target is None
    assert "no step" in recover(journal).note
    with journal.open("r+b") as file:
        file.write(b"SQLite f"[:left] or b"S")
    with pytest.raises(TrajectoryError, match="no journal of ours"):
        recover(journal)


@pytest.mark.parametrize("delay_s", [0.05, 0.31])
def test_a_killed_process_loses_no_finished_episode(tmp_path: Path, fmt: str, delay_s: float) -> None:
    with run_child(tmp_path, fmt) as child:
        assert child.stdout is not None
        finished = int(child.stdout.readline())
        time.sleep(delay_s)
        os.kill(child.pid, signal.SIGKILL)
        finished = max([finished, *(int(line) for line in child.stdout.read().split())])
    episodes = load_episodes(tmp_path)
    assert_child_episodes(episodes, finished)


def test_a_full_disk_is_a_clear_error_and_keeps_what_was_finished(tmp_path: Path, fmt: str) -> None:
    # One file of each kind may not outgrow the limit: an npz journal meets it within its episode.
    limit = 500_000 if fmt == "hdf5" else 60_000
    with run_child(tmp_path, fmt, limit) as child:
        assert child.stdout is not None
        lines = child.stdout.read().splitlines()
    assert child.returncode == 0
    finished = int(lines[-2]) if fmt == "hdf5" else 0
    assert lines[-1].startswith("refused ")
    assert str(tmp_path) in lines[-1]
    assert "File too large" in lines[-1]
    assert "are safe" in lines[-1]
    assert "gameon recover" in lines[-1]
    if fmt == "hdf5":
        assert finished >= 3
        assert_child_episodes(load_episodes(tmp_path), finished)
        with h5py.File(next(tmp_path.glob("*.hdf5"))) as file:
            assert len(file["metadata"]) == finished
    else:
        recovery = recover(next(tmp_path.glob("*.journal")))
        assert recovery.steps == 5


def test_a_folder_that_cannot_be_made_is_a_clear_error(tmp_path: Path, fmt: str) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError, match=str(tmp_path / "file")):
        open_writer(tmp_path / "file", "game", COLUMNS, fmt).start_episode({})


def test_loading_nothing_says_so(tmp_path: Path) -> None:
    with pytest.raises(TrajectoryError, match="holds no trajectory file"):
        load_episodes(tmp_path)
    with pytest.raises(TrajectoryError, match="does not exist"):
        load_episodes([tmp_path / "x.npz"])


def test_metadata_must_be_json(tmp_path: Path, fmt: str) -> None:
    writer = open_writer(tmp_path, "game", COLUMNS, fmt)
    with pytest.raises(TrajectoryError, match="made of JSON's types"):
        writer.start_episode({"seed": np.int64(3)})
    writer.close()


def test_a_blank_row_fits(tmp_path: Path, fmt: str) -> None:
    writer = open_writer(tmp_path, "game", COLUMNS, fmt)
    writer.start_episode({})
    writer.append(zero_row(COLUMNS))
    writer.close()
    assert load_episodes(tmp_path) == [] if fmt == "hdf5" else True
