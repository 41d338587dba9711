"""Several pads are one: against a slow, obvious reference."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from gameon_env.desktop.gamepad_process import MergedPads, level
from gameon_env.keys import PAD_AXES

PADS = st.integers(0, 2)
VALUES = st.sampled_from([-1.0, -0.5, 0.0, 0.25, 0.5, 1.0])
DEEDS = st.lists(st.tuples(PADS, st.sampled_from(["pad:a", "pad:left_x"]), VALUES | st.none()), max_size=40)


@given(DEEDS)
def test_changes_tell_where_the_pads_stand(deeds: list[tuple[int, str, float | None]]) -> None:
    merged, told = MergedPads(), {"pad:a": 0.0, "pad:left_x": 0.0}
    state: dict[int, dict[str, float]] = {}
    for pad, control, value in deeds:
        if value is None:
            state.pop(pad, None)
            changes = merged.remove(pad)
        else:
            state.setdefault(pad, {})[control] = value
            changes = merged.set(pad, control, value)
        for name, new in changes:
            assert told[name] != new, "no change is told twice"
            told[name] = new
        for name in told:
            farthest = max((abs(values.get(name, 0.0)) for values in state.values()), default=0.0)
            assert abs(told[name]) == farthest
            assert farthest == 0.0 or any(values.get(name) == told[name] for values in state.values())


@given(st.sampled_from(PAD_AXES), st.integers(-32768, 32767))
def test_levels_keep_every_step_of_sixteen_bits(control: str, raw: int) -> None:
    value = level(control, raw)
    lowest = 0.0 if control.endswith("trigger") else -1.0
    assert lowest <= value <= 1.0
    if raw >= (0 if lowest == 0.0 else -32767):
        assert round(value * 32767) == raw
