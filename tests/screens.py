"""Gives the screen of a virtual display another size, as games do that change the mode."""

from __future__ import annotations

from Xlib import X
from Xlib.ext import randr

from gameon_env.desktop import x11


def resize_screen(display: str, width: int, height: int) -> None:
    connection = x11.connect(display)
    root = connection.screen().root
    resources = randr.get_screen_resources(root)
    # A screen cannot be smaller than what its output shows: it shows nothing.
    randr.set_crtc_config(connection, resources.crtcs[0], resources.config_timestamp, 0, 0, 0, 1, [], X.CurrentTime)
    randr.set_screen_size(root, width, height, width // 4, height // 4)
    connection.sync()
    connection.close()
