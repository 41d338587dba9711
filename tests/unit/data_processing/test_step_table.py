"""Steps and their vectors for whole arrays, against obvious references and against the live accumulator."""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gameon_env.controls import Controls, StepBinner
from gameon_env.data_processing.step_table import EventTable, InputState, StepTable, bin_steps
from gameon_env.data_processing.step_times import StepTimes, steps_at_rate, steps_of_frames
from gameon_env.errors import ActionError, ObservationError
from gameon_env.events import InputEvent

NAMES = ["key:w", "mouse:left", "mouse:dx", "mouse:wheel", "mouse:x", "pad:left_x", "pad:a"]
OTHER = ["key:q"]
CONTROLS = Controls(NAMES, mouse_scale_px=50, wheel_scale=2, window_size=(101, 201))
END = 1000

FRAMES = st.lists(st.integers(0, END + 20), max_size=14, unique=True).map(sorted)
GAPS = st.lists(st.tuples(st.integers(-10, END), st.integers(0, 200)), max_size=3).map(
    lambda spans: [(start, start + length) for start, length in spans]
)
INTERVAL = st.none() | st.integers(1, 300)
VALUE = {"mouse:dx": st.integers(-9, 9), "mouse:wheel": st.integers(-2, 2), "mouse:x": st.integers(0, 200)}
EVENT = st.sampled_from(NAMES + OTHER).flatmap(
    lambda name: st.tuples(
        st.integers(-50, END + 50), st.just(name), VALUE.get(name, st.sampled_from([0.0, 0.25, 0.75, 1.0]))
    )
)
EVENTS = st.lists(EVENT, max_size=60).map(
    lambda rows: [InputEvent(t, name, float(value)) for t, name, value in sorted(rows, key=lambda row: row[0])]
)
HELD = st.sets(st.sampled_from(["key:w", "mouse:left", "pad:a"]))


@dataclass
class Span:
    begin: int
    end: int
    frame: int
    gap_before: bool


def obvious_steps(frames: list[int], interval: int | None, gaps: list[tuple[int, int]]) -> list[Span]:
    """Every frame's step, by looking at one microsecond after the other."""
    spans = [*gaps, (END, 10**9)]
    seen = [(i, t) for i, t in enumerate(frames) if not any(a <= t < b for a, b in spans)]
    steps: list[Span] = []
    for number, (frame, begin) in enumerate(seen):
        following = seen[number + 1][1] if number + 1 < len(seen) else 10**9
        end = begin + 1
        starts = {a for a, _ in spans}
        while end < following and end not in starts and (interval is None or end < begin + interval):
            end += 1
        steps.append(Span(begin, end, frame, bool(steps) and steps[-1].end < begin))
    return steps


def as_times(spans: list[Span]) -> StepTimes:
    return StepTimes(
        np.array([span.begin for span in spans], np.int64),
        np.array([span.end for span in spans], np.int64),
        np.array([span.frame for span in spans], np.int64),
        np.array([span.gap_before for span in spans], np.bool_),
    )


def obvious_table(steps: StepTimes, events: list[InputEvent], held: set[str], x: float) -> tuple[np.ndarray, ...]:
    """The rule of steps word by word: one event at a time, one control at a time."""
    rows, counts = [], []
    for begin, end in zip(steps.t_ns, steps.end_ns, strict=True):
        row, presses = [], []
        for name in NAMES:
            mine = [event for event in events if event.control == name]
            before = [event.value for event in mine if event.t_ns < begin]
            inside = [event.value for event in mine if begin <= event.t_ns < end]
            pressed = 0
            if name in ("key:w", "mouse:left", "pad:a"):
                down = before[-1] >= 0.5 if before else name in held
                value = float(down)
                for now in inside:
                    if now >= 0.5 and not down:
                        pressed += 1
                        value = 1.0
                    down = now >= 0.5
            elif name == "mouse:x":
                value = ([x] + before + inside)[-1] / 100 - 1
            elif name == "pad:left_x":
                value = ([0.0] + before + inside)[-1]
            else:
                value = sum(inside) / (50 if name == "mouse:dx" else 2)
            row.append(value)
            presses.append(pressed)
        rows.append(row)
        counts.append(presses)
    shape = (len(steps), len(NAMES))
    return np.array(rows, np.float32).reshape(shape), np.array(counts, np.uint8).reshape(shape)


@settings(deadline=None, max_examples=300)
@given(FRAMES, INTERVAL, GAPS)
def test_steps_of_frames(frames: list[int], interval: int | None, gaps: list[tuple[int, int]]) -> None:
    found = steps_of_frames(frames, end_ns=END, max_interval_ns=interval, gaps=gaps)
    expected = as_times(obvious_steps(frames, interval, gaps))
    for name in ("t_ns", "end_ns", "frame", "is_gap_before"):
        assert getattr(found, name).tolist() == getattr(expected, name).tolist(), name


