"""Reading short texts off the screen in a taught font: no OCR, just the game's own characters, recognised again."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from gameon_env.data_processing.picture_file import read_picture, write_png
from gameon_env.errors import ObservationError, ProfileError

Pixels = npt.NDArray[np.uint8]


USUAL_THRESHOLD, USUAL_SMOOTH_THRESHOLD = 0.8, 0.6
"""Least likenesses. Of 800 numbers in 20 smooth fonts on 10 grounds 79 % are read at 0.8, 99 % at 0.6."""

RESEMBLING = 0.35
"""What is so many thresholds like a character may well be one."""

GROUND = 3.0
"""What differs from the ink by so many tolerances is ground and nothing else, be it busy or not."""


@dataclass(frozen=True, slots=True)
class Ink:
    """The colour of a text: ``(red, green, blue)``, and by how many levels a channel may differ from it."""

    rgb: tuple[int, int, int]
    tolerance: float = 60.0

    def separate(self, pixels: Pixels) -> Pixels:
        """``(h, w, 3) uint8``: white where ``(h, w, 3) uint8 BGR`` pixels are ink, black elsewhere."""
        mask = near(pixels, self.rgb, self.tolerance)
        return np.repeat((mask * np.uint8(255))[:, :, None], 3, axis=2)

    def coverage(self, pixels: Pixels) -> Pixels:
        """``(h, w, 3) uint8``: how much of each ``(h, w, 3) uint8 BGR`` pixel is ink, from black (none) to white (all).

        The edges of smooth text are mixed with what is behind it: ``a * ink + (1 - a) * ground`` differs from the ink
        by ``1 - a`` of what the ground does, which is the most that anything close by differs. ``a`` is the same on
        all grounds; the edges of a mask are not.
        """
        ink = np.array(self.rgb[::-1], np.float64)
        difference = np.asarray(cv2.absdiff(np.ascontiguousarray(pixels), ink)).max(axis=2).astype(np.float32)
        difference = np.minimum(difference, GROUND * self.tolerance)
        ground = np.maximum(cv2.dilate(difference, np.ones((5, 5), np.uint8)), max(self.tolerance, 1))
        return np.repeat(np.rint(255 * (1 - difference / ground)).astype(np.uint8)[:, :, None], 3, axis=2)


def near(pixels: Pixels, rgb: tuple[int, int, int], tolerance: float) -> npt.NDArray[np.bool_]:
    """Which ``(h, w, 3) uint8 BGR`` pixels differ from a colour by at most ``tolerance`` levels in each channel."""
    bgr = np.array(rgb[::-1], np.float64)
    mask = cv2.inRange(np.ascontiguousarray(pixels), np.clip(bgr - tolerance, 0, 255), np.clip(bgr + tolerance, 0, 255))
    return np.asarray(mask) > 0


class DigitFont:
    """Pictures of a game's characters.

    Stored as a PNG of equal cells, one per character from left to right; what is transparent is not part of it.

    Args:
        glyphs: one ``(h, w, 4) uint8 BGRA`` picture per character; what is transparent is not compared.
        threshold: least likeness for a match, 1 - (root mean square difference / 128 levels); 0.8 without it, and
            0.6 for smooth characters.
        ink: the colour of the text, for text on a background that is not plain. Glyphs with smooth edges are compared
            with how much of each pixel is ink, those without with where the ink is.
    """

    def __init__(self, glyphs: dict[str, Pixels], threshold: float | None = None, ink: Ink | None = None) -> None:
        self.glyphs = glyphs
        self.ink = ink
        self.smooth = ink is not None and any(
            ((glyph[:, :, :3] > 0) & (glyph[:, :, :3] < 255) & (glyph[:, :, 3:] > 0)).any() for glyph in glyphs.values()
        )
        """Whether the characters have smooth edges, on a ground that is not plain."""
        self.threshold = (
            (USUAL_SMOOTH_THRESHOLD if self.smooth else USUAL_THRESHOLD) if threshold is None else threshold
        )
        self._complete = glyphs.keys() >= set("0123456789")
        # Ink is white or black in all three channels: where the glyphs are as well, one of them says it all.
        plain = all((glyph[:, :, :1] == glyph[:, :, 1:3]).all() for glyph in glyphs.values())
        self._channels = 1 if ink is not None and plain else 3

    @classmethod
    def load(cls, path: Path, characters: str, threshold: float | None = None, ink: Ink | None = None) -> DigitFont:
        """Read a font.

        Raises:
            ProfileError: no such picture, no transparency, or cells that do not fit the characters.
        """
        image = read_picture(path, alpha=True)
        if image is None:
            raise ProfileError(f"{path}: cannot be read as a PNG; teach a font with: gameon teach --help")
        if image.ndim != 3 or image.shape[2] != 4 or not characters or image.shape[1] % len(characters):
            raise ProfileError(
                f"{path}: must be a PNG with transparency whose width is a multiple of the {len(characters)} "
                f"characters {characters!r}; its shape is {image.shape}. Teach it again with: gameon teach --help"
            )
        if len(set(characters)) < len(characters):
            raise ProfileError(f"{path}: its characters must differ from each other; they are {characters!r}")
        cells = np.split(image, len(characters), axis=1)
        glyphs = {}
        for character, cell in zip(characters, cells, strict=True):
            rows, columns = np.nonzero(cell[:, :, 3] == 255)
            if not len(rows):
                raise ProfileError(f"{path}: the cell of {character!r} is empty; teach it with: gameon teach --help")
            box = cell[rows.min() : rows.max() + 1, columns.min() : columns.max() + 1]
            glyphs[character] = np.ascontiguousarray(box)
        return cls(glyphs, threshold, ink)

    def save(self, path: Path) -> str:
        """Write the font as a PNG. Returns its characters in the order of the cells.

        Raises:
            ProfileError: the path names no .png, or cannot be written.
        """
        if path.suffix.lower() != ".png":
            raise ProfileError(f"{path}: a font is kept as a PNG: name a file that ends in .png")
        height = max(glyph.shape[0] for glyph in self.glyphs.values())
        width = max(glyph.shape[1] for glyph in self.glyphs.values())
        characters = "".join(sorted(self.glyphs))
        sheet = np.zeros((height, width * len(characters), 4), np.uint8)
        for i, character in enumerate(characters):
            glyph = self.glyphs[character]
            sheet[: glyph.shape[0], i * width : i * width + glyph.shape[1]] = glyph
        try:
            write_png(path, sheet)
        except OSError as error:
            raise ProfileError(
                f"{path}: cannot be written ({error.strerror}); name a file in a folder of yours"
            ) from error
        return characters

    def read(self, pixels: Pixels) -> str:
        """The characters in a ``(h, w, 3) uint8 BGR`` picture, from left to right.

        Where two characters claim the same place, the better likeness wins.
        """
        return "".join(place.character for place in self._find(self._shown(pixels))[0])

    def read_all(self, pixels: Pixels) -> str | None:
        """The same; None where a character was not recognised: as high and wide as they are, between them, or, in a
        font without all ten digits, close by and somewhat like one of them.

        Commas and points count for nothing, and in a font with all ten digits, where what it does not recognise beside
        a number is hardly one, signs and labels neither. Without ink only a plain background tells what is on it.
        (Of 968 numbers beside signs, letters and icons in 61 fonts 92 % are read, and 60 % without that exception.)
        """
        shown = self._shown(pixels)
        places, resembling = self._find(shown)
        missed = bool(places) and self._misses_one(shown, places, resembling)
        return None if missed else "".join(place.character for place in places)

    def _shown(self, pixels: Pixels) -> Pixels:
        if self.ink is None:
            return pixels
        return self.ink.coverage(pixels) if self.smooth else self.ink.separate(pixels)

    def _find(self, shown: Pixels) -> tuple[list[_Place], npt.NDArray[np.bool_]]:
        """Where which characters are, from left to right, and the columns that are the middle of what resembles one."""
        channels = self._channels
        pixels = np.ascontiguousarray(shown[:, :, :channels])
        found: list[tuple[float, _Place]] = []
        resembling = np.zeros(pixels.shape[1], bool)
        for character, glyph in self.glyphs.items():
            height, width = glyph.shape[:2]
            if height > pixels.shape[0] or width > pixels.shape[1]:
                continue
            compared = np.repeat(glyph[:, :, 3:] // 255, channels, axis=2)
            picture = np.ascontiguousarray(glyph[:, :, :channels])
            difference = cv2.matchTemplate(pixels, picture, cv2.TM_SQDIFF, mask=compared)
            likeness = 1 - np.sqrt(np.maximum(difference, 0) / compared.sum()) / 128
            best = likeness.max(axis=0)
            resembling[np.flatnonzero(best > RESEMBLING * self.threshold) + width // 2] = True
            for x in np.flatnonzero(best > self.threshold):
                place = _Place(int(x), int(likeness[:, x].argmax()), width, height, character)
                found.append((float(best[x]), place))
        taken: list[_Place] = []
        for _, place in sorted(found, key=lambda match: -match[0]):
            margin = max(place.width // 3, 2)  # neighbours share their outer columns, slanted ones more than one each
            if all(place.right - margin <= other.left or other.right - margin <= place.left for other in taken):
                taken.append(place)
        return sorted(taken), resembling

    def _misses_one(self, shown: Pixels, places: list[_Place], resembling: npt.NDArray[np.bool_]) -> bool:
        inked = shown[:, :, 0] > 127 if self.ink is not None else _on_plain_ground(shown)
        if inked is None:
            return False
        band = inked[min(place.top for place in places) : max(place.bottom for place in places)]
        columns = np.asarray(band.any(axis=0))
        for place in places:
            columns[place.left + 1 : place.right - 1] = False  # but for the margins, which a neighbour may reach into
        widths = [glyph.shape[1] for glyph in self.glyphs.values()]
        digits = [place for place in places if place.character.isdigit()] or places  # points and signs are low
        least_rows = 0.8 * min(place.bottom - place.top for place in digits) - 2
        for run in _runs(columns):
            left, right = int(run[0]), int(run[-1]) + 1
            rows = int(band[:, left:right].any(axis=1).sum())  # few in a colon, which is high but mostly gap
            if not 0.3 * min(widths) <= right - left <= 1.15 * max(widths) or rows < least_rows:
                continue
            apart = min(max(place.left - right, left - place.right) for place in places)
            if places[0].left < left < places[-1].left:
                return True
            if not self._complete and apart <= 0.6 * max(widths) and resembling[left:right].any():
                return True
        return False


@dataclass(frozen=True, slots=True, order=True)
class _Place:
    """Where a character was found."""

    left: int
    top: int
    width: int
    height: int
    character: str

    @property
    def right(self) -> int:
        return self.left + self.width

    @property
    def bottom(self) -> int:
        return self.top + self.height


def _border(picture: npt.NDArray[Any]) -> npt.NDArray[Any]:
    return np.concatenate([picture[0], picture[-1], picture[:, 0], picture[:, -1]])


def _inked(pixels: Pixels) -> npt.NDArray[np.bool_]:
    """Which pixels differ from the middle colour of the border by more than 60 levels."""
    ground = np.median(_border(pixels), axis=0)
    return np.asarray(np.abs(pixels.astype(np.float32) - ground).max(axis=2) > 60)


def _on_plain_ground(pixels: Pixels) -> npt.NDArray[np.bool_] | None:
    """Which pixels are not the ground; None where it is not plain."""
    inked = _inked(pixels)
    return inked if _border(inked).mean() <= 0.1 else None


def _runs(columns: npt.NDArray[np.bool_]) -> list[npt.NDArray[np.intp]]:
    """The numbers of the columns that are True, in runs without a gap."""
    numbers = np.flatnonzero(columns)
    return np.split(numbers, np.flatnonzero(np.diff(numbers) > 1) + 1) if len(numbers) else []


def teach(pixels: Pixels, text: str, ink: Ink | None = None) -> DigitFont:
    """Learn a font from a picture that shows a known text.

    Without ``ink``, the background is the middle colour at the picture's border, and ink what differs from it by more
    than 60 levels; with it, what is ink for more than a half. Runs of columns that hold ink are the characters. What is
    compared later is the ink and, with ``ink``, its closest surroundings only, so that slanted characters may reach
    into each other's columns.

    Args:
        pixels: ``(h, w, 3) uint8 BGR``, the text alone, in one line.
        text: what it says; spaces count for nothing.
        ink: the text's colour, on a background that is not plain.

    Raises:
        ObservationError: the text is empty, or the picture does not fall into as many characters as it has.
    """
    characters = text.replace(" ", "")
    if not characters:
        raise ObservationError("there is nothing to learn from an empty text: give the text that the picture shows")
    plain = pixels
    if ink is not None:
        pixels = ink.coverage(plain)
    inked = _inked(pixels) if ink is None else pixels[:, :, 0] > 127
    runs = _runs(np.asarray(inked.any(axis=0)))
    if ink is not None and len(runs) != len(characters):  # a ground that is in parts somewhat like the ink
        pixels = ink.separate(plain)
        inked = pixels[:, :, 0] > 127
        runs = _runs(np.asarray(inked.any(axis=0)))
    rows = np.flatnonzero(inked.any(axis=1))
    if len(runs) != len(characters):
        raise ObservationError(
            f"the picture falls into {len(runs)} characters, the text {text!r} has {len(characters)}: give a region "
            "that holds just this text, characters apart, on a plain background, or name the text's colour (ink)"
        )
    top, bottom = max(int(rows.min()) - 1, 0), min(int(rows.max()) + 2, pixels.shape[0])
    glyphs: dict[str, Pixels] = {}
    for character, run in zip(characters, runs, strict=True):
        left, right = max(int(run[0]) - 1, 0), min(int(run[-1]) + 2, pixels.shape[1])
        compared = np.full((bottom - top, right - left), 255, np.uint8)
        if ink is not None:
            box = inked[top:bottom, left:right].astype(np.uint8) * 255
            compared = np.asarray(cv2.dilate(box, np.ones((3, 3), np.uint8)), np.uint8)
        glyphs[character] = np.dstack([pixels[top:bottom, left:right], compared])
    return DigitFont(glyphs, ink=ink)
