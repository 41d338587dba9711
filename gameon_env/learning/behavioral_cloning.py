"""Behavioral cloning: learn to answer what is seen as the recorded player did. The whole loop, top to bottom.

The network sees the last few frames and nothing else. Past actions would predict the next one almost perfectly
(a key that is down mostly stays down), and the clone would copy itself instead of looking (the "copycat problem").
"""

from __future__ import annotations

import json
import math
import os
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from gameon_env.errors import PolicyError, StorageError
from gameon_env.keys import MOUSE_POSITION
from gameon_env.learning.action_head import ActionHead
from gameon_env.learning.augmentation import Mirror, Mirrors, augment
from gameon_env.learning.network import CloneNetwork, best_device, weights_of
from gameon_env.learning.policy import save_policy
from gameon_env.learning.steps import Steps

if TYPE_CHECKING:
    from gameon_env.data_processing.trajectory import Episode

import torch
from torch.nn import functional
from torch.optim.swa_utils import AveragedModel


@dataclass(frozen=True)
class CloningConfig:
    """What can be chosen about a training.

    Attributes:
        epochs: passes over the training data, at most.
        minutes: time budget; training ends with the first of the two. Only ``epochs`` is reproducible to the bit.
        batch_size, learning_rate, weight_decay: of AdamW; the rate warms up, then falls to 0 along a cosine.
        stack: frames seen at once; spacing: steps between them. More than one shows how things move, but also what the
            player was doing, and clones tend to go on with that (on rescue: 44 % of the player's score with two frames
            and 87 % with one, from the same recording).
        bins, mu: how axes are told apart, see :class:`~gameon_env.learning.action_head.ActionHead`.
        lines: the network tells each place what lies in its column and its row, see
            :class:`~gameon_env.learning.network.CloneNetwork`: for games in which things far apart meet on a line.
        averaging: what is validated and saved is a moving average of the weights over some ``1 / (1 - averaging)``
            updates: steadier from epoch to epoch than the weights themselves.
        press_weight_cap: rare presses weigh as much as their absence, but at most this many times.
        latency_ms: how much later than its frame an action counts as the answer to it; 0 is the data model's rule.
        mirror: augmentation: pictures are mirrored left to right, or top to bottom as well, and the controls with
            them (a with d, the right arrow with the left one, ``mouse:dx`` with its negative). Only for games that
            look and play the same that way.
        shift_px: augmentation: the picture moves by up to this many pixels. Off where the pointer's position is
            a control, because that would have to move along.
        brightness: augmentation: frames get lighter or darker by up to this share.
        validation_fraction: share of the episodes kept for validation, at least one (of a single one: its end).
        memory_fraction: frames are kept in RAM up to this share of what is free, else read from the files.
        seed: of the split, the weights, the order and the augmentation.
        threads: of the processor, all without it. Beside other busy programs one thread is often the fastest: the
            threads of one operation wait for the last of them.
        device: PyTorch's name of one; None takes the accelerator where there is one.
    """

    epochs: int = 20
    minutes: float | None = None
    batch_size: int = 64
    learning_rate: float = 1e-3
    weight_decay: float = 1e-2
    stack: int = 1
    spacing: int = 1
    bins: int = 21
    mu: float = 20.0
    lines: bool = False
    averaging: float = 0.995
    press_weight_cap: float = 8.0
    latency_ms: float = 0.0
    mirror: Mirror = "none"
    shift_px: int = 4
    brightness: float = 0.1
    validation_fraction: float = 0.12
    memory_fraction: float = 0.6
    seed: int = 0
    threads: int | None = None
    device: str | None = None


@dataclass(frozen=True)
class EpochRecord:
    """One point of the learning curve. ``f1``: per button; ``axis_error``: mean absolute error per axis, 1.0 = full."""

    epoch: int
    seconds: float
    train_loss: float
    validation_loss: float
    f1: dict[str, float] = field(default_factory=dict)
    axis_error: dict[str, float] = field(default_factory=dict)
    best: bool = False


@dataclass(frozen=True)
class CloningResult:
    """What a training gave: the policy's file (the best epoch's), and the learning curve, also in ``curve_path``."""

    policy_path: Path
    curve_path: Path
    curve: list[EpochRecord]
    best: EpochRecord
    device: str
    training_steps: int
    validation_steps: int


