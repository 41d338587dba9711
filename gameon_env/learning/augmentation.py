"""Augmentation that is safe for labels: small shifts, brightness, and mirrored pictures with mirrored controls."""

from __future__ import annotations

from typing import Literal, cast, get_args

import cv2
import numpy as np
import numpy.typing as npt

from gameon_env.datasets.transforms import PARTNERS, REVERSED
from gameon_env.errors import PolicyError
from gameon_env.learning.action_head import ActionHead
from gameon_env.learning.batch_part import BatchPart

Floats = npt.NDArray[np.float32]
Pixels = npt.NDArray[np.uint8]

Mirror = Literal["none", "horizontal", "both"]


def check_mirror(name: str) -> Mirror:
    """Return ``name`` where it says how to mirror.

    Raises:
        PolicyError: it does not.
    """
    for known in get_args(Mirror):
        if name == known:
            return cast(Mirror, known)
    raise PolicyError(f"mirror must be one of {', '.join(get_args(Mirror))}; it is {name!r}")


class Mirrors:
    """Mirrors batches at random.

    Args:
        head: the controls, and how they are encoded.
        which: ``none``, ``horizontal`` (left to right), or ``both`` (top to bottom as well).

    Raises:
        PolicyError: a control's partner is missing, so that there is nothing to swap it with.
    """

    def __init__(self, head: ActionHead, which: Mirror) -> None:
        self._directions = range({"none": 0, "horizontal": 1, "both": 2}[check_mirror(which)])
        self._buttons, self._axes = [], []
        for direction in self._directions:
            partner = PARTNERS[direction] | {b: a for a, b in PARTNERS[direction].items()}
            names = head.button_names
            missing = [name for name in names if partner.get(name, name) not in names]
            if missing:
                raise PolicyError(
                    f"a mirrored picture would swap {missing} with controls that this game does not have: mirror='none'"
                )
            self._buttons.append([names.index(partner.get(name, name)) for name in names])
            self._axes.append([i for i, name in enumerate(head.axis_names) if name in REVERSED[direction]])

    def apply(
        self,
        stacked: Pixels,
        pressed: Floats,
        shares: Floats,
        rng: np.random.Generator,
        part: BatchPart | None = None,
    ) -> tuple[Pixels, Floats, Floats]:
        """Each direction for a random half of the batch.

        Args:
            stacked: ``(n, H, W, C) uint8``.
            pressed: ``(n, buttons) float32``.
            shares: ``(n, axes, bins) float32``, with bins that lie evenly on both sides of 0.
            part: which rows of a batch these are; without it, the whole.
        """
        part = part or BatchPart.whole(len(stacked))
        for direction in self._directions:
            chosen = np.flatnonzero(rng.random(part.total)[part.rows] < 0.5)
            stacked, pressed, shares = stacked.copy(), pressed.copy(), shares.copy()
            stacked[chosen] = np.flip(stacked[chosen], axis=2 - direction)
            pressed[chosen] = pressed[chosen][:, self._buttons[direction]]
            for axis in self._axes[direction]:
                shares[chosen, axis] = shares[chosen, axis, ::-1]
        return stacked, pressed, shares


def augment(
    stacked: Pixels, shift_px: int, brightness: float, rng: np.random.Generator, part: BatchPart | None = None
) -> Pixels:
    """Move each picture a little (what leaves one side is black on the other) and change its brightness.

    ``(n, H, W, C) uint8`` to the same. All frames of a stack move together. ``part`` says which rows of a batch these
    are; without it, the whole.
    """
    part = part or BatchPart.whole(len(stacked))
    height, width = stacked.shape[1:3]
    moved = np.zeros_like(stacked)
    shifts = rng.integers(-shift_px, shift_px + 1, size=(part.total, 2))[part.rows]
    gains = rng.uniform(1 - brightness, 1 + brightness, size=part.total)[part.rows]
    for source, target, (dy, dx), gain in zip(stacked, moved, shifts, gains, strict=True):
        kept = source[max(-dy, 0) : height + min(-dy, 0), max(-dx, 0) : width + min(-dx, 0)]
        place = target[max(dy, 0) : height + min(dy, 0), max(dx, 0) : width + min(dx, 0)]
        place[...] = cv2.convertScaleAbs(kept, alpha=gain).reshape(kept.shape)
    return moved
