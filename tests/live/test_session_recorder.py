"""The session recorder on real games: what is in the session, when it ends, and what is never stored."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gameon_env.data_processing.video_reader import VideoReader
from gameon_env.desktop.display import PrivateDisplay
from gameon_env.desktop.windows import find_window, open_window
from gameon_env.errors import GameOnError, SessionError, StorageError, UnknownNameError
from gameon_env.games.profile import Attach
from gameon_env.recording.catalogue import Catalogue
from gameon_env.recording.recorder import SessionRecorder
from gameon_env.recording.session import Session
from gameon_env.recording.verification import verify
from tests.physical import PhysicalDevices
from tests.unit.recording.small_session import small_disk

GAME = Path(__file__).with_name("small_game.py")
COUNTER = Path(__file__).with_name("counter_game.py")

PROFILE = """
fps = 20
[launch]
command = ["{{python}}", "{script}", {arguments}]
screen_size = [{height}, {width}]
gl = false
[controls]
names = ["key:left", "key:right", "key:space"]
[reset]
mode = "relaunch"
"""


@pytest.fixture
def profile(tmp_path: Path) -> Any:
    def make(script: Path = GAME, *arguments: str, size: tuple[int, int] = (240, 320)) -> Path:
        path = tmp_path / f"game{len(list(tmp_path.glob('*.toml')))}.toml"
        words = ", ".join(f'"{word}"' for word in arguments)
        path.write_text(PROFILE.format(script=script, arguments=words, height=size[0], width=size[1]))
        return path

    return make


@pytest.fixture
def desktop() -> Iterator[PrivateDisplay]:
    with PrivateDisplay((480, 640), gl=False) as display:
        yield display


@contextmanager
def small_game(display: PrivateDisplay) -> Iterator[int]:
    """A game that runs on the display already; gives its window."""
    environment = {**os.environ, "DISPLAY": display.name, "SDL_VIDEODRIVER": "x11", "SDL_AUDIODRIVER": "dummy"}
    game = subprocess.Popen([sys.executable, str(GAME)], env=environment, stdout=subprocess.DEVNULL)
    try:
        until(lambda: find_window(display.name, title="Small game") is not None)
        found = find_window(display.name, title="Small game")
        assert found is not None
        yield found.id
    finally:
        game.kill()  # SDL makes SIGTERM an event, which this game does not heed
        game.wait()


def until(true: Any, timeout_s: float = 10) -> None:
    end = time.monotonic() + timeout_s
    while not true():
        assert time.monotonic() < end
        time.sleep(0.01)


def pressed(session: Session) -> list[str]:
    return [event.control for event in session.input_events() if event.value >= 0.5 and event.control.startswith("key")]


def test_every_frame_of_a_game_is_in_the_video_once(profile: Any, tmp_path: Path) -> None:
    sys.path.insert(0, str(Path(__file__).parents[2] / "scripts" / "bench"))
    from _counter import read_number

    log = tmp_path / "log.json"
    game = profile(COUNTER, str(log), "--fps", "30", "--size", "800x480", size=(480, 800))
    with SessionRecorder(game, display="private", data_dir=tmp_path, duration_s=4) as recorder:
        assert recorder.wait(30)
    assert recorder.end_reason == "duration"
    session = Session(recorder.folder)
    frames = session.frames()
    with VideoReader(session.video) as video:
        assert len(video) == (frames.video_frame >= 0).sum()
        seen = [read_number(video.frame(i)) for i in range(len(video))]
    numbers = [number for number in seen if number is not None]
    assert len(numbers) > 90
    missing = set(range(numbers[0], numbers[-1] + 1)) - set(numbers)
    assert len(missing) <= (frames.video_frame < 0).sum()
    assert numbers == sorted(set(numbers))
    assert verify(recorder.folder) == []


def test_input_is_stored_by_the_clock_of_the_frames(profile: Any, tmp_path: Path, desktop: PrivateDisplay) -> None:
    with PhysicalDevices(desktop.name) as person:
        with SessionRecorder(profile(), display=desktop.name, data_dir=tmp_path, gamepads=False) as recorder:
            window = find_window(desktop.name, title="Small game")
            assert window is not None
            left, top = window.region.left, window.region.top
            until(lambda: recorder.status.paused == "")
            person.press("key:left")
            time.sleep(0.2)
            person.release("key:left")
            person.move(30, -20)
            person.press("key:x")  # no control of this game
            person.release("key:x")
            time.sleep(0.2)
            x, y = window_pointer(desktop.name)
            time.sleep(0.1)
        session = Session(recorder.folder)
        events = list(session.input_events())
    assert pressed(session) == ["key:left"]
    down, up = (event.t_ns for event in events if event.control == "key:left")
    assert 0.15e9 < up - down < 0.4e9
    moved = {name: sum(e.value for e in events if e.control == name) for name in ("mouse:dx", "mouse:dy")}
    assert moved == {"mouse:dx": 30, "mouse:dy": -20}
    assert [e.value for e in events if e.control == "mouse:x"][-1] == x - left
    assert [e.value for e in events if e.control == "mouse:y"][-1] == y - top
    assert session.end is not None
    assert session.end.who == "human"
    # the picture answers to the key: the box moves after it
    frames = session.frames()
    with VideoReader(session.video) as video:
        before, after = (video.frame(int(np.searchsorted(frames.t_ns, t) - 1)) for t in (down, up))
    assert red_box(after) < red_box(before) - 10


def window_pointer(display: str) -> tuple[int, int]:
    from gameon_env.desktop.listen import open_listener

    listener = open_listener(display)
    listener.start()
    place = listener.pointer()
    listener.close()
    return place


def red_box(picture: Any) -> float:
    red = (picture[:, :, 0] > 150) & (picture[:, :, 1] < 100)
    return float(np.nonzero(red)[1].mean())


def test_what_is_held_at_the_start_is_known(profile: Any, tmp_path: Path, desktop: PrivateDisplay) -> None:
    with PhysicalDevices(desktop.name) as person:
        person.press("key:right")
        person.press("key:q")
        with SessionRecorder(profile(), display=desktop.name, data_dir=tmp_path, gamepads=False) as recorder:
            time.sleep(0.2)
    assert Session(recorder.folder).info.held == ("key:right",)


def test_hotkeys_pause_and_stop_and_are_not_stored(profile: Any, tmp_path: Path, desktop: PrivateDisplay) -> None:
    with PhysicalDevices(desktop.name) as person:
        recorder = SessionRecorder(
            profile(), display=desktop.name, data_dir=tmp_path, gamepads=False, all_keys=True, stop_key="key:f4"
        )
        recorder.start()
        until(lambda: recorder.status.paused == "")

        def tap(key: str) -> None:
            person.press(key)
            time.sleep(0.03)
            person.release(key)

        tap("key:a")
        person.press("key:left")
        time.sleep(0.1)
        tap("key:f9")
        until(lambda: recorder.status.paused == "paused")
        frames = recorder.status.frames
        tap("key:b")
        person.release("key:left")
        person.press("key:right")
        time.sleep(0.3)
        assert recorder.status.frames - frames <= 1
        tap("key:f9")
        until(lambda: recorder.status.paused == "")
        tap("key:c")
        time.sleep(0.1)
        tap("key:f4")
        assert recorder.wait(10)
        recorder.stop()
    assert recorder.end_reason == "stop key"
    session = Session(recorder.folder)
    assert pressed(session) == ["key:a", "key:left", "key:right", "key:c"]
    (gap,) = [gap for gap in session.gaps() if gap.stream == "all"]
    assert gap.reason == "paused"
    assert gap.end_ns is not None
    changes = [(e.control, e.value) for e in session.input_events() if e.t_ns == gap.end_ns]
    assert changes == [("key:left", 0.0), ("key:right", 1.0)]
    assert not any(gap.start_ns + 50_000_000 < t < gap.end_ns for t in session.frames().t_ns)
    assert verify(recorder.folder) == []


def test_what_is_typed_into_another_window_is_nowhere(profile: Any, tmp_path: Path, desktop: PrivateDisplay) -> None:
    with small_game(desktop) as chat, PhysicalDevices(desktop.name) as person:
        recorder = SessionRecorder(profile(), display=desktop.name, data_dir=tmp_path, gamepads=False, all_keys=True)

        def type_keys(*keys: str) -> None:
            for key in keys:
                person.press(f"key:{key}")
                person.release(f"key:{key}")
            time.sleep(0.1)

        with recorder:
            game = recorder._opened._game.picture.window_id
            assert game is not None
            assert game != chat
            until(lambda: recorder.status.paused == "")
            type_keys("1", "2")
            with open_window(desktop.name, chat) as window:
                window.focus()
            type_keys("s", "e", "c", "r", "t")
            until(lambda: recorder.status.paused == "focus")
            with open_window(desktop.name, game) as window:
                window.focus()
            until(lambda: recorder.status.paused == "")
            type_keys("3")
    session = Session(recorder.folder)
    assert pressed(session) == ["key:1", "key:2", "key:3"]
    assert [gap.reason for gap in session.gaps() if gap.stream == "all"] == ["focus"]


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [(["--exit-after", "1.5"], "game ended"), (["--crash-after", "1.5"], "game crashed: exit code 3")],
)
def test_the_games_end_completes_the_session(profile: Any, tmp_path: Path, arguments: list[str], reason: str) -> None:
    with SessionRecorder(profile(GAME, *arguments), display="private", data_dir=tmp_path) as recorder:
        assert recorder.wait(30)
    assert recorder.end_reason.startswith(reason)
    assert Session(recorder.folder).status == "completed"
    assert verify(recorder.folder) == []


def test_a_lost_display_completes_the_session(profile: Any, tmp_path: Path) -> None:
    with PrivateDisplay((240, 320), gl=False) as display:
        recorder = SessionRecorder(profile(), display=display.name, data_dir=tmp_path, only_focused=False)
        recorder.start()
        time.sleep(0.5)
        os.kill(display.pid, signal.SIGKILL)
        assert recorder.wait(30)
        recorder.stop()
    assert recorder.end_reason.startswith("display lost")
    assert Session(recorder.folder).status == "completed"
    assert verify(recorder.folder) == []


def test_ctrl_c_and_sigterm_complete_the_session(profile: Any, tmp_path: Path) -> None:
    for number in (signal.SIGINT, signal.SIGTERM):
        data = tmp_path / number.name
        command = [sys.executable, "-m", "gameon_env", "record", "--game", str(profile()), "--display", "private"]
        program = subprocess.Popen([*command, "--data-dir", str(data)], stdout=subprocess.PIPE, text=True)
        assert program.stdout is not None
        assert program.stdout.readline().startswith("recording into")
        time.sleep(0.5)
        program.send_signal(number)
        said, _ = program.communicate(timeout=30)
        assert program.returncode == 0
        assert f"signal {number.name}" in said
        with Catalogue(data) as catalogue:
            (entry,) = catalogue.sessions()
        assert entry.status == "completed"
        assert verify(entry.folder) == []


def test_a_region_of_the_screen_is_recorded_under_any_name(tmp_path: Path, desktop: PrivateDisplay) -> None:
    attach = Attach(region=(100, 50, 321, 201))  # odd sizes are usual on a desktop
    with (
        small_game(desktop),
        SessionRecorder("CS:GO", display=desktop.name, attach=attach, data_dir=tmp_path) as recorder,
    ):
        time.sleep(0.5)
    session = Session(recorder.folder)
    assert session.info.game == "CS:GO"
    assert ":" not in recorder.folder.name
    assert session.info.picture_size == (201, 321)
    with VideoReader(session.video) as video:
        assert video.frame(0).shape == (201, 321, 3)


def test_two_recorders_on_one_window_are_refused_on_two_games_not(
    profile: Any, tmp_path: Path, desktop: PrivateDisplay
) -> None:
    attach = Attach(window="Small game")
    with (
        small_game(desktop),
        SessionRecorder("one", display=desktop.name, attach=attach, data_dir=tmp_path),
        SessionRecorder(profile(), display="private", data_dir=tmp_path) as another,
    ):
        with pytest.raises(SessionError, match="another recorder"):
            SessionRecorder("two", display=desktop.name, attach=attach, data_dir=tmp_path).start()
        time.sleep(0.3)
    assert verify(another.folder) == []
    with Catalogue(tmp_path) as catalogue:
        assert sorted(entry.status for entry in catalogue.sessions()) == ["completed", "completed"]


def test_a_locked_database_loses_nothing(profile: Any, tmp_path: Path, desktop: PrivateDisplay) -> None:
    with PhysicalDevices(desktop.name) as person:
        recorder = SessionRecorder(profile(), display=desktop.name, data_dir=tmp_path, gamepads=False)
        with recorder:
            until(lambda: recorder.status.paused == "")
            with closing(sqlite3.connect(recorder.folder / "session.db", isolation_level=None)) as other:
                other.execute("BEGIN IMMEDIATE")
                person.press("key:left")
                person.release("key:left")
                time.sleep(0.5)
                other.execute("ROLLBACK")
    assert pressed(Session(recorder.folder)) == ["key:left"]
    assert verify(recorder.folder) == []


def test_no_other_window_is_filmed_while_the_database_is_locked(
    profile: Any, tmp_path: Path, desktop: PrivateDisplay
) -> None:
    with small_game(desktop) as chat:
        recorder = SessionRecorder(profile(), display=desktop.name, data_dir=tmp_path, gamepads=False)
        with recorder:
            game = recorder._opened._game.picture.window_id
            assert game is not None
            until(lambda: recorder.status.paused == "")
            with closing(sqlite3.connect(recorder.folder / "session.db", isolation_level=None)) as other:
                other.execute("BEGIN IMMEDIATE")
                time.sleep(0.4)  # by then a commit waits
                with open_window(desktop.name, chat) as window:
                    window.focus()
                time.sleep(1.0)
                other.execute("ROLLBACK")
            until(lambda: recorder.status.paused == "focus")
            with open_window(desktop.name, game) as window:
                window.focus()
            until(lambda: recorder.status.paused == "")
    session = Session(recorder.folder)
    (gap,) = [gap for gap in session.gaps() if gap.stream == "all"]
    assert gap.end_ns is not None
    times = session.frames().t_ns
    # One that was grabbed while the focus went is from before it, by a few ms at most.
    assert not ((times > gap.start_ns + 20_000_000) & (times < gap.end_ns)).any()
    assert times[-1] >= gap.end_ns


def test_a_clock_that_is_set_is_stated(profile: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with SessionRecorder(profile(), display="private", data_dir=tmp_path) as recorder:
        time.sleep(0.3)
        real = time.time
        monkeypatch.setattr(time, "time", lambda: real() + 3600)  # as NTP or a person may do
        time.sleep(1.5)
    (gap,) = [gap for gap in Session(recorder.folder).gaps() if gap.stream == "wall_clock"]
    assert "3600" in gap.reason
    assert verify(recorder.folder) == []


def test_a_full_disk_completes_the_session(profile: Any, tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", 64) as disk:
        with SessionRecorder(profile(), display="private", data_dir=disk) as recorder:
            time.sleep(0.5)
            fill(disk / "ballast")
            assert recorder.wait(20)
            assert recorder.end_reason.startswith("disk full")
        (disk / "ballast").unlink()
        with Session(recorder.folder) as session:
            assert session.status == "completed"
        assert verify(recorder.folder) == []
        (disk / "ballast").write_bytes(os.urandom(40 << 20))
        with pytest.raises(StorageError, match="make room"):
            SessionRecorder(profile(), display="private", data_dir=disk).start()


def fill(file: Path) -> None:
    with pytest.raises(OSError, match="No space"), file.open("wb") as ballast:  # noqa: PT012 - any of them may be it
        while True:
            ballast.write(os.urandom(1 << 20))
            ballast.flush()


def test_bad_choices_are_said(profile: Any, tmp_path: Path) -> None:
    with pytest.raises(UnknownNameError, match="h264"):
        SessionRecorder("rescue", codec="divx")
    with pytest.raises(GameOnError, match="hotkey"):
        SessionRecorder(profile(), stop_key="key:space")
    with pytest.raises(GameOnError, match="two different"):
        SessionRecorder(profile(), stop_key="key:f9")
    with pytest.raises(UnknownNameError, match="no game profile"):
        SessionRecorder("nothing like this")
    readonly = tmp_path / "file"
    readonly.write_text("")
    with pytest.raises(GameOnError, match="data-dir"):
        SessionRecorder(profile(), display="private", data_dir=readonly / "below").start()
