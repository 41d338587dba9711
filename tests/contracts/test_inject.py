"""One suite over all injecting backends; what they do is read back by a listener and by an SDL game."""

from __future__ import annotations

import json
import random
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from gameon_env.desktop.display import PrivateDisplay
from gameon_env.desktop.inject import Injector, open_injector
from gameon_env.desktop.listen import Listener
from gameon_env.desktop.process import GameProcess
from gameon_env.desktop.watchdog import Watchdog
from gameon_env.desktop.windows import wait_for_window
from gameon_env.errors import DisplayError, InputError, UnknownNameError
from gameon_env.events import InputEvent
from gameon_env.keys import KEYS, MOUSE_BUTTONS
from tests.physical import PhysicalDevices

Hear = Callable[..., list[InputEvent]]
Lines = list[dict[str, Any]]
PROBE = Path(__file__).parents[1] / "live" / "sdl_probe.py"


class Probe:
    """The SDL window and what it received."""

    def __init__(self, log: Path) -> None:
        self._log = log

    def wait(self, done: Callable[[Lines], bool], timeout_s: float = 10.0) -> Lines:
        deadline = time.monotonic() + timeout_s
        while True:
            text = self._log.read_text() if self._log.exists() else ""
            lines = [json.loads(line) for line in text.splitlines(keepends=True) if line.endswith("\n")]
            if done(lines) or time.monotonic() > deadline:
                return lines
            time.sleep(0.005)


@pytest.fixture
def probe(display: str, tmp_path: Path) -> Iterator[Probe]:
    """A game that locks the pointer and fills the screen."""
    log = tmp_path / "probe.jsonl"
    command = [sys.executable, str(PROBE), str(log), "--locked", "--size", "640x480"]
    with GameProcess.launch(command, display=display) as game:
        wait_for_window(display, process=game, title=None, timeout_s=30).close()
        received = Probe(log)
        received.wait(bool)
        yield received


def counts(lines: Lines) -> tuple[int, int]:
    return sum(line.get("dx", 0) for line in lines), sum(line.get("dy", 0) for line in lines)


def presses(lines: Lines) -> list[str]:
    return [line["key"] for line in lines if line["what"] == "key_down"]


def changes(events: list[InputEvent]) -> list[tuple[str, float]]:
    return [(e.control, e.value) for e in events if e.control not in ("mouse:x", "mouse:y")]


def test_counts_arrive_exactly_where_the_pointer_is_locked(display: str, probe: Probe) -> None:
    dice = random.Random(1)
    sent = (0, 0)
    with_counts = open_injector(display)
    assert with_counts.relative_motion
    for _ in range(200):
        dx, dy = dice.randint(-60, 60), dice.randint(-60, 60)
        sent = sent[0] + dx, sent[1] + dy
        with_counts.move(dx, dy)
        with_counts.flush()
    assert counts(probe.wait(lambda lines: counts(lines) == sent)) == sent
    with_counts.close()


def test_taps_of_any_length_reach_the_game(injector: Injector, probe: Probe) -> None:
    keys = [random.Random(2).choice("abcdefghij123") for _ in range(40)]
    for at, key in enumerate(keys):
        injector.press(f"key:{key}")
        injector.flush()
        time.sleep(0.002 * (at % 3))
        injector.release(f"key:{key}")
        injector.flush()
        time.sleep(0.003)  # SDL takes a key that is down again within 2 ms for auto-repeat
    assert presses(probe.wait(lambda lines: len(presses(lines)) == 40)) == keys


def test_buttons_and_wheel_reach_the_game(injector: Injector, probe: Probe) -> None:
    injector.press("mouse:right")
    injector.flush()
    injector.release("mouse:right")
    injector.scroll(2)
    injector.scroll(-1)
    injector.flush()

    def wheel(lines: Lines) -> int:
        return sum(abs(line["y"]) for line in lines if line["what"] == "wheel")

    lines = probe.wait(lambda lines: wheel(lines) == 3)
    assert {"what": "button_down", "button": 3} in lines
    assert {"what": "button_up", "button": 3} in lines
    assert sum(line["y"] for line in lines if line["what"] == "wheel") == 1


def test_every_key_and_button(injector: Injector, ear: Listener) -> None:
    # The layout has no key that types a numeric pad's decimal point on its first level: pynput does not find it.
    missing = {"key:numpad_decimal"} if injector.backend == "pynput" else set()
    for control in [*sorted({f"key:{name}" for name in KEYS} - missing), *MOUSE_BUTTONS]:
        injector.press(control)
        injector.flush()
        assert ear.held() == {control}
        injector.release(control)
        injector.flush()
        if control in ("key:caps_lock", "key:num_lock"):
            injector.press(control)
            injector.release(control)
            injector.flush()
    assert ear.held() == frozenset()


