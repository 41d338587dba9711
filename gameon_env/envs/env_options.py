"""The options of an environment, checked before anything is started."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from gameon_env.desktop.display import private_display_possible
from gameon_env.errors import DisplayError, ObservationError, ProfileError
from gameon_env.games.profile import Attach, Profile
from gameon_env.games.table import Table


def check_options(
    time: object, fps: object, frame_skip: object, observation_size: object, render_mode: object, attach: object
) -> None:
    """Refuse what no game can have.

    Raises:
        ObservationError: the size of the observations.
        ProfileError: anything else.
    """
    if time not in ("real", "lockstep"):
        raise ProfileError(f"time must be 'real' or 'lockstep'; it is {time!r}")
    if render_mode not in (None, "rgb_array"):
        raise ProfileError(f"render_mode must be 'rgb_array' or None; it is {render_mode!r}")
    if fps is not None and not (isinstance(fps, int | float) and math.isfinite(fps) and fps > 0):
        raise ProfileError(f"fps must be a number of periods per second, more than 0; it is {fps!r}")
    if isinstance(frame_skip, bool) or not isinstance(frame_skip, int | np.integer) or frame_skip < 1:
        raise ProfileError(f"frame_skip must be a whole number of periods per step, 1 or more; it is {frame_skip!r}")
    sides = observation_size if isinstance(observation_size, tuple | list) else ()
    if len(sides) != 2 or not all(isinstance(side, int | np.integer) and side > 0 for side in sides):
        raise ObservationError(f"observation_size must be (height, width) in pixels; it is {observation_size!r}")
    if attach is not None and not isinstance(attach, Mapping):
        raise ProfileError(f'attach must be like {{"window": "a title"}} or {{"monitor": 0}}; it is {attach!r}')


def read_attach(attach: Mapping[str, Any] | None, profile: Profile) -> Attach | None:
    """Where to find a game that runs already. Raises ``ProfileError`` for what is no such place."""
    if not attach:
        return None
    values = {key: list(value) if isinstance(value, tuple) else value for key, value in attach.items()}
    return Attach.read(Table(values, profile.path, "attach."))


def check_launch(profile: Profile, observation_size: tuple[int, int]) -> None:
    """Whether the game can be launched, and is large enough.

    Raises:
        MissingProgramError: it is not installed.
        ObservationError: it is not.
    """
    launch = profile.launch
    if launch is None:
        return
    launch.check_installed(profile.path.parent)
    height, width = launch.screen_size
    if not 0 < observation_size[0] <= height or not 0 < observation_size[1] <= width:
        raise ObservationError(
            f"observation_size {observation_size} must lie between (1, 1) and the game's screen "
            f"({height}, {width}), (height, width) each"
        )


def choose_display(display: str, *, launched: bool) -> str:
    """``private``, ``current`` or ``:N``; for ``auto`` a private one where the game is launched and that is possible.

    Raises:
        DisplayError: another word.
    """
    if display != "auto":
        if display not in ("private", "current") and ":" not in display:
            raise DisplayError(f"display must be 'auto', 'private', 'current' or ':N'; it is {display!r}")
        return display
    return "private" if launched and private_display_possible() else "current"