def clone(
    episodes: Sequence[Episode],
    output: str | Path,
    config: CloningConfig | None = None,
    *,
    keep: Sequence[npt.NDArray[np.bool_]] | None = None,
    progress: bool = True,
) -> CloningResult:
    """Train a policy on recorded episodes and save the best one, by validation loss, to ``output``.

    Args:
        episodes: as :func:`gameon_env.data_processing.trajectory.load_episodes` gives them: all with the same
            controls and frame size.
        keep: per episode ``(T + 1,) bool``, the steps to learn from; all without it. Deliberate mistakes of a teacher
            show how one recovers, but are no answers themselves.
        output: the policy's file; the learning curve goes beside it as ``<name>.curve.jsonl``.
        progress: show a bar with the loss, and the F1 of each button after each epoch.

    Raises:
        TrajectoryError: no episodes, or they do not belong together.
        PolicyError: the configuration cannot work.
        StorageError: the policy cannot be written.
    """
    config = config or CloningConfig()
    policy_path = Path(output)
    curve_path = policy_path.with_suffix(".curve.jsonl")
    _prepare_output(curve_path)

    # Data: every step that has an action, by episode into training and validation.
    steps = Steps(
        episodes,
        stack=config.stack,
        spacing=config.spacing,
        latency_ms=config.latency_ms,
        memory_fraction=config.memory_fraction,
        keep=keep,
    )
    rng = np.random.default_rng(config.seed)
    training, validation = steps.split(config.validation_fraction, rng)
    head = steps.head(training, config.bins, config.mu)
    pressed, shares = head.encode(steps.inputs)
    mirrors = Mirrors(head, config.mirror)
    shift_px = 0 if set(head.controls) & set(MOUSE_POSITION) else config.shift_px

    # Network and optimizer.
    torch.manual_seed(config.seed)
    torch.set_num_threads(config.threads or os.cpu_count() or 1)
    device = torch.device(config.device) if config.device else best_device()
    network = CloneNetwork(steps.observation_size, config.stack, head.outputs, lines=config.lines).to(device)
    averaged = AveragedModel(network, avg_fn=average(config.averaging), use_buffers=True)
    optimizer = torch.optim.AdamW(network.parameters(), lr=config.learning_rate, weight_decay=config.weight_decay)
    loss_of = CloningLoss(head, pressed[training], config.press_weight_cap).to(device)
    spec = steps.policy_spec(head, network.kwargs)

    # The loop. Progress through the training is a share of the epochs or of the time, whichever is further.
    curve: list[EpochRecord] = []
    best: EpochRecord | None = None
    batches = math.ceil(len(training) / config.batch_size)
    start = time.monotonic()
    with _Bar(config.epochs * batches, progress) as bar, curve_path.open("w") as curve_file:
        done = 0.0
        for epoch in range(1, config.epochs + 1):
            network.train()
            losses: list[float] = []
            order = rng.permutation(training)
            for rows in np.array_split(order, batches):
                done = (epoch - 1 + len(losses) / batches) / config.epochs
                if config.minutes:
                    done = max(done, (time.monotonic() - start) / (60 * config.minutes))
                    if done >= 1:
                        break
                for group in optimizer.param_groups:
                    group["lr"] = config.learning_rate * min(done / 0.03 + 0.02, 0.5 + 0.5 * math.cos(math.pi * done))
                stacked = augment(steps.stacks(rows), shift_px, config.brightness, rng)
                stacked, held, where = mirrors.apply(stacked, pressed[rows], shares[rows], rng)
                with half_precision(device):
                    logits = network(torch.from_numpy(stacked).to(device))
                logits = logits.float()
                loss = loss_of(logits, torch.from_numpy(held), torch.from_numpy(where))
                optimizer.zero_grad(set_to_none=True)
                loss.backward()
                torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
                optimizer.step()
                averaged.update_parameters(network)
                losses.append(loss.item())
                bar.step(epoch, loss.item(), share=done)
            if not losses:
                break

            # How well it does on episodes it has not learned from; the best so far is what is saved.
            logits_np = predict(averaged.module, steps, validation, config.batch_size, device)
            targets = torch.from_numpy(pressed[validation]), torch.from_numpy(shares[validation])
            validation_loss = float(loss_of(torch.from_numpy(logits_np).to(device), *targets))
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
            curve_file.write(json.dumps(asdict(record)) + "\n")
            curve_file.flush()
            bar.epoch(record)
            if record.best:
                best = record
                summary = {
                    "episodes": len(episodes),
                    "training_steps": len(training),
                    "validation_steps": len(validation),
                    "config": asdict(config),
                    "best": asdict(record),
                }
                save_policy(policy_path, replace(spec, head=tuned, training=summary), weights_of(averaged.module))
    if best is None:
        raise PolicyError(f"the time budget of {config.minutes} minutes was over before anything was learned")
    return CloningResult(policy_path, curve_path, curve, best, str(device), len(training), len(validation))


class CloningLoss(torch.nn.Module):
    """Binary cross-entropy per button, cross-entropy per axis, each control as important as any other.

    Presses are weighted by how rare they are. Weighting by w moves a calibrated answer by log w, so log w is put on
    the logits first: what the network gives stays the true probability, and thresholds and sampling mean what they say.
    """

    def __init__(self, head: ActionHead, pressed: npt.NDArray[np.float32], cap: float) -> None:
        super().__init__()
        self.split = len(head.buttons)
        self.shape = (-1, len(head.axes), head.bins)
        rate = pressed.mean(axis=0).clip(1e-6, 1.0)
        self.press_weight: torch.Tensor
        self.register_buffer("press_weight", torch.from_numpy(((1 - rate) / rate).clip(1.0, cap)))

    def forward(self, logits: torch.Tensor, pressed: torch.Tensor, shares: torch.Tensor) -> torch.Tensor:
        loss = logits.new_zeros(())
        if self.split:
            loss = loss + functional.binary_cross_entropy_with_logits(
                logits[:, : self.split] + self.press_weight.log(),
                pressed.to(logits.device),
                pos_weight=self.press_weight,
            )
        if self.shape[1]:
            bins = functional.log_softmax(logits[:, self.split :].reshape(self.shape), dim=2)
            loss = loss - (bins * shares.to(logits.device)).sum(dim=2).mean()
        return loss


