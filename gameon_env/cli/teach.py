"""``gameon teach``: learn a game's font from a screenshot, or cut a picture out of it."""

from __future__ import annotations

import json
from pathlib import Path

import typer

from gameon_env.data_processing.digits import DigitFont, Ink, teach
from gameon_env.data_processing.picture_file import Pixels, read_picture, write_png
from gameon_env.errors import ObservationError, ProfileError


def command(
    image: Path = typer.Argument(..., help="A screenshot that shows the text (PNG, at the game's own size)."),
    text: str = typer.Option("", help="What the text says, as in 0137."),
    region: str = typer.Option(..., help="left,top,width,height of the text in the screenshot."),
    font: Path | None = typer.Option(None, help="The font to write; where it exists, new characters are added."),
    cut: Path | None = typer.Option(None, help="In place of text and font: the picture to write, of just this region."),
    characters: str = typer.Option("", help="The characters that an existing font holds, in order."),
    ink: str = typer.Option("", help="red,green,blue of the text, where its background is not plain."),
    tolerance: float = typer.Option(60.0, min=0.0, help="By how many levels a channel may differ from the ink."),
) -> None:
    """Teach a font, for a profile's reader of kind "digits".

    Take screenshots that show all ten digits between them (gameon look makes them), and teach from each. The command
    prints the line `characters = ...` that belongs into the reader's table.

    With --cut it writes the region as the picture that readers of kind "template" and "count" look for.
    """
    if (cut is None) == (font is None):
        raise ObservationError("give --font and --text to teach a font, or --cut to write the region as a picture")
    picture = read_picture(image)
    if picture is None:
        raise ObservationError(f"{image} cannot be read as a picture: name a PNG")
    left, top, width, height = _integers(region, 4, "--region must be left,top,width,height")
    color = Ink(_rgb(ink), tolerance) if ink else None
    pixels = picture[top : top + height, left : left + width]
    if pixels.size == 0 or pixels.shape[:2] != (height, width):
        size = f"{picture.shape[1]}x{picture.shape[0]}"
        raise ObservationError(f"--region must lie within the picture of {size}, and not be empty; it is {region}")
    if font is None:
        assert cut is not None
        _write(cut, pixels)
        return
    learned = teach(pixels, text, color)
    if font.exists():
        if not characters:
            raise ProfileError(
                f"{font} exists, and which characters it holds is needed to add to it: --characters 012..., "
                "as the command printed it when it wrote the font"
            )
        known = DigitFont.load(font, characters, ink=color)
        if learned.smooth and not known.smooth:
            raise ProfileError(
                f"{font} holds characters without smooth edges, and these have them: one way to compare fits not both. "
                "Name another file, and teach it all characters again"
            )
        learned = DigitFont({**known.glyphs, **learned.glyphs}, ink=color)
    order = learned.save(font)
    typer.echo(f"characters = {json.dumps(order, ensure_ascii=False)}")


def _write(file: Path, pixels: Pixels) -> None:
    if file.suffix.lower() != ".png":
        raise ObservationError(f"{file}: a picture is kept as a PNG: name a file that ends in .png")
    try:
        write_png(file, pixels)
    except OSError as error:
        raise ObservationError(f"{file} cannot be written ({error.strerror}): name a folder of yours") from error


def _integers(text: str, count: int, rule: str) -> list[int]:
    parts = text.split(",")
    if len(parts) != count or not all(part.strip().isdecimal() for part in parts):
        raise ObservationError(f"{rule}; it is {text!r}")
    return [int(part) for part in parts]


def _rgb(text: str) -> tuple[int, int, int]:
    red, green, blue = _integers(text, 3, "--ink must be red,green,blue")
    if max(red, green, blue) > 255:
        raise ObservationError(f"--ink must be red,green,blue with levels from 0 to 255; it is {text!r}")
    return red, green, blue
