"""One suite over all listening backends."""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest

from gameon_env.clock import now_ns
from gameon_env.desktop.display import PrivateDisplay
from gameon_env.desktop.inject import Injector, open_injector
from gameon_env.desktop.listen import EventQueue, Listener, open_listener
from gameon_env.errors import DisplayError, InputError, UnknownNameError
from gameon_env.events import InputEvent
from gameon_env.keys import KEYS, MOUSE_BUTTONS
from tests.physical import PhysicalDevices

Hear = Callable[..., list[InputEvent]]


def changes(events: list[InputEvent]) -> list[tuple[str, float]]:
    return [(e.control, e.value) for e in events if e.control not in ("mouse:x", "mouse:y")]


def total(events: list[InputEvent], control: str) -> float:
    return sum(event.value for event in events if event.control == control)


def test_presses_and_releases_come_in_order(listener: Listener, hand: Injector, hear: Hear) -> None:
    expected = []
    for key in ("w", "space", "left_shift", "f5", "1"):
        hand.press(f"key:{key}")
        hand.flush()
        hand.release(f"key:{key}")
        hand.flush()
        expected += [(f"key:{key}", 1.0), (f"key:{key}", 0.0)]
    assert changes(hear(listener, lambda events: len(events) >= 10)) == expected


def test_every_key_that_the_backend_can_tell(listener: Listener, hand: Injector, hear: Hear) -> None:
    # pynput gives the characters of the numeric pad, not its keys.
    names = [name for name in KEYS if listener.backend == "x11" or not name.startswith("numpad")]
    locks = {"caps_lock", "num_lock"}  # twice: they must be off again for the next test
    for name in [*(n for n in names if n not in locks), *sorted(locks & set(names)) * 2]:
        hand.press(f"key:{name}")
        hand.flush()
        hand.release(f"key:{name}")
        hand.flush()
        wanted = [(f"key:{name}", 1.0), (f"key:{name}", 0.0)]
        assert changes(hear(listener, lambda events: len(events) >= 2)) == wanted


@pytest.mark.parametrize("button", MOUSE_BUTTONS)
def test_mouse_buttons(listener: Listener, hand: Injector, hear: Hear, button: str) -> None:
    hand.press(button)
    hand.flush()
    hand.release(button)
    hand.flush()
    assert changes(hear(listener, lambda events: len(events) >= 2)) == [(button, 1.0), (button, 0.0)]


def test_wheel_up_is_positive_and_a_notch_is_one_event(listener: Listener, hand: Injector, hear: Hear) -> None:
    hand.scroll(2)
    hand.scroll(-1)
    hand.flush()
    wheel = [("mouse:wheel", 1.0), ("mouse:wheel", 1.0), ("mouse:wheel", -1.0)]
    assert changes(hear(listener, lambda events: len(events) >= 3)) == wheel


def go_to(listener: Listener, hand: Injector, hear: Hear, x: int, y: int) -> None:
    """Move the pointer there, and have everything heard that led to it."""
    hand.move_to(x, y)
    hand.press("mouse:middle")
    hand.release("mouse:middle")
    hand.flush()
    hear(listener, lambda events: ("mouse:middle", 0.0) in changes(events) and listener.pointer() == (x, y))
    listener.drain()


def test_motion_adds_up_and_the_position_follows(listener: Listener, hand: Injector, hear: Hear) -> None:
    go_to(listener, hand, hear, 300, 200)
    for _ in range(20):
        hand.move(5, -2)
        hand.flush()
    events = hear(
        listener,
        lambda events: (
            (total(events, "mouse:dx"), total(events, "mouse:dy")) == (100, -40)
            and any(e.control == "mouse:y" and e.value == 160 for e in events)
        ),
    )
    assert (total(events, "mouse:dx"), total(events, "mouse:dy")) == (100, -40)
    assert [e.value for e in events if e.control == "mouse:x"][-1] == 400
    assert [e.value for e in events if e.control == "mouse:y"][-1] == 160