@settings(deadline=None, max_examples=200)
@given(FRAMES, INTERVAL, GAPS, st.integers(1, 4))
def test_frame_skip_joins_steps_within_a_run(
    frames: list[int], interval: int | None, gaps: list[tuple[int, int]], skip: int
) -> None:
    found = steps_of_frames(frames, end_ns=END, max_interval_ns=interval, gaps=gaps, frame_skip=skip)
    joined: list[Span] = []
    left = 0
    for span in obvious_steps(frames, interval, gaps):
        if span.gap_before or left == 0:
            joined.append(span)
            left = skip
        joined[-1].end = span.end
        left -= 1
    expected = as_times(joined)
    for name in ("t_ns", "end_ns", "frame", "is_gap_before"):
        assert getattr(found, name).tolist() == getattr(expected, name).tolist(), name


@settings(deadline=None, max_examples=200)
@given(FRAMES, INTERVAL, GAPS, st.integers(10**7, 2 * 10**8))
def test_a_rate_sees_the_last_frame_at_or_before_each_step(
    frames: list[int], interval: int | None, gaps: list[tuple[int, int]], fps: int
) -> None:
    found = steps_at_rate(frames, fps, end_ns=END, max_interval_ns=interval, gaps=gaps)
    runs: list[list[Span]] = []
    for span in obvious_steps(frames, interval, gaps):
        if span.gap_before or not runs:
            runs.append([])
        runs[-1].append(span)
    expected: list[Span] = []
    for number, run in enumerate(runs):
        times = [run[0].begin + round(k * 1e9 / fps) for k in range(2 * END)]
        times = [t for t in times if t < run[-1].end]
        for k, (begin, end) in enumerate(itertools.pairwise([*times, run[-1].end])):
            frame = max(span.frame for span in run if span.begin <= begin)
            expected.append(Span(begin, end, frame, number > 0 and k == 0))
    wanted = as_times(expected)
    for name in ("t_ns", "end_ns", "frame", "is_gap_before"):
        assert getattr(found, name).tolist() == getattr(wanted, name).tolist(), name


@settings(deadline=None, max_examples=400)
@given(FRAMES, INTERVAL, GAPS, EVENTS, HELD, st.integers(0, 200), st.randoms())
def test_vectors_are_those_of_the_reference(
    frames: list[int],
    interval: int | None,
    gaps: list[tuple[int, int]],
    events: list[InputEvent],
    held: set[str],
    x: int,
    random: object,
) -> None:
    steps = steps_of_frames(frames, end_ns=END, max_interval_ns=interval, gaps=gaps)
    state = InputState(frozenset(held), {"mouse:x": x})
    table = bin_steps(steps, EventTable.of(events), CONTROLS, start=state)
    inputs, presses = obvious_table(steps, events, held, x)
    np.testing.assert_allclose(table.inputs, inputs, rtol=1e-6, atol=1e-6)
    assert table.presses.tolist() == presses.tolist()
    assert table.inputs.dtype == np.float32
    assert table.presses.dtype == np.uint8


@settings(deadline=None, max_examples=300)
@given(FRAMES.filter(bool), EVENTS, HELD, st.integers(0, 200))
def test_vectors_are_those_of_the_live_accumulator(
    frames: list[int], events: list[InputEvent], held: set[str], x: int
) -> None:
    controls = Controls(NAMES, mouse_scale_px=50)
    steps = steps_of_frames(frames, end_ns=END)
    table = bin_steps(steps, EventTable.of(events), controls, start=InputState(frozenset(held), {"mouse:x": float(x)}))
    binner = StepBinner(controls, held=held, pointer=(x, 0))
    binner.add(events)
    if len(steps):
        binner.take(int(steps.t_ns[0]))  # what came before the first frame
    for i, end in enumerate(steps.end_ns.tolist()):
        step = binner.take(end)
        np.testing.assert_allclose(table.inputs[i], step.inputs, rtol=1e-6, atol=1e-6)
        assert table.presses[i].tolist() == step.presses.tolist()


