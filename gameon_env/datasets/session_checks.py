"""Sessions come from anyone: what their databases say is checked before it is used."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from gameon_env.errors import GameOnError, SessionError
from gameon_env.keys import CONTROLS
from gameon_env.recording.model import SessionInfo
from gameon_env.recording.session import Session

MAX_NS = 31 * 24 * 3600 * 1_000_000_000
MAX_VALUE = 1e9
MAX_SIDE = 16384
MAX_PIXELS = 1 << 26
MIN_POSITIVE, MAX_POSITIVE = 1e-3, 1e6
"""Of scales and rates."""


@contextmanager
def reading(folder: str | Path) -> Iterator[Session]:
    """The session in a folder, open; values of the wrong kind in its database become one error.

    Raises:
        SessionError: no session there, or it is damaged.
    """
    with plainly(folder), Session(folder) as session:
        yield session


@contextmanager
def plainly(folder: str | Path) -> Iterator[None]:
    """Turn what values of the wrong kind raise into a SessionError."""
    try:
        yield
    except GameOnError:
        raise
    except (ValueError, TypeError, OverflowError, AttributeError, KeyError, RecursionError) as error:
        raise SessionError(f"{folder}: the session's database holds what none of ours does ({error})") from error


def check_info(info: SessionInfo, folder: Path) -> None:
    """Raises:
    SessionError: a fact that no recorder of ours writes; the message lists all.
    """
    wrong = []
    positive = {"mouse_scale_px": info.mouse_scale_px, "wheel_scale": info.wheel_scale, "fps": info.fps}
    wrong += [f"{name} is {value!r}" for name, value in positive.items() if not MIN_POSITIVE <= value <= MAX_POSITIVE]
    height, width = info.picture_size
    if type(height) is not int or type(width) is not int or not (0 < height <= MAX_SIDE and 0 < width <= MAX_SIDE):
        wrong.append(f"the picture is said to be {info.picture_size}")
    if not all(math.isfinite(value) for value in info.pointer):
        wrong.append(f"the pointer is said to be at {info.pointer}")
    unknown = [name for name in info.controls if name not in CONTROLS]
    if unknown or len(set(info.controls)) != len(info.controls):
        wrong.append(f"its controls are {list(info.controls)}")
    if not isinstance(info.id, str) or not info.id or not isinstance(info.game, str):
        wrong.append(f"its id is {info.id!r}, its game {info.game!r}")
    if wrong:
        raise SessionError(f"{folder}: {'; '.join(wrong)}. It is damaged, or not one of ours")
