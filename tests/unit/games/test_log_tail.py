"""Following a file that another program writes."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gameon_env.games import log_tail
from gameon_env.games.log_tail import LogTail


def add(path: Path, data: bytes) -> None:
    with path.open("ab") as file:
        file.write(data)


def test_whole_lines_only_and_each_once(tmp_path: Path) -> None:
    path = tmp_path / "log"
    tail = LogTail(path)
    assert tail.new_lines() == []
    add(path, b"one\ntw")
    assert tail.new_lines() == ["one"]
    assert tail.new_lines() == []
    add(path, b"o\r\nthree\n")
    assert tail.new_lines() == ["two", "three"]
    path.write_bytes(b"anew\n")
    assert tail.new_lines() == ["anew"]


def test_from_end_skips_what_is_there(tmp_path: Path) -> None:
    path = tmp_path / "log"
    add(path, b"old\n")
    tail = LogTail(path, from_end=True)
    add(path, b"new\n")
    assert tail.new_lines() == ["new"]


def test_a_carriage_return_ends_a_line(tmp_path: Path) -> None:
    path = tmp_path / "log"
    tail = LogTail(path)
    add(path, b"10 %\r20 %\r")
    assert tail.new_lines() == ["10 %", "20 %"]
    add(path, b"\n30 %\r\n")  # the rest of a line end that was cut in two
    assert tail.new_lines() == ["30 %"]


@settings(max_examples=60, deadline=None)
@given(st.lists(st.sampled_from([b"a", b"bc", b"\n", b"\r", b"\r\n", "é".encode()]), max_size=12), st.data())
def test_lines_do_not_depend_on_when_they_are_read(
    tmp_path_factory: pytest.TempPathFactory, parts: list[bytes], data: st.DataObject
) -> None:
    path = tmp_path_factory.mktemp("tail") / "log"
    whole, tail, lines = b"".join(parts), LogTail(path), []
    cuts = sorted(data.draw(st.lists(st.integers(0, len(whole)), max_size=4)))
    for start, end in zip([0, *cuts], [*cuts, len(whole)], strict=True):
        add(path, whole[start:end])
        lines += tail.new_lines()
    kept = whole.splitlines(keepends=True)
    if kept and not kept[-1].endswith((b"\n", b"\r")):
        kept.pop()
    assert lines == [line.rstrip(b"\r\n").decode() for line in kept]


def test_what_never_ends_is_read_once_and_not_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log_tail, "MAX_UNFINISHED", 100)
    path = tmp_path / "log"
    tail = LogTail(path)
    for _ in range(5):
        add(path, b"x" * 1000)
        assert tail.new_lines() == []
    add(path, b"end\n")
    assert tail.new_lines() == ["x" * 100 + "end"]


def test_a_flood_is_read_over_several_calls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log_tail, "MAX_READ", 10)
    path = tmp_path / "log"
    add(path, b"12345\n" * 5)
    tail = LogTail(path)
    calls = [tail.new_lines() for _ in range(4)]
    assert [len(lines) for lines in calls] == [1, 2, 2, 0]
    assert {line for lines in calls for line in lines} == {"12345"}
