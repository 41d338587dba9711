"""How far an agent is from doing what was recorded: one loss for each kind of Stable-Baselines3 policy."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, cast

from gameon_env.errors import PolicyError
from gameon_env.learning.sb3_network import sharpen
from gameon_env.optional import require

require("stable_baselines3", "Training agents")
import torch  # noqa: E402
from stable_baselines3 import DQN, SAC  # noqa: E402
from stable_baselines3.common.base_class import BaseAlgorithm  # noqa: E402
from stable_baselines3.common.policies import ActorCriticPolicy  # noqa: E402
from torch import nn  # noqa: E402
from torch.nn import functional  # noqa: E402

Evaluated = tuple[torch.Tensor, torch.Tensor, torch.Tensor | None]
"""Values, log-likelihoods and entropies."""

MARGIN = 0.8
"""How much more than any other action the recorded one must be worth, of Hester et al., "Deep Q-learning from
Demonstrations" (2018)."""
SOFTNESS = 0.2
"""Of that margin: so far below the largest value another one still counts by a third."""
SOFT, NOISE = 0.9, 0.1
"""A density has no largest value at exact targets: they are drawn within the box and blurred."""


@dataclass(frozen=True)
class Batch:
    """Steps to learn from.

    Attributes:
        observations: ``(N, 3 * stack, H, W) uint8``.
        actions: ``(N, ...)`` of the agent's space.
        returns: ``(N,) float32``; None without rewards.
        sequences: N is so many sequences of equal length, one after the other, for agents with memory.
        starts: ``(N,) float32``, 1 where an episode begins.
    """

    observations: torch.Tensor
    actions: torch.Tensor
    returns: torch.Tensor | None
    sequences: int
    starts: torch.Tensor


class ImitationLoss:
    """Of one agent.

    Args:
        agent: PPO, A2C, RecurrentPPO, SAC or DQN.
        entropy_weight, value_weight: of policies with a value function.
        values_only: only the value function's error counts.
        returns_variance: of the recorded returns, which brings the value's loss to the scale of the rest.

    Attributes:
        module: what learns.
        recurrent: whether the agent has memory.

    Raises:
        PolicyError: an agent of another kind.
    """

    def __init__(
        self,
        agent: BaseAlgorithm,
        *,
        entropy_weight: float,
        value_weight: float,
        returns_variance: float,
        values_only: bool = False,
    ) -> None:
        self._entropy_weight = entropy_weight
        # Returns that do not differ, as where no reward was ever seen, have no scale that could be brought to 1.
        self._value_weight = value_weight / (returns_variance if returns_variance > 1e-6 else 1.0)
        self._agent, self._values_only = agent, values_only
        if isinstance(agent, SAC):
            self.module: nn.Module = agent.actor
        elif isinstance(agent, DQN):
            self.module = agent.q_net
        elif isinstance(agent.policy, ActorCriticPolicy):
            self.module = agent.policy
        else:
            raise PolicyError(f"{type(agent).__name__} cannot learn from recordings here: use PPO, A2C, SAC or DQN")
        self.recurrent = hasattr(agent.policy, "lstm_actor")

    def __call__(self, batch: Batch) -> torch.Tensor:
        """The mean loss."""
        if isinstance(self._agent, SAC):
            return self._squashed(self._agent.actor, batch)
        if isinstance(self._agent, DQN):
            return _margin(self._agent.q_net(batch.observations), batch.actions.long()[:, None])
        values, log_prob, entropy = self._evaluate(batch)
        if self._values_only and batch.returns is not None:
            return self._value_weight * functional.mse_loss(values.flatten(), batch.returns)
        loss = -log_prob.mean()
        if entropy is not None:
            loss = loss - self._entropy_weight * entropy.mean()
        if batch.returns is not None:
            loss = loss + self._value_weight * functional.mse_loss(values.flatten(), batch.returns)
        return loss

    def _evaluate(self, batch: Batch) -> Evaluated:
        policy: Any = self._agent.policy
        if not self.recurrent:
            return cast(Evaluated, policy.evaluate_actions(batch.observations, batch.actions))
        lstm = policy.lstm_actor
        nothing = torch.zeros(lstm.num_layers, batch.sequences, lstm.hidden_size, device=batch.observations.device)
        states = require("sb3_contrib.common.recurrent.type_aliases", "RecurrentPPO").RNNStates(
            (nothing, nothing), (nothing, nothing)
        )
        return cast(Evaluated, policy.evaluate_actions(batch.observations, batch.actions, states, batch.starts))

    def _squashed(self, actor: Any, batch: Batch) -> torch.Tensor:
        mean, log_std, _ = actor.get_action_dist_params(batch.observations)
        wanted = batch.actions.clamp(-SOFT, SOFT)
        wanted = (wanted + NOISE * torch.randn_like(wanted)).clamp(-0.999, 0.999)
        log_prob: torch.Tensor = actor.action_dist.proba_distribution(mean, log_std).log_prob(wanted)
        return -log_prob.mean()

    def begin(self, mean_return: float) -> None:
        """The value function starts from the mean return, which it would take long to reach."""
        value_net = getattr(self._agent.policy, "value_net", None)
        if isinstance(value_net, nn.Linear):
            with torch.no_grad():
                value_net.bias.fill_(mean_return)

    def finish(self, sharpness: float) -> None:
        """What follows the learned network; logits of choices are multiplied by ``sharpness``."""
        if isinstance(self._agent, DQN):
            self._agent.q_net_target.load_state_dict(self._agent.q_net.state_dict())
        sharpen(self._agent, sharpness)


def _margin(values: torch.Tensor, taken: torch.Tensor) -> torch.Tensor:
    """How far the best of the other actions' ``values (N, n)``, and the margin, lie above those ``taken (N, 1)``.

    The largest is a soft one: the largest itself tells nothing of actions that are all worth the same, where learning
    from recordings begins, and of rare ones it learns nothing.
    """
    recorded = values.gather(1, taken)
    rivals = (values + MARGIN).scatter(1, taken, recorded)
    return (SOFTNESS * torch.logsumexp(rivals / SOFTNESS, dim=1) - recorded[:, 0]).mean()
