"""Pictures that come again: a player without memory would do again what it did, and never leave."""

from __future__ import annotations

import hashlib
from collections import deque
from typing import Any

import numpy.typing as npt

WITHIN = 64
"""Changes of the picture within which one that comes again is a repeat."""
STEPS_AFTER = 16
"""Steps for which one matters: a single other action would mostly lead back at once."""
STILL = 32
"""So many steps without a change, and nothing comes of what is done. Fewer say nothing: games draw less often than they
are looked at, or wait."""


class Repeats:
    """Whether what is seen was seen a moment ago, to the pixel, before something else; or does not change at all.

    Between two targets that are equally far, or beside one that is not quite hit, the most likely action leads back to
    where it was chosen. (An aiming game with two targets, whose player hits 78: a clone hits 54 where it draws its
    actions after a repeat and 4 where it never does, mean of four games. Where the picture hardly repeats, as in
    rescue, there is no difference to be seen: 1576 and 1648 points in six games, spread 626 and 937.)
    """

    def __init__(self) -> None:
        self._seen: deque[bytes] = deque(maxlen=WITHIN)
        self._left = self._still = 0

    def reset(self) -> None:
        """Start a new episode."""
        self._seen.clear()
        self._left = self._still = 0

    def are_near(self, seen: npt.NDArray[Any]) -> bool:
        """Whether ``seen``, or what was seen in one of the last steps, is a repeat; called once a step."""
        digest = hashlib.blake2b(seen.tobytes(), digest_size=16).digest()
        if self._seen and digest == self._seen[-1]:
            self._still += 1
            repeats = self._still >= STILL
        else:
            self._still, repeats = 0, digest in self._seen
            self._seen.append(digest)
        self._left = STEPS_AFTER if repeats else max(self._left - 1, 0)
        return self._left > 0
