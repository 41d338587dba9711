"""The contract of capture, which every backend keeps."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gameon_env.clock import now_ns
from gameon_env.desktop import x11
from gameon_env.desktop.capture import open_capture
from gameon_env.desktop.display import PrivateDisplay
from gameon_env.desktop.region import Region
from gameon_env.errors import CaptureError

BACKENDS = ["x11", "mss"] if sys.platform == "linux" else ["mss"]


@pytest.fixture(params=BACKENDS)
def backend(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def paint(display: str, colour: int, at: Region) -> None:
    """Fill a rectangle of the root window with 0xRRGGBB."""
    connection = x11.connect(display)
    root = connection.screen().root
    context = root.create_gc(foreground=colour, subwindow_mode=1)
    root.fill_rectangle(context, at.left, at.top, at.width, at.height)
    connection.sync()
    connection.close()


def test_pixels_size_and_time(display: str, backend: str) -> None:
    paint(display, 0x102030, Region(0, 0, 640, 480))
    paint(display, 0xC81E3C, Region(100, 50, 20, 10))
    before = now_ns()
    capture = open_capture(display, Region(90, 45, 60, 30), backend=backend)
    frame = capture.grab()
    assert capture.region == Region(90, 45, 60, 30)
    assert frame.pixels.shape == (30, 60, 4)
    assert frame.pixels.dtype == np.uint8
    assert frame.size == capture.region.size == (30, 60)
    assert before <= frame.t_ns <= now_ns()
    rgb = frame.rgb()
    assert (rgb[5:15, 10:30] == (0xC8, 0x1E, 0x3C)).all()
    assert (rgb[:5] == (0x10, 0x20, 0x30)).all()
    capture.close()
    capture.close()


def test_each_grab_sees_what_is_there_now(display: str, backend: str) -> None:
    capture = open_capture(display, Region(0, 0, 8, 8), backend=backend)
    for colour in (0x000000, 0xFFFFFF, 0x00FF00):
        paint(display, colour, Region(0, 0, 640, 480))
        rgb = capture.grab().rgb()
        assert (rgb == ((colour >> 16) & 255, (colour >> 8) & 255, colour & 255)).all()
    capture.close()


def test_the_fast_backend_is_in_use(display: str, backend: str) -> None:
    capture = open_capture(display, Region(0, 0, 640, 480), backend=backend)
    assert capture.backend == {"x11": "x11 MIT-SHM", "mss": "mss XShmGetImage"}[backend]
    capture.close()


@pytest.mark.parametrize(
    "region", [Region(0, 0, 641, 480), Region(1, 0, 640, 480), Region(-1, 0, 10, 10), Region(0, 0, 0, 10)]
)
def test_a_region_off_the_screen_is_refused_with_both_sizes(display: str, region: Region, backend: str) -> None:
    with pytest.raises(CaptureError, match="640x480") as caught:
        open_capture(display, region, backend=backend)
    assert str(region) in str(caught.value)


def test_a_display_that_goes_is_an_error_not_an_end(backend: str) -> None:
    with PrivateDisplay((120, 160), gl=False) as display:
        capture = open_capture(display.name, Region(0, 0, 160, 120), backend=backend)
        capture.grab()
    with pytest.raises(CaptureError, match="gone"):
        capture.grab()
    capture.close()
    with pytest.raises(CaptureError, match="closed"):
        capture.grab()


def test_unreachable_display(backend: str) -> None:
    with pytest.raises(CaptureError, match=":4321"):
        open_capture(":4321", Region(0, 0, 10, 10), backend=backend)


def test_another_region_can_be_looked_at(display: str, backend: str) -> None:
    paint(display, 0x000000, Region(0, 0, 640, 480))
    paint(display, 0x0A141E, Region(300, 200, 90, 70))
    capture = open_capture(display, Region(0, 0, 10, 10), backend=backend)
    assert not capture.grab().rgb().any()
    capture.look_at(Region(300, 200, 90, 70))
    frame = capture.grab()
    assert frame.size == (70, 90)
    assert (frame.rgb() == (10, 20, 30)).all()
    with pytest.raises(CaptureError, match="640x480"):
        capture.look_at(Region(600, 400, 90, 90))
    capture.close()


def test_the_picture_before_stays_while_the_next_is_taken(display: str, backend: str) -> None:
    capture = open_capture(display, Region(0, 0, 32, 32), backend=backend)
    paint(display, 0x111111, Region(0, 0, 640, 480))
    first = capture.grab()
    paint(display, 0x222222, Region(0, 0, 640, 480))
    second = capture.grab()
    assert (first.rgb() == 0x11).all()
    assert (second.rgb() == 0x22).all()
    capture.close()
    assert (second.rgb() == 0x22).all()


def test_no_window_is_no_reason_for_doubt(display: str, backend: str) -> None:
    capture = open_capture(display, Region(0, 0, 32, 32), backend=backend)
    capture.grab()
    assert capture.steady
    capture.close()


@dataclass
class Framed:
    """A window at 50, 40 inside another one, as a window manager's frame has it."""

    connection: Any
    frame: Any
    inside: Any


