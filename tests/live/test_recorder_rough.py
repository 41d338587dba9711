"""The session recorder when things go wrong around it: each time a complete session, or an error that says why not."""

from __future__ import annotations

import math
import os
import shutil
import signal
import struct
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from Xlib import X

from gameon_env.clock import now_ns
from gameon_env.data_processing.video_reader import VideoReader
from gameon_env.desktop import x11
from gameon_env.desktop.display import PrivateDisplay
from gameon_env.desktop.region import Region
from gameon_env.desktop.windows import find_window, open_window
from gameon_env.desktop.x11 import Wire
from gameon_env.errors import GameOnError, SessionError, StorageError, VideoError, WindowError
from gameon_env.games.profile import Attach
from gameon_env.recording.catalogue import Catalogue
from gameon_env.recording.recorder import SessionRecorder
from gameon_env.recording.session import Session
from gameon_env.recording.verification import verify
from tests.physical import PhysicalDevices
from tests.screens import resize_screen

GAME = Path(__file__).with_name("small_game.py")
ATTACH = Attach(window="Small game")

PROFILE = f"""
fps = 20
[launch]
command = ["{{python}}", "{GAME}"]
screen_size = [240, 320]
gl = false
[controls]
names = ["key:left", "key:right", "key:space"]
[reset]
mode = "relaunch"
"""


@pytest.fixture
def profile(tmp_path: Path) -> Path:
    path = tmp_path / "small.toml"
    path.write_text(PROFILE)
    return path


@pytest.fixture
def desktop() -> Iterator[PrivateDisplay]:
    with PrivateDisplay((480, 640), gl=False) as display:
        yield display


@contextmanager
def small_game(display: PrivateDisplay, *arguments: str) -> Iterator[subprocess.Popen[bytes]]:
    """A game that runs on the display already."""
    environment = {**os.environ, "DISPLAY": display.name, "SDL_VIDEODRIVER": "x11", "SDL_AUDIODRIVER": "dummy"}
    game = subprocess.Popen([sys.executable, str(GAME), *arguments], env=environment, stdout=subprocess.DEVNULL)
    try:
        until(lambda: find_window(display.name, title="Small game") is not None)
        yield game
    finally:
        game.kill()
        game.wait()


def until(true: Any, timeout_s: float = 30) -> None:
    end = time.monotonic() + timeout_s
    while not true():
        assert time.monotonic() < end
        time.sleep(0.01)


def attached(display: str, data: Path, attach: Attach = ATTACH, **choices: Any) -> SessionRecorder:
    return SessionRecorder(
        "small", display=display, attach=attach, data_dir=data, system_audio=False, gamepads=False, **choices
    )


def place(display: str, window: int, left: int, top: int, width: int, height: int) -> None:
    """What a window manager does: XConfigureWindow of its four sides."""
    wire = Wire(display)
    wire.send(struct.pack("=BBHIHxxiiii", 12, 0, 7, window, 0b1111, left, top, width, height))
    wire.sync()
    wire.close()


@pytest.mark.parametrize(
    ("choice", "says"),
    [
        ({"duration_s": math.inf}, "leave it out for no end"),
        ({"duration_s": -1.0}, "more than 0"),
        ({"quality": 52}, "0 .best. to 51 for h264"),
        ({"quality": 64, "codec": "av1"}, "to 63 for av1"),
    ],
)
def test_choices_that_are_none(choice: dict[str, Any], says: str) -> None:
    with pytest.raises(GameOnError, match=says):
        SessionRecorder("rescue", **choice)


def test_what_cannot_begin_leaves_nothing_behind(desktop: PrivateDisplay, tmp_path: Path) -> None:
    recorder = attached(desktop.name, tmp_path, Attach(region=(0, 0, 17, 9)), codec="hevc", only_focused=False)
    with pytest.raises(VideoError, match="18x10"):
        recorder.start()
    assert list((tmp_path / "sessions").iterdir()) == []
    with Catalogue(tmp_path) as catalogue:
        assert catalogue.sessions() == []


def test_a_region_where_nobody_has_the_keyboard_is_refused(desktop: PrivateDisplay, tmp_path: Path) -> None:
    with pytest.raises(WindowError, match=r"no window has the keyboard.*--always"):
        attached(desktop.name, tmp_path, Attach(region=(0, 0, 64, 64))).start()
    assert list((tmp_path / "sessions").iterdir()) == []


