"""The `gameon` command as a person meets it: in a process of its own."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import cv2
import gymnasium
import numpy as np
import pytest

import gameon_env
from gameon_env.cli import COMMANDS
from gameon_env.games.profile import BUILT_IN


def gameon(*words: str, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "gameon_env", *words], capture_output=True, text=True, timeout=120, cwd=cwd
    )


def test_help_lists_every_command() -> None:
    done = gameon("--help")
    assert done.returncode == 0
    for command in COMMANDS:
        assert command in done.stdout
    assert gameon("--version").stdout.strip() == f"gameon {gameon_env.__version__}"


def test_games_lists_and_describes() -> None:
    listed = json.loads(gameon("games", "--json").stdout)
    assert {game["name"] for game in listed} >= {"rescue", "aliens", "doom", "desktop"}
    page = gameon("games", "doom")
    assert page.returncode == 0
    assert "key:left_ctrl" in page.stdout
    assert "apt-get" not in page.stdout  # it is installed here


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("games", "domm"), "Did you mean 'doom'"),
        (("games", "none.toml"), "cannot be read"),
        (("play", "none.safetensors"), "gameon train bc"),
        (("evaluate", "none.safetensors"), "gameon train bc"),
        (("train", "bc", "none"), "does not exist"),
        (("recover", "none"), "does not exist"),
        (("record", "--game", "domm"), "Did you mean 'doom'"),
        (("record", "--region", "1,2,3"), "left,top,width,height"),
        (("record", "--window", "x", "--monitor", "0"), "exclude each other"),
        (("record", "--game", "rescue", "--codec", "divx"), "h264"),
        (("record", "--game", "rescue", "--display", "private", "--audio", "no such device"), "no such device"),
        (("record", "--game", "rescue", "--stop-key", "key:nokey"), "unknown control"),
        (("sessions", "show", "none"), "sessions"),
        (("import", "gameon-db", "none.db"), "none.db"),
        (("recover", "."), "nothing to recover"),
        (("recover", "[bold]none"), "[bold]none"),
        (("evaluate", "none.safetensors", "--device", "banana"), "has here: cpu"),
        (("teach", "none.png", "--text", "1", "--region", "0,0,9,9", "--font", "f.png"), "cannot be read"),
    ],
)
def test_each_mistake_is_one_clear_line(words: tuple[str, ...], said: str, tmp_path: Path) -> None:
    done = gameon(*words, cwd=tmp_path)
    assert done.returncode != 0
    assert said in done.stdout + done.stderr
    assert "Traceback" not in done.stderr


def test_a_taught_font_reads_a_live_game(tmp_path: Path) -> None:
    """The time left on the screen of the built-in game is taught from one screenshot and read from others."""
    env = gymnasium.make(gameon_env.ENV_ID, game="rescue", render_mode="rgb_array")
    env.reset(seed=1)
    still = env.action_space.low * 0
    pictures = []
    for _ in range(45):
        env.step(still)
        picture = env.render()
        assert isinstance(picture, np.ndarray)
        pictures.append(picture)
    env.close()
    cv2.imwrite(str(tmp_path / "shot.png"), cv2.cvtColor(pictures[-1], cv2.COLOR_RGB2BGR))
    region = "560,4,54,42"
    done = gameon(
        "teach",
        "shot.png",
        "--text",
        "42",
        "--region",
        region,
        "--font",
        "time.png",
        "--ink",
        "250,250,250",
        cwd=tmp_path,
    )
    assert done.stdout.strip() == 'characters = "24"', done.stderr
    profile = (BUILT_IN / "rescue.toml").read_text().replace("rescue_digits.png", str(BUILT_IN / "rescue_digits.png"))
    profile += '[readers.time]\nkind = "digits"\nregion = [560, 4, 54, 42]\nfont = "time.png"\n'
    profile += 'characters = "24"\nink = [250, 250, 250]\n'
    (tmp_path / "timed.toml").write_text(profile)
    env = gymnasium.make(gameon_env.ENV_ID, game=str(tmp_path / "timed.toml"))
    env.reset(seed=2)
    seen = {env.step(still)[4]["readers"]["time"] for _ in range(60)}
    env.close()
    assert {44.0, 42.0} <= seen
