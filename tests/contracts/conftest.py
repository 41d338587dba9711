"""Displays and the two sides of input for the contract suites."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

import pytest

from gameon_env.desktop.display import PrivateDisplay
from gameon_env.desktop.inject import Injector, open_injector
from gameon_env.desktop.listen import Listener, open_listener
from gameon_env.desktop.watchdog import Watchdog
from gameon_env.events import InputEvent
from tests.physical import PhysicalDevices

BACKENDS = ("x11", "pynput")


@pytest.fixture(scope="module")
def shared_display() -> Iterator[PrivateDisplay]:
    with PrivateDisplay((480, 640), gl=False) as display:
        yield display


@pytest.fixture
def display(shared_display: PrivateDisplay, monkeypatch: pytest.MonkeyPatch) -> str:
    """A display on which nothing is held; ``$DISPLAY`` names it, for pynput knows no other."""
    monkeypatch.setenv("DISPLAY", shared_display.name)
    return shared_display.name


@pytest.fixture
def person(display: str) -> Iterator[PhysicalDevices]:
    with PhysicalDevices(display) as devices:
        yield devices


@pytest.fixture(params=BACKENDS)
def listener(request: pytest.FixtureRequest, display: str) -> Iterator[Listener]:
    """Each listening backend, started."""
    opened = open_listener(display, request.param)
    opened.start()
    yield opened
    opened.close()


@pytest.fixture(params=BACKENDS)
def injector(request: pytest.FixtureRequest, display: str) -> Iterator[Injector]:
    """Each injecting backend."""
    opened = open_injector(display, request.param)
    yield opened
    opened.close()


@pytest.fixture
def hand(display: str) -> Iterator[Injector]:
    """Makes the events that a listener under test should hear."""
    opened = open_injector(display, "x11")
    yield opened
    opened.close()


@pytest.fixture
def ear(display: str) -> Iterator[Listener]:
    """Hears the events that an injector under test makes."""
    opened = open_listener(display, "x11")
    opened.start()
    yield opened
    opened.close()


@pytest.fixture
def watchdog(display: str) -> Iterator[Watchdog]:
    with Watchdog.start(display, private=False) as started:
        yield started


def hear(listener: Listener, enough: Callable[[list[InputEvent]], bool], timeout_s: float = 10.0) -> list[InputEvent]:
    """Drain until ``enough``; the events so far where it never is."""
    events: list[InputEvent] = []
    deadline = time.monotonic() + timeout_s
    while True:
        events += listener.drain()
        if enough(events) or time.monotonic() > deadline:
            return events
        time.sleep(0.002)


@pytest.fixture(name="hear")
def hear_fixture() -> Callable[..., list[InputEvent]]:
    return hear
