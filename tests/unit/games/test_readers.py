"""Readers, each on pictures that show and that do not show what it reads."""

from __future__ import annotations

import importlib
import re
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from gameon_env.data_processing.digits import DigitFont, teach
from gameon_env.errors import ProfileError
from gameon_env.events import Frame
from gameon_env.games.readers import GameView, Reader, make_reader
from gameon_env.games.table import Table


def reader(tmp_path: Path, **keys: Any) -> Reader:
    return make_reader(Table(keys, tmp_path / "p.toml", "readers.x."))


def view(pixels: np.ndarray, t_ns: int = 0, **rest: Any) -> GameView:
    return GameView(Frame(pixels, t_ns), **rest)


def blank() -> np.ndarray:
    return np.zeros((100, 200, 4), np.uint8)


def test_bar_is_the_filled_part(tmp_path: Path) -> None:
    bar = reader(tmp_path, kind="bar", region=[50, 40, 100, 10], color=[0, 200, 0])
    picture = blank()
    assert bar.read(view(picture)) == 0
    picture[40:50, 50:80, 1] = 210
    assert bar.read(view(picture)) == pytest.approx(0.3)
    upward = reader(tmp_path, kind="bar", region=[50, 0, 10, 100], color=[0, 200, 0], direction="up")
    picture = blank()
    picture[60:100, 50:60, 1] = 200
    assert upward.read(view(picture)) == pytest.approx(0.4)
    leftward = reader(tmp_path, kind="bar", region=[50, 40, 100, 10], color=[0, 200, 0], direction="left")
    picture = blank()
    picture[40:50, 90:150, 1] = 200
    assert leftward.read(view(picture)) == pytest.approx(0.6)


def test_color_needs_its_share_of_the_region(tmp_path: Path) -> None:
    color = reader(tmp_path, kind="color", region=[0, 0, 10, 10], color=[200, 10, 10], fraction=0.5)
    picture = blank()
    picture[0:4, 0:10] = (10, 10, 200, 0)
    assert color.read(view(picture)) == 0
    picture[0:6, 0:10] = (10, 10, 200, 0)
    assert color.read(view(picture)) == 1


def test_template_is_found_wherever_it_is(tmp_path: Path) -> None:
    sign = np.random.default_rng(1).integers(0, 256, (12, 20, 3), dtype=np.uint8)
    cv2.imwrite(str(tmp_path / "sign.png"), sign)
    template = reader(tmp_path, kind="template", image="sign.png")
    picture = blank()
    assert template.read(view(picture)) == 0
    picture[60:72, 100:120, :3] = sign
    assert template.read(view(picture)) == 1


def test_a_text_in_ink_is_found_on_any_ground(tmp_path: Path) -> None:
    def shown(text: str, ground: int) -> np.ndarray:
        picture = np.full((60, 200, 4), ground, np.uint8)
        picture[:, :, 0] //= 2
        cv2.putText(picture, text, (10, 40), cv2.FONT_HERSHEY_SIMPLEX, 1, (255, 255, 255), 2, cv2.LINE_AA)
        return picture

    cv2.imwrite(str(tmp_path / "over.png"), shown("OVER", 40)[15:45, 5:110, :3])
    over = reader(tmp_path, kind="template", image="over.png", ink=[255, 255, 255])
    for ground in (0, 40, 90, 160):
        assert over.read(view(shown("OVER", ground))) == 1
        assert over.read(view(shown("OPEN", ground))) == 0
        assert over.read(view(shown("", ground))) == 0


def test_what_is_transparent_in_a_template_is_not_compared(tmp_path: Path) -> None:
    sign = np.random.default_rng(1).integers(0, 256, (12, 20, 4), dtype=np.uint8)
    sign[:, :, 3] = 255
    sign[2:10, 4:16, 3] = 0
    cv2.imwrite(str(tmp_path / "sign.png"), sign)
    template = reader(tmp_path, kind="template", image="sign.png")
    picture = blank()
    assert template.read(view(picture)) == 0
    picture[60:72, 100:120] = sign
    picture[62:70, 104:116] = 99
    assert template.read(view(picture)) == 1
    picture[60:62, 100:120] = 99
    assert template.read(view(picture)) == 0
    cv2.imwrite(str(tmp_path / "none.png"), np.zeros((5, 5, 4), np.uint8))
    with pytest.raises(ProfileError, match=r"none\.png is transparent everywhere"):
        reader(tmp_path, kind="template", image="none.png")


@pytest.mark.parametrize("kind", ["bgrx", "16 bits", "16 bits and alpha"])
def test_a_template_may_be_bgrx_or_of_16_bits(tmp_path: Path, kind: str) -> None:
    sign = np.random.default_rng(1).integers(0, 256, (12, 20, 4), dtype=np.uint8)
    sign[:, :, 3] = 255 if kind.endswith("alpha") else 0
    stored = sign if kind == "bgrx" else sign.astype(np.uint16) * 257
    cv2.imwrite(str(tmp_path / "sign.png"), stored[:, :, :3] if kind == "16 bits" else stored)
    template = reader(tmp_path, kind="template", image="sign.png")
    picture = blank()
    assert template.read(view(picture)) == 0
    picture[60:72, 100:120] = sign
    assert template.read(view(picture)) == 1


