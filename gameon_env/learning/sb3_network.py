"""The cloned player's network within Stable-Baselines3 agents, and the policies that agents begin from."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import numpy.typing as npt

from gameon_env.errors import PolicyError
from gameon_env.keys import AXES
from gameon_env.learning.action_head import ActionHead
from gameon_env.learning.network import CloneNetwork, full_arguments
from gameon_env.learning.policy import PolicySpec, read_policy
from gameon_env.optional import require
from wrappers.action_coding import ActionCoding
from wrappers.axis_bins import MU
from wrappers.multi_discrete_actions import ChoiceCoding
from wrappers.symmetric_actions import SymmetricCoding

require("stable_baselines3", "Training agents")
import torch  # noqa: E402
from stable_baselines3.common.base_class import BaseAlgorithm  # noqa: E402
from stable_baselines3.common.distributions import Distribution  # noqa: E402
from stable_baselines3.common.policies import ActorCriticCnnPolicy, ActorCriticPolicy  # noqa: E402
from stable_baselines3.common.preprocessing import preprocess_obs  # noqa: E402
from stable_baselines3.common.torch_layers import BaseFeaturesExtractor  # noqa: E402
from stable_baselines3.common.type_aliases import PyTorchObs  # noqa: E402
from stable_baselines3.common.vec_env import VecEnv  # noqa: E402
from torch import nn  # noqa: E402

FIRST = "near.0.0.weight"
"""The first convolution: its input is 0 to 255 in a cloned policy, 0 to 1 in an agent."""


class CloneFeatures(BaseFeaturesExtractor):
    """:class:`~gameon_env.learning.network.CloneNetwork` without its last layer.

    Its batch norm and dropout rest, except while it learns from recordings (:attr:`from_recordings`): an agent that
    explores must say of an action the same while it acts and while it learns, or its updates are wrong.

    Args:
        observation_space: pictures ``(3 * stack, H, W) uint8``.
        features_dim: size of the fully connected layers.
        network_kwargs: of the CloneNetwork.
    """

    def __init__(self, observation_space: gym.spaces.Box, features_dim: int = 256, **network_kwargs: Any) -> None:
        super().__init__(observation_space, features_dim)
        channels, height, width = observation_space.shape
        if channels % 3 or min(height, width) < 32:
            raise PolicyError(
                f"the network of cloned players sees RGB frames of at least 32x32, one or several stacked; the "
                f"observations are {observation_space.shape} (channels, height, width). Use network='nature' for others"
            )
        self.network = CloneNetwork((height, width), channels // 3, 1, hidden=features_dim, **network_kwargs)
        self.network.head = nn.Identity()  # type: ignore[assignment]
        self.from_recordings = False

    def train(self, mode: bool = True) -> CloneFeatures:
        """Batch norm and dropout follow only while learning from recordings."""
        super().train(mode and self.from_recordings)
        return self

    def forward(self, observations: torch.Tensor) -> torch.Tensor:
        """``(N, 3 * stack, H, W) float32`` in [0, 1] to ``(N, features_dim)``."""
        return self.read(self.see(observations))

    def see(self, observations: torch.Tensor) -> torch.Tensor:
        """Observations, as for :meth:`forward`, to what is found in them; see :meth:`CloneNetwork.see`."""
        # Channels last in memory as well: convolutions then take two thirds of the time (measured on one core).
        return self.network.see(observations.permute(0, 2, 3, 1).contiguous())

    def read(self, found: torch.Tensor) -> torch.Tensor:
        """What :meth:`see` gave to ``(N, features_dim)``."""
        return self.network.read(found)


class FrozenSightPolicy(ActorCriticCnnPolicy):
    """An actor and its value function that see by the actor's convolutions, which learn from recordings alone.

    While the agent plays, only the layers after them learn. A picture goes through them once, not twice, and nothing
    goes back: on rescue 57,000 steps in the time of 35,000 (``gameon train ppo``, two side by side).
    """

    def extract_features(  # type: ignore[override] # as in ActorCriticPolicy
        self, obs: PyTorchObs, features_extractor: BaseFeaturesExtractor | None = None
    ) -> torch.Tensor | tuple[torch.Tensor, torch.Tensor]:
        """Of the actor and of the value function, ``(N, features_dim)`` each; of one of them where it is given."""
        actor, values = self.pi_features_extractor, self.vf_features_extractor
        assert isinstance(actor, CloneFeatures)
        assert isinstance(values, CloneFeatures)
        pictures = preprocess_obs(obs, self.observation_space, normalize_images=self.normalize_images)
        assert isinstance(pictures, torch.Tensor)
        with torch.set_grad_enabled(torch.is_grad_enabled() and actor.from_recordings):
            found = actor.see(pictures)
        if features_extractor is not None:
            assert isinstance(features_extractor, CloneFeatures)
            return features_extractor.read(found)
        return actor.read(found), values.read(found)

    def predict_values(self, obs: PyTorchObs) -> torch.Tensor:
        """``(N, 1)``."""
        features = self.extract_features(obs, self.vf_features_extractor)
        assert isinstance(features, torch.Tensor)
        values: torch.Tensor = self.value_net(self.mlp_extractor.forward_critic(features))
        return values

    def get_distribution(self, obs: PyTorchObs) -> Distribution:
        """Of the actions."""
        features = self.extract_features(obs, self.pi_features_extractor)
        assert isinstance(features, torch.Tensor)
        return self._get_action_dist_from_latent(self.mlp_extractor.forward_actor(features))


def coding_of(agent: BaseAlgorithm) -> ActionCoding:
    """How the agent's actions become vectors of named controls.

    Raises:
        PolicyError: its environment has none of our action wrappers.
    """
    env = agent.get_env()
    try:
        coding = None if env is None else env.get_attr("action_coding")[0]
    except AttributeError:
        coding = None
    if not isinstance(coding, ActionCoding) or coding.space != agent.action_space:
        raise PolicyError(
            "the agent's actions cannot be told from its environment: make it with make_sb3_env(game, algorithm), or "
            "wrap it by DiscreteActions, MultiDiscreteActions or SymmetricActions"
        )
    return coding


def check_recorded(agent: BaseAlgorithm, mouse_scale_px: float | None, fps: float | None) -> None:
    """Check that what was recorded so, or a policy that was made of it, means the same in the agent's environment.

    Args:
        agent: in an environment of named controls.
        mouse_scale_px, fps: of the recordings; None where they are not known.

    Raises:
        PolicyError: the mouse scale differs, and with it what every recorded motion stands for. Other fps are only
            warned about.
    """
    env = agent.get_env()
    try:
        played = {} if env is None else dict(env.get_attr("recording_metadata")[0])
    except AttributeError:
        return  # an environment that does not say
    scale, rate = played.get("mouse_scale_px"), played.get("fps")
    if None not in (scale, mouse_scale_px) and scale != mouse_scale_px:
        raise PolicyError(
            f"what was recorded has mouse_scale_px={mouse_scale_px:g}, the environment has {scale:g}: the agent's "
            "mouse would move too far or too little. Use the same value in the profile, or record again"
        )
    if None not in (rate, fps) and rate != fps:
        warnings.warn(
            f"what was recorded has {fps:g} steps a second, the environment {rate:g}: make it with fps={fps:g}, or "
            "take the recordings at its rate",
            stacklevel=3,
        )


def linear_for(algorithm: str, env: VecEnv) -> int:
    """``linear`` of the network of an agent whose axes lean as a cloned policy's do; 0 where it has none."""
    if algorithm not in ("ppo", "a2c", "sac"):
        return 0
    try:
        coding = env.get_attr("action_coding")[0]
    except AttributeError:
        return 0  # none of our action wrappers
    return sum(name in AXES for name in coding.controls) if isinstance(coding, ChoiceCoding | SymmetricCoding) else 0


