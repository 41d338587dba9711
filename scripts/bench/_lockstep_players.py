"""The bench's players for games in lockstep: they see the picture that the environment renders, and give it vectors.

What they do about a picture is what ``demo_player.py`` and ``aliens_player.py`` do, which play by real events in real
time; a game in lockstep would not wait for another process.
"""

from __future__ import annotations

import math
import random
import sys
from collections.abc import Callable
from pathlib import Path
from typing import ClassVar, Protocol

import cv2
import gymnasium
import numpy as np
import numpy.typing as npt

SCRIPTS = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(SCRIPTS), str(SCRIPTS / "bench")]
import aliens_player  # noqa: E402
import demo_player  # noqa: E402

import gameon_env  # noqa: E402
from gameon_env.controls import Controls  # noqa: E402
from wrappers import RecordEpisode  # noqa: E402

Picture = npt.NDArray[np.uint8]
Vector = npt.NDArray[np.float32]
Cell = tuple[int, int]
COLOUR_TOLERANCE = 12


class Player(Protocol):
    """Decides by the picture alone."""

    def __call__(self, picture: Picture) -> Vector:
        """``(480, 640, 3) uint8 RGB`` to a vector of the game's controls."""


class RescuePlayer:
    """Args:
    noise: how many deliberate mistakes, 0 to 1.
    seed: of them.
    """

    def __init__(self, controls: Controls, fps: float, noise: float, seed: int) -> None:
        self._controls, self._fps = controls, fps
        self._mistakes = demo_player.Mistakes(noise, seed)
        self._steps = 0

    def __call__(self, picture: Picture) -> Vector:
        half = demo_player.VIEW
        top, left = demo_player.HUD_HEIGHT + (480 - demo_player.HUD_HEIGHT) // 2 - half, 320 - half
        view = cv2.cvtColor(picture[top : top + 2 * half + 1, left : left + 2 * half + 1], cv2.COLOR_RGB2BGRA)
        view[..., 3] = 0
        period = 1 / self._fps
        action = self._mistakes.add(demo_player.decide(view.astype(np.uint8)), self._steps * period, period)
        self._steps += 1
        part = 1 - (1 - demo_player.GAIN_AT_15_HZ) ** (15 * period)
        shorten = min(part, demo_player.MOST_AT_15_HZ * 15 * period / max(1e-6, math.hypot(*action.turn)))
        vector = self._controls.zeros()
        index = self._controls.index
        for key in action.keys:
            vector[index[f"key:{key}"]] = 1
        vector[index["mouse:left"]] = action.fire
        for name, way, slip in zip(("mouse:dx", "mouse:dy"), action.turn, action.slip, strict=True):
            vector[index[name]] = np.clip((round(way * shorten) + slip) / self._controls.mouse_scale_px, -1, 1)
        return vector


class AliensPlayer:
    """Args: as of :class:`RescuePlayer`; a mistake is a wrong way for a moment."""

    def __init__(self, controls: Controls, fps: float, noise: float, seed: int) -> None:
        self._controls, self._fps, self._noise = controls, fps, noise
        self._random, self._looks, self._wrong_until, self._wrong = random.Random(seed), 0, 0, "left"

    def __call__(self, picture: Picture) -> Vector:
        now = aliens_player.Eyes(cv2.cvtColor(picture, cv2.COLOR_RGB2BGRA).astype(np.uint8))
        keys = {key.lower() for key in aliens_player.decide(now)}
        if self._random.random() < self._noise / self._fps:
            self._wrong, self._wrong_until = self._random.choice(("left", "right")), self._looks + 5
        if now.car is not None and self._looks < self._wrong_until:
            keys = {self._wrong}
        if now.car is not None and self._looks % 4 < 2:
            keys.add("space")
        self._looks += 1
        vector = self._controls.zeros()
        for key in keys:
            vector[self._controls.index[f"key:{key}"]] = 1
        return vector


