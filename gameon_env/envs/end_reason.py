"""Why an episode ended that the game did not end: ``info["end_reason"]``."""

from __future__ import annotations

from gameon_env.errors import DisplayError, GameOnError, InputError, ObservationError, WindowError
from gameon_env.games.running_game import RunningGame

LOSSES = (WindowError, ObservationError, DisplayError, InputError)
"""What a step meets when the game or its display goes away."""


_WITHOUT_A_WINDOW = ("window_closed", "display_lost", "input_lost", "game_crashed", "game_exited")


def is_loss(end_reason: str) -> bool:
    """Whether the game's window went away at that end, and its focus with it."""
    return end_reason.split(":")[0] in _WITHOUT_A_WINDOW


def why_lost(game: RunningGame, error: GameOnError) -> str:
    """What one of :data:`LOSSES` means."""
    match error:
        case WindowError():
            code = game.exit_code(window_gone=True)
            return f"window_closed: {error}" if code is None else why_process_ended(game, code)
        case ObservationError():
            return f"window_too_small: {error}"
    return f"{'input' if game.display_alive else 'display'}_lost: {error}"


def why_process_ended(game: RunningGame, code: int) -> str:
    """What a game's exit code means."""
    if code == 0:
        return "game_exited"
    return f"game_crashed: exit code {code}; its last output: {game.output_tail(5)}"
