"""Rows read past HDF5: the same as HDF5 reads, and HDF5 is asked wherever the file is not what is known."""

from __future__ import annotations

import multiprocessing
import os
import struct
import subprocess
import sys
import zlib
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import numpy.typing as npt
import pytest

from gameon_env.data_processing.atomic_file import redo_path
from gameon_env.data_processing.hdf5_chunks import RowChunks
from gameon_env.data_processing.trajectory import load_episodes
from gameon_env.errors import TrajectoryError
from gameon_env.export.hdf5_export import export_to_hdf5
from tests.unit.datasets.played_session import trajectory

ROWS, SHAPE = 300, (6, 8, 3)


def write(path: Path, values: npt.NDArray[Any], libver: str = "v108", **options: Any) -> Path:
    with h5py.File(path, "w", libver=(libver, libver)) as file:
        chunks = options.pop("chunks", (1, *values.shape[1:]))
        maxshape = (None, *values.shape[1:])
        file.create_dataset("video", data=values, chunks=chunks, maxshape=maxshape, **options)
    return path


def numbers(dtype: str = "u1") -> npt.NDArray[Any]:
    raw = np.random.default_rng(0).integers(0, 256, (ROWS, *SHAPE)).astype("u1")
    raw[:, :, 4:] = 7  # some of it packs
    return raw.astype(dtype)


@pytest.fixture
def chunks_of() -> Iterator[Callable[[Path], RowChunks | None]]:
    with ExitStack() as opened:

        def chunks_of(path: Path) -> RowChunks | None:
            plain = opened.enter_context(path.open("rb", buffering=0))
            with h5py.File(path) as file:
                return RowChunks.of(path, plain.fileno(), file["video"])

        yield chunks_of


ChunksOf = Callable[[Path], RowChunks | None]


@pytest.mark.skipif(not hasattr(os, "preadv"), reason="this system cannot read at a place: HDF5 reads everything")
@pytest.mark.parametrize("dtype", ["u1", "<i4", ">f4", "<f8"])
@pytest.mark.parametrize(
    "options", [{}, {"compression": "gzip"}, {"compression": "gzip", "compression_opts": 9, "shuffle": True}]
)
def test_all_rows_are_as_hdf5_reads_them(
    chunks_of: ChunksOf, tmp_path: Path, dtype: str, options: dict[str, Any]
) -> None:
    values = numbers(dtype)
    chunks = chunks_of(write(tmp_path / "a.h5", values, **options))
    assert chunks is not None
    assert chunks.rows == ROWS
    for start, stop in ((0, 1), (ROWS - 1, ROWS), (17, 40), (5, 5), (0, ROWS)):
        read = chunks.read(start, stop)
        assert read is not None
        assert read.dtype == values.dtype
        np.testing.assert_array_equal(read, values[start:stop])
    for start, stop in ((-1, 1), (3, 2), (0, ROWS + 1)):
        assert chunks.read(start, stop) is None


@pytest.mark.parametrize(
    "options",
    [
        {"compression": "lzf"},
        {"shuffle": True},
        {"fletcher32": True},
        {"compression": "gzip", "fletcher32": True},
        {"scaleoffset": 0},
        {"chunks": (2, *SHAPE)},
        {"chunks": (1, 3, 8, 3)},
        {"libver": "latest"},
        {"libver": "v110"},
    ],
)
def test_anything_else_is_left_to_hdf5(chunks_of: ChunksOf, tmp_path: Path, options: dict[str, Any]) -> None:
    assert chunks_of(write(tmp_path / "a.h5", numbers(), **options)) is None


def test_other_files_and_numbers_are_left_to_hdf5(chunks_of: ChunksOf, tmp_path: Path) -> None:
    path = tmp_path / "a.h5"
    assert chunks_of(write(path, numbers("?"))) is None
    with h5py.File(path, "w", libver=("v108", "v108")) as file:  # rows that were never written
        file.create_dataset("video", (1000, *SHAPE), "u1", chunks=(1, *SHAPE))
    assert chunks_of(path) is None
    with h5py.File(path, "w", userblock_size=512, libver=("v108", "v108")) as file:
        file.create_dataset("video", data=numbers(), chunks=(1, *SHAPE))
    assert chunks_of(path) is None
    with h5py.File(path, "w", libver=("v108", "v108")) as file:
        twelve_bits = h5py.h5t.STD_U16LE.copy()
        twelve_bits.set_precision(12)
        space, created = h5py.h5s.create_simple((ROWS, *SHAPE)), h5py.h5p.create(h5py.h5p.DATASET_CREATE)
        created.set_chunk((1, *SHAPE))
        dataset = h5py.Dataset(h5py.h5d.create(file.id, b"video", twelve_bits, space, created))
        dataset[:] = numbers("u2")
    assert chunks_of(path) is None


def test_a_file_within_a_commit_is_left_to_hdf5(chunks_of: ChunksOf, tmp_path: Path) -> None:
    path = write(tmp_path / "a.h5", numbers())
    payload = struct.pack("<QI", 0, 4) + path.read_bytes()[:4]
    redo_path(path).write_bytes(
        struct.pack("<16sIQ", b"GAMEON-REDO-1\n\0\0", zlib.crc32(payload), len(payload)) + payload
    )
    assert chunks_of(path) is None
    redo_path(path).unlink()
    assert chunks_of(path) is not None


