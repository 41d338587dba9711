"""Reads the numbers that ``tests/live/counter_game.py`` paints, and judges by them whether a recording is complete."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

BLOCK = 16
BITS = 32
_BLOCKS = 2 + BITS + 8


def read_number(picture: npt.NDArray[Any], row: int = 0) -> int | None:
    """The number in a row of blocks; None where it cannot be read, as in a picture that is half of another frame.

    Args:
        picture: ``(H, W, 3 or 4) uint8`` RGB or BGRX of the game's size, or ``(H, W)`` grey.
        row: 0 for the frame's number, 1 for how many presses and releases of keys the game saw.
    """
    grey = picture if picture.ndim == 2 else picture[:, :, 1]
    middle = grey[row * BLOCK + 4 : row * BLOCK + 12, : _BLOCKS * BLOCK]
    if middle.shape != (8, _BLOCKS * BLOCK):
        return None
    level = middle.reshape(8, _BLOCKS, BLOCK)[:, :, 4:12].mean((0, 2))
    if ((level > 80) & (level < 176)).any():  # neither black nor white
        return None
    bits = (level > 128).astype(np.uint64)
    if bits[0] != 1 or bits[1] != 0:
        return None
    number = _value(bits[2 : 2 + BITS])
    check = sum(number >> 8 * i & 255 for i in range(4)) * 37 % 256 ^ 0xA5
    return number if check == _value(bits[2 + BITS :]) else None


def read_video(path: Path) -> list[int | None]:
    """The number of each frame of a video."""
    import av

    numbers = []
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        stream.thread_type = "AUTO"
        for frame in container.decode(stream):
            plane = frame.planes[0]  # of Y: brightness is all that counts
            top = np.frombuffer(plane, np.uint8, BLOCK * plane.line_size)
            numbers.append(read_number(top.reshape(BLOCK, plane.line_size)[:, : frame.width]))
    return numbers


@dataclass(frozen=True)
class Account:
    """What became of the frames that a game showed.

    Attributes:
        shown: how many there were to record.
        recorded: of these in the video.
        dropped: of these not in the video, where a row says dropped.
        unaccounted: of these neither.
        duplicates: pictures in the video that show the number of the one before again.
        disordered: pictures that show an older number.
        unreadable: pictures whose number cannot be read (half drawn, or of no game).
        phantoms: rows that say dropped where nothing is missing.
    """

    shown: int
    recorded: int
    dropped: int
    unaccounted: int
    duplicates: int
    disordered: int
    unreadable: int
    phantoms: int


def judge(rows: Iterable[int | str | None], expected: Sequence[int]) -> Account:
    """Hold a recording against what was shown.

    Args:
        rows: in order, the number in each recorded picture, None where it cannot be read, ``"dropped"`` for a row that
            says so.
        expected: the numbers that were shown while it was recorded, ascending.
    """
    first, last = expected[0], expected[-1]
    seen: set[int] = set()
    counts = dict.fromkeys(("dropped", "unaccounted", "duplicates", "disordered", "unreadable", "phantoms"), 0)
    before, said = first - 1, 0

    def close_gap(upto: int) -> None:
        nonlocal said
        missing = max(upto - before - 1, 0)
        counts["dropped"] += min(missing, said)
        counts["unaccounted"] += max(missing - said, 0)
        counts["phantoms"] += max(said - missing, 0)
        said = 0

    for row in rows:
        if row == "dropped":
            said += 1
        elif row is None:
            counts["unreadable"] += 1
        elif isinstance(row, int) and first <= row <= last:
            if row in seen:
                counts["duplicates" if row == before else "disordered"] += 1
                continue
            close_gap(row)
            seen.add(row)
            before = row
    close_gap(last + 1)
    return Account(shown=last - first + 1, recorded=len(seen), **counts)


def _value(bits: npt.NDArray[np.uint64]) -> int:
    return int("".join("1" if bit else "0" for bit in bits), 2)
