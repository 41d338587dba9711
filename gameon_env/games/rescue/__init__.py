"""The built-in game: a rescue robot in a disaster area. Start it with ``python -m gameon_env.games.rescue``."""
