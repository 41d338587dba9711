"""The network of an agent whose actions are a code for named controls, as a policy's file holds it: ``coded_cnn``.

What it gives are logits from which an :class:`~gameon_env.learning.action_head.ActionDecoder` reads off just the vector
that the agent's action stands for. So DQN, SAC and agents with keys that exclude each other play as any other policy
does, without Stable-Baselines3.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from gameon_env.learning.action_head import ActionHead
from gameon_env.learning.network import CloneNetwork, best_device
from gameon_env.optional import require
from wrappers.action_coding import ActionCoding
from wrappers.discrete_actions import CombinationCoding
from wrappers.multi_discrete_actions import ChoiceCoding
from wrappers.symmetric_actions import SymmetricCoding

require("torch", "Playing a policy")
import torch  # noqa: E402
from torch import nn  # noqa: E402

SURE = 30.0
"""A logit whose probability is 1 for all that is decided by it."""


class CodedNetwork(nn.Module):
    """Args:
    network: of the :class:`~gameon_env.learning.network.CloneNetwork` that sees.
    layers: sizes after it, the last of them what the action is told by.
    """

    def __init__(self, network: Mapping[str, Any], layers: list[int]) -> None:
        super().__init__()
        arguments = {**network, "outputs": 1}
        arguments["observation_size"] = tuple(arguments["observation_size"])
        arguments["widths"] = tuple(arguments["widths"])
        self.network = CloneNetwork(**arguments)
        self.network.head = nn.Identity()  # type: ignore[assignment]
        parts: list[nn.Module] = []
        for inputs, outputs in zip([int(arguments["hidden"]), *layers], layers, strict=False):
            parts += [nn.Linear(inputs, outputs), nn.ReLU()]
        self.tail = nn.Sequential(*parts[:-1])

    def forward(self, stacked: torch.Tensor) -> torch.Tensor:
        """``(N, H, W, 3 * stack) uint8`` to ``(N, outputs)``."""
        told: torch.Tensor = self.tail(self.network(stacked))
        return told


def coding_from_json(data: Mapping[str, Any]) -> ActionCoding:
    """The coding that its ``to_json`` described.

    Raises:
        KeyError: it is none of ours.
    """
    if data["kind"] == "choices":
        bins = {name: np.array(values, np.float32) for name, values in data["bins"].items()}
        return ChoiceCoding(data["controls"], [group for group in data["groups"] if len(group) > 1], bins)
    if data["kind"] == "combinations":
        return CombinationCoding(data["controls"], dict(data["combinations"]))
    return {"symmetric": SymmetricCoding}[data["kind"]](data["controls"])


class CodedRunner:
    """Plays such a network: ``(H, W, 3 * stack) uint8`` to logits ``(outputs,) float32``.

    Args:
        kwargs: ``network`` and ``layers`` of the :class:`CodedNetwork`, ``coding``, ``sample``: choices are drawn, each
            with its probability, instead of the most likely taken, and ``squash``: a box's values go through tanh.
        weights: its arrays.
        device: PyTorch's name of it.
    """

    def __init__(self, kwargs: Mapping[str, Any], weights: Mapping[str, npt.NDArray[Any]], device: str | None) -> None:
        self._coding = coding_from_json(kwargs["coding"])
        self._head = ActionHead(self._coding.controls)
        network = CodedNetwork(kwargs["network"], [int(size) for size in kwargs["layers"]])
        network.load_state_dict({name: torch.from_numpy(np.array(array)) for name, array in weights.items()})
        self._device = torch.device(device) if device else best_device()
        self._network = network.to(self._device).eval()
        self._samples, self._squashes = bool(kwargs["sample"]), bool(kwargs.get("squash", True))
        self._rng = np.random.default_rng()
        if self._device.type == "cpu":
            torch.set_num_threads(1)

    def reset(self, seed: int) -> None:
        """Draw anew from a seed."""
        self._rng = np.random.default_rng(seed)

    def __call__(self, stacked: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
        with torch.inference_mode():
            told: npt.NDArray[np.float32] = (
                self._network(torch.from_numpy(stacked[None]).to(self._device)).cpu().numpy()
            )
        return as_logits(self._head, self._coding.decode(self._action(told))[0])

    def _action(self, told: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """An action ``(1, ...)``."""
        coding = self._coding
        if not isinstance(coding, ChoiceCoding | CombinationCoding):
            return np.asarray(np.tanh(told) if self._squashes else np.clip(told, -1.0, 1.0))
        if self._samples:
            told = told + self._rng.gumbel(size=told.shape)
        if isinstance(coding, CombinationCoding):
            return np.asarray(told.argmax(axis=1))
        sizes = [len(group) + 1 for group in coding.groups] + [len(values) for values in coding.bins.values()]
        ends = np.cumsum(sizes)[:-1]
        return np.stack([part.argmax(axis=1) for part in np.split(told, ends, axis=1)], axis=1)


def build_runner(
    kwargs: Mapping[str, Any], weights: Mapping[str, npt.NDArray[Any]], device: str | None = None
) -> Callable[[npt.NDArray[np.uint8]], npt.NDArray[np.float32]]:
    """See :func:`gameon_env.learning.network.build_runner`."""
    return CodedRunner(kwargs, weights, device)


def as_logits(head: ActionHead, vector: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Logits ``(outputs,)`` that are decoded as just this vector ``(A,)``."""
    pressed, shares = head.encode(vector[None])
    bins = np.log(np.maximum(shares[0], np.exp(-SURE)))
    return np.concatenate([SURE * (2 * pressed[0] - 1), bins.ravel()]).astype(np.float32)