def test_raw_motion_goes_on_at_the_edge_of_the_screen(listener: Listener, hand: Injector, hear: Hear) -> None:
    go_to(listener, hand, hear, 0, 0)
    for _ in range(10):
        hand.move(-30, 0)
        hand.flush()
    hand.press("mouse:left")
    hand.flush()
    events = hear(listener, lambda events: ("mouse:left", 1.0) in changes(events))
    assert total(events, "mouse:dx") == (-300 if listener.relative_motion else 0)


def test_a_press_of_what_is_held_is_no_event(listener: Listener, person: PhysicalDevices, hear: Hear) -> None:
    for _ in range(3):
        person.press("key:w")
    person.press("key:q")
    person.release("key:w")
    person.release("key:q")
    events = hear(listener, lambda events: ("key:q", 0.0) in changes(events) and ("key:w", 0.0) in changes(events))
    assert sorted(changes(events)) == sorted([("key:w", 1.0), ("key:q", 1.0), ("key:w", 0.0), ("key:q", 0.0)])


def test_a_person_and_a_program_are_told_apart(
    listener: Listener, hand: Injector, person: PhysicalDevices, hear: Hear
) -> None:
    hand.press("key:a")
    hand.flush()
    hand.release("key:a")
    hand.flush()
    person.press("key:d")
    person.release("key:d")
    events = hear(listener, lambda events: len(events) >= 4)
    told = {event.control: event.injected for event in events}
    assert told == {"key:a": listener.tells_injected, "key:d": False}


def test_a_persons_press_of_what_a_program_holds_is_heard(
    hand: Injector, person: PhysicalDevices, ear: Listener, hear: Hear
) -> None:
    hand.press("key:w")
    hand.flush()
    person.press("key:w")
    person.release("key:w")
    hand.release("key:w")
    hand.flush()
    events = hear(ear, lambda events: len(events) >= 4)
    by_person = [(e.control, e.value) for e in events if not e.injected]
    assert by_person == [("key:w", 1.0), ("key:w", 0.0)]


def test_physical_motion_is_not_accelerated(ear: Listener, person: PhysicalDevices, hear: Hear) -> None:
    for _ in range(10):
        person.move(30, -7)
    events = hear(ear, lambda events: total(events, "mouse:dx") >= 300)
    assert (total(events, "mouse:dx"), total(events, "mouse:dy")) == (300, -70)
    assert not any(event.injected for event in events)


def test_held_and_what_was_down_before_the_start(display: str, person: PhysicalDevices, hear: Hear) -> None:
    person.press("key:w")
    person.press("mouse:right")
    listener = open_listener(display)
    listener.start()
    try:
        assert listener.held() == {"key:w", "mouse:right"}
        person.release("key:w")
        person.release("mouse:right")
        events = hear(listener, lambda events: len(events) >= 2)
        assert changes(events) == [("key:w", 0.0), ("mouse:right", 0.0)]
        assert listener.held() == frozenset()
    finally:
        listener.close()


def test_held_follows(listener: Listener, hand: Injector, hear: Hear) -> None:
    hand.press("key:w")
    hand.press("mouse:left")
    hand.flush()
    hear(listener, lambda events: len(events) >= 2)
    assert listener.held() == {"key:w", "mouse:left"}
    hand.release_all()
    hear(listener, lambda events: len(events) >= 2)
    assert listener.held() == frozenset()


def test_nothing_is_lost_right_after_start(display: str, hand: Injector, hear: Hear) -> None:
    for backend in ("x11", "pynput"):
        for _ in range(5):
            listener = open_listener(display, backend)
            listener.start()
            hand.press("key:k")
            hand.release("key:k")
            hand.flush()
            assert changes(hear(listener, lambda events: len(events) >= 2)) == [("key:k", 1.0), ("key:k", 0.0)]
            listener.close()


def test_times_are_those_of_the_clock_and_never_go_back(ear: Listener, hand: Injector, hear: Hear) -> None:
    before = now_ns()
    for _ in range(50):
        hand.move(1, 0)
        hand.press("key:t")
        hand.release("key:t")
        hand.flush()
    after = now_ns()
    events = hear(ear, lambda events: len(changes(events)) >= 150)
    times = [event.t_ns for event in events if event.control not in ("mouse:x", "mouse:y")]
    assert times == sorted(times)
    # The server stamps whole milliseconds, perhaps of a clock that ticks with the scheduler.
    assert before - 10_000_000 <= times[0] <= times[-1] <= after + 10_000_000