def test_nothing_happens_before_flush_and_order_is_kept(injector: Injector, ear: Listener, hear: Hear) -> None:
    injector.press("key:w")
    injector.press("key:e")
    injector.release("key:w")
    injector.release("key:e")
    assert ear.held() == frozenset()
    injector.flush()
    order = [("key:w", 1.0), ("key:e", 1.0), ("key:w", 0.0), ("key:e", 0.0)]
    assert changes(hear(ear, lambda events: len(events) >= 4)) == order


def test_a_press_of_what_it_holds_is_no_event(injector: Injector, ear: Listener, hear: Hear) -> None:
    for _ in range(3):
        injector.press("key:w")
        injector.flush()
    assert injector.held == {"key:w"}
    injector.release("key:w")
    injector.release("key:w")
    injector.flush()
    injector.press("key:e")
    injector.flush()
    heard = hear(ear, lambda events: ("key:e", 1.0) in changes(events))
    assert changes(heard) == [("key:w", 1.0), ("key:w", 0.0), ("key:e", 1.0)]


def test_it_releases_only_what_it_holds(injector: Injector, person: PhysicalDevices, ear: Listener) -> None:
    person.press("key:w")
    injector.release("key:w")
    injector.press("key:e")
    injector.flush()
    injector.release_all()
    assert ear.held() == {"key:w"}
    person.release("key:w")


def test_release_all_and_close(injector: Injector, ear: Listener) -> None:
    injector.press("key:w")
    injector.press("mouse:left")
    injector.flush()
    assert ear.held() == injector.held == {"key:w", "mouse:left"}
    injector.release_all()
    assert ear.held() == injector.held == frozenset()
    injector.press("key:s")
    injector.flush()
    injector.close()
    injector.close()
    assert ear.held() == frozenset()
    with pytest.raises(InputError, match="closed"):
        injector.flush()


def test_motion_and_place(injector: Injector, ear: Listener, hear: Hear) -> None:
    injector.move_to(100, 50)
    injector.flush()
    hear(ear, lambda _: ear.pointer() == (100, 50))
    injector.move(30, -20)
    injector.flush()
    hear(ear, lambda _: ear.pointer() == (130, 30))
    assert ear.pointer() == (130, 30)


def test_motion_beyond_the_protocols_range(display: str, ear: Listener, hear: Hear) -> None:
    injector = open_injector(display, "x11")
    injector.move(100_000, -100_000)
    injector.flush()
    injector.close()
    events = hear(ear, lambda events: sum(e.value for e in events if e.control == "mouse:dx") == 100_000)
    assert sum(e.value for e in events if e.control == "mouse:dy") == -100_000


@pytest.mark.parametrize(
    ("control", "error", "hint"),
    [
        ("key:spcae", UnknownNameError, "key:space"),
        ("W", UnknownNameError, "key:w"),
        ("pad:a", InputError, "gamepads"),
        ("mouse:dx", InputError, "move"),
    ],
)
def test_what_cannot_be_pressed(injector: Injector, control: str, error: type[Exception], hint: str) -> None:
    with pytest.raises(error, match=hint):
        injector.press(control)
    with pytest.raises(error, match=hint):
        injector.release(control)
    assert injector.held == frozenset()


def test_the_watchdog_knows_before_the_press(display: str, watchdog: Watchdog, ear: Listener) -> None:
    injector = open_injector(display, watchdog=watchdog)
    injector.press("key:w")
    injector.flush()
    assert ear.held() == {"key:w"}
    # The orderly end of a watchdog releases what it was told of.
    watchdog.close()
    assert ear.held() == frozenset()
    injector.press("key:e")
    with pytest.raises(InputError, match="watchdog"):
        injector.flush()
    assert ear.held() == frozenset()
    injector.close()
    assert ear.held() == frozenset()


@pytest.mark.parametrize("backend", ["x11", "pynput"])
def test_a_display_that_goes(backend: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with PrivateDisplay((120, 160), gl=False) as display:
        monkeypatch.setenv("DISPLAY", display.name)
        injector = open_injector(display.name, backend)
        injector.press("key:w")
        injector.flush()
    injector.press("key:e")
    with pytest.raises(InputError, match="gone"):
        injector.flush()
    injector.close()


def test_unreachable_display(display: str) -> None:
    with pytest.raises(DisplayError, match=":4321"):
        open_injector(":4321")
    with pytest.raises(InputError, match="DISPLAY"):
        open_injector(":4321", "pynput")
