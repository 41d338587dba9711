"""Headers of .npy files: those of numpy, the original ReActure's broken ones, and hostile ones."""

from __future__ import annotations

import contextlib
import io
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gameon_env.errors import DatasetError
from gameon_env.export.reacture_npy import (
    MAX_HEADER_BYTES,
    map_npy,
    parse_npy_header,
    read_npy_header,
    rows_present,
)
from tests.unit.export.reacture_download import broken_npy

SHAPES = st.lists(st.integers(0, 5), min_size=1, max_size=5).map(tuple)
DTYPES = st.sampled_from(["|u1", "<f4", "<f8", ">i4", "<u2", "|i1", "|b1", "<f2"])


def header_of(text: str, version: tuple[int, int] = (1, 0)) -> bytes:
    width = 2 if version[0] == 1 else 4
    return b"\x93NUMPY" + bytes(version) + len(text).to_bytes(width, "little") + text.encode("latin-1")


def described(descr: str = "'|u1'", order: str = "False", shape: str = "(2, 3)") -> bytes:
    return header_of(f"{{'descr': {descr}, 'fortran_order': {order}, 'shape': {shape}, }}\n")


@settings(deadline=None)
@given(shape=SHAPES, descr=DTYPES, version=st.sampled_from([(1, 0), (2, 0), (3, 0)]), fortran=st.booleans())
def test_what_numpy_writes_is_understood(
    shape: tuple[int, ...], descr: str, version: tuple[int, int], fortran: bool
) -> None:
    sink = io.BytesIO()
    values = np.zeros(shape, descr, order="F" if fortran else "C")
    np.lib.format.write_array(sink, values, version=version)
    header = parse_npy_header(sink.getvalue()[: MAX_HEADER_BYTES + 16], "a.npy")
    assert (header.shape, header.dtype, header.broken) == (shape, np.dtype(descr), False)
    assert header.data_start + values.nbytes == len(sink.getvalue())
    assert header.fortran_order == (values.flags.f_contiguous and not values.flags.c_contiguous)


@settings(deadline=None)
@given(shape=SHAPES, descr=DTYPES)
def test_what_the_original_wrote_is_understood(shape: tuple[int, ...], descr: str) -> None:
    values = np.zeros(shape, descr)
    written = broken_npy(values, descr)
    with pytest.raises(ValueError):
        np.load(io.BytesIO(written), allow_pickle=False)
    header = parse_npy_header(written, "a.npy")
    assert (header.shape, header.dtype, header.broken) == (shape, np.dtype(descr), True)
    assert header.data_start + values.nbytes == len(written)


@settings(deadline=None)
@given(st.binary(max_size=300))
def test_any_bytes_are_refused_or_understood(data: bytes) -> None:
    for head in (data, b"\x93NUMPY" + data, b"\xc2\x93NUMPY\x01\x00" + data):
        with contextlib.suppress(DatasetError):
            parse_npy_header(head, "a.npy")


@settings(deadline=None, max_examples=300)
@given(st.text(st.sampled_from("{}()[],:'\"=|u1<f4 descrfotan_shpFls-09eTObj\\*+\n"), max_size=120))
def test_any_words_are_refused_or_understood(text: str) -> None:
    try:
        header = parse_npy_header(header_of(text), "a.npy")
    except DatasetError:
        return
    assert all(side >= 0 for side in header.shape)


@settings(deadline=None)
@given(values=st.binary(min_size=1, max_size=200), cut=st.integers(0, 400))
def test_a_file_cut_anywhere_is_told(values: bytes, cut: int, tmp_path_factory: pytest.TempPathFactory) -> None:
    path = tmp_path_factory.mktemp("npy") / "a.npy"
    np.save(path, np.frombuffer(values, np.uint8))
    whole = path.read_bytes()
    path.write_bytes(whole[: min(cut, len(whole))])
    try:
        header = read_npy_header(path)
    except DatasetError:
        assert cut < len(whole)
        return
    there = rows_present(path, header)
    assert there == max(0, min(cut, len(whole)) - header.data_start)
    assert bytes(map_npy(path, header, there)) == values[:there]


