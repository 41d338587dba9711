"""`gameon teach`: two screenshots make one font, and each mistake is an error of ours."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from click.testing import Result
from typer.testing import CliRunner

from gameon_env.cli import make_app
from gameon_env.data_processing.digits import DigitFont
from gameon_env.data_processing.picture_file import read_picture
from gameon_env.errors import GameOnError


def screenshot(path: Path, text: str) -> None:
    picture = np.full((40, 24 * len(text) + 40, 3), 30, np.uint8)
    for i, character in enumerate(text):
        cv2.putText(picture, character, (10 + 24 * i, 30), cv2.FONT_HERSHEY_PLAIN, 1.5, (255, 255, 255), 2, cv2.LINE_4)
    cv2.imwrite(str(path), picture)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    screenshot(tmp_path / "a.png", "1203")
    screenshot(tmp_path / "b.png", "45")
    screenshot(tmp_path / "blank.png", "")
    return tmp_path


def run(line: str, text: str = "1203") -> Result:
    words = ["teach", *line.split(), "--text", text]
    return CliRunner().invoke(make_app(["teach", "games"]), words)


def test_characters_are_added_to_a_font(folder: Path) -> None:
    assert run("a.png --region 0,0,136,40 --font f.png").stdout == 'characters = "0123"\n'
    done = run("b.png --region 0,0,88,40 --font f.png --characters 0123", "45")
    assert done.stdout == 'characters = "012345"\n'
    pixels = read_picture(folder / "b.png")
    assert pixels is not None
    assert DigitFont.load(folder / "f.png", "012345").read(pixels) == "45"


def test_smooth_characters_are_not_added_to_others(folder: Path) -> None:
    """One font is compared in one way."""
    picture = np.full((40, 88, 3), 30, np.uint8)
    for i, character in enumerate("45"):
        cv2.putText(
            picture, character, (10 + 24 * i, 30), cv2.FONT_HERSHEY_SIMPLEX, 0.8, (255, 255, 255), 2, cv2.LINE_AA
        )
    cv2.imwrite(str(folder / "smooth.png"), picture)
    whole = read_picture(folder / "a.png")
    assert whole is not None
    cv2.imwrite(str(folder / "crisp.png"), np.where(whole > 200, 255, 0))
    ink = "--ink 255,255,255 --font f.png"
    assert run(f"crisp.png --region 0,0,136,40 {ink}").exit_code == 0
    done = run(f"smooth.png --region 0,0,88,40 {ink} --characters 0123", "45")
    assert isinstance(done.exception, GameOnError)
    assert "smooth edges" in str(done.exception)


def test_a_region_is_cut_out(folder: Path) -> None:
    words = ["teach", "a.png", "--region", "10,5,30,20"]
    assert CliRunner().invoke(make_app(["teach", "games"]), [*words, "--cut", "cut.png"]).exit_code == 0
    whole, part = read_picture(folder / "a.png"), read_picture(folder / "cut.png")
    assert whole is not None
    assert part is not None
    assert (part == whole[5:25, 10:40]).all()
    for more, said in (
        ([], "--font and --text"),
        (["--cut", "x.gif"], "ends in .png"),
        (["--cut", "no/x.png"], "written"),
    ):
        assert said in str(CliRunner().invoke(make_app(["teach", "games"]), [*words, *more]).exception)


@pytest.mark.parametrize(
    ("line", "text", "said"),
    [
        ("none.png --region 0,0,9,9 --font f.png", "1", "cannot be read as a picture"),
        ("a.png --region 0,0,136,40 --font f.txt", "1203", "ends in .png"),
        ("blank.png --region 0,0,40,40 --font f.png", "", "empty text"),
        ("a.png --region 0,0,136,41 --font f.png", "1203", "within the picture of 136x40"),
        ("a.png --region 0,0,0,40 --font f.png", "1203", "not be empty"),
        ("a.png --region 0,0,40 --font f.png", "1203", "--region must be"),
        ("a.png --region 0,0,136,40 --font f.png --ink 256,0,0", "1203", "levels from 0 to 255"),
        ("a.png --region 0,0,136,40 --font a.png", "1203", "--characters 012..."),
        ("a.png --region 0,0,136,40 --font a.png --characters 01", "1203", "must be a PNG with transparency"),
    ],
)
def test_each_mistake_is_an_error_of_ours(
    folder: Path, line: str, text: str, said: str, capfd: pytest.CaptureFixture[str]
) -> None:
    result = run(line, text)
    assert isinstance(result.exception, GameOnError)
    assert said in str(result.exception)
    assert capfd.readouterr() == ("", "")  # OpenCV prints no warnings of its own
