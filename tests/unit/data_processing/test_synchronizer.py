"""Steps from streams: against an obvious reference, in pieces as at once, with what comes late."""

from __future__ import annotations

import gc
import json
import sys
import threading
import weakref
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gameon_env.controls import Controls, StepBinner
from gameon_env.data_processing import DataSynchronizer, SyncedData
from gameon_env.data_processing.step_table import EventTable, InputState, bin_steps
from gameon_env.data_processing.step_times import steps_of_frames
from gameon_env.errors import ObservationError
from gameon_env.events import InputEvent

NAMES = ["key:w", "mouse:left", "mouse:dx", "mouse:x", "pad:left_y"]
CONTROLS = Controls(NAMES, mouse_scale_px=50, window_size=(101, 201))
WINDOW_MS = 0.1
WINDOW = 100

FRAMES = st.lists(st.integers(0, 1000), max_size=14, unique=True).map(sorted)
VALUE = {"mouse:dx": st.integers(-9, 9), "mouse:x": st.integers(0, 200)}
INPUT = st.sampled_from([*NAMES, "key:q"]).flatmap(
    lambda name: st.tuples(st.integers(-50, 1200), st.just(name), VALUE.get(name, st.sampled_from([0.0, 1.0])))
)
INPUTS = st.lists(INPUT, max_size=50)
HELD = st.sets(st.sampled_from(["key:w", "key:q", "mouse:left"]))
GAPS = st.lists(st.integers(0, 1000), max_size=2).map(sorted)


def data(number: int, name: str, value: float) -> dict[str, Any]:
    return {"control": name, "value": value, "number": number}


def press(name: str, value: float = 1.0) -> dict[str, Any]:
    return {"control": name, "value": value}


def as_tuple(step: SyncedData) -> tuple[Any, ...]:
    assert step.vector is not None
    assert step.presses is not None
    inputs = [item["number"] for item in step.inputs]
    return step.timestamp, step.frame_id, inputs, step.metadata, step.vector.tolist(), step.presses.tolist()


def obvious(
    frames: list[int], inputs: list[tuple[int, str, float]], held: set[str], gaps: list[int]
) -> list[tuple[int, int, list[int], set[str], int]]:
    """Time, end, numbers of the inputs, what was held and how many were unattached, one step after the other."""
    rows = sorted(enumerate(inputs), key=lambda row: row[1][0])
    steps, before = [], -(10**9)
    for i, t in enumerate(frames):
        candidates = [t + WINDOW, *frames[i + 1 : i + 2], *(gap for gap in gaps if gap >= t)]
        end = min(candidates)
        mine = [number for number, (at, _, _) in rows if t <= at < end]
        down = set(held)
        for _, (at, name, value) in rows:
            if at < t and name in ("key:w", "key:q", "mouse:left"):
                (down.add if value >= 0.5 else down.discard)(name)
        unattached = sum(before <= at < t for _, (at, _, _) in rows)
        steps.append((t, end, mine, down, unattached))
        before = end
    return steps


@settings(deadline=None, max_examples=300)
@given(FRAMES, INPUTS, HELD, GAPS)
def test_every_input_goes_to_the_step_of_its_time(
    frames: list[int], inputs: list[tuple[int, str, float]], held: set[str], gaps: list[int]
) -> None:
    sync = DataSynchronizer(WINDOW_MS, held=held)
    for number, (t, name, value) in enumerate(inputs):
        sync.add_input(t, data(number, name, value))
    for t in frames:
        sync.add_frame(f"f{t}", t, np.array([t]))
    for t in gaps:
        sync.add_gap(t)
    steps = sync.sync_data(final=True)
    expected = obvious(frames, inputs, held, gaps)
    assert [step.frame_id for step in steps] == [f"f{t}" for t in frames]
    for i, (step, (t, end, numbers, down, unattached)) in enumerate(zip(steps, expected, strict=True)):
        follows = i > 0 and expected[i - 1][1] == t
        followed = i + 1 < len(expected) and expected[i + 1][0] == end
        assert step.timestamp == t
        assert step.frame_features.tolist() == [t]
        assert [item["number"] for item in step.inputs] == numbers
        assert step.metadata == {
            "sync_window_ms": WINDOW_MS,
            "end": end,
            "held": sorted(down),
            "late": 0,
            "gap_before": i > 0 and not follows,
            "gap_after": not followed,
            "unattached": unattached,
        }
        assert json.loads(json.dumps(step.metadata)) == step.metadata
    assert sync.sync_data(final=True) == []