@settings(deadline=None, max_examples=200)
@given(FRAMES, EVENTS, HELD, st.integers(0, END))
def test_two_tables_in_a_row_are_one(frames: list[int], events: list[InputEvent], held: set[str], cut: int) -> None:
    steps = steps_of_frames(frames, end_ns=END)
    n = int(np.searchsorted(steps.end_ns, cut, side="right"))
    boundary = int(steps.t_ns[n]) if n < len(steps) else END
    start = InputState(frozenset(held))

    def part(a: int, b: int, rows: list[InputEvent], state: InputState) -> StepTable:
        times = StepTimes(*(getattr(steps, name)[a:b] for name in ("t_ns", "end_ns", "frame", "is_gap_before")))
        return bin_steps(times, EventTable.of(rows), CONTROLS, start=state)

    whole = part(0, len(steps), events, start)
    first = part(0, n, [event for event in events if event.t_ns < boundary], start)
    second = part(n, len(steps), [event for event in events if event.t_ns >= boundary], first.state)
    np.testing.assert_array_equal(whole.inputs, np.concatenate([first.inputs, second.inputs]))
    np.testing.assert_array_equal(whole.presses, np.concatenate([first.presses, second.presses]))
    assert whole.state == second.state


@settings(deadline=None, max_examples=100)
@given(FRAMES, EVENTS, st.integers(1, 4))
def test_frame_skip_is_any_sum_and_last_of_its_steps(frames: list[int], events: list[InputEvent], skip: int) -> None:
    one = bin_steps(steps_of_frames(frames, end_ns=END), EventTable.of(events), CONTROLS)
    joined = bin_steps(steps_of_frames(frames, end_ns=END, frame_skip=skip), EventTable.of(events), CONTROLS)
    for k in range(len(joined.steps)):
        rows = slice(k * skip, (k + 1) * skip)
        for i, name in enumerate(NAMES):
            merged = one.inputs[rows, i]
            if name in ("mouse:x", "pad:left_x"):
                assert joined.inputs[k, i] == merged[-1]
            else:
                expected = merged.max() if CONTROLS.is_button[i] else merged.sum()
                assert joined.inputs[k, i] == pytest.approx(expected, abs=1e-5)
        assert joined.presses[k].tolist() == one.presses[rows].sum(axis=0).tolist()


def test_latency_takes_later_events() -> None:
    steps = steps_of_frames([0, 100, 200], end_ns=300)
    events = EventTable.of([InputEvent(t, "mouse:dx", 50.0) for t in (10, 110, 210)])
    assert bin_steps(steps, events, CONTROLS).inputs[:, 2].tolist() == [1, 1, 1]
    assert bin_steps(steps, events, CONTROLS, latency_ns=60).inputs[:, 2].tolist() == [1, 1, 0]
    assert bin_steps(steps, events, CONTROLS, latency_ns=-60).inputs[:, 2].tolist() == [1, 1, 1]
    assert bin_steps(steps, events, CONTROLS, latency_ns=11).inputs[:, 2].tolist() == [1, 1, 0]


def test_unsorted_events_are_put_in_order_and_more_than_255_presses_stay_255() -> None:
    steps = steps_of_frames([0], end_ns=2000)
    events = [InputEvent(t, "key:w", float(t % 2)) for t in range(1200)]
    table = bin_steps(steps, EventTable.of(events[::-1]), CONTROLS)
    assert table.presses[0, 0] == 255
    assert bin_steps(steps, EventTable.of(events[:7][::-1]), CONTROLS).presses[0, 0] == 3


def test_blocks_of_sound_fall_into_steps() -> None:
    steps = steps_of_frames([10, 20, 90], end_ns=100, max_interval_ns=30)
    assert steps.step_of([0, 10, 19, 20, 49, 50, 89, 90, 99, 100]).tolist() == [-1, 0, 0, 1, 1, -1, -1, 2, 2, -1]
    assert steps_of_frames([], end_ns=5).step_of([1, 2]).tolist() == [-1, -1]


@pytest.mark.parametrize("frames", [[5, 5], [5, 4], [[1, 2]]])
def test_frames_that_do_not_increase_are_refused(frames: list[int]) -> None:
    with pytest.raises(ObservationError, match="strictly increasing"):
        steps_of_frames(frames, end_ns=100)


def test_arguments_without_sense_are_refused() -> None:
    with pytest.raises(ObservationError, match="frame_skip"):
        steps_of_frames([1], end_ns=9, frame_skip=0)
    with pytest.raises(ObservationError, match="fps"):
        steps_at_rate([1], 0, end_ns=9)
    with pytest.raises(ObservationError, match="before it starts"):
        steps_of_frames([1], end_ns=9, gaps=[(5, 4)])
    with pytest.raises(ObservationError, match="longest interval"):
        steps_of_frames([1], end_ns=9, max_interval_ns=0)
    with pytest.raises(ActionError, match="must index its 1 names"):
        EventTable(np.array([1]), np.array([1]), np.array([1.0]), ("key:w",))
    with pytest.raises(ActionError, match="columns must all be"):
        EventTable(np.array([1, 2]), np.array([0]), np.array([1.0]), ("key:w",))
