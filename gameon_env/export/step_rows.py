"""Rows of a trajectory, T + 1 to an episode of T actions, as the steps that other formats hold.

Ours tell with row i what happened in ``[t_i, t_(i+1))``: the action, and beside it the presses and the sound. Elsewhere
a row is what somebody sees who is about to act. There the presses and the sound are one row later, with the observation
that came after them, and the first row has none.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

TRAINING_SIZE = (224, 224)
"""``(height, width)`` of the pictures where none is asked for: that of our own datasets."""


def picture_size(target_size: tuple[int, int] | None, downsample_factor: int | None) -> dict[str, Any]:
    """``target_size`` and ``downsample_factor`` of the export's options, from those of a format whose pictures have
    :data:`TRAINING_SIZE` where neither is given."""
    if downsample_factor is None:
        return {"target_size": TRAINING_SIZE if target_size is None else target_size}
    return {"target_size": target_size, "downsample_factor": downsample_factor}


def with_action(rows: dict[str, Any]) -> slice:
    """Which of an episode's rows have an action: all but its last."""
    return slice(0, len(rows["is_last"]) - int(rows["is_last"][-1]))


def after_action(rows: dict[str, Any]) -> slice:
    """Which of an episode's rows an action led to: all but its first."""
    return slice(int(rows["is_first"][0]), len(rows["is_first"]))


def seed_of(metadata: dict[str, Any]) -> int | None:
    """With which ``reset`` led to an episode's first observation; None where nobody knows, and after a gap."""
    seed = metadata.get("seed")
    return seed if isinstance(seed, int) and metadata["part"] == 0 else None


class OneRowLater:
    """Moves columns of an episode one row later, whatever blocks they come in."""

    def __init__(self) -> None:
        self._kept: dict[str, npt.NDArray[Any]] = {}

    def move(self, rows: dict[str, Any], name: str) -> npt.NDArray[Any]:
        """The column ``(n, ...)`` as it was a row before; zeros in an episode's first row."""
        values: npt.NDArray[Any] = rows[name]
        before = np.zeros_like(values[:1]) if rows["is_first"][0] else self._kept[name]
        self._kept[name] = values[-1:].copy()
        return np.concatenate([before, values[:-1]])
