"""Two recorders on one window are one too many: the second is told so."""

from __future__ import annotations

import getpass
import hashlib
import os
import re
import tempfile
from contextlib import suppress
from pathlib import Path

from gameon_env.errors import SessionError, StorageError
from gameon_env.paths import cache_dir
from gameon_env.recording.folder_lock import FolderLock


class WindowLock:
    """Held until :meth:`release`, or until its process ends, however that happens.

    Args:
        display: the display that the game is on.
        what: the window, or the place on the screen, that is recorded.

    Raises:
        SessionError: another recorder records it.
        StorageError: neither the folder for caches nor that for temporary files can be written.
    """

    def __init__(self, display: str, what: str) -> None:
        server = re.sub(r"(:\d+)\.\d+$", r"\1", display)  # ":1.0" is a screen of ":1"
        key = hashlib.sha256(f"{server} {what}".encode()).hexdigest()[:16]
        try:
            self._folder, self._lock = _locked(key)
        except SessionError as error:
            raise SessionError(
                f"another recorder records {what} of display {display} already: stop that one first, or record another "
                "window"
            ) from error

    def release(self) -> None:
        """Let go. Callable twice."""
        self._lock.release()
        with suppress(OSError):  # another recorder waits for it
            self._folder.rmdir()


def _locked(key: str) -> tuple[Path, FolderLock]:
    """All recorders of one person look in the same places in the same order."""
    user = getattr(os, "getuid", getpass.getuser)()  # Windows numbers no users
    places = cache_dir(), Path(tempfile.gettempdir()) / f"gameon-{user}"
    for place in places:
        try:
            return _lock_in(place / "recorded_windows" / key)
        except OSError as error:
            failed = error
    raise StorageError(
        f"neither {places[0]} nor {places[1]} can be written ({failed}). Make one of them writable, or name another "
        "folder for caches in XDG_CACHE_HOME."
    ) from failed


def _lock_in(folder: Path) -> tuple[Path, FolderLock]:
    folder.mkdir(parents=True, exist_ok=True)
    try:
        return folder, FolderLock(folder)
    except StorageError:
        if folder.exists():
            raise
    folder.mkdir(parents=True, exist_ok=True)  # another recorder let go of it, and removed it, at this moment
    return folder, FolderLock(folder)
