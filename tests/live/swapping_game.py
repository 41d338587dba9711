"""An OpenGL game that waits for nothing but the screen: it shows pictures as fast as it is let, with other blue than
the one before, and says how many it has shown in each second of its time.

Usage: python swapping_game.py SECONDS
"""

from __future__ import annotations

import ctypes
import os
import sys
import time

os.environ["PYGAME_HIDE_SUPPORT_PROMPT"] = "1"
import pygame

COLOUR_BUFFER = 0x4000


def main() -> None:
    pygame.display.init()
    pygame.display.set_mode((320, 240), pygame.OPENGL | pygame.DOUBLEBUF)
    gl = ctypes.CDLL("libGL.so.1")
    start, shown, counts = time.monotonic(), 0, []
    while len(counts) < int(sys.argv[1]):
        gl.glClearColor(*(ctypes.c_float(value) for value in (0.5, 0.0, shown % 5 / 4, 1.0)))
        gl.glClear(COLOUR_BUFFER)
        pygame.display.flip()
        pygame.event.pump()
        shown += 1
        if time.monotonic() - start >= len(counts) + 1:
            counts.append(shown - sum(counts))
    print(*counts)


if __name__ == "__main__":
    main()
