"""The browser game as one program: its server on a free port of this machine, and a Chromium that shows it alone.

    python -m gameon_env.web.kiosk --environment wildfire --seed 7

Both run in one process group, and each ends with the other. The browser has a settings folder of its own, which is
thrown away.
"""

from __future__ import annotations

import argparse
import contextlib
import math
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import FrameType
from typing import NoReturn
from urllib.parse import urlencode

import psutil

from gameon_env.desktop.region import Region
from gameon_env.desktop.windows import list_windows, open_window
from gameon_env.errors import DisplayError, GameCrashError, GameOnError, WindowError
from gameon_env.paths import cache_dir
from gameon_env.web.chromium import chromium_command, find_chromium
from gameon_env.web.server import WebServer

ENVIRONMENTS = ("earthquake", "tsunami", "wildfire")
QUALITIES = ("auto", "lowest", "low", "high")
LARGEST_SEED = 2**32 - 1

_LOOK_EVERY_S = 0.05
_WINDOW_TIMEOUT_S = 30.0
_END_S = 3.0  # for Chromium to end by itself when asked to


def main(arguments: Sequence[str] | None = None) -> int:
    """Show the game until its window is closed or a signal comes. Returns the exit code."""
    options = parser().parse_args(arguments)
    _take_ordinary_priority()
    with _signals_as_exit():
        try:
            return run(options)
        except GameOnError as error:
            print(error, file=sys.stderr)
            return 1


def run(options: argparse.Namespace) -> int:
    """Serve and show the page; returns 0 when the window was closed.

    Raises:
        MissingProgramError: there is no Chromium.
        GameCrashError: Chromium ended otherwise; the message holds its last output.
        GameOnError: the server cannot be started.
    """
    program = find_chromium()
    with _temporary_folder() as folder:
        data_dir = options.data_dir or folder / "data"
        with WebServer(data_dir, port=options.port, who=options.who) as server:
            url = f"{server.url.rstrip('/')}/?{urlencode(page_options(options))}"
            command = chromium_command(
                program, url, profile=folder / "profile", size=options.size, software_gl=options.software_gl
            )
            log = folder / "chromium.log"
            with _running(command, log) as browser:
                _fit_window(browser, options.size)
                code = browser.wait()
            if code != 0:
                said = "\n".join(log.read_text(errors="replace").splitlines()[-10:])
                raise GameCrashError(f"Chromium ended with exit code {code}. Its last output:\n{said}")
    return 0


def page_options(options: argparse.Namespace) -> dict[str, str]:
    """What the page is told in its address: a game for one player, without sign-in."""
    told = {"kiosk": "1", "environment": options.environment, "seed": str(options.seed), "player": options.player}
    if options.seconds is not None:
        told["seconds"] = f"{options.seconds:g}"
    if options.quality != "auto":
        told["quality"] = options.quality
    if options.record:
        told["record"] = "1"
    return told


@contextlib.contextmanager
def _temporary_folder() -> Iterator[Path]:
    """A folder that goes with us: among the caches, which a game with a HOME of its own loses with it anyway."""
    cache = cache_dir()
    cache.mkdir(parents=True, exist_ok=True)
    for left in cache.glob("kiosk-*-*"):  # by one that was killed
        owner = left.name.split("-")[1]
        if owner.isdecimal() and not psutil.pid_exists(int(owner)):
            shutil.rmtree(left, ignore_errors=True)
    folder = Path(tempfile.mkdtemp(prefix=f"kiosk-{os.getpid()}-", dir=cache))
    try:
        yield folder
    finally:
        _remove(folder)


def _remove(folder: Path) -> None:
    """Once the browser's helpers are gone: for a moment after it they still write there, or make the folder anew."""
    deadline = time.monotonic() + _END_S
    while helpers := _helpers(folder):
        if time.monotonic() > deadline:
            for helper in helpers:
                with contextlib.suppress(psutil.NoSuchProcess):
                    helper.kill()
            psutil.wait_procs(helpers, _END_S)
            break
        time.sleep(_LOOK_EVERY_S)
    deadline = time.monotonic() + _END_S
    while True:
        shutil.rmtree(folder, ignore_errors=True)
        if not folder.exists() or time.monotonic() > deadline:
            return
        time.sleep(_LOOK_EVERY_S)


def _helpers(folder: Path) -> list[psutil.Process]:
    """The processes that were started to write there: each is told the place."""
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.NoSuchProcess, psutil.AccessDenied):
            if process.pid != os.getpid() and any(str(folder) in word for word in process.cmdline()):
                found.append(process)
    return found


