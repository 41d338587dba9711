"""One window of steps, and many of them stacked."""

from __future__ import annotations

import sys
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from gameon_env.datasets.recording import Floats, Int64, Mask
from gameon_env.errors import DatasetError


@dataclass(frozen=True, slots=True, eq=False)
class WindowItem:
    """One window of T steps.

    Attributes:
        frames: ``(T, H, W, 3) uint8`` RGB; with a transform what it gives, stacked: an array or a PyTorch tensor.
        inputs: ``(T, A) float32``; with ``target="last"`` ``(A,)``, of the window's last step that is there.
        audio: ``(T, F) float32``, zeros where there is none; None where it was not asked for.
        audio_mask: ``(T,) bool``: recorded throughout; None likewise.
        timestamps: ``(T,) int64`` ns since the recording's start.
        mask: ``(T,) bool``: False where the window is padded.
        control_mask: ``(A,) bool``: which controls the window's game has.
        session_id: the recording's id.
        index: the window's number.
    """

    frames: Any
    inputs: Floats
    audio: Floats | None
    audio_mask: Mask | None
    timestamps: Int64
    mask: Mask
    control_mask: Mask
    session_id: str
    index: int


@dataclass(frozen=True, slots=True, eq=False)
class WindowBatch:
    """B windows: the arrays of :class:`WindowItem` with a leading axis B.

    Attributes:
        frames: ``(B, T, H, W, 3) uint8``, or what a transform gives.
        inputs: ``(B, T, A) float32``, or ``(B, A)``.
        audio: ``(B, T, F) float32`` or None.
        audio_mask: ``(B, T) bool`` or None.
        timestamps: ``(B, T) int64``.
        mask: ``(B, T) bool``.
        control_mask: ``(B, A) bool``.
        session_id: B ids.
        index: ``(B,) int64``.
    """

    frames: Any
    inputs: Floats
    audio: Floats | None
    audio_mask: Mask | None
    timestamps: Int64
    mask: Mask
    control_mask: Mask
    session_id: tuple[str, ...]
    index: Int64

    def __len__(self) -> int:
        return len(self.index)

    def item(self, row: int) -> WindowItem:
        """One of them; its arrays share memory with these."""
        return WindowItem(
            self.frames[row],
            self.inputs[row],
            None if self.audio is None else self.audio[row],
            None if self.audio_mask is None else self.audio_mask[row],
            self.timestamps[row],
            self.mask[row],
            self.control_mask[row],
            self.session_id[row],
            int(self.index[row]),
        )

    def with_items(self, items: list[WindowItem]) -> WindowBatch:
        """The same with the frames and inputs of ``items``, which may have been changed.

        Raises:
            DatasetError: a transform gave different shapes.
        """
        shapes = {tuple(item.frames.shape) for item in items}
        if len(shapes) > 1:
            raise DatasetError(
                f"the transform must give the same shape for each window; it gave {', '.join(map(str, sorted(shapes)))}"
            )
        if not items:
            return self
        frames = [item.frames for item in items]
        stacked = np.stack(frames) if isinstance(frames[0], np.ndarray) else sys.modules["torch"].stack(frames)
        return replace(self, frames=stacked, inputs=np.stack([item.inputs for item in items]))
