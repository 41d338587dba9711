"""Stable-Baselines3 agents on live games: the environment as each algorithm needs it, and agents for it.

>>> env = make_sb3_env("rescue", "ppo", observation_size=(64, 64))
>>> agent = make_agent("ppo", env, n_steps=512)
>>> pretrain(agent, "data/gameon.db")       # begins as a clone of what was recorded
>>> agent.learn(20_000)
>>> save_agent(agent, "agent.safetensors")
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import numpy.typing as npt

from gameon_env import ENV_ID
from gameon_env.errors import ObservationError, PolicyError, UnknownNameError, suggest
from gameon_env.learning.sb3_network import CloneFeatures, coding_of, export_policy, start_from_policy
from gameon_env.optional import require
from wrappers.discrete_actions import DiscreteActions
from wrappers.multi_discrete_actions import MultiDiscreteActions
from wrappers.stack_frames import StackFrames
from wrappers.symmetric_actions import SymmetricActions

require("stable_baselines3", "Training agents")
from stable_baselines3 import A2C, DQN, PPO, SAC  # noqa: E402
from stable_baselines3.common.base_class import BaseAlgorithm  # noqa: E402
from stable_baselines3.common.monitor import Monitor  # noqa: E402
from stable_baselines3.common.vec_env import DummyVecEnv, SubprocVecEnv, VecEnv, VecTransposeImage  # noqa: E402

__all__ = [
    "ALGORITHMS",
    "AgentActor",
    "AgentSpec",
    "coding_of",
    "export_policy",
    "make_agent",
    "make_sb3_env",
    "start_from_policy",
]

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
_NET_ARCH = {"sac": [256], "dqn": []}


@dataclass(frozen=True)
class AgentSpec:
    """How an agent was made, as JSON would hold it."""

    algorithm: str
    network: str
    network_kwargs: Mapping[str, Any] = field(default_factory=dict)
    hyperparameters: Mapping[str, Any] = field(default_factory=dict)


def make_sb3_env(
    game: str | Path | Callable[[], Env] = "rescue",
    algorithm: str = "ppo",
    *,
    actions: Actions = None,
    mouse_bins: Any = 21,
    stack: int = 1,
    envs: int = 1,
    observation_size: tuple[int, int] = (64, 64),
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
        stack: frames seen at once.
        envs: games side by side, each in a process of its own where there are several.
        observation_size: ``(height, width)``, at least 36 each.
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
        if callable(game):
            env = game()
        else:
            env = gym.make(ENV_ID, game=game, observation_size=observation_size, **env_options)
        try:
            return Monitor(StackFrames(_with_actions(env, kind, mouse_bins), stack))
        except BaseException:
            env.close()
            raise

    if envs == 1:
        return VecTransposeImage(DummyVecEnv([make]))
    return VecTransposeImage(SubprocVecEnv([make] * envs, start_method="spawn"))


def make_agent(
    algorithm: str,
    env: VecEnv,
    *,
    network: str = "clone",
    network_kwargs: Mapping[str, Any] | None = None,
    **hyperparameters: Any,
) -> BaseAlgorithm:
    """An agent of Stable-Baselines3 for an environment of :func:`make_sb3_env`.

    Args:
        algorithm: a key of :data:`ALGORITHMS`.
        env: made for it.
        network: ``clone``: the cloned player's, so that policies can be carried over; ``nature``: the library's own.
        network_kwargs: of the :class:`~gameon_env.learning.network.CloneNetwork`, as ``lines=True``.
        hyperparameters: of the algorithm, in JSON's types, so that :func:`save_agent` can keep them.

    Raises:
        UnknownNameError: no such algorithm or network.
        PolicyError: a hyperparameter that the algorithm does not have.
        MissingPartError: recurrent_ppo without sb3-contrib.
    """
    check_algorithm(algorithm)
    if network not in ("clone", "nature"):
        raise UnknownNameError(f"network must be clone or nature; it is {network!r}")
    policy_kwargs: dict[str, Any] = {}
    if network == "clone":
        policy_kwargs = {
            "features_extractor_class": CloneFeatures,
            "features_extractor_kwargs": dict(network_kwargs or {}),
            "net_arch": _NET_ARCH.get(algorithm, []),
        }
    try:
        agent: BaseAlgorithm = _class_of(algorithm)(
            "CnnLstmPolicy" if algorithm == "recurrent_ppo" else "CnnPolicy",
            env,
            policy_kwargs=policy_kwargs,
            **hyperparameters,
        )
    except TypeError as error:
        raise PolicyError(f"{algorithm} cannot be made with {sorted(hyperparameters)}: {error}") from error
    vars(agent)["gameon_spec"] = AgentSpec(algorithm, network, dict(network_kwargs or {}), dict(hyperparameters))
    return agent


class AgentActor:
    """An agent that plays an environment with named controls, for :func:`~gameon_env.learning.evaluation.evaluate`.

    Args:
        agent: its stack of frames is kept here.
        deterministic: takes the most likely action instead of drawing one. DQN always does, but for its exploration.
        seed: of the draws.
    """

    name = "agent"

    def __init__(self, agent: BaseAlgorithm, *, deterministic: bool = False) -> None:
        self._agent, self._deterministic = agent, deterministic
        self._coding = coding_of(agent)
        shape = agent.observation_space.shape
        assert shape is not None
        self._frames: deque[npt.NDArray[np.uint8]] = deque(maxlen=shape[0] // 3)
        self._state: Any = None

    def reset(self, seed: int | None = None) -> None:
        """Start a new episode."""
        self._frames.clear()
        self._state = None
        if seed is not None:
            import_torch = require("torch", "Training agents")
            import_torch.manual_seed(seed)

    def act(self, observation: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
        """``(H, W, 3) uint8`` to a vector ``(A,) float32``."""
        first = not self._frames
        self._frames.extend([observation.copy()] * (self._frames.maxlen or 1 if first else 1))
        stacked = np.concatenate(self._frames, axis=2)[None].transpose(0, 3, 1, 2)
        action, self._state = self._agent.predict(
            stacked, state=self._state, episode_start=np.array([first]), deterministic=self._deterministic
        )
        return self._coding.to_vector(action[0])


def spec_of(agent: BaseAlgorithm) -> AgentSpec:
    """How the agent was made.

    Raises:
        PolicyError: not by :func:`make_agent`.
    """
    spec = vars(agent).get("gameon_spec")
    if not isinstance(spec, AgentSpec):
        raise PolicyError("only agents of make_agent() can be kept here: how this one was made is not known")
    return spec


def check_algorithm(name: str) -> None:
    """Raises:
    UnknownNameError: there is no such algorithm."""
    if name not in ALGORITHMS:
        raise UnknownNameError(
            f"algorithm must be one of {', '.join(ALGORITHMS)}; it is {name!r}.{suggest(name, ALGORITHMS)}"
        )


def _class_of(algorithm: str) -> Callable[..., BaseAlgorithm]:
    if algorithm == "recurrent_ppo":
        made: Callable[..., BaseAlgorithm] = require("sb3_contrib", "RecurrentPPO").RecurrentPPO
        return made
    return {"ppo": PPO, "a2c": A2C, "sac": SAC, "dqn": DQN}[algorithm]


def _with_actions(env: Env, kind: Any, mouse_bins: Any) -> Env:
    if kind == "multi_discrete":
        return MultiDiscreteActions(env, mouse_bins)
    if kind == "box":
        return SymmetricActions(env)
    if callable(kind):
        wrapped: Env = kind(env)
        return wrapped
    return DiscreteActions(env, None if kind == "discrete" else kind)