@contextlib.contextmanager
def _running(command: Sequence[str], log: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Chromium in our own process group; asked to end at the end, and ended where it does not."""
    with log.open("wb") as output:
        browser = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT)
    try:
        yield browser
    finally:
        if browser.poll() is None:
            browser.terminate()
        try:
            browser.wait(_END_S)
        except subprocess.TimeoutExpired:
            browser.kill()
            browser.wait()


def _fit_window(browser: subprocess.Popen[bytes], size: tuple[int, int] | None) -> None:
    """Give the window its exact size: Chromium makes one as large as the screen a pixel smaller."""
    if size is None:
        return
    display = os.environ.get("DISPLAY")
    wanted = Region(0, 0, size[1], size[0])
    deadline = time.monotonic() + _WINDOW_TIMEOUT_S
    while browser.poll() is None and time.monotonic() < deadline:
        try:
            found = next((window for window in list_windows(display) if window.pid == browser.pid), None)
            if found is not None:
                with open_window(display, found.id) as window:
                    window.move_resize(wanted)
                return
        except (DisplayError, WindowError):
            return  # a desktop that lets nobody move windows: its size is what it is
        time.sleep(_LOOK_EVERY_S)


def _take_ordinary_priority() -> None:
    """Leave a real-time class that we were started in: with it a browser's many threads take all of a small machine."""
    if hasattr(os, "sched_setscheduler") and os.sched_getscheduler(0) in (os.SCHED_FIFO, os.SCHED_RR):
        os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))


@contextlib.contextmanager
def _signals_as_exit() -> Iterator[None]:
    """Meanwhile the signals that end a program raise SystemExit, so that the browser and its folder go with us."""
    names = [name for name in ("SIGTERM", "SIGINT", "SIGHUP") if hasattr(signal, name)]
    before = {getattr(signal, name): signal.signal(getattr(signal, name), _exit) for name in names}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _exit(number: int, _: FrameType | None) -> NoReturn:
    for other in ("SIGTERM", "SIGINT", "SIGHUP"):  # a second one must not cut the tidying short
        if hasattr(signal, other):
            signal.signal(getattr(signal, other), signal.SIG_IGN)
    sys.exit(128 + number)


def parser() -> argparse.ArgumentParser:
    """The command line."""
    made = argparse.ArgumentParser(prog="python -m gameon_env.web.kiosk", description=__doc__)
    made.formatter_class = argparse.RawDescriptionHelpFormatter
    made.add_argument("--environment", choices=ENVIRONMENTS, default="earthquake")
    made.add_argument("--seed", type=_seed, default=0, help="of the first game; the next has the next one")
    made.add_argument("--seconds", type=_seconds, help="how long one game may last; the page's own limit without it")
    made.add_argument("--player", default="player", help="the local profile's name")
    made.add_argument("--size", type=_size, help="WIDTHxHEIGHT of the window; the whole screen without it")
    made.add_argument("--quality", choices=QUALITIES, default="auto", help="of the picture; what is smooth without it")
    made.add_argument("--record", action="store_true", help="record each game, as the page does for a person")
    made.add_argument("--who", choices=("human", "agent"), default="human", help="who plays, for the catalogue")
    made.add_argument("--data-dir", type=Path, help="where recordings and scores go; thrown away without it")
    made.add_argument("--port", type=_port, default=0, help="of the server; any that is free without it")
    made.add_argument("--software-gl", action="store_true", help="draw on the CPU: the same picture everywhere")
    return made


def _seed(text: str) -> int:
    seed = int(text)
    if not 0 <= seed <= LARGEST_SEED:
        raise argparse.ArgumentTypeError(f"must be from 0 to {LARGEST_SEED}; it is {text}")
    return seed


def _seconds(text: str) -> float:
    seconds = float(text)
    if not (math.isfinite(seconds) and seconds > 0):
        raise argparse.ArgumentTypeError(f"must be more than 0; it is {text}")
    return seconds


def _port(text: str) -> int:
    port = int(text)
    if not 0 <= port <= 65535:
        raise argparse.ArgumentTypeError(f"must be from 0 to 65535; it is {text}")
    return port


def _size(text: str) -> tuple[int, int]:
    width, _, height = text.partition("x")
    if not (width.isdecimal() and height.isdecimal() and int(width) >= 320 and int(height) >= 240):
        raise argparse.ArgumentTypeError(f"must be WIDTHxHEIGHT, at least 320x240; it is {text!r}")
    return int(height), int(width)


if __name__ == "__main__":
    sys.exit(main())
