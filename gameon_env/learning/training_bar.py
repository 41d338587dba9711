"""The progress bar of a training."""

from __future__ import annotations

import math

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from gameon_env.learning.cloning_config import EpochRecord


class TrainingBar:
    """The progress bar of ``steps`` batches, or nothing where it is not ``shown``."""

    def __init__(self, steps: int, shown: bool) -> None:
        self._bar = Progress(
            TextColumn("epoch {task.fields[epoch]}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(),
            TextColumn("loss {task.fields[loss]:.3f}"), disable=not shown,
        )  # fmt: skip
        self._steps = steps
        self._task = self._bar.add_task("", total=steps, epoch=0, loss=math.nan)

    def __enter__(self) -> TrainingBar:
        self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.stop()

    def step(self, epoch: int, loss: float, share: float) -> None:
        self._bar.update(self._task, completed=round(share * self._steps), epoch=epoch, loss=loss)

    def epoch(self, record: EpochRecord) -> None:
        controls = [f"{name} {'not pressed' if f1 is None else f'{f1:.2f}'}" for name, f1 in record.f1.items()]
        controls += [f"{name} ±{error:.3f}" for name, error in record.axis_error.items()]
        if self._bar.disable:
            return
        self._bar.console.print(
            f"epoch {record.epoch}: loss {record.train_loss:.3f}, validation {record.validation_loss:.3f}"
            f"{' (best)' if record.best else ''}; F1 {', '.join(controls)}",
            highlight=False,
        )
