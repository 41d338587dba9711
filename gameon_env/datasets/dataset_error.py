"""The error of this room."""

from gameon_env.errors import GameOnError


class DatasetError(GameOnError, ValueError):
    """A dataset cannot be made as asked: a wrong option, no recordings, recordings that do not fit each other."""
