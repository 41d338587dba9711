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


def build_runner(
    kwargs: Mapping[str, Any], weights: Mapping[str, npt.NDArray[Any]], device: str | None = None
) -> Callable[[npt.NDArray[np.uint8]], npt.NDArray[np.float32]]:
    """See :func:`gameon_env.learning.network.build_runner`."""
    coding = coding_from_json(kwargs["coding"])
    head = ActionHead(coding.controls)
    network = CodedNetwork(kwargs["network"], [int(size) for size in kwargs["layers"]])
    network.load_state_dict({name: torch.from_numpy(np.array(array)) for name, array in weights.items()})
    where = torch.device(device) if device else best_device()
    network = network.to(where).eval()
    rng = np.random.default_rng() if kwargs["sample"] else None
    if where.type == "cpu":
        torch.set_num_threads(1)

    def run(stacked: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
        with torch.inference_mode():
            told: npt.NDArray[np.float32] = network(torch.from_numpy(stacked[None]).to(where)).cpu().numpy()
        return as_logits(head, coding.decode(_action(coding, told, rng))[0])

    return run


def _action(coding: ActionCoding, told: npt.NDArray[Any], rng: np.random.Generator | None) -> npt.NDArray[Any]:
    """An action ``(1, ...)``: the most likely one, or several choices each drawn with its probability."""
    if isinstance(coding, ChoiceCoding):
        told = told if rng is None else told + rng.gumbel(size=told.shape)
        sizes = [len(group) + 1 for group in coding.groups] + [len(values) for values in coding.bins.values()]
        ends = np.cumsum(sizes)[:-1]
        return np.stack([part.argmax(axis=1) for part in np.split(told, ends, axis=1)], axis=1)
    if isinstance(coding, CombinationCoding):
        return np.asarray(told.argmax(axis=1))
    return np.asarray(np.tanh(told))


def as_logits(head: ActionHead, vector: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Logits ``(outputs,)`` that are decoded as just this vector ``(A,)``."""
    pressed, shares = head.encode(vector[None])
    bins = np.log(np.maximum(shares[0], np.exp(-SURE)))
    return np.concatenate([SURE * (2 * pressed[0] - 1), bins.ravel()]).astype(np.float32)
