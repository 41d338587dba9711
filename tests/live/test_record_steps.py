"""``gameon record --steps``: a person's play straight into a trajectory file."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import numpy as np

from gameon_env.data_processing.trajectory import load_episodes
from gameon_env.desktop.display import PrivateDisplay
from gameon_env.desktop.windows import find_window
from tests.physical import PhysicalDevices

GAME = Path(__file__).with_name("small_game.py")

PROFILE = f"""
fps = 20
[launch]
command = ["{{python}}", "{GAME}"]
screen_size = [240, 320]
[controls]
names = ["key:left", "key:right", "key:space"]
[reset]
mode = "relaunch"
"""


def test_a_person_is_recorded_until_the_stop_key(tmp_path: Path) -> None:
    profile = tmp_path / "small.toml"
    profile.write_text(PROFILE)
    with PrivateDisplay((480, 640), gl=False) as desktop, PhysicalDevices(desktop.name) as person:
        command = ["record", "--steps", "--game", str(profile), "--display", desktop.name, "--duration", "60"]
        with subprocess.Popen(
            [sys.executable, "-m", "gameon_env", *command, "--data-dir", str(tmp_path)],
            stdout=subprocess.PIPE,
            text=True,
        ) as program:
            while find_window(desktop.name, title="Small game") is None:
                time.sleep(0.05)
                assert program.poll() is None
            time.sleep(1.5)
            person.press("key:right")
            time.sleep(0.5)
            person.release("key:right")
            time.sleep(0.3)
            person.press("key:f10")
            said, _ = program.communicate(timeout=30)
    assert program.returncode == 0
    assert "1 episode, " in said
    (episode,) = load_episodes(tmp_path / "trajectories")
    assert episode.controls == ("key:left", "key:right", "key:space")
    held = episode.inputs[: episode.num_steps]
    assert 6 <= held[:, 1].sum() <= 14
    assert held[:, [0, 2]].sum() == 0
    assert episode.metadata["played_by"] == ["human"]
    assert np.ptp(episode.timestamps) > 1e9


def test_choices_that_steps_do_not_have_are_said(tmp_path: Path) -> None:
    for words, says in (
        (["--microphone", "default", "--all-keys"], "--all-keys, --microphone"),
        (["--duration", "-3"], "more than 0"),
        (["--stop-key", "qq"], "key:qq"),
    ):
        command = ["record", "--steps", "--game", "rescue", "--display", "private", "--data-dir", str(tmp_path), *words]
        done = subprocess.run([sys.executable, "-m", "gameon_env", *command], capture_output=True, text=True)
        assert done.returncode == 2
        assert says in done.stderr
    assert list(tmp_path.iterdir()) == []
