"""How well a clone answers recorded steps: per button and per axis. NumPy only."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import numpy.typing as npt

from gameon_env.learning.action_head import ActionHead


def tune_thresholds(
    head: ActionHead, logits: npt.NDArray[np.float32], pressed: npt.NDArray[np.float32]
) -> tuple[ActionHead, dict[str, float | None]]:
    """Per button the threshold from which it is held, and its F1 there; None where nothing was to press.

    It is 0.5, or where that holds the button less often than the person did, the highest that does not. The threshold
    with the best F1, which was taken before, holds a button that is hard to foresee for too long: a clone that follows
    a ball with two keys lost by 9 points with it and by 2 with this one (means of 6 games, random play by 19).
    """
    probabilities, _ = head.probabilities(logits)
    candidates = np.linspace(0.1, 0.5, 33)
    thresholds: list[float] = []
    f1: dict[str, float | None] = {}
    for column, name in enumerate(head.button_names):
        truth = pressed[:, column] >= 0.5
        often_enough = (probabilities[:, column, None] >= candidates).sum(axis=0) >= truth.sum()
        threshold = candidates[often_enough].max(initial=candidates[0])
        guesses = probabilities[:, column] >= threshold
        thresholds.append(float(threshold))
        f1[name] = 2 * int((guesses & truth).sum()) / int(guesses.sum() + truth.sum()) if truth.any() else None
    return replace(head, thresholds=tuple(thresholds)), f1


def axis_errors(head: ActionHead, logits: npt.NDArray[np.float32], inputs: npt.NDArray[np.float32]) -> dict[str, float]:
    """Mean absolute error of each axis."""
    values = head.axis_values(head.probabilities(logits)[1])
    errors = np.abs(values - inputs[:, list(head.axes)].clip(-1, 1)).mean(axis=0)
    return {name: float(error) for name, error in zip(head.axis_names, errors, strict=True)}
