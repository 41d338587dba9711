"""Behavioral cloning: learn to answer what is seen as the recorded player did. The whole loop, top to bottom.

The network sees the last few frames and nothing else. Past actions would predict the next one almost perfectly
(a key that is down mostly stays down), and the clone would copy itself instead of looking (the "copycat problem").

Under ``torchrun`` the processes share each batch, and give what one process would.
"""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from gameon_env.errors import PolicyError
from gameon_env.keys import MOUSE_POSITION
from gameon_env.learning.augmentation import Mirrors, augment
from gameon_env.learning.batch_part import BatchPart
from gameon_env.learning.cloning_config import CloningConfig, CloningResult, EpochRecord
from gameon_env.learning.cloning_loss import CloningLoss, average, half_precision
from gameon_env.learning.cloning_metrics import axis_errors, tune_thresholds
from gameon_env.learning.distributed import TrainingGroup, training_group
from gameon_env.learning.learning_curve import LearningCurve, curve_path
from gameon_env.learning.network import CloneNetwork, weights_of
from gameon_env.learning.policy import save_policy
from gameon_env.learning.steps import StepEpisode, Steps
from gameon_env.learning.training_bar import TrainingBar
from gameon_env.learning.warm_start import linear_of, start_from
from gameon_env.optional import require

require("torch", "Learning from recordings")
import torch  # noqa: E402
from torch.optim.swa_utils import AveragedModel  # noqa: E402

__all__ = ["CloningConfig", "CloningLoss", "CloningResult", "EpochRecord", "Steps", "augment", "clone", "predict"]


def clone(
    episodes: Sequence[StepEpisode],
    output: str | Path,
    config: CloningConfig | None = None,
    *,
    keep: Sequence[npt.NDArray[np.bool_]] | None = None,
    weights: Sequence[npt.NDArray[np.floating[Any]]] | None = None,
    start: str | Path | None = None,
    progress: bool = True,
) -> CloningResult:
    """Train a policy on recorded episodes and save the best one, by validation loss, to ``output``.

    Args:
        episodes: as :func:`gameon_env.data_processing.trajectory.load_episodes` or
            :func:`gameon_env.learning.recorded_runs.load_runs` gives them: all with the same controls and frame size.
        keep: per episode ``(T + 1,) bool``, the steps to learn from; all without it. Deliberate mistakes of a teacher
            show how one recovers, but are no answers themselves.
        weights: per episode ``(T + 1,)``, how often a step is shown in each epoch of the training; once without it.
        start: a policy whose weights the training starts from; fresh ones without it.
        output: the policy's file; the learning curve goes beside it as ``<name>.curve.jsonl``.
        progress: show a bar with the loss, and the F1 of each button after each epoch.

    Raises:
        TrajectoryError: no episodes, or they do not belong together.
        PolicyError: the configuration cannot work, or ``start`` is a policy of another kind or for other recordings.
        StorageError: the policy cannot be written.
    """
    config = config or CloningConfig()
    path = Path(output)
    with training_group(config.device) as group:
        curve_file = LearningCurve(path) if group.is_main else None
        steps = Steps(
            episodes,
            stack=config.stack,
            spacing=config.spacing,
            latency_ms=config.latency_ms,
            memory_fraction=config.memory_fraction / group.local_size,
            keep=keep,
            weights=weights,
        )
        return _train(group, steps, path, curve_file, config, start, progress and group.is_main)