def _node_of_level_1(raw: bytes) -> int:
    at = -1
    while (at := raw.index(b"TREE", at + 1)) >= 0:
        if raw[at + 4 : at + 6] == b"\x01\x01":
            return at
    raise AssertionError


def test_an_index_that_refers_to_itself(chunks_of: ChunksOf, tmp_path: Path) -> None:
    path = write(tmp_path / "a.h5", numbers())
    raw = bytearray(path.read_bytes())
    node = _node_of_level_1(raw)
    raw[node + 24 + 48 : node + 24 + 56] = struct.pack("<Q", node)
    path.write_bytes(raw)
    assert chunks_of(path) is None


def test_any_bytes_read_within_the_file_or_not_at_all(tmp_path: Path) -> None:
    """In a process of its own: it must not crash."""
    for name, options in (("plain", {}), ("gzip", {"compression": "gzip", "shuffle": True})):
        write(tmp_path / f"{name}.h5", numbers("<u2")[:150], **options)
    code = """
import random, sys
from pathlib import Path
import h5py
from gameon_env.data_processing.hdf5_chunks import RowChunks
chance, used = random.Random(0), 0
for source in sorted(Path(sys.argv[1]).glob("*.h5")):
    whole = source.read_bytes()
    index = [at for at in range(len(whole) - 4) if whole[at:at+4] in (b"TREE", b"OHDR", b"OCHK")]
    for number in range(600):
        raw = bytearray(whole)
        for _ in range(1 + number % 4):
            near = chance.choice(index) + chance.randrange(400)
            raw[near % len(raw)] = chance.randrange(256)
        file = Path(sys.argv[1]) / "changed"
        with h5py.File(source) as opened:
            file.write_bytes(raw if number % 7 else raw[:chance.randrange(len(raw))])
            with file.open("rb", buffering=0) as plain:
                chunks = RowChunks.of(file, plain.fileno(), opened["video"])
                if chunks is not None:
                    used += 1
                    for row in range(chunks.rows):
                        chunks.read(row, row + 1)
print(used)
"""
    done = subprocess.run([sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) > 100


def test_a_chunk_that_unpacks_to_more_is_left_to_hdf5(chunks_of: ChunksOf, tmp_path: Path) -> None:
    path = write(tmp_path / "a.h5", numbers(), compression="gzip")
    with h5py.File(path, "r+") as file:
        file["video"].id.write_direct_chunk((3, 0, 0, 0), zlib.compress(bytes(10_000_000)))
        file["video"].id.write_direct_chunk((4, 0, 0, 0), zlib.compress(bytes(10)))
        file["video"].id.write_direct_chunk((5, 0, 0, 0), b"no deflate at all")
    chunks = chunks_of(path)
    assert chunks is not None
    assert [chunks.read(row, row + 1) is None for row in range(2, 7)] == [False, True, True, True, False]


def test_a_large_chunk_that_unpacks_to_more_is_left_to_hdf5(chunks_of: ChunksOf, tmp_path: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (3, 400, 700, 3)).astype("u1")
    path = write(tmp_path / "a.h5", noise, compression="gzip")
    with h5py.File(path, "r+") as file:
        file["video"].id.write_direct_chunk((1, 0, 0, 0), zlib.compress(noise[1].tobytes() + bytes(5)))
    chunks = chunks_of(path)
    assert chunks is not None
    assert chunks.read(1, 2) is None
    np.testing.assert_array_equal(chunks.read(2, 3), noise[2:])


def _read(episode: Any, rows: list[int]) -> list[int]:
    return [int(episode.video(slice(row, row + 1)).sum()) for row in rows]


@pytest.mark.parametrize("way", ["fork", "spawn"])
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_episodes_in_other_processes_and_threads(tmp_path: Path, way: str) -> None:
    (episode, _) = load_episodes(trajectory(tmp_path))
    rows = [3, 11, 0, 7] * 5
    expected = _read(episode, rows)
    with ProcessPoolExecutor(2, multiprocessing.get_context(way)) as pool:
        assert list(pool.map(_read, [episode] * 4, [rows] * 4)) == [expected] * 4
    with ThreadPoolExecutor(4) as threads:
        assert list(threads.map(_read, [episode] * 8, [rows] * 8)) == [expected] * 8


def test_a_chunk_that_was_damaged_is_an_error_of_ours(tmp_path: Path) -> None:
    path = tmp_path / "a.h5"
    export_to_hdf5(trajectory(tmp_path), path, compression="gzip")
    with h5py.File(path) as file:
        where = file["video"].id.get_chunk_info_by_coord((2, 0, 0, 0))
    raw = bytearray(path.read_bytes())
    raw[where.byte_offset : where.byte_offset + 8] = b"\xff" * 8
    path.write_bytes(raw)
    (episode, _) = load_episodes(path)
    with pytest.raises(TrajectoryError, match="cannot be read"):
        episode.video(slice(2, 3))
    assert len(episode.video(slice(3, 4))) == 1
