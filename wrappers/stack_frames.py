"""The last few frames as one picture, so that an agent without memory sees how things move."""

from __future__ import annotations

from collections import deque
from typing import Any

import gymnasium
import numpy as np
import numpy.typing as npt

from gameon_env.errors import ObservationError

Pixels = npt.NDArray[np.uint8]


class StackFrames(gymnasium.ObservationWrapper[Pixels, Any, Pixels], gymnasium.utils.RecordConstructorArgs):
    """Observations are the last ``stack`` frames, ``(H, W, 3 * stack) uint8``, the oldest first.

    Before an episode's first frame there is nothing: that frame is repeated, as cloned policies learn it.

    Args:
        env: an environment whose observations are pictures ``(H, W, C) uint8``.
        stack: how many.

    Raises:
        ObservationError: the observations are no such pictures, or ``stack`` is less than 1.
    """

    def __init__(self, env: gymnasium.Env[Pixels, Any], stack: int) -> None:
        gymnasium.utils.RecordConstructorArgs.__init__(self, stack=stack)
        super().__init__(env)
        space = env.observation_space
        if not isinstance(space, gymnasium.spaces.Box) or len(space.shape) != 3 or space.dtype != np.uint8:
            raise ObservationError(f"StackFrames needs pictures (H, W, C) uint8; the observations are {space}")
        if isinstance(stack, bool) or not isinstance(stack, int) or stack < 1:
            raise ObservationError(f"stack must be a whole number of frames, at least 1; it is {stack!r}")
        height, width, channels = space.shape
        self.stack = stack
        self.observation_space = gymnasium.spaces.Box(0, 255, (height, width, channels * stack), np.uint8)
        self._frames: deque[Pixels] = deque(maxlen=stack)

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Pixels, dict[str, Any]]:
        """Reset the environment and forget its frames."""
        self._frames.clear()
        return super().reset(seed=seed, options=options)

    def observation(self, observation: Pixels) -> Pixels:
        """The stack that ends with this frame."""
        frame = observation.copy()
        self._frames.extend([frame] * (1 if self._frames else self.stack))
        return np.concatenate(self._frames, axis=2)
