"""Vectors to commands, and events to vectors."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gameon_env.controls import ActionEncoder, Command, Controls, StepBinner, held_before
from gameon_env.errors import ActionError, ProfileError, UnknownNameError
from gameon_env.events import InputEvent

NAMES = ["key:w", "key:space", "mouse:left", "mouse:dx", "mouse:dy", "mouse:wheel"]


@pytest.fixture
def controls() -> Controls:
    return Controls(NAMES, mouse_scale_px=50)


def test_space_has_keys_from_0_and_axes_from_minus_1(controls: Controls) -> None:
    assert controls.space.low.tolist() == [0, 0, 0, -1, -1, -1]
    assert controls.space.high.tolist() == [1] * 6
    assert controls.space.dtype == np.float32


def test_unknown_name_suggests_the_nearest() -> None:
    with pytest.raises(UnknownNameError, match="key:left_shift"):
        Controls(["key:left_shft"])


@pytest.mark.parametrize("names", [[], ["key:w", "key:w"]])
def test_no_names_or_a_name_twice_is_refused(names: list[str]) -> None:
    with pytest.raises(ProfileError, match="each once"):
        Controls(names)


@pytest.mark.parametrize(
    ("action", "message"),
    [([0, 0], "shape"), ([[0] * 6], "shape"), ([np.nan] + [0] * 5, "NaN.*key:w"), (["a"] * 6, "6 numbers")],
)
def test_bad_actions_are_refused(controls: Controls, action: list[object], message: str) -> None:
    with pytest.raises(ActionError, match=message):
        controls.clip(np.array(action, dtype=object) if isinstance(action[0], str) else action)


def test_actions_are_clipped(controls: Controls) -> None:
    assert controls.clip([5, -5, 0.2, 9, -9, np.inf]).tolist() == pytest.approx([1, 0, 0.2, 1, -1, 1])


def test_commands_are_what_changed_and_aim_comes_before_the_click(controls: Controls) -> None:
    encoder = ActionEncoder(controls)
    commands, applied = encoder.encode([0.7, 0.4, 1, 0.5, 0, 0])
    assert commands == [Command("move", x=25), Command("press", "key:w"), Command("press", "mouse:left")]
    assert applied.tolist() == [1, 0, 1, 0.5, 0, 0]
    commands, _ = encoder.encode([1, 1, 0, 0, 0, 0])
    assert commands == [Command("release", "mouse:left"), Command("press", "key:space")]
    assert encoder.encode([1, 1, 0, 0, 0, 0])[0] == []


@given(st.lists(st.floats(-1, 1, width=32), min_size=1, max_size=60))
def test_sub_count_remainders_are_kept(motions: list[float]) -> None:
    controls = Controls(["mouse:dx"], mouse_scale_px=7)
    encoder = ActionEncoder(controls)
    applied = [encoder.encode([motion])[1][0] * 7 for motion in motions]
    assert abs(sum(applied) - 7 * sum(motions)) <= 0.51
    assert np.allclose(applied, np.round(applied), atol=1e-4)


def test_absolute_pointer_spans_the_picture() -> None:
    controls = Controls(["mouse:x", "mouse:y"], window_size=(101, 201))
    encoder = ActionEncoder(controls)
    assert encoder.encode([-1, -1])[0] == [Command("move_to", x=0, y=0)]
    assert encoder.encode([1, 1])[0] == [Command("move_to", x=200, y=100)]
    binner = StepBinner(controls, origin=(10, 20), pointer=(10, 20))
    assert binner.take(1).inputs.tolist() == [-1, -1]
    binner.add([InputEvent(2, "mouse:x", 210), InputEvent(2, "mouse:y", 70)])
    assert binner.take(3).inputs.tolist() == pytest.approx([1, 0])


def test_a_tap_shorter_than_a_step_survives(controls: Controls) -> None:
    binner = StepBinner(controls)
    binner.add(
        [InputEvent(1, "key:w", 1), InputEvent(2, "key:w", 0), InputEvent(3, "key:w", 1), InputEvent(4, "key:w", 0)]
    )
    step = binner.take(10)
    assert step.inputs[0] == 1
    assert step.presses[0] == 2
    assert binner.take(20).inputs[0] == 0


def test_held_keys_count_from_the_start_and_carry_over(controls: Controls) -> None:
    binner = StepBinner(controls, held=["key:space"])
    first = binner.take(10)
    assert first.inputs[1] == 1
    assert first.presses[1] == 0
    binner.add([InputEvent(12, "key:space", 0)])
    assert binner.take(20).inputs[1] == 1
    assert binner.take(30).inputs[1] == 0


def test_auto_repeat_is_no_press(controls: Controls) -> None:
    binner = StepBinner(controls)
    binner.add([InputEvent(t, "key:w", 1) for t in (1, 2, 3)])
    assert binner.take(10).presses[0] == 1


def test_an_event_belongs_to_the_step_of_its_time_or_the_next_one_taken(controls: Controls) -> None:
    binner = StepBinner(controls)
    binner.add([InputEvent(15, "mouse:dx", 5)])
    assert binner.take(10).inputs[3] == 0
    binner.add([InputEvent(9, "mouse:dx", 10)])  # it arrived late
    assert binner.take(20).inputs[3] == pytest.approx(15 / 50)


def test_motion_is_summed_and_not_clipped(controls: Controls) -> None:
    binner = StepBinner(controls)
    binner.add([InputEvent(t, "mouse:dx", 30) for t in range(10)] + [InputEvent(3, "mouse:wheel", -1)])
    step = binner.take(10)
    assert step.inputs[3] == pytest.approx(300 / 50)
    assert step.inputs[5] == -1


EVENTS = st.lists(
    st.tuples(st.integers(0, 100), st.sampled_from(["key:w", "mouse:left", "mouse:dx"]), st.integers(0, 1)), max_size=60
)


@given(EVENTS, st.lists(st.integers(1, 110), min_size=1, max_size=12, unique=True))
def test_nothing_is_lost_or_used_twice(raw: list[tuple[int, str, int]], ends: list[int]) -> None:
    """Against the obvious reference: replay all events in order and cut at the ends."""
    controls = Controls(["key:w", "mouse:left", "mouse:dx"], mouse_scale_px=1)
    events = sorted((InputEvent(t, name, value) for t, name, value in raw), key=lambda event: event.t_ns)
    binner = StepBinner(controls)
    binner.add(events)
    ends = [*sorted(ends), 1000]
    steps = [binner.take(end) for end in ends]
    down = {"key:w": False, "mouse:left": False}
    expected_presses = {"key:w": 0, "mouse:left": 0}
    for event in events:
        if event.control in down:
            expected_presses[event.control] += event.value == 1 and not down[event.control]
            down[event.control] = event.value == 1
    for i, name in enumerate(["key:w", "mouse:left"]):
        assert sum(int(step.presses[i]) for step in steps) == expected_presses[name]
        assert (name in binner.held) == down[name]
    assert sum(float(step.inputs[2]) for step in steps) == sum(e.value for e in events if e.control == "mouse:dx")


@given(
    st.sets(st.sampled_from(["key:a", "key:b", "mouse:left"])),
    st.lists(st.sampled_from(["key:a", "key:b", "mouse:left", "mouse:dx"]), max_size=12),
    st.data(),
)
def test_what_was_held_before_does_not_depend_on_when_it_is_asked(
    before: set[str], touched: list[str], data: st.DataObject
) -> None:
    held, events, states = set(before), [], [set(before)]
    for t_ns, control in enumerate(touched):
        down = control not in held
        if control != "mouse:dx":
            held ^= {control}
        events.append(InputEvent(t_ns, control, float(down)))
        states.append(set(held))
    asked_after = data.draw(st.integers(0, len(events)))
    assert held_before(events, states[asked_after]) == before