def test_a_folder_deleted_while_it_is_recorded_is_said(profile: Path, tmp_path: Path) -> None:
    recorder = SessionRecorder(profile, display="private", data_dir=tmp_path)
    folder = recorder.start()
    time.sleep(0.3)
    shutil.rmtree(folder)
    assert recorder.status.seconds > 0
    assert recorder.wait(20)
    assert recorder.end_reason.startswith("disk failed")
    with pytest.raises(StorageError, match="deleted or moved away"):
        recorder.stop()
    with SessionRecorder(profile, display="private", data_dir=tmp_path) as another:
        time.sleep(0.3)
    assert verify(another.folder) == []


def test_a_game_that_ends_as_it_is_stopped_is_no_error(desktop: PrivateDisplay, tmp_path: Path) -> None:
    for wait_s in (0.0, 0.03, 0.06):
        with small_game(desktop) as game:
            recorder = attached(desktop.name, tmp_path)
            recorder.start()
            time.sleep(0.2)
            game.kill()
            time.sleep(wait_s)
            recorder.stop()
        assert recorder.end_reason in ("stopped", "the game's window was closed")
        with Session(recorder.folder) as session:
            assert session.status == "completed"
        assert verify(recorder.folder) == []


def test_one_window_is_recorded_once_however_it_is_named(
    profile: Path, desktop: PrivateDisplay, tmp_path: Path
) -> None:
    with SessionRecorder(profile, display=desktop.name, data_dir=tmp_path):
        for display, title in ((desktop.name, "Small"), (desktop.name, "^Small game$"), (f"{desktop.name}.0", "Small")):
            with pytest.raises(SessionError, match="another recorder records window"):
                attached(display, tmp_path, Attach(window=title)).start()
    with Catalogue(tmp_path) as catalogue:
        assert len(catalogue.sessions()) == 1


def test_the_window_whose_focus_counts_is_named(desktop: PrivateDisplay, tmp_path: Path) -> None:
    with small_game(desktop):
        window = find_window(desktop.name, title="Small game")
        assert window is not None
        with open_window(desktop.name, window.id) as opened:
            opened.focus()
        with attached(desktop.name, tmp_path, Attach(monitor=0)) as recorder:
            assert "'Small game'" in recorder.notices[0]
            assert "--window" in recorder.notices[0]
        with attached(desktop.name, tmp_path) as recorder:
            assert recorder.notices == []


def test_a_window_that_moves_and_changes_its_size(desktop: PrivateDisplay, tmp_path: Path) -> None:
    with small_game(desktop), PhysicalDevices(desktop.name) as person:
        window = find_window(desktop.name, title="Small game")
        assert window is not None
        with attached(desktop.name, tmp_path) as recorder:
            place(desktop.name, window.id, 300, 100, 320, 240)
            person.move(-1000, -1000)
            person.move(310, 105)  # 10, 5 in the window
            time.sleep(0.4)
            place(desktop.name, window.id, 20, 30, 160, 60)
            person.move(-250, -65)  # 40, 10 in the window, which is shown twice as large, 60 rows from the top
            time.sleep(0.4)
    session = Session(recorder.folder)
    assert session.info.picture_size == (240, 320)
    where = {name: [e.value for e in session.input_events() if e.control == f"mouse:{name}"] for name in "xy"}
    assert (10.0, 5.0) in zip(where["x"], where["y"], strict=True)
    assert (where["x"][-1], where["y"][-1]) == (80.0, 80.0)
    with VideoReader(session.video) as video:
        picture = video.frame(len(video) - 1).astype(np.int64)
    assert picture[:56].max() < 20  # black above and below
    assert picture[184:].max() < 20
    assert picture[64:176, :, 1].min() > 20
    assert session.frames().t_ns[-1] > session.duration_ns - 300_000_000  # it is woken at the new place as well
    assert verify(recorder.folder) == []


