"""Gamepads, through the real SDL: its virtual pads are read as any other."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from gameon_env.clock import now_ns
from gameon_env.desktop import reaper
from gameon_env.desktop.display import PrivateDisplay
from gameon_env.desktop.gamepad import GamepadListener
from gameon_env.desktop.listen import open_listener
from gameon_env.errors import InputError
from gameon_env.events import InputEvent
from gameon_env.keys import PAD_AXES, PAD_BUTTONS
from tests.physical import PhysicalDevices
from tests.virtual_pads import PLAYSTATION, XBOX, VirtualPads


@pytest.fixture
def pads(tmp_path: Path) -> Iterator[VirtualPads]:
    with VirtualPads(tmp_path) as opened:
        yield opened


def changes(events: list[InputEvent]) -> list[tuple[str, float]]:
    return [(event.control, event.value) for event in events]


def after(pads: VirtualPads, *command: object) -> list[InputEvent]:
    """The events that ``command`` made."""
    pads.do(*command)
    return pads.listener.drain()


@pytest.mark.parametrize("model", [XBOX, PLAYSTATION])
def test_every_button_and_axis(pads: VirtualPads, model: tuple[str, int, int]) -> None:
    before = now_ns()
    pad = pads.do("attach", *model)
    for control in PAD_BUTTONS:
        assert changes(after(pads, "button", pad, control, True)) == [(control, 1.0)]
        assert pads.listener.held() == {control}
        released = after(pads, "button", pad, control, False)
        while control == "pad:guide" and not released:  # SDL holds this one for at least 250 ms
            released = pads.listener.drain()
        assert changes(released) == [(control, 0.0)]
    assert pads.listener.held() == frozenset()
    for control in PAD_AXES:
        (first,), (last,) = (after(pads, "axis", pad, control, raw) for raw in (32767, -32768))
        assert (first.control, first.value, last.control) == (control, 1.0, control)
        assert last.value == (0.0 if control.endswith("trigger") else -1.0)
        assert before < first.t_ns <= last.t_ns <= now_ns()
    assert pads.listener.axes() == dict.fromkeys(PAD_AXES[:4], -1.0)
    (info,) = pads.listener.pads
    assert info.name == model[0]
    assert before < info.attached_ns < now_ns()
    assert info.detached_ns is None
    assert "leftx:a0" in info.mapping
    assert set(info.dead_zone) == set(PAD_AXES)


def test_small_deflections_are_not_cut_off(pads: VirtualPads) -> None:
    pad = pads.do("attach", *XBOX)
    assert changes(after(pads, "axis", pad, "pad:left_x", 1)) == [("pad:left_x", 1 / 32767)]
    assert after(pads, "axis", pad, "pad:left_x", 1) == []
    assert changes(after(pads, "axis", pad, "pad:left_x", -2)) == [("pad:left_x", -2 / 32767)]


def test_what_is_held_at_the_start_is_known_and_no_event(tmp_path: Path) -> None:
    held = (("attach", *XBOX), ("button", 0, "pad:b", True), ("axis", 0, "pad:left_y", -32768))
    with VirtualPads(tmp_path, held) as pads:
        assert pads.listener.drain() == []
        assert pads.listener.held() == {"pad:b"}
        assert pads.listener.axes() == {"pad:left_y": -1.0}
        pads.do("button", 0, "pad:b", False)
        assert changes(pads.listener.drain()) == [("pad:b", 0.0)]


def test_a_pad_that_vanishes_lets_go_and_another_takes_over(pads: VirtualPads) -> None:
    first = pads.do("attach", *XBOX)
    pads.do("button", first, "pad:a", True)
    pads.do("axis", first, "pad:right_trigger", 32767)
    assert set(changes(pads.listener.drain())) == {("pad:a", 1.0), ("pad:right_trigger", 1.0)}
    pads.do("detach", first)
    assert set(changes(pads.listener.drain())) == {("pad:a", 0.0), ("pad:right_trigger", 0.0)}
    second = pads.do("attach", *PLAYSTATION)
    pads.do("button", second, "pad:x", True)
    assert changes(pads.listener.drain()) == [("pad:x", 1.0)]
    gone, there = pads.listener.pads
    assert gone.detached_ns is not None
    assert gone.attached_ns < gone.detached_ns <= there.attached_ns
    assert (there.name, there.detached_ns) == (PLAYSTATION[0], None)


def test_several_pads_are_one(pads: VirtualPads) -> None:
    one, two = pads.do("attach", *XBOX), pads.do("attach", *PLAYSTATION)
    events = after(pads, "axis", two, "pad:left_x", 200)  # a stick that does not rest at 0
    events += after(pads, "button", one, "pad:a", True)
    events += after(pads, "axis", one, "pad:left_x", -32768)
    events += after(pads, "button", two, "pad:a", True)
    events += after(pads, "button", one, "pad:a", False)
    events += after(pads, "axis", two, "pad:left_x", 201)
    assert pads.listener.held() == {"pad:a"}
    events += after(pads, "button", two, "pad:a", False)
    expected = [("pad:left_x", 200 / 32767), ("pad:a", 1.0), ("pad:left_x", -1.0), ("pad:a", 0.0)]
    assert changes(events) == expected


def test_five_hundred_changes_all_arrive_in_order(pads: VirtualPads) -> None:
    pad = pads.do("attach", *XBOX)
    raws = [100 + 7 * i for i in range(500)]
    before = now_ns()
    # One by one: a virtual pad, unlike a real one, keeps only its state for the next look.
    events = [event for raw in raws for event in after(pads, "axis", pad, "pad:right_x", raw)]
    assert [event.value for event in events] == [raw / 32767 for raw in raws]
    times = [before, *(event.t_ns for event in events), now_ns()]
    assert times == sorted(times)
    assert pads.listener.dropped == 0


def test_keyboard_mouse_and_pad_are_on_one_clock(pads: VirtualPads) -> None:
    pad = pads.do("attach", *XBOX)
    with PrivateDisplay((120, 160), gl=False) as display, PhysicalDevices(display.name) as person:
        listener = open_listener(display.name, "x11")
        listener.start()
        expected: list[tuple[str, float]] = []
        for i in range(10):
            person.press("key:w")
            time.sleep(0.005)
            pads.do("button", pad, "pad:a", True)
            time.sleep(0.005)
            person.move(3, 0)
            time.sleep(0.005)
            pads.do("axis", pad, "pad:left_x", 1000 + i)
            time.sleep(0.005)
            person.release("key:w")
            time.sleep(0.005)
            pads.do("button", pad, "pad:a", False)
            time.sleep(0.005)
            expected += [("key:w", 1.0), ("pad:a", 1.0), ("mouse:dx", 3.0), ("pad:left_x", (1000 + i) / 32767)]
            expected += [("key:w", 0.0), ("pad:a", 0.0)]
        events = listener.drain() + pads.listener.drain()
        listener.close()
    events = [event for event in events if event.control not in ("mouse:x", "mouse:y")]
    assert changes(sorted(events, key=lambda event: event.t_ns)) == expected


def test_no_pad_is_no_error() -> None:
    listener = GamepadListener()
    listener.start()
    assert listener.drain() == []
    assert listener.held() == frozenset()
    assert listener.axes() == {}
    listener.close()
    listener.close()
    assert listener.drain() == []


def test_a_listener_starts_once() -> None:
    listener = GamepadListener()
    listener.start()
    with pytest.raises(InputError, match="once"):
        listener.start()
    listener.close()
    with pytest.raises(InputError, match="once"):
        listener.start()
    GamepadListener().close()


def test_sdl_that_does_not_work_is_said(tmp_path: Path) -> None:
    (tmp_path / "pygame.py").write_text("raise ImportError('libSDL2-2.0.so.0: cannot open shared object file')")
    code = "import runpy, sys; sys.path.insert(0, sys.argv[1]); runpy.run_module('gameon_env.desktop.gamepad_process'"
    program = (sys.executable, "-c", code + ", run_name='__main__')", str(tmp_path))
    with pytest.raises(InputError, match=r"cannot open shared object file.*pygame-ce"):
        GamepadListener(program).start()
    with pytest.raises(InputError, match="cannot be started"):
        GamepadListener((str(tmp_path / "no such program"),)).start()


def test_a_reader_that_dies_lets_go_and_is_told(pads: VirtualPads) -> None:
    pad = pads.do("attach", *XBOX)
    pads.do("button", pad, "pad:y", True)
    assert changes(pads.listener.drain()) == [("pad:y", 1.0)]
    process = pads.listener._process
    assert process is not None
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    assert changes(pads.listener.drain()) == [("pad:y", 0.0)]
    with pytest.raises(InputError, match="no longer heard"):
        pads.listener.drain()
    with pytest.raises(InputError, match="no longer heard"):
        pads.listener.held()
    (info,) = pads.listener.pads
    assert info.detached_ns is not None


def test_nothing_is_left_of_an_owner_that_is_killed() -> None:
    code = (
        "import os, time\nfrom gameon_env.desktop.gamepad import GamepadListener\n"
        "listener = GamepadListener()\nlistener.start()\nprint(listener._process.pid, flush=True)\n"
        "os.fork() or time.sleep(60)\ntime.sleep(60)"
    )
    owner = subprocess.Popen([sys.executable, "-W", "ignore", "-c", code], stdout=subprocess.PIPE, text=True)
    assert owner.stdout is not None
    reader = int(owner.stdout.readline())
    started = reaper.start_of(reader)
    forked = [pid for pid, entry in reaper.process_table().items() if entry.parent == owner.pid and pid != reader]
    assert started != 0
    owner.kill()
    owner.wait()
    owner.stdout.close()
    deadline = time.monotonic() + 20
    while reaper.start_of(reader) == started and time.monotonic() < deadline:
        time.sleep(0.01)
    for pid in forked:  # a copy of the owner that still holds the pipe does not keep the reader
        os.kill(pid, signal.SIGKILL)
    assert reaper.start_of(reader) != started
