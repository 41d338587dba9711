"""Agents that begin as clones of what was recorded: imitation within Stable-Baselines3's own policies."""

from __future__ import annotations

import copy
import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from gameon_env.errors import PolicyError
from gameon_env.learning.augmentation import Mirror
from gameon_env.learning.rl_freeze import freeze_actor, has_value_function
from gameon_env.learning.sb3_batches import Batches
from gameon_env.learning.sb3_demonstrations import Data, Demonstration, demonstrations, returns_of
from gameon_env.learning.sb3_env import reward_scale_of
from gameon_env.learning.sb3_losses import ImitationLoss
from gameon_env.learning.sb3_network import CloneFeatures, check_recorded, coding_of
from gameon_env.learning.steps import Steps
from gameon_env.optional import require
from wrappers.action_coding import Conversion

require("stable_baselines3", "Training agents")
import torch  # noqa: E402
from rich.progress import track  # noqa: E402
from stable_baselines3.common.base_class import BaseAlgorithm  # noqa: E402

Int64 = npt.NDArray[np.int64]


@dataclass(frozen=True)
class PretrainConfig:
    """What can be chosen.

    Attributes:
        epochs: passes over the training data, at most; minutes: time budget. The first of the two ends it.
        batch_size, learning_rate, weight_decay: of AdamW; the rate warms up, then falls to 0 along a cosine.
        entropy_weight: keeps the policy from being certain, so that it explores afterwards.
        value_weight: of the value function's error, where the recordings have rewards.
        sharpness: logits of choices are multiplied by this in the end. A player's own spread, drawn anew at each
            step, plays worse than the player (on rescue half as well): above 1, what is drawn comes nearer to what is
            most likely.
        averaging: what is validated and kept is a moving average of the weights.
        sequence_length: steps in a row, for agents with memory.
        values_only: the policy stays, and only its value function learns the recorded returns.
        mirror, shift_px, brightness: augmentation, see :class:`~gameon_env.learning.cloning_config.CloningConfig`.
        validation_fraction, memory_fraction, seed, threads: as there.
    """

    epochs: int = 20
    minutes: float | None = None
    batch_size: int = 64
    learning_rate: float = 1e-3
    weight_decay: float = 1e-2
    entropy_weight: float = 1e-3
    value_weight: float = 0.5
    sharpness: float = 1.0
    averaging: float = 0.995
    sequence_length: int = 16
    values_only: bool = False
    mirror: Mirror = "none"
    shift_px: int = 2
    brightness: float = 0.1
    validation_fraction: float = 0.12
    memory_fraction: float = 0.6
    seed: int = 0
    threads: int | None = None


@dataclass(frozen=True)
class PretrainRecord:
    """One point of the learning curve."""

    epoch: int
    seconds: float
    train_loss: float
    validation_loss: float
    best: bool


@dataclass(frozen=True)
class PretrainResult:
    """What a pretraining gave: the curve, its best point (which the agent now is), what the agent's kind of actions
    cannot say of the recordings, and how many steps were learned from."""

    curve: list[PretrainRecord]
    best: PretrainRecord
    conversion: Conversion
    training_steps: int
    validation_steps: int


