"""A task that is learned in seconds: a dot's place decides keys and mouse motion, a second dot's colour the button."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from gameon_env.data_processing.trajectory import STEP_COLUMNS, Column, Episode, load_episodes, open_writer

CONTROLS = ("key:a", "key:d", "mouse:left", "mouse:dx", "mouse:dy")
SIZE = 32


def draw(x: float, y: float, lit: bool) -> np.ndarray:
    """A frame with the dot at ``(x, y)``, each in [-1, 1]."""
    frame = np.full((SIZE, SIZE, 3), 30, dtype=np.uint8)
    column, row = (int((value + 1) / 2 * (SIZE - 5)) for value in (x, y))
    frame[row : row + 5, column : column + 5] = (255, 255, 0)
    frame[:4, :4] = (255, 0, 0) if lit else (0, 0, 60)
    return frame


def answer(x: float, y: float, lit: bool) -> np.ndarray:
    """What the player does about it: keys hold the side, the mouse goes to the dot, the button answers the light."""
    return np.array([x < -0.3, x > 0.3, lit, 0.6 * x, 0.6 * y], dtype=np.float32)


def write_episodes(folder: Path, count: int, length: int, seed: int = 0, **metadata: object) -> list[Episode]:
    """Record ``count`` episodes of ``length`` steps into ``folder``."""
    rng = np.random.default_rng(seed)
    columns = [*STEP_COLUMNS, Column("video", "uint8", (SIZE, SIZE, 3))]
    columns += [Column("inputs", "float32", (len(CONTROLS),)), Column("presses", "uint8", (len(CONTROLS),))]
    writer = open_writer(folder, "dots", columns)
    for episode in range(count):
        about = {"game": "dots", "fps": 15.0, "controls": list(CONTROLS), "episode": episode, **metadata}
        writer.start_episode(about)
        for step in range(length + 1):
            x, y, lit = rng.uniform(-1, 1), rng.uniform(-1, 1), rng.random() < 0.1
            inputs = answer(x, y, lit) if step < length else np.zeros(len(CONTROLS), np.float32)
            writer.append(
                {
                    "video": draw(x, y, lit),
                    "inputs": inputs,
                    "presses": (inputs >= 0.5).astype(np.uint8),
                    "timestamps": np.int64(step * 66_666_667),
                    "rewards": np.float32(step < length),
                    "is_first": np.bool_(step == 0),
                    "is_last": np.bool_(step == length),
                    "is_terminal": np.bool_(step == length),
                    "is_valid": np.bool_(step < length),
                }
            )
        writer.end_episode({**about, "end_reason": "game_over"})
    writer.close()
    return load_episodes(folder)
