"""One suite over all ways to learn that the picture changed, and over what catches frames by them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gameon_env.clock import now_ns
from gameon_env.desktop import x11
from gameon_env.desktop.capture import open_capture
from gameon_env.desktop.catch import Catcher, Caught
from gameon_env.desktop.changes import Changes, open_changes, pictures_differ
from gameon_env.desktop.changes_x11 import TRUST
from gameon_env.desktop.display import PrivateDisplay
from gameon_env.desktop.process import GameProcess
from gameon_env.desktop.region import Region
from gameon_env.desktop.windows import wait_for_window
from gameon_env.errors import CaptureError, UnknownNameError
from scripts.bench._counter import read_number

WATCHED = Region(100, 50, 300, 200)
COUNTER_GAME = Path(__file__).parents[1] / "live" / "counter_game.py"


class Painter:
    """Draws on the root window; what a call draws goes out at once, and is on the screen when it returns."""

    def __init__(self, display: str) -> None:
        self._connection = x11.connect(display)
        self._root = self._connection.screen().root
        self._context = self._root.create_gc(subwindow_mode=1)

    def fill(self, colour: int, *areas: Region) -> None:
        self._context.change(foreground=colour)
        for area in areas:
            self._root.fill_rectangle(self._context, area.left, area.top, area.width, area.height)
        self._connection.sync()

    def clear_and_fill(self, colour: int, area: Region) -> None:
        self._context.change(foreground=0)
        self._root.fill_rectangle(self._context, area.left, area.top, area.width, area.height)
        self.fill(colour, area)

    def close(self) -> None:
        self._connection.close()


@pytest.fixture
def painter(display: str) -> Iterator[Painter]:
    made = Painter(display)
    made.fill(0, Region(0, 0, 640, 480))
    yield made
    made.close()


def the_catcher(changes: Changes, display: str) -> tuple[Catcher, Callable[[], None]]:
    capture = open_capture(display, changes.region)
    return Catcher(changes, lambda: (capture.grab(), changes.region)), capture.close


@pytest.fixture(params=["damage", "polling"])
def changes(request: pytest.FixtureRequest, display: str, painter: Painter) -> Iterator[Changes]:
    with open_changes(display, WATCHED, backend=request.param, poll_fps=200) as opened:
        yield opened


@pytest.fixture
def damage(display: str, painter: Painter) -> Iterator[Changes]:
    with open_changes(display, WATCHED, backend="damage") as opened:
        yield opened


@pytest.fixture
def catcher(changes: Changes, display: str) -> Iterator[Catcher]:
    made, close = the_catcher(changes, display)
    made.catch(0.05)  # what was there before
    yield made
    close()


def colour_of(caught: Caught) -> int:
    assert caught.pixels is not None
    blue, green, red = (int(value) for value in caught.pixels[0, 0, :3])
    return red << 16 | green << 8 | blue


def catch_one(catcher: Catcher) -> Caught:
    found: list[Caught] = []
    deadline_ns = now_ns() + 10_000_000_000
    while not found and now_ns() < deadline_ns:
        found = catcher.catch(0.05)
    (caught,) = found
    return caught


def test_each_frame_is_caught_once_with_its_time(catcher: Catcher, painter: Painter) -> None:
    for colour in range(1, 50):
        before_ns = now_ns()
        painter.fill(colour, WATCHED)
        caught = catch_one(catcher)
        assert colour_of(caught) == colour
        assert before_ns - 2_000_000 <= caught.t_ns <= now_ns()
    assert catcher.catch(0.03) == []


def test_what_is_drawn_elsewhere_is_no_frame(catcher: Catcher, painter: Painter) -> None:
    for x, y in ((0, 0), (400, 50), (100, 250), (100, 49)):
        painter.fill(7, Region(x, y, 100 if x == 0 else 20, 20 if y != 49 else 1))
        assert catcher.catch(0.02) == []
    painter.fill(8, Region(399, 249, 200, 200))
    assert catch_one(catcher).pixels is not None


def test_what_changes_during_a_grab_wakes_again(changes: Changes, painter: Painter) -> None:
    painter.fill(1, WATCHED)
    assert changes.wait(10) is not None
    painter.fill(2, WATCHED)
    assert changes.wait(10) is not None


def test_the_region_can_be_moved(changes: Changes, display: str, painter: Painter) -> None:
    changes.region = Region(500, 300, 100, 100)
    catcher, close = the_catcher(changes, display)
    catcher.catch(0.05)
    painter.fill(5, Region(500, 300, 100, 100))
    assert colour_of(catch_one(catcher)) == 5
    painter.fill(6, WATCHED)
    assert catcher.catch(0.02) == []
    close()


def test_it_holds_back_until_it_is_asked_for(catcher: Catcher, painter: Painter) -> None:
    not_before_ns = now_ns() + 60_000_000
    painter.fill(1, WATCHED)
    assert catcher.catch(0.01, not_before_ns) == []
    painter.fill(2, WATCHED)
    (caught,) = catcher.catch(1.0, not_before_ns)
    assert colour_of(caught) == 2
    assert now_ns() >= not_before_ns
    assert catcher.catch(0.02) == []


def test_the_picture_of_now_can_be_had_without_a_change(catcher: Catcher, painter: Painter) -> None:
    painter.fill(9, WATCHED)
    catch_one(catcher)
    before_ns = now_ns()
    (caught,) = catcher.catch(10, force=True)
    assert colour_of(caught) == 9
    assert before_ns <= caught.t_ns <= now_ns()
    assert catcher.catch(0.02) == []


def test_closed(changes: Changes) -> None:
    changes.close()
    changes.close()
    with pytest.raises(CaptureError, match="closed"):
        changes.wait(0.01)


@pytest.mark.parametrize("backend", ["damage", "polling"])
def test_a_display_that_goes_is_an_error_not_an_end(backend: str) -> None:
    with PrivateDisplay((240, 320), gl=False) as display:
        changes = open_changes(display.name, Region(0, 0, 320, 240), backend=backend)
        catcher, close = the_catcher(changes, display.name)
    with pytest.raises(CaptureError, match="gone"):
        catcher.catch(5.0)
    close()
    changes.close()


def test_nothing_drawn_is_no_wake(damage: Changes) -> None:
    assert damage.certain
    assert damage.wait(0) is None
    assert damage.wait(0.02) is None


def test_a_frame_in_pieces_is_one(damage: Changes, display: str, painter: Painter) -> None:
    catcher, close = the_catcher(damage, display)
    for colour in range(1, 20):
        painter.fill(colour, *(Region(100, 50 + 20 * row, 300, 20) for row in range(10)))
        caught = catch_one(catcher)
        assert caught.pixels is not None
        assert (caught.pixels[:, :, 0] == colour).all()
    assert catcher.catch(0.02) == []
    close()


def test_a_frame_that_is_cleared_and_then_drawn_is_one(damage: Changes, display: str, painter: Painter) -> None:
    catcher, close = the_catcher(damage, display)
    for colour in range(10):  # the first may come in two
        painter.clear_and_fill(colour, WATCHED)
        while catcher.catch(0.02):
            pass
    for colour in range(1, TRUST + 20):
        painter.clear_and_fill(colour, WATCHED)
        assert colour_of(catch_one(catcher)) == colour
    close()


def test_a_frame_that_was_drawn_over_is_told(damage: Changes, display: str, painter: Painter) -> None:
    catcher, close = the_catcher(damage, display)
    for colour in range(1, 10):
        painter.fill(colour, WATCHED)
        catch_one(catcher)
        while catcher.catch(0.004):
            pass
    for colour in (101, 102, 103, 104):
        painter.fill(colour, WATCHED)
    *lost, last = catcher.catch(1.0)
    assert [caught.pixels for caught in lost] == [None] * 3
    assert colour_of(last) == 104
    times = [caught.t_ns for caught in (*lost, last)]
    assert times == sorted(times)
    assert catcher.catch(0.01) == []
    close()


def test_a_frame_drawn_between_wake_and_grab_is_told(damage: Changes, display: str, painter: Painter) -> None:
    capture = open_capture(display, WATCHED)
    next_colours = [2]

    def grab() -> Any:
        if next_colours:
            painter.fill(next_colours.pop(), WATCHED)
        return capture.grab(), WATCHED

    painter.fill(1, WATCHED)
    lost, seen = Catcher(damage, grab).catch(1.0)
    assert lost.pixels is None
    assert colour_of(seen) == 2
    assert lost.t_ns < seen.t_ns
    capture.close()


def test_a_frame_that_there_is_no_room_for_is_told_and_does_not_come_later(
    damage: Changes, display: str, painter: Painter
) -> None:
    catcher, close = the_catcher(damage, display)
    catcher.catch(0.01)
    painter.fill(1, WATCHED)
    (noted,) = catcher.catch(1.0, look=False)
    assert noted.pixels is None
    assert catcher.catch(0.01) == []
    painter.fill(2, WATCHED)
    assert colour_of(catch_one(catcher)) == 2
    close()


def test_skipped_frames_do_not_come_later(damage: Changes, display: str, painter: Painter) -> None:
    catcher, close = the_catcher(damage, display)
    assert not catcher.skip(0.01)
    painter.fill(1, WATCHED)
    assert catcher.skip(1.0)
    assert catcher.catch(0.01) == []
    close()


def test_all_frames_of_a_game_are_in_pictures_or_told_as_lost(tmp_path: Path) -> None:
    log = tmp_path / "counter.json"
    command = [sys.executable, str(COUNTER_GAME), str(log), "--size", "704x200", "--fps", "60", "--seconds", "3"]
    seen: list[int | None] = []
    with PrivateDisplay((240, 720), gl=False) as display, GameProcess.launch(command, display=display.name) as game:
        with wait_for_window(display.name, process=game, title=None, timeout_s=30) as window:
            region = window.region()
        with open_changes(display.name, region) as changes:
            catcher, close = the_catcher(changes, display.name)
            while game.poll() is None:
                for caught in catcher.catch(0.05):
                    seen.append(read_number(caught.pixels) if caught.pixels is not None else None)
            close()
    shown = json.loads(log.read_text())["shown"]
    # From its first frames, which come while its window opens, to the black that its end leaves.
    begin = next(i for i, number in enumerate(seen) if number is not None and number > 5)
    end = max(i for i, number in enumerate(seen) if number is not None)
    assert seen[end] == shown
    first = seen[begin]
    assert first is not None
    assert len(seen[begin : end + 1]) == shown - first + 1
    for i, number in enumerate(seen[begin : end + 1]):
        assert number in (None, first + i)


def test_without_the_extension_it_polls_and_says_why() -> None:
    read_fd, write_fd = os.pipe()
    server = subprocess.Popen(
        ["Xvfb", "-displayfd", str(write_fd), "-screen", "0", "64x48x24", "-nolisten", "tcp", "-extension", "DAMAGE"],
        pass_fds=[write_fd],
        stderr=subprocess.DEVNULL,
    )
    os.close(write_fd)
    try:
        display = f":{os.read(read_fd, 32).decode().strip()}"
        changes = open_changes(display, Region(0, 0, 64, 48), poll_fps=30)
        assert changes.backend == "polling at 30 Hz (the display has no DAMAGE extension)"
        assert not changes.certain
        with pytest.raises(CaptureError, match="DAMAGE"):
            open_changes(display, Region(0, 0, 64, 48), backend="damage")
    finally:
        os.close(read_fd)
        server.terminate()
        server.wait()


def test_bad_choices() -> None:
    with pytest.raises(CaptureError, match=":4321"):
        open_changes(":4321", Region(0, 0, 10, 10))
    with pytest.raises(UnknownNameError, match="polling"):
        open_changes(":4321", Region(0, 0, 10, 10), backend="pooling")


@pytest.mark.parametrize("shape", [(7, 5, 4), (64, 80, 4), (33, 33, 4), (1, 1, 4)])
def test_pictures_differ(shape: tuple[int, int, int]) -> None:
    rng = np.random.default_rng(3)
    one = rng.integers(0, 256, shape, dtype=np.uint8)
    assert not pictures_differ(one, one.copy())
    for _ in range(20):
        other = one.copy()
        other[rng.integers(shape[0]), rng.integers(shape[1]), rng.integers(4)] ^= 1
        assert pictures_differ(one, other)
    assert pictures_differ(one, one[:-1])
