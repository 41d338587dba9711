"""One suite over all ways to watch the focus."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

import pytest

from gameon_env.clock import now_ns
from gameon_env.desktop import x11
from gameon_env.desktop.display import PrivateDisplay
from gameon_env.desktop.focus import FocusWatch, PollingFocus, open_focus
from gameon_env.desktop.listen import Listener
from gameon_env.desktop.windows import Window, open_window
from gameon_env.errors import DisplayError
from gameon_env.events import InputEvent
from tests.physical import PhysicalDevices

Hear = Callable[..., list[InputEvent]]
NOBODY, WHERE_THE_POINTER_IS = 0, 1


class Desk:
    """A game's window with a part of it, and another window, on a display without a window manager."""

    def __init__(self, display: str) -> None:
        self._connection = x11.connect(display)
        self.root = self._connection.screen().root
        self.frame = self.root.create_window(0, 0, 120, 120, 0, 0)
        self.game = self.frame.create_window(10, 10, 100, 100, 0, 0)
        self.part = self.game.create_window(0, 0, 50, 50, 0, 0)
        self.other = self.root.create_window(200, 0, 100, 100, 0, 0)
        for window in (self.frame, self.game, self.part, self.other):
            window.map()
        self.focus(self.other)

    def focus(self, window: object) -> None:
        self._connection.set_input_focus(window, 1, 0)
        self._connection.sync()

    def point(self, x: int, y: int) -> None:
        self.root.warp_pointer(x, y)
        self._connection.sync()

    def grab_keyboard(self) -> None:
        assert self.other.grab_keyboard(False, 1, 1, 0) == 0

    def ungrab_keyboard(self) -> None:
        self._connection.ungrab_keyboard(0)
        self._connection.sync()

    def close_game(self) -> None:
        self.game.destroy()
        self._connection.sync()

    def open_game_anew(self) -> None:
        """With the same number, as a program gets it that closes its connection and opens another one."""
        number = self.game.id
        self.close_game()
        self._connection.display.last_resource_id = 0
        self.game = self.frame.create_window(10, 10, 100, 100, 0, 0)
        assert self.game.id == number
        self.game.map()
        self._connection.sync()

    def close(self) -> None:
        self._connection.close()


@pytest.fixture
def desk(display: str) -> Iterator[Desk]:
    made = Desk(display)
    yield made
    made.focus(WHERE_THE_POINTER_IS)
    made.close()


@pytest.fixture
def window(display: str, desk: Desk) -> Iterator[Window]:
    with open_window(display, desk.game.id) as opened:
        yield opened


@pytest.fixture(params=["x11", "polling"])
def watch(request: pytest.FixtureRequest, display: str, window: Window) -> Iterator[FocusWatch]:
    opened = open_focus(display, window) if request.param == "x11" else PollingFocus(window)
    with opened:
        yield opened


def look(watch: FocusWatch) -> list[tuple[int, bool]]:
    """All transitions up to now."""
    asked_ns = now_ns()
    found = watch.transitions()
    while watch.confirmed_ns < asked_ns:
        time.sleep(0.001)
        found += watch.transitions()
    return found


def test_it_follows_the_focus(watch: FocusWatch, desk: Desk) -> None:
    assert not watch.focused
    assert look(watch) == []
    start_ns = now_ns()
    desk.focus(desk.game)
    ((gained_ns, focused),) = look(watch)
    assert focused
    assert watch.focused
    assert start_ns <= gained_ns <= now_ns()
    lost_after_ns = watch.confirmed_ns
    desk.focus(desk.other)
    ((lost_ns, focused),) = look(watch)
    assert not focused
    assert not watch.focused
    assert lost_after_ns <= lost_ns <= now_ns()
    assert look(watch) == []


def test_a_part_of_the_game_and_the_frame_around_it_count(watch: FocusWatch, desk: Desk) -> None:
    desk.focus(desk.part)
    assert [focused for _, focused in look(watch)] == [True]
    for inside in (desk.game, desk.part, desk.frame, desk.game):
        desk.focus(inside)
        look(watch)
        assert watch.focused
    desk.focus(desk.frame)
    look(watch)
    desk.focus(desk.other)
    assert [focused for _, focused in look(watch)] == [False]


