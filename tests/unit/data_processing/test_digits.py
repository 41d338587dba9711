"""Teaching a font and reading it again."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gameon_env.data_processing.digits import DigitFont, Ink, teach
from gameon_env.errors import ObservationError, ProfileError


def write(text: str, background: np.ndarray | int = 30) -> np.ndarray:
    picture = np.zeros((40, 24 * len(text) + 40, 3), np.uint8) + np.uint8(background)
    for i, character in enumerate(text):
        cv2.putText(picture, character, (10 + 24 * i, 30), cv2.FONT_HERSHEY_PLAIN, 1.5, (255, 255, 255), 2, cv2.LINE_4)
    return picture


FONT = teach(write("0123456789"), "0123456789")


@settings(max_examples=80, deadline=None)
@given(st.integers(0, 999_999))
def test_reads_what_is_written(number: int) -> None:
    assert FONT.read(write(str(number))) == str(number)


def test_reads_nothing_where_nothing_is_written() -> None:
    assert FONT.read(write("")) == ""
    assert FONT.read(np.full((40, 200, 3), 255, np.uint8)) == ""
    assert FONT.read(np.zeros((4, 4, 3), np.uint8)) == ""


def test_ink_reads_over_a_busy_background() -> None:
    rng = np.random.default_rng(0)
    font = teach(write("0123456789"), "0123456789", Ink((255, 255, 255), 40))
    for number in (0, 7, 1438, 90210, 111):
        picture = write(str(number))
        busy = rng.integers(0, 120, picture.shape, dtype=np.uint8)
        picture = np.where(picture > 200, picture, busy).astype(np.uint8)
        assert font.read(picture) == str(number)


def write_smooth(text: str, ground: np.ndarray | int) -> np.ndarray:
    """White text with smooth edges, mixed with what is behind it."""
    size = (44, 30 * len(text) + 40)
    cover = np.zeros(size, np.uint8)
    for i, character in enumerate(text):
        cv2.putText(cover, character, (10 + 30 * i, 33), cv2.FONT_HERSHEY_SIMPLEX, 1.1, 255, 2, cv2.LINE_AA)
    share = cover[:, :, None] / 255
    return np.asarray(share * 255 + (1 - share) * (np.zeros((*size, 3)) + ground), np.uint8)


def test_smooth_characters_in_ink_are_read_on_grounds_that_they_were_not_taught_on(tmp_path: Path) -> None:
    ink = Ink((255, 255, 255))
    characters = teach(write_smooth("0123456789", 30), "0123456789", ink).save(tmp_path / "font.png")
    font = DigitFont.load(tmp_path / "font.png", characters, ink=ink)
    slope = np.linspace(0, 170, 30 * 5 + 40)[None, :, None]
    for ground in (0, 90, 170, np.array([140, 60, 20]), np.array([30, 40, 200]), slope):
        for number in ("0", "71438", "90265", "11111"):
            picture = write_smooth(number, ground if len(number) == 5 else 120)
            assert font.read_all(picture) == number


@pytest.mark.parametrize("ink", [None, Ink((255, 255, 255), 40)])
def test_a_number_with_a_digit_that_is_not_known_is_not_read(ink: Ink | None) -> None:
    font = teach(write("012345679"), "012345679", ink)  # no 8
    for number in ("18", "81", "1801", "380"):
        assert font.read(write(number)) == number.replace("8", "")
        assert font.read_all(write(number)) is None
    assert font.read_all(write("1701")) == "1701"


@pytest.mark.parametrize("ink", [None, Ink((255, 255, 255), 40)])
def test_what_is_no_digit_beside_a_number_does_not_keep_it_from_being_read(ink: Ink | None) -> None:
    font = teach(write("0123456789"), "0123456789", ink)
    for text, number in (
        ("TIME  17", "17"),
        ("1,204", "1204"),
        ("x:12", "12"),
        ("7.", "7"),
        ("$120", "120"),
        ("42G", "42"),
    ):
        assert font.read_all(write(text)) == number


def test_a_comma_in_a_font_that_has_a_point_is_no_character_that_was_missed(tmp_path: Path) -> None:
    ink = Ink((255, 255, 255), 40)
    characters = teach(write(".0123456789"), ".0123456789", ink).save(tmp_path / "font.png")
    font = DigitFont.load(tmp_path / "font.png", characters, ink=ink)
    assert font.read_all(write("1,250.5")) == "1250.5"


def test_ink_is_taught_on_a_ground_that_is_in_parts_like_it() -> None:
    rng = np.random.default_rng(0)

    def write_busily(text: str) -> np.ndarray:
        picture = write(text)
        return np.where(picture > 200, picture, rng.integers(90, 190, (*picture.shape[:2], 1))).astype(np.uint8)

    font = teach(write_busily("0123456789"), "0123456789", Ink((255, 255, 255), 60))
    for number in ("20461357", "88991"):
        assert font.read_all(write_busily(number)) == number


def test_saved_and_loaded_it_reads_the_same(tmp_path: Path) -> None:
    characters = FONT.save(tmp_path / "font.png")
    font = DigitFont.load(tmp_path / "font.png", characters)
    assert font.read(write("20461357")) == "20461357"


def test_a_text_that_does_not_fit_the_picture_is_refused() -> None:
    with pytest.raises(ObservationError, match="falls into 4 characters"):
        teach(write("1234"), "123")


@pytest.mark.parametrize("content", [b"", b"no picture"])
def test_no_picture_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "font.png").write_bytes(content)
    with pytest.raises(ProfileError, match="gameon teach"):
        DigitFont.load(tmp_path / "font.png", "0123456789")


def test_cells_that_do_not_fit_the_characters_are_refused(tmp_path: Path) -> None:
    FONT.save(tmp_path / "font.png")
    with pytest.raises(ProfileError, match="multiple"):
        DigitFont.load(tmp_path / "font.png", "0123456")
    with pytest.raises(ProfileError, match="must differ"):
        DigitFont.load(tmp_path / "font.png", "0123456788")


def test_an_empty_text_teaches_nothing() -> None:
    for text in ("", "  "):
        with pytest.raises(ObservationError, match="empty text"):
            teach(write(""), text)


@pytest.mark.parametrize("name", ["font.txt", "font", "none/font.png", "folder.png"])
def test_a_font_that_cannot_be_written_there_is_refused(
    tmp_path: Path, name: str, capfd: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "folder.png").mkdir()
    with pytest.raises(ProfileError, match=f"{name}: (a font is kept as a PNG|cannot be written)"):
        FONT.save(tmp_path / name)
    assert capfd.readouterr() == ("", "")