@pytest.mark.parametrize(
    ("head", "said"),
    [
        (described("'|O'"), "unpickled"),
        (described("'O'"), "unpickled"),
        (described("[('a', '<f4'), ('b', '|O')]"), "plain numbers"),
        (described("'<U9'"), "plain numbers"),
        (described("'|V8'"), "plain numbers"),
        (described("'<m8[ns]'"), "plain numbers"),
        (described("'|f1'"), "unknown to numpy"),
        (described(shape="(-1, 3)"), "shape"),
        (described(shape="(True, 3)"), "shape"),
        (described(shape="3"), "shape"),
        (described(shape="(2.5,)"), "shape"),
        (described(shape="(" + "1," * 40 + ")"), "shape"),
        (described(order="1"), "shape"),
        (described(order="false"), "none"),  # only the original's own files may be so
        (header_of("__import__('os').system('true')"), "none"),
        (header_of("{'descr': '|u1', 'fortran_order': False, 'shape': (2,), 'x': 1}"), "none"),
        (header_of("(" * 3000), "none"),
        (header_of("[" * 2000 + "]" * 2000), "none"),
        (header_of("-" * 4000 + "1"), "none"),
        (header_of("'\\d'"), "none"),
        (header_of("1 is 2"), "none"),
        (header_of("é"), "none"),
        (header_of(f"{{'descr': '|u1', 'fortran_order': False, 'shape': ({'9' * 4000},)}}"), "shape|none"),
        (b"\x93NUMPY\x01\x00\xff\xff" + b" " * 70000, "65535"),
        (b"\x93NUMPY\x02\x00\xff\xff\xff\xff" + b" " * 70000, "4294967295"),
        (b"\x93NUMPY\x07\x00aa", "version 7"),
        (b"\x93NUM", "something else"),
        (b"\x93NUMPY\x01", "interrupted"),
        (b"", "empty"),
        (b"PK\x03\x04", "zip"),
        (b"<!DOCTYPE html>", "web page"),
        (pickle.dumps({"a": 1}), "pickle"),
    ],
)
def test_what_is_refused_and_why(head: bytes, said: str) -> None:
    with pytest.raises(DatasetError, match=said):
        parse_npy_header(head[: MAX_HEADER_BYTES + 16], "a.npy")


class Evil:
    """Unpickled, it would leave a trace."""

    def __init__(self, trace: Path) -> None:
        self.trace = trace

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self.trace,)


def test_nothing_is_unpickled(tmp_path: Path) -> None:
    trace = tmp_path / "trace"
    np.save(tmp_path / "a.npy", np.array([Evil(trace)], dtype=object), allow_pickle=True)
    (tmp_path / "b.npy").write_bytes(pickle.dumps(Evil(trace)))
    for name in ("a.npy", "b.npy"):
        with pytest.raises(DatasetError, match="pickle"):
            read_npy_header(tmp_path / name)
    assert not trace.exists()


def test_a_huge_shape_allocates_nothing(tmp_path: Path) -> None:
    path = tmp_path / "a.npy"
    path.write_bytes(described(shape=f"({1 << 62}, 128, 128, 3)") + bytes(100_000))
    header = read_npy_header(path)
    assert header.shape[0] == 1 << 62
    assert rows_present(path, header) == 2
    assert map_npy(path, header, 2).shape == (2, 128, 128, 3)


@pytest.mark.parametrize("shape", ["(0, 3)", "(3, 0)", "()"])
def test_arrays_of_nothing(tmp_path: Path, shape: str) -> None:
    path = tmp_path / "a.npy"
    path.write_bytes(described(shape=shape))
    header = read_npy_header(path)
    assert not header.shape or rows_present(path, header) == 0
