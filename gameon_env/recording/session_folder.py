"""Where sessions lie in the data folder, and what their folders are called."""

from __future__ import annotations

import re
from datetime import datetime
from pathlib import Path

from gameon_env.errors import StorageError
from gameon_env.recording.model import DATABASE_FILE

SESSIONS = "sessions"
CATALOGUE_FILE = "gameon.db"

_REFUSED = re.compile(r'[<>:"/\\|?*\s\x00-\x1f\x7f]+')  # by Windows' file systems, which refuse most; and blanks
_NAME_BYTES = 120  # of the 255 that file systems allow


def make_data_dir(data_dir: Path) -> None:
    """Make the data folder, with a ``.gitignore`` that keeps recordings out of any repository.

    Raises:
        StorageError: it cannot be written.
    """
    try:
        (data_dir / SESSIONS).mkdir(parents=True, exist_ok=True)
        ignore = data_dir / ".gitignore"
        if not ignore.exists():
            ignore.write_text("*\n")
    except OSError as error:
        raise StorageError(
            f"{data_dir}: cannot be written ({error}). Make it writable, or name another with --data-dir."
        ) from error


def new_session_folder(data_dir: Path, game: str, when: datetime) -> Path:
    """Make ``<data_dir>/sessions/<Game>_<YYYYmmdd_HHMMSS>``, local time, with ``_2`` and so on where it is taken.

    Raises:
        StorageError: it cannot be written.
    """
    make_data_dir(data_dir)
    base = f"{slug(game)}_{when.astimezone():%Y%m%d_%H%M%S}"
    number = 1
    while True:
        folder = data_dir / SESSIONS / (base if number == 1 else f"{base}_{number}")
        try:
            folder.mkdir()
        except FileExistsError:
            number += 1
        except OSError as error:
            raise StorageError(f"{folder}: cannot be made ({error}). Name another folder with --data-dir.") from error
        else:
            return folder


def slug(game: str) -> str:
    """A game's name as a part of a folder's name: what file systems refuse becomes ``_``."""
    name = _REFUSED.sub("_", game).encode()[:_NAME_BYTES].decode(errors="ignore").strip("._- ")
    return name or "game"


def session_folders(data_dir: Path) -> list[Path]:
    """All folders in the data folder that hold a session's database, by name."""
    return sorted(path.parent for path in (data_dir / SESSIONS).glob(f"*/{DATABASE_FILE}"))
