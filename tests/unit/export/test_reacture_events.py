"""Rows of keys become events, and our steps make the same rows of them, whatever the rows say and when they were."""

from __future__ import annotations

import itertools

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gameon_env.controls import Controls
from gameon_env.data_processing.step_table import EventTable, bin_steps
from gameon_env.data_processing.step_times import steps_of_frames
from gameon_env.export.reacture_events import action_taps, ascending_ns, row_events

NAMES = ("key:w", "mouse:left", "mouse:dx")

ROWS = st.lists(st.tuples(st.booleans(), st.booleans(), st.integers(-500, 500)), min_size=1, max_size=30)
INTERVALS_MS = st.lists(st.floats(0.0, 400.0, width=32), min_size=30, max_size=30)


def binned(
    rows: list[tuple[bool, bool, int]], times_ns: npt.NDArray[np.int64], *, before: bool
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.uint8]]:
    columns = np.array(rows, np.float64).T
    held = {name: columns[i] > 0 for i, name in enumerate(NAMES[:2])}
    events = row_events(times_ns, held, {"mouse:dx": columns[2]}, before=before)
    assert all(one.t_ns <= other.t_ns for one, other in itertools.pairwise(events))
    controls = Controls(NAMES, mouse_scale_px=1.0)
    steps = steps_of_frames(times_ns, end_ns=int(times_ns[-1]) + 1_000_000)
    made = bin_steps(steps, EventTable.of(events), controls)
    return made.inputs, made.presses


@settings(deadline=None)
@given(rows=ROWS, intervals=INTERVALS_MS)
def test_what_was_held_before_a_row_is_the_action_of_the_step_before(
    rows: list[tuple[bool, bool, int]], intervals: list[float]
) -> None:
    times_ns = ascending_ns(np.cumsum(intervals)[: len(rows)] + 0.01)
    inputs, presses = binned(rows, times_ns, before=True)
    expected = np.array(rows, np.float32)
    assert (inputs[:-1] == expected[1:]).all()
    assert not inputs[-1].any()
    edges = np.diff(expected[:, :2], axis=0) > 0
    assert (presses[:-1, :2] == edges).all()


@settings(deadline=None)
@given(rows=ROWS, intervals=INTERVALS_MS)
def test_a_sample_is_the_action_of_its_own_step_and_motion_that_of_the_one_before(
    rows: list[tuple[bool, bool, int]], intervals: list[float]
) -> None:
    times_ns = ascending_ns(np.cumsum(intervals)[: len(rows)] + 0.01)
    inputs, _ = binned(rows, times_ns, before=False)
    expected = np.array(rows, np.float32)
    assert (inputs[:, :2] == expected[:, :2]).all()
    assert (inputs[:-1, 2] == expected[1:, 2]).all()


@settings(deadline=None)
@given(st.lists(st.floats(-1000.0, 1e7, width=32), min_size=1, max_size=50))
def test_times_rise_and_stay_near_what_they_were(times_ms: list[float]) -> None:
    times = np.sort(np.array(times_ms, np.float32))
    made = ascending_ns(times)
    assert (np.diff(made) >= 1000).all()
    assert (made >= 0).all()
    assert (made % 1000 == 0).all()
    assert np.abs(made / 1e6 - np.maximum(times, 0)).max() <= 0.001 * len(times) + 0.0006


def test_no_rows_make_no_events() -> None:
    assert row_events(np.empty(0, np.int64), {}, {}, before=True) == []


@pytest.mark.parametrize(
    "row",
    [
        {"type": "robot_state", "timestamp": 5, "action": "jump"},
        {"type": "player_action", "timestamp": "5", "action": "jump"},
        {"type": "player_action", "timestamp": -5, "action": "jump"},
        {"type": "player_action", "timestamp": float("nan"), "action": "jump"},
        {"type": "player_action", "timestamp": 10**400, "action": "jump"},
        {"type": "player_action", "timestamp": 5, "action": ["jump"]},
        {"type": "player_action", "timestamp": 5, "action": "refuel"},
    ],
)
def test_actions_that_are_no_taps(row: dict[str, object]) -> None:
    assert list(action_taps([row], 10**9, {"key:r"})) == []
