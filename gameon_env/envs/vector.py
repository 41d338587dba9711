"""Many games at once as one Gymnasium vector environment: one process, a thread for each game."""

from __future__ import annotations

import os
import weakref
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import gymnasium
import numpy as np
import numpy.typing as npt
from gymnasium.vector import AutoresetMode, VectorEnv
from gymnasium.vector.utils import batch_space

from gameon_env.envs.desktop_env import DesktopEnv
from gameon_env.envs.vector_worker import Job, VectorWorker, do_all, finish_all, start_all
from gameon_env.errors import ProfileError

Observations = npt.NDArray[np.uint8]
Actions = npt.NDArray[np.float32]
Flags = npt.NDArray[np.bool_]
Infos = dict[str, Any]


class GameVectorEnv(VectorEnv[Observations, Actions, npt.NDArray[Any]]):
    """``num_envs`` games, each on a display of its own, stepped together.

    ``gym.make_vec("GameOn-Desktop-v0", num_envs=4, game="doom", time="lockstep")`` makes it. Observations are
    ``(num_envs, height, width, 3) uint8 RGB``, actions ``(num_envs, A) float32``. It does what Gymnasium's own vector
    environments do (``vectorization_mode="async"``), without their processes, pickling and second copy of a picture.

    Args:
        num_envs: how many.
        autoreset_mode: what happens after an episode's end, as in Gymnasium.
        copy: hand out a copy of the observations; without, they are valid until the next step.
        pinned: keep each game, with its display, to one processor core. Without it the system moves them about.
        options: of each :class:`~gameon_env.envs.desktop_env.DesktopEnv`.

    Raises:
        GameOnError: as a single environment.
    """

    def __init__(
        self,
        num_envs: int = 1,
        *,
        autoreset_mode: AutoresetMode | str = AutoresetMode.NEXT_STEP,
        copy: bool = True,
        pinned: bool = False,
        **options: Any,
    ) -> None:
        super().__init__()
        if num_envs < 1:
            raise ProfileError(f"num_envs must be 1 or more; it is {num_envs}")
        self.num_envs = num_envs
        self.copy = copy
        self.autoreset_mode = AutoresetMode(autoreset_mode)
        cores = sorted(os.sched_getaffinity(0)) if pinned and hasattr(os, "sched_getaffinity") else [None]
        make = partial(DesktopEnv, **options)
        self._workers = [VectorWorker(make, cores[i % len(cores)]) for i in range(num_envs)]
        # One that is dropped without close(): the threads end, and with them the last that holds the environments.
        weakref.finalize(self, _dismiss, self._workers)
        self._over = np.zeros(num_envs, np.bool_)
        self._stepping = False
        try:
            self.envs: list[DesktopEnv] = finish_all(self._workers)
        except BaseException:
            self._end_workers()
            raise
        first = self.envs[0]
        self.metadata = {**first.metadata, "autoreset_mode": self.autoreset_mode}
        self.render_mode = first.render_mode
        self.single_action_space, self.single_observation_space = first.action_space, first.observation_space
        self.action_space = batch_space(first.action_space, num_envs)
        self.observation_space = batch_space(first.observation_space, num_envs)
        self._observations = np.zeros((num_envs, *first.observation_size, 3), np.uint8)

    def reset(
        self, *, seed: int | Sequence[int | None] | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Observations, Infos]:
        """Begin an episode in each game, at the same time.

        Args:
            seed: of the first game, those of the others follow on it; or one for each.
            options: ``{"reset_mask": (num_envs,) bool}`` for some of them only.
        """
        seeds = self._seeds(seed)
        rest = dict(options or {})
        mask = np.asarray(rest.pop("reset_mask", np.ones(self.num_envs, np.bool_)))
        if mask.shape != (self.num_envs,) or mask.dtype != np.bool_ or not mask.any():
            raise ValueError(f"options['reset_mask'] must be ({self.num_envs},) bool with a True in it; it is {mask}")
        self._over[mask] = False
        self._stepping = False
        jobs = [_reset_job(seeds[i], rest or None) if mask[i] else None for i in range(self.num_envs)]
        infos: Infos = {}
        for i, result in enumerate(do_all(self._workers, jobs)):
            if result is not None:
                self._observations[i], info = result
                infos = self._add_info(infos, info, i)
        return self._seen(), infos

    def step(self, actions: Actions) -> tuple[Observations, npt.NDArray[np.float64], Flags, Flags, Infos]:
        """One step in each game, at the same time. A game whose episode is over begins the next one, as the mode says.

        Raises:
            ActionError: wrong shape, or NaN.
            GameOnError: what one of the games raised; the others have made their step.
        """
        self.step_async(actions)
        return self.step_wait()

    def step_async(self, actions: Actions) -> None:
        """Begin a step, whose results :meth:`step_wait` gives; meanwhile the games run.

        As in Gymnasium's ``AsyncVectorEnv``. Who plays two vector environments in turns, the games of one while it
        thinks about those of the other, leaves no core idle where the games of a step are not done at the same time.

        Raises:
            gymnasium.error.AlreadyPendingCallError: a step was begun already.
        """
        if self._stepping:
            raise gymnasium.error.AlreadyPendingCallError("a step was begun: call step_wait() first", "step")
        if len(actions) != self.num_envs:
            raise ValueError(f"there are {self.num_envs} games; {len(actions)} actions were given")
        if self.autoreset_mode == AutoresetMode.DISABLED and self._over.any():
            raise gymnasium.error.ResetNeeded(f"reset the games {np.flatnonzero(self._over).tolist()} first")
        begins_anew = self._over.copy()
        same_step = self.autoreset_mode == AutoresetMode.SAME_STEP
        jobs: list[Job | None] = [
            _begin if begins_anew[i] else partial(_step, action=action, same_step=same_step)
            for i, action in enumerate(actions)
        ]
        start_all(self._workers, jobs)
        self._stepping = True

    def step_wait(self) -> tuple[Observations, npt.NDArray[np.float64], Flags, Flags, Infos]:
        """The results of the step that :meth:`step_async` began, as :meth:`step` has them. Raises as that.

        Raises:
            gymnasium.error.NoAsyncCallError: no step was begun.
        """
        if not self._stepping:
            raise gymnasium.error.NoAsyncCallError("no step was begun: call step_async() first", "step")
        same_step = self.autoreset_mode == AutoresetMode.SAME_STEP
        rewards = np.zeros(self.num_envs, np.float64)
        terminations, truncations = np.zeros(self.num_envs, np.bool_), np.zeros(self.num_envs, np.bool_)
        infos: Infos = {}
        try:
            results = finish_all(self._workers)
        finally:
            self._stepping = False  # what Ctrl+C ended, nobody asks for
        for i, result in enumerate(results):
            self._observations[i], rewards[i], terminations[i], truncations[i], info = result
            infos = self._add_info(infos, info, i)
        self._over = (terminations | truncations) & (not same_step)
        return self._seen(), rewards, terminations, truncations, infos

    def render(self) -> tuple[Any, ...] | None:
        """The picture of each game, ``(H, W, 3) uint8 RGB``; None without ``render_mode``."""
        return self.call("render") if self.render_mode is not None else None

    def call(self, name: str, *args: Any, **kwargs: Any) -> tuple[Any, ...]:
        """Call a method of each environment, at the same time, or get an attribute of each.

        Raises:
            gymnasium.error.AlreadyPendingCallError: a step was begun and its results not asked for.
        """
        if self._stepping:
            raise gymnasium.error.AlreadyPendingCallError("a step was begun: call step_wait() first", "step")

        def job(env: DesktopEnv) -> Any:
            value = getattr(env, name)
            return value(*args, **kwargs) if callable(value) else value

        return tuple(do_all(self._workers, [job] * self.num_envs))

    def get_attr(self, name: str) -> tuple[Any, ...]:
        """An attribute of each environment."""
        return tuple(getattr(env, name) for env in self.envs)

    def set_attr(self, name: str, values: Any) -> None:
        """Set an attribute: to one value for all, or to a list or tuple with one for each."""
        each = values if isinstance(values, list | tuple) else [values] * self.num_envs
        for env, value in zip(self.envs, each, strict=True):
            setattr(env, name, value)

    def close_extras(self, **kwargs: Any) -> None:
        """End all games, displays and threads."""
        try:
            do_all(self._workers, [DesktopEnv.close] * self.num_envs)
        finally:
            self._end_workers()

    def _end_workers(self) -> None:
        for worker in self._workers:
            worker.close()

    def _seeds(self, seed: int | Sequence[int | None] | None) -> list[int | None]:
        if seed is None:
            return [None] * self.num_envs
        if isinstance(seed, int | np.integer):
            return [int(seed) + i for i in range(self.num_envs)]
        if len(seed) != self.num_envs:
            raise ValueError(f"there are {self.num_envs} games; {len(seed)} seeds were given")
        return list(seed)

    def _seen(self) -> Observations:
        return self._observations.copy() if self.copy else self._observations


def _dismiss(workers: Sequence[VectorWorker]) -> None:
    for worker in workers:
        worker.dismiss()


def _reset_job(seed: int | None, options: dict[str, Any] | None) -> Callable[[DesktopEnv], Any]:
    return lambda env: env.reset(seed=seed, options=options)


def _begin(env: DesktopEnv) -> tuple[Any, ...]:
    observation, info = env.reset()
    return observation, 0.0, False, False, info


def _step(env: DesktopEnv, action: npt.NDArray[np.float32], same_step: bool) -> tuple[Any, ...]:
    observation, reward, terminated, truncated, info = env.step(action)
    if same_step and (terminated or truncated):
        first, first_info = env.reset()
        return first, reward, terminated, truncated, {"final_obs": observation, "final_info": info, **first_info}
    return observation, reward, terminated, truncated, info