def pretrain(
    agent: BaseAlgorithm,
    data: Data,
    config: PretrainConfig | None = None,
    *,
    progress: bool = True,
    check: Callable[[], object] = lambda: None,
) -> PretrainResult:
    """Let an agent learn to do what was recorded, before it plays.

    PPO, A2C and RecurrentPPO take the recorded actions' log-likelihood, and their value function the recorded returns
    where there are rewards; SAC's actor the log-likelihood (its critics learn nothing: fill the replay buffer and let
    it train); DQN a margin between the recorded action's value and the others'.

    Args:
        agent: in an environment of :func:`~gameon_env.learning.sb3.make_sb3_env`.
        data: ``gameon.db`` or its folder, a session's folder, a trajectory file or a folder of these; or episodes.
        config: what can be chosen.
        progress: shows a bar.
        check: called before each batch; may raise.

    Raises:
        TrajectoryError: no episodes, or they do not belong together.
        PolicyError: the recordings are of other controls, or the time budget is too short.
    """
    config = config or PretrainConfig()
    made = prepare(agent, data, config)
    loss_of, batches, training, returns = made.loss_of, made.batches, made.training, made.returns
    torch.manual_seed(config.seed)
    if config.threads:
        torch.set_num_threads(config.threads)
    if returns is not None:
        loss_of.begin(float(returns[training].mean()))
    if config.values_only:
        freeze_actor(agent, True)
    try:
        curve = _learn(loss_of, batches, training, made.validation, config, progress, check)
    finally:
        if has_value_function(agent):
            freeze_actor(agent, False)
    loss_of.finish(1.0 if config.values_only else config.sharpness)
    best = next(record for record in reversed(curve) if record.best)
    return PretrainResult(curve, best, made.conversion, len(training), len(made.validation))


@dataclass(frozen=True)
class Prepared:
    """Recordings as an agent learns from them: its loss, batches of the rows kept for training and for validation, the
    returns of all rows (None without rewards), and what the agent's kind of actions cannot say of them."""

    loss_of: ImitationLoss
    batches: Batches
    training: Int64
    validation: Int64
    returns: npt.NDArray[np.float32] | None
    conversion: Conversion


def prepare(agent: BaseAlgorithm, data: Data, config: PretrainConfig) -> Prepared:
    """Read recordings, for :func:`pretrain` and for what learns from them beside the game.

    Raises:
        TrajectoryError, PolicyError: as :func:`pretrain`.
    """
    coding = coding_of(agent)
    stack, size = _seen_by(agent)
    episodes = demonstrations(data, size)
    steps = Steps(episodes, stack=stack, memory_fraction=config.memory_fraction)
    if steps.controls != coding.controls:
        raise PolicyError(
            f"the recordings are of the controls {list(steps.controls)}, the agent has {list(coding.controls)}: "
            "use recordings of this game, made with the same profile"
        )
    check_recorded(agent, steps.mouse_scale_px, steps.fps)
    rng = np.random.default_rng(config.seed)
    training, validation = steps.split(config.validation_fraction, rng)
    returns = _returns(episodes, steps, float(getattr(agent, "gamma", 0.99)), reward_scale_of(agent.get_env()))
    if config.values_only and (returns is None or not has_value_function(agent)):
        raise PolicyError(
            f"{data} has no rewards that a value function could learn from, or {type(agent).__name__} has no such "
            "function: record steps by RecordEpisode or gameon record --steps, or leave the recordings away"
        )
    known = returns[training] if returns is not None else np.zeros(1, np.float32)
    loss_of = ImitationLoss(
        agent,
        entropy_weight=config.entropy_weight,
        value_weight=config.value_weight,
        returns_variance=float(known.var()),
        values_only=config.values_only,
    )
    batches = Batches(
        steps,
        coding,
        returns,
        agent.device,
        rng,
        batch_size=config.batch_size,
        length=config.sequence_length if loss_of.recurrent else 1,
        mirror=config.mirror,
        shift_px=config.shift_px,
        brightness=config.brightness,
    )
    return Prepared(loss_of, batches, training, validation, returns, coding.to_actions(steps.inputs))


