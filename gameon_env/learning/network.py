"""The network of a cloned player: stacked frames in, logits out. Small enough to play beside a game on one core."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from gameon_env.optional import require

require("torch", "Learning from recordings")
import torch  # noqa: E402
from torch import nn  # noqa: E402
from torch.nn import functional  # noqa: E402

LEAN = 5.0
"""How many e-foldings the outermost bins of an axis gain, and lose, by a number of 1 that goes past the layers."""


class CloneNetwork(nn.Module):
    """Five convolutions, each of half the size or the same, then two readings of what they found.

    The *keypoints* say where something is: the mean position under a softmax over a map of an eighth of the frame's
    size. Aiming is a difference of two positions, which a linear layer reads off at once. The map is mixed from
    a fine one and one that has seen the whole surroundings, as *which* victim is the nearest is no local question.
    The *grid* keeps all the coarsest map says, squeezed to few channels.

    With ``lines``, each place of the fine map also knows the strongest that there is anywhere in its column and its
    row, and the network also reads *whether* something is found, wherever that is: what falls from high above matters
    as soon as it is in line, long before both are within one convolution's sight.

    With ``linear``, as many numbers go to the head past the hidden layers, each read off by one linear layer alone:
    what aims learns so in less than half the time, see :meth:`let_lean`.

    Args:
        observation_size: ``(height, width)`` of the frames, each at least 32.
        stack: frames in one input.
        outputs: logits.
        widths: channels of the convolutions.
        keypoints: positions read off.
        grid: channels of the grid.
        hidden: size of the two fully connected layers.
        dropout: between them, while training.
        lines: whether places are told what lies in line with them.
        linear: how many of the ``hidden`` numbers that the head is given are read off what was found in one step.
    """

    def __init__(
        self,
        observation_size: tuple[int, int],
        stack: int,
        outputs: int,
        widths: tuple[int, int, int, int, int] = (16, 32, 48, 64, 64),
        keypoints: int = 32,
        grid: int = 16,
        hidden: int = 256,
        dropout: float = 0.1,
        lines: bool = False,
        linear: int = 0,
    ) -> None:
        super().__init__()
        self.kwargs: dict[str, Any] = {
            "observation_size": list(observation_size),
            "stack": stack,
            "outputs": outputs,
            "widths": list(widths),
            "keypoints": keypoints,
            "grid": grid,
            "hidden": hidden,
            "dropout": dropout,
            "lines": lines,
            "linear": linear,
        }
        first, second, third, fourth, fifth = widths
        self.near = nn.Sequential(
            _convolution(3 * stack, first, 4, 2), _convolution(first, second, 4, 2), _convolution(second, third, 4, 2)
        )
        self.far = nn.Sequential(_convolution(third, fourth, 4, 2), _convolution(fourth, fifth, 3, 1))
        self.near_part = nn.Conv2d(third, fifth, 1)
        self.far_part = nn.Conv2d(fifth, fifth, 1)
        self.mix = _convolution(fifth, fifth, 3, 1)
        self.points = nn.Conv2d(fifth, keypoints, 1)
        self.sharpness = nn.Parameter(torch.full((), 8.0))  # a flat softmax has next to no gradient to start from
        self.squeeze = nn.Conv2d(fifth, grid, 1)
        with torch.no_grad():
            near = self.near(torch.zeros(2, 3 * stack, *observation_size))
            cells = self.far(near)[0, 0].numel()
        self.rows: torch.Tensor
        self.columns: torch.Tensor
        self.register_buffer("rows", torch.linspace(-1, 1, near.shape[2]), persistent=False)
        self.register_buffer("columns", torch.linspace(-1, 1, near.shape[3]), persistent=False)
        self.lines = _Lines(third, fifth) if lines else None
        found = 2 * keypoints + grid * cells + (fifth if lines else 0)
        self.body = nn.Sequential(
            nn.Linear(found, hidden),
            nn.ReLU(),
            nn.Dropout(dropout),
            nn.Linear(hidden, hidden - linear),
            nn.ReLU(),
        )
        self.straight = nn.Linear(found, linear) if linear else None
        self.head = nn.Linear(hidden, outputs)

    def let_lean(self, first: int, bins: int) -> None:
        """Before training: each of the ``linear`` numbers moves one axis towards one end, or the other.

        The head has the axes' logits in rows of ``bins`` from output ``first`` on. To aim is to move by the difference
        of two positions; by itself the head would have to find out for each bin alone that it lies between its
        neighbours. (12 recorded games of rescue, 64x64: after 17 passes the mean error of the mouse is 0.10 of its
        scale, after 15 without this 0.15, no better than not to look; live 3095 points in 8 games against 48 in 10.)
        """
        linear = self.kwargs["linear"]
        with torch.no_grad():
            for number in range(linear):
                rows = slice(first + number * bins, first + (number + 1) * bins)
                self.head.weight[rows, number - linear] = torch.linspace(-LEAN, LEAN, bins)

    def forward(self, stacked: torch.Tensor) -> torch.Tensor:
        """``(N, H, W, 3 * stack)`` uint8, or float in 0..255, oldest frame first, to ``(N, outputs)`` logits."""
        logits: torch.Tensor = self.head(self.read(self.see(stacked)))
        return logits

    def see(self, stacked: torch.Tensor) -> torch.Tensor:
        """Frames, as for :meth:`forward`, to what the two readings found, ``(N, ...)`` float32: nearly all the work."""
        near = self.near(stacked.permute(0, 3, 1, 2).float())  # the first batch norm brings the scale in order
        far = self.far(near)
        grid = functional.relu(self.squeeze(far))
        around = functional.interpolate(self.far_part(far), size=near.shape[2:])
        seen = self.near_part(near) + around
        if self.lines is not None:
            seen = seen + self.lines(near, self.rows, self.columns)
        mixed = self.mix(functional.relu(seen))
        found = [self._positions(self.points(mixed)), grid.flatten(1)]
        if self.lines is not None:
            found.append(mixed.amax(dim=(2, 3)))
        return torch.cat(found, dim=1)

    def read(self, found: torch.Tensor) -> torch.Tensor:
        """What :meth:`see` gave to what the head is given, ``(N, hidden)``."""
        features: torch.Tensor = self.body(found)
        return features if self.straight is None else torch.cat((features, self.straight(found)), dim=1)

    def _positions(self, heat: torch.Tensor) -> torch.Tensor:
        share = torch.softmax(self.sharpness * heat.float().flatten(2), dim=2).view_as(heat)
        x = (share.sum(dim=2) * self.columns).sum(dim=2)
        y = (share.sum(dim=3) * self.rows).sum(dim=2)
        return 4 * torch.cat((x, y), dim=1)  # what counts is mostly near the middle


class _Lines(nn.Module):
    """For each place of a map, what is strongest in and near its column, and in and near its row."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.placed = nn.Conv2d(inputs + 2, outputs, 1)
        self.column = nn.Conv1d(outputs, outputs, 5, padding=2)
        self.row = nn.Conv1d(outputs, outputs, 5, padding=2)

    def forward(self, near: torch.Tensor, rows: torch.Tensor, columns: torch.Tensor) -> torch.Tensor:
        """``(N, inputs, h, w)``, and where its rows ``(h,)`` and columns ``(w,)`` lie, to ``(N, outputs, h, w)``."""
        shape = (len(near), 1, len(rows), len(columns))
        y, x = rows[:, None].expand(shape).to(near.dtype), columns.expand(shape).to(near.dtype)
        placed = functional.relu(self.placed(torch.cat((near, y, x), dim=1)))
        along: torch.Tensor = self.column(placed.amax(dim=2))[:, :, None] + self.row(placed.amax(dim=3))[..., None]
        return along


