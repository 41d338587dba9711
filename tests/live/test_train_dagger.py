"""``gameon train dagger`` and ``gameon play --takeover`` on a live game, with another process as the person."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import gymnasium
import numpy as np
import pytest
from typer.testing import CliRunner

import gameon_env
from gameon_env.cli import make_app
from gameon_env.data_processing.trajectory import load_episodes
from gameon_env.desktop.display import PrivateDisplay
from gameon_env.errors import InputError, PolicyError, TrajectoryError
from gameon_env.learning.behavioral_cloning import CloningConfig, clone
from gameon_env.learning.policy import read_policy, save_policy
from wrappers import RecordEpisode

ROOT = Path(__file__).parents[2]
GAME = Path(__file__).with_name("small_game.py")
PROFILE = f"""
fps = 15
time_limit_s = 4
[launch]
command = ["{{python}}", "{GAME}"]
screen_size = [240, 320]
gl = false
[controls]
names = ["key:left", "key:right", "key:space"]
[reset]
mode = "none"
"""
PERSON = """
import sys, time
sys.path.insert(0, {root!r})
from tests.physical import PhysicalDevices
with PhysicalDevices(sys.argv[1]) as person:
    while True:  # take over, play a little, give back, and watch
        person.press("key:left")
        time.sleep(0.6)
        person.release("key:left")
        person.press("key:f10")
        person.release("key:f10")
        time.sleep(0.6)
"""


@pytest.fixture
def game(tmp_path: Path) -> str:
    (tmp_path / "box.toml").write_text(PROFILE)
    return str(tmp_path / "box.toml")


@pytest.fixture
def person(tmp_path: Path) -> str:
    (tmp_path / "person.py").write_text(PERSON.format(root=str(ROOT)))
    return f"{{python}} {tmp_path / 'person.py'} {{display}}"


@pytest.fixture
def policy(game: str, tmp_path: Path) -> Path:
    """One that always goes to the right, and the recording that it is made of."""
    env = RecordEpisode(gymnasium.make(gameon_env.ENV_ID, game=game, observation_size=(32, 32)), tmp_path / "recording")
    for _ in range(2):
        env.reset()
        for _ in range(20):
            env.step(np.array([0, 1, 0], np.float32))
    env.close()
    path = tmp_path / "policy.safetensors"
    config = CloningConfig(epochs=8, batch_size=8, threads=1)
    clone(load_episodes(tmp_path / "recording"), path, config, progress=False)
    return path


def run(*words: object) -> str:
    done = CliRunner().invoke(make_app(["train", "play"]), [str(word) for word in words], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return done.output


def test_two_rounds_of_corrections(policy: Path, game: str, person: str, tmp_path: Path) -> None:
    output, data = tmp_path / "better.safetensors", tmp_path / "data"
    said = run(
        "train", "dagger", policy, "--data", tmp_path / "recording", "--game", game, "--player", person,
        "--rounds", 2, "--episodes", 1, "--epochs", 2, "--output", output, "--data-dir", data,
    )  # fmt: skip
    assert said.count("learning from 40 recorded steps and") == 2
    episodes = load_episodes(data)
    assert [episode.path.parent.name for episode in episodes] == ["round1", "round2"]
    corrected = 0
    for episode in episodes:
        human = episode.by_human
        assert 0 < human.sum() < episode.num_steps
        assert set(episode.metadata["played_by"]) == {"agent", "human"}
        assert episode.inputs[human][:, 0].any()
        assert not episode.inputs[human][:, 1].any()  # what the agent would have pressed was not pressed
        assert (episode.agent_inputs[human][:, 1] == 1).mean() > 0.8
        corrected += int(human.sum())
    spec, _ = read_policy(output)
    learned = spec.training["training_steps"] + spec.training["validation_steps"]
    assert 40 < learned <= 40 + corrected


def test_a_person_can_correct_an_agent_that_plays(
    policy: Path, game: str, person: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with PrivateDisplay((480, 640), gl=False) as display:
        monkeypatch.setenv("DISPLAY", display.name)
        words = person.format(python=sys.executable, display=display.name).split()
        process = subprocess.Popen(words)
        try:
            said = run(
                "play", policy, "--game", game, "--takeover", "--record", "--data-dir", tmp_path / "data",
            )  # fmt: skip
        finally:
            process.terminate()
            process.wait(30)
    (episode,) = load_episodes(tmp_path / "data")
    assert str(episode.path) in said
    assert 0 < episode.by_human.sum() < episode.num_steps


def test_what_cannot_be_done_is_said_at_once(policy: Path, game: str, tmp_path: Path) -> None:
    recording = tmp_path / "recording"
    with pytest.raises(TrajectoryError, match="--data PATH or --db PATH"):
        run("train", "dagger", policy)
    common = ("train", "dagger", policy, "--data", recording, "--game", game, "--data-dir", tmp_path / "data")
    with pytest.raises(InputError, match="the player cannot be started"):
        run(*common, "--player", "/nowhere/player")
    with pytest.raises(InputError, match="the player has ended by itself, with exit code 3"):
        run(*common, "--player", f"{sys.executable} -c 'raise SystemExit(3)'")
    with pytest.raises(TrajectoryError, match="in none of the 1 episodes did a person act"):
        run(*common, "--episodes", 1, "--player", f"{sys.executable} -c 'import time; time.sleep(60)'")
    with pytest.raises(InputError, match="one of the game's controls"):
        run(*common, "--hand-back", "key:space", "--display", "private")
    spec, weights = read_policy(policy)
    other = tmp_path / "other.safetensors"
    object.__setattr__(spec, "network", "keras_clone_cnn")
    save_policy(other, spec, weights)
    with pytest.raises(PolicyError, match="'gameon train bc' made with PyTorch"):
        run("train", "dagger", other, "--data", recording)
