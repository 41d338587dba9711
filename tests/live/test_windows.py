"""Finding, following and focusing a game's window on a real display."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from gameon_env.desktop import x11
from gameon_env.desktop.capture import open_capture
from gameon_env.desktop.display import PrivateDisplay
from gameon_env.desktop.process import GameProcess
from gameon_env.desktop.region import Region
from gameon_env.desktop.windows import find_window, list_windows, open_window, wait_for_window
from gameon_env.errors import DisplayError, GameCrashError, WindowError

PROBE = Path(__file__).with_name("sdl_probe.py")
Launch = Callable[..., GameProcess]


@pytest.fixture
def display() -> Iterator[PrivateDisplay]:
    with PrivateDisplay((480, 640), gl=False) as started:
        yield started


@pytest.fixture
def launch(display: PrivateDisplay, tmp_path: Path) -> Iterator[Launch]:
    games: list[GameProcess] = []

    def launch(*options: str) -> GameProcess:
        log = tmp_path / f"probe{len(games)}.jsonl"
        games.append(GameProcess.launch([sys.executable, str(PROBE), str(log), *options], display=display.name))
        return games[-1]

    yield launch
    for game in games:
        game.close(grace_s=0)


def wait_for(done: Callable[[], bool], timeout_s: float = 10.0) -> bool:
    deadline = time.monotonic() + timeout_s
    while not done() and time.monotonic() < deadline:
        time.sleep(0.005)
    return done()


def test_the_window_of_a_process_and_its_picture(display: PrivateDisplay, launch: Launch) -> None:
    game = launch("--at", "40,30", "--title", "héllo ✓")
    with wait_for_window(display.name, process=game, title=None, timeout_s=30) as window:
        assert window.alive
        assert wait_for(lambda: window.title == "héllo ✓")
        assert window.region() == Region(40, 30, 320, 240)
        capture = open_capture(display.name, window.region())
        assert wait_for(lambda: bool((capture.grab().rgb()[:, :160] == (200, 30, 60)).all()))
        assert (capture.grab().rgb()[:, 160:] == (20, 140, 220)).all()
        capture.close()
        window.move_resize(Region(0, 0, 320, 240))
        assert wait_for(lambda: window.region() == Region(0, 0, 320, 240))


def test_by_title_among_several(display: PrivateDisplay, launch: Launch) -> None:
    first, second = launch("--title", "tetris 1"), launch("--title", "snake 2", "--size", "100x80")
    with wait_for_window(display.name, process=None, title="^snake", timeout_s=30) as window:
        assert window.region().size == (80, 100)
    wait_for_window(display.name, process=first, title="tetris", timeout_s=30).close()
    windows = list_windows(display.name)
    assert [(w.title, w.pid, w.region.size) for w in windows] == [
        ("tetris 1", first.pid, (240, 320)),
        ("snake 2", second.pid, (80, 100)),
    ]
    found = find_window(display.name, pids=second.pids())
    assert found is not None
    assert found.title == "snake 2"
    assert find_window(display.name, pids=second.pids(), title="tetris") is None


def test_focus_goes_where_it_is_sent(display: PrivateDisplay, launch: Launch) -> None:
    left, right = launch("--at", "0,0", "--title", "left"), launch("--at", "320,0", "--title", "right")
    with (  # by their titles: SDL may open a window without one first, to try the display
        wait_for_window(display.name, process=left, title="left", timeout_s=30) as one,
        wait_for_window(display.name, process=right, title="right", timeout_s=30) as other,
    ):
        assert one.focus()
        assert (one.focused, other.focused) == (True, False)
        assert other.focus()
        assert (one.focused, other.focused) == (False, True)
        # "Where the pointer is", as on a display without a window manager.
        connection = x11.connect(display.name)
        connection.set_input_focus(1, 0, 0)
        connection.screen().root.warp_pointer(100, 100)
        connection.sync()
        connection.close()
        assert (one.focused, other.focused) == (True, False)


def test_a_click_goes_to_a_window_its_menus_and_its_dialogs(display: PrivateDisplay) -> None:
    ours, theirs = x11.connect(display.name), x11.connect(display.name)

    def show(client: Any, left: int, **how: Any) -> Any:
        window = client.screen().root.create_window(left, 0, 100, 100, 0, client.screen().root_depth, **how)
        window.map()
        client.sync()
        return window

    game, menu = show(ours, 0), show(ours, 100, override_redirect=1)
    dialog, another, stranger = show(ours, 200), show(ours, 300), show(theirs, 400, override_redirect=1)
    dialog.set_wm_transient_for(game)
    ours.sync()
    places = {game: True, menu: True, dialog: True, another: False, stranger: False}
    with open_window(display.name, game.id) as window:
        for place, expected in places.items():
            ours.screen().root.warp_pointer(place.get_geometry().x + 50, 50)
            ours.sync()
            assert window.under_pointer == expected
    ours.close()
    theirs.close()


def test_a_closed_window(display: PrivateDisplay, launch: Launch) -> None:
    game = launch()
    with wait_for_window(display.name, process=game, title=None, timeout_s=30) as window:
        game.close(grace_s=0)
        assert wait_for(lambda: not window.alive)
        assert not window.focused
        assert window.title == ""
        with pytest.raises(WindowError, match="closed"):
            window.region()
        with pytest.raises(WindowError, match="closed"):
            window.focus()
        with pytest.raises(WindowError, match="closed"):
            window.move_resize(Region(0, 0, 10, 10))
    window.close()


def test_a_window_whose_display_goes() -> None:
    with PrivateDisplay((240, 320), gl=False) as display:
        connection = x11.connect(display.name)
        made = connection.screen().root.create_window(0, 0, 100, 100, 0, 0)
        made.map()
        connection.sync()
        window = wait_for_window(display.name, process=None, title=None, timeout_s=10)
        assert window.alive
        connection.close()
    assert not window.alive
    assert not window.focused
    with pytest.raises(DisplayError, match="gone"):
        window.region()
    window.close()
    with pytest.raises(DisplayError):
        list_windows(display.name)


def test_helpers_and_menus_are_not_games(display: PrivateDisplay) -> None:
    connection = x11.connect(display.name)
    root = connection.screen().root
    kept = [
        root.create_window(0, 0, 8, 100, 0, 0),
        root.create_window(0, 0, 100, 100, 0, 0, override_redirect=True),
        root.create_window(0, 0, 100, 100, 0, 0, window_class=2),
        root.create_window(0, 0, 640, 480, 0, 0, override_redirect=True),
    ]
    for window in kept:
        window.map()
    root.create_window(0, 0, 100, 100, 0, 0)  # never shown
    connection.sync()
    assert [window.id for window in list_windows(display.name)] == [kept[3].id]
    connection.close()


def test_a_game_that_ends_before_its_window(display: PrivateDisplay) -> None:
    with (
        GameProcess.launch(["sh", "-c", "echo no such level; exit 3"], display=display.name) as game,
        pytest.raises(GameCrashError, match=r"(?s)code 3.*no such level"),
    ):
        wait_for_window(display.name, process=game, title=None, timeout_s=30)


def test_a_window_that_never_comes(display: PrivateDisplay, launch: Launch) -> None:
    game = launch("--title", "the other one")
    wait_for_window(display.name, process=game, title="other", timeout_s=30).close()
    with pytest.raises(WindowError, match="the other one"):
        wait_for_window(display.name, process=game, title="^mine", timeout_s=0.05)
    with pytest.raises(WindowError, match="regular expression"):
        wait_for_window(display.name, process=game, title="(", timeout_s=0.05)