def _convolution(inputs: int, outputs: int, kernel: int, stride: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, kernel, stride, padding=1, bias=False),
        nn.BatchNorm2d(outputs),
        nn.ReLU(inplace=True),
    )


def full_arguments(kwargs: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments of a saved network, with those that a policy made by an older version does not name."""
    usual = {name: parameter.default for name, parameter in inspect.signature(CloneNetwork).parameters.items()}
    return {**{name: value for name, value in usual.items() if value is not inspect.Parameter.empty}, **kwargs}


def best_device() -> torch.device:
    """The accelerator of this machine (CUDA, MPS ...), or its processor."""
    return torch.accelerator.current_accelerator(check_available=True) or torch.device("cpu")


def weights_of(network: nn.Module) -> dict[str, npt.NDArray[Any]]:
    """A network's weights as arrays of its own, for a policy's file."""
    return {name: tensor.detach().cpu().contiguous().numpy().copy() for name, tensor in network.state_dict().items()}


def build_runner(
    kwargs: Mapping[str, Any], weights: Mapping[str, npt.NDArray[Any]], device: str | None = None
) -> Callable[[npt.NDArray[np.uint8]], npt.NDArray[np.float32]]:
    """A function from one stacked observation ``(H, W, 3 * stack) uint8`` to logits ``(outputs,) float32``.

    On the processor it keeps PyTorch to one thread: the game needs the other cores, and a network this small gains
    nothing from more. Raises KeyError, TypeError or RuntimeError where weights and arguments do not fit together.
    """
    arguments = dict(kwargs)
    arguments["observation_size"] = tuple(arguments["observation_size"])
    arguments["widths"] = tuple(arguments["widths"])
    network = CloneNetwork(**arguments)
    network.load_state_dict({name: torch.from_numpy(np.array(array)) for name, array in weights.items()})
    where = torch.device(device) if device else best_device()
    network = network.to(where).eval()
    if where.type == "cpu":
        torch.set_num_threads(1)

    def run(stacked: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
        with torch.inference_mode():
            logits: npt.NDArray[np.float32] = network(torch.from_numpy(stacked[None]).to(where))[0].cpu().numpy()
        return logits

    return run
