"""The loss of behavioral cloning, and what else of its training is PyTorch's."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import torch
from torch.nn import functional

from gameon_env.learning.action_head import ActionHead


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


def half_precision(device: torch.device) -> torch.autocast:
    """bfloat16 where the processor or the accelerator computes in it: nearly twice as fast (measured with AVX-512)."""
    known = device.type != "cpu" or torch.ops.mkldnn._is_mkldnn_bf16_supported()
    return torch.autocast(device.type, dtype=torch.bfloat16, enabled=bool(known) and device.type in ("cpu", "cuda"))
