"""What a session's files were before a recovery changed them."""

from __future__ import annotations

import shutil
from pathlib import Path

from gameon_env.errors import StorageError
from gameon_env.recording.model import DATABASE_FILE

KEPT = "before_recovery"
UNFINISHED = "unfinished"


class Originals:
    """``<session>/before_recovery/``, or ``before_recovery_2`` and so on where a session is damaged another time.

    A recovery that was itself killed is gone on with: what it kept stays, and is never taken for kept twice.

    Raises:
        StorageError: it cannot be written.
    """

    def __init__(self, session: Path) -> None:
        self.session = session
        self.folder = _unfinished(session) or _free(session)
        self._mark = self.folder / UNFINISHED
        try:
            self.folder.mkdir(exist_ok=True)
            self._mark.touch()
        except OSError as error:
            raise _storage_error(self.folder, error) from error

    def copy(self, *names: str) -> None:
        """Keep copies of these files of the session, where they are there and not kept already."""
        for name in names:
            source, target = self.session / name, self.folder / name
            if target.exists() or not source.exists():
                continue
            part = target.with_name(f".{name}.part")
            try:
                shutil.copyfile(source, part)
                part.replace(target)
            except OSError as error:
                part.unlink(missing_ok=True)
                raise _storage_error(target, error) from error

    def copy_database(self) -> None:
        """Keep the database with its log; the log first, so that a database that is here has its log beside it."""
        if not (self.folder / DATABASE_FILE).exists():
            (self.folder / f"{DATABASE_FILE}-wal").unlink(missing_ok=True)
            self.copy(f"{DATABASE_FILE}-wal", DATABASE_FILE)

    def take(self, name: str) -> None:
        """Move a file of the session here."""
        target = self.folder / name
        try:
            (self.session / name).replace(target)
        except OSError as error:
            raise _storage_error(target, error) from error


def forget_unfinished(session: Path) -> None:
    """The session is whole: no recovery is to be gone on with."""
    folder = _unfinished(session)
    if folder is not None:
        (folder / UNFINISHED).unlink(missing_ok=True)


def _unfinished(session: Path) -> Path | None:
    return next((mark.parent for mark in session.glob(f"{KEPT}*/{UNFINISHED}")), None)


def _free(session: Path) -> Path:
    folder, number = session / KEPT, 1
    while folder.exists() and any(folder.iterdir()):
        number += 1
        folder = session / f"{KEPT}_{number}"
    return folder


def _storage_error(path: Path, error: OSError) -> StorageError:
    return StorageError(
        f"{path} could not be written: {error.strerror or error}. A recovery keeps the originals and needs room for "
        "them: free some space there and run it again."
    )
