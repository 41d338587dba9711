"""Agents are recorded as people are, with who acted; and a person who is recorded is left alone."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
import pytest
from typer.testing import CliRunner

import gameon_env
from gameon_env.cli import make_app
from gameon_env.data_processing.video_reader import VideoReader
from gameon_env.desktop.display import PrivateDisplay
from gameon_env.errors import GameOnError
from gameon_env.games.profile import load_profile
from gameon_env.learning.evaluation import RandomHeld, evaluate
from gameon_env.recording.catalogue import Catalogue
from gameon_env.recording.session import Session
from gameon_env.recording.verification import verify
from tests.physical import PhysicalDevices
from tests.unit.cli.test_agents import save
from wrappers import RecordSession

GAME = Path(__file__).with_name("small_game.py")
PROFILE = f"""
fps = 20
time_limit_s = 1.5
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
def game(tmp_path: Path) -> str:
    (tmp_path / "box.toml").write_text(PROFILE)
    return str(tmp_path / "box.toml")


@pytest.fixture
def desktop() -> Iterator[PrivateDisplay]:
    with PrivateDisplay((480, 640), gl=False) as display:
        yield display


def make(game: str, display: str) -> gymnasium.Env[Any, Any]:
    return gymnasium.make(gameon_env.ENV_ID, game=game, display=display, observation_size=(48, 64))


def test_a_private_display_is_one_session_over_all_relaunches(game: str, tmp_path: Path) -> None:
    env = RecordSession(make(game, "private"), tmp_path)
    evaluate(env, RandomHeld(env), [1, 2])
    env.close()
    (recorder,) = env.sessions
    assert verify(recorder.folder) == []
    with Session(recorder.folder) as session:
        assert session.info.who == "agent"
        assert session.info.game == "box"
        assert session.info.picture_size == (240, 320)
        assert session.gaps() == ()
        events, duration_s = session.events(), session.duration_ns * 1e-9
        assert events.injected.all()
        assert {"key:left", "key:right", "key:space"} & {events.names[i] for i in events.control}
        assert duration_s > 2 * 1.5
        assert session.counts["frames"] > 2 * 1.5 * 20
        with VideoReader(session.video) as video:
            boxes = [bool((video.frame(i)[..., 0] > 150).any()) for i in range(0, len(video), 3)]
    shown = [i for i, there in enumerate(boxes) if there]
    assert not boxes[0]  # the display was recorded before the game was there
    assert not all(boxes[shown[0] : shown[-1]])  # and while it was launched again


def test_a_shared_display_is_a_session_for_each_episode_and_tells_who_acted(
    game: str, tmp_path: Path, desktop: PrivateDisplay
) -> None:
    env = RecordSession(make(game, desktop.name), tmp_path, gamepads=False)
    hold = np.array([1, 0, 0], np.float32)
    with PhysicalDevices(desktop.name) as person:
        for episode in range(2):
            env.reset()
            for i in range(20):
                env.step(hold * (i % 4 < 2))
                if episode == 1 and i == 10:
                    person.press("key:right")
                    person.release("key:right")
            time.sleep(0.1)
    env.close()
    whos, events = [], []
    for recorder in env.sessions:
        assert verify(recorder.folder) == []
        with Session(recorder.folder) as session:
            whos.append(session.info.who)
            events.append([(event.control, event.injected) for event in session.input_events()])
            assert session.counts["frames"] > 5
            assert session.info.picture_size == (240, 320)
    assert whos == ["agent", "mixed"]
    assert events[0].count(("key:left", True)) == 10
    assert [control for control, injected in events[1] if not injected] == ["key:right", "key:right"]


def test_gameon_play_record(tmp_path: Path, game: str) -> None:
    policy = save(tmp_path / "p.safetensors", load_profile(game).controls, game="box")
    words = ["play", str(policy), "--game", game, "--display", "private", "--episodes", "2", "--device", "cpu"]
    result = CliRunner().invoke(make_app(["play", "games"]), [*words, "--record", "--data-dir", str(tmp_path / "d")])
    assert result.exit_code == 0, result.output
    with Catalogue(tmp_path / "d", create=False) as catalogue:
        (entry,) = catalogue.sessions()
    assert f"stopped): {entry.folder}" in result.output
    assert entry.frames
    assert verify(entry.folder) == []
    assert entry.who in ("agent", "unknown")  # an untrained policy may press nothing


def test_other_environments_are_sent_to_the_other_recorder() -> None:
    with gymnasium.make("CartPole-v1") as env, pytest.raises(GameOnError, match="RecordEpisode"):
        RecordSession(env)
