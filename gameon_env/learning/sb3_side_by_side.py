"""Games side by side, each in a process of its own, whose errors reach the process that learns."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, SupportsFloat

import gymnasium as gym
import numpy as np

from gameon_env.errors import GameCrashError, GameOnError
from gameon_env.optional import require

require("stable_baselines3", "Training agents")
from stable_baselines3.common.vec_env import SubprocVecEnv  # noqa: E402
from stable_baselines3.common.vec_env.base_vec_env import VecEnvObs, VecEnvStepReturn  # noqa: E402

Env = gym.Env[Any, Any]

ERROR = "gameon_error"
"""The key of ``info`` under which a game's process hands its error over."""


class SideBySide(SubprocVecEnv):
    """Stable-Baselines3's games in processes, of which an error is the one that the game raised, not a lost pipe.

    Args:
        makers: each makes one environment.

    Raises:
        GameOnError: whatever one of the games raised in a step or reset; all others have made theirs.
        GameCrashError: a game's process ended.
    """

    def __init__(self, makers: Iterable[Callable[[], Env]]) -> None:
        self._cut_off = False
        with self._talking():
            super().__init__([TellsErrors.around(make) for make in makers], start_method="spawn")

    def step_async(self, actions: np.ndarray) -> None:
        with self._talking():
            super().step_async(actions)

    def step_wait(self) -> VecEnvStepReturn:
        with self._talking():
            made = super().step_wait()
        _raise_told(made[3])
        _raise_told(self.reset_infos)
        return made

    def reset(self) -> VecEnvObs:
        with self._talking():
            observations = super().reset()
        _raise_told(self.reset_infos)
        return observations

    def close(self) -> None:
        if not self._cut_off:
            super().close()
        elif not self.closed:  # nobody knows which answers are still to come: they end as their pipes do
            for remote in self.remotes:
                remote.close()
            for process in self.processes:
                process.join()
            self.closed = True

    @contextmanager
    def _talking(self) -> Iterator[None]:
        self._cut_off = True
        try:
            yield
        except (EOFError, ConnectionError) as error:
            raise GameCrashError(
                "the process of one of the games side by side ended; what it said last is above. A single game is "
                "played in this process: --envs 1"
            ) from error
        self._cut_off = False


class TellsErrors(gym.Wrapper[Any, Any, Any, Any]):
    """In a game's process: an error becomes an ``info`` that is handed over, since its pipe takes nothing else."""

    @classmethod
    def around(cls, make: Callable[[], Env]) -> Callable[[], Env]:
        """What makes such an environment."""
        return lambda: cls(make())

    def __init__(self, env: Env) -> None:
        super().__init__(env)
        self._seen: Any = np.zeros(env.observation_space.shape or (), env.observation_space.dtype)

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        try:
            self._seen, info = self.env.reset(seed=seed, options=options)
        except GameOnError as error:
            return self._seen, {ERROR: error}
        return self._seen, info

    def step(self, action: Any) -> tuple[Any, SupportsFloat, bool, bool, dict[str, Any]]:
        try:
            self._seen, reward, terminated, truncated, info = self.env.step(action)
        except GameOnError as error:
            return self._seen, 0.0, False, False, {ERROR: error}
        return self._seen, reward, terminated, truncated, info


def _raise_told(infos: Iterable[Mapping[str, Any] | None]) -> None:
    for info in infos:
        if info and ERROR in info:
            raise info[ERROR]
