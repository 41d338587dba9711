"""A game's profile: a TOML file that says how to launch or find a game, what its controls are, and how its score,
its end and its reset are read off the screen. ``gameon games --help`` shows all keys.
"""

from __future__ import annotations

from pathlib import Path

from gameon_env.errors import UnknownNameError, suggest
from gameon_env.games.profile_file import read_profile
from gameon_env.games.profile_model import Attach, Launch, Profile, Reset, ResetStep, RewardTerm, Termination
from gameon_env.paths import user_profiles_dir

__all__ = [
    "BUILT_IN",
    "Attach",
    "Launch",
    "Profile",
    "Reset",
    "ResetStep",
    "RewardTerm",
    "Termination",
    "load_profile",
    "profile_paths",
]

BUILT_IN = Path(__file__).parent
"""Where the profiles lie that are shipped."""


def profile_paths() -> dict[str, Path]:
    """All profiles by name: those that are shipped, then the user's own, which win."""
    files = [*sorted(BUILT_IN.glob("*.toml")), *sorted(user_profiles_dir().glob("*.toml"))]
    return {file.stem: file for file in files}


def load_profile(game: str | Path) -> Profile:
    """Read a profile by name, or by the path of a TOML file.

    Raises:
        UnknownNameError: no such profile; the message suggests the nearest.
        ProfileError: the file is wrong; the message names the file, the key and what is allowed.
    """
    if isinstance(game, Path) or str(game).endswith(".toml"):
        return read_profile(Path(game).expanduser().resolve())
    paths = profile_paths()
    if game not in paths:
        raise UnknownNameError(
            f"no game profile {game!r}; there are {', '.join(paths)}, or give the path of a TOML file."
            f"{suggest(str(game), paths)}"
        )
    return read_profile(paths[game])
