"""A Chromium for one page: found, and its command line, with nothing of a person's own browser in it."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from gameon_env.errors import MissingProgramError

PROGRAMS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome", "microsoft-edge")
"""What it is called on one system or another, in the order in which they are tried."""

_QUIET = (
    "--no-first-run",
    "--no-default-browser-check",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-breakpad",
    "--disable-features=Translate,MediaRouter,OptimizationHints",
    "--disable-session-crashed-bubble",
    "--autoplay-policy=no-user-gesture-required",
    "--password-store=basic",
    "--use-mock-keychain",
    "--log-level=2",
)
"""No question, no bubble, no line to anybody but the page's own server."""

_SAME_PACE_ALWAYS = (
    "--disable-background-timer-throttling",
    "--disable-backgrounding-occluded-windows",
    "--disable-renderer-backgrounding",
)

_SOFTWARE_GL = ("--use-gl=angle", "--use-angle=swiftshader", "--enable-unsafe-swiftshader")
"""WebGL on the CPU: the same picture on every machine, and the only one without a graphics card."""


def find_chromium() -> str:
    """The path of Chromium, or of a browser made of it: ``$GAMEON_CHROMIUM``, else the first of ``PROGRAMS``.

    Raises:
        MissingProgramError: there is none.
    """
    asked = os.environ.get("GAMEON_CHROMIUM")
    for name in (asked,) if asked else PROGRAMS:
        found = shutil.which(name)
        if found is not None:
            return found
    if asked:
        raise MissingProgramError(f"GAMEON_CHROMIUM is {asked!r}, and no such program is there: correct or unset it")
    raise MissingProgramError(
        "Chromium is not installed (looked for " + ", ".join(PROGRAMS) + "). On Debian: apt-get install chromium. "
        "Elsewhere install Chromium or Chrome, and name it in GAMEON_CHROMIUM where it is not on PATH."
    )


def chromium_command(
    program: str, url: str, *, profile: Path, size: tuple[int, int] | None, software_gl: bool
) -> list[str]:
    """The command that shows one page in a window without bars; ``program`` is from :func:`find_chromium`."""
    return [program, f"--app={url}", *browser_options(profile, size, software_gl=software_gl)]


def browser_options(profile: Path, size: tuple[int, int] | None, *, software_gl: bool) -> list[str]:
    """Chromium's options for a game.

    Args:
        profile: a folder for its settings and caches; a person's own must not be given.
        size: ``(height, width)`` of a window at the screen's top left; ``None``: the whole screen.
        software_gl: draw WebGL on the CPU.
    """
    options = [f"--user-data-dir={profile}", *_QUIET, *_SAME_PACE_ALWAYS]
    if size is None:
        options.append("--kiosk")
    else:
        options += [f"--window-size={size[1]},{size[0]}", "--window-position=0,0"]
    if software_gl:
        options += _SOFTWARE_GL
    if hasattr(os, "geteuid") and os.geteuid() == 0:
        # Its sandbox refuses to run as root; --test-type hides the bar that warns of this.
        options += ["--no-sandbox", "--test-type"]
    return options
