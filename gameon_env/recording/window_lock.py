"""Two recorders on one window are one too many: the second is told so."""

from __future__ import annotations

import hashlib
import re

from gameon_env.errors import SessionError
from gameon_env.paths import cache_dir
from gameon_env.recording.folder_lock import FolderLock


class WindowLock:
    """Held until :meth:`release`, or until its process ends, however that happens.

    Args:
        display: the display that the game is on.
        what: the window, or the place on the screen, that is recorded.

    Raises:
        SessionError: another recorder records it.
    """

    def __init__(self, display: str, what: str) -> None:
        server = re.sub(r"(:\d+)\.\d+$", r"\1", display)  # ":1.0" is a screen of ":1"
        key = hashlib.sha256(f"{server} {what}".encode()).hexdigest()[:16]
        folder = cache_dir() / "recorded_windows" / key
        folder.mkdir(parents=True, exist_ok=True)
        try:
            self._lock = FolderLock(folder)
        except SessionError as error:
            raise SessionError(
                f"another recorder records {what} of display {display} already: stop that one first, or record another "
                "window"
            ) from error

    def release(self) -> None:
        """Let go. Callable twice."""
        self._lock.release()
