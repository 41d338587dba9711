"""A simple player for pygame-ce's `aliens` that sees only the screen and acts only by real key events.

    python scripts/bench/aliens_player.py --display :99

It steps out of the way of bombs, drives to where a shot will meet the lowest alien, and shoots when the last shot is
on its way.
"""

from __future__ import annotations

import argparse
import signal
import time

import cv2
import mss
import numpy as np
import numpy.typing as npt
from Xlib import XK, X
from Xlib.display import Display
from Xlib.ext import xtest

Picture = npt.NDArray[np.uint8]
Box = tuple[int, int, int, int]
WIDTH, FLOOR = 640, 420
LOOK_EVERY_S = 1 / 20
ALIEN_SPEED, SHOT_SPEED = 13, 11  # px a game frame, as one sees when watching


def boxes(mask: npt.NDArray[np.bool_], close: int) -> list[Box]:
    """Bounding boxes (x, y, width, height) of what is in a mask."""
    closed = cv2.morphologyEx(mask.astype(np.uint8), cv2.MORPH_CLOSE, np.ones((close, close), np.uint8))
    _, _, stats, _ = cv2.connectedComponentsWithStats(closed)
    return [(int(x), int(y), int(w), int(h)) for x, y, w, h, area in stats[1:] if area > 30]


class Eyes:
    """What is on one picture ``(480, 640, 4) uint8 BGRX``."""

    def __init__(self, picture: Picture) -> None:
        blue, green, red = (picture[:, :, i].astype(np.int16) for i in range(3))
        sky = picture[:FLOOR, :, :3].max(axis=2) > 110
        self.aliens = [(x + w // 2, y + h // 2) for x, y, w, h in boxes(sky, 9) if w > 55 and 40 < h < 75]
        yellow = (red > 150) & (green > 150) & (blue < 140)
        self.bombs = [(x + w // 2, y + h) for x, y, w, h in boxes(yellow, 3) if 10 < w < 20 and h > 16]
        shot = (red > 100) & (green < 40) & (blue > 90) & (blue < 130)
        self.shots = [(x + w // 2, y) for x, y, w, h in boxes(shot, 5) if w < 14]
        ground = green > red + 3
        ground[:425] = False
        cars = [(x + w // 2) for x, _, w, _ in boxes(ground, 7) if w > 50]
        self.car = cars[0] if cars else None


def decide(now: Eyes, before: Eyes | None) -> set[str]:
    """The keys to hold: of Left, Right and space."""
    if now.car is None:
        return set()
    keys = set()
    target = meet(now, before)
    threats = [x for x, bottom in now.bombs if bottom > 230 and abs(x - now.car) < 70]
    if threats:
        nearest = min(threats, key=lambda x: abs(x - now.car))
        away = "Right" if nearest < now.car else "Left"
        if now.car < 70:
            away = "Right"
        elif now.car > WIDTH - 70:
            away = "Left"
        keys.add(away)
    elif target is not None and abs(target - now.car) > 20:
        way = 1 if target > now.car else -1
        if not any(bottom > 200 and 0 < (x - now.car) * way < 110 for x, bottom in now.bombs):
            keys.add("Right" if way > 0 else "Left")
    fresh = any(y > 300 for _, y in now.shots)
    if target is not None and abs(target - now.car) < 60 and not fresh:
        keys.add("space")
    return keys


def meet(now: Eyes, before: Eyes | None) -> int | None:
    """Where a shot fired now would meet the lowest alien."""
    if not now.aliens:
        return None
    x, y = max(now.aliens, key=lambda alien: alien[1])
    way = 0
    for old_x, old_y in before.aliens if before else []:
        if abs(old_y - y) < 6 and 0 < abs(x - old_x) < 90:
            way = 1 if x > old_x else -1
    ahead = x + way * ALIEN_SPEED * max(FLOOR - y, 0) / (SHOT_SPEED + 1)
    low, high = 40, WIDTH - 40
    if ahead < low:
        ahead = 2 * low - ahead
    if ahead > high:
        ahead = 2 * high - ahead
    return int(min(max(ahead, low), high))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--display", required=True)
    parser.add_argument("--seed", help="not used: it plays the same way each time")
    options = parser.parse_args()
    display = Display(options.display)
    codes = {name: display.keysym_to_keycode(XK.string_to_keysym(name)) for name in ("Left", "Right", "space")}
    held: set[str] = set()
    stop = []
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.append(True))
    before: Eyes | None = None
    with mss.MSS(display=options.display) as screen:
        due = time.monotonic()
        while not stop:
            now = Eyes(np.asarray(screen.grab({"left": 0, "top": 0, "width": WIDTH, "height": 480})))
            keys = decide(now, before)
            time.sleep(LOOK_EVERY_S / 2)  # nobody reacts at once
            for name in held ^ keys:
                xtest.fake_input(display, X.KeyPress if name in keys else X.KeyRelease, codes[name])
            display.sync()
            held, before = keys, now
            due = max(due + LOOK_EVERY_S, time.monotonic())
            time.sleep(max(0.0, due - time.monotonic()))
    for name in held:
        xtest.fake_input(display, X.KeyRelease, codes[name])
    display.sync()


if __name__ == "__main__":
    main()
