"""A player for the browser game that sees only the screen and acts only by real key and mouse events.

    python scripts/bench/reacture_player.py --display :99

It holds x-ray, which shows people through walls, turns until somebody is in sight, drives to the nearest, and clicks
when the crosshair says that they are in reach. What it does follows from the current picture, but for how it gets
round what it is stuck at. With ``--noise`` it makes short mistakes on purpose, to show how one recovers.
"""

from __future__ import annotations

import argparse
import math
import random
import signal
import sys
import time
from dataclasses import dataclass, field

import cv2
import mss
import numpy as np
import numpy.typing as npt
from Xlib import XK, X
from Xlib.display import Display
from Xlib.error import ConnectionClosedError
from Xlib.ext import xtest

Picture = npt.NDArray[np.uint8]

SIZE = 512
MIDDLE = SIZE / 2
FOCAL_PX = MIDDLE / math.tan(math.radians(36))  # the game's upright angle of view is 72 degrees
COUNTS_PER_RADIAN = 1 / 0.0022
MOST_COUNTS = 75  # in one event: Chromium cuts more of a locked pointer's motion
HUD_BOTTOM = 145

# What the game draws, as the lowest and highest B, G, R: people seen by x-ray, the shafts of light over them, the
# crosshair on one in reach, on rubble, the marker over one in plain sight, the button of the screens between games.
GHOST = ((195, 170, 55), (255, 245, 140))
SHAFT = ((130, 0, 140), (255, 110, 255))
IN_REACH = ((75, 215, 45), (105, 245, 75))
ON_RUBBLE = ((0, 160, 235), (20, 190, 255))
MARKERS = (IN_REACH, ((60, 205, 240), (90, 230, 255)), ((35, 50, 240), (70, 80, 255)))
BUTTON = ((0, 170, 250), (6, 182, 255))

LOOK_EVERY_S = 0.1
SAME = 1.2
"""Two looks differ by less than so many levels where the robot did not get on."""

SEARCH_COUNTS = 60.0
NEAR_SHAFT, FAR_SIZE, FAR_WIDTH = 12.0, 6.0, 12
BEHIND_WALL = 40.0
"""Somebody so large, in pixels, over whom no marker is seen is behind a wall: the player leaves them."""


def mask(picture: Picture, *colours: tuple[tuple[int, int, int], tuple[int, int, int]]) -> Picture:
    """``(H, W) uint8``: 255 where a picture ``(H, W, 3) uint8 BGR`` has one of the colours."""
    found = np.zeros(picture.shape[:2], np.uint8)
    for low, high in colours:
        found |= cv2.inRange(picture, np.array(low), np.array(high)).astype(np.uint8)
    return found


@dataclass(frozen=True)
class Person:
    """Somebody on the screen: where, relative to its middle, and how large, in pixels; in plain sight or not."""

    x: float
    y: float
    size: float
    plain: bool

    @property
    def worth(self) -> float:
        """The near ones first, those in plain sight, and those ahead."""
        return self.size * (2.5 if self.plain else 1.0) / (1 + abs(self.x) / 200)


@dataclass
class Action:
    """What to hold, whether to click, and how far to turn, in mouse counts."""

    keys: set[str] = field(default_factory=set)
    click: bool = False
    turn: tuple[float, float] = (0.0, 0.0)


class Eyes:
    """What is on one picture of the game, ``(512, 512, 3) uint8 BGR``."""

    def __init__(self, picture: Picture) -> None:
        lower = picture[HUD_BOTTOM:]
        self.people = find_people(lower)
        centre = picture[238:274, 238:274]
        self.in_reach = int(np.count_nonzero(mask(centre, IN_REACH))) > 60
        self.on_rubble = int(np.count_nonzero(mask(centre, ON_RUBBLE))) > 30
        self.between_games = int(np.count_nonzero(mask(picture[150:450], BUTTON))) > 2500
        self.small = cv2.resize(lower, (64, 46), interpolation=cv2.INTER_AREA).astype(np.int16)


def find_people(lower: Picture) -> list[Person]:
    """Everybody in the picture below the display."""
    ghosts = cv2.morphologyEx(mask(lower, GHOST), cv2.MORPH_CLOSE, np.ones((5, 5), np.uint8))
    markers = mask(lower, *MARKERS)
    _, _, boxes, _ = cv2.connectedComponentsWithStats(ghosts)
    people = []
    for x, y, width, height, area in boxes[1:]:
        if area < 6:
            continue
        size = float(max(width, height))
        above = markers[max(0, int(y - size)) : y + height, max(0, x - 6) : x + width + 6]
        middle = (x + width / 2 - MIDDLE, y + HUD_BOTTOM + height / 2 - MIDDLE)
        plain = bool(above.any())
        if plain or size < BEHIND_WALL:
            people.append(Person(*middle, size, plain))
    _, _, boxes, _ = cv2.connectedComponentsWithStats(mask(lower, SHAFT))
    for left, top, width, height, _ in boxes[1:]:
        across = left + width / 2 - MIDDLE
        if 2 < width < FAR_WIDTH and height > 2 * width and all(abs(one.x - across) > NEAR_SHAFT for one in people):
            people.append(Person(across, top + height + HUD_BOTTOM - MIDDLE, FAR_SIZE, False))
    return people


def decide(seen: Eyes) -> Action:
    """What to do about one picture."""
    action = Action(keys={"e"})
    if seen.in_reach:
        action.click = True
        return action
    if not seen.people:
        action.turn = (SEARCH_COUNTS, 0.0)
        return action
    target = max(seen.people, key=lambda person: person.worth)
    across = math.atan2(target.x, FOCAL_PX) * COUNTS_PER_RADIAN
    along = math.atan2(target.y, FOCAL_PX) * COUNTS_PER_RADIAN
    action.turn = (0.4 * across, 0.3 * along)
    if abs(target.x) < 150:
        action.keys.add("w")
    action.click = seen.on_rubble and abs(target.x) < 80
    return action


