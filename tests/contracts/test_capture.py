"""The contract of capture."""

from __future__ import annotations

import numpy as np
import pytest

from gameon_env.clock import now_ns
from gameon_env.desktop import x11
from gameon_env.desktop.capture import open_capture
from gameon_env.desktop.display import PrivateDisplay
from gameon_env.desktop.region import Region
from gameon_env.errors import CaptureError


def paint(display: str, colour: int, at: Region) -> None:
    """Fill a rectangle of the root window with 0xRRGGBB."""
    connection = x11.connect(display)
    root = connection.screen().root
    context = root.create_gc(foreground=colour, subwindow_mode=1)
    root.fill_rectangle(context, at.left, at.top, at.width, at.height)
    connection.sync()
    connection.close()


def test_pixels_size_and_time(display: str) -> None:
    paint(display, 0x102030, Region(0, 0, 640, 480))
    paint(display, 0xC81E3C, Region(100, 50, 20, 10))
    before = now_ns()
    capture = open_capture(display, Region(90, 45, 60, 30))
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


def test_each_grab_sees_what_is_there_now(display: str) -> None:
    capture = open_capture(display, Region(0, 0, 8, 8))
    for colour in (0x000000, 0xFFFFFF, 0x00FF00):
        paint(display, colour, Region(0, 0, 640, 480))
        rgb = capture.grab().rgb()
        assert (rgb == ((colour >> 16) & 255, (colour >> 8) & 255, colour & 255)).all()
    capture.close()


def test_the_fast_backend_is_in_use(display: str) -> None:
    capture = open_capture(display, Region(0, 0, 640, 480))
    assert capture.backend == "mss XShmGetImage"
    capture.close()


@pytest.mark.parametrize(
    "region", [Region(0, 0, 641, 480), Region(1, 0, 640, 480), Region(-1, 0, 10, 10), Region(0, 0, 0, 10)]
)
def test_a_region_off_the_screen_is_refused_with_both_sizes(display: str, region: Region) -> None:
    with pytest.raises(CaptureError, match="640x480") as caught:
        open_capture(display, region)
    assert str(region) in str(caught.value)


def test_a_display_that_goes_is_an_error_not_an_end() -> None:
    with PrivateDisplay((120, 160), gl=False) as display:
        capture = open_capture(display.name, Region(0, 0, 160, 120))
        capture.grab()
    with pytest.raises(CaptureError, match="gone"):
        capture.grab()
    capture.close()
    with pytest.raises(CaptureError, match="closed"):
        capture.grab()


def test_unreachable_display() -> None:
    with pytest.raises(CaptureError, match=":4321"):
        open_capture(":4321", Region(0, 0, 10, 10))
