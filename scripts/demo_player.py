"""A player for the game `rescue` that sees only the screen and acts only by real key and mouse events.

    python scripts/demo_player.py --display :99 --seconds 60 --noise 0.1 --again

It remembers nothing: what it does follows from the current picture, in which it finds things by their colours.
So its play is easy to learn from. With ``--noise`` it makes short mistakes on purpose, to show how one recovers.
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
from Xlib.error import ConnectionClosedError, DisplayConnectionError
from Xlib.ext import xtest

Image = npt.NDArray[np.uint8]
Point = tuple[float, float]
Region = tuple[int, int, int, int]

# What the game draws, RGB. Everything that counts has a flat colour of its own.
HUD, END = (18, 20, 28), (84, 26, 130)
VICTIM, CROSSHAIR, LOCK, CHARGE = (0, 255, 255), (255, 255, 255), (255, 0, 255), (255, 150, 255)
ARROWS = ((150, 255, 0), (255, 150, 0))
HAZARDS = ((205, 30, 40), (153, 22, 30), (30, 80, 200), (255, 80, 0), (191, 60, 0))
HUD_HEIGHT = 48

VIEW = 160  # all that is decided by lies within this distance of the robot, in pixels
REST = 100  # where the crosshair waits, in the arrow's direction
GAIN_AT_15_HZ, MOST_AT_15_HZ = 0.4, 40.0  # the part of the way that the mouse makes in 1/15 s, and its limit

WAYS = {
    "d": (1, 0),
    "sd": (1, 1),
    "s": (0, 1),
    "as": (-1, 1),
    "a": (-1, 0),
    "aw": (-1, -1),
    "w": (0, -1),
    "dw": (1, -1),
}


def corridors() -> dict[str, Image]:
    """For each way to drive, a mask of the ground that the robot would come over."""
    y, x = np.mgrid[-VIEW : VIEW + 1, -VIEW : VIEW + 1]
    masks = {}
    for keys, (dx, dy) in WAYS.items():
        along, across = (x * dx + y * dy) / math.hypot(dx, dy), (x * dy - y * dx) / math.hypot(dx, dy)
        masks[keys] = ((along > 15) & (along < 115) & (abs(across) < 32)).astype(np.uint8)
    return masks


CORRIDORS = corridors()


def mask(picture: Image, *colours: tuple[int, int, int]) -> Image:
    """``(H, W) uint8``, 255 where a BGRX picture has exactly one of these colours."""
    found = np.zeros(picture.shape[:2], np.uint8)
    for red, green, blue in colours:
        found |= cv2.inRange(picture, (blue, green, red, 0), (blue, green, red, 255)).astype(np.uint8)
    return found


def middle(found: Image) -> Point | None:
    """The mean of a mask's pixels relative to the view's middle, or None where it has hardly any."""
    moments = cv2.moments(found, binaryImage=True)
    if moments["m00"] < 25:
        return None
    return moments["m10"] / moments["m00"] - VIEW, moments["m01"] / moments["m00"] - VIEW


@dataclass
class Action:
    """Keys to hold, whether to fire, the way that the crosshair still has to go, and a slip of the mouse, in pixels."""

    keys: set[str] = field(default_factory=set)
    fire: bool = False
    turn: Point = (0.0, 0.0)
    slip: tuple[int, int] = (0, 0)


def decide(view: Image) -> Action:
    """What to do about one picture ``(2 VIEW + 1, 2 VIEW + 1, 4) uint8 BGRX`` with the robot in its middle."""
    locked = mask(view, LOCK).any()
    crosshair = middle(mask(view, CROSSHAIR)) or (0.0, 0.0)
    arrow = middle(mask(view, *ARROWS))
    hazards = mask(view, *HAZARDS)
    closed = cv2.morphologyEx(mask(view, VICTIM), cv2.MORPH_CLOSE, np.ones((13, 13), np.uint8))
    _, _, boxes, _ = cv2.connectedComponentsWithStats(closed)
    victims = [(x + w / 2 - VIEW, y + h / 2 - VIEW) for x, y, w, h, area in boxes[1:] if area > 250]

    action = Action(fire=bool(locked))
    if mask(view, CHARGE).any():
        action.keys.add("r")
    elif arrow:
        action.keys.update(way(arrow, hazards))
    elif hazards[VIEW - 30 : VIEW + 31, VIEW - 30 : VIEW + 31].mean() > 90:
        action.keys.update(way((0.0, 0.0), hazards))
    aim = None
    if arrow:
        aim = (arrow[0] * REST / math.hypot(*arrow), arrow[1] * REST / math.hypot(*arrow))
    elif victims:
        aim = min(victims, key=lambda victim: math.hypot(*victim))
    if aim and not locked:
        action.turn = (aim[0] - crosshair[0], aim[1] - crosshair[1])
    return action


def way(goal: Point, hazards: Image) -> str:
    """The keys of the best of eight ways: towards the goal, and not through a hazard."""

    def worth(keys: str) -> float:
        dx, dy = WAYS[keys]
        towards = (dx * goal[0] + dy * goal[1]) / (math.hypot(dx, dy) * max(1.0, math.hypot(*goal)))
        return towards - 1.5 * cv2.mean(hazards, CORRIDORS[keys])[0] / 255

    return max(WAYS, key=worth)


class Hands:
    """Holds keys and the left button, and moves the mouse, by XTEST events; knows what it holds."""

    def __init__(self, display: str) -> None:
        self.display = Display(display)
        self.codes = {
            key: self.display.keysym_to_keycode(XK.string_to_keysym(key)) for key in ("w", "a", "s", "d", "r", "Return")
        }
        self.held: set[str] = set()

    def hold(self, wanted: set[str]) -> None:
        for key in self.held - wanted:
            self._send(key, down=False)
        for key in wanted - self.held:
            self._send(key, down=True)
        self.held = set(wanted)
        self.display.sync()

    def move(self, dx: int, dy: int) -> None:
        if dx or dy:
            xtest.fake_input(self.display, X.MotionNotify, detail=True, x=dx, y=dy)
            self.display.sync()

    def _send(self, key: str, down: bool) -> None:
        if key == "fire":
            xtest.fake_input(self.display, X.ButtonPress if down else X.ButtonRelease, 1)
        else:
            xtest.fake_input(self.display, X.KeyPress if down else X.KeyRelease, self.codes[key])


def find_window(picture: Image) -> Region | None:
    """Where the game is: its status strip and its frame have a colour of their own."""
    x, y, width, height = cv2.boundingRect(mask(picture, HUD))
    return (x, y, width, height) if width >= 640 and height >= 480 else None


class Mistakes:
    """Now and then the mouse slips, the robot drives the wrong way for a moment, or a shot comes too early.

    Each is short: what follows, and is worth learning, is how to put it right.
    """

    SLIP_EVERY_S, DRIVE_EVERY_S, DRIVE_FOR_S = 0.12, 0.4, 0.25  # with a share of 1; a tenth as often with 0.1

    def __init__(self, share: float, seed: int) -> None:
        self.share, self.random = share, random.Random(seed)
        self.until, self.keys = 0.0, ""

    def add(self, action: Action, now: float, period: float) -> Action:
        if self.random.random() < self.share * period / self.DRIVE_EVERY_S:
            self.until, self.keys = now + self.DRIVE_FOR_S, self.random.choice(list(WAYS))
        if now < self.until:
            action.keys = set(self.keys)
        if self.random.random() < self.share * period / self.SLIP_EVERY_S:
            action.slip = (round(self.random.gauss(0, 60)), round(self.random.gauss(0, 60)))
            action.fire = action.fire or self.random.random() < 0.15
        return action


def play(options: argparse.Namespace) -> None:
    """Play until the time is over, the games are played or a signal comes; then let everything go."""
    period, games, stop = 1 / options.hz, 0, []
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.append(True))
    hands, mistakes = Hands(options.display), Mistakes(options.noise, options.seed)
    part = 1 - (1 - GAIN_AT_15_HZ) ** (15 * period)
    most = MOST_AT_15_HZ * 15 * period
    started = due = time.monotonic()
    window: Region | None = options.region
    playing = False
    try:
        with mss.MSS(display=options.display) as screen:
            while not stop and games != options.games and time.monotonic() - started < options.seconds:
                window = window or find_window(np.asarray(screen.grab(screen.monitors[0])))
                action = Action()
                if window:
                    x, y, width, height = window
                    left, top = x + width // 2 - VIEW, y + HUD_HEIGHT + (height - HUD_HEIGHT) // 2 - VIEW
                    area = {"left": left, "top": top, "width": 2 * VIEW + 1, "height": 2 * VIEW + 1}
                    view = np.asarray(screen.grab(area))
                    if tuple(view[0, 0, 2::-1]) == END:
                        games, playing = games + playing, False
                        if options.again and games != options.games:
                            hands.hold({"Return"})
                            time.sleep(0.1)
                    elif mask(view, CROSSHAIR).any():
                        playing = True
                        action = mistakes.add(decide(view), time.monotonic(), period)
                time.sleep(period / 2)  # nobody reacts at once
                hands.hold(action.keys | ({"fire"} if action.fire else set()))
                shorten = min(part, most / max(1e-6, math.hypot(*action.turn)))
                dx, dy = (round(way * shorten) + slip for way, slip in zip(action.turn, action.slip, strict=True))
                hands.move(dx, dy)
                due = max(due + period, time.monotonic())
                time.sleep(max(0.0, due - time.monotonic()))
    finally:
        hands.hold(set())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--display", required=True, help="the X display of the game, such as :99")
    parser.add_argument("--region", type=lambda text: tuple(map(int, text.split(","))), help="x,y,w,h of the game")
    parser.add_argument("--seconds", type=float, default=math.inf, help="play for so long")
    parser.add_argument("--games", type=int, default=-1, help="stop after so many games")
    parser.add_argument("--again", action="store_true", help="press Enter for the next game")
    parser.add_argument("--noise", type=float, default=0.0, help="how many deliberate mistakes, 0 to 1")
    parser.add_argument("--seed", type=int, default=0, help="of the mistakes")
    parser.add_argument("--hz", type=float, default=15.0, help="looks a second")
    options = parser.parse_args()
    try:
        play(options)
    except (ConnectionClosedError, DisplayConnectionError, mss.ScreenShotError) as error:
        sys.exit(f"the display {options.display} is gone: {error}")


if __name__ == "__main__":
    main()
