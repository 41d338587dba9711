"""Recordings into the catalogue, one after the other, beside the server's answers."""

from __future__ import annotations

import logging
import queue
import threading
from pathlib import Path

from gameon_env.errors import GameOnError
from gameon_env.export.reacture_import import import_reacture
from gameon_env.recording.model import Who
from gameon_env.web.server_recording import Recording

REGISTERED = "registered"
PENDING = "pending"
EMPTY = "not in the catalogue: it has no frame"

_MARK = "catalogue.txt"
_LOG = logging.getLogger(__name__)


class Registrar:
    """A thread that makes a session of each complete recording.

    Args:
        data_dir: the data folder.
        who: played what comes.
    """

    def __init__(self, data_dir: Path, who: Who = "human") -> None:
        self._data_dir, self._who = data_dir, who
        self._waiting: queue.SimpleQueue[Recording | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="catalogue", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def close(self) -> None:
        """Register what waits, and end."""
        self._waiting.put(None)
        self._thread.join()

    def add(self, recording: Recording) -> None:
        """Register a recording soon."""
        self._waiting.put(recording)

    def settled(self, recording: Recording) -> bool:
        """Whether it is in the catalogue, or can never be."""
        return self.state(recording) in (REGISTERED, EMPTY)

    def state(self, recording: Recording) -> str:
        """``pending``, ``registered``, or why it could not be."""
        mark = recording.folder / _MARK
        return mark.read_text("utf-8") if mark.exists() else PENDING

    def _run(self) -> None:
        while (recording := self._waiting.get()) is not None:
            state = self._register(recording)
            try:
                (recording.folder / _MARK).write_text(state, "utf-8", "replace")
            except OSError as error:
                _LOG.warning("%s: %s", recording.prefix, error)

    def _register(self, recording: Recording) -> str:
        """Make a session of it; returns the state that it is in then."""
        if recording.samples == 0:  # a game that was left at once
            return EMPTY
        try:
            done = import_reacture(recording.file("metadata.json"), self._data_dir, who=self._who)
        except GameOnError as error:
            _LOG.warning("%s: not in the catalogue: %s", recording.prefix, error)
            return f"not in the catalogue: {error}"
        except Exception as error:  # noqa: BLE001 - whatever one recording holds, the others are registered
            _LOG.exception("%s: not in the catalogue", recording.prefix)
            return f"not in the catalogue: {type(error).__name__}: {error}; the server's log says where"
        _LOG.info("%s: session %s", recording.prefix, done.folder)
        return REGISTERED
