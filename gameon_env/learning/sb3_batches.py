"""Recorded steps as batches for a Stable-Baselines3 policy: its frames, its actions."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from gameon_env.keys import MOUSE_POSITION
from gameon_env.learning.action_head import ActionHead
from gameon_env.learning.augmentation import Mirror, Mirrors, augment
from gameon_env.learning.sb3_losses import Batch
from gameon_env.learning.steps import Steps
from gameon_env.optional import require
from wrappers.action_coding import ActionCoding

require("torch", "Training agents")
import torch  # noqa: E402

Int64 = npt.NDArray[np.int64]


class Batches:
    """Steps as batches: single ones at random, or sequences for agents with memory.

    Args:
        steps: all there are.
        coding: of the agent's actions.
        returns: of each step, ``(N,) float32``; None without rewards.
        device: of the agent.
        rng: of order and augmentation.
        batch_size: steps in a batch.
        length: steps in a sequence; 1 for agents without memory.
        mirror, shift_px, brightness: augmentation. Sequences get none: its steps would be changed each in its own way.
    """

    def __init__(
        self,
        steps: Steps,
        coding: ActionCoding,
        returns: npt.NDArray[np.float32] | None,
        device: torch.device,
        rng: np.random.Generator,
        *,
        batch_size: int,
        length: int,
        mirror: Mirror,
        shift_px: int,
        brightness: float,
    ) -> None:
        self._steps, self._coding, self._returns, self._device, self._rng = steps, coding, returns, device, rng
        self._batch_size, self._length = batch_size, length
        self._head = ActionHead(steps.controls)
        self._mirrors = Mirrors(self._head, mirror)
        self._shift_px = 0 if set(steps.controls) & set(MOUSE_POSITION) else shift_px
        self._brightness = brightness

    def shuffled(self, rows: Int64) -> list[Int64]:
        """The batches of one pass, each ``(sequences, length)`` rows."""
        return self._batched(self._rng.permutation(self._sequences(rows)))

    def in_order(self, rows: Int64) -> list[Int64]:
        """The same without chance."""
        return self._batched(self._sequences(rows))

    def make(self, rows: Int64, *, augmented: bool) -> Batch:
        """What is learned from ``rows (sequences, length)``."""
        flat = rows.ravel()
        stacked, vectors = self._steps.stacks(flat), self._steps.inputs[flat]
        if augmented and self._length == 1:
            stacked = augment(stacked, self._shift_px, self._brightness, self._rng)
            pressed, shares = self._head.encode(vectors)
            stacked, pressed, shares = self._mirrors.apply(stacked, pressed, shares, self._rng)
            vectors = np.zeros_like(vectors)
            vectors[:, list(self._head.buttons)] = pressed
            vectors[:, list(self._head.axes)] = self._head.axis_values(shares)
        actions = self._coding.to_actions(vectors).actions
        episode = self._steps.episode_of[flat]
        starts = np.concatenate([[True], episode[1:] != episode[:-1]]) | (np.arange(len(flat)) % self._length == 0)
        return Batch(
            observations=torch.from_numpy(np.ascontiguousarray(stacked.transpose(0, 3, 1, 2))).to(self._device),
            actions=torch.from_numpy(actions).to(self._device),
            returns=None if self._returns is None else torch.from_numpy(self._returns[flat]).to(self._device),
            sequences=len(rows),
            starts=torch.from_numpy(starts.astype(np.float32)).to(self._device),
        )

    def _sequences(self, rows: Int64) -> Int64:
        """``(n, length)``: rows that follow on each other; what is left over at an episode's end is dropped."""
        episode = self._steps.episode_of[rows]
        parts = [rows[episode == number] for number in np.unique(episode)]
        parts = [part[: len(part) // self._length * self._length].reshape(-1, self._length) for part in parts]
        return np.concatenate(parts)

    def _batched(self, sequences: Int64) -> list[Int64]:
        count = max(1, math.ceil(sequences.size / self._batch_size))
        return [part for part in np.array_split(sequences, count) if len(part)]
