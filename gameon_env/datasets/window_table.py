"""Where windows begin and end, and the steps of all recordings as flat arrays."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from gameon_env.datasets.alignment import Alignment
from gameon_env.datasets.recording import Floats, Int64, RecordedSteps


@dataclass(frozen=True, slots=True, eq=False)
class StepColumns:
    """The steps of all recordings, one after the other: N rows.

    Attributes:
        t_ns: ``(N,) int64`` since each recording's start.
        end_ns: ``(N,) int64``.
        frame: ``(N,) int64``, the recording's row.
        inputs: ``(N, A) float32``, aligned.
        runs: ``(R, 3) int64``: first row, stop, number of the recording.
    """

    t_ns: Int64
    end_ns: Int64
    frame: Int64
    inputs: Floats
    runs: Int64

    @classmethod
    def of(cls, steps: Sequence[RecordedSteps], numbers: Sequence[int], alignment: Alignment) -> StepColumns:
        """Join the steps of recordings; ``numbers``: of each in the alignment."""
        offsets = np.cumsum([0, *(len(table) for table in steps)])
        runs = [
            np.column_stack([table.runs + offset, np.full(len(table.runs), place)])
            for place, (table, offset) in enumerate(zip(steps, offsets, strict=False))
        ]
        aligned = [alignment.align(n, table.inputs, scaled=True) for n, table in zip(numbers, steps, strict=True)]
        return cls(
            np.concatenate([table.t_ns for table in steps]),
            np.concatenate([table.end_ns for table in steps]),
            np.concatenate([table.frame for table in steps]),
            np.concatenate(aligned),
            np.concatenate(runs).astype(np.int64).reshape(-1, 3),
        )


@dataclass(frozen=True, slots=True, eq=False)
class WindowTable:
    """W windows.

    Attributes:
        start: ``(W,) int64``, the first row of the columns.
        length: ``(W,) int64``, steps that are there; less than the dataset's where the window is padded.
        recording: ``(W,) int64``.
    """

    start: Int64
    length: Int64
    recording: Int64

    def __len__(self) -> int:
        return len(self.start)


def windows_of(runs: npt.NDArray[np.int64], length: int, stride: int, pad: bool) -> WindowTable:
    """All windows within ``runs (R, 3)``: whole ones, and with ``pad`` one more where they leave an end over."""
    starts: list[Int64] = []
    lengths: list[Int64] = []
    owners: list[Int64] = []
    for first, stop, recording in runs.tolist():
        start = np.arange(first, stop - length + 1, stride, dtype=np.int64)
        if pad:
            begin = int(start[-1]) + stride if len(start) else first
            covered = int(start[-1]) + length if len(start) else first
            if covered < stop and begin < stop:
                start = np.append(start, begin)
        starts.append(start)
        lengths.append(np.minimum(length, stop - start))
        owners.append(np.full(len(start), recording, np.int64))
    if not starts:
        none = np.zeros(0, np.int64)
        return WindowTable(none, none, none)
    return WindowTable(np.concatenate(starts), np.concatenate(lengths), np.concatenate(owners))
