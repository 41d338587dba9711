"""A live game as an algorithm of Stable-Baselines3 needs it."""

from __future__ import annotations

import multiprocessing
import signal
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, SupportsFloat

import gymnasium as gym

from gameon_env import ENV_ID
from gameon_env.errors import ObservationError, ProfileError, UnknownNameError, suggest
from gameon_env.optional import require
from wrappers.axis_bins import AxisBins
from wrappers.discrete_actions import DiscreteActions
from wrappers.multi_discrete_actions import MultiDiscreteActions
from wrappers.stack_frames import StackFrames
from wrappers.symmetric_actions import SymmetricActions

require("stable_baselines3", "Training agents")
from stable_baselines3.common.monitor import Monitor  # noqa: E402
from stable_baselines3.common.vec_env import DummyVecEnv, VecEnv, VecTransposeImage  # noqa: E402

from gameon_env.learning.sb3_side_by_side import SideBySide  # noqa: E402

Env = gym.Env[Any, Any]
Actions = str | Mapping[str, Any] | Sequence[Any] | Callable[[Env], Env] | None

MIN_SIDE = 36
"""Pixels that Stable-Baselines3's own network for pictures needs each way."""

ALGORITHMS: dict[str, str] = {
    "ppo": "multi_discrete",
    "a2c": "multi_discrete",
    "recurrent_ppo": "multi_discrete",
    "sac": "box",
    "dqn": "discrete",
}
"""The algorithms by name, and the actions that each is best given."""

_POSSIBLE = {"sac": ("box",), "dqn": ("discrete",)}


def make_sb3_env(
    game: str | Path | Callable[[], Env] = "rescue",
    algorithm: str = "ppo",
    *,
    actions: Actions = None,
    mouse_bins: AxisBins = 21,
    exclusive: Sequence[Sequence[str]] | None = (),
    stack: int = 1,
    envs: int = 1,
    observation_size: tuple[int, int] = (64, 64),
    reward_scale: float = 1.0,
    **env_options: Any,
) -> VecEnv:
    """A game as an algorithm needs it: fitting actions, stacked frames with the channels first, episodes counted.

    Args:
        game: a profile's name or file; or what makes an environment with named controls.
        algorithm: a key of :data:`ALGORITHMS`.
        actions: ``multi_discrete``, ``discrete`` (the profile's combinations) or ``box``; combinations for
            :class:`~wrappers.discrete_actions.DiscreteActions`; a function that wraps the environment; without it,
            what is best for the algorithm.
        mouse_bins: values of each axis with ``multi_discrete``; 21 are a cloned policy's.
        exclusive: groups of keys that are one choice with ``multi_discrete``, see
            :class:`~wrappers.multi_discrete_actions.MultiDiscreteActions`; None: the opposite ones. Without groups,
            policies can be carried over from cloned ones and exported exactly.
        stack: frames seen at once.
        envs: games side by side, each in a process of its own where there are several.
        observation_size: ``(height, width)``, at least 36 each.
        reward_scale: rewards, those of recordings too, are multiplied by it for the agent; the counted episodes tell
            them as they are.
        env_options: of the environment: ``display``, ``fps``, ``time`` ...

    Raises:
        UnknownNameError: no such algorithm or kind of actions.
        ActionError: the algorithm cannot have these actions, or the game has no combinations.
        ObservationError: the frames are too small.
    """
    check_algorithm(algorithm)
    kind = ALGORITHMS[algorithm] if actions is None else actions
    if isinstance(kind, str) and kind not in ("multi_discrete", "discrete", "box"):
        raise UnknownNameError(
            f"actions must be multi_discrete, discrete, box, combinations or a function; they are {kind!r}."
            f"{suggest(kind, ['multi_discrete', 'discrete', 'box'])}"
        )
    allowed = _POSSIBLE.get(algorithm)
    if allowed and isinstance(kind, str) and kind not in allowed:
        raise UnknownNameError(f"{algorithm} can only have actions={allowed[0]!r}; they are {kind!r}")
    if min(observation_size) < MIN_SIDE:
        raise ObservationError(
            f"agents need frames of at least {MIN_SIDE}x{MIN_SIDE}; observation_size is {observation_size}"
        )

    def make() -> Env:
        _leave_interrupts_to_the_parent()
        if callable(game):
            env = game()
        else:
            env = gym.make(ENV_ID, game=game, observation_size=observation_size, **env_options)
        try:
            coded = StackFrames(_with_actions(env, kind, mouse_bins, exclusive), stack)
            return ScaleRewards(Monitor(coded), reward_scale)
        except BaseException:
            env.close()
            raise

    if envs == 1:
        return VecTransposeImage(DummyVecEnv([make]))
    if not callable(game):
        make().close()  # nothing is started by that: what cannot be made is said here, not in another process
    return VecTransposeImage(SideBySide([make] * envs))


class ScaleRewards(gym.Wrapper[Any, Any, Any, Any]):
    """Rewards are multiplied by ``reward_scale``: value functions learn best of sums between 1 and 100.

    Args:
        env: any environment.
        reward_scale: greater than 0.
    """

    def __init__(self, env: Env, reward_scale: float) -> None:
        super().__init__(env)
        if not reward_scale > 0:
            raise ProfileError(f"reward_scale must be more than 0; it is {reward_scale!r}")
        self.reward_scale = float(reward_scale)

    def step(self, action: Any) -> tuple[Any, SupportsFloat, bool, bool, dict[str, Any]]:
        observation, reward, terminated, truncated, info = self.env.step(action)
        return observation, float(reward) * self.reward_scale, terminated, truncated, info


def reward_scale_of(env: VecEnv | None) -> float:
    """What the rewards of an environment are multiplied by; 1 where they are not."""
    try:
        return 1.0 if env is None else float(env.get_attr("reward_scale")[0])
    except AttributeError:
        return 1.0


def _leave_interrupts_to_the_parent() -> None:
    """Ctrl+C reaches all processes of a terminal: games side by side go on until the parent has saved and closes
    them."""
    if multiprocessing.parent_process() is not None:
        signal.signal(signal.SIGINT, lambda *_: None)


def check_algorithm(name: str) -> None:
    """Raises:
    UnknownNameError: there is no such algorithm."""
    if name not in ALGORITHMS:
        raise UnknownNameError(
            f"algorithm must be one of {', '.join(ALGORITHMS)}; it is {name!r}.{suggest(name, ALGORITHMS)}"
        )


def _with_actions(env: Env, kind: Any, mouse_bins: AxisBins, exclusive: Sequence[Sequence[str]] | None) -> Env:
    if kind == "multi_discrete":
        return MultiDiscreteActions(env, mouse_bins, exclusive)
    if kind == "box":
        return SymmetricActions(env)
    if callable(kind):
        wrapped: Env = kind(env)
        return wrapped
    return DiscreteActions(env, None if kind == "discrete" else kind)
