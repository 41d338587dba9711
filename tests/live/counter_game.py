"""A game for tests and benches that paints the number of each frame, so that a recording's completeness can be judged.

Usage: python counter_game.py LOG [--fps 60] [--size WIDTHxHEIGHT] [--seconds S] [--gl] [--pieces N] [--beep]

Each frame shows, as black and white blocks along the top, its number and check bits (``scripts/bench/_counter.py``
reads them), below them how many presses and releases of keys the game has seen and which of some keys it sees held,
and under that a moving texture and gradients that cost a video encoder realistic bits. Frames are due by an absolute
schedule without vsync; one that is late by more than a period is shown late, never left out. With ``--pieces`` a
frame is put on the screen by several requests. At its end, on QUIT or TERM too, it writes LOG as JSON: ``shown``
(how many frames; the first has number 1), ``flips`` (perf_counter_ns after each flip), ``keys`` (how many), ``beeps``
(perf_counter_ns of each beep's start).
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

BLOCK = 16
BITS = 32
HELD = ("w", "a", "s", "d", "up", "down", "left", "right", "space", "left ctrl")


def block_bits(number: int) -> list[int]:
    """Black and white of the frame's blocks: white, black, 32 bits from the highest, then 8 bits of their check sum."""
    check = sum(number >> 8 * i & 255 for i in range(4)) * 37 % 256 ^ 0xA5
    bits = [number >> i & 1 for i in reversed(range(BITS))]
    return [1, 0, *bits, *(check >> i & 1 for i in reversed(range(8)))]


class Picture:
    """The moving part: a soft texture that pans, with a gradient over it."""

    def __init__(self, pygame: Any, width: int, height: int) -> None:
        rng = np.random.default_rng(1)
        coarse = rng.integers(0, 256, (width // 16 + 2, height // 16 + 2, 3)).astype(np.float32)
        smooth = np.kron(coarse, np.ones((16, 16, 1), np.float32))[:width, :height]
        fine = rng.normal(0, 3, (width, height, 3)).astype(np.float32)
        fine = (fine + np.roll(fine, 1, 0) + np.roll(fine, 1, 1)) / 2
        pixels = np.clip(smooth * 0.5 + 60 + fine, 0, 255).astype(np.uint8)
        self._texture = pygame.surfarray.make_surface(pixels).convert()
        self._sprite = pygame.Surface((120, 120))
        self._sprite.blit(pygame.surfarray.make_surface(255 - pixels[:120, :120]), (0, 0))
        self._width, self._height = width, height
        self._pygame = pygame

    def draw(self, screen: Any, number: int) -> None:
        x, y = number * 2 % self._width, number % self._height
        for left in (-x, self._width - x):
            for top in (-y, self._height - y):
                screen.blit(self._texture, (left, top))
        for i in range(4):
            x, y = number * (5 + i) + 300 * i, number * (2 + i) + 150 * i
            screen.blit(self._sprite, (x % (self._width - 120), y % (self._height - 120)))


def draw_bits(pygame: Any, screen: Any, bits: list[int], row: int) -> None:
    for i, bit in enumerate(bits):
        screen.fill((255, 255, 255) if bit else (0, 0, 0), (i * BLOCK, row * BLOCK, BLOCK, BLOCK))


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("log", type=Path)
    parser.add_argument("--fps", type=float, default=60)
    parser.add_argument("--size", default="1280x720")
    parser.add_argument("--seconds", type=float, default=float("inf"))
    parser.add_argument("--pieces", type=int, default=1, help="put each frame on the screen in so many requests")
    parser.add_argument("--pace-ms", type=float, default=0.0, help="a pause after each of the pieces")
    how = parser.add_mutually_exclusive_group()
    how.add_argument("--software", action="store_true", help="the default: XShmPutImage")
    how.add_argument("--gl", action="store_true", help="an OpenGL context, by SDL's renderer")
    parser.add_argument("--beep", action="store_true", help="a short beep and a white flash each second")
    arguments = parser.parse_args()
    os.environ["PYGAME_HIDE_SUPPORT_PROMPT"] = "1"
    os.environ.setdefault("SDL_VIDEO_WINDOW_POS", "0,0")
    if arguments.gl:
        os.environ.update(SDL_RENDER_DRIVER="opengl", SDL_FRAMEBUFFER_ACCELERATION="opengl")
    else:
        os.environ.update(SDL_RENDER_DRIVER="software", SDL_FRAMEBUFFER_ACCELERATION="0")
    import pygame

    for end in (signal.SIGTERM, signal.SIGINT):
        signal.signal(end, lambda *_: pygame.event.post(pygame.event.Event(pygame.QUIT)))
    pygame.display.init()
    width, height = map(int, arguments.size.split("x"))
    screen = pygame.display.set_mode((width, height), pygame.SCALED if arguments.gl else 0)
    pygame.display.set_caption("counter game")
    if arguments.gl and pygame.display.get_driver() == "dummy":
        sys.exit("no display")
    beep = None
    if arguments.beep:
        pygame.mixer.init(48000, -16, 2, 256)
        wave = np.sin(np.arange(4800) * 2 * np.pi * 1000 / 48000) * 20000
        beep = pygame.sndarray.make_sound(np.repeat(wave.astype(np.int16)[:, None], 2, 1))
    picture = Picture(pygame, width, height)
    flips: list[int] = []
    beeps: list[int] = []
    keys, held = 0, set()
    start = time.perf_counter()
    number, running = 0, True
    while running:
        for event in pygame.event.get():
            if event.type == pygame.QUIT:
                running = False
            elif event.type in (pygame.KEYDOWN, pygame.KEYUP):
                keys += 1
                (held.add if event.type == pygame.KEYDOWN else held.discard)(pygame.key.name(event.key))
        due = start + number / arguments.fps
        if due - start > arguments.seconds or not running:
            break
        wait = due - time.perf_counter()
        if wait > 0:
            time.sleep(wait)
        number += 1
        picture.draw(screen, number)
        draw_bits(pygame, screen, block_bits(number), 0)
        draw_bits(pygame, screen, block_bits(keys), 1)
        draw_bits(pygame, screen, [int(name in held) for name in HELD], 2)
        if beep is not None and number % round(arguments.fps) == 0:
            screen.fill((255, 255, 255), (0, 3 * BLOCK, 200, 100))
            beeps.append(time.perf_counter_ns())
            beep.play()
        if arguments.pieces == 1:
            pygame.display.flip()
        else:
            step = -(-height // arguments.pieces)
            for top in range(0, height, step):
                pygame.display.update(pygame.Rect(0, top, width, min(step, height - top)))
                if arguments.pace_ms:
                    time.sleep(arguments.pace_ms * 1e-3)
        flips.append(time.perf_counter_ns())
    time.sleep(0.1)  # the last frame is there to be seen
    arguments.log.write_text(json.dumps({"shown": len(flips), "keys": keys, "flips": flips, "beeps": beeps}))


if __name__ == "__main__":
    main()
