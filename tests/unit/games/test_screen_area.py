"""Readers of an area work out its number once for each look that it has."""

from __future__ import annotations

import numpy as np
import pytest

from gameon_env.events import Frame
from gameon_env.games import screen_area
from gameon_env.games.game_view import GameView
from gameon_env.games.screen_area import Area, AreaReader, Pixels
from gameon_env.games.table import Table


class Mean(AreaReader):
    """The mean of its area; notes what it works out."""

    def __init__(self, area: Area) -> None:
        super().__init__(area)
        self.worked_out: list[float] = []

    def _work_out(self, pixels: Pixels) -> float | None:
        assert pixels.shape[2] == 3
        self.worked_out.append(float(pixels.mean()))
        return self.worked_out[-1]


def area(tmp_path_factory: pytest.TempPathFactory, region: list[int] | None) -> Area:
    values = {} if region is None else {"region": region}
    return Area(Table(values, tmp_path_factory.mktemp("profile") / "game.toml", "readers.mean."))


def view(level: int, elsewhere: int = 0) -> GameView:
    pixels = np.full((20, 30, 4), elsewhere, np.uint8)
    pixels[5:15, 10:20] = level
    return GameView(Frame(pixels, 0))


def test_the_same_look_is_worked_out_once(tmp_path_factory: pytest.TempPathFactory) -> None:
    reader = Mean(area(tmp_path_factory, [10, 5, 10, 10]))
    assert [reader.read(view(level, elsewhere=i)) for i, level in enumerate((3, 3, 7, 3, 7))] == [3, 3, 7, 3, 7]
    assert reader.worked_out == [3, 7]
    reader.reset()
    assert reader.read(view(7)) == 7
    assert reader.worked_out == [3, 7]


def test_what_is_known_is_bounded(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(screen_area, "KNOWN_BYTES", 3 * 10 * 10 * 4)
    reader = Mean(area(tmp_path_factory, [10, 5, 10, 10]))
    for level in (1, 2, 3, 4, 2, 4, 1):
        assert reader.read(view(level)) == level
    assert reader.worked_out == [1, 2, 3, 4, 1]


def test_the_whole_picture_and_one_that_ends_before_the_area(tmp_path_factory: pytest.TempPathFactory) -> None:
    whole = Mean(area(tmp_path_factory, None))
    assert whole.read(view(9, elsewhere=9)) == 9
    outside = Mean(area(tmp_path_factory, [25, 5, 10, 10]))
    assert outside.read(view(9)) is None
    assert not outside.worked_out
