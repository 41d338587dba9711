"""Where data, caches and a user's own profiles live. Nothing is created until it is needed."""

from __future__ import annotations

import os
from pathlib import Path


def data_dir(override: str | Path | None = None) -> Path:
    """The folder for recordings: ``override``, else ``$GAMEON_DATA_DIR``, else ``./data`` (git-ignored)."""
    return Path(override or os.environ.get("GAMEON_DATA_DIR") or "data").expanduser()


def cache_dir() -> Path:
    """The folder for what can be made again: ``$XDG_CACHE_HOME/gameon-env`` or ``~/.cache/gameon-env``, absolute."""
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache").absolute() / "gameon-env"


def user_profiles_dir() -> Path:
    """The folder for a user's own game profiles: ``$XDG_CONFIG_HOME/gameon-env/profiles``."""
    base = os.environ.get("XDG_CONFIG_HOME")
    return (Path(base) if base else Path.home() / ".config") / "gameon-env" / "profiles"
