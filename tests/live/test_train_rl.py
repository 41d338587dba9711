"""``gameon train ppo`` on a live game in lockstep: it learns, is stopped by Ctrl+C, goes on, and its policy plays."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import av
import pytest
from typer.testing import CliRunner, Result

from gameon_env.cli import make_app
from gameon_env.errors import PolicyError, ProfileError, UnknownNameError
from gameon_env.learning.policy import Policy

GAME = Path(__file__).with_name("small_game.py")
PROFILE = f"""
fps = 30
time_limit_s = 1
[launch]
command = ["{{python}}", "{GAME}"]
screen_size = [240, 320]
gl = false
[controls]
names = ["key:left", "key:right", "key:space", "mouse:dx"]
[actions]
nothing = []
left = ["key:left"]
right = ["key:right"]
[readers.place]
kind = "bar"
region = [0, 0, 320, 6]
color = [240, 240, 240]
[[reward]]
reader = "place"
on = "increase"
[reset]
mode = "keys"
[[reset.steps]]
tap = "key:enter"
[training]
observation_size = [40, 48]
[training.ppo]
n_steps = 32
batch_size = 16
n_epochs = 1
[training.dqn]
buffer_size = 200
learning_starts = 10
batch_size = 8
"""


@pytest.fixture(scope="module")
def game(tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("profile") / "boxes.toml"
    path.write_text(PROFILE)
    return str(path)


def gameon(*words: str) -> Result:
    return CliRunner().invoke(make_app(["train"]), ["train", *words])


def test_it_learns_is_stopped_goes_on_and_its_policy_plays(game: str, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    words = ["ppo", game, "--steps", "1000000", "--output", str(folder), "--evaluate-every", "100000"]
    command = [sys.executable, "-m", "gameon_env", "train", *words, "--evaluation-episodes", "1", "--device", "cpu"]
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as run:
        curve, until = folder / "curve.jsonl", time.monotonic() + 200
        while time.monotonic() < until and run.poll() is None:
            if curve.exists() and "train/loss" in curve.read_text():
                break
            time.sleep(0.2)
        run.send_signal(signal.SIGINT)
        said = run.communicate(timeout=100)[0]
    assert run.returncode == 0, said
    assert "in lockstep" in said
    assert "stopped after" in said
    progress = json.loads((folder / "checkpoint" / "progress.json").read_text())
    assert progress["steps"] >= 64
    (video,) = (folder / "videos").glob("*.mp4")
    with av.open(str(video)) as film:
        frames = [frame.to_ndarray(format="rgb24") for frame in film.decode(video=0)]
    assert frames[0].shape == (240, 320, 3)
    assert len(frames) == 30

    steps = progress["steps"] + 40
    result = gameon("ppo", "--resume", str(folder), "--steps", str(steps), "--evaluation-episodes", "1")
    assert result.exit_code == 0, (result.output, result.exception)
    assert f"goes on after {progress['steps']} steps" in result.output
    assert json.loads((folder / "checkpoint" / "progress.json").read_text())["steps"] >= steps
    policy = Policy.load(folder / "policy.safetensors", device="cpu")
    assert policy.spec.game == "boxes"
    assert policy.spec.fps == 30

    for words, error, message in (
        (["sac", "--resume", str(folder), "--steps", "9"], PolicyError, "is a training of ppo"),
        (["ppo", "rescue", "--resume", str(folder), "--steps", "9"], PolicyError, "is a training on boxes, not on"),
        (["ppo", "--resume", str(folder), "--data", "x", "--steps", "9"], PolicyError, "leave --from, --data"),
    ):
        result = gameon(*words)
        assert isinstance(result.exception, error), result.output
        assert message in str(result.exception)


def test_games_side_by_side_in_real_time(game: str, tmp_path: Path) -> None:
    result = gameon(
        "dqn", game, "--time", "real", "--envs", "2", "--steps", "40", "--evaluate-every", "0", "--device", "cpu",
        "--output", str(tmp_path / "run"),
    )  # fmt: skip
    assert result.exit_code == 0, (result.output, result.exception)
    assert json.loads((tmp_path / "run" / "checkpoint" / "progress.json").read_text())["steps"] == 40


BREAKS = """
import os, runpy, sys
from pathlib import Path
launches = Path(__file__).with_suffix(".launches")
with launches.open("a") as file:
    file.write("launched\\n")
if len(launches.read_text().splitlines()) > 2:
    sys.exit("it broke in the meantime")
sys.argv[0] = GAME
runpy.run_path(GAME, run_name="__main__")
"""


def test_a_game_that_breaks_is_an_error_and_what_was_learned_is_kept(tmp_path: Path) -> None:
    game, profile, folder = tmp_path / "breaks.py", tmp_path / "breaks.toml", tmp_path / "run"
    game.write_text(BREAKS.replace("GAME", repr(str(GAME))))
    profile.write_text(PROFILE.replace(str(GAME), str(game)).replace('mode = "keys"', 'mode = "relaunch"'))
    words = ["dqn", str(profile), "--time", "real", "--envs", "2", "--steps", "1000", "--evaluate-every", "0"]
    command = [sys.executable, "-m", "gameon_env", "train", *words, "--output", str(folder), "--device", "cpu"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=200, check=False)
    assert done.returncode == 2, done.stdout + done.stderr
    assert "it broke in the meantime" in done.stderr
    assert "Traceback" not in done.stderr
    steps = json.loads((folder / "checkpoint" / "progress.json").read_text())["steps"]
    assert steps >= 40
    assert f"an error ended it after {steps} steps, which are kept" in done.stdout


def test_what_is_wrong_is_said_before_a_game_is_started(tmp_path: Path) -> None:
    out = ["--output", str(tmp_path / "run")]
    endless = tmp_path / "endless.toml"
    endless.write_text(PROFILE.replace("time_limit_s = 1\n", ""))
    for words, error, message in (
        (["ppo", "nethack", "--steps", "9", *out], UnknownNameError, "no game profile 'nethack'"),
        (["ppo", "rescue", *out], PolicyError, "say how long"),
        (["ppo", "--steps", "9", *out], PolicyError, "name the game"),
        (["ppo", "rescue", "--steps", "9", "--set", "n_step=3", *out], ProfileError, "Did you mean 'n_steps'"),
        (["ppo", "rescue", "--steps", "9", "--from", "none", *out], PolicyError, "there is no policy at none"),
        (["ppo", "rescue", "--steps", "9", "--device", "banana", *out], UnknownNameError, "--device must be one of"),
        (["ppo", "--resume", str(tmp_path), "--steps", "9"], PolicyError, "no folder of a training"),
        (["ppo", str(endless), "--steps", "9", *out], ProfileError, r"add time_limit_s or a [[termination]]"),
        (["ppo", "rescue", "--display", ":99", "--steps", "9", *out], PolicyError, "take keyboard and mouse"),
        (["ppo", "desktop", "--display", ":99", "--steps", "9", *out], ProfileError, "--evaluate-every 0"),
        (["ppo", "desktop", "--steps", "9", "--data", "nowhere", *out], Exception, "nowhere"),
        (["sac", "rescue", "--steps", "9", "--from", "none", *out], PolicyError, "sac cannot begin from"),
    ):
        result = gameon(*words)
        assert isinstance(result.exception, error), (words, result.output, result.exception)
        assert message in str(result.exception)
        assert not (tmp_path / "run").exists(), words
