"""The error of games that cannot be held to a virtual clock."""

from __future__ import annotations

from gameon_env.errors import GameOnError


class LockstepError(GameOnError, RuntimeError):
    """A game cannot be put under the virtual clock, or does not use up the time it was granted."""
