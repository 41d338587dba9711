"""A simple player for pygame-ce's `aliens` that sees only the screen and acts only by real key events.

    python scripts/bench/aliens_player.py --display :99

It keeps to the middle, steps out of the way of bombs as soon as they fall, and shoots when the last shot is on its
way.
"""

from __future__ import annotations

import argparse
import random
import signal
import time
from collections.abc import Sequence

import cv2
import mss
import numpy as np
import numpy.typing as npt
from Xlib import XK, X
from Xlib.display import Display
from Xlib.ext import xtest

Picture = npt.NDArray[np.uint8]
Box = tuple[int, int, int, int]
Bomb = tuple[int, int, int]
"""Left, right and bottom."""
WIDTH, GROUND, WALL = 640, 425, 50
MIDDLE, MIDDLE_HALF = 320, 100
SEEN_FROM, MARGIN = 130, 75  # a bomb counts from this height on, and is given so wide a berth, in pixels
LOW = 280  # from here on, there is no time to cross under a bomb
LOOK_EVERY_S = 1 / 20


def boxes(mask: npt.NDArray[np.uint8]) -> list[Box]:
    """Bounding boxes (x, y, width, height), in pixels of the screen, of what is in a mask of half its size."""
    closed = cv2.morphologyEx(mask, cv2.MORPH_CLOSE, np.ones((4, 4), np.uint8))
    _, _, stats, _ = cv2.connectedComponentsWithStats(closed)
    return [(2 * int(x), 2 * int(y), 2 * int(w), 2 * int(h)) for x, y, w, h, area in stats[1:] if area > 8]


class Eyes:
    """What is on one picture ``(480, 640, 3 or 4) uint8``, blue first; every other pixel is enough."""

    def __init__(self, picture: Picture) -> None:
        blue, green, red = (np.ascontiguousarray(picture[::2, ::2, i]) for i in range(3))
        bright = (red > 150) & (blue < 140) & (cv2.subtract(red, blue) > 60)  # bombs; explosions are far larger
        self.bombs = [
            (x, x + w, y + h)
            for x, y, w, h in boxes(bright.astype(np.uint8))
            if 8 < w < 34 and 14 < h < 60 and y + h > SEEN_FROM
        ]
        ground = (cv2.subtract(green, red) > 3).astype(np.uint8)
        ground[: GROUND // 2] = 0
        cars = [(x + w // 2) for x, _, w, _ in boxes(ground) if w > 50]
        self.car = cars[0] if cars else None


def decide(now: Eyes) -> set[str]:
    """The keys to hold: of Left, Right and space. No memory: what is right can be seen on the picture."""
    if now.car is None:
        return set()
    keys = set()
    there = safe_place(now.car, now.bombs)
    if there == now.car and abs(now.car - MIDDLE) > MIDDLE_HALF:
        home = now.car + (30 if now.car < MIDDLE else -30)
        if safe_place(home, now.bombs) == home:
            there = home
    if abs(there - now.car) > 4:
        keys.add("Right" if there > now.car else "Left")
    return keys


def answer(picture: Picture, step: int) -> set[str]:
    """What it would press in a step of an environment, as control names.

    Args:
        picture: ``(480, 640, 3) uint8`` RGB.
        step: of the episode; a shot needs a press of its own, so that it fires in every other one.
    """
    keys = {f"key:{name.lower()}" for name in decide(Eyes(picture[:, :, ::-1]))}
    return keys | {"key:space"} if step % 2 else keys


def safe_place(car: int, bombs: Sequence[Bomb]) -> int:
    """The nearest place that no bomb will come near, on this side of those too low to cross under."""
    blocked = np.zeros(WIDTH, bool)
    blocked[:WALL] = blocked[-WALL:] = True
    for left, right, _ in bombs:
        blocked[max(left - MARGIN, 0) : right + MARGIN] = True
    if not blocked[min(max(car, WALL), WIDTH - WALL - 1)]:
        return car
    for left, right, bottom in bombs:
        if bottom > LOW and left + right < 2 * car:
            blocked[:left] = True
        elif bottom > LOW:
            blocked[right:] = True
    free = np.flatnonzero(~blocked)
    return int(free[abs(free - car).argmin()]) if len(free) else car


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--display", required=True)
    parser.add_argument("--noise", type=float, default=0.0, help="deliberate mistakes a second")
    parser.add_argument("--seed", type=int, default=0, help="of the mistakes")
    options = parser.parse_args()
    display = Display(options.display)
    codes = {name: display.keysym_to_keycode(XK.string_to_keysym(name)) for name in ("Left", "Right", "space")}
    held: set[str] = set()
    looks, stop = 0, []
    mistakes, wrong_way, wrong_until = random.Random(options.seed), "Left", 0
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.append(True))
    with mss.MSS(display=options.display) as screen:
        due = time.monotonic()
        while not stop:
            now = Eyes(np.asarray(screen.grab({"left": 0, "top": 0, "width": WIDTH, "height": 480})))
            keys = decide(now)
            if mistakes.random() < options.noise * LOOK_EVERY_S:  # short: what is worth learning is how to mend it
                wrong_way, wrong_until = mistakes.choice(("Left", "Right")), looks + 5
            if now.car is not None and looks < wrong_until:
                keys = {wrong_way}
            if now.car is not None and looks % 4 < 2:  # a shot needs a press of its own
                keys.add("space")
            looks += 1
            time.sleep(LOOK_EVERY_S / 2)  # nobody reacts at once
            for name in held ^ keys:
                xtest.fake_input(display, X.KeyPress if name in keys else X.KeyRelease, codes[name])
            display.sync()
            held = keys
            due = max(due + LOOK_EVERY_S, time.monotonic())
            time.sleep(max(0.0, due - time.monotonic()))
    for name in held:
        xtest.fake_input(display, X.KeyRelease, codes[name])
    display.sync()


if __name__ == "__main__":
    main()