def test_nobody_and_where_the_pointer_is(watch: FocusWatch, desk: Desk) -> None:
    desk.point(250, 50)
    desk.focus(WHERE_THE_POINTER_IS)
    assert look(watch) == []
    desk.point(20, 20)
    assert [focused for _, focused in look(watch)] == [True]
    desk.point(250, 50)
    assert [focused for _, focused in look(watch)] == [False]
    desk.point(20, 20)
    look(watch)
    desk.focus(NOBODY)
    assert [focused for _, focused in look(watch)] == [False]


def test_each_transition_is_the_opposite_of_the_one_before(watch: FocusWatch, desk: Desk) -> None:
    found = []
    for i in range(40):
        desk.focus((desk.game, desk.other)[i % 2])
        found += watch.transitions()
    found += look(watch)
    states = [focused for _, focused in found]
    assert states == [i % 2 == 0 for i in range(len(states))]
    times = [t_ns for t_ns, _ in found]
    assert times == sorted(times)
    assert watch.focused is False


def test_a_closed_window_is_without_the_focus(watch: FocusWatch, desk: Desk) -> None:
    desk.focus(desk.game)
    look(watch)
    desk.close_game()
    assert [focused for _, focused in look(watch)] == [False]
    assert look(watch) == []


def test_confirmed_never_goes_back_and_comes_up_to_now(watch: FocusWatch) -> None:
    before = watch.confirmed_ns
    for _ in range(5):
        look(watch)
        assert before <= watch.confirmed_ns <= now_ns()
        before = watch.confirmed_ns


def test_a_short_loss_between_two_looks_is_seen(display: str, desk: Desk, window: Window) -> None:
    desk.focus(desk.game)
    with open_focus(display, window) as watch:
        assert watch.focused
        desk.focus(desk.other)
        desk.focus(desk.game)
        (lost_ns, lost), (gained_ns, gained) = look(watch)
        assert (lost, gained) == (False, True)
        assert lost_ns < gained_ns


def test_a_grabbed_keyboard_is_not_the_games(display: str, desk: Desk, window: Window) -> None:
    """As screen lockers and password dialogs do; the focus stays where it was."""
    desk.focus(desk.game)
    with open_focus(display, window) as watch:
        desk.grab_keyboard()
        assert window.focused
        assert [focused for _, focused in look(watch)] == [False]
        desk.ungrab_keyboard()
        assert [focused for _, focused in look(watch)] == [True]


def test_a_window_opened_anew_under_its_number_is_watched_on(display: str, desk: Desk, window: Window) -> None:
    desk.point(300, 300)
    desk.focus(desk.game)
    with open_focus(display, window) as watch:
        desk.open_game_anew()
        assert [focused for _, focused in look(watch)] == [False]
        desk.focus(desk.game)
        assert [focused for _, focused in look(watch)] == [True]
        desk.grab_keyboard()
        assert [focused for _, focused in look(watch)] == [False]
        desk.ungrab_keyboard()
        assert [focused for _, focused in look(watch)] == [True]


def test_what_is_typed_elsewhere_is_told_from_what_is_typed_in_the_game(
    display: str, desk: Desk, window: Window, person: PhysicalDevices, ear: Listener, hear: Hear
) -> None:
    expected = {"game": 0, "elsewhere": 0}
    desk.focus(desk.game)
    with open_focus(display, window) as watch:
        turns = [(now_ns(), watch.focused)]
        for _ in range(30):
            desk.focus(desk.other)
            person.press("key:p")
            person.release("key:p")
            desk.focus(desk.game)
            time.sleep(0.003)  # the millisecond in which it got the focus back does not count as the game's
            person.press("key:g")
            person.release("key:g")
            expected["game"] += 2
            expected["elsewhere"] += 2
            time.sleep(0.003)
        events = hear(ear, lambda events: len(events) >= sum(expected.values()))
        turns += look(watch)

    def in_game(event: InputEvent) -> bool:
        return [focused for t_ns, focused in turns if t_ns <= event.t_ns][-1]

    assert len(events) == sum(expected.values())
    assert {event.control for event in events if in_game(event)} == {"key:g"}
    assert sum(in_game(event) for event in events) == expected["game"]


def test_a_display_that_goes() -> None:
    with PrivateDisplay((240, 320), gl=False) as display:
        desk = Desk(display.name)
        window = open_window(display.name, desk.game.id)
        watch = open_focus(display.name, window)
        desk.close()
    with pytest.raises(DisplayError, match="gone"):
        watch.transitions()
    with pytest.raises(DisplayError):
        open_focus(display.name, window)
    watch.close()
    watch.close()
    window.close()
