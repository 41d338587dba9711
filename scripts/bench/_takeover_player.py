"""Corrects an agent that plays `rescue`, as a person would: it looks at the screen, and takes over at the keyboard.

    python scripts/bench/_takeover_player.py --display :99 --seed 1

While the agent scores it only watches. Where the score has not risen for some seconds it takes the game, by the
events of the virtual display's keyboard and mouse themselves, plays for some seconds and until it has scored, and gives
back with F10.
"""

from __future__ import annotations

import argparse
import math
import signal
import sys
import time
from pathlib import Path

import mss
import numpy as np

from gameon_env.clock import now_ns
from gameon_env.events import Frame
from gameon_env.games.game_view import GameView
from gameon_env.games.profile import load_profile

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "scripts")]
from demo_player import CROSSHAIR, END, GAIN_AT_15_HZ, HUD_HEIGHT, MOST_AT_15_HZ, VIEW, decide, find_window, mask  # noqa: E402

from tests.physical import PhysicalDevices  # noqa: E402

PERIOD_S = 1 / 15


class PhysicalHands:
    """Holds keys and the left button of the display's own keyboard and mouse."""

    def __init__(self, display: str) -> None:
        self._devices = PhysicalDevices(display)
        self._held: set[str] = set()

    def hold(self, wanted: set[str]) -> None:
        for control in self._held - wanted:
            self._devices.release(control)
        for control in wanted - self._held:
            self._devices.press(control)
        self._held = set(wanted)

    def move(self, dx: int, dy: int) -> None:
        if dx or dy:
            self._devices.move(dx, dy)

    def give_back(self, key: str) -> None:
        self.hold(set())
        self._devices.press(key)
        self._devices.release(key)


def watch(options: argparse.Namespace) -> None:
    """Watch and correct until a signal comes."""
    stop: list[bool] = []
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.append(True))
    hands, playing, taken, took_at, scored_at = PhysicalHands(options.display), False, 0, 0.0, 0.0
    window, score, due = None, 0.0, time.monotonic()
    read = load_profile("rescue").make_readers()["score"].read
    with mss.MSS(display=options.display) as screen:
        while not stop:
            due = max(due + PERIOD_S, time.monotonic())
            time.sleep(max(0.0, due - time.monotonic()))
            window = window or find_window(np.asarray(screen.grab(screen.monitors[0])))
            if window is None:
                continue
            x, y, width, height = window
            picture = np.asarray(screen.grab({"left": x, "top": y, "width": width, "height": height}))
            left, top = width // 2 - VIEW, HUD_HEIGHT + (height - HUD_HEIGHT) // 2 - VIEW
            view = np.ascontiguousarray(picture[top : top + 2 * VIEW + 1, left : left + 2 * VIEW + 1])
            now, before = time.monotonic(), score
            found = read(GameView(Frame(picture, now_ns())))
            score = before if found is None else found
            if tuple(view[0, 0, 2::-1]) == END or not mask(view, CROSSHAIR).any():
                if playing:
                    hands.give_back(options.hand_back)
                playing, score, scored_at = False, 0.0, now
                continue
            if score > before:
                scored_at = now
            if not playing and now - scored_at > options.patience:
                playing, taken, took_at = True, taken + 1, now
            if playing and now - took_at > options.least and scored_at > took_at:
                hands.give_back(options.hand_back)
                playing, scored_at = False, now
            if playing:
                action = decide(view)
                time.sleep(PERIOD_S / 2)  # nobody reacts at once
                hands.hold({f"key:{key}" for key in action.keys} | ({"mouse:left"} if action.fire else set()))
                way = math.hypot(*action.turn)
                part = min(GAIN_AT_15_HZ, MOST_AT_15_HZ / max(1e-6, way))
                hands.move(round(action.turn[0] * part), round(action.turn[1] * part))
    hands.give_back(options.hand_back)
    print(f"the player took over {taken} times", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--display", required=True)
    parser.add_argument("--seed", type=int, default=0, help="unused: it plays by what it sees alone")
    parser.add_argument("--hand-back", default="key:f10")
    parser.add_argument("--patience", type=float, default=2.5, help="seconds without a score until it takes over")
    parser.add_argument("--least", type=float, default=5.0, help="seconds that it plays at least")
    options = parser.parse_args()
    try:
        watch(options)
    except (OSError, mss.ScreenShotError) as error:
        sys.exit(f"the display {options.display} is gone: {error}")


if __name__ == "__main__":
    main()
