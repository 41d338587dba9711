"""What can be chosen about behavioral cloning, and what it gives: the same whichever framework trains."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from gameon_env.learning.augmentation import Mirror


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
        validation_fraction: share of the steps kept for validation, in whole episodes (of few long ones: an end).
        memory_fraction: frames are kept in RAM up to this share of what is free, else read from the files.
        seed: of the split, the weights, the order and the augmentation.
        threads: of the processor; without it, as many as there are cores with nothing else to do at the start. The
            threads of one operation wait for the last of them. Another number rounds otherwise.
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
    """One point of the learning curve.

    ``f1``: per button, None for one that nobody pressed in the validation steps; ``axis_error``: mean absolute error
    per axis, 1.0 = full.
    """

    epoch: int
    seconds: float
    train_loss: float
    validation_loss: float
    f1: dict[str, float | None] = field(default_factory=dict)
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
