"""Where the pointer was, as a picture."""

from __future__ import annotations

import base64
from html import escape

import cv2
import numpy as np

from gameon_env.datasets.report.charts import number
from gameon_env.datasets.report.spans import Floats
from gameon_env.errors import StorageError

_WIDTH = 336


def pointer_map(title: str, pointer: Floats, picture_size: tuple[int, int]) -> str:
    """A heat map of ``pointer (N, 2)`` in [-1, 1] over the picture; darker is more often, by the root of the share."""
    height, width = picture_size
    rows = max(4, round(64 * height / width))
    inside = pointer[np.all(np.isfinite(pointer) & (np.abs(pointer) <= 1), axis=1)]
    if not len(inside):
        return ""
    counts, _, _ = np.histogram2d(inside[:, 1], inside[:, 0], bins=(rows, 64), range=((-1, 1), (-1, 1)))
    strength = np.sqrt(counts / counts.max())
    # One ink with more or less of it: it reads on a light and on a dark page.
    ink = np.zeros((rows, 64, 4), np.uint8)
    ink[..., :3] = (186, 110, 45)  # blue, green, red
    ink[..., 3] = np.rint(255 * strength)
    done, data = cv2.imencode(".png", ink)
    if not done:
        raise StorageError("the heat map cannot be encoded as PNG by OpenCV")
    shown = round(_WIDTH * height / width)
    outside = 100 * (1 - len(inside) / len(pointer))
    words = f"{len(inside):,} steps; most in one cell: {number(counts.max())}; outside the picture: {outside:.0f} %"
    return (
        f'<figure class="map"><figcaption><b>{escape(title)}</b></figcaption>'
        f'<img alt="{escape(title)}" width="{_WIDTH}" height="{shown}" '
        f'src="data:image/png;base64,{base64.b64encode(bytes(data)).decode()}">'
        f"<figcaption>{width} x {height} px. {words}</figcaption></figure>"
    )
