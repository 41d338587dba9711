"""Agents of Stable-Baselines3: made, and playing."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from gameon_env.errors import PolicyError, UnknownNameError
from gameon_env.learning.sb3_env import check_algorithm
from gameon_env.learning.sb3_network import CloneFeatures, FrozenSightPolicy, coding_of, linear_for
from gameon_env.optional import require

require("stable_baselines3", "Training agents")
import torch  # noqa: E402
from stable_baselines3 import A2C, DQN, PPO, SAC  # noqa: E402
from stable_baselines3.common.base_class import BaseAlgorithm  # noqa: E402
from stable_baselines3.common.policies import BasePolicy  # noqa: E402
from stable_baselines3.common.vec_env import VecEnv  # noqa: E402


@dataclass(frozen=True)
class AgentSpec:
    """How an agent was made, as JSON would hold it."""

    algorithm: str
    network: str
    network_kwargs: Mapping[str, Any] = field(default_factory=dict)
    hyperparameters: Mapping[str, Any] = field(default_factory=dict)
    separate_values: bool = False
    frozen_sight: bool = False


def make_agent(
    algorithm: str,
    env: VecEnv,
    *,
    network: str = "clone",
    network_kwargs: Mapping[str, Any] | None = None,
    separate_values: bool = False,
    frozen_sight: bool = False,
    **hyperparameters: Any,
) -> BaseAlgorithm:
    """An agent of Stable-Baselines3 for an environment of :func:`make_sb3_env`.

    Args:
        algorithm: a key of :data:`ALGORITHMS`.
        env: made for it.
        network: ``clone``: the cloned player's, so that policies can be carried over; ``nature``: the library's own.
        network_kwargs: of the :class:`~gameon_env.learning.network.CloneNetwork`, as ``lines=True``. ``linear`` is
            what a cloned policy has for these actions; 0 fits one that was made before there was such a thing.
        separate_values: the value function of PPO, A2C and RecurrentPPO sees the game by a network of its own: what it
            learns then changes nothing of what a clone does. It takes twice the time.
        frozen_sight: PPO and A2C with the cloned player's network keep its convolutions as they were learned from
            recordings; actor and value function learn to act on what those find. It takes less time.
        hyperparameters: of the algorithm, in JSON's types, so that :func:`save_agent` can keep them.

    Raises:
        UnknownNameError: no such algorithm or network.
        PolicyError: a hyperparameter that the algorithm does not have, or ``frozen_sight`` where that cannot be.
        MissingPartError: recurrent_ppo without sb3-contrib.
    """
    check_algorithm(algorithm)
    if network not in ("clone", "nature"):
        raise UnknownNameError(f"network must be clone or nature; it is {network!r}")
    policy_kwargs: dict[str, Any] = {}
    kwargs = dict(network_kwargs or {})
    if network == "clone":
        kwargs.setdefault("linear", linear_for(algorithm, env))
        policy_kwargs = {
            "features_extractor_class": CloneFeatures,
            "features_extractor_kwargs": kwargs,
            "net_arch": _net_arch(algorithm, int(kwargs["linear"])),
        }
    if frozen_sight and (network != "clone" or algorithm not in ("ppo", "a2c")):
        raise PolicyError(f"frozen_sight is for ppo and a2c with network='clone'; this is {algorithm} with {network!r}")
    if separate_values or frozen_sight:
        policy_kwargs["share_features_extractor"] = False
    policy: str | type[BasePolicy] = "CnnLstmPolicy" if algorithm == "recurrent_ppo" else "CnnPolicy"
    try:
        agent: BaseAlgorithm = _class_of(algorithm)(
            FrozenSightPolicy if frozen_sight else policy,
            env,
            policy_kwargs=policy_kwargs,
            **hyperparameters,
        )
    except TypeError as error:
        raise PolicyError(f"{algorithm} cannot be made with {sorted(hyperparameters)}: {error}") from error
    vars(agent)["gameon_spec"] = AgentSpec(
        algorithm, network, kwargs, dict(hyperparameters), separate_values, frozen_sight
    )
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
            torch.manual_seed(seed)

    def act(self, observation: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
        """``(H, W, 3) uint8`` to a vector ``(A,) float32``."""
        first = not self._frames
        self._frames.extend([observation.copy()] * (self._frames.maxlen or 1 if first else 1))
        stacked = np.concatenate(self._frames, axis=2)[None].transpose(0, 3, 1, 2)
        action, self._state = self._agent.predict(
            stacked, state=self._state, episode_start=np.array([first]), deterministic=self._deterministic
        )
        return self._coding.to_vector(action[0])


def _net_arch(algorithm: str, linear: int) -> Any:
    """Layers after the network: what is read off linearly goes to the actions as it is."""
    if algorithm != "sac":
        return []
    return {"pi": [], "qf": [256]} if linear else [256]


def spec_of(agent: BaseAlgorithm) -> AgentSpec:
    """How the agent was made.

    Raises:
        PolicyError: not by :func:`make_agent`.
    """
    spec = vars(agent).get("gameon_spec")
    if not isinstance(spec, AgentSpec):
        raise PolicyError("only agents of make_agent() can be kept here: how this one was made is not known")
    return spec


def _class_of(algorithm: str) -> Callable[..., BaseAlgorithm]:
    if algorithm == "recurrent_ppo":
        made: Callable[..., BaseAlgorithm] = require("sb3_contrib", "RecurrentPPO").RecurrentPPO
        return made
    return {"ppo": PPO, "a2c": A2C, "sac": SAC, "dqn": DQN}[algorithm]