def average(decay: float) -> Callable[[torch.Tensor, torch.Tensor, torch.Tensor | int], torch.Tensor]:
    """An exponential moving average of the weights, which at first forgets quickly what was random."""

    def update(kept: torch.Tensor, new: torch.Tensor, count: torch.Tensor | int) -> torch.Tensor:
        share = max(1 - decay, 9 / (10 + float(count)))
        return kept + (new - kept) * share if kept.is_floating_point() else new

    return update


@torch.inference_mode()
def predict(
    network: torch.nn.Module, steps: Steps, rows: npt.NDArray[np.int64], batch_size: int, device: torch.device
) -> npt.NDArray[np.float32]:
    """Logits ``(n, outputs) float32`` of some steps, without augmentation."""
    network.eval()
    parts = [rows[i : i + 2 * batch_size] for i in range(0, len(rows), 2 * batch_size)]
    with half_precision(device):
        logits = [network(torch.from_numpy(steps.stacks(part)).to(device)).float().cpu().numpy() for part in parts]
    return np.concatenate(logits)


def half_precision(device: torch.device) -> torch.autocast:
    """bfloat16 where the processor or the accelerator computes in it: nearly twice as fast (measured with AVX-512)."""
    known = device.type != "cpu" or torch.ops.mkldnn._is_mkldnn_bf16_supported()
    return torch.autocast(device.type, dtype=torch.bfloat16, enabled=bool(known) and device.type in ("cpu", "cuda"))


def tune_thresholds(
    head: ActionHead, logits: npt.NDArray[np.float32], pressed: npt.NDArray[np.float32]
) -> tuple[ActionHead, dict[str, float]]:
    """Per button the threshold with the best F1, between 0.1 and 0.9, and that F1 (1.0 where nothing was to press)."""
    probabilities, _ = head.probabilities(logits)
    candidates = np.linspace(0.1, 0.9, 33)
    thresholds, f1 = [], {}
    for column, name in enumerate(head.button_names):
        truth = pressed[:, column] >= 0.5
        guesses = probabilities[:, column, None] >= candidates
        hits = (guesses & truth[:, None]).sum(axis=0)
        total = guesses.sum(axis=0) + truth.sum()
        scores = np.where(total > 0, 2 * hits / np.maximum(total, 1), 1.0)
        near_best = candidates[scores >= scores.max() - 1e-9]
        thresholds.append(float(near_best[np.abs(near_best - 0.5).argmin()]))
        f1[name] = float(scores.max())
    return replace(head, thresholds=tuple(thresholds)), f1


def axis_errors(head: ActionHead, logits: npt.NDArray[np.float32], inputs: npt.NDArray[np.float32]) -> dict[str, float]:
    """Mean absolute error of each axis."""
    values = head.axis_values(head.probabilities(logits)[1])
    errors = np.abs(values - inputs[:, list(head.axes)].clip(-1, 1)).mean(axis=0)
    return {name: float(error) for name, error in zip(head.axis_names, errors, strict=True)}


def _prepare_output(curve_path: Path) -> None:
    try:
        curve_path.parent.mkdir(parents=True, exist_ok=True)
        curve_path.touch()
    except OSError as error:
        raise StorageError(f"nothing can be written to {curve_path.parent}: {error}") from error


class _Bar:
    """The progress bar, or nothing."""

    def __init__(self, steps: int, shown: bool) -> None:
        self._bar = Progress(
            TextColumn("epoch {task.fields[epoch]}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(),
            TextColumn("loss {task.fields[loss]:.3f}"), disable=not shown,
        )  # fmt: skip
        self._steps = steps
        self._task = self._bar.add_task("", total=steps, epoch=0, loss=math.nan)

    def __enter__(self) -> _Bar:
        self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.stop()

    def step(self, epoch: int, loss: float, share: float) -> None:
        self._bar.update(self._task, completed=round(share * self._steps), epoch=epoch, loss=loss)

    def epoch(self, record: EpochRecord) -> None:
        controls = [f"{name} {f1:.2f}" for name, f1 in record.f1.items()]
        controls += [f"{name} ±{error:.3f}" for name, error in record.axis_error.items()]
        if self._bar.disable:
            return
        self._bar.console.print(
            f"epoch {record.epoch}: loss {record.train_loss:.3f}, validation {record.validation_loss:.3f}"
            f"{' (best)' if record.best else ''}; F1 {', '.join(controls)}",
            highlight=False,
        )