def start_from_policy(agent: BaseAlgorithm, path: str | Path) -> None:
    """Let an agent begin as a policy that ``gameon train bc`` made: its most likely actions are the policy's.

    All weights are carried over; the thresholds from which the policy holds a key become part of its last layer. Of
    keys that exclude each other, the surer one is held. A cloned policy knows no value function: its last layer stays,
    but where it sees by a network of its own, that begins as the policy's.

    Args:
        agent: PPO or A2C with ``network="clone"`` and actions from ``MultiDiscreteActions`` with the policy's bins.
        path: the policy's file.

    Raises:
        PolicyError: the two do not fit; the message says in what.
    """
    spec, weights = read_policy(path)
    extractor, action_net, coding = cloned_parts(agent)
    _check_fits(spec, extractor, coding, path)
    check_recorded(agent, spec.mouse_scale_px, spec.fps)
    body = {name: torch.from_numpy(np.array(array)) for name, array in weights.items() if not name.startswith("head.")}
    body[FIRST] = body[FIRST] * 255
    extractor.network.load_state_dict(body)
    weight, bias = _to_choices(spec.head, coding, weights["head.weight"], weights["head.bias"])
    action_net.load_state_dict({"weight": torch.from_numpy(weight), "bias": torch.from_numpy(bias)})
    values: Any = getattr(agent.policy, "vf_features_extractor", extractor)
    values.load_state_dict(extractor.state_dict())


