"""Readers: numbers from what a player can see (the screen) or what the system says of the process. Nothing else.

Each reader gives one number per frame, or None where it cannot be read just now: digits on the screen, how full a bar
is, whether a colour or a template is there, whether nothing changed for some seconds, whether the process ended, or
whether its log has a line. ``kind = "python"`` takes a user's own ``module:function``.
"""

from __future__ import annotations

from collections.abc import Callable

from gameon_env.games.game_view import GameView, Reader
from gameon_env.games.process_readers import Exit, Log, Python
from gameon_env.games.screen_readers import Bar, Color, Count, Digits, Template, Unchanged
from gameon_env.games.table import Table

__all__ = ["KINDS", "GameView", "Reader", "make_reader"]

KINDS: dict[str, Callable[[Table], Reader]] = {
    "digits": Digits,
    "bar": Bar,
    "color": Color,
    "template": Template,
    "count": Count,
    "unchanged": Unchanged,
    "exit": Exit,
    "log": Log,
    "python": Python,
}


def make_reader(table: Table) -> Reader:
    """The reader that a ``[readers.NAME]`` table describes.

    Raises:
        ProfileError: an unknown kind or key, or a value that is not allowed.
    """
    reader = KINDS[table.choice("kind", tuple(KINDS))](table)
    table.done()
    return reader
