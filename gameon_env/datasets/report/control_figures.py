"""How a game's controls were used, over some of its recordings."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from gameon_env.datasets.report.evidence import Evidence, Mask
from gameon_env.datasets.report.spans import Floats, common, total, true_stretches, union

LENGTH_EDGES_S = np.geomspace(0.016, 16.0, 25)
"""Bins of press lengths, shared by all charts, so that they can be compared; the ends take what lies beyond."""

COMBINATION_FPS = 20.0
_MOST_TOGETHER = 62


@dataclass(frozen=True, slots=True, eq=False)
class ButtonFigures:
    """How one key or button was used.

    Attributes:
        name: the control.
        listed: whether it is one of the game's controls.
        held_s: how long it was down.
        share: of the time in which input was recorded.
        presses: how often it was pressed.
        per_minute: presses a minute.
        lengths_s: ``(n,)`` of its presses, rising.
    """

    name: str
    listed: bool
    held_s: float
    share: float
    presses: int
    per_minute: float
    lengths_s: Floats


def button_figures(recordings: Sequence[Evidence]) -> list[ButtonFigures]:
    """Of all buttons that are controls of one of the recordings or were used in one, in their order."""
    names = dict.fromkeys(name for r in recordings for name in (*r.buttons, *r.held))
    played_s = sum(r.played_s for r in recordings)
    figures = []
    for name in names:
        held_s, presses, lengths = 0.0, 0, [np.zeros(0)]
        for r in recordings:
            spans = r.held.get(name)
            if spans is not None and len(spans):
                held_s += total(common(spans, r.played))
                presses += r.presses.get(name, 0)
                lengths.append(spans[:, 1] - spans[:, 0])
        share, per_minute = (held_s / played_s, presses * 60 / played_s) if played_s > 0 else (0.0, 0.0)
        listed = any(name in r.controls for r in recordings)
        figures.append(
            ButtonFigures(name, listed, held_s, share, presses, per_minute, np.sort(np.concatenate(lengths)))
        )
    return figures


def length_counts(lengths_s: Floats) -> Floats:
    """``(24,)``: how many lie in each bin of :data:`LENGTH_EDGES_S`."""
    inside = np.clip(lengths_s, LENGTH_EDGES_S[0], LENGTH_EDGES_S[-1] * 0.999)
    return np.histogram(inside, LENGTH_EDGES_S)[0].astype(np.float64)


def combinations(recordings: Sequence[Evidence]) -> list[tuple[tuple[str, ...], float]]:
    """Which buttons were down together, and for which part of the time, the most frequent first; ``()``: none.

    Looked at 20 times a second; of more than 62 buttons that were used, the first 62.
    """
    counts: dict[tuple[str, ...], int] = {}
    for r in recordings:
        names = [name for name in r.buttons if len(r.held.get(name, ()))][:_MOST_TOGETHER]
        grid = np.arange(0.0, r.duration_s, 1 / COMBINATION_FPS)
        grid = grid[_inside(r.played, grid)]
        down = np.zeros(len(grid), np.int64)
        for i, name in enumerate(names):
            down |= _inside(r.held[name], grid).astype(np.int64) << i
        for bits, count in zip(*(values.tolist() for values in np.unique(down, return_counts=True)), strict=True):
            key = tuple(name for i, name in enumerate(names) if bits >> i & 1)
            counts[key] = counts.get(key, 0) + count
    all_of_them = sum(counts.values())
    return sorted(((key, n / all_of_them) for key, n in counts.items()), key=lambda item: -item[1])


def _inside(spans: Floats, t_s: Floats) -> Mask:
    if not len(spans):
        return np.zeros(len(t_s), bool)
    at = np.searchsorted(spans[:, 0], t_s, side="right") - 1
    inside: Mask = (at >= 0) & (t_s < spans[at, 1])
    return inside


def joined_motion(recordings: Sequence[Evidence], name: str) -> Floats:
    """Of all steps of all recordings that have it."""
    return np.concatenate([np.zeros(0), *(r.motion[name] for r in recordings if name in r.motion)])


def idle_spans(recording: Evidence, least_s: float) -> Floats:
    """Spans of ``least_s`` or more in which there was no input and no button was down, though input was recorded."""
    moments = np.stack([recording.event_s, recording.event_s], axis=1)
    busy = union(moments, *recording.held.values())
    edges = np.concatenate([[0.0], busy.ravel(), [recording.duration_s]]).reshape(-1, 2)
    free = common(edges[edges[:, 1] > edges[:, 0]], recording.played)
    return free[free[:, 1] - free[:, 0] >= least_s]


def standing_spans(recording: Evidence, least_s: float) -> Floats:
    """Spans of ``least_s`` or more in which the picture did not change: no new one came, or those that were looked at
    are the same."""
    spans = [recording.still_frames[recording.still_frames[:, 1] - recording.still_frames[:, 0] >= least_s]]
    pictures = recording.pictures
    if pictures is not None and len(pictures.t_s) > 1:
        same = true_stretches(~pictures.moved[1:])  # pictures first .. stop are the same one
        spans.append(np.stack([pictures.t_s[same[:, 0]], pictures.t_s[same[:, 1]]], axis=1))
    joined = union(*spans)
    return joined[joined[:, 1] - joined[:, 0] >= least_s]


def black_spans(recording: Evidence, darkest: float, flattest: float) -> Floats:
    """From the first to the last of several pictures in a row that were looked at and are black."""
    pictures = recording.pictures
    if pictures is None:
        return np.zeros((0, 2))
    black = (pictures.brightness < darkest) & (pictures.contrast < flattest)
    runs = true_stretches(black)
    runs = runs[(runs[:, 1] - runs[:, 0] > 1) | (len(black) == 1)]
    return np.stack([pictures.t_s[runs[:, 0]], pictures.t_s[runs[:, 1] - 1]], axis=1)