def test_count_is_how_often_a_picture_is_there(tmp_path: Path) -> None:
    heart = np.random.default_rng(1).integers(0, 256, (12, 20, 3), dtype=np.uint8)
    cv2.imwrite(str(tmp_path / "heart.png"), heart)
    lives = reader(tmp_path, kind="count", image="heart.png", region=[90, 50, 100, 40])
    picture = blank()
    for count, x in enumerate((95, 115, 140)):
        assert lives.read(view(picture)) == count
        picture[60:72, x : x + 20, :3] = heart
    assert lives.read(view(picture)) == 3
    assert lives.read(view(picture[:60])) is None


def test_a_clock_is_read_in_seconds(tmp_path: Path) -> None:
    keys: dict[str, Any] = {"kind": "digits", "region": [0, 0, 200, 40], "font": "digits.png", "clock": True}
    teach(written("0123456789"), "0123456789").save(tmp_path / "digits.png")
    clock = reader(tmp_path, **keys)
    for text, seconds in (("0:07", 7), ("12:34", 754), ("1:02:03", 3723), ("59", 59), ("", None)):
        assert clock.read(view(cv2.cvtColor(written(text), cv2.COLOR_BGR2BGRA))) == seconds


def written(text: str) -> np.ndarray:
    picture = np.full((40, 260, 3), 30, np.uint8)
    for i, character in enumerate(text):
        cv2.putText(picture, character, (10 + 24 * i, 30), cv2.FONT_HERSHEY_PLAIN, 1.5, (255, 255, 255), 2, cv2.LINE_4)
    return picture


def test_unchanged_counts_the_time_of_the_frames(tmp_path: Path) -> None:
    still = reader(tmp_path, kind="unchanged", seconds=2)
    picture = blank()
    assert still.read(view(picture, 0)) == 0
    assert still.read(view(picture, 1_900_000_000)) == 0
    assert still.read(view(picture, 2_000_000_000)) == 1
    picture = picture.copy()
    picture[::2] = 9
    assert still.read(view(picture, 2_100_000_000)) == 0
    still.reset()
    assert still.read(view(picture, 9_000_000_000)) == 0


def test_exit_is_a_normal_end_only(tmp_path: Path) -> None:
    ended = reader(tmp_path, kind="exit")
    assert [ended.read(view(blank(), exit_code=code)) for code in (None, 1, -11, 0)] == [0, 0, 0, 1]


def test_log_of_what_the_game_prints(tmp_path: Path) -> None:
    log = reader(tmp_path, kind="log", pattern=r"score=(\d+)")
    assert log.read(view(blank())) == 0
    assert log.read(view(blank(), new_output=["score=3", "noise", "score=12"])) == 12
    assert log.read(view(blank())) == 12
    log.reset()
    assert log.read(view(blank())) == 0


def test_log_file_counts_from_the_episode_on(tmp_path: Path) -> None:
    path = tmp_path / "game.log"
    path.write_text("level 9 done\n")
    log = reader(tmp_path, kind="log", pattern="done", file="game.log")
    assert log.read(view(blank(), home=tmp_path)) == 0
    with path.open("a") as file:
        file.write("level 1 do")
        file.flush()
        assert log.read(view(blank(), home=tmp_path)) == 0
        file.write("ne\n")
    assert log.read(view(blank(), home=tmp_path)) == 1


@pytest.mark.parametrize(
    ("pattern", "line"), [(r"score: (\S+)", "score: 1,234"), (r"score: (\S+)", "score: nan"), (r"over( \d+)?", "over")]
)
def test_a_group_of_a_log_line_that_is_no_number_is_said(tmp_path: Path, pattern: str, line: str) -> None:
    log = reader(tmp_path, kind="log", pattern=pattern)
    with pytest.raises(ProfileError, match=r"p\.toml: readers\.x\.pattern must have a number .*" + re.escape(line)):
        log.read(view(blank(), new_output=[line]))


def test_a_log_file_that_cannot_be_read_is_said(tmp_path: Path) -> None:
    log = reader(tmp_path, kind="log", pattern="done", file="game.log")
    assert log.read(view(blank(), home=tmp_path)) == 0
    (tmp_path / "game.log").mkdir()
    with pytest.raises(ProfileError, match=r"readers\.x\.file must be a file"):
        log.read(view(blank(), home=tmp_path))


def test_a_users_own_function(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "my_reader.py").write_text("def two(view):\n    return 2.0 + view.frame.size[0]\n")
    monkeypatch.syspath_prepend(tmp_path)
    assert reader(tmp_path, kind="python", function="my_reader:two").read(view(blank())) == 102
    with pytest.raises(ProfileError, match="importable"):
        reader(tmp_path, kind="python", function="my_reader:none")