class Mind:
    """What the player remembers: how far down it looks, and what the robot is stuck at."""

    def __init__(self, chance: random.Random) -> None:
        self.random = chance
        self.last: npt.NDArray[np.int16] | None = None
        self.stuck = self.tries = 0
        self.down = 0.0  # counts by which it looks below the horizon
        self.plan: list[tuple[set[str], float, bool]] = []

    def answer(self, seen: Eyes) -> Action:
        """What to do, and the escape from where the robot is stuck."""
        change = 255.0 if self.last is None else float(np.abs(seen.small - self.last).mean())
        self.last = seen.small
        if seen.in_reach:
            self.plan, self.stuck, self.tries = [], 0, 0
        elif self.plan:
            keys, turn, click = self.plan.pop(0)
            return Action(keys | {"e"}, click, (turn, 0.0))
        action = decide(seen)
        if not seen.people:
            action.turn = (SEARCH_COUNTS, -0.3 * self.down)
        if change == 0.0:  # nothing new was seen: a turn on the same picture would be a turn too much
            action.turn = (0.0, 0.0)
        self.down += action.turn[1]
        self.stuck = self.stuck + 1 if change < SAME and "w" in action.keys else max(0, self.stuck - 1)
        if self.stuck >= 6:
            self.stuck, self.tries = 0, self.tries + 1
            self.plan = self._way_out()
        return action

    def _way_out(self) -> list[tuple[set[str], float, bool]]:
        """Clear what lies in the way, then jump, then go round it, then leave it for another place."""
        match self.tries % 4:
            case 1:
                return [({"w"}, 0.0, True)] * 10
            case 2:
                return [({"w", "space"}, 0.0, False)] * 8
        side, turn = self.random.choice((("a", -1), ("d", 1)))
        if self.tries % 4 == 3:
            return [({"s", side}, 0.0, False)] * 4 + [({side}, 0.0, False)] * 8 + [({"w", side}, 0.0, False)] * 6
        return [({"s"}, 0.0, False)] * 5 + [(set(), turn * 75.0, False)] * 8 + [({"w"}, 0.0, False)] * 15


class Mistakes:
    """Now and then the mouse slips, or the robot drives the wrong way for a moment."""

    def __init__(self, share: float, chance: random.Random) -> None:
        self.share, self.random = share, chance
        self.left, self.keys = 0, set[str]()

    def add(self, action: Action) -> Action:
        if self.random.random() < self.share:
            turn = (self.random.gauss(0, 60), self.random.gauss(0, 25))
            action.turn = (action.turn[0] + turn[0], action.turn[1] + turn[1])
        if self.random.random() < self.share / 3:
            self.left, self.keys = 3, {self.random.choice("wasd")}
        if self.left:
            self.left -= 1
            action.keys = self.keys | {"e"}
        return action


class Hands:
    """Holds keys and the left button, and moves the mouse, by XTEST events; knows what it holds."""

    def __init__(self, display: str) -> None:
        self.display = Display(display)
        names = {"w": "w", "a": "a", "s": "s", "d": "d", "e": "e", "space": "space"}
        self.codes = {key: self.display.keysym_to_keycode(XK.string_to_keysym(name)) for key, name in names.items()}
        self.held: set[str] = set()

    def hold(self, wanted: set[str]) -> None:
        for key in self.held ^ wanted:
            down = key in wanted
            if key == "click":
                xtest.fake_input(self.display, X.ButtonPress if down else X.ButtonRelease, 1)
            else:
                xtest.fake_input(self.display, X.KeyPress if down else X.KeyRelease, self.codes[key])
        self.held = set(wanted)
        self.display.sync()

    def move(self, dx: int, dy: int) -> None:
        if dx or dy:
            xtest.fake_input(self.display, X.MotionNotify, detail=True, x=dx, y=dy)
            self.display.sync()


def limited(counts: float) -> int:
    return round(max(-MOST_COUNTS, min(MOST_COUNTS, counts)))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--display", required=True, help="the X display of the game, such as :99")
    parser.add_argument("--noise", type=float, default=0.0, help="deliberate mistakes a look")
    parser.add_argument("--seed", type=int, default=0, help="of the mistakes, and of the ways round")
    parser.add_argument("--seconds", type=float, default=math.inf, help="play for so long")
    options = parser.parse_args()
    hands, chance = Hands(options.display), random.Random(options.seed)
    mind, mistakes = Mind(chance), Mistakes(options.noise, chance)
    stop: list[bool] = []
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.append(True))
    started = due = time.monotonic()
    clicked = False
    try:
        with mss.MSS(display=options.display) as screen:
            while not stop and time.monotonic() - started < options.seconds:
                area = {"left": 0, "top": 0, "width": SIZE, "height": SIZE}
                seen = Eyes(np.ascontiguousarray(np.asarray(screen.grab(area))[:, :, :3]))
                action = Action()
                if not seen.between_games:
                    action = mistakes.add(mind.answer(seen))
                time.sleep(LOOK_EVERY_S / 4)  # nobody reacts at once
                clicked = action.click and not clicked  # a rescue needs a press of its own
                hands.hold(action.keys | ({"click"} if clicked else set()))
                hands.move(limited(action.turn[0]), limited(action.turn[1]))
                due = max(due + LOOK_EVERY_S, time.monotonic())
                time.sleep(max(0.0, due - time.monotonic()))
        hands.hold(set())
    except (ConnectionClosedError, mss.ScreenShotError, AssertionError) as error:
        sys.exit(f"the display {options.display} is gone: {error}")


if __name__ == "__main__":
    main()
