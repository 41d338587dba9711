"""An actor that stands still while its value function learns: a clone acts well before it knows what that is worth."""

from __future__ import annotations

from gameon_env.optional import require

require("stable_baselines3", "Training agents")
from stable_baselines3.common.base_class import BaseAlgorithm  # noqa: E402
from stable_baselines3.common.policies import ActorCriticPolicy  # noqa: E402
from torch import nn  # noqa: E402


def has_value_function(agent: BaseAlgorithm) -> bool:
    """Whether it is PPO, A2C or RecurrentPPO."""
    return isinstance(agent.policy, ActorCriticPolicy)


def freeze_actor(agent: BaseAlgorithm, frozen: bool) -> None:
    """Let only the value function learn, or everything again.

    What both see the game with belongs to the actor: a value function that has nothing of its own learns its last
    layers only.
    """
    for parameter in agent.policy.parameters():
        parameter.requires_grad_(not frozen)
    if frozen:
        for part in _values(agent):
            for parameter in part.parameters():
                parameter.requires_grad_(True)


def _values(agent: BaseAlgorithm) -> list[nn.Module]:
    policy = agent.policy
    assert isinstance(policy, ActorCriticPolicy)
    parts: list[nn.Module] = [policy.value_net, policy.mlp_extractor.value_net]
    if not policy.share_features_extractor:
        parts.append(policy.vf_features_extractor)
    for name in ("lstm_critic", "critic"):
        part = getattr(policy, name, None)
        if isinstance(part, nn.Module):
            parts.append(part)
    return parts
