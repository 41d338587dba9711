"""Readers of the screen: digits, how full a bar is, whether a colour or a template is there, and how
often, what stays unchanged."""

from __future__ import annotations

import re

import cv2
import numpy as np
import numpy.typing as npt

from gameon_env.data_processing.digits import USUAL_SMOOTH_THRESHOLD, DigitFont, Ink, near
from gameon_env.data_processing.picture_file import read_picture
from gameon_env.errors import ProfileError
from gameon_env.events import Frame
from gameon_env.games.game_view import GameView
from gameon_env.games.screen_area import Area, AreaReader, Pixels
from gameon_env.games.table import Table


class Digits(AreaReader):
    """``kind = "digits"``: a number written in a taught font (see ``gameon teach --help``).

    Keys: region, font (a PNG beside the profile), characters (those in the font, in order; "0123456789" unless given),
    threshold (least likeness of a character, 0-1, 0.8 unless given, 0.6 for smooth ones in ink), ink ([r, g, b] of the
    text, where the background is not plain), tolerance (levels per channel that the ink may differ, 60 unless given),
    clock (true: it is a time as m:ss or h:mm:ss, which is read in seconds), and pattern (where other characters stand
    around the number: a regular expression of all that is read, whose first group is the number).

    Where it sees, close to the number, something like a character that it does not recognise, it reads nothing: a
    number with a digit left out would be a wrong one. With a pattern, that alone decides.
    """

    def __init__(self, table: Table) -> None:
        super().__init__(Area(table, required=True))
        font, characters = table.take("font", str), table.take("characters", str, "0123456789")
        threshold = table.number("threshold", low=0) if "threshold" in table else None
        table.take("threshold", float, None)
        ink = _ink(table)
        self._clock = table.take("clock", bool, False)
        pattern = table.regex("pattern", None)
        self._pattern = re.compile(pattern) if pattern else None
        if self._pattern is not None and not self._pattern.groups:
            raise table.error("pattern", f"must have a group, which is the number; it is {pattern!r}")
        try:
            self._font = DigitFont.load(table.file.parent / font, characters, threshold, ink)
        except ProfileError as error:
            raise table.wrap("font", error) from error

    def text(self, frame: Frame) -> str:
        """All characters of the font that are found in the region, from left to right."""
        pixels = self._area.cut(frame)
        return "" if pixels is None else self._font.read(pixels[:, :, :3])

    def _work_out(self, pixels: Pixels) -> float | None:
        if self._pattern is None:
            text = self._font.read_all(pixels) or ""
        else:
            match = self._pattern.search(self._font.read(pixels))
            text = match[1] or "" if match is not None else ""
        text = "".join(char for char in text if char in "-.0123456789")
        if not re.fullmatch(r"-?\d+(\.\d+)?", text):
            return None
        return _seconds(text) if self._clock else float(text)


def _seconds(text: str) -> float:
    """Of hours, minutes and seconds without what stands between them, two digits each but for the first."""
    sign = -1 if text[0] == "-" else 1
    whole, _, part = text.lstrip("-").partition(".")
    value = 3600 * int(whole[:-4] or 0) + 60 * int(whole[-4:-2] or 0) + int(whole[-2:])
    return sign * (value + float(f"0.{part or 0}"))


class Bar(AreaReader):
    """``kind = "bar"``: how full a bar is, 0-1: the part of the region's columns (rows) that show ``color``.

    Keys: region, color [r, g, b], tolerance (levels per channel, 60 unless given), direction (right, left, up or down:
    the way it fills), colors for bars that change colour while they drain (a list of [r, g, b] in place of color).
    """

    def __init__(self, table: Table) -> None:
        super().__init__(Area(table, required=True))
        self._colors = _colors(table)
        self._tolerance = table.number("tolerance", 60.0, low=0)
        self._axis = (
            0 if table.choice("direction", ("right", "left", "up", "down"), "right") in ("right", "left") else 1
        )

    def _work_out(self, pixels: Pixels) -> float | None:
        filled = np.zeros(pixels.shape[:2], bool)
        for color in self._colors:
            filled |= near(pixels, color, self._tolerance)
        return float((filled.mean(axis=self._axis) >= 0.5).mean())


class Color(AreaReader):
    """``kind = "color"``: 1 where at least ``fraction`` of the region shows ``color``, else 0.

    Keys: region, color [r, g, b], tolerance (30 unless given), fraction (0.5 unless given).
    """

    def __init__(self, table: Table) -> None:
        super().__init__(Area(table))
        self._colors = _colors(table)
        self._tolerance = table.number("tolerance", 30.0, low=0)
        self._fraction = table.number("fraction", 0.5, low=0)

    def _work_out(self, pixels: Pixels) -> float | None:
        share = max(float(near(pixels, color, self._tolerance).mean()) for color in self._colors)
        return float(share >= self._fraction)


