"""The recorder's input log: what is down when a recording, or a part of it after a pause, begins."""

from __future__ import annotations

from collections.abc import Callable

from gameon_env.clock import now_ns
from gameon_env.events import InputEvent
from gameon_env.keys import BUTTONS
from gameon_env.recording.input_log import InputLog

KEYS = ("key:a", "key:b", "key:c")


class Keyboard:
    """Somebody types while the log looks: what ``typed`` holds next happens before each answer."""

    dropped = 0

    def __init__(self) -> None:
        self.typed: list[tuple[str, float] | None] = []
        self._events: list[InputEvent] = []
        self._down: set[str] = set()

    def type(self, control: str, value: float, t_ns: int | None = None) -> None:
        (self._down.add if value else self._down.discard)(control)
        self._events.append(InputEvent(now_ns() if t_ns is None else t_ns, control, value))

    def drain(self) -> list[InputEvent]:
        self._happen()
        events, self._events = self._events, []
        return events

    def held(self) -> frozenset[str]:
        self._happen()
        return frozenset(self._down & BUTTONS)

    def _happen(self) -> None:
        if self.typed:
            typed = self.typed.pop(0)
            if typed is not None:
                self.type(*typed)


def open_log(keyboard: Keyboard, hotkeys: dict[str, Callable[[], object]] | None = None) -> InputLog:
    return InputLog([keyboard], KEYS, all_keys=False, hotkeys=hotkeys or {}, place=lambda _, value: value)


def changes(events: list[InputEvent]) -> list[tuple[str, float]]:
    return [(event.control, event.value) for event in events]


def test_a_key_pressed_as_the_recording_begins_is_pressed_once() -> None:
    for moment in range(4):  # before the first answer, the second ...
        keyboard = Keyboard()
        keyboard.typed = [None] * moment + [("key:a", 1.0)]
        log = open_log(keyboard)
        held = log.begin()
        log.hear()
        assert (held, changes(log.take(now_ns() + 1))) in [
            (frozenset({"key:a"}), []),
            (frozenset(), [("key:a", 1.0)]),
        ], moment


def test_a_key_released_as_the_recording_begins_is_released_once() -> None:
    for moment in range(4):
        keyboard = Keyboard()
        keyboard.type("key:a", 1.0)
        keyboard.typed = [None] * moment + [("key:a", 0.0)]
        log = open_log(keyboard)
        held = log.begin()
        log.hear()
        assert (held, changes(log.take(now_ns() + 1))) in [
            (frozenset({"key:a"}), [("key:a", 0.0)]),
            (frozenset(), []),
        ], moment


def test_what_is_typed_right_after_a_pause_is_there_once() -> None:
    keyboard = Keyboard()
    log = open_log(keyboard)
    log.begin()
    keyboard.type("key:a", 1.0)
    log.hear()
    log.skip(now_ns() + 1)  # typed in the pause, and still held at its end
    ended_ns = now_ns()
    keyboard.type("key:b", 1.0)
    keyboard.typed = [("key:b", 0.0), ("key:c", 1.0)]
    assert changes(log.catch_up(ended_ns)) == [("key:a", 1.0)]
    assert changes(log.take(now_ns() + 1)) == [("key:b", 1.0), ("key:b", 0.0), ("key:c", 1.0)]
    keyboard.type("key:a", 0.0)
    log.hear()
    assert changes(log.take(now_ns() + 1)) == [("key:a", 0.0)]


def test_sticks_stand_after_a_pause_where_they_stand() -> None:
    pad = Keyboard()
    log = open_log(pad)
    log.begin()
    pad.type("pad:left_x", 0.8)
    pad.type("pad:right_x", 0.5)
    log.hear()
    assert changes(log.take(now_ns() + 1)) == [("pad:left_x", 0.8), ("pad:right_x", 0.5)]
    pad.type("pad:left_x", 0.0)  # in the pause, as all that follows
    pad.type("pad:right_x", 0.9)
    pad.type("pad:left_trigger", 1.0)
    log.hear()
    log.skip(now_ns() + 1)
    pad.type("pad:right_x", 0.5)
    ended_ns = now_ns()
    pad.type("pad:left_y", -1.0)
    caught_up = log.catch_up(ended_ns)
    assert sorted(changes(caught_up)) == [("pad:left_trigger", 1.0), ("pad:left_x", 0.0)]
    assert {event.t_ns for event in caught_up} == {ended_ns}
    assert changes(log.take(now_ns() + 1)) == [("pad:left_y", -1.0)]
    assert log.catch_up(now_ns()) == []


def test_what_was_typed_in_a_pause_and_is_heard_late_is_forgotten() -> None:
    keyboard = Keyboard()
    log = open_log(keyboard)
    log.begin()
    ended_ns = now_ns()
    keyboard.type("key:a", 1.0, ended_ns - 2)
    keyboard.type("key:a", 0.0, ended_ns - 1)
    assert log.catch_up(ended_ns) == []
    assert log.take(now_ns() + 1) == []


def test_hotkeys_act_at_once_and_are_not_stored() -> None:
    keyboard, acted = Keyboard(), []
    log = open_log(keyboard, {"key:f9": lambda: acted.append("pause")})
    keyboard.typed = [None, ("key:f9", 1.0)]  # as the recording begins: too early to act
    assert log.begin() == frozenset()
    assert acted == []
    keyboard.type("key:f9", 0.0)
    keyboard.type("key:f9", 1.0)
    keyboard.type("key:x", 1.0)  # not the game's
    log.hear()
    assert acted == ["pause"]
    assert log.take(now_ns() + 1) == []
