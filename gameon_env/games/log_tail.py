"""New lines of a file that another program writes."""

from __future__ import annotations

from pathlib import Path

MAX_READ = 1 << 20
"""Bytes read in one call: a game that floods its log must not hold up the step."""

MAX_UNFINISHED = 1 << 16
"""Bytes kept of a line that has not ended yet, its last ones."""


class LogTail:
    """Follows a file, which need not exist yet, and may be started anew.

    Args:
        path: the file.
        from_end: begin with what is added from now on.
    """

    def __init__(self, path: Path, *, from_end: bool = False) -> None:
        self.path = path
        self._offset = self._size() if from_end else 0
        self._unfinished = b""
        self._after_return = False

    def new_lines(self) -> list[str]:
        """The whole lines that were added since the last call; where that is much, the next call goes on.

        A line ends with a newline, or with the carriage return that progress displays print.

        Raises:
            OSError: the file is there and cannot be read.
        """
        size = self._size()
        if size < self._offset:
            self._offset, self._unfinished, self._after_return = 0, b"", False
        if size == self._offset:
            return []
        with self.path.open("rb") as file:
            file.seek(self._offset)
            chunk = file.read(MAX_READ)
        self._offset += len(chunk)
        if self._after_return and chunk.startswith(b"\n"):  # the two halves of one line end
            chunk = chunk[1:]
        if not chunk:
            self._after_return = False
            return []
        self._after_return = chunk.endswith(b"\r")
        lines = (self._unfinished + chunk).splitlines(keepends=True)
        ended = lines[-1].endswith((b"\n", b"\r"))
        self._unfinished = b"" if ended else lines.pop()[-MAX_UNFINISHED:]
        return [line.rstrip(b"\r\n").decode("utf-8", "replace") for line in lines]

    def _size(self) -> int:
        try:
            return self.path.stat().st_size
        except FileNotFoundError:
            return 0
