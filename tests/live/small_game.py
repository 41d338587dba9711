"""A small game for tests: a red box moves with the arrow keys, space scores; what it receives goes to stdout.

It can be told to end, crash, or close its window by itself.
"""

from __future__ import annotations

import argparse
import os
import sys
import time

os.environ.setdefault("PYGAME_HIDE_SUPPORT_PROMPT", "1")

import pygame


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--size", default="320x240")
    parser.add_argument("--exit-after", type=float)
    parser.add_argument("--crash-after", type=float)
    parser.add_argument("--close-after", type=float)
    parser.add_argument("--anew-after", type=float, help="open the window anew")
    parser.add_argument("--at-once", action="store_true", help="the new one before the old one is closed")
    parser.add_argument("--menu", action="store_true")
    options = parser.parse_args()
    if options.crash_after == 0:
        sys.exit("it crashed at once")
    width, height = (int(side) for side in options.size.split("x"))
    pygame.display.init()
    window = pygame.display.set_mode((width, height))
    pygame.display.set_caption("Small game")
    start_button = pygame.Rect(width - 30, height - 30, 20, 20)
    box = pygame.Rect(width // 2, height // 2, 24, 24)
    score, menu = 0, options.menu
    start = time.monotonic()
    while True:
        for event in pygame.event.get():
            if event.type in (pygame.KEYDOWN, pygame.KEYUP):
                kind = "down" if event.type == pygame.KEYDOWN else "up"
                print(f"{kind} {pygame.key.name(event.key)}", flush=True)
                if kind == "down" and event.key == pygame.K_SPACE:
                    score += 1
                if kind == "down" and event.key == pygame.K_RETURN:
                    score, menu = 0, False
                if kind == "down" and event.key == pygame.K_ESCAPE:
                    menu = True
            if event.type == pygame.MOUSEBUTTONDOWN and start_button.collidepoint(event.pos):
                score, menu = 0, False
        held = pygame.key.get_pressed()
        box.x += 4 * (held[pygame.K_RIGHT] - held[pygame.K_LEFT])
        box.clamp_ip(window.get_rect())
        window.fill((0, 0, 120) if menu else (0, 60, 0))
        pygame.draw.rect(window, (200, 30, 30), box)
        pygame.draw.rect(window, (240, 240, 240), (0, 0, min(score, 40) * width // 40, 8))
        pygame.display.flip()
        age = time.monotonic() - start
        if options.exit_after and age > options.exit_after:
            return
        if options.crash_after and age > options.crash_after:
            print("a terrible thing happened", flush=True)
            os._exit(3)
        if options.anew_after and age > options.anew_after:
            options.anew_after = None
            if options.at_once:
                pygame.display.toggle_fullscreen()  # SDL opens another window where there is no window manager
            else:
                pygame.display.quit()
                pygame.display.init()
                window = pygame.display.set_mode((width, height))
                pygame.display.set_caption("Small game")
        if options.close_after and age > options.close_after:
            pygame.display.quit()
            time.sleep(30)
        time.sleep(0.01)


main()
