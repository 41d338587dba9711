"""The built-in game and its scripted player: processes that know nothing of us, on a real display."""

from __future__ import annotations

import ast
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from Xlib.display import Display

from gameon_env.desktop.capture import Capture, open_capture
from gameon_env.desktop.display import PrivateDisplay
from gameon_env.desktop.inject import Injector, open_injector
from gameon_env.desktop.process import GameProcess
from gameon_env.desktop.region import Region

ROOT = Path(__file__).parents[2]
PLAYER = ROOT / "scripts" / "demo_player.py"
GAME = ROOT / "gameon_env" / "games" / "rescue"
END, CROSSHAIR, BATTERY = (84, 26, 130), (255, 255, 255), (60, 230, 90)
FIELD = (slice(60, 470), slice(10, 630))

Picture = npt.NDArray[np.uint8]


class Table:
    """A game on a display: look at it, and touch its keys and mouse."""

    def __init__(self, display: str, capture: Capture, hands: Injector, game: GameProcess) -> None:
        self.display, self.capture, self.hands, self.game = display, capture, hands, game

    def look(self) -> Picture:
        return self.capture.grab().rgb()

    def wait(self, seen: Callable[[Picture], bool], timeout_s: float = 20.0) -> Picture:
        deadline = time.monotonic() + timeout_s
        while not seen(picture := self.look()):
            assert self.game.poll() is None, self.game.output_tail()
            assert time.monotonic() < deadline, "not seen in time"
            time.sleep(0.02)
        return picture

    def press(self, control: str) -> None:
        self.hands.press(control)
        self.hands.flush()

    def let_go(self) -> None:
        self.hands.release_all()


@contextmanager
def table(home: Path, *arguments: str) -> Iterator[Table]:
    command = [sys.executable, "-m", "gameon_env.games.rescue", "--seed", "3", "--mute", *arguments]
    with (
        PrivateDisplay((480, 640), gl=False) as display,
        GameProcess.launch(command, display=display.name, home=home, cwd=ROOT) as game,
    ):
        capture, hands = open_capture(display.name, Region(0, 0, 640, 480)), open_injector(display.name, "x11")
        try:
            yield Table(display.name, capture, hands, game)
        finally:
            hands.close()
            capture.close()


def has(picture: Picture, colour: tuple[int, int, int]) -> bool:
    return bool((picture == colour).all(axis=2).any())


def over(picture: Picture) -> bool:
    return tuple(picture[60, 20]) == END


def playing(picture: Picture) -> bool:
    return not over(picture) and has(picture[FIELD], CROSSHAIR)


def crosshair(picture: Picture) -> tuple[float, float]:
    y, x = np.nonzero((picture == CROSSHAIR).all(axis=2))
    return float(x.mean()), float(y.mean())


@pytest.mark.parametrize("theme", ["earthquake", "tsunami", "wildfire"])
def test_it_starts_and_shows_score_and_battery(tmp_path: Path, theme: str) -> None:
    with table(tmp_path, "--theme", theme) as at:
        picture = at.wait(playing)
        strip = picture[6:42, 14:144].reshape(36, 5, 26, 3)
        lit = (strip == 250).all(axis=3)
        assert set(np.unique(strip)) <= {18, 20, 28, 250}  # plain digits on a plain ground
        assert all(np.array_equal(lit[:, 0], lit[:, i]) for i in range(5))  # 00000
        assert (picture[14:34, 226 : 226 + 170] == BATTERY).all()


def test_keys_drive_and_the_mouse_aims(tmp_path: Path) -> None:
    with table(tmp_path) as at:
        before = at.wait(playing)
        assert crosshair(before) == pytest.approx((320, 174), abs=1)
        at.hands.move(40, 25)
        at.hands.flush()
        at.wait(lambda picture: crosshair(picture) == pytest.approx((360, 199), abs=1))
        at.press("key:d")
        at.wait(lambda picture: float((picture[FIELD] != before[FIELD]).any(axis=2).mean()) > 0.1)
        at.let_go()
        at.hands.move(2000, 0)
        at.hands.flush()
        at.wait(lambda picture: abs(crosshair(picture)[0] - 470) < 3)  # held in its disc


def test_escape_lets_the_pointer_go_and_a_click_takes_it_again(tmp_path: Path) -> None:
    with table(tmp_path) as at:
        start = crosshair(at.wait(playing))
        at.press("key:escape")
        at.let_go()
        time.sleep(0.2)
        at.hands.move(20, 20)
        at.hands.flush()
        time.sleep(0.2)
        assert crosshair(at.look()) == start
        at.press("mouse:left")
        at.let_go()
        time.sleep(0.2)
        at.hands.move(20, 20)
        at.hands.flush()
        at.wait(lambda picture: crosshair(picture) == pytest.approx((start[0] + 20, start[1] + 20), abs=1))


def test_the_end_screen_comes_and_enter_starts_the_next_seed(tmp_path: Path) -> None:
    with table(tmp_path, "--duration", "2") as at:
        first = at.wait(playing)
        end = at.wait(over)
        assert (end[52:470:8, 6] == END).all()
        at.press("key:enter")
        second = at.wait(playing)
        at.let_go()
        assert (first[FIELD] != second[FIELD]).any(axis=2).mean() > 0.02
        at.wait(over)


def test_f5_starts_again_in_the_middle_of_a_game(tmp_path: Path) -> None:
    with table(tmp_path) as at:
        at.wait(playing)
        at.wait(lambda picture: not (picture[24, 424] == BATTERY).all())
        at.press("key:f5")
        at.let_go()
        at.wait(lambda picture: bool((picture[24, 424] == BATTERY).all()))


def test_the_player_scores_keeps_its_best_and_lets_go(tmp_path: Path) -> None:
    with table(tmp_path, "--duration", "8") as at:
        player = subprocess.Popen(
            [sys.executable, str(PLAYER), "--display", at.display, "--games", "1"], stderr=subprocess.PIPE
        )
        try:
            at.wait(over, timeout_s=40)
            _, errors = player.communicate(timeout=20)
        finally:
            player.kill()
            player.wait()
        assert player.returncode == 0, errors
        assert held_keys(at.display) == 0
        assert int((tmp_path / ".rescue_best_earthquake").read_text()) > 200


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_makes_the_player_let_go(tmp_path: Path, number: signal.Signals) -> None:
    with table(tmp_path) as at:
        player = subprocess.Popen([sys.executable, str(PLAYER), "--display", at.display])
        try:
            deadline = time.monotonic() + 20
            while not held_keys(at.display) and time.monotonic() < deadline:
                time.sleep(0.01)
            player.send_signal(number)
            assert player.wait(timeout=20) == 0
        finally:
            player.kill()
            player.wait()
        assert held_keys(at.display) == 0


def held_keys(display: str) -> int:
    connection = Display(display)
    try:
        buttons = connection.screen().root.query_pointer().mask >> 8
        return sum(byte.bit_count() for byte in connection.query_keymap()) + buttons.bit_count()
    finally:
        connection.close()


def test_game_and_player_import_nothing_of_ours() -> None:
    for source in (PLAYER, *GAME.glob("*.py")):
        for node in ast.walk(ast.parse(source.read_text())):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom):
                assert node.level < 2, source
                names = [node.module or ""] if node.level == 0 else []
            assert not any(name.split(".")[0] in ("gameon_env", "wrappers") for name in names), source


def test_the_game_stays_small() -> None:
    assert sum(len(source.read_text().splitlines()) for source in GAME.glob("*.py")) < 300