def test_a_window_that_leaves_the_screen_for_a_while(desktop: PrivateDisplay, tmp_path: Path) -> None:
    """As window managers do while they minimise it; and no picture is of the place that it has left."""
    with small_game(desktop), PhysicalDevices(desktop.name) as person:
        window = find_window(desktop.name, title="Small game")
        assert window is not None
        with attached(desktop.name, tmp_path, all_keys=True) as recorder:
            time.sleep(0.5)
            for left, top in ((300, 200), (1000, 900), (300, 0), (-500, 0), (20, 30)):
                place(desktop.name, window.id, left, top, 320, 240)
                time.sleep(0.3)
            person.press("key:right")
            person.release("key:right")
            time.sleep(0.3)
    assert recorder.end_reason == "stopped"
    with Session(recorder.folder) as session:
        assert session.gaps() == ()
        assert "key:right" in {event.control for event in session.input_events()}
        times = session.frames().t_ns
        assert times[-1] > session.duration_ns - 300_000_000
        assert np.diff(times).max() > 200_000_000
    with VideoReader(session.video) as video:
        least = [int(video.frame(number)[:, :, 1].min()) for number in range(len(video))]
    assert min(least) > 15  # the game is green, red and white, and what lies behind it is black
    assert verify(recorder.folder) == []


def test_a_window_partly_outside_the_screen_is_drawn_where_it_is_seen(desktop: PrivateDisplay, tmp_path: Path) -> None:
    """Else no drawing is a whole frame, and frames close to each other count as one."""
    with small_game(desktop):
        window = find_window(desktop.name, title="Small game")
        assert window is not None
        with attached(desktop.name, tmp_path) as recorder:
            place(desktop.name, window.id, 500, 400, 320, 240)
            until(lambda: recorder._opened.parts.pump._changes.region == Region(500, 400, 140, 80))
            until(lambda: recorder._opened._region == Region(500, 400, 320, 240))
    assert verify(recorder.folder) == []


def test_a_monitor_that_changes_its_mode(desktop: PrivateDisplay, tmp_path: Path) -> None:
    with small_game(desktop):
        window = find_window(desktop.name, title="Small game")
        assert window is not None
        place(desktop.name, window.id, 0, 0, 320, 240)
        times = []
        with attached(desktop.name, tmp_path, Attach(monitor=0), only_focused=False) as recorder:
            start = recorder._opened.parts.start_ns
            for width, height in ((320, 240), (640, 480)):
                time.sleep(0.6)
                resize_screen(desktop.name, width, height)
                time.sleep(0.6)
                times.append(now_ns() - start)
    assert recorder.end_reason == "stopped"
    with Session(recorder.folder) as session:
        frames = session.frames()
        assert session.info.picture_size == (480, 640)
        assert frames.t_ns[-1] > session.duration_ns - 300_000_000
    with VideoReader(session.video) as video:
        small, large = (video.frame(int(np.searchsorted(video.times_ns, t_ns)) - 1) for t_ns in times)
    assert small[470:, 630:, 1].min() > 15  # the green game is as large as the screen, and as the picture
    assert large[:200, :200, 1].min() > 15
    assert large[260:, 340:].max() < 16
    assert verify(recorder.folder) == []


def test_a_region_that_the_screen_has_no_longer_ends_the_recording(desktop: PrivateDisplay, tmp_path: Path) -> None:
    """As one on a second monitor that is unplugged."""
    with attached(desktop.name, tmp_path, Attach(region=(400, 300, 64, 48)), only_focused=False) as recorder:
        time.sleep(0.3)
        resize_screen(desktop.name, 320, 240)
        assert recorder.wait(10)
    assert recorder.end_reason == "the region 64x48+400+300 is outside the screen now: choose one that is on it"
    assert verify(recorder.folder) == []


