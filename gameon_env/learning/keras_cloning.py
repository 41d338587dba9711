"""Behavioral cloning in TensorFlow and Keras: the same data, network, loss, metrics and files' contents as in PyTorch.

The loop reads as that of :mod:`gameon_env.learning.behavioral_cloning`, where the reasons are told.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from gameon_env.errors import PolicyError
from gameon_env.keys import MOUSE_POSITION
from gameon_env.learning.action_head import ActionHead
from gameon_env.learning.augmentation import Mirrors, augment
from gameon_env.learning.cloning_config import CloningConfig, CloningResult, EpochRecord
from gameon_env.learning.cloning_metrics import axis_errors, tune_thresholds
from gameon_env.learning.keras_network import KIND, build_network, device_of, let_lean
from gameon_env.learning.keras_policy import check_suffix, save_keras_policy
from gameon_env.learning.learning_curve import LearningCurve
from gameon_env.learning.steps import StepEpisode, Steps
from gameon_env.learning.training_bar import TrainingBar
from gameon_env.optional import require

Floats = npt.NDArray[np.float32]


def clone(
    episodes: Sequence[StepEpisode],
    output: str | Path,
    config: CloningConfig | None = None,
    *,
    keep: Sequence[npt.NDArray[np.bool_]] | None = None,
    progress: bool = True,
) -> CloningResult:
    """Train a Keras policy on recorded episodes and save the best one, by validation loss, to ``output``.

    Args:
        episodes: as :func:`gameon_env.data_processing.trajectory.load_episodes` or
            :func:`gameon_env.learning.recorded_runs.load_runs` gives them: all with the same controls and frame size.
        output: the policy's file, ``*.keras``; the learning curve goes beside it as ``<name>.curve.jsonl``.
        config: what can be chosen; ``device`` is TensorFlow's name of one (``cpu``, ``gpu:0``).
        keep: per episode ``(T + 1,) bool``, the steps to learn from; all without it.
        progress: show a bar with the loss, and the F1 of each button after each epoch.

    Raises:
        TrajectoryError: no episodes, or they do not belong together.
        PolicyError: the configuration cannot work.
        StorageError: the policy cannot be written.
        MissingPartError: TensorFlow is not installed.
    """
    tf = require("tensorflow", "Learning from recordings in TensorFlow")
    keras = require("keras", "Learning from recordings in TensorFlow")
    config = config or CloningConfig()
    policy_path = Path(output)
    check_suffix(policy_path)
    curve_file = LearningCurve(policy_path)

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
    keras.utils.set_random_seed(config.seed % 2**32)
    _set_threads(tf, config.threads)
    device = device_of(config.device)
    kwargs: dict[str, Any] = {
        "observation_size": list(steps.observation_size),
        "stack": config.stack,
        "outputs": head.outputs,
        "lines": config.lines,
        "linear": len(head.axes),
    }
    with tf.device(device):
        network, averaged = build_network(**kwargs), build_network(**kwargs)
        let_lean(network, len(head.axes), len(head.buttons), head.bins)
        averaged.set_weights(network.get_weights())
        optimizer = keras.optimizers.AdamW(weight_decay=config.weight_decay, global_clipnorm=1.0)
        optimizer.build(network.trainable_variables)
    loss_of = cloning_loss(head, pressed[training], config.press_weight_cap)
    update = _training_step(network, averaged, optimizer, loss_of, config.averaging)
    predict = _prediction(averaged)
    spec = replace(steps.policy_spec(head, kwargs), network=KIND)

    # The loop. Progress through the training is a share of the epochs or of the time, whichever is further.
    curve: list[EpochRecord] = []
    best: EpochRecord | None = None
    batches = math.ceil(len(training) / config.batch_size)
    start = time.monotonic()
    curve_file.begin()
    with TrainingBar(config.epochs * batches, progress) as bar, tf.device(device):
        done = 0.0
        for epoch in range(1, config.epochs + 1):
            losses: list[float] = []
            order = rng.permutation(training)
            for rows in np.array_split(order, batches):
                done = (epoch - 1 + len(losses) / batches) / config.epochs
                if config.minutes:
                    done = max(done, (time.monotonic() - start) / (60 * config.minutes))
                    if done >= 1:
                        break
                optimizer.learning_rate = config.learning_rate * min(
                    done / 0.03 + 0.02, 0.5 + 0.5 * math.cos(math.pi * done)
                )
                stacked = augment(steps.stacks(rows), shift_px, config.brightness, rng)
                stacked, held, where = mirrors.apply(stacked, pressed[rows], shares[rows], rng)
                losses.append(float(update(tf.constant(stacked), tf.constant(held), tf.constant(where))))
                bar.step(epoch, losses[-1], share=done)
            if not losses:
                break

            # How well it does on episodes it has not learned from; the best so far is what is saved.
            parts = np.array_split(validation, math.ceil(len(validation) / (2 * config.batch_size)))
            logits = np.concatenate([predict(tf.constant(steps.stacks(part))).numpy() for part in parts])
            tuned, f1 = tune_thresholds(head, logits, pressed[validation])
            validation_loss = float(
                loss_of(tf.constant(logits), tf.constant(pressed[validation]), tf.constant(shares[validation]))
            )
            record = EpochRecord(
                epoch,
                round(time.monotonic() - start, 2),
                float(np.mean(losses)),
                validation_loss,
                f1,
                axis_errors(head, logits, steps.inputs[validation]),
                best=best is None or validation_loss < best.validation_loss,
            )
            curve.append(record)
            curve_file.add(record)
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
                save_keras_policy(policy_path, replace(spec, head=tuned, training=summary), averaged)
    if best is None:
        raise PolicyError(f"the time budget of {config.minutes} minutes was over before anything was learned")
    return CloningResult(policy_path, curve_file.path, curve, best, device, len(training), len(validation))


def cloning_loss(head: ActionHead, pressed: Floats, cap: float) -> Callable[[Any, Any, Any], Any]:
    """Binary cross-entropy per button, cross-entropy per axis, with rare presses weighted, in TensorFlow.

    Args:
        pressed: ``(N, buttons) float32`` of the training data: how rare presses are.
        cap: the most that a press weighs.

    Returns:
        a function of logits ``(n, outputs)``, presses ``(n, buttons)`` and bin shares ``(n, axes, bins)``: a scalar,
        the same as :class:`gameon_env.learning.cloning_loss.CloningLoss` gives.
    """
    tf = require("tensorflow", "Learning from recordings in TensorFlow")
    rate = pressed.mean(axis=0).clip(1e-6, 1.0)
    weight = ((1 - rate) / rate).clip(1.0, cap).astype(np.float32)
    split, shape = len(head.buttons), (-1, len(head.axes), head.bins)

    def loss_of(logits: Any, held: Any, where: Any) -> Any:
        loss = tf.zeros(())
        if split:
            likely = logits[:, :split] + np.log(weight)
            loss += tf.reduce_mean(tf.nn.weighted_cross_entropy_with_logits(held, likely, weight))
        if shape[1]:
            bins = tf.nn.log_softmax(tf.reshape(logits[:, split:], shape), axis=2)
            loss -= tf.reduce_mean(tf.reduce_sum(bins * where, axis=2))
        return loss

    return loss_of


def _training_step(network: Any, averaged: Any, optimizer: Any, loss_of: Callable[..., Any], averaging: float) -> Any:
    """One update of the network, and of the moving average of its variables, which at first forgets quickly."""
    tf = require("tensorflow", "Learning from recordings in TensorFlow")

    @tf.function(reduce_retracing=True)  # type: ignore[untyped-decorator, unused-ignore]
    def update(stacked: Any, held: Any, where: Any) -> Any:
        with tf.GradientTape() as tape:
            loss = loss_of(network(stacked, training=True), held, where)
        gradients = tape.gradient(loss, network.trainable_variables)
        count = tf.cast(optimizer.iterations, tf.float32)
        optimizer.apply_gradients(zip(gradients, network.trainable_variables, strict=True))
        share = tf.where(count < 1, 1.0, tf.maximum(1 - averaging, 9 / (10 + count)))
        for kept, new in zip(averaged.variables, network.variables, strict=True):
            if kept.dtype == "float32":  # not the state of the dropout's generator
                kept.assign(kept.value + (new.value - kept.value) * share)
        return loss

    return update


def _prediction(network: Any) -> Any:
    tf = require("tensorflow", "Learning from recordings in TensorFlow")
    return tf.function(lambda stacked: network(stacked, training=False), reduce_retracing=True)


def _set_threads(tf: Any, threads: int | None) -> None:
    if threads and tf.config.threading.get_intra_op_parallelism_threads() != threads:
        try:
            tf.config.threading.set_intra_op_parallelism_threads(threads)
        except RuntimeError as error:
            raise PolicyError(
                f"threads={threads}: TensorFlow has been used in this process already, and takes another number of "
                "threads only before: train in a new process, or with threads=None"
            ) from error