class SnakePlayer:
    """Goes to the apple, around the snake and never into a pocket that is smaller than it.

    Args: as of :class:`RescuePlayer`; a mistake is another way for two steps, though never a deadly one.
    """

    CELL, ROWS, COLUMNS, DISPLAY_ROWS = 12, 50, 40, 6
    HEAD, BODY, APPLE = (238, 238, 238), (112, 198, 169), (212, 24, 108)
    WAYS: ClassVar = {"up": (0, -1), "down": (0, 1), "left": (-1, 0), "right": (1, 0)}

    def __init__(self, controls: Controls, fps: float, noise: float, seed: int) -> None:
        self._controls, self._noise, self._random = controls, noise / fps, random.Random(seed)
        self._way, self._wrong, self._wrong_steps = "right", "", 0

    def __call__(self, picture: Picture) -> Vector:
        cells = picture[
            self.CELL // 2 : self.CELL * self.ROWS : self.CELL, self.CELL // 2 : self.CELL * self.COLUMNS : self.CELL
        ]
        found = {name: self._where(cells, colour) for name, colour in (("head", self.HEAD), ("apple", self.APPLE))}
        vector = self._controls.zeros()
        if not found["head"] or not found["apple"]:
            return vector
        head, apple = found["head"][0], found["apple"][0]
        body = set(self._where(cells, self.BODY))
        self._way = self._decide(head, apple, body)
        vector[self._controls.index[f"key:{self._way}"]] = 1
        return vector

    def _decide(self, head: Cell, apple: Cell, body: set[Cell]) -> str:
        dx, dy = self.WAYS[self._way]
        open_ways = {}
        for way, (x, y) in self.WAYS.items():
            cell = head[0] + x, head[1] + y
            if (x, y) != (-dx, -dy) and self._is_free(cell, body):
                open_ways[way] = cell
        if not open_ways:
            return self._way
        if self._random.random() < self._noise:
            self._wrong, self._wrong_steps = self._random.choice(list(open_ways)), 2
        if self._wrong_steps > 0 and self._wrong in open_ways:
            self._wrong_steps -= 1
            return self._wrong
        room = {way: self._room(cell, body, len(body) + 2) for way, cell in open_ways.items()}
        most = max(room.values())

        def cost(way: str) -> tuple[bool, bool, bool]:
            """First across, then up or down: what a picture alone shows, without the ways that were gone before."""
            (x, y), (ahead, below) = self.WAYS[way], (apple[0] - head[0], apple[1] - head[1])
            return room[way] < most, x * ahead <= 0, y * below <= 0

        return min(open_ways, key=cost)

    def _is_free(self, cell: Cell, body: set[Cell]) -> bool:
        return 0 <= cell[0] < self.COLUMNS and self.DISPLAY_ROWS <= cell[1] < self.ROWS and cell not in body

    def _room(self, start: Cell, body: set[Cell], enough: int) -> int:
        seen, edge = {start}, [start]
        while edge and len(seen) < enough:
            x, y = edge.pop()
            for dx, dy in self.WAYS.values():
                cell = x + dx, y + dy
                if cell not in seen and self._is_free(cell, body):
                    seen.add(cell)
                    edge.append(cell)
        return min(len(seen), enough)

    def _where(self, cells: Picture, colour: tuple[int, int, int]) -> list[Cell]:
        """Columns and rows of the cells of that colour."""
        near = np.abs(cells.astype(np.int16) - colour).max(-1) < COLOUR_TOLERANCE
        near[: self.DISPLAY_ROWS] = False
        return [(int(x), int(y)) for y, x in np.argwhere(near)]


PLAYERS: dict[str, Callable[[Controls, float, float, int], Player]] = {
    "rescue": RescuePlayer,
    "aliens": AliensPlayer,
    "pyxel_snake": SnakePlayer,
}


def record_player(
    game: str, folder: Path, seeds: list[int], size: tuple[int, int], noise: float, most_steps: int | None = None
) -> list[float]:
    """Let the game's player play an episode for each seed, in lockstep, and record what it does.

    Args:
        game: a key of :data:`PLAYERS`.
        folder: where the trajectory files go.
        seeds: of the episodes.
        size: ``(height, width)`` of the recorded frames; the player sees the whole picture.
        noise: of the player.
        most_steps: of an episode, which ends there: so that recordings show more of how games begin.

    Returns:
        the score of each episode.
    """
    made = gymnasium.make(
        gameon_env.ENV_ID, game=game, time="lockstep", observation_size=size, render_mode="rgb_array"
    )  # fmt: skip
    env = RecordEpisode(made, folder)
    desktop, scores = made.unwrapped, []
    try:
        for seed in seeds:
            player = PLAYERS[game](desktop.controls, desktop.fps, noise, seed)  # type: ignore[attr-defined]
            env.reset(seed=seed)
            over, score, steps = False, 0.0, 0
            while not over and steps != most_steps:
                picture = made.render()
                assert isinstance(picture, np.ndarray)
                *_, terminated, truncated, info = env.step(player(picture))
                score = info["raw_score"] if math.isfinite(info["raw_score"]) else score
                over, steps = terminated or truncated, steps + 1
            scores.append(float(score))
    finally:
        env.close()
    return scores
