"""A real Chromium on a private display, seen through Selenium and touched by real key and mouse events."""

from __future__ import annotations

import contextlib
import os
import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import psutil
from selenium import webdriver
from selenium.webdriver.chrome.options import Options
from selenium.webdriver.chrome.service import Service

from gameon_env.desktop.capture import Capture, open_capture
from gameon_env.desktop.display import PrivateDisplay
from gameon_env.desktop.inject import Injector, open_injector
from gameon_env.desktop.region import Region
from gameon_env.desktop.windows import list_windows, open_window
from gameon_env.web.chromium import browser_options, find_chromium

Picture = npt.NDArray[np.uint8]

WAIT_S = 60.0
"""Far more than a page needs, so that a busy machine fails no test."""


class Browser:
    """One page in one window that fills its display.

    Attributes:
        display: the name of its display.
        hands: real keys, buttons and mouse motion.
        driver: Selenium's view of the page.
        downloads: the folder for what the page saves.
    """

    def __init__(
        self, display: PrivateDisplay, hands: Injector, capture: Capture, driver: webdriver.Chrome, downloads: Path
    ) -> None:
        self.display, self.hands, self.driver, self.downloads = display.name, hands, driver, downloads
        self._capture = capture

    def open(self, url: str) -> None:
        """Go to a page, and wait until it is loaded."""
        self.driver.get(url)

    def js(self, expression: str) -> Any:
        """The value of an expression in the page."""
        return self.driver.execute_script(f"return ({expression});")

    def wait_for(self, expression: str, timeout_s: float = WAIT_S) -> Any:
        """Wait until an expression in the page is true. Returns its value."""
        deadline = time.monotonic() + timeout_s
        while not (value := self.js(expression)):
            if time.monotonic() > deadline:
                state, errors = self.js("document.body.dataset.state"), self.errors()
                raise AssertionError(f"not seen in the page: {expression}; its state is {state!r}, errors: {errors}")
            time.sleep(0.05)
        return value

    def wait_state(self, *states: str, timeout_s: float = WAIT_S) -> str:
        """Wait until the game's page is in one of these states. Returns which."""
        return str(self.wait_for(f"{list(states)}.includes(document.body.dataset.state) && document.body.dataset.state",
                                 timeout_s))  # fmt: skip

    def wait_file(self, pattern: str, timeout_s: float = WAIT_S) -> Path:
        """Wait until a file like this lies whole among the downloads."""
        deadline = time.monotonic() + timeout_s
        while True:
            unfinished = list(self.downloads.glob("*.crdownload"))
            found = sorted(self.downloads.glob(pattern))
            if found and not unfinished:
                return found[-1]
            assert time.monotonic() < deadline, f"{pattern} was not downloaded: {sorted(self.downloads.iterdir())}"
            time.sleep(0.05)

    def errors(self) -> list[str]:
        """What the page's console has said since the last call that is an error."""
        return [
            str(entry["message"])
            for entry in self.driver.get_log("browser")  # type: ignore[no-untyped-call]
            if entry["level"] == "SEVERE"
        ]

    def look(self) -> Picture:
        """The display now, ``(H, W, 3) uint8 RGB``."""
        return self._capture.grab().rgb()

    def click(self, x: int | None = None, y: int | None = None) -> None:
        """A real click at a place of the display; in its middle unless given."""
        height, width = self.look().shape[:2]
        self.hands.move_to(width // 2 if x is None else x, height // 2 if y is None else y)
        self.hands.flush()
        time.sleep(0.05)
        self.tap("mouse:left")

    def click_on(self, selector: str) -> None:
        """A real click in the middle of an element, which is scrolled to where it can be seen."""
        element = f"document.querySelector({selector!r})"
        self.wait_for(f"{element} && {element}.getBoundingClientRect().width > 0")
        x, y = self.js(
            f"(() => {{ const e = {element}; e.scrollIntoView({{block: 'nearest'}});"
            "const r = e.getBoundingClientRect(); return [r.x + r.width / 2, r.y + r.height / 2]; })()"
        )
        left, top = self.js(
            "[window.screenX + (outerWidth - innerWidth) / 2, window.screenY + outerHeight - innerHeight]"
        )
        self.click(round(left + x), round(top + y))

    def tap(self, control: str, seconds: float = 0.06) -> None:
        """Hold a real key or button for a moment."""
        self.hold(control)
        time.sleep(seconds)
        self.hands.release(control)
        self.hands.flush()

    def hold(self, *controls: str) -> None:
        """Hold real keys or buttons until :meth:`let_go`."""
        for control in controls:
            self.hands.press(control)
        self.hands.flush()

    def let_go(self) -> None:
        """Release all that is held."""
        self.hands.release_all()

    def move(self, dx: int, dy: int) -> None:
        """Move the real mouse by so many counts."""
        self.hands.move(dx, dy)
        self.hands.flush()


@contextlib.contextmanager
def browser(
    folder: Path,
    *,
    size: tuple[int, int] = (480, 640),
    flags: Sequence[str] = (),
    phone: bool = False,
    saves: bool = True,
) -> Iterator[Browser]:
    """A browser that is gone, with its display and every process of it, when the block ends.

    Args:
        folder: for its settings and downloads; made where it is missing.
        size: ``(height, width)`` of the display and of the page's window.
        flags: more of Chromium's flags.
        phone: touch instead of a mouse, and two pixels for one of the page's.
        saves: let a page save several files at once; a person's browser asks first.
    """
    downloads = folder / "downloads"
    downloads.mkdir(parents=True, exist_ok=True)
    options = Options()
    options.binary_location = find_chromium()
    for flag in (*browser_options(folder / "profile", size, software_gl=True), "--app=data:,", *flags):
        options.add_argument(flag)
    options.add_experimental_option("excludeSwitches", ["enable-automation"])
    options.add_experimental_option(
        "prefs",
        {"download.default_directory": str(downloads), "download.prompt_for_download": False,
         "profile.default_content_setting_values.automatic_downloads": 1 if saves else 3},
    )  # fmt: skip
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    if phone:
        options.add_experimental_option(
            "mobileEmulation",
            {"deviceMetrics": {"width": 390, "height": 844, "pixelRatio": 2.0, "touch": True}},
        )
    driver_program = shutil.which("chromedriver")
    assert driver_program is not None, "apt-get install chromium-driver"
    with PrivateDisplay(size, gl=False, cursor=False) as display, contextlib.ExitStack() as parts:
        environment = {**os.environ, "DISPLAY": display.name, "HOME": str(folder)}
        for name in ("WAYLAND_DISPLAY", "XDG_SESSION_TYPE", "XDG_CACHE_HOME", "XDG_CONFIG_HOME"):
            environment.pop(name, None)
        service = Service(driver_program, env=environment)
        with ordinary_children():
            driver = webdriver.Chrome(options=options, service=service)
        parts.callback(_end, driver, psutil.Process(service.process.pid))
        _fill_display(display.name, size)
        hands = open_injector(display.name, "x11")
        parts.callback(hands.close)
        capture = open_capture(display.name, Region(0, 0, size[1], size[0]))
        parts.callback(capture.close)
        yield Browser(display, hands, capture, driver, downloads)


@contextlib.contextmanager
def ordinary_children() -> Iterator[None]:
    """Start no browser in the real-time class that a test run may have: its threads would take all of a machine."""
    policy = os.sched_getscheduler(0) & ~os.SCHED_RESET_ON_FORK
    if policy not in (os.SCHED_FIFO, os.SCHED_RR):
        yield
        return
    os.sched_setscheduler(0, policy | os.SCHED_RESET_ON_FORK, os.sched_getparam(0))
    try:
        yield
    finally:
        os.sched_setscheduler(0, policy, os.sched_getparam(0))


def _fill_display(display: str, size: tuple[int, int]) -> None:
    wait_until(lambda: bool(list_windows(display)), "the browser's window")
    with open_window(display, list_windows(display)[0].id) as window:
        window.move_resize(Region(0, 0, size[1], size[0]))


def _end(driver: webdriver.Chrome, service: psutil.Process) -> None:
    """Quit, and see that nothing of it is left."""
    family = [service, *service.children(recursive=True)]
    driver.quit()
    _, alive = psutil.wait_procs(family, timeout=10)
    for process in alive:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()
    psutil.wait_procs(alive, timeout=10)


def wait_until(seen: Callable[[], bool], what: str, timeout_s: float = WAIT_S) -> None:
    """Wait for something outside of the page."""
    deadline = time.monotonic() + timeout_s
    while not seen():
        assert time.monotonic() < deadline, f"waited in vain for {what}"
        time.sleep(0.05)
