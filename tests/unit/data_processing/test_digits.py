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
