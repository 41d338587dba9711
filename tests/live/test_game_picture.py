"""The picture of a game that runs already, whose windows come and go: real windows on a private display."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from Xlib import X

from gameon_env.desktop import x11
from gameon_env.desktop.display import PrivateDisplay
from gameon_env.errors import OffScreenError, WindowError
from gameon_env.games import window_search
from gameon_env.games.game_picture import GamePicture
from gameon_env.games.profile import Attach
from tests.screens import resize_screen

GREEN, RED = 0x003C00, 0xC81E1E

WAYS = pytest.mark.parametrize("attach", [Attach(window="Game"), Attach(monitor=0)], ids=["window", "monitor"])


class Windows:
    """The windows of one process: this one."""

    def __init__(self, display: str) -> None:
        self._display: Any = x11.connect(display)

    def open(self, title: str, place: tuple[int, int, int, int] = (0, 0, 64, 48), colour: int = GREEN) -> Any:
        screen = self._display.screen()
        window = screen.root.create_window(*place, 0, screen.root_depth, background_pixel=colour)
        window.set_wm_name(title)
        window.map()
        self._display.sync()
        return window

    def focus(self, window: Any) -> None:
        window.set_input_focus(X.RevertToPointerRoot, X.CurrentTime)
        self._display.sync()

    def move(self, window: Any, left: int, top: int) -> None:
        window.configure(x=left, y=top)
        self._display.sync()

    def lift(self, window: Any) -> None:
        window.configure(stack_mode=X.Above)
        self._display.sync()

    def destroy(self, window: Any) -> None:
        window.destroy()
        self._display.sync()

    def close(self) -> None:
        self._display.close()


@pytest.fixture
def display() -> Iterator[str]:
    with PrivateDisplay((480, 640), gl=False) as opened:
        yield opened.name


@pytest.fixture
def windows(display: str) -> Iterator[Windows]:
    opened = Windows(display)
    yield opened
    opened.close()


@pytest.fixture
def attached(display: str, windows: Windows) -> Iterator[Callable[[Any, Attach], GamePicture]]:
    pictures: list[GamePicture] = []

    def attach_to(game: Any, attach: Attach) -> GamePicture:
        windows.focus(game)
        pictures.append(GamePicture(display, attach=attach))
        assert pictures[-1].window_id == game.id
        return pictures[-1]

    yield attach_to
    for picture in pictures:
        picture.close()


@WAYS
def test_the_window_that_a_game_opens_anew_is_followed(windows: Windows, attached: Any, attach: Attach) -> None:
    game = windows.open("Game")
    picture = attached(game, attach)
    picture.look_around()
    anew = windows.open("Game")  # before the old one is closed
    picture.look_around()
    windows.destroy(game)
    picture.follow()
    assert picture.window_id == anew.id
    assert picture.grab().pixels[0, 0, 1] == 0x3C


@WAYS
@pytest.mark.parametrize("when", ["before", "meanwhile"])
def test_another_window_of_the_games_process_is_none_of_its_successors(
    windows: Windows, attached: Any, attach: Attach, when: str
) -> None:
    """As a browser's, or whatever else comes over the same connection, be its title alike."""
    game = windows.open("Game", (0, 0, 96, 64))
    if when == "before":
        windows.open("Game")
    picture = attached(game, attach)
    if when == "meanwhile":
        windows.open("Game")
        picture.look_around()
        picture.look_around()
    windows.destroy(game)
    with pytest.raises(WindowError, match="was closed"):
        picture.follow()


def test_on_a_monitor_a_window_of_another_title_is_none_of_its_successors(windows: Windows, attached: Any) -> None:
    game = windows.open("Game (level 1)")
    picture = attached(game, Attach(monitor=0))
    windows.open("Mail: Game (level 1)")
    windows.destroy(game)
    with pytest.raises(WindowError, match="was closed"):
        picture.follow()


def test_a_window_that_is_opened_anew_outside_the_screen_is_waited_for(windows: Windows, attached: Any) -> None:
    """Meanwhile there is no picture, least of all of what is seen now where the game was."""
    game = windows.open("Game", (20, 10, 64, 48))
    picture = attached(game, Attach(window="Game"))
    picture.look_every_ns = 3600 * 10**9
    picture.grab()
    anew = windows.open("Game", (1000, 900, 64, 48))
    windows.destroy(game)
    windows.open("Mail", (0, 0, 640, 480), RED)
    for _ in range(2):
        with pytest.raises(OffScreenError):
            picture.grab()
    assert picture.alive
    assert picture.moved()
    for left, top in ((100, 50), (30, 40)):
        windows.move(anew, left, top)
        windows.lift(anew)
        pixels = picture.grab().pixels
        assert (pixels[:, :, 1] == 0x3C).all()
        assert picture.origin == (left, top)


def test_a_window_that_comes_back_to_a_screen_that_has_grown_meanwhile(
    display: str, windows: Windows, attached: Any
) -> None:
    """As one of a game that was full-screen in a mode of its own when it was minimised."""
    resize_screen(display, 320, 240)
    game = windows.open("Game")
    picture = attached(game, Attach(window="Game"))
    picture.grab()
    resize_screen(display, 640, 480)
    windows.move(game, 1000, 900)
    with pytest.raises(OffScreenError):
        picture.grab()
    windows.move(game, 500, 400)
    assert (picture.grab().pixels[:, :, 1] == 0x3C).all()
    assert picture.origin == (500, 400)


def test_a_window_outside_a_screen_that_has_shrunk_is_not_waited_for_at_each_picture(
    display: str, windows: Windows, attached: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    game = windows.open("Game", (500, 400, 64, 48))
    picture = attached(game, Attach(window="Game"))
    resize_screen(display, 320, 240)
    looks = []
    seen_part = window_search.seen_part
    monkeypatch.setattr(window_search, "seen_part", lambda *places: (looks.append(places), seen_part(*places))[1])
    with pytest.raises(OffScreenError):
        picture.grab()  # once: the window may yet follow
    looks.clear()
    with pytest.raises(OffScreenError):
        picture.grab()
    assert len(looks) == 1
    windows.move(game, 20, 10)
    assert (picture.grab().pixels[:, :, 1] == 0x3C).all()
