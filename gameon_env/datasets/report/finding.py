"""What a report warns of."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Level = Literal["problem", "notice"]


@dataclass(frozen=True, slots=True)
class Finding:
    """One warning.

    Attributes:
        level: ``problem``: data is lost or wrong; ``notice``: worth a look before training.
        kind: which rule found it.
        game: of which game.
        recording: the id of the recording; empty where it is about all of a game.
        spans: ``(start_s, end_s)`` since the recording's start, the longest first in what is shown; empty: all of it.
        what: what was found.
        remedy: what to do about it.
    """

    level: Level
    kind: str
    game: str
    recording: str
    spans: tuple[tuple[float, float], ...]
    what: str
    remedy: str