@settings(deadline=None, max_examples=300)
@given(FRAMES, INPUTS, HELD, st.data())
def test_in_pieces_as_at_once(
    frames: list[int], inputs: list[tuple[int, str, float]], held: set[str], draw: st.DataObject
) -> None:
    """Asked at any moments, with any `until` that is true, the same steps come out."""
    items = [(t, 0, number, name, value) for number, (t, name, value) in enumerate(inputs)]
    items = sorted([*items, *((t, 1, 0, "", 0.0) for t in frames)])

    def run(pieces: bool) -> list[tuple[Any, ...]]:
        sync = DataSynchronizer(WINDOW_MS, controls=CONTROLS, held=held, pointer=(7, 8))
        steps: list[SyncedData] = []
        for t, is_frame, number, name, value in items:
            if is_frame:
                sync.add_frame(str(t), t, None)
            else:
                sync.add_input(t, data(number, name, value))
            asked = draw.draw(st.sampled_from([None, "newest", t, t - 60, t - 150])) if pieces else None
            if asked is not None:
                steps += sync.sync_data(until=None if asked == "newest" else int(asked))
        steps += sync.sync_data(final=True)
        assert sync.sync_data(final=True) == []
        return [as_tuple(step) for step in steps]

    assert run(pieces=True) == run(pieces=False)


@settings(deadline=None, max_examples=200)
@given(FRAMES, INPUTS, HELD, GAPS)
def test_vectors_are_those_of_whole_arrays(
    frames: list[int], inputs: list[tuple[int, str, float]], held: set[str], gaps: list[int]
) -> None:
    sync = DataSynchronizer(WINDOW_MS, controls=CONTROLS, held=held)
    for number, (t, name, value) in enumerate(inputs):
        sync.add_input(t, data(number, name, value))
    for t in frames:
        sync.add_frame(str(t), t)
    for gap in gaps:
        sync.add_gap(gap)
    steps = sync.sync_data(final=True)
    times = steps_of_frames(
        frames, end_ns=10**6, max_interval_ns=WINDOW, gaps=[(gap, gap) for gap in gaps if gap not in frames]
    )
    if not set(gaps) & set(frames):
        assert [step.metadata["end"] for step in steps] == times.end_ns.tolist()
        assert [step.metadata["gap_before"] for step in steps] == times.is_gap_before.tolist()
        events = EventTable.of([InputEvent(*row) for row in inputs])
        table = bin_steps(times, events, CONTROLS, start=InputState(frozenset(held)))
        for i, step in enumerate(steps):
            np.testing.assert_array_equal(step.vector, table.inputs[i])
            np.testing.assert_array_equal(step.presses, table.presses[i])


def test_vectors_are_those_of_the_live_accumulator() -> None:
    controls = Controls(["key:w", "mouse:left", "mouse:dx", "mouse:x"], mouse_scale_px=50)
    random = np.random.default_rng(3)
    sync, binner = DataSynchronizer(controls=controls), StepBinner(controls)
    t, compared = 0, 0
    sync.add_frame("0", 0)
    for number in range(1, 200):
        end = t + int(random.integers(5_000, 60_000))
        for at in np.sort(random.integers(t, end, random.integers(0, 12))).tolist():
            name = str(random.choice(list(controls.names)))
            value = float(random.integers(0, 2) if name in ("key:w", "mouse:left") else random.integers(-9, 9))
            sync.add_input(at, press(name, value))
            binner.add([InputEvent(at, name, value)])
        sync.add_frame(str(number), end)
        (step,) = sync.sync_data()
        live = binner.take(end)
        np.testing.assert_allclose(step.vector, live.inputs, rtol=1e-6)
        assert step.presses is not None
        assert step.presses.tolist() == live.presses.tolist()
        assert sync.held == binner.held
        t, compared = end, compared + 1
    assert compared == 199