def test_an_injected_place_is_the_distance_it_moved(ear: Listener, hand: Injector, hear: Hear, display: str) -> None:
    """As xdotool and pynput move: the protocol gives the place for a motion."""
    hand.move_to(100, 50)
    hand.flush()
    hear(ear, lambda events: any(e.control == "mouse:y" for e in events))
    ear.drain()
    ear.drain()
    elsewhere = open_injector(display, "pynput")
    elsewhere.move_to(300, 200)
    elsewhere.flush()
    events = hear(ear, lambda events: total(events, "mouse:dx") == 200 and total(events, "mouse:dy") == 150)
    elsewhere.close()
    assert (total(events, "mouse:dx"), total(events, "mouse:dy")) == (200, 150)


def test_drain_from_another_thread(listener: Listener, hand: Injector, hear: Hear) -> None:
    heard: list[InputEvent] = []
    thread = threading.Thread(target=lambda: heard.extend(hear(listener, lambda events: len(events) >= 2)))
    thread.start()
    hand.press("key:z")
    hand.release("key:z")
    hand.flush()
    thread.join()
    assert changes(heard) == [("key:z", 1.0), ("key:z", 0.0)]


def test_waiting_ends_with_what_is_heard(listener: Listener, hand: Injector, hear: Hear) -> None:
    assert not listener.wait(0.01)
    hand.press("key:z")
    hand.flush()
    assert listener.wait(30)
    assert changes(hear(listener, lambda events: len(events) >= 1)) == [("key:z", 1.0)]
    assert not listener.wait(0.01)
    hand.release("key:z")
    hand.flush()
    assert listener.wait(30)


def test_waiting_ends_when_it_is_closed(listener: Listener) -> None:
    ended: list[bool] = []
    thread = threading.Thread(target=lambda: ended.append(listener.wait(300)))
    thread.start()
    listener.close()
    thread.join(30)
    assert ended == [False]


def test_two_listeners_hear_the_same(display: str, ear: Listener, hand: Injector, hear: Hear) -> None:
    other = open_listener(display, "x11")
    other.start()
    hand.press("key:p")
    hand.release("key:p")
    hand.flush()
    for each in (ear, other):
        assert changes(hear(each, lambda events: len(events) >= 2)) == [("key:p", 1.0), ("key:p", 0.0)]
    other.close()


def test_a_listener_starts_once_and_closes_any_number_of_times(listener: Listener) -> None:
    with pytest.raises(InputError):
        listener.start()
    listener.close()
    listener.close()


def test_close_without_start(display: str) -> None:
    for backend in ("x11", "pynput"):
        open_listener(display, backend).close()


def test_a_display_that_goes_is_told_after_the_last_events(hear: Hear) -> None:
    with PrivateDisplay((120, 160), gl=False) as display:
        listener = open_listener(display.name)
        listener.start()
        with PhysicalDevices(display.name) as person:
            person.press("key:w")
            assert changes(hear(listener, lambda events: len(events) >= 1)) == [("key:w", 1.0)]
    assert listener.wait(30)
    with pytest.raises(InputError, match="gone"):
        hear(listener, lambda _: False)
    with pytest.raises(InputError, match="gone"):
        listener.held()
    with pytest.raises(InputError, match="gone"):
        listener.pointer()
    listener.close()


def test_a_full_queue_drops_the_oldest_and_counts() -> None:
    queue = EventQueue(limit=3)
    queue.put(InputEvent(t, "key:w", 1.0) for t in range(5))
    assert queue.dropped == 2
    assert [event.t_ns for event in queue.take()] == [2, 3, 4]


def test_unknown_backend_and_unreachable_display(display: str) -> None:
    with pytest.raises(UnknownNameError, match="x11"):
        open_listener(display, "wayland")
    with pytest.raises(DisplayError, match=":4321"):
        open_listener(":4321")
    with pytest.raises(InputError, match="DISPLAY"):
        open_listener(":4321", "pynput")