def sharpen(agent: BaseAlgorithm, factor: float) -> None:
    """Multiply the logits of an agent's choices: above 1, what is drawn comes nearer to what is most likely."""
    action_net = getattr(agent.policy, "action_net", None)
    if isinstance(action_net, nn.Linear) and not isinstance(agent.action_space, gym.spaces.Box):
        with torch.no_grad():
            action_net.weight.mul_(factor)
            action_net.bias.mul_(factor)


def cloned_parts(agent: BaseAlgorithm) -> tuple[CloneFeatures, nn.Linear, ChoiceCoding]:
    """What an agent of a cloned policy's form consists of.

    Raises:
        PolicyError: it has another.
    """
    policy, coding = agent.policy, coding_of(agent)
    if (
        isinstance(policy, ActorCriticPolicy)
        and not hasattr(policy, "lstm_actor")
        and isinstance(policy.features_extractor, CloneFeatures)
        and isinstance(policy.action_net, nn.Linear)
        and isinstance(coding, ChoiceCoding)
        and policy.mlp_extractor.latent_dim_pi == policy.features_dim
    ):
        return policy.features_extractor, policy.action_net, coding
    raise PolicyError(
        "only PPO and A2C agents with network='clone' and actions='multi_discrete' have the form of a cloned policy; "
        f"this is {type(agent).__name__} with {type(policy).__name__} and {type(coding).__name__}. Others can learn "
        "from the same recordings by pretrain(), and are kept by save_agent()"
    )


def _check_fits(spec: PolicySpec, extractor: CloneFeatures, coding: ChoiceCoding, path: str | Path) -> None:
    mine, theirs = extractor.network.kwargs, full_arguments(spec.network_kwargs)
    differences = [
        f"{name}: policy {theirs.get(name)}, agent {value}"
        for name, value in mine.items()
        if name not in ("outputs", "dropout") and _as_list(theirs.get(name)) != _as_list(value)
    ]
    if spec.network != "clone_cnn":
        differences.append(f"network: policy {spec.network}, agent clone_cnn")
    if spec.controls != coding.controls:
        differences.append(f"controls: policy {list(spec.controls)}, agent {list(coding.controls)}")
    if spec.spacing != 1:
        differences.append(f"spacing: policy {spec.spacing}, agent 1")
    if differences:
        raise PolicyError(
            f"{path} does not fit the agent: {'; '.join(differences)}. Make the environment and the agent alike "
            "(observation_size, stack, network_kwargs), or train the policy again"
        )
    check_bins(spec.head, coding, str(path))


def _as_list(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value


def check_bins(head: ActionHead, coding: ChoiceCoding, what: str) -> None:
    """Raises:
    PolicyError: axes have other values here and there."""
    for axis in head.axes:
        name = head.controls[axis]
        if len(coding.bins[name]) != head.bins or not np.allclose(coding.bins[name], head.centres(axis), atol=1e-5):
            raise PolicyError(
                f"the values of {name} are not those of {what}, which has {head.bins} with mu={head.mu:g}: make the "
                f"environment with mouse_bins={head.bins if head.mu == MU else head.centres(axis).tolist()}"
            )


def _to_choices(
    head: ActionHead, coding: ChoiceCoding, weight: npt.NDArray[Any], bias: npt.NDArray[Any]
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
    row_of = {name: row for row, name in enumerate(head.button_names)}
    rows, biases = [], []
    for group in coding.groups:
        rows.append(np.zeros(weight.shape[1]))
        biases.append(0.0)
        for name in group:
            threshold = float(np.clip(head.thresholds[row_of[name]], 1e-4, 1 - 1e-4))
            rows.append(weight[row_of[name]])
            biases.append(float(bias[row_of[name]]) - float(np.log(threshold / (1 - threshold))))
    count = len(row_of)
    return (
        np.concatenate([np.stack(rows) if rows else weight[:0], weight[count:]]).astype(np.float32),
        np.concatenate([biases, bias[count:]]).astype(np.float32),
    )
