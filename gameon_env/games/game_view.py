"""What readers look at, and what they are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from gameon_env.events import Frame


@dataclass(frozen=True, slots=True)
class GameView:
    """What readers may look at.

    Attributes:
        frame: the game's picture at full size.
        exit_code: how the game's process ended, or None while it runs (or where nothing was launched).
        new_output: lines that the game printed since the last view.
        home: the HOME that the game was given, for log files below it.
    """

    frame: Frame
    exit_code: int | None = None
    new_output: Sequence[str] = ()
    home: Path | None = None


class Reader(Protocol):
    """One number per view."""

    def reset(self) -> None:
        """A new episode begins."""

    def read(self, view: GameView) -> float | None:
        """The number, finite, or None where it cannot be read in this view.

        Raises:
            ProfileError: what is to be read is not what the profile says it is.
        """
