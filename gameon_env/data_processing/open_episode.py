"""The rows of an episode while it is played: an observation waits until the action taken on it is known."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy.typing as npt

from gameon_env.data_processing.trajectory_layout import Column, zero_row
from gameon_env.errors import ActionError


@dataclass
class OpenEpisode:
    """An episode that is being recorded.

    Attributes:
        metadata: the episode's, as far as it is known at its start.
        start_ns: the time of its first observation.
        observed: the last observation, by columns.
        t_ns: its time.
        columns: what a row holds; known at the first step.
        steps: how many actions were recorded.
        played_by: who took them.
        score: the last one that was readable; None where there is none.
    """

    metadata: dict[str, Any]
    start_ns: int
    observed: dict[str, npt.NDArray[Any]]
    t_ns: int
    columns: tuple[Column, ...] = ()
    steps: int = 0
    played_by: list[str] = field(default_factory=list)
    score: float | None = None

    def row(self, taken: Mapping[str, npt.NDArray[Any]], reward: float) -> dict[str, npt.NDArray[Any]]:
        """The row of the waiting observation with the action taken on it.

        Raises:
            ActionError: it has another shape than the first one.
        """
        row = self._blank()
        for name, value in taken.items():
            if name not in row or row[name].shape != value.shape:
                raise ActionError(
                    f"step {self.steps} gives {name} {value.shape}, the episode's first step gave "
                    f"{row[name].shape if name in row else 'none'}: what an environment gives in info must stay "
                    "the same through an episode"
                )
            row[name] = value
        row["rewards"][...] = reward
        row["is_first"][...] = self.steps == 0
        row["is_valid"][...] = True
        return row

    def last_row(self, terminated: bool) -> dict[str, npt.NDArray[Any]]:
        """The row of the waiting observation when no action follows."""
        row = self._blank()
        row["is_last"][...] = True
        row["is_terminal"][...] = terminated
        return row

    def _blank(self) -> dict[str, npt.NDArray[Any]]:
        row = zero_row(self.columns) | self.observed
        row["timestamps"][...] = self.t_ns - self.start_ns
        return row
