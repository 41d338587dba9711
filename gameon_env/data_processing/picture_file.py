"""Picture files, read and written without OpenCV's own file access: that prints warnings to the terminal instead of
raising errors, and does not take every path on Windows."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

Pixels = npt.NDArray[np.uint8]


def read_picture(path: Path, *, alpha: bool = False) -> Pixels | None:
    """``(h, w, 3) uint8 BGR``, or with ``alpha`` the channels that the file holds.

    None where it cannot be read as a picture of 8 bits per channel.
    """
    try:
        data = path.read_bytes()
    except OSError:
        return None
    if not data:
        return None
    picture = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED if alpha else cv2.IMREAD_COLOR)
    return None if picture is None or picture.dtype != np.uint8 else np.asarray(picture, np.uint8)


def write_png(path: Path, pixels: Pixels) -> None:
    """Write ``(h, w, 3 or 4) uint8 BGR(A)`` as a PNG.

    Raises:
        OSError: it cannot be written there.
    """
    path.write_bytes(np.asarray(cv2.imencode(".png", pixels)[1]).tobytes())
