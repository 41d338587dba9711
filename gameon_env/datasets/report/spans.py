"""Spans of time, ``(n, 2) float64`` in seconds: joined, taken from each other, measured."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

NONE: Floats = np.zeros((0, 2))


def as_spans(pairs: npt.ArrayLike) -> Floats:
    """Any number of ``(start, end)`` pairs as ``(n, 2)``."""
    return np.asarray(pairs, np.float64).reshape(-1, 2)


def union(*many: Floats) -> Floats:
    """What lies in any of them, in order, without overlap; a span of no length stays where it touches no other."""
    spans = np.concatenate([NONE, *many])
    if not len(spans):
        return spans
    spans = spans[np.argsort(spans[:, 0], kind="stable")]
    reach = np.maximum.accumulate(spans[:, 1])
    first = np.append(True, spans[1:, 0] > reach[:-1])
    last = np.append(first[1:], True)
    return np.stack([spans[first, 0], reach[last]], axis=1)


def rest(spans: Floats, start: float, end: float) -> Floats:
    """What of ``[start, end)`` lies in none of them."""
    taken = np.clip(union(spans), start, end)
    edges = np.concatenate([[start], taken.ravel(), [end]]).reshape(-1, 2)
    return edges[edges[:, 1] > edges[:, 0]]


def minus(spans: Floats, others: Floats) -> Floats:
    """What lies in ``spans`` (in order, without overlap) and not in ``others``."""
    if not len(spans) or not len(others):
        return spans
    free = rest(others, float(spans[0, 0]), float(spans[-1, 1]))
    return common(spans, free)


def common(spans: Floats, others: Floats) -> Floats:
    """What lies in both; each in order and without overlap."""
    if not len(spans) or not len(others):
        return NONE
    first = np.searchsorted(others[:, 1], spans[:, 0], side="right")
    stop = np.searchsorted(others[:, 0], spans[:, 1], side="left")
    counts = np.maximum(stop - first, 0)
    mine = np.repeat(np.arange(len(spans)), counts)
    theirs = np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts) + np.repeat(first, counts)
    starts = np.maximum(spans[mine, 0], others[theirs, 0])
    ends = np.minimum(spans[mine, 1], others[theirs, 1])
    both: Floats = np.stack([starts, ends], axis=1)[ends > starts]
    return both


def total(spans: Floats) -> float:
    """Seconds in all."""
    return float((spans[:, 1] - spans[:, 0]).sum())


def share_in_bins(spans: Floats, edges: Floats) -> Floats:
    """``(len(edges) - 1,)``: which part of each bin lies in ``spans`` (in order, without overlap), 0 to 1."""
    if not len(spans):
        return np.zeros(len(edges) - 1)
    before = np.concatenate([[0.0], np.cumsum(spans[:, 1] - spans[:, 0])])
    at = np.searchsorted(spans[:, 0], edges, side="right")
    inside = np.where(at > 0, np.minimum(edges, spans[at - 1, 1]) - spans[at - 1, 0], 0.0)
    covered = np.where(at > 0, before[at - 1], 0.0) + inside
    return np.clip(np.diff(covered) / np.maximum(np.diff(edges), 1e-12), 0.0, 1.0)


def true_stretches(flags: npt.NDArray[np.bool_]) -> npt.NDArray[np.int64]:
    """``(n, 2)``: ``[first, stop)`` of each unbroken run of True."""
    edges = np.diff(np.concatenate([[False], flags, [False]]).astype(np.int8))
    return np.flatnonzero(edges).reshape(-1, 2)
