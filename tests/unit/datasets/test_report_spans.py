"""Arithmetic of spans, against counting quarter seconds."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from gameon_env.datasets.report.spans import (
    Floats,
    as_spans,
    common,
    minus,
    rest,
    share_in_bins,
    total,
    true_stretches,
    union,
)

END = 40
spans = st.lists(st.tuples(st.integers(0, END), st.integers(0, END)).map(sorted), max_size=8).map(
    lambda pairs: as_spans([pair for pair in pairs if pair[0] < pair[1]])
)


def cells(of: Floats) -> set[int]:
    return {cell for start, end in of.astype(int).tolist() for cell in range(start, end)}


def assert_tidy(of: Floats) -> None:
    assert (of[:, 0] < of[:, 1]).all()
    assert (of[1:, 0] > of[:-1, 1]).all()


@given(a=spans, b=spans)
def test_as_sets_of_cells(a: Floats, b: Floats) -> None:
    joined, other = union(a), union(b)
    assert_tidy(joined)
    assert cells(joined) == cells(a)
    assert cells(union(a, b)) == cells(a) | cells(b)
    assert cells(common(joined, other)) == cells(a) & cells(b)
    assert cells(minus(joined, other)) == cells(a) - cells(b)
    assert cells(rest(a, 5.0, 30.0)) == set(range(5, 30)) - cells(a)
    assert total(joined) == len(cells(a))
    edges = np.array([0.0, 3.0, 10.0, 11.0, END])
    shares = share_in_bins(joined, edges)
    for share, start, end in zip(shares, edges, edges[1:], strict=False):
        assert np.isclose(share * (end - start), len(cells(a) & set(range(int(start), int(end)))))


@given(flags=st.lists(st.booleans(), max_size=30))
def test_stretches(flags: list[bool]) -> None:
    found = true_stretches(np.array(flags, bool))
    assert [i for first, stop in found.tolist() for i in range(first, stop)] == [i for i, f in enumerate(flags) if f]
    assert all(stop == len(flags) or not flags[stop] for _, stop in found.tolist())


def test_a_moment_parts_what_is_left() -> None:
    assert rest(as_spans([(2, 2)]), 0, 5).tolist() == [[0, 2], [2, 5]]