@pytest.fixture
def framed(display: str) -> Iterator[Framed]:
    connection = x11.connect(display)
    screen = connection.screen()
    frame = screen.root.create_window(10, 10, 300, 200, 0, screen.root_depth)
    inside = frame.create_window(40, 30, 100, 80, 0, screen.root_depth, background_pixel=0x123456)
    frame.map()
    inside.map()
    connection.sync()
    yield Framed(connection, frame, inside)
    frame.destroy()
    inside.destroy()
    connection.sync()
    connection.close()


CHANGES: dict[str, Callable[[Framed], object]] = {
    "moved": lambda it: it.inside.configure(x=50),
    "resized": lambda it: it.inside.configure(width=90),
    "closed": lambda it: it.inside.destroy(),
    "its frame moved": lambda it: it.frame.configure(y=20),
    "its frame closed": lambda it: it.frame.destroy(),
    "out of its frame": lambda it: it.inside.reparent(it.connection.screen().root, 0, 0),
}


@pytest.mark.skipif(sys.platform != "linux", reason="x11 alone watches windows")
@pytest.mark.parametrize("change", CHANGES)
def test_what_happens_to_the_window_is_known_with_the_next_picture(display: str, framed: Framed, change: str) -> None:
    capture = open_capture(display, Region(50, 40, 100, 80), framed.inside.id)
    assert not capture.steady
    capture.settle()
    before = capture.grab()
    assert capture.steady
    assert (before.rgb() == (0x12, 0x34, 0x56)).all()
    CHANGES[change](framed)
    framed.connection.sync()
    capture.grab()
    assert not capture.steady
    capture.grab()
    assert not capture.steady
    assert (before.rgb() == (0x12, 0x34, 0x56)).all()  # the last picture of which it was certain
    capture.settle()
    capture.grab()
    assert capture.steady
    capture.close()


@pytest.mark.skipif(sys.platform != "linux", reason="x11 alone watches windows")
def test_a_window_is_watched_in_its_new_frame_too(display: str, framed: Framed) -> None:
    capture = open_capture(display, Region(50, 40, 100, 80), framed.inside.id)
    screen = framed.connection.screen()
    other = screen.root.create_window(200, 100, 300, 200, 0, screen.root_depth)
    framed.inside.reparent(other, 5, 5)
    framed.connection.sync()
    capture.settle()
    capture.grab()
    assert capture.steady
    other.configure(x=210)
    framed.connection.sync()
    capture.grab()
    assert not capture.steady
    other.destroy()
    capture.close()


@pytest.mark.skipif(sys.platform != "linux", reason="x11 alone gives its memory to the server")
def test_captures_leave_no_files_and_no_memory(display: str) -> None:
    def held() -> tuple[int, int]:
        maps = Path("/proc/self/maps").read_text().count("gameon-capture")
        return len(list(Path("/proc/self/fd").iterdir())), maps

    before = held()
    for _ in range(20):
        capture = open_capture(display, Region(0, 0, 640, 480), backend="x11")
        capture.grab()
        capture.look_at(Region(0, 0, 100, 100))
        capture.look_at(Region(0, 0, 640, 480))
        capture.close()
    del capture
    assert held() == before