@settings(deadline=None, max_examples=200)
@given(FRAMES, INPUTS, st.data())
def test_late_or_not_no_input_is_lost_or_used_twice(
    frames: list[int], inputs: list[tuple[int, str, float]], draw: st.DataObject
) -> None:
    arrivals = draw.draw(st.permutations([*((t, -1) for t in frames), *((row[0], i) for i, row in enumerate(inputs))]))
    sync = DataSynchronizer(WINDOW_MS, controls=CONTROLS)
    waiting = iter(frames)  # frames come in order, whatever their inputs do
    steps: list[SyncedData] = []
    for _, number in arrivals:
        if number < 0:
            t = next(waiting)
            sync.add_frame(str(t), t)
        else:
            sync.add_input(inputs[number][0], data(number, *inputs[number][1:]))
        if draw.draw(st.booleans()):
            steps += sync.sync_data()
    sync.add_frame("end", 5000)
    steps += sync.sync_data(final=True)
    used = [item["number"] for step in steps for item in step.inputs]
    assert len(used) == len(set(used))
    assert len(used) + sum(step.metadata["unattached"] for step in steps) == len(inputs)
    for step in steps:
        times = [inputs[item["number"]][0] for item in step.inputs]
        assert times == sorted(times)
        assert all(t < step.metadata["end"] for t in times)
        assert sum(t < step.timestamp for t in times) == step.metadata["late"]
    last = {name: value for t, name, value in sorted(inputs, key=lambda row: row[0])}
    clear = {
        name
        for name in last
        if len({row[0] for row in inputs if row[1] == name}) == sum(row[1] == name for row in inputs)
    }
    for name in clear & {"key:w", "key:q", "mouse:left"}:
        assert (name in sync.held) == (last[name] >= 0.5)


def test_a_step_waits_for_the_next_frame() -> None:
    sync = DataSynchronizer()
    sync.add_frame("a", 0, np.zeros(3))
    sync.add_input(10_000, press("key:w"))
    assert sync.sync_data() == []
    sync.add_frame("b", 33_000, np.ones(3))
    (step,) = sync.sync_data()
    assert step.frame_id == "a"
    assert step.inputs == [press("key:w")]
    (tail,) = sync.sync_data(final=True)
    assert tail.inputs == []
    assert tail.metadata["held"] == ["key:w"]
    assert tail.frame_features.tolist() == [1, 1, 1]


def test_frames_without_any_input_come_out() -> None:
    sync = DataSynchronizer()
    for i in range(5):
        sync.add_frame(str(i), i * 33_000)
    assert len(sync.sync_data()) == 4
    assert len(sync.sync_data(final=True)) == 1


def test_until_ends_a_step_without_a_next_frame_and_then_refuses_earlier_ones() -> None:
    sync = DataSynchronizer(100, controls=CONTROLS)
    sync.add_frame("a", 0)
    sync.add_input(50_000, press("mouse:left"))
    sync.add_input(150_000, press("key:w"))
    assert sync.sync_data(until=100_000) == []  # a frame at 100 ms would be no gap yet
    (step,) = sync.sync_data(until=100_001)
    assert step.metadata["gap_after"]
    assert sync.held == {"mouse:left"}
    assert sync.sync_data(until=200_000) == []
    assert sync.held == {"mouse:left", "key:w"}
    with pytest.raises(ObservationError, match="comes too late"):
        sync.add_frame("b", 199_999)
    sync.add_frame("b", 200_000)
    (step,) = sync.sync_data(final=True)
    assert step.metadata["gap_before"]
    assert step.metadata["unattached"] == 1
    assert step.vector is not None
    assert step.vector[:2].tolist() == [1, 1]
    assert step.presses is not None
    assert step.presses.sum() == 0


def test_a_late_press_does_not_stay_held_when_its_release_came_before_it() -> None:
    sync = DataSynchronizer(controls=CONTROLS)
    sync.add_frame("a", 0)
    sync.add_input(9_000, press("key:w", 0.0))
    sync.add_frame("b", 10_000)
    assert len(sync.sync_data()) == 1
    sync.add_input(8_000, press("key:w"))
    sync.add_frame("c", 20_000)
    (step,) = sync.sync_data()
    assert step.metadata["late"] == 1
    assert step.inputs == [press("key:w")]
    assert step.vector is not None
    assert step.presses is not None
    assert (step.vector[0], step.presses[0]) == (1, 1)
    (tail,) = sync.sync_data(final=True)
    assert tail.vector is not None
    assert tail.vector[0] == 0
    assert sync.held == set()


def test_still_pictures_are_no_gap_without_a_window() -> None:
    sync = DataSynchronizer(None)
    sync.add_frame("menu", 0)
    sync.add_input(5_000_000, press("key:enter"))
    sync.add_frame("game", 9_000_000)
    sync.add_input(9_500_000, press("key:w"))
    first, tail = sync.sync_data(final=True)
    assert [len(first.inputs), len(tail.inputs)] == [1, 1]
    assert not first.metadata["gap_after"]
    assert tail.metadata["end"] == 9_500_001


