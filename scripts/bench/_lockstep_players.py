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
from typing import Protocol

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


PLAYERS: dict[str, Callable[[Controls, float, float, int], Player]] = {"rescue": RescuePlayer, "aliens": AliensPlayer}


def record_player(game: str, folder: Path, seeds: list[int], size: tuple[int, int], noise: float) -> list[float]:
    """Let the game's player play an episode for each seed, in lockstep, and record what it does.

    Args:
        game: a key of :data:`PLAYERS`.
        folder: where the trajectory files go.
        seeds: of the episodes.
        size: ``(height, width)`` of the recorded frames; the player sees the whole picture.
        noise: of the player.

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
            over, score = False, 0.0
            while not over:
                picture = made.render()
                assert isinstance(picture, np.ndarray)
                *_, terminated, truncated, info = env.step(player(picture))
                score = info["raw_score"] if math.isfinite(info["raw_score"]) else score
                over = terminated or truncated
            scores.append(float(score))
    finally:
        env.close()
    return scores
