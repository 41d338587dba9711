"""A small SDL game for tests: paints known colours and writes what it receives as JSON lines.

Usage: python sdl_probe.py LOG [--locked] [--size WIDTHxHEIGHT] [--title TITLE] [--at LEFT,TOP]

The left half is (200, 30, 60), the right half (20, 140, 220). With ``--locked`` the pointer is locked, as in a
first-person game, and motion is relative. Lines: ``{"what": "key_down", "key": "w"}``, ``key_up``, ``button_down``,
``button_up``, ``wheel`` (``y``), ``motion`` (``dx``, ``dy``, ``x``, ``y``), and ``ready`` first.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from pathlib import Path

LEFT_COLOUR = (200, 30, 60)
RIGHT_COLOUR = (20, 140, 220)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("log", type=Path)
    parser.add_argument("--locked", action="store_true")
    parser.add_argument("--size", default="320x240")
    parser.add_argument("--title", default="sdl probe")
    parser.add_argument("--at", default="0,0")
    arguments = parser.parse_args()
    os.environ["SDL_VIDEO_WINDOW_POS"] = arguments.at
    os.environ["SDL_MOUSE_FOCUS_CLICKTHROUGH"] = "1"  # SDL ignores clicks in the 10 ms after a window gets the focus
    os.environ["PYGAME_HIDE_SUPPORT_PROMPT"] = "1"
    import pygame

    pygame.display.init()
    width, height = map(int, arguments.size.split("x"))
    screen = pygame.display.set_mode((width, height))
    pygame.display.set_caption(arguments.title)
    if arguments.locked:
        pygame.mouse.set_visible(False)
        pygame.event.set_grab(True)
        pygame.mouse.set_relative_mode(True)
    with arguments.log.open("w", buffering=1) as log:

        def write(what: str, **values: object) -> None:
            log.write(json.dumps({"what": what, **values}) + "\n")

        frame = 0
        while True:
            screen.fill(LEFT_COLOUR, (0, 0, width // 2, height))
            screen.fill(RIGHT_COLOUR, (width // 2, 0, width - width // 2, height))
            pygame.display.flip()
            frame += 1
            if frame == 3:
                pygame.event.get()
                write("ready", driver=pygame.display.get_driver())
            for event in pygame.event.get() if frame > 3 else []:
                if event.type == pygame.QUIT:
                    sys.exit(0)
                elif event.type in (pygame.KEYDOWN, pygame.KEYUP):
                    write("key_down" if event.type == pygame.KEYDOWN else "key_up", key=pygame.key.name(event.key))
                elif event.type in (pygame.MOUSEBUTTONDOWN, pygame.MOUSEBUTTONUP):
                    what = "button_down" if event.type == pygame.MOUSEBUTTONDOWN else "button_up"
                    write(what, button=event.button)
                elif event.type == pygame.MOUSEWHEEL:
                    write("wheel", y=event.y)
                elif event.type == pygame.MOUSEMOTION:
                    write("motion", dx=event.rel[0], dy=event.rel[1], x=event.pos[0], y=event.pos[1])
            pygame.time.wait(2)


if __name__ == "__main__":
    main()
