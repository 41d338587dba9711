"""A player that is asked at every step, in lockstep: its answers are recorded while some of its steps are disturbed.

Recording takes as long as the game needs to compute, not as long as it takes to play, and the disturbance leads to
where a clone will get by its own mistakes, with the player's answer to it (DART: Laskey et al. 2017, arXiv:1703.09327).
"""

from __future__ import annotations

import importlib.util
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
import numpy.typing as npt

Answer = Callable[[npt.NDArray[np.uint8], int], set[str]]
"""From the picture ``(H, W, 3) uint8 RGB`` and the number of the step to the controls that it would hold."""


class TaughtPlay(gymnasium.Wrapper[Any, Any, Any, Any]):
    """Plays as a player would, but for short disturbances; ``info["action"]`` is always the player's own answer.

    Args:
        env: a game with named controls, in lockstep, that renders.
        answer: the player.
        disturbed: the controls of which one, or none, is held during a disturbance; all others stay the player's.
        per_second: disturbances, of game time.
        seed: of the disturbances.
    """

    def __init__(
        self, env: gymnasium.Env[Any, Any], answer: Answer, disturbed: tuple[str, ...], per_second: float, seed: int
    ) -> None:
        super().__init__(env)
        base: Any = env.unwrapped
        self._answer, self._controls, self._fps = answer, base.controls, base.fps
        self._disturbed = [self._controls.index[name] for name in disturbed]
        self._per_second, self._rng = per_second, random.Random(seed)
        self._steps, self._left, self._held = 0, 0, -1

    def reset(self, **options: Any) -> tuple[Any, dict[str, Any]]:
        self._steps = self._left = 0
        return self.env.reset(**options)

    def step(self, action: Any = None) -> tuple[Any, Any, bool, bool, dict[str, Any]]:
        held = self._answer(np.asarray(self.env.render()), self._steps)
        own = np.array([float(name in held) for name in self._controls.names], np.float32)
        done = own.copy()
        if self._left == 0 and self._rng.random() < self._per_second / self._fps:
            self._left = round(self._rng.uniform(0.15, 0.5) * self._fps)
            self._held = self._rng.choice([-1, *self._disturbed])
        if self._left:
            self._left -= 1
            done[self._disturbed] = 0.0
            if self._held >= 0:
                done[self._held] = 1.0
        self._steps += 1
        observation, reward, terminated, truncated, info = self.env.step(done)
        info["action"] = own
        info["presses"] = (own * info["presses"]).astype(np.uint8)
        return observation, reward, terminated, truncated, info


def load_answer(script: Path) -> Answer:
    """The ``answer`` function of a player's script."""
    spec = importlib.util.spec_from_file_location(script.stem, script)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    answer: Answer = module.answer
    return answer