def _learn(
    loss_of: ImitationLoss,
    batches: Batches,
    training: Int64,
    validation: Int64,
    config: PretrainConfig,
    progress: bool,
    check: Callable[[], object],
) -> list[PretrainRecord]:
    module = loss_of.module
    optimizer = torch.optim.AdamW(module.parameters(), lr=config.learning_rate, weight_decay=config.weight_decay)
    averaged = copy.deepcopy(module.state_dict())
    kept: dict[str, torch.Tensor] | None = None
    curve: list[PretrainRecord] = []
    start, updates = time.monotonic(), 0
    per_epoch = len(batches.shuffled(training))
    for epoch in track(range(1, config.epochs + 1), "learning from recordings", disable=not progress):
        losses: list[float] = []
        _train_mode(module, not config.values_only)
        for rows in batches.shuffled(training):
            check()
            done = (epoch - 1 + len(losses) / per_epoch) / config.epochs
            if config.minutes:
                done = max(done, (time.monotonic() - start) / (60 * config.minutes))
                if done >= 1:
                    break
            for settings in optimizer.param_groups:
                settings["lr"] = config.learning_rate * min(done / 0.03 + 0.02, 0.5 + 0.5 * math.cos(math.pi * done))
            loss = loss_of(batches.make(rows, augmented=True))
            optimizer.zero_grad(set_to_none=True)
            loss.backward()  # type: ignore[no-untyped-call]
            torch.nn.utils.clip_grad_norm_(module.parameters(), 1.0)
            optimizer.step()
            losses.append(float(loss.detach()))
            updates += 1
            _average(averaged, module.state_dict(), min(config.averaging, updates / (updates + 10)))
        if not losses:
            break
        own = copy.deepcopy(module.state_dict())
        module.load_state_dict(averaged)
        _train_mode(module, False)
        validation_loss = _mean_loss(loss_of, batches, validation)
        best = kept is None or validation_loss < min(record.validation_loss for record in curve)
        if best:
            kept = copy.deepcopy(averaged)
        module.load_state_dict(own)
        seconds = round(time.monotonic() - start, 2)
        curve.append(PretrainRecord(epoch, seconds, float(np.mean(losses)), validation_loss, best))
    if kept is None:
        raise PolicyError(f"the time budget of {config.minutes} minutes was over before anything was learned")
    module.load_state_dict(kept)
    _train_mode(module, False)
    return curve


@torch.no_grad()
def _mean_loss(loss_of: ImitationLoss, batches: Batches, rows: Int64) -> float:
    parts = batches.in_order(rows)
    if not parts:
        raise PolicyError("the recordings kept for validation are shorter than sequence_length: choose a smaller one")
    losses = [float(loss_of(batches.make(part, augmented=False))) for part in parts]
    return float(np.average(losses, weights=[part.size for part in parts]))


def _average(averaged: dict[str, torch.Tensor], current: dict[str, torch.Tensor], keep: float) -> None:
    for name, tensor in current.items():
        if tensor.is_floating_point():
            averaged[name].lerp_(tensor, 1 - keep)
        else:
            averaged[name].copy_(tensor)


def _train_mode(module: torch.nn.Module, on: bool) -> None:
    for part in module.modules():
        if isinstance(part, CloneFeatures):
            part.from_recordings = on
    module.train(on)


def _seen_by(agent: BaseAlgorithm) -> tuple[int, tuple[int, int]]:
    """Frames seen at once, and their ``(height, width)``."""
    shape: Any = agent.observation_space.shape
    if shape is None or len(shape) != 3 or shape[0] % 3:
        raise PolicyError(f"the agent must see RGB frames with the channels first; its observations are {shape}")
    return shape[0] // 3, (shape[1], shape[2])


def _returns(
    episodes: list[Demonstration], steps: Steps, gamma: float, reward_scale: float
) -> npt.NDArray[np.float32] | None:
    """Of each step, ``(N,)``; None where a recording has no rewards."""
    parts = []
    for number, episode in enumerate(episodes):
        returns = returns_of(episode, gamma)
        if returns is None:
            return None
        valid = np.flatnonzero(episode.is_valid[: episode.num_steps])
        count = int((steps.episode_of == number).sum())  # those before the player's first action are left out
        parts.append(returns[valid[len(valid) - count :]])
    return np.concatenate(parts) * np.float32(reward_scale)
