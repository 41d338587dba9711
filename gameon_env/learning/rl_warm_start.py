"""What an agent begins from: a cloned policy, recordings, or both, so that it need not find out everything anew."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from gameon_env.errors import PolicyError
from gameon_env.learning.augmentation import Mirror
from gameon_env.learning.rl_settings import Settings
from gameon_env.learning.sb3_network import sharpen, start_from_policy
from gameon_env.learning.sb3_pretraining import PretrainConfig, pretrain
from gameon_env.learning.sb3_replay import NoRewardsError, fill_replay_buffer
from gameon_env.learning.sb3_replay_file import replay_buffer_of
from gameon_env.optional import require

require("stable_baselines3", "Training agents")
from stable_baselines3.common.base_class import BaseAlgorithm  # noqa: E402
from stable_baselines3.common.off_policy_algorithm import OffPolicyAlgorithm  # noqa: E402


@dataclass(frozen=True)
class WarmStart:
    """Attributes:
    policy: a policy's file that ``gameon train bc`` (or PPO, A2C) made.
    data: recordings: trajectory files, a folder of them, or sessions.
    mirror: recordings are learned from mirrored pictures too.
    """

    policy: Path | None = None
    data: Path | None = None
    mirror: Mirror = "none"


def warm_start(
    agent: BaseAlgorithm,
    settings: Settings,
    start: WarmStart,
    *,
    say: Callable[[str], None],
    progress: bool = True,
    check: Callable[[], object] = lambda: None,
) -> None:
    """Let a new agent begin from it.

    PPO and A2C carry a policy over, or clone the recordings and learn their returns; with both, the policy acts and
    the recordings teach the value function. SAC and DQN clone the recordings, take them into their replay buffer where
    they have rewards, and make ``offline_steps`` updates from it.

    Raises:
        PolicyError: the policy or the recordings do not fit the agent.
        TrajectoryError, DatasetError: there are no such recordings.
    """
    buffer = replay_buffer_of(agent)
    if start.policy is not None:
        if buffer is not None:
            raise PolicyError(
                f"{settings.algorithm} cannot begin from a cloned policy, whose actions it has not: give it the "
                "recordings by --data, or train ppo or a2c"
            )
        start_from_policy(agent, start.policy)
        sharpen(agent, float(settings.own["sharpness"]))
        say(f"begins as {start.policy}")
    if start.data is None:
        return
    check()
    config = PretrainConfig(
        epochs=int(settings.own["clone_epochs"]),
        sharpness=float(settings.own["sharpness"]),
        mirror=start.mirror,
        seed=agent.seed or 0,
        values_only=start.policy is not None,
    )
    result = pretrain(agent, start.data, config, progress=progress, check=check)
    say(
        f"learned from {result.training_steps} recorded steps: validation loss {result.best.validation_loss:.3f} after "
        f"{result.best.epoch} passes; as this agent's actions: {result.conversion}"
    )
    if isinstance(agent, OffPolicyAlgorithm) and buffer is not None:
        try:
            filled = fill_replay_buffer(agent, start.data)
        except NoRewardsError:
            say("the recordings have no rewards, as sessions: they are imitated, and the replay buffer begins empty")
            return
        say(f"{len(filled.actions)} recorded steps are in the replay buffer")
        _learn_offline(agent, int(settings.own["offline_steps"]), check)


def _learn_offline(agent: OffPolicyAlgorithm, updates: int, check: Callable[[], object]) -> None:
    agent.learn(0)  # sets up what train() logs to
    for made in range(0, updates, 50):
        check()
        agent.train(gradient_steps=min(50, updates - made), batch_size=agent.batch_size)
