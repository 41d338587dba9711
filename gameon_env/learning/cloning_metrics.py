"""How well a clone answers recorded steps: per button and per axis. NumPy only."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import numpy.typing as npt

from gameon_env.learning.action_head import ActionHead


def tune_thresholds(
    head: ActionHead, logits: npt.NDArray[np.float32], pressed: npt.NDArray[np.float32]
) -> tuple[ActionHead, dict[str, float | None]]:
    """Per button the threshold with the best F1, between 0.1 and 0.9, and that F1; None where nothing was to press."""
    probabilities, _ = head.probabilities(logits)
    candidates = np.linspace(0.1, 0.9, 33)
    thresholds: list[float] = []
    f1: dict[str, float | None] = {}
    for column, name in enumerate(head.button_names):
        truth = pressed[:, column] >= 0.5
        guesses = probabilities[:, column, None] >= candidates
        hits = (guesses & truth[:, None]).sum(axis=0)
        total = guesses.sum(axis=0) + truth.sum()
        scores = np.where(total > 0, 2 * hits / np.maximum(total, 1), 1.0)
        near_best = candidates[scores >= scores.max() - 1e-9]
        thresholds.append(float(near_best[np.abs(near_best - 0.5).argmin()]))
        f1[name] = float(scores.max()) if truth.any() else None
    return replace(head, thresholds=tuple(thresholds)), f1


def axis_errors(head: ActionHead, logits: npt.NDArray[np.float32], inputs: npt.NDArray[np.float32]) -> dict[str, float]:
    """Mean absolute error of each axis."""
    values = head.axis_values(head.probabilities(logits)[1])
    errors = np.abs(values - inputs[:, list(head.axes)].clip(-1, 1)).mean(axis=0)
    return {name: float(error) for name, error in zip(head.axis_names, errors, strict=True)}