class Template(AreaReader):
    """``kind = "template"``: 1 where the picture ``image`` is found in the region, else 0.

    Keys: image (a PNG beside the profile; what is transparent is not compared), region, threshold (least likeness, 0-1,
    0.9 unless given), ink ([r, g, b] of a text or sign on a background that is not plain: how much of each pixel is of
    this colour is compared, and the likeness is 0.6 at least unless given), tolerance (levels per channel that the ink
    may differ, 60 unless given).
    """

    def __init__(self, table: Table) -> None:
        super().__init__(Area(table))
        path = table.file.parent / table.take("image", str)
        image = read_picture(path, alpha=True)
        if image is None:  # of 16 bits per channel, say
            image = read_picture(path)
        if image is None:
            raise table.error("image", f"must be a picture file; {path} cannot be read as one")
        height, width = image.shape[:2]
        if self._area.region is not None and (width > self._area.region[2] or height > self._area.region[3]):
            raise table.error("image", f"must fit into the region {list(self._area.region)}; it is {width}x{height}")
        self._ink = _ink(table)
        self._threshold = table.number("threshold", 0.9 if self._ink is None else USUAL_SMOOTH_THRESHOLD, low=0)
        self._compared: Pixels | None = None
        if image.ndim == 3 and image.shape[2] == 4 and image[:, :, 3].min() < 255:
            compared = np.repeat((image[:, :, 3:] == 255).astype(np.uint8), 3, axis=2)
            if compared.any():
                self._compared = compared
            elif not image[:, :, :3].any():
                raise table.error("image", f"must show something; {path} is transparent everywhere")
            # Else it is a part of a screenshot in BGRX, whose fourth channel says nothing: all of it is compared.
        colours = image if image.ndim == 3 else np.repeat(image[:, :, None], 3, axis=2)
        self._image = self._shown(np.ascontiguousarray(colours[:, :, :3]))

    def _work_out(self, pixels: Pixels) -> float | None:
        likeness = self._likeness(pixels)
        return None if likeness is None else float(likeness.max() >= self._threshold)

    def _likeness(self, pixels: Pixels) -> npt.NDArray[np.float32] | None:
        """At each place of the image in the region; None where it does not fit into the picture."""
        if pixels.shape[0] < self._image.shape[0] or pixels.shape[1] < self._image.shape[1]:
            return None
        shown = np.ascontiguousarray(self._shown(pixels))
        difference = cv2.matchTemplate(shown, self._image, cv2.TM_SQDIFF, mask=self._compared)
        count = self._image.size if self._compared is None else int(self._compared.sum())
        return np.asarray(1 - np.sqrt(np.maximum(difference, 0) / count) / 128, np.float32)

    def _shown(self, pixels: Pixels) -> Pixels:
        return pixels if self._ink is None else self._ink.coverage(pixels)


class Count(Template):
    """``kind = "count"``: how often the picture ``image`` is found in the region, as hearts that are lives.

    Keys: as of ``template``. Two that overlap by half or more are one.
    """

    def _work_out(self, pixels: Pixels) -> float | None:
        likeness = self._likeness(pixels)
        if likeness is None:
            return None
        height, width = (max(side // 2, 1) for side in self._image.shape[:2])
        count = 0
        while likeness.max() >= self._threshold:
            y, x = np.unravel_index(int(likeness.argmax()), likeness.shape)
            likeness[max(y - height, 0) : y + height + 1, max(x - width, 0) : x + width + 1] = -np.inf
            count += 1
        return float(count)


class Unchanged:
    """``kind = "unchanged"``: 1 when the region has shown the same picture for ``seconds``, else 0."""

    def __init__(self, table: Table) -> None:
        self._area = Area(table)
        self._hold_ns = int(table.number("seconds", low=0, above=True) * 1e9)
        self.reset()

    def reset(self) -> None:
        self._last: bytes | None = None
        self._since_ns = 0

    def read(self, view: GameView) -> float | None:
        pixels = self._area.cut(view.frame)
        if pixels is None:
            return None
        if pixels.size > 100_000:  # every other pixel will do for a large picture
            pixels = pixels[::2, ::2]
        look = pixels.view(np.uint32).tobytes()
        if look != self._last:
            self._last, self._since_ns = look, view.frame.t_ns
        return float(view.frame.t_ns - self._since_ns >= self._hold_ns)


def _ink(table: Table) -> Ink | None:
    tolerance = table.number("tolerance", 60.0, low=0)
    ink = Ink(_color(table, "ink"), tolerance) if "ink" in table else None
    table.take("ink", list, None)
    return ink


def _colors(table: Table) -> list[tuple[int, int, int]]:
    if "colors" not in table:
        table.take("colors", list, None)
        return [_color(table, "color")]
    table.take("color", list, None)
    colors = [_as_color(table, "colors", raw) for raw in table.take("colors", list)]
    if not colors:
        raise table.error("colors", "must hold at least one [red, green, blue]; it is empty")
    return colors


def _color(table: Table, key: str) -> tuple[int, int, int]:
    return _as_color(table, key, table.take(key, list))


def _as_color(table: Table, key: str, raw: object) -> tuple[int, int, int]:
    if not isinstance(raw, list) or len(raw) != 3 or not all(type(v) is int and 0 <= v <= 255 for v in raw):
        raise table.error(key, f"must be [red, green, blue] with levels from 0 to 255; it is {raw!r}")
    return raw[0], raw[1], raw[2]