@pytest.mark.parametrize("how", ["launched", "attached", "monitor"])
@pytest.mark.parametrize("at_once", [[], ["--at-once"]])
def test_a_window_that_the_game_opens_anew(
    profile: Path, desktop: PrivateDisplay, tmp_path: Path, how: str, at_once: list[str]
) -> None:
    with ExitStack() as stack:
        person = stack.enter_context(PhysicalDevices(desktop.name))
        if how == "launched":
            words = ", ".join(f'"{word}"' for word in ("--anew-after", "2", *at_once))
            profile.write_text(profile.read_text().replace(f'"{GAME}"', f'"{GAME}", {words}'))
            recorder = SessionRecorder(profile, display=desktop.name, data_dir=tmp_path, gamepads=False)
        else:
            stack.enter_context(small_game(desktop, "--anew-after", "3", *at_once))
            attach = Attach(monitor=0) if how == "monitor" else ATTACH
            recorder = attached(desktop.name, tmp_path, attach, all_keys=True)
        with recorder:
            until(lambda: recorder.status.seconds > 4.5 or not recorder.running)
            until(lambda: recorder.status.paused == "")
            time.sleep(0.3)
            person.press("key:right")
            person.release("key:right")
            time.sleep(0.3)
    assert recorder.end_reason == "stopped"
    with Session(recorder.folder) as session:
        assert [event.value for event in session.input_events() if event.control == "key:right"] == [1.0, 0.0]
        assert session.frames().t_ns[-1] > session.duration_ns - 300_000_000
        assert {gap.reason for gap in session.gaps() if gap.stream == "all"} <= {"focus"}
    assert verify(recorder.folder) == []


@pytest.mark.parametrize("attach", [ATTACH, Attach(monitor=0)], ids=["window", "monitor"])
def test_nothing_is_recorded_of_another_window_of_the_same_process(
    desktop: PrivateDisplay, tmp_path: Path, attach: Attach
) -> None:
    """Opened while the game was recorded, and used when it is closed; with a title like the game's."""
    connection = x11.connect(desktop.name)
    game, mail = (_own_window(connection) for _ in range(2))
    game.map()
    connection.sync()
    game.set_input_focus(X.RevertToPointerRoot, X.CurrentTime)
    connection.sync()
    with PhysicalDevices(desktop.name) as person, attached(desktop.name, tmp_path, attach, all_keys=True) as recorder:
        until(lambda: recorder.status.paused == "")
        mail.map()
        connection.sync()
        assert not recorder.wait(2.5)
        game.destroy()
        mail.set_input_focus(X.RevertToPointerRoot, X.CurrentTime)
        connection.sync()
        person.press("key:right")
        person.release("key:right")
        assert recorder.wait(5)
    connection.close()
    assert recorder.end_reason == "the game's window was closed"
    with Session(recorder.folder) as session:
        assert "key:right" not in {event.control for event in session.input_events()}


def _own_window(connection: Any) -> Any:
    screen = connection.screen()
    window = screen.root.create_window(0, 0, 64, 48, 0, screen.root_depth, background_pixel=0x003C00)
    window.set_wm_name("Small game")
    return window


def test_a_part_of_the_screen_recorded_always_outlives_any_window(desktop: PrivateDisplay, tmp_path: Path) -> None:
    with small_game(desktop) as game:
        window = find_window(desktop.name, title="Small game")
        assert window is not None
        with open_window(desktop.name, window.id) as opened:
            opened.focus()
        with attached(desktop.name, tmp_path, Attach(monitor=0), only_focused=False) as recorder:
            game.kill()
            assert not recorder.wait(2.5)
    assert recorder.end_reason == "stopped"


def test_the_last_status_is_the_sessions(profile: Path, tmp_path: Path) -> None:
    recorder = SessionRecorder(profile, display="private", data_dir=tmp_path, duration_s=0.3)
    recorder.start()
    assert recorder.wait(20)
    recorder.stop()
    status = recorder.status
    time.sleep(0.1)
    assert recorder.status == status
    with Session(recorder.folder) as session:
        assert status.seconds <= session.duration_ns * 1e-9
        assert status.frames == sum(session.counts[what] for what in ("frames", "dropped"))


@pytest.mark.skipif(not hasattr(signal, "SIGHUP"), reason="this system has no SIGHUP")
def test_a_closed_terminal_or_pipe_completes_the_session(profile: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "gameon_env", "record", "--game", str(profile), "--display", "private"]
    for what in ("terminal", "pipe"):
        data = tmp_path / what
        program = subprocess.Popen([*command, "--data-dir", str(data)], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        assert program.stdout is not None
        program.stdout.readline()
        time.sleep(0.3)
        if what == "terminal":
            program.send_signal(signal.SIGHUP)
        else:
            program.stdout.close()
            program.send_signal(signal.SIGINT)
        assert program.stderr is not None
        program.stderr.read()
        program.wait(30)
        program.stdout.close()
        program.stderr.close()
        with Catalogue(data) as catalogue:
            (entry,) = catalogue.sessions()
        assert entry.status == "completed"
        assert verify(entry.folder) == []
