"""Several processes that train one network, as ``torchrun`` starts them: they do what one process would, in parts.

Each computes its rows of every batch. Gradients are summed over all processes, batch normalisation counts the whole
batch, and what is random is drawn alike everywhere: but for rounding, the result does not depend on how many they are.
"""

from __future__ import annotations

import importlib
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import distributed, nn
from torch.nn import functional

from gameon_env.errors import PolicyError
from gameon_env.learning.batch_part import BatchPart
from gameon_env.learning.idle_cores import idle_cores, usable_cores
from gameon_env.learning.network import best_device


def is_main_process(environment: Mapping[str, str] = os.environ) -> bool:
    """Whether this is the process that writes and prints; without ``torchrun`` it always is."""
    return int(environment.get("RANK", "0")) == 0


class TrainingGroup:
    """The processes that train together; of one process, everything here does nothing.

    Attributes:
        rank: this process's number, from 0; size: how many there are.
        local_size: how many of them are on this machine.
        device: what this process computes on.
        part: of the present batch; set it before each.
    """

    def __init__(self, rank: int, size: int, local_size: int, device: torch.device) -> None:
        self.rank, self.size, self.local_size, self.device = rank, size, local_size, device
        self.part = BatchPart.whole(1)

    @property
    def is_main(self) -> bool:
        """Whether this is the process that writes and prints."""
        return self.rank == 0

    @property
    def threads(self) -> int:
        """Of the processor, that each process of this machine may use: what else runs there keeps its cores.

        Several share what there is: each would take the others for what else runs.
        """
        return idle_cores() if self.local_size == 1 else max(1, len(usable_cores()) // self.local_size)

    def take(self, total: int) -> BatchPart:
        """This process's part of a batch of ``total`` rows, the present one from now on.

        Raises:
            PolicyError: there are fewer rows than processes.
        """
        if total < self.size:
            raise PolicyError(
                f"a batch has {total} rows and {self.size} processes train on it: choose a larger batch size, "
                "record more, or start fewer processes"
            )
        self.part = BatchPart.of(total, self.rank, self.size)
        return self.part

    def share(self, network: nn.Module) -> None:
        """Let batch normalisation and dropout of ``network`` work on whole batches; its weights keep their names."""
        if self.size == 1:
            return
        for name, child in network.named_children():
            if isinstance(child, nn.BatchNorm2d):
                setattr(network, name, _WholeBatchNorm(child, self))
            elif isinstance(child, nn.Dropout):
                setattr(network, name, _WholeBatchDropout(child.p, self))
            else:
                self.share(child)

    def sum_gradients(self, network: nn.Module, loss: torch.Tensor) -> float:
        """Sum the gradients over all processes, in place, and return the summed loss.

        One message for all of them: the network is small, and what it costs is the round trip.
        """
        if self.size == 1:
            return loss.item()
        gradients = [parameter.grad for parameter in network.parameters() if parameter.grad is not None]
        message = torch.cat([*(gradient.flatten() for gradient in gradients), loss.detach().reshape(1)])
        distributed.all_reduce(message)
        start = 0
        for gradient in gradients:
            gradient.copy_(message[start : start + gradient.numel()].view_as(gradient))
            start += gradient.numel()
        return message[-1].item()

    def largest(self, value: float) -> float:
        """The largest of what the processes give: all go on, or end, together."""
        if self.size == 1:
            return value
        told = torch.tensor([value], dtype=torch.float64, device=self.device)
        distributed.all_reduce(told, distributed.ReduceOp.MAX)
        return told.item()

    def assemble(self, part: BatchPart, values: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        """All processes' rows ``(stop - first, n) float32`` as the whole ``(total, n)``."""
        if self.size == 1:
            return values
        whole = torch.zeros((part.total, values.shape[1]), device=self.device)
        whole[part.rows] = torch.from_numpy(values).to(self.device)
        distributed.all_reduce(whole)
        return whole.cpu().numpy()


@contextmanager
def training_group(device: str | None = None) -> Iterator[TrainingGroup]:
    """The group that ``torchrun`` made this process a part of; without it, a group of one.

    Args:
        device: PyTorch's name of one; None: the accelerator where there is one, each process of a machine its own.

    Raises:
        PolicyError: more processes on this machine than accelerators.
    """
    place = torch.device(device) if device else best_device()
    if "RANK" not in os.environ or "WORLD_SIZE" not in os.environ:
        yield TrainingGroup(0, 1, 1, place)
        return
    local_rank, local_size = (int(os.environ.get(name, default)) for name, default in _LOCAL)
    if place.type != "cpu" and ":" not in str(place):
        devices = torch.accelerator.device_count()
        if local_size > devices:
            raise PolicyError(
                f"{local_size} processes, and {devices} devices of type {place.type}: start as many processes as there "
                f"are devices (torchrun --nproc-per-node {devices}), or take the processor (--device cpu)"
            )
        place = torch.device(place.type, local_rank)
    joined_here = not distributed.is_initialized()
    if joined_here:
        # An optimizer imports this one, whose default arguments are the group that is there then: it would outlive its
        # end, and its threads, which let go of tensors, that of the interpreter.
        importlib.import_module("torch.distributed.nn.functional")
        distributed.init_process_group(distributed.get_default_backend_for_device(place))
    try:
        yield TrainingGroup(distributed.get_rank(), distributed.get_world_size(), local_size, place)
    finally:
        if joined_here:
            distributed.destroy_process_group()


_LOCAL = (("LOCAL_RANK", "0"), ("LOCAL_WORLD_SIZE", "1"))


class _WholeBatchNorm(nn.BatchNorm2d):
    """Normalises by mean and variance of the rows of all processes. PyTorch's own does so on accelerators only."""

    def __init__(self, plain: nn.BatchNorm2d, group: TrainingGroup) -> None:
        super().__init__(plain.num_features, plain.eps, plain.momentum, plain.affine, plain.track_running_stats)
        self.__dict__.update(plain.__dict__)
        self._group = group

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if not self.training:
            return super().forward(x)
        group, total = self._group, self._group.part.total
        seen = x.float()
        table = x.new_zeros((group.size, 2, self.num_features), dtype=torch.float32)
        own = torch.stack((seen.mean((0, 2, 3)), seen.var((0, 2, 3), correction=0)))
        place = torch.tensor([group.rank], device=x.device)
        means, variances = _summed(table.index_copy(0, place, own[None])).unbind(1)
        weights = [[BatchPart.of(total, rank, group.size).weight] for rank in range(group.size)]
        shares = torch.tensor(weights, device=x.device)
        mean = (shares * means).sum(0)
        variance = (shares * (variances + (means - mean).square())).sum(0)
        self._remember(mean.detach(), variance.detach(), total * x[0, 0].numel())
        scale = (variance + self.eps).rsqrt() * self.weight
        return ((seen - mean[:, None, None]) * scale[:, None, None] + self.bias[:, None, None]).to(x.dtype)

    def _remember(self, mean: torch.Tensor, variance: torch.Tensor, count: int) -> None:
        if self.running_mean is None or self.running_var is None or self.num_batches_tracked is None:
            return
        self.num_batches_tracked.add_(1)
        momentum = 1 / self.num_batches_tracked.item() if self.momentum is None else self.momentum
        self.running_mean.lerp_(mean, momentum)
        self.running_var.lerp_(variance * count / max(1, count - 1), momentum)


class _WholeBatchDropout(nn.Dropout):
    """Draws for the whole batch, alike in all processes, and takes its rows."""

    def __init__(self, p: float, group: TrainingGroup) -> None:
        super().__init__(p)
        self._group = group

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if not self.training:
            return x
        part = self._group.part
        return x * functional.dropout(x.new_ones((part.total, *x.shape[1:])), self.p)[part.rows]


class _Sum(torch.autograd.Function):
    """The sum over all processes; each gets the sum of what all of them found of its gradient."""

    @staticmethod
    def forward(ctx: Any, x: torch.Tensor) -> torch.Tensor:
        summed = x.clone()
        distributed.all_reduce(summed)
        return summed

    @staticmethod
    def backward(ctx: Any, *gradients: Any) -> Any:
        summed = gradients[0].contiguous().clone()
        distributed.all_reduce(summed)
        return summed


def _summed(x: torch.Tensor) -> torch.Tensor:
    summed: torch.Tensor = _Sum.apply(x)  # type: ignore[no-untyped-call]  # PyTorch's is untyped
    return summed
