"""New lines of a file that another program writes."""

from __future__ import annotations

from pathlib import Path


class LogTail:
    """Follows a file, which need not exist yet, and may be started anew.

    Args:
        path: the file.
        from_end: begin with what is added from now on.
    """

    def __init__(self, path: Path, *, from_end: bool = False) -> None:
        self.path = path
        self._offset = path.stat().st_size if from_end and path.exists() else 0

    def new_lines(self) -> list[str]:
        """The whole lines that were added since the last call."""
        size = self.path.stat().st_size if self.path.exists() else 0
        if size < self._offset:
            self._offset = 0
        if size == self._offset:
            return []
        with self.path.open("rb") as file:
            file.seek(self._offset)
            chunk = file.read(size - self._offset)
        whole = chunk[: chunk.rfind(b"\n") + 1]
        self._offset += len(whole)
        return whole.decode("utf-8", "replace").splitlines()