def test_a_users_function_lies_beside_the_profile(tmp_path: Path) -> None:
    for folder, number in (("one", 1), ("two", 2)):  # the same name is another module in another folder
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "beside.py").write_text(f"def number(view):\n    return {number}\n")
        assert reader(tmp_path / folder, kind="python", function="beside:number").read(view(blank())) == number
    (tmp_path / "wrong.py").write_text("1 / 0\n")
    for _ in range(2):
        with pytest.raises(ProfileError, match="division by zero"):
            reader(tmp_path, kind="python", function="wrong:number")


def test_what_a_users_function_does_wrong_is_said_with_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "their_reader.py").write_text(
        "import numpy\nseven = 7\nvalue = None\n"
        "def give(view):\n    if isinstance(value, Exception):\n        raise value\n    return value\n"
    )
    (tmp_path / "broken_reader.py").write_text("1 / 0\n")
    monkeypatch.syspath_prepend(tmp_path)
    own = reader(tmp_path, kind="python", function="their_reader:give")
    module = importlib.import_module("their_reader")
    for value, number in ((True, 1), (np.bool_(True), 1), (np.float32(0.5), 0.5), (np.int64(3), 3), (4, 4)):
        module.value = value  # type: ignore[attr-defined]
        assert own.read(view(blank())) == number
    for value in (None, float("nan"), float("-inf"), np.float64("inf"), 10**400):
        module.value = value  # type: ignore[attr-defined]
        assert own.read(view(blank())) is None
    module.value = KeyError("boom")  # type: ignore[attr-defined]
    with pytest.raises(ProfileError, match=r"readers\.x\.function.*'their_reader:give' raised KeyError: 'boom'"):
        own.read(view(blank()))
    for value in ("7", [7], 1j):
        module.value = value  # type: ignore[attr-defined]
        with pytest.raises(ProfileError, match=r"function must return a number or None; 'their_reader:give'"):
            own.read(view(blank()))
    with pytest.raises(ProfileError, match="must name a function"):
        reader(tmp_path, kind="python", function="their_reader:seven")
    with pytest.raises(ProfileError, match="division by zero"):
        reader(tmp_path, kind="python", function="broken_reader:give")


@pytest.mark.parametrize("region", [[500, 500, 5, 5], [195, 0, 10, 10], [0, 95, 10, 10]])
def test_regions_beyond_the_picture_read_nothing(tmp_path: Path, region: list[int]) -> None:
    DigitFont({"1": np.full((4, 4, 4), 255, np.uint8)}).save(tmp_path / "font.png")
    cv2.imwrite(str(tmp_path / "sign.png"), np.zeros((3, 3, 3), np.uint8))
    digits = {"kind": "digits", "font": "font.png", "characters": "1"}
    for keys in (
        {"kind": "bar", "color": [1, 2, 3]},
        {"kind": "color", "color": [1, 2, 3]},
        {"kind": "unchanged", "seconds": 0.1},
        {"kind": "template", "image": "sign.png"},
        digits,
        {**digits, "ink": [255, 255, 255]},
    ):
        read = reader(tmp_path, region=region, **keys)
        assert [read.read(view(blank(), t_ns)) for t_ns in (0, 10**9)] == [None, None]


def test_a_template_larger_than_its_region_is_refused(tmp_path: Path) -> None:
    cv2.imwrite(str(tmp_path / "sign.png"), np.zeros((12, 20, 3), np.uint8))
    with pytest.raises(ProfileError, match=r"readers\.x\.image must fit into the region \[0, 0, 19, 12\]"):
        reader(tmp_path, kind="template", image="sign.png", region=[0, 0, 19, 12])


def test_digits_among_other_characters_are_found_by_a_pattern(tmp_path: Path) -> None:
    glyphs = {}
    for character in "XY0123":
        drawn = np.zeros((16, 10, 3), np.uint8)
        cv2.putText(drawn, character, (0, 13), cv2.FONT_HERSHEY_PLAIN, 1.0, (255, 255, 255))
        glyphs[character] = np.dstack([drawn, np.full((16, 10), 255, np.uint8)])
    font = DigitFont(glyphs)
    font.save(tmp_path / "font.png")
    picture = blank()
    for place, character in enumerate("X102Y31"):
        picture[20:36, 10 + 12 * place : 20 + 12 * place, :3] = font.glyphs[character][:, :, :3]
    keys = {"kind": "digits", "font": "font.png", "characters": "0123XY", "region": [0, 10, 150, 40]}
    assert reader(tmp_path, **keys).read(view(picture)) == 10231
    assert reader(tmp_path, **keys, pattern=r"^X(\d+)Y").read(view(picture)) == 102
    assert reader(tmp_path, **keys, pattern=r"Y(\d+)$").read(view(picture)) == 31
    assert reader(tmp_path, **keys, pattern=r"Z(\d+)$").read(view(picture)) is None
    with pytest.raises(ProfileError, match="must have a group"):
        reader(tmp_path, **keys, pattern=r"^\d+$")
