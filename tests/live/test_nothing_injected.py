"""While a person plays, nothing is injected, not even releases: a key that is held stays held throughout."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import gymnasium
import numpy as np
import pytest

import gameon_env
from gameon_env.desktop.display import PrivateDisplay
from gameon_env.desktop.inject import open_injector
from gameon_env.desktop.listen import open_listener
from gameon_env.events import InputEvent
from gameon_env.recording.recorder import SessionRecorder
from gameon_env.recording.session import Session
from tests.physical import PhysicalDevices
from wrappers import HumanControl, RecordEpisode, RecordSession

GAME = Path(__file__).with_name("small_game.py")
PROFILE = f"""
fps = 20
[launch]
command = ["{{python}}", "{GAME}"]
screen_size = [240, 320]
gl = false
[controls]
names = ["key:left", "key:right", "key:space", "mouse:left"]
[reset]
mode = "relaunch"
"""
HELD = ("key:left", "mouse:left")


@pytest.fixture
def game(tmp_path: Path) -> str:
    (tmp_path / "box.toml").write_text(PROFILE)
    return str(tmp_path / "box.toml")


@pytest.fixture
def desktop() -> Iterator[PrivateDisplay]:
    with PrivateDisplay((480, 640), gl=False) as display:
        yield display


@contextmanager
def overheard(display: str, person: PhysicalDevices) -> Iterator[list[InputEvent]]:
    """All that happens on the display while a person holds a key and a button down from before to after."""
    heard: list[InputEvent] = []
    listener = open_listener(display)
    try:
        listener.start()
        for control in HELD:
            person.press(control)
        yield heard
        time.sleep(0.3)  # a watchdog that would let go does it later than its owner ends
        assert set(HELD) <= listener.held()
        for control in HELD:
            person.release(control)
        injector = open_injector(display)  # were there anything injected, it would be heard
        injector.press("key:x")
        injector.release("key:x")
        injector.flush()
        injector.close()
        time.sleep(0.1)
        heard += listener.drain()
        assert listener.dropped == 0
    finally:
        listener.close()


def play(person: PhysicalDevices) -> None:
    for _ in range(3):
        person.press("key:space")
        time.sleep(0.05)
        person.release("key:space")
        person.move(3, -2)
        time.sleep(0.05)


def check(heard: list[InputEvent]) -> None:
    assert [event.control for event in heard if event.injected] == ["key:x", "key:x"]
    for control in HELD:
        assert [event.value for event in heard if event.control == control] == [1.0, 0.0]


def test_while_a_session_is_recorded(game: str, tmp_path: Path, desktop: PrivateDisplay) -> None:
    recorder = SessionRecorder(game, display=desktop.name, data_dir=tmp_path, gamepads=False)
    with PhysicalDevices(desktop.name) as person, overheard(desktop.name, person) as heard, recorder:
        play(person)
        recorder.pause()
        play(person)
        recorder.resume()
        play(person)
    check(heard)
    with Session(recorder.folder) as session:
        assert session.info.who == "human"
        assert set(HELD) <= set(session.info.held)


def test_while_a_person_plays_the_environment(game: str, tmp_path: Path, desktop: PrivateDisplay) -> None:
    env = gymnasium.make(gameon_env.ENV_ID, game=game, display=desktop.name, observation_size=(48, 64))
    sessions = RecordSession(HumanControl(env), tmp_path, gamepads=False)
    recorded = RecordEpisode(sessions, tmp_path / "steps")
    with PhysicalDevices(desktop.name) as person:
        with overheard(desktop.name, person) as heard:
            for _ in range(2):  # the second reset comes in the middle of an episode
                _, info = recorded.reset()
                for _ in range(10):
                    _, _, _, _, info = recorded.step(np.ones(4, np.float32))
                play(person)
            recorded.close()
        assert info["actor"] == "human"
    check(heard)
    assert len(sessions.sessions) == 2
    for recorder in sessions.sessions:
        with Session(recorder.folder) as session:
            assert session.info.who == "human"
