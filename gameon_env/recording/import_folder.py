"""Where an import fills a session: beside the others, and hidden until it is complete. What a kill leaves is none."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import datetime
from pathlib import Path

from gameon_env.errors import SessionError, StorageError
from gameon_env.recording.catalogue import Catalogue
from gameon_env.recording.folder_lock import FolderLock
from gameon_env.recording.session_folder import SESSIONS, new_session_folder

PREFIX = ".importing_"
"""In ``<data_dir>/sessions``, the same disk, and one deeper than sessions are: there nobody takes it for one."""

_FILLED = "session"


def catalogue_for_import(data_dir: str | Path | None = None) -> Catalogue:
    """The catalogue, with all sessions that are there; what killed imports left is removed.

    Raises:
        SessionError, StorageError: as :class:`gameon_env.recording.catalogue.Catalogue`.
    """
    catalogue = Catalogue(data_dir)
    killed = _remove_killed(catalogue.data_dir)
    if killed or not catalogue.sessions():  # a new one beside folders that were copied here
        catalogue.reindex()
    return catalogue


@contextmanager
def import_folder(catalogue: Catalogue, identity: str) -> Iterator[Path]:
    """A new folder to fill with the session of this id, for :func:`move_in`; it is gone at the end.

    Raises:
        SessionError: another process imports the same session.
        StorageError: it cannot be written.
    """
    home = catalogue.data_dir / SESSIONS / f"{PREFIX}{identity}"
    filled = home / _FILLED
    _make(home)
    try:
        lock = FolderLock(home)
    except SessionError as error:
        raise SessionError(f"{catalogue.data_dir}: another process imports this session at this moment.") from error
    try:
        shutil.rmtree(filled, ignore_errors=True)
        _make(filled)
        yield filled
    finally:
        _remove(home, lock)


def move_in(filled: Path, catalogue: Catalogue, game: str, started: datetime) -> Path:
    """Make the complete session one among the others. Returns its folder.

    Raises:
        SessionError, StorageError: the catalogue cannot be written; nothing is left of the session.
    """
    folder = new_session_folder(catalogue.data_dir, game, started)
    try:
        _rename(filled, folder)
        catalogue.add(folder)
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    return folder


def _remove_killed(data_dir: Path) -> bool:
    """Whether there was one: it may have been killed after its session was moved in, before it was listed."""
    found = False
    for home in (data_dir / SESSIONS).glob(f"{PREFIX}*/"):
        try:
            lock = FolderLock(home)
        except (SessionError, StorageError):  # it goes on; or it was removed at this moment
            continue
        _remove(home, lock)
        found = True
    return found


def _remove(home: Path, lock: FolderLock) -> None:
    shutil.rmtree(home / _FILLED, ignore_errors=True)
    lock.release()
    with suppress(OSError):  # another import has begun in it
        home.rmdir()


def _make(folder: Path) -> None:
    try:
        folder.mkdir(exist_ok=True)
    except OSError as error:
        raise _storage_error(folder, error) from error


def _rename(filled: Path, folder: Path) -> None:
    try:
        try:
            filled.rename(folder)
        except FileExistsError:  # Windows lets no folder take the place of an empty one
            folder.rmdir()
            filled.rename(folder)
    except OSError as error:
        raise _storage_error(folder, error) from error


def _storage_error(folder: Path, error: OSError) -> StorageError:
    return StorageError(f"{folder}: cannot be written ({error}). Make room, or name another folder with --data-dir.")
