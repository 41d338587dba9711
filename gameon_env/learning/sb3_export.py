"""An agent's policy as a file for ``gameon play``, which needs no Stable-Baselines3 and runs no code in it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from gameon_env.errors import PolicyError
from gameon_env.learning.action_head import ActionHead
from gameon_env.learning.network import weights_of
from gameon_env.learning.policy import PolicySpec, save_policy
from gameon_env.learning.sb3_network import FIRST, CloneFeatures, check_bins, cloned_parts, coding_of
from gameon_env.optional import require
from wrappers.action_coding import ActionCoding
from wrappers.axis_bins import MU
from wrappers.multi_discrete_actions import ChoiceCoding
from wrappers.symmetric_actions import SymmetricCoding

require("stable_baselines3", "Training agents")
from stable_baselines3 import DQN, SAC  # noqa: E402
from stable_baselines3.common.base_class import BaseAlgorithm  # noqa: E402
from stable_baselines3.common.policies import ActorCriticPolicy  # noqa: E402
from torch import nn  # noqa: E402

Weights = dict[str, npt.NDArray[Any]]


def exportable(agent: BaseAlgorithm) -> bool:
    """Whether :func:`export_policy` can: not for agents with memory, or with a network that is not ours."""
    return _features(agent) is not None


def export_policy(agent: BaseAlgorithm, path: str | Path, about: Mapping[str, Any] | None = None) -> None:
    """Write the agent's policy.

    PPO and A2C draw their actions there as they did while they learned: the most likely value of each key and axis
    alone is another behaviour, which nobody rewarded, and often gets stuck. SAC and DQN play their most likely action.
    Box actions of PPO and A2C are played as their mean. PPO and A2C without keys that exclude each other become a
    cloned policy (``clone_cnn``), from which agents can begin again; others become a ``coded_cnn``.

    Args:
        agent: of :func:`~gameon_env.learning.sb3.make_agent`, with ``network="clone"``.
        path: the file.
        about: ``game``, ``fps``, ``mouse_scale_px``; where not given, those of the agent's environment.

    Raises:
        PolicyError: the agent's network is of another kind, or it has memory.
        StorageError: the file cannot be written.
    """
    features, coding = _features(agent), coding_of(agent)
    if features is None:
        raise PolicyError(
            f"{type(agent).__name__} with {type(agent.policy).__name__} cannot become a policy for gameon play: it has "
            "memory, or a network other than network='clone'. save_agent() keeps it as it is"
        )
    form = _cloned(agent) if _has_cloned_form(agent, coding) else _coded(agent, features, coding)
    kind, head, network_kwargs, weights = form
    drawn = {"sample_buttons": True, "axis_decoding": "sample"} if kind == "clone_cnn" else {}
    env = agent.get_env()
    known = dict(env.get_attr("recording_metadata")[0]) if env is not None else {}
    known |= dict(about or {})
    height, width = features.network.kwargs["observation_size"]
    spec = PolicySpec(
        head=head,
        observation_size=(height, width),
        stack=features.network.kwargs["stack"],
        spacing=1,
        network=kind,
        network_kwargs=network_kwargs,
        game=known.get("game"),
        fps=known.get("fps"),
        mouse_scale_px=known.get("mouse_scale_px"),
        training={"algorithm": type(agent).__name__, "num_timesteps": agent.num_timesteps},
        play=drawn,
    )
    save_policy(path, spec, weights)


def _features(agent: BaseAlgorithm) -> CloneFeatures | None:
    """What the agent's actions are told from."""
    policy: Any = agent.policy
    if hasattr(policy, "lstm_actor"):
        return None
    seen: Any = None
    if isinstance(agent, SAC):
        seen = agent.actor.features_extractor
    elif isinstance(agent, DQN):
        seen = agent.q_net.features_extractor
    elif isinstance(policy, ActorCriticPolicy):
        seen = policy.pi_features_extractor
    return seen if isinstance(seen, CloneFeatures) else None


def _has_cloned_form(agent: BaseAlgorithm, coding: ActionCoding) -> bool:
    if not isinstance(coding, ChoiceCoding) or any(len(group) > 1 for group in coding.groups):
        return False
    bins = {len(values) for values in coding.bins.values()} or {21}
    try:
        cloned_parts(agent)
        check_bins(ActionHead(coding.controls, bins=max(bins), mu=MU), coding, "the agent")
    except PolicyError:
        return False
    return True


def _cloned(agent: BaseAlgorithm) -> tuple[str, ActionHead, dict[str, Any], Weights]:
    extractor, action_net, coding = cloned_parts(agent)
    bins = {len(values) for values in coding.bins.values()} or {21}
    head = ActionHead(coding.controls, bins=bins.pop(), mu=MU)
    body = weights_of(extractor.network)
    body[FIRST] = body[FIRST] / np.float32(255)
    last = weights_of(action_net)
    body["head.weight"], body["head.bias"] = _to_logits(coding, last["weight"], last["bias"])
    return "clone_cnn", head, {**extractor.network.kwargs, "outputs": head.outputs}, body


def _coded(
    agent: BaseAlgorithm, features: CloneFeatures, coding: ActionCoding
) -> tuple[str, ActionHead, dict[str, Any], Weights]:
    policy: Any = agent.policy
    if isinstance(agent, SAC):
        parts: list[nn.Module] = [agent.actor.latent_pi, agent.actor.mu]
    elif isinstance(agent, DQN):
        parts = [agent.q_net.q_net]
    else:
        parts = [policy.mlp_extractor.policy_net, policy.action_net]
    modules = [module for part in parts for module in part.modules() if not isinstance(module, nn.Sequential)]
    linear = [module for module in modules if isinstance(module, nn.Linear)]
    others = {type(module).__name__ for module in modules} - {"Linear", "ReLU"}
    if others:
        raise PolicyError(f"the agent's last layers hold {', '.join(sorted(others))}; a policy's file knows ReLU alone")
    weights = {f"network.{name}": array for name, array in weights_of(features.network).items()}
    weights[f"network.{FIRST}"] = weights[f"network.{FIRST}"] / np.float32(255)
    for number, module in enumerate(linear):
        weights |= {f"tail.{2 * number}.{name}": array for name, array in weights_of(module).items()}
    kwargs = {
        "network": features.network.kwargs,
        "layers": [int(module.out_features) for module in linear],
        "coding": coding.to_json(),
        "sample": isinstance(policy, ActorCriticPolicy) and not isinstance(coding, SymmetricCoding),
        "squash": isinstance(agent, SAC),
    }
    return "coded_cnn", ActionHead(coding.controls), kwargs, weights


def _to_logits(
    coding: ChoiceCoding, weight: npt.NDArray[Any], bias: npt.NDArray[Any]
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
    both = 2 * len(coding.groups)  # of each key, the logits of rest and of being held
    return (
        np.concatenate([weight[1:both:2] - weight[:both:2], weight[both:]]).astype(np.float32),
        np.concatenate([bias[1:both:2] - bias[:both:2], bias[both:]]).astype(np.float32),
    )
