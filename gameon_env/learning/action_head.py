"""Between named control vectors and a network's outputs: one logit per button, a row of bins per axis. NumPy only."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from gameon_env.errors import PolicyError
from gameon_env.keys import AXES, MOUSE_POSITION

AxisDecoding = Literal["expectation", "median", "mode", "sample"]
Floats = npt.NDArray[np.float32]

NEVER = 1_000_000
"""A hold length, in steps, that no button reaches."""


@dataclass(frozen=True)
class ActionHead:
    """The meaning of ``outputs`` logits: first one per button, then ``bins`` per axis, both in the controls' order.

    Attributes:
        controls: canonical control names, the order of every action vector.
        bins: values an axis can be told apart in; odd, so that one of them is "at rest".
        mu: how much finer the bins are near rest (mu-law); the pointer's position has even bins.
        thresholds: per button, the probability from which it is held; 0.5 each where not given.
        max_hold_steps: per button, the longest hold seen in training. A game that acts on the press would not
            react to a button that a hesitating policy keeps down, so a longer hold is broken for one step.
    """

    controls: tuple[str, ...]
    bins: int = 21
    mu: float = 20.0
    thresholds: tuple[float, ...] = ()
    max_hold_steps: tuple[int, ...] = ()
    buttons: tuple[int, ...] = field(init=False)
    axes: tuple[int, ...] = field(init=False)

    def __post_init__(self) -> None:
        if self.bins < 3 or self.bins % 2 == 0:
            raise PolicyError(f"an axis needs an odd number of bins, at least 3; got {self.bins}")
        axes = tuple(i for i, name in enumerate(self.controls) if name in AXES)
        buttons = tuple(i for i, name in enumerate(self.controls) if name not in AXES)
        object.__setattr__(self, "axes", axes)
        object.__setattr__(self, "buttons", buttons)
        object.__setattr__(self, "thresholds", self.thresholds or (0.5,) * len(buttons))
        object.__setattr__(self, "max_hold_steps", self.max_hold_steps or (NEVER,) * len(buttons))
        if len(self.thresholds) != len(buttons) or len(self.max_hold_steps) != len(buttons):
            raise PolicyError(f"{len(buttons)} buttons need as many thresholds and hold lengths")

    @property
    def outputs(self) -> int:
        """How many logits the network gives."""
        return len(self.buttons) + self.bins * len(self.axes)

    @property
    def button_names(self) -> tuple[str, ...]:
        return tuple(self.controls[i] for i in self.buttons)

    @property
    def axis_names(self) -> tuple[str, ...]:
        return tuple(self.controls[i] for i in self.axes)

    def centres(self, axis: int) -> Floats:
        """The values in [-1, 1] that the bins of control number ``axis`` stand for, ``(bins,) float32``."""
        even = np.linspace(-1.0, 1.0, self.bins)
        if self.controls[axis] in MOUSE_POSITION:
            return even.astype(np.float32)
        companded: Floats = (np.sign(even) * np.expm1(np.abs(even) * np.log1p(self.mu)) / self.mu).astype(np.float32)
        return companded

    def encode(self, inputs: npt.ArrayLike) -> tuple[Floats, Floats]:
        """Training targets of recorded vectors.

        Args:
            inputs: ``(N, A) float32``; axes beyond [-1, 1] count as the nearest bound.

        Returns:
            buttons ``(N, buttons) float32`` of 0 and 1, and ``(N, axes, bins) float32``: each value shared by
            the two bins around it, so that their expectation gives the value back.
        """
        vectors = np.asarray(inputs, dtype=np.float32)
        pressed = (vectors[:, list(self.buttons)] >= 0.5).astype(np.float32)
        shares = np.zeros((len(vectors), len(self.axes), self.bins), dtype=np.float32)
        rows = np.arange(len(vectors))
        for column, axis in enumerate(self.axes):
            centres = self.centres(axis)
            values = np.clip(vectors[:, axis], -1.0, 1.0)
            below = np.clip(np.searchsorted(centres, values, side="right") - 1, 0, self.bins - 2)
            upper_share = (values - centres[below]) / (centres[below + 1] - centres[below])
            shares[rows, column, below] = 1.0 - upper_share
            shares[rows, column, below + 1] = upper_share
        return pressed, shares

    def probabilities(self, logits: Floats) -> tuple[Floats, Floats]:
        """``(N, outputs)`` logits as button probabilities ``(N, buttons)`` and bin shares ``(N, axes, bins)``."""
        split = len(self.buttons)
        pressed = (1.0 / (1.0 + np.exp(-np.clip(logits[:, :split], -60.0, 60.0)))).astype(np.float32)
        bins = logits[:, split:].reshape(len(logits), len(self.axes), self.bins)
        shares = np.exp(bins - bins.max(axis=2, keepdims=True, initial=-np.inf))
        return pressed, shares / np.maximum(shares.sum(axis=2, keepdims=True), 1e-30)

    def axis_values(
        self, shares: Floats, decoding: AxisDecoding = "expectation", rng: np.random.Generator | None = None
    ) -> Floats:
        """One value per axis from its bin shares ``(N, axes, bins)``: ``(N, axes) float32`` in [-1, 1]."""
        values = np.zeros(shares.shape[:2], dtype=np.float32)
        for column, axis in enumerate(self.axes):
            centres, share = self.centres(axis), shares[:, column]
            if decoding == "expectation":
                values[:, column] = share @ centres
            elif decoding == "mode":
                values[:, column] = centres[share.argmax(axis=1)]
            else:
                rng = rng or np.random.default_rng()
                level = 0.5 if decoding == "median" else rng.random((len(share), 1))
                values[:, column] = centres[np.minimum((share.cumsum(axis=1) < level).sum(axis=1), self.bins - 1)]
        return values

    def to_json(self) -> dict[str, Any]:
        """What a saved policy keeps of the head (the controls are kept beside it)."""
        return {
            "bins": self.bins,
            "mu": self.mu,
            "thresholds": dict(zip(self.button_names, self.thresholds, strict=True)),
            "max_hold_steps": dict(zip(self.button_names, self.max_hold_steps, strict=True)),
        }

    @classmethod
    def from_json(cls, controls: Sequence[str], data: Mapping[str, Any]) -> ActionHead:
        """The head that :meth:`to_json` described."""
        names = [name for name in controls if name not in AXES]
        return cls(
            tuple(controls),
            bins=int(data["bins"]),
            mu=float(data["mu"]),
            thresholds=tuple(float(data["thresholds"][name]) for name in names),
            max_hold_steps=tuple(int(data["max_hold_steps"][name]) for name in names),
        )


class ActionDecoder:
    """Turns logits into actions step by step; knows how long each button has been held.

    Args:
        sample_buttons: press with the predicted probability instead of from the threshold on.
        axis_decoding: how an axis' value is read off its bins.
    """

    def __init__(
        self,
        head: ActionHead,
        *,
        sample_buttons: bool = False,
        axis_decoding: AxisDecoding = "expectation",
        seed: int | None = None,
    ) -> None:
        self.head = head
        self.sample_buttons = sample_buttons
        self.axis_decoding: AxisDecoding = axis_decoding
        self._rng = np.random.default_rng(seed)
        self._thresholds = np.asarray(head.thresholds, dtype=np.float32)
        self._max_hold_steps = np.asarray(head.max_hold_steps)
        self._held_steps = np.zeros(len(head.buttons), dtype=np.int64)

    def reset(self, seed: int | None = None) -> None:
        """Forget what is held; with a seed, draw anew from it."""
        self._held_steps[:] = 0
        if seed is not None:
            self._rng = np.random.default_rng(seed)

    def __call__(self, logits: Floats, draw: bool = False) -> Floats:
        """``(outputs,) float32`` logits to an action ``(A,) float32``: buttons 0 or 1, axes in [-1, 1].

        With ``draw`` all of this action is drawn by its likelihood, whatever the arguments say.
        """
        pressed, shares = self.head.probabilities(logits[None])
        levels = self._rng.random(len(self._thresholds)) if self.sample_buttons or draw else self._thresholds
        held = (pressed[0] >= levels) & (self._held_steps < self._max_hold_steps)
        self._held_steps = np.where(held, self._held_steps + 1, 0)
        decoding: AxisDecoding = "sample" if draw else self.axis_decoding
        action = np.zeros(len(self.head.controls), dtype=np.float32)
        action[list(self.head.buttons)] = held
        action[list(self.head.axes)] = self.head.axis_values(shares, decoding, self._rng)[0]
        return np.clip(action, -1.0, 1.0)
