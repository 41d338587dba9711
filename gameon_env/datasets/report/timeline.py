"""One session over its time: what was recorded, what was pressed, how the picture changed, how loud it was."""

from __future__ import annotations

from html import escape

import numpy as np

from gameon_env.datasets.report.charts import area, clock, number, path, time_ticks
from gameon_env.datasets.report.control_figures import button_figures
from gameon_env.datasets.report.evidence import Evidence
from gameon_env.datasets.report.spans import Floats, as_spans, share_in_bins, total, union

WIDTH, LEFT, RIGHT = 1060, 132, 56
ROW, BIG_ROW, BETWEEN = 14, 36, 5
BINS = 300
MOST_CONTROLS = 16


class _Rows:
    """Rows under each other on one axis of time."""

    def __init__(self, duration_s: float) -> None:
        self.duration_s = max(duration_s, 1e-3)
        self.edges = np.linspace(0, self.duration_s, BINS + 1)
        self.y = 4.0
        self.parts: list[str] = []

    def x(self, t_s: Floats) -> Floats:
        return LEFT + t_s / self.duration_s * (WIDTH - LEFT - RIGHT)

    def row(self, name: str, height: int, body: str, right: str = "") -> None:
        middle = self.y + height / 2 + 4
        self.parts.append(
            f'<text x="{LEFT - 8}" y="{middle:.1f}" text-anchor="end">{escape(name)}</text>'
            f'<rect class="track" x="{LEFT}" y="{self.y}" width="{WIDTH - LEFT - RIGHT}" height="{height}"/>{body}'
            f'<text class="note" x="{WIDTH - RIGHT + 6}" y="{middle:.1f}">{escape(right)}</text>'
        )
        self.y += height + BETWEEN

    def band(
        self, name: str, values: Floats, right: str, height: int = ROW, css: str = "fill", edges: Floats | None = None
    ) -> None:
        """``values (n,)`` 0 to 1 between ``edges (n + 1,)`` as an area; what is not 0 is always seen."""
        tall = np.where(values > 0, np.maximum(np.clip(values, 0, 1) * height, 2.0), 0.0)
        x = self.x(self.edges if edges is None else edges)
        self.row(name, height, f'<path class="{css}" d="{area(x, self.y + height - tall, self.y + height)}"/>', right)

    def curve(self, name: str, t_s: Floats, values: Floats, right: str) -> None:
        """``values (n,)`` 0 to 1 as a line."""
        y = self.y + 1 + (BIG_ROW - 2) * (1 - np.clip(values, 0, 1))
        self.row(name, BIG_ROW, f'<path class="line" d="{path(self.x(t_s), y)}"/>', right)

    def svg(self) -> str:
        ticks = []
        for value in time_ticks(self.duration_s):
            at = float(self.x(np.array([value]))[0])
            ticks.append(
                f'<path class="grid" d="M{at:.1f} 4V{self.y:.1f}"/>'
                f'<text x="{at:.1f}" y="{self.y + 12:.1f}" text-anchor="middle">{clock(value)}</text>'
            )
        height = round(self.y + 30)
        return (
            f'<svg class="chart wide" viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" height="{height}" role="img" '
            f'aria-label="timeline">{"".join(self.parts)}{"".join(ticks)}'
            f'<text class="unit" x="{WIDTH - RIGHT}" y="{self.y + 26:.1f}" text-anchor="end">'
            "time since the start, m:ss</text></svg>"
        )


def timeline(recording: Evidence) -> str:
    """The chart; each row says at its right what its full height is, or how much there is in all."""
    rows = _Rows(recording.duration_s)
    bin_s = rows.duration_s / BINS
    for stream in dict.fromkeys(gap.stream for gap in recording.gaps):
        spans = as_spans([gap[:2] for gap in recording.gaps if gap.stream == stream])
        missing = (share_in_bins(union(spans), rows.edges) > 0).astype(float)
        name = "not recorded" if stream == "all" else f"no {stream.replace('_', ' ')}"
        rows.band(name, missing, f"{number(total(spans))} s", css="warn")
    if len(recording.dropped_s):
        lost = np.histogram(recording.dropped_s, rows.edges)[0]
        rows.band("dropped", (lost > 0).astype(float), number(len(recording.dropped_s)), css="warn")
    figures = [f for f in button_figures([recording]) if f.held_s or f.presses]
    figures.sort(key=lambda f: -f.held_s)
    for figure in figures[:MOST_CONTROLS]:
        share = share_in_bins(recording.held[figure.name], rows.edges)
        rows.band(figure.name, share / max(share.max(), 1e-9), f"{100 * figure.share:.1f} %")
    if len(figures) > MOST_CONTROLS:
        rows.row(f"and {len(figures) - MOST_CONTROLS} more", ROW, "")
    for name, values in recording.motion.items():
        way = np.histogram(recording.step_s, rows.edges, weights=np.abs(values))[0] / bin_s
        if way.any():
            rows.band(f"|{name}|", way / way.max(), f"{number(way.max())}/s")
    edges = np.linspace(0, rows.duration_s, int(np.clip(rows.duration_s, 2, BINS)) + 1)
    rate = np.histogram(recording.frame_s, edges)[0] / (edges[1] - edges[0])
    rows.band("pictures a second", rate / max(rate.max(), 1e-9), number(rate.max()), BIG_ROW, edges=edges)
    pictures = recording.pictures
    if pictures is not None and len(pictures.t_s) > 2:
        top = max(float(np.quantile(pictures.change[1:], 0.98)), 0.5)
        rows.curve("picture change", pictures.t_s[1:], pictures.change[1:] / top, f"{number(top)} lev.")
        rows.curve("brightness", pictures.t_s, pictures.brightness / 255, "255")
    for sound in recording.sounds:
        if len(sound.t_s):
            rows.curve(f"{sound.source} sound", sound.t_s, 1 + sound.level_db / 80, "0 dB")
    if recording.rewards is not None and recording.rewards.any():
        so_far = np.cumsum(recording.rewards)
        low, high = min(0.0, float(so_far.min())), max(0.0, float(so_far.max()))
        some = np.unique(np.linspace(0, len(so_far) - 1, 600).astype(int))
        rows.curve("reward so far", recording.step_s[some], (so_far[some] - low) / (high - low), number(high))
    return rows.svg()
