"""`gameon look` on a real game: what it prints is what the readers read, and its pictures can be read again."""

from __future__ import annotations

import sys
import tracemalloc
from pathlib import Path

import cv2
import numpy as np
import pytest
from click.testing import Result
from typer.testing import CliRunner

from gameon_env.cli import make_app
from gameon_env.data_processing.picture_file import read_picture
from gameon_env.errors import GameCrashError, ObservationError

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="private displays need Linux")

PROFILE = f"""
fps = 20
[launch]
command = ["{{python}}", "{Path(__file__).with_name("small_game.py")}", "--menu"]
screen_size = [240, 320]
gl = false
[controls]
names = ["key:space"]
[readers.score]
kind = "bar"
region = [0, 0, 320, 8]
color = [240, 240, 240]
[readers.playing]
kind = "color"
region = [0, 20, 20, 20]
color = [0, 60, 0]
[reset]
ready = "playing"
timeout_s = 2
"""
START = '[[reset.start_steps]]\ntap = "mouse:left"\nat = [300, 220]\n'


def look(*words: str) -> Result:
    return CliRunner().invoke(make_app(["look", "games"]), ["look", *words])


def test_each_look_says_what_is_read_and_leaves_its_picture(tmp_path: Path) -> None:
    (tmp_path / "small.toml").write_text(PROFILE + START)
    shots = tmp_path / "shots"
    words = ("--seconds", "2", "--every", "0.5", "--seed", "1", "--time", "lockstep", "-o", str(shots))
    result = look(str(tmp_path / "small.toml"), *words)
    assert result.exit_code == 0, result.output
    lines = result.output.splitlines()
    assert lines[0].split("  /")[0].strip() == "0.00 s: 320x240  score 0  playing 1"
    assert lines[-2].startswith("score: read in 5 of 5 looks, from 0 to 0.")
    assert lines[-1] == "playing: read in 5 of 5 looks, from 1 to 1"
    files = sorted(shots.glob("look_*.png"))
    assert len(files) == 5
    again = look(str(tmp_path / "small.toml"), *map(str, files)).output.splitlines()
    readings = [line.partition("320x240  ")[2].split("  /")[0] for line in lines[:5]]
    assert [line.partition("320x240  ")[2] for line in again[:5]] == readings
    last, regions = read_picture(files[-1]), read_picture(shots / "regions.png")
    assert last is not None
    assert regions is not None
    assert regions[19, 5].tolist() == [255, 0, 255]  # the edge lies around the region
    assert (regions[21:39, 1:19] == last[21:39, 1:19]).all()


def test_a_game_that_does_not_get_ready_is_shown_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "small.toml").write_text(PROFILE)
    result = look(str(tmp_path / "small.toml"), "--still", "-o", str(tmp_path / "shots"))
    assert isinstance(result.exception, GameCrashError)
    assert "not ready: 320x240  score 0  playing 0" in result.output
    picture = read_picture(tmp_path / "shots" / "look_001.png")
    assert picture is not None
    assert picture[30, 5].tolist() == [120, 0, 0]


def test_what_is_no_picture_is_said(tmp_path: Path) -> None:
    (tmp_path / "small.toml").write_text(PROFILE)
    result = look(str(tmp_path / "small.toml"), str(tmp_path / "none.png"))
    assert isinstance(result.exception, ObservationError)
    assert "none.png cannot be read as a picture" in str(result.exception)


def test_a_long_look_keeps_no_more_than_a_picture(tmp_path: Path) -> None:
    (tmp_path / "small.toml").write_text(PROFILE)
    cv2.imwrite(str(tmp_path / "shot.png"), np.zeros((1000, 1000, 3), np.uint8))
    tracemalloc.start()
    try:
        result = look(str(tmp_path / "small.toml"), *[str(tmp_path / "shot.png")] * 20)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert result.output.splitlines()[-1] == "playing: read in 20 of 20 looks, from 0 to 0"
    assert peak < 10 * 4_000_000
