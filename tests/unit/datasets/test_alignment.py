"""Recordings of several games, and of one game with different settings."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from gameon_env.datasets.options import DatasetOptions
from gameon_env.datasets.windows import Windows
from gameon_env.errors import DatasetError
from tests.unit.data_processing.painted_video import number_in
from tests.unit.datasets.played_session import CONTROLS, SCALE_PX, SIZE, played


def windows(source: Path, **options: object) -> Windows:
    return Windows(DatasetOptions(db_path=source, target_size=SIZE, sequence_length=2, include_audio=False, **options))  # type: ignore[arg-type]


def test_several_games_are_aligned_by_name(tmp_path: Path) -> None:
    played(tmp_path / "a", 6, id="aa", game="Dots")
    played(tmp_path / "b", 6, id="bb", game="Lines", controls=("key:w", "key:d"))
    data = windows(tmp_path)
    assert data.controls == (*CONTROLS, "key:w")
    assert data.letterbox
    assert data.games == ("Dots", "Lines")
    dots, lines = data.item(0), data.item(len(data) - 1)
    assert dots.control_mask.tolist() == [True, True, True, True, False]
    assert lines.control_mask.tolist() == [False, True, False, False, True]
    shown = [number_in(frame) for frame in lines.frames]
    assert lines.inputs.tolist() == [[0, float(n % 3 == 0), 0, 0, 0] for n in shown]
    one = windows(tmp_path, game_name="lines")
    assert one.controls == ("key:w", "key:d")
    assert not one.letterbox


def test_one_game_with_other_controls_mixed_in(tmp_path: Path) -> None:
    played(tmp_path / "a", 6, id="aa")
    played(tmp_path / "b", 6, id="bb", controls=("key:w", "key:d"))
    with pytest.raises(DatasetError, match=r"'Dots' have different controls: 1 such as aa have key:a.*bb have key:w"):
        windows(tmp_path)
    assert windows(tmp_path, sessions=("bb",)).controls == ("key:w", "key:d")


def test_the_same_controls_in_another_order_are_aligned(tmp_path: Path) -> None:
    played(tmp_path / "a", 6, id="aa")
    played(tmp_path / "b", 6, id="bb", controls=CONTROLS[::-1])
    data = windows(tmp_path)
    np.testing.assert_array_equal(data.item(0).inputs, data.item(5).inputs)


def test_without_a_profile_all_that_was_seen_is_a_control(tmp_path: Path) -> None:
    played(tmp_path / "a", 6, id="aa", controls=())
    data = windows(tmp_path)
    assert data.controls == ("key:a", "key:d", "mouse:dx")
    played(tmp_path / "b", 6, id="bb", controls=("key:d", "key:w"))
    declared = windows(tmp_path)
    assert declared.controls == ("key:d", "key:w")
    assert declared.item(0).inputs[:, 0].tolist() == [1, 0]


def test_motion_is_counted_in_one_scale(tmp_path: Path) -> None:
    played(tmp_path / "a", 6, id="aa")
    played(tmp_path / "b", 6, id="bb", mouse_scale_px=2 * SCALE_PX)
    data = windows(tmp_path)
    assert data.mouse_scale_px == SCALE_PX
    np.testing.assert_allclose(data.item(0).inputs, data.item(5).inputs, rtol=1e-6)
