"""Reading short texts off the screen in a taught font: no OCR, just the game's own characters, recognised again."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from gameon_env.data_processing.picture_file import read_picture, write_png
from gameon_env.errors import ObservationError, ProfileError

Pixels = npt.NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class Ink:
    """The colour of a text: ``(red, green, blue)``, and by how many levels a channel may differ from it."""

    rgb: tuple[int, int, int]
    tolerance: float = 60.0

    def separate(self, pixels: Pixels) -> Pixels:
        """``(h, w, 3) uint8``: white where ``(h, w, 3) uint8 BGR`` pixels are ink, black elsewhere."""
        mask = near(pixels, self.rgb, self.tolerance)
        return np.repeat((mask * np.uint8(255))[:, :, None], 3, axis=2)


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
        threshold: least likeness for a match, 1 - (root mean square difference / 128 levels).
        ink: the colour of the text, for text on a background that is not plain: what is near it becomes white and
            all else black, in the glyphs and in what is read.
    """

    def __init__(self, glyphs: dict[str, Pixels], threshold: float = 0.8, ink: Ink | None = None) -> None:
        self.glyphs = glyphs
        self.threshold = threshold
        self.ink = ink
        # Ink is white or black in all three channels: where the glyphs are as well, one of them says it all.
        plain = all((glyph[:, :, :1] == glyph[:, :, 1:3]).all() for glyph in glyphs.values())
        self._channels = 1 if ink is not None and plain else 3

    @classmethod
    def load(cls, path: Path, characters: str, threshold: float = 0.8, ink: Ink | None = None) -> DigitFont:
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
        channels = self._channels
        pixels = np.ascontiguousarray((pixels if self.ink is None else self.ink.separate(pixels))[:, :, :channels])
        found: list[tuple[float, int, int, str]] = []
        for character, glyph in self.glyphs.items():
            if glyph.shape[0] > pixels.shape[0] or glyph.shape[1] > pixels.shape[1]:
                continue
            compared = np.repeat(glyph[:, :, 3:] // 255, channels, axis=2)
            shown = np.ascontiguousarray(glyph[:, :, :channels])
            difference = cv2.matchTemplate(pixels, shown, cv2.TM_SQDIFF, mask=compared)
            likeness = 1 - np.sqrt(np.maximum(difference, 0) / compared.sum()) / 128
            best = likeness.max(axis=0)
            found += [
                (float(best[x]), int(x), glyph.shape[1], character) for x in np.flatnonzero(best > self.threshold)
            ]
        taken: list[tuple[int, int, str]] = []
        for _, left, width, character in sorted(found, key=lambda match: -match[0]):
            margin = max(width // 3, 1)  # neighbours may share their outer columns, slanted ones in particular
            if all(left + width - margin <= x or x + w - margin <= left for x, w, _ in taken):
                taken.append((left, width, character))
        return "".join(character for _, _, character in sorted(taken))


def teach(pixels: Pixels, text: str, ink: Ink | None = None) -> DigitFont:
    """Learn a font from a picture that shows a known text.

    Without ``ink``, the background is the middle colour at the picture's border, and ink what differs from it by more
    than 60 levels. Runs of columns that hold ink are the characters. What is compared later is the ink and, with
    ``ink``, its closest surroundings only, so that slanted characters may reach into each other's columns.

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
    if ink is not None:
        pixels = ink.separate(pixels)
    border = np.concatenate([pixels[0], pixels[-1], pixels[:, 0], pixels[:, -1]])
    inked = np.abs(pixels.astype(np.float32) - np.median(border, axis=0)).max(axis=2) > 60
    rows = np.flatnonzero(inked.any(axis=1))
    columns = np.flatnonzero(inked.any(axis=0))
    runs = np.split(columns, np.flatnonzero(np.diff(columns) > 1) + 1) if len(columns) else []
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
