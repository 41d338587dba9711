"""A Gymnasium environment with named controls whose right answer is known: the keys say where the dot is, the mouse
goes to it, the button answers the light."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np

from gameon_env.controls import Controls
from gameon_env.data_processing.trajectory import Episode, load_episodes
from wrappers import RecordEpisode

CONTROLS = ("key:a", "key:d", "mouse:left", "mouse:dx")
SIZE = 40
LENGTH = 25


class DotEnv(gym.Env[np.ndarray, np.ndarray]):
    """A step is rewarded by the share of the controls that are right."""

    def __init__(self, controls: tuple[str, ...] = CONTROLS) -> None:
        self.controls = Controls(controls, mouse_scale_px=50)
        self.action_space = self.controls.space
        self.observation_space = gym.spaces.Box(0, 255, (SIZE, SIZE, 3), np.uint8)
        self.recording_metadata = {"game": "dots", "fps": 15.0, "controls": list(controls), "mouse_scale_px": 50.0}

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[np.ndarray, dict]:
        super().reset(seed=seed)
        self._steps = 0
        return self._show(), {}

    def step(self, action: np.ndarray) -> tuple[np.ndarray, float, bool, bool, dict]:
        done = self.controls.clip(action)
        right, buttons = self.answer(), self.controls.is_button
        good = np.where(buttons, (done >= 0.5) == (right >= 0.5), np.abs(done - right) < 0.2)
        self._steps += 1
        return self._show(), float(good.mean()), self._steps == LENGTH, False, {"action": done}

    def answer(self) -> np.ndarray:
        """What a perfect player does now."""
        x = self._x
        return np.array([x < -0.3, x > 0.3, self._lit, 0.6 * x], np.float32)

    def _show(self) -> np.ndarray:
        self._x, self._lit = float(self.np_random.uniform(-1, 1)), bool(self.np_random.random() < 0.3)
        frame = np.full((SIZE, SIZE, 3), 30, np.uint8)
        column = int((self._x + 1) / 2 * (SIZE - 7))
        frame[15:22, column : column + 7] = (255, 255, 0)
        frame[:6, :6] = (255, 0, 0) if self._lit else (0, 0, 60)
        return frame


def record(folder: Path, episodes: int, seed: int = 0) -> list[Episode]:
    """Episodes of a perfect player."""
    env = RecordEpisode(DotEnv(), folder)
    for number in range(episodes):
        env.reset(seed=seed + number)
        over = False
        while not over:
            *_, over, _, _ = env.step(env.unwrapped.answer())  # type: ignore[attr-defined]
    env.close()
    return load_episodes(folder)
