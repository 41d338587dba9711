"""What changes a window's pictures at random: safe for its labels, and the same for all of its frames."""

from __future__ import annotations

import random
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import cv2
import numpy as np

from gameon_env.datasets.recording import Floats, Pixels
from gameon_env.errors import DatasetError

PARTNERS = (
    {"key:a": "key:d", "key:left": "key:right", "key:q": "key:e", "key:numpad_4": "key:numpad_6"}
    | {"pad:dpad_left": "pad:dpad_right"},
    {"key:w": "key:s", "key:up": "key:down", "key:numpad_8": "key:numpad_2", "pad:dpad_up": "pad:dpad_down"},
)
"""Controls that swap when the picture is mirrored left to right, and top to bottom."""
REVERSED = (
    ("mouse:dx", "mouse:x", "pad:left_x", "pad:right_x"),
    ("mouse:dy", "mouse:y", "pad:left_y", "pad:right_y"),
)
"""Axes whose sign changes."""
_SAYS_WHERE = frozenset(["key:left", "key:right", "pad:dpad_left", "pad:dpad_right"])
"""Controls that cannot mean anything else, so that their partner must be there."""

BRIGHTNESS = 12.0
CONTRAST = 0.12


class Augmentation:
    """Mirrors half of the windows left to right, and varies brightness and contrast a little.

    Args:
        controls: A names, in the vector's order.
        games: which of them each game has; a pair that a game has but half of is not swapped.

    Raises:
        DatasetError: a control that says left or right has no partner to swap with.
    """

    def __init__(self, controls: Sequence[str], games: Sequence[Sequence[str]]) -> None:
        partner = PARTNERS[0] | {b: a for a, b in PARTNERS[0].items()}
        alone = sorted({n for has in games for n in has if n in _SAYS_WHERE and partner[n] not in has})
        if alone:
            raise DatasetError(
                f"augment=True mirrors the pictures, and {', '.join(alone)} would swap with a control that the game "
                "does not have: augment=False"
            )
        halves = {n for has in games for n in has if n in partner and partner[n] not in has}
        halves |= {partner[name] for name in halves}
        index = {name: i for i, name in enumerate(controls)}
        self._order = np.array([index[name if name in halves else partner.get(name, name)] for name in controls])
        self._sign = np.array([-1.0 if name in REVERSED[0] else 1.0 for name in controls], np.float32)

    def __call__(self, frames: Pixels, inputs: Floats, rng: np.random.Generator) -> tuple[Pixels, Floats]:
        """``(T, H, W, 3) uint8`` and ``(..., A) float32`` to the same."""
        mirror = rng.random() < 0.5
        offset, gain = rng.uniform(-BRIGHTNESS, BRIGHTNESS), rng.uniform(1 - CONTRAST, 1 + CONTRAST)
        if mirror:
            frames = np.ascontiguousarray(frames[:, :, ::-1])
            inputs = inputs[..., self._order] * self._sign
        levels = np.clip(np.rint((np.arange(256) - 128) * gain + 128 + offset), 0, 255).astype(np.uint8)
        flat = cv2.LUT(frames.reshape(-1, frames.shape[2] * 3), levels)
        return np.asarray(flat, np.uint8).reshape(frames.shape), inputs


def transformed(frames: Pixels, transform: Callable[[Any], Any], seed: int) -> Any:
    """Give each frame to ``transform``, with the same random draw, and stack what comes back.

    Random numbers of Python, numpy and PyTorch are drawn anew from ``seed`` for each frame; their states are as
    before afterwards.

    Args:
        frames: ``(T, H, W, 3) uint8``.
        transform: from ``(H, W, 3) uint8`` to an array, a tensor or a PIL image.

    Returns:
        ``(T, ...)``: a tensor where the transform gives tensors, else an array.

    Raises:
        DatasetError: it gives no picture, or pictures of different shapes.
    """
    results = []
    with _random_states_kept():
        for frame in frames:
            _seed_all(seed)
            results.append(_picture(transform(frame.copy())))
    shapes = {(type(result), tuple(result.shape), str(result.dtype)) for result in results}
    if len(shapes) > 1:
        listed = "; ".join(f"{kind.__name__} {shape} {dtype}" for kind, shape, dtype in sorted(shapes, key=str))
        raise DatasetError(f"the transform must give the same shape for each frame of a window; it gave {listed}")
    if isinstance(results[0], np.ndarray):
        return np.stack(results)
    return sys.modules["torch"].stack(results)


def _picture(result: Any) -> Any:
    torch = sys.modules.get("torch")
    if torch is not None and isinstance(result, torch.Tensor):
        array = result
    elif isinstance(result, np.ndarray) or hasattr(result, "__array_interface__"):
        array = np.asarray(result)
    else:
        array = None
    if array is None or array.ndim not in (2, 3) or 0 in array.shape:
        found = type(result).__name__ if array is None else f"{type(result).__name__} {tuple(array.shape)}"
        raise DatasetError(
            f"the transform is called with one frame (H, W, 3) uint8 and must give one picture, an array, a tensor or "
            f"a PIL image of 2 or 3 dimensions; it gave {found}. It cannot change the number of frames"
        )
    return array


@contextmanager
def _random_states_kept() -> Iterator[None]:
    torch = sys.modules.get("torch")
    python, numpy_state = random.getstate(), np.random.get_state()
    torch_state = torch.get_rng_state() if torch is not None else None
    try:
        yield
    finally:
        random.setstate(python)
        np.random.set_state(numpy_state)
        if torch is not None and torch_state is not None:
            torch.set_rng_state(torch_state)


def _seed_all(seed: int) -> None:
    random.seed(seed)
    np.random.seed(seed % 2**32)
    torch = sys.modules.get("torch")
    if torch is not None:
        torch.default_generator.manual_seed(seed)