def _train(
    group: TrainingGroup,
    steps: Steps,
    policy_path: Path,
    curve_file: LearningCurve | None,
    config: CloningConfig,
    start_policy: str | Path | None,
    progress: bool,
) -> CloningResult:
    # Data: every step that has an action, by episode into training and validation.
    rng = np.random.default_rng(config.seed)
    training, validation = steps.split(config.validation_fraction, rng)
    head = steps.head(training, config.bins, config.mu)
    pressed, shares = head.encode(steps.inputs)
    mirrors = Mirrors(head, config.mirror)
    shift_px = 0 if set(head.controls) & set(MOUSE_POSITION) else config.shift_px

    # Network and optimizer.
    torch.manual_seed(config.seed)
    torch.set_num_threads(config.threads or group.threads)
    linear = len(head.axes) if start_policy is None else linear_of(start_policy)
    network = CloneNetwork(steps.observation_size, config.stack, head.outputs, lines=config.lines, linear=linear)
    if linear:
        network.let_lean(len(head.buttons), head.bins)
    network = network.to(group.device)
    spec = steps.policy_spec(head, network.kwargs)
    if start_policy is not None:
        start_from(start_policy, network, spec)
    averaged = AveragedModel(network, avg_fn=average(config.averaging), use_buffers=True)
    group.share(network)
    optimizer = torch.optim.AdamW(network.parameters(), lr=config.learning_rate, weight_decay=config.weight_decay)
    loss_of = CloningLoss(head, pressed[training], config.press_weight_cap).to(group.device)

    # The loop. Progress through the training is a share of the epochs or of the time, whichever is further.
    curve: list[EpochRecord] = []
    best: EpochRecord | None = None
    shown = len(training) if steps.weights is None else float(steps.weights[training].sum())
    batches = max(1, math.ceil(shown / config.batch_size))
    start = time.monotonic()
    if curve_file is not None:
        curve_file.begin()
    with TrainingBar(config.epochs * batches, progress) as bar:
        done = 0.0
        for epoch in range(1, config.epochs + 1):
            network.train()
            losses: list[float] = []
            order = steps.epoch(training, rng)
            for rows in np.array_split(order, batches):
                done = (epoch - 1 + len(losses) / batches) / config.epochs
                if config.minutes:
                    done = group.largest(max(done, (time.monotonic() - start) / (60 * config.minutes)))
                    if done >= 1:
                        break
                for settings in optimizer.param_groups:
                    settings["lr"] = config.learning_rate * min(
                        done / 0.03 + 0.02, 0.5 + 0.5 * math.cos(math.pi * done)
                    )
                part = group.take(len(rows))
                mine = rows[part.rows]
                stacked = augment(steps.stacks(mine), shift_px, config.brightness, rng, part)
                stacked, held, where = mirrors.apply(stacked, pressed[mine], shares[mine], rng, part)
                with half_precision(group.device):
                    logits = network(torch.from_numpy(stacked).to(group.device))
                loss = part.weight * loss_of(logits.float(), torch.from_numpy(held), torch.from_numpy(where))
                optimizer.zero_grad(set_to_none=True)
                loss.backward()
                losses.append(group.sum_gradients(network, loss))
                torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
                optimizer.step()
                averaged.update_parameters(network)
                bar.step(epoch, losses[-1], share=done)
            if not losses:
                break

            # How well it does on episodes it has not learned from; the best so far is what is saved.
            share = BatchPart.of(len(validation), group.rank, group.size)
            mine = validation[share.rows]
            logits_np = predict(averaged.module, steps, mine, config.batch_size, group.device, head.outputs)
            logits_np = group.assemble(share, logits_np)
            targets = torch.from_numpy(pressed[validation]), torch.from_numpy(shares[validation])
            validation_loss = float(loss_of(torch.from_numpy(logits_np).to(group.device), *targets))
            tuned, f1 = tune_thresholds(head, logits_np, pressed[validation])
            record = EpochRecord(
                epoch,
                round(time.monotonic() - start, 2),
                float(np.mean(losses)),
                validation_loss,
                f1,
                axis_errors(head, logits_np, steps.inputs[validation]),
                best=best is None or validation_loss < best.validation_loss,
            )
            curve.append(record)
            if curve_file is not None:
                curve_file.add(record)
            bar.epoch(record)
            if record.best:
                best = record
                summary = {
                    "episodes": len(steps.episodes),
                    "training_steps": len(training),
                    "validation_steps": len(validation),
                    "config": asdict(config),
                    "best": asdict(record),
                }
                if group.is_main:
                    save_policy(policy_path, replace(spec, head=tuned, training=summary), weights_of(averaged.module))
    if best is None:
        raise PolicyError(f"the time budget of {config.minutes} minutes was over before anything was learned")
    return CloningResult(
        policy_path, curve_path(policy_path), curve, best, str(group.device), len(training), len(validation)
    )


@torch.inference_mode()
def predict(
    network: torch.nn.Module,
    steps: Steps,
    rows: npt.NDArray[np.int64],
    batch_size: int,
    device: torch.device,
    outputs: int,
) -> npt.NDArray[np.float32]:
    """Logits ``(n, outputs) float32`` of some steps, without augmentation."""
    network.eval()
    parts = [rows[i : i + 2 * batch_size] for i in range(0, len(rows), 2 * batch_size)]
    with half_precision(device):
        logits = [network(torch.from_numpy(steps.stacks(part)).to(device)).float().cpu().numpy() for part in parts]
    return np.concatenate(logits) if logits else np.zeros((0, outputs), np.float32)
