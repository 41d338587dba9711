"""Charts as inline SVG: axes with units, few inks, one text size; colours come from the page's CSS."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from html import escape

import numpy as np

from gameon_env.datasets.report.spans import Floats

LEFT, RIGHT, TOP, BOTTOM = 46, 18, 38, 34


def number(value: float) -> str:
    """For people: three digits or so, thousands parted."""
    if not math.isfinite(value):
        return "-"
    if value == 0:
        return "0"
    size = abs(value)
    return f"{value:,.0f}" if size >= 100 else f"{value:.1f}".removesuffix(".0") if size >= 10 else f"{value:.3g}"


def tick(value: float) -> str:
    """Of an axis, whose values are round."""
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:g}"


def clock(seconds: float) -> str:
    """``m:ss``, ``h:mm:ss`` from an hour on, with tenths below ten seconds where there are any."""
    if seconds < 9.95 and round(seconds * 10) % 10:
        return f"0:{seconds:04.1f}"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def nice_ticks(low: float, high: float, most: int = 5) -> list[float]:
    """Round numbers from ``low`` to ``high``."""
    if not high > low:
        return [low]
    raw = (high - low) / most
    base = 10.0 ** math.floor(math.log10(raw))
    step = next(base * m for m in (1, 2, 2.5, 5, 10) if base * m >= raw * 0.999)
    first = math.ceil(low / step - 1e-9)
    return [round(i * step, 10) for i in range(first, math.floor(high / step + 1e-9) + 1)]


def time_ticks(duration_s: float, most: int = 10) -> list[float]:
    """Round times from 0 on."""
    steps = (0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400)
    step = next((s for s in steps if duration_s / s <= most), 28800)
    return [i * step for i in range(int(duration_s / step + 1e-9) + 1)]


def path(x: Floats, y: Floats, *, join: bool = True) -> str:
    """The ``d`` of a line through the points; broken at NaN. ``join=False``: separate dots (drawn by round caps)."""
    words, pen = [], False
    for px, py in zip(x.tolist(), y.tolist(), strict=True):
        if not (math.isfinite(px) and math.isfinite(py)):
            pen = False
        elif join:
            words.append(f"{'L' if pen else 'M'}{px:.1f} {py:.1f}")
            pen = True
        else:
            words.append(f"M{px:.1f} {py:.1f}h0")
    return "".join(words)


def area(x: Floats, top: Floats, base: float) -> str:
    """The ``d`` of what lies between ``top`` and ``base``, in steps; ``x`` are the ``len(top) + 1`` edges."""
    words = [f"M{x[0]:.1f} {base:.1f}"]
    last: float | None = None
    for i, y in enumerate(top.tolist()):
        if y != last:
            words.append(f"H{x[i]:.1f}V{y:.1f}")
            last = y
    return "".join(words) + f"H{x[-1]:.1f}V{base:.1f}Z"


class Chart:
    """One SVG with one pair of axes.

    Args:
        title: above it.
        width, height: in CSS pixels.
        x, y: the ranges of the values.
        x_label, y_label: with the unit.
        x_at: value -> what is linear on the axis (a logarithm, say).
    """

    def __init__(
        self,
        title: str,
        width: int,
        height: int,
        x: tuple[float, float],
        y: tuple[float, float],
        x_label: str,
        y_label: str,
        x_at: Callable[[float], float] = float,
    ) -> None:
        self.title, self.width, self.height = title, width, height
        self._x, self._y, self._x_at = x, y, x_at
        self._labels = x_label, y_label
        self.inner = width - LEFT - RIGHT, height - TOP - BOTTOM
        self._marks: list[str] = []

    def px(self, value: float) -> float:
        """Where a value is, from the left."""
        low, high = self._x_at(self._x[0]), self._x_at(self._x[1])
        return LEFT + (self._x_at(value) - low) / ((high - low) or 1.0) * self.inner[0]

    def py(self, value: float) -> float:
        """And from the top."""
        low, high = self._y
        return TOP + self.inner[1] * (1 - (value - low) / ((high - low) or 1.0))

    def bars(self, edges: Floats, heights: Floats, tip: Callable[[int], str]) -> None:
        """A histogram; ``tip(i)`` is said of a bar under the pointer."""
        for i in np.flatnonzero(heights > 0).tolist():
            left, right, top = self.px(edges[i]), self.px(edges[i + 1]), self.py(heights[i])
            self._marks.append(
                f'<rect class="bar" x="{left + 0.5:.1f}" y="{top:.1f}" width="{max(right - left - 1, 0.7):.1f}" '
                f'height="{max(self.py(self._y[0]) - top, 0.7):.1f}"><title>{escape(tip(i))}</title></rect>'
            )

    def line(self, x: Floats, y: Floats, css: str = "line", *, dots: bool = False) -> None:
        """A line, or dots."""
        at_x = np.array([self.px(value) for value in x.tolist()])
        at_y = np.array([self.py(value) for value in y.tolist()])
        self._marks.append(f'<path class="{"dots" if dots else css}" d="{path(at_x, at_y, join=not dots)}"/>')

    def level(self, y: float) -> None:
        """A dashed line across."""
        if self._y[0] <= y <= self._y[1]:
            self._marks.append(f'<path class="level" d="M{LEFT} {self.py(y):.1f}h{self.inner[0]}"/>')

    def svg(self, x_ticks: Sequence[float], y_ticks: Sequence[float], x_word: Callable[[float], str] = tick) -> str:
        """The whole of it."""
        base = self.py(self._y[0])
        parts = [
            f'<svg class="chart" viewBox="0 0 {self.width} {self.height}" width="{self.width}" '
            f'height="{self.height}" role="img" aria-label="{escape(self.title)}">',
            f'<text class="title" x="0" y="11">{escape(self.title)}</text>',
        ]
        for value in y_ticks:
            at = self.py(value)
            parts.append(
                f'<path class="grid" d="M{LEFT} {at:.1f}h{self.inner[0]}"/>'
                f'<text x="{LEFT - 6}" y="{at + 3.5:.1f}" text-anchor="end">{tick(value)}</text>'
            )
        parts += self._marks
        parts.append(f'<path class="axis" d="M{LEFT} {base:.1f}h{self.inner[0]}"/>')
        for value in x_ticks:
            at, word = self.px(value), x_word(value)
            middle = min(at, self.width - 3.2 * len(word))  # a long one at the right edge stays within
            parts.append(
                f'<path class="axis" d="M{at:.1f} {base:.1f}v3"/>'
                f'<text x="{middle:.1f}" y="{base + 14:.1f}" text-anchor="middle">{escape(word)}</text>'
            )
        x_label, y_label = self._labels
        parts.append(
            f'<text class="unit" x="{self.width - RIGHT}" y="{base + 28:.1f}" text-anchor="end">'
            f"{escape(x_label)}</text>"
            f'<text class="unit" x="0" y="26">{escape(y_label)}</text></svg>'
        )
        return "".join(parts)


def histogram(title: str, values: Floats, unit: str, counted: str, *, bins: int = 40, least: float = 0.0) -> str:
    """A histogram of any values: from their 0.5th to their 99.5th percentile, what lies beyond in the outer bars.

    Args:
        bins: how many bars at most.
        least: the axis is at least so long.
    """
    values = values[np.isfinite(values)]
    if not len(values):
        return ""
    edges = _edges(values, bins, least)
    counts = np.histogram(np.clip(values, edges[0], edges[-1]), edges)[0].astype(np.float64)
    top = float(counts.max())
    chart = Chart(title, 336, 188, (edges[0], edges[-1]), (0, top), unit, counted)
    chart.bars(edges, counts, lambda i: f"{number(edges[i])} to {number(edges[i + 1])} {unit}: {counts[i]:,.0f}")
    return chart.svg(nice_ticks(edges[0], edges[-1]), nice_ticks(0, top, 3))


def _edges(values: Floats, bins: int, least: float) -> Floats:
    low, high = (float(q) for q in np.quantile(values, [0.005, 0.995]))
    if np.array_equal(values, np.rint(values)):  # each bar holds as many whole numbers as any other
        low, high = math.floor(low), math.ceil(high)
        step = max(1, math.ceil((high - low + 1) / bins))
        count = max(2, math.ceil((high - low + 1) / step))
        return np.arange(count + 1, dtype=np.float64) * step + (low - 0.5)
    least = max(least, 1e-6, 1e-6 * abs(high))
    if high - low < least:
        low, high = (low + high - least) / 2, (low + high + least) / 2
    return np.linspace(low, high, bins + 1)


def spark(counts: Floats, tip: str, width: int = 150, height: int = 22) -> str:
    """A tiny histogram without axes, for a row of a table."""
    top = float(counts.max(initial=0.0))
    if not top:
        return ""
    edges = np.linspace(0, width, len(counts) + 1)
    d = area(edges, height - np.where(counts > 0, np.maximum(1.5, counts / top * (height - 1)), 0), height)
    return (
        f'<svg class="spark" viewBox="0 0 {width} {height}" width="{width}" height="{height}" role="img" '
        f'aria-label="{escape(tip)}"><title>{escape(tip)}</title><path class="axis" d="M0 {height - 0.5}H{width}"/>'
        f'<path class="fill" d="{d}"/></svg>'
    )
