"""How the new files of a redacted session take the places of the old ones, whatever happens meanwhile."""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

from gameon_env.data_processing.atomic_file import sync_folder
from gameon_env.errors import SessionError, StorageError
from gameon_env.recording.database import explained, open_database
from gameon_env.recording.model import AUDIO_FILES, DATABASE_FILE, VIDEO_FILE
from gameon_env.recording.session_schema import SESSION_LAYOUT

STAGE = ".redaction"
"""Where the new files are written, inside the session's folder: the same disk, so that they can change places."""

PLAN = "plan.json"
"""In it: there once all new files are complete. From then on a redaction is finished, never undone."""

LEFTOVERS = ("before_recovery*", "video.recovered.mp4", ".recovering")
"""What ``gameon recover`` keeps of a session as it found it, or leaves when it is killed."""


def leftovers(folder: Path) -> list[Path]:
    """What else in the folder may hold what is cut out."""
    return sorted(path for pattern in LEFTOVERS for path in folder.glob(pattern))


def finish(folder: Path) -> bool:
    """Let the new files take the places of the old ones, where all of them are there; forget them where not."""
    stage = folder / STAGE
    if not stage.exists():
        return False
    complete = (stage / PLAN).is_file()
    try:
        if complete:
            _swap(folder, stage)
        shutil.rmtree(stage)
    except OSError as error:
        raise StorageError(
            f"{folder}: the redaction could not be finished ({error}). Mend that, and call gameon sessions redact "
            f"{folder.name} again: it goes on where it stopped."
        ) from error
    return complete


def _swap(folder: Path, stage: Path) -> None:
    """May be done again at any point. The database comes last: up to there the session counts as unfinished."""
    if (stage / DATABASE_FILE).exists():
        settle(folder / DATABASE_FILE)
        _mark_unfinished(folder / DATABASE_FILE)
        removed = json.loads((stage / PLAN).read_text(encoding="utf-8"))["removed"]
        for path in [*(folder / name for name in removed), *leftovers(folder)]:
            if path.is_dir():
                shutil.rmtree(path)
            else:
                path.unlink(missing_ok=True)
        for name in (*AUDIO_FILES.values(), VIDEO_FILE):
            if (stage / name).exists():
                (stage / name).replace(folder / name)
        sync_folder(folder)
        (stage / DATABASE_FILE).replace(folder / DATABASE_FILE)
        sync_folder(folder)
    (stage / PLAN).unlink()


def settle(path: Path) -> None:
    """Bring the newest version and all that a write-ahead log holds into the one file: a log that stays would be
    taken for that of the new database.

    Raises:
        SessionError: somebody reads the session at this moment.
    """
    with closing(open_database(path, SESSION_LAYOUT, "write")) as connection, explained(path, SESSION_LAYOUT):
        try:
            mode = connection.execute("PRAGMA journal_mode = DELETE").fetchone()[0]
        except sqlite3.OperationalError:
            mode = "busy"
    if mode != "delete":
        raise SessionError(f"{path.parent}: a program reads this session at this moment. Close it, and do it again.")
    for suffix in ("-wal", "-shm"):
        path.with_name(path.name + suffix).unlink(missing_ok=True)


def _mark_unfinished(path: Path) -> None:
    with closing(open_database(path, SESSION_LAYOUT, "write")) as connection, explained(path, SESSION_LAYOUT):
        connection.execute("UPDATE session SET status = 'recording', ended_at = NULL")


def write_plan(stage: Path, removed: Sequence[str]) -> None:
    """All new files are there: from now on the redaction is finished. ``removed``: names in the folder that go."""
    sync_folder(stage)
    part = stage / f"{PLAN}.part"
    with part.open("w", encoding="utf-8") as file:
        json.dump({"removed": list(removed)}, file)
        file.flush()
        os.fsync(file.fileno())
    part.replace(stage / PLAN)
    sync_folder(stage)
