"""SAC and DQN go on learning from recordings while they play, so that what they cloned is not lost to a value function
that knows little yet."""

from __future__ import annotations

from pathlib import Path

from gameon_env.learning.augmentation import Mirror
from gameon_env.learning.sb3_network import CloneFeatures
from gameon_env.learning.sb3_pretraining import PretrainConfig, prepare
from gameon_env.optional import require

require("stable_baselines3", "Training agents")
import torch  # noqa: E402
from stable_baselines3.common.off_policy_algorithm import OffPolicyAlgorithm  # noqa: E402


class Imitation:
    """Updates towards recordings, to be made in turns with the agent's own: for DQN the margin of Hester et al., "Deep
    Q-learning from Demonstrations" (2018), for SAC the log-likelihood, as Nair et al., "Overcoming Exploration in
    Reinforcement Learning with Demonstrations" (2018) add it to an actor-critic's loss.

    Args:
        agent: SAC or DQN, in an environment of :func:`~gameon_env.learning.sb3.make_sb3_env`.
        data: recordings, as :func:`~gameon_env.learning.sb3.pretrain` takes them.
        mirror: learns from mirrored pictures too.
        updates: in each call.

    Raises:
        TrajectoryError: no episodes, or they do not belong together.
        PolicyError: the recordings are of other controls.
    """

    def __init__(self, agent: OffPolicyAlgorithm, data: Path, *, mirror: Mirror = "none", updates: int = 1) -> None:
        self._agent, self._updates = agent, updates
        config = PretrainConfig(batch_size=agent.batch_size, mirror=mirror, seed=agent.seed or 0)
        made = prepare(agent, data, config)
        self._loss_of, self._batches, self._rows = made.loss_of, made.batches, made.training
        self._left = self._batches.shuffled(self._rows)
        self._optimizer = torch.optim.Adam(self._loss_of.module.parameters(), lr=agent.lr_schedule(1.0))
        self._features = [part for part in self._loss_of.module.modules() if isinstance(part, CloneFeatures)]

    def __call__(self) -> None:
        """Make the updates."""
        module = self._loss_of.module
        for _ in range(self._updates):
            self._left = self._left or self._batches.shuffled(self._rows)
            module.train(True)
            for part in self._features:
                part.from_recordings = True
            loss = self._loss_of(self._batches.make(self._left.pop(), augmented=True))
            for part in self._features:
                part.from_recordings = False
            self._optimizer.zero_grad(set_to_none=True)
            loss.backward()  # type: ignore[no-untyped-call]
            torch.nn.utils.clip_grad_norm_(module.parameters(), 1.0)
            self._optimizer.step()
        module.train(False)
        self._agent.logger.record_mean("train/imitation_loss", float(loss.detach()))
