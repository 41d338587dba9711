"""Splits stay what they are."""

from __future__ import annotations

from pathlib import Path

import pytest

from gameon_env.datasets.options import DatasetOptions
from gameon_env.datasets.split import SPLITS, split_of
from gameon_env.datasets.windows import Windows
from gameon_env.errors import DatasetError
from tests.unit.datasets.played_session import SIZE, played, trajectory

FRACTIONS = (0.8, 0.1, 0.1)


def test_a_session_s_split_depends_on_itself_alone() -> None:
    names = [f"{number:032x}" for number in range(4000)]
    where = [split_of(name, 3, FRACTIONS) for name in names]
    for name, share in zip(SPLITS, FRACTIONS, strict=True):
        assert abs(where.count(name) / len(names) - share) < 0.02
    assert where != [split_of(name, 4, FRACTIONS) for name in names]
    assert {split_of(name, 3, (0.0, 1.0, 0.0)) for name in names} == {"val"}


def test_splits_part_the_sessions(tmp_path: Path) -> None:
    for number in range(8):
        played(tmp_path / f"s{number}", 6, id=f"{number:04x}")
    seen: list[str] = []
    for split in SPLITS:
        options = DatasetOptions(
            db_path=tmp_path, split=split, split_fractions=(0.4, 0.3, 0.3), seed=1, sequence_length=2, target_size=SIZE
        )
        windows = Windows(options)
        seen += [recording.id for recording in windows.recordings]
        assert windows.left_out == {}
    assert sorted(seen) == [f"{number:04x}" for number in range(8)]


def test_an_empty_split_says_so(tmp_path: Path) -> None:
    file = trajectory(tmp_path, (5,))
    with pytest.raises(DatasetError, match=r"of 1 sessions none falls into the split 'test' \(.*in train"):
        Windows(DatasetOptions(db_path=file, split="test", split_fractions=(0.9, 0.1, 0.0), target_size=SIZE))
