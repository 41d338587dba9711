"""Which charts a game and a recording get."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

import numpy as np

from gameon_env.datasets.report.charts import Chart, clock, histogram, nice_ticks, number, time_ticks
from gameon_env.datasets.report.control_figures import (
    LENGTH_EDGES_S,
    button_figures,
    combinations,
    joined_motion,
    length_counts,
)
from gameon_env.datasets.report.evidence import Evidence
from gameon_env.datasets.report.heat_map import pointer_map
from gameon_env.datasets.report.spans import Floats

MOST_POINTS = 800
MOST_COMBINATIONS = 12


def use_charts(recordings: Sequence[Evidence]) -> str:
    """What was held together, presses, mouse, pointer, runs and rewards of some recordings of one game."""
    lengths = [f.lengths_s for f in button_figures(recordings) if f.listed]
    charts = [_combinations(recordings), _press_lengths(np.concatenate([np.zeros(0), *lengths]))]
    unit = next((r.motion_unit for r in recordings if r.motion), "")
    for name in dict.fromkeys(name for r in recordings for name in r.motion):
        steps = joined_motion(recordings, name)
        moved = steps[steps != 0]
        if len(moved):
            share = f"{100 * len(moved) / len(steps):.0f} % of {len(steps):,} steps have any"
            charts.append(histogram(f"{name}: {share}", moved, f"{unit} a step", "steps"))
    pointers = [r.pointer for r in recordings if r.pointer is not None]
    if pointers:
        charts.append(pointer_map("Pointer position", np.concatenate(pointers), recordings[0].picture_size))
    runs = np.concatenate([np.zeros(0), *(r.run_s for r in recordings)])
    if len(runs) > 1:
        kind = "Episode" if all(r.kind == "episode" for r in recordings) else "Run"
        charts.append(histogram(f"{kind} lengths, between gaps", runs, "s", "runs", bins=min(40, max(8, len(runs)))))
    rewards = np.array([r.rewards.sum() for r in recordings if r.rewards is not None])
    if len(rewards) > 1:
        charts.append(
            histogram("Reward of an episode", rewards, "reward", "episodes", bins=min(40, max(8, len(rewards))))
        )
    return _together(charts)


def time_charts(recording: Evidence) -> str:
    """Frame intervals and sync of one recording."""
    intervals = recording.intervals_ms
    known = intervals[np.isfinite(intervals)]
    charts = []
    if len(known):
        charts.append(_intervals_over_time(recording, intervals))
        spread = f"median {number(float(np.median(known)))}, p99 {number(float(np.quantile(known, 0.99)))} ms"
        charts.append(histogram(f"Frame intervals: {spread}", known, "ms", "frames", least=2.0))
    if recording.video_apart_ms is not None:
        t_s, apart = recording.video_apart_ms
        worst = number(float(np.abs(apart).max(initial=0.0)) * 1000)
        charts.append(
            _over_time(f"Video time less database time: at most {worst} µs", recording, t_s, apart * 1000, "µs")
        )
    for c in recording.clocks:
        ppm = (c.true_hz / c.nominal_hz - 1) * 1e6
        title = f"{c.source} sound: blocks against its clock; p99 {number(c.p99_ms)} ms, rate {ppm:+.0f} ppm"
        charts.append(_over_time(title, recording, c.t_s, c.residual_ms, "ms"))
    return _together(charts) + _calibration(recording)


def _combinations(recordings: Sequence[Evidence]) -> str:
    """Which buttons are down together, the most frequent first."""
    found = combinations(recordings)
    if not found or not any(names for names, _ in found):
        return ""
    rows = []
    for names, share in found[:MOST_COMBINATIONS]:
        words = " + ".join(names) or "nothing"
        percent = 100 * share
        rows.append(
            f'<tr><td class="middle"><span class="share"><i style="width:{percent:.1f}%"></i></span>'
            f'{percent:.1f} %</td><td class="words">{escape(words)}</td></tr>'
        )
    if len(found) > MOST_COMBINATIONS:
        left = 100 * sum(share for _, share in found[MOST_COMBINATIONS:])
        rows.append(f'<tr><td>{left:.1f} %</td><td class="soft">{len(found) - MOST_COMBINATIONS} others</td></tr>')
    head = "<thead><tr><th>time</th><th>held together</th></tr></thead>"
    return f'<div class="wide-table"><table class="beside">{head}<tbody>{"".join(rows)}</tbody></table></div>'


def _press_lengths(lengths_s: Floats) -> str:
    if not len(lengths_s):
        return ""
    counts = length_counts(lengths_s)
    edges = LENGTH_EDGES_S
    top = float(counts.max())
    title = f"Press lengths of all controls: median {number(float(np.median(lengths_s)) * 1000)} ms"
    chart = Chart(title, 336, 188, (edges[0], edges[-1]), (0, top), "seconds, log scale", "presses", x_at=np.log)
    chart.bars(edges, counts, lambda i: f"{edges[i]:.3g} to {edges[i + 1]:.3g} s: {counts[i]:,.0f}")
    return chart.svg((0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10), nice_ticks(0, top, 3))


def _intervals_over_time(recording: Evidence, intervals: Floats) -> str:
    """The longest and the median interval of each of some spans, where there are more intervals than points."""
    known = np.isfinite(intervals)
    t_s, values = recording.frame_s[1:][known], intervals[known]
    title = "Frame intervals over time"
    if len(values) > MOST_POINTS:
        parts = np.array_split(np.arange(len(values)), MOST_POINTS // 2)
        kept = np.concatenate([[p[np.argmin(values[p])], p[np.argmax(values[p])]] for p in parts])
        t_s, values = t_s[kept], values[kept]
        title += f": shortest and longest of each of {len(parts)} spans"
    top = max(float(np.quantile(values, 0.995)) * 1.25, 1.0)
    words = f"ms, cut at {number(top)}" if values.max() > top else "ms"
    words += f"; dashed: {number(recording.fps)} a second" if recording.fps else ""
    chart = Chart(title, 518, 188, (0, recording.duration_s), (0, top), "time, m:ss", words)
    chart.line(t_s, np.minimum(values, top), dots=True)
    if recording.fps:
        chart.level(1000 / recording.fps)
    return chart.svg(time_ticks(recording.duration_s, 8), nice_ticks(0, top, 4), clock)


def _over_time(title: str, recording: Evidence, t_s: Floats, values: Floats, unit: str) -> str:
    if not len(values):
        return ""
    size = max(float(np.abs(values).max()), 1e-3) * 1.1
    chart = Chart(title, 518, 188, (0, recording.duration_s), (-size, size), "time, m:ss", unit)
    chart.line(t_s, values, dots=True)
    return chart.svg(time_ticks(recording.duration_s, 8), nice_ticks(-size, size, 4), clock)


def _calibration(recording: Evidence) -> str:
    if recording.kind != "session":
        return ""
    if not recording.calibration:
        return (
            '<p class="soft small">The recorder\'s own error was not measured on that machine before: '
            "gameon calibrate measures it.</p>"
        )
    words = "; ".join(
        f"{name}: median {number(median)} ms, 99th percentile of its size {number(p99)} ms"
        for name, (median, p99) in recording.calibration.items()
    )
    return f'<p class="small">The recorder\'s own error, by calibration on that machine: {escape(words)}.</p>'


def _together(charts: Sequence[str]) -> str:
    return f'<div class="charts">{"".join(charts)}</div>' if any(charts) else ""
