"""``gameon games NAME --check``: a game that is the same each time, one that is not, and one that nothing reaches."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner, Result

from gameon_env.cli import make_app
from gameon_env.data_processing.digits import DigitFont

pytestmark = pytest.mark.skipif(
    sys.platform != "linux" or not all(map(shutil.which, ("cc", "Xvfb"))),
    reason="lockstep needs Linux, a C compiler and Xvfb",
)

GAME = """
import os, time
os.environ["PYGAME_HIDE_SUPPORT_PROMPT"] = "1"
import pygame
pygame.display.init()
window = pygame.display.set_mode((320, 240))
x = 0
for number in range(10**6):
    pygame.event.pump()
    x += pygame.key.get_pressed()[pygame.K_RIGHT] * @keys@
    window.fill((number % 50 * 5, 90, 20))
    pygame.draw.rect(window, "white", (x % 300, 9, 9, 9))
    if number >= @from@:
        pygame.draw.rect(window, (200, os.getpid() % 250, 0), (100, 50, 20, 10))
    pygame.display.flip()
    time.sleep(0.02)
"""


def check(folder: Path, *words: str, keys: bool = True, differs_from: int = 10**6, more: str = "") -> Result:
    game, profile = folder / "game.py", folder / "game.toml"
    game.write_text(GAME.replace("@keys@", str(int(keys))).replace("@from@", str(differs_from)))
    profile.write_text(
        f'title = "A game"\nfps = 50\n[launch]\ncommand = ["{{python}}", "{game}"]\nscreen_size = [240, 320]\n'
        f'gl = false\n[controls]\nnames = ["key:left", "key:right"]\n{more}'
    )
    return CliRunner().invoke(make_app(["games"]), ["games", str(profile), "--check", "--steps", "30", *words])


def test_a_deterministic_game(tmp_path: Path) -> None:
    shown = check(tmp_path)
    assert shown.exit_code == 0, shown.output
    assert shown.output.count("all frames as in run 1") == 2
    assert "run other actions" in shown.output
    assert "x real time" in shown.output
    assert "median of 4 launches" in shown.output
    assert "Deterministic: the same seed and actions gave the same frames" in shown.output


def test_a_reader_that_reads_nothing_is_told(tmp_path: Path) -> None:
    DigitFont({digit: np.full((9, 7, 4), 255, np.uint8) for digit in "0123456789"}).save(tmp_path / "digits.png")
    reader = '[readers.points]\nkind = "digits"\nregion = [200, 100, 30, 20]\nfont = "digits.png"\n'
    more = f'{reader}[[reward]]\nreader = "points"\n'
    assert "Nothing was ever read by readers.points" in check(tmp_path, "--runs", "2", more=more).output
    assert json.loads(check(tmp_path, "--runs", "2", "--json", more=more).output)["unread"] == ["points"]


def test_where_a_game_parts_in_time_and_in_the_picture(tmp_path: Path) -> None:
    shown = check(tmp_path, "--json", "--runs", "2", differs_from=20)
    assert shown.exit_code == 1, shown.output
    seen = json.loads(shown.output)
    assert (seen["lockstep"], seen["deterministic"], seen["actions_matter"]) == (True, False, True)
    parting = seen["runs"][1]["parting"]
    assert 15 <= parting["frame"] <= 20
    assert parting["frames"] == 31
    assert parting["count"] == 31 - parting["frame"]
    assert (parting["box"], parting["pixels"]) == ([100, 50, 20, 10], 200)
    words = check(tmp_path, "--runs", "2", differs_from=20)
    assert f"part at frame {parting['frame']} (picture)" in words.output
    assert "200 pixels, in x 100-119, y 50-59" in words.output
    assert "Not deterministic" in words.output
    assert "its process number" in words.output


def test_a_game_that_hears_no_key(tmp_path: Path) -> None:
    shown = check(tmp_path, "--runs", "2", keys=False)
    assert shown.exit_code == 1
    assert "Other actions give the same frames" in shown.output


def test_what_cannot_be_played_in_lockstep(tmp_path: Path) -> None:
    app = make_app(["games"])
    shown = CliRunner().invoke(app, ["games", "desktop", "--check"])
    assert shown.exit_code == 1
    assert "Not in lockstep" in shown.output
    assert "private display" in shown.output
    profile = tmp_path / "browser.toml"
    profile.write_text(
        '[launch]\ncommand = ["sleep", "9"]\nscreen_size = [240, 320]\nlockstep = false\n'
        '[controls]\nnames = ["key:a"]\n'
    )
    shown = CliRunner().invoke(app, ["games", str(profile), "--check"])
    assert shown.exit_code == 1
    assert "cannot be played in lockstep (launch.lockstep)" in shown.output
    assert json.loads(CliRunner().invoke(app, ["games", "desktop", "--check", "--json"]).output)["lockstep"] is False
    assert CliRunner().invoke(app, ["games", "--check"]).exit_code == 2