def test_a_pause_is_a_gap_however_short() -> None:
    sync = DataSynchronizer(100)
    sync.add_frame("a", 0)
    sync.add_gap(10_000)
    sync.add_input(20_000, press("key:w"))
    sync.add_frame("b", 30_000)
    first, second = sync.sync_data(final=True)
    assert first.metadata["end"] == 10_000
    assert first.inputs == []
    assert first.metadata["gap_after"]
    assert second.metadata["gap_before"]
    assert second.metadata["held"] == ["key:w"]
    sync.add_gap(900_000)
    with pytest.raises(ObservationError, match="add gaps in order"):
        sync.add_gap(800_000)


@pytest.mark.parametrize("window_ms", [None, 100])
def test_a_pause_at_the_end_leaves_the_tail(window_ms: float | None) -> None:
    sync = DataSynchronizer(window_ms)
    sync.add_frame("a", 0)
    sync.add_gap(50_000)
    assert sync.sync_data(until=50_000) == []
    (tail,) = sync.sync_data(final=True)
    assert tail.metadata["end"] == 50_000


def test_sound_goes_to_the_step_in_which_it_began() -> None:
    sync = DataSynchronizer(100)
    blocks = {t: np.full((4, 2), t, np.float32) for t in (-5, 0, 9, 10, 150, 300)}
    for t, samples in blocks.items():
        sync.add_audio(t * 1000, samples)
    for t in (0, 10, 300):
        sync.add_frame(str(t), t * 1000)
    steps = sync.sync_data(final=True)
    assert [[t for t, _ in step.audio] for step in steps] == [[0, 9_000], [10_000], [300_000]]
    assert steps[1].audio[0][1] is blocks[10]


def test_any_input_data_is_passed_on() -> None:
    sync = DataSynchronizer(controls=CONTROLS)
    odd: list[dict[str, Any]] = [{}, {"key": "w"}, {"control": "key:w"}, {"control": 5, "value": 1}, press("W")]
    sync.add_frame("a", 0)
    for item in odd:
        sync.add_input(5, item)
    (step,) = sync.sync_data(final=True)
    assert step.inputs == odd
    assert step.vector is not None
    assert step.vector[:3].tolist() == [0, 0, 0]


def test_bad_frames_times_and_windows_are_refused() -> None:
    sync = DataSynchronizer()
    sync.add_frame("a", np.int64(5))  # type: ignore[arg-type]  # NumPy's integers are whole numbers too
    for t in (5, 4):
        with pytest.raises(ObservationError, match="not later than the one before"):
            sync.add_frame("b", t)
    with pytest.raises(ObservationError, match="t_ns // 1000"):
        sync.add_frame("b", 5.5)  # type: ignore[arg-type]
    with pytest.raises(ObservationError, match="whole number of microseconds"):
        sync.add_input("now", {})  # type: ignore[arg-type]
    for window in (0, -1, float("nan"), float("inf")):
        with pytest.raises(ObservationError, match="sync_window_ms"):
            DataSynchronizer(window)


def test_what_was_given_out_is_forgotten() -> None:
    sync = DataSynchronizer(controls=CONTROLS)
    seen: list[weakref.ref[Any]] = []
    sizes = []
    for i in range(600):
        features, sound = np.zeros(1000), np.zeros((100, 2), np.float32)
        seen += [weakref.ref(features), weakref.ref(sound)]
        sync.add_frame(str(i), i * 10_000, features)
        sync.add_audio(i * 10_000, sound)
        for k in range(10):
            sync.add_input(i * 10_000 + k * 1000, press("mouse:dx", 1.0))
        sync.sync_data()
        sizes.append(len(sync._inputs) + len(sync._audio) + len(sync._frames))
    del features, sound
    gc.collect()
    assert sum(reference() is not None for reference in seen) <= 4
    assert max(sizes) == max(sizes[:10])


def test_inputs_from_another_thread_all_arrive() -> None:
    sync = DataSynchronizer(1000)
    count = 20_000
    switch = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)

    def listen() -> None:
        for number in range(count):
            sync.add_input(number * 10 + (number % 7) * 300, data(number, "mouse:dx", 1.0))

    thread = threading.Thread(target=listen)
    steps: list[SyncedData] = []
    try:
        thread.start()
        for i in range(200):
            sync.add_frame(str(i), i * 1000 - 1)
            steps += sync.sync_data()
        thread.join()
    finally:
        sys.setswitchinterval(switch)
    steps += sync.sync_data(final=True)
    numbers = [item["number"] for step in steps for item in step.inputs]
    assert sorted(numbers) == list(range(count))
