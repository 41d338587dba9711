"""The recordings of one data folder: begun, looked up, bounded, and completed where their page never came back."""

from __future__ import annotations

import logging
import re
import shutil
import threading
import time
from collections.abc import Mapping
from http import HTTPStatus
from pathlib import Path
from typing import Any

from gameon_env.errors import GameOnError, SessionError, StorageError
from gameon_env.recording.model import Who
from gameon_env.web.server_catalogue import Registrar
from gameon_env.web.server_checks import RequestError
from gameon_env.web.server_parts import STREAMS
from gameon_env.web.server_recording import Recording

FOLDER = "reacture"
MAX_OPEN = 16
MAX_RECORDING_BYTES = 32 << 30  # 18 hours of play
MIN_FREE_BYTES = 256 << 20
RECENT_S = 600.0  # a recording that grew within this before the start may have a page that goes on
GRACE_S = 60.0  # in which that page must come back

_LOG = logging.getLogger(__name__)
_ID = re.compile(r"reacture_\d{13}")


class Recordings:
    """The recordings below ``data_dir / "reacture"``.

    Args:
        data_dir: the data folder.
        min_free_bytes: how much of the disk is left free; nothing more is taken then.
        grace_s: how long a recording that an earlier server left waits for its page before it is completed.
        who: plays in the pages, as the catalogue is told.
    """

    def __init__(
        self,
        data_dir: Path,
        *,
        min_free_bytes: int = MIN_FREE_BYTES,
        grace_s: float = GRACE_S,
        who: Who = "human",
    ) -> None:
        self.folder = data_dir / FOLDER
        self.registrar = Registrar(data_dir, who)
        self.min_free_bytes = min_free_bytes
        self._grace_s = grace_s
        self._guard = threading.Lock()
        self._open: dict[str, Recording] = {}
        self._left: set[str] = set()
        self._closing = threading.Event()
        self._keeper = threading.Thread(target=self._complete_left, name="recordings", daemon=True)

    def start(self) -> list[str]:
        """Complete what earlier servers left; returns what became of it, a line each."""
        said = [line for folder in self._folders() if (line := self._take_over(folder))]
        self.registrar.start()
        self._keeper.start()
        return said

    def close(self) -> None:
        """Complete what is open, and wait for the catalogue."""
        self._closing.set()
        self._keeper.join()
        for recording in list(self._open.values()):
            self._complete(recording)
        self.registrar.close()

    def begin(self, metadata: Mapping[str, Any]) -> Recording:
        """A new recording.

        Raises:
            RequestError: there are too many, or the disk is nearly full.
        """
        with self._guard:
            if len(self._open) >= MAX_OPEN:
                self._drop_oldest()
            self._check_room(self.folder.parent)
            for ms in range(time.time_ns() // 1_000_000, 10**13):
                folder = self.folder / f"reacture_{ms}"
                try:
                    folder.mkdir(parents=True)
                except FileExistsError:
                    continue
                break
            try:
                recording = Recording(folder)
                recording.checkpoint(metadata)
            except BaseException:
                shutil.rmtree(folder, ignore_errors=True)
                raise
            self._open[folder.name] = recording
            return recording

    def find(self, name: str) -> Recording:
        """A recording by its id.

        Raises:
            RequestError: there is none.
        """
        recording = self._open.get(name)
        if recording is not None:
            return recording
        if _ID.fullmatch(name) and (self.folder / name).is_dir() and not (self.folder / name).is_symlink():
            recording = Recording(self.folder / name)
            if recording.complete:
                return recording
            recording.close()
        raise RequestError(HTTPStatus.NOT_FOUND, f"there is no recording {name[:100]!r}")

    def append(self, name: str, stream: str, offset: int, data: bytes) -> int:
        """Add to a stream of a recording; returns the stream's size.

        Raises:
            RequestError: no such recording or stream, a gap, too much, or a full disk.
        """
        if stream not in STREAMS:
            raise RequestError(HTTPStatus.NOT_FOUND, f"a recording has no stream {stream[:100]!r}")
        recording = self.find(name)
        if recording.size() + len(data) > MAX_RECORDING_BYTES:
            raise RequestError(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "a recording may not be larger: begin another game")
        self._check_room(self.folder)
        try:
            return recording.append(stream, offset, data)
        except ValueError as error:
            raise RequestError(HTTPStatus.CONFLICT, str(error)) from error

    def finish(self, name: str, metadata: Mapping[str, Any]) -> Recording:
        """Complete a recording, and have it registered in the catalogue."""
        recording = self.find(name)
        recording.finish(metadata)
        self._register(recording)
        return recording

    def _folders(self) -> list[Path]:
        if not self.folder.is_dir():
            return []
        return sorted(path for path in self.folder.iterdir() if _ID.fullmatch(path.name) and path.is_dir())

    def _take_over(self, folder: Path) -> str | None:
        try:
            recording = Recording(folder)
            if recording.complete:
                recording.tidy()
        except SessionError:
            return None  # another server's, which lives
        except (StorageError, OSError) as error:  # such as what another user began: it keeps nobody from playing
            return f"{folder.name}: cannot be completed: {error}"
        if recording.complete:
            if not self.registrar.settled(recording):
                self.registrar.add(recording)
            return None
        if recording.age_s() < RECENT_S:
            self._open[folder.name] = recording
            self._left.add(folder.name)
            return f"{folder.name}: waits {self._grace_s:g} s for its page, and is completed then"
        return self._complete(recording)

    def _complete(self, recording: Recording) -> str | None:
        try:
            if not recording.complete and recording.samples == 0:  # a page that was closed at once
                self._forget(recording)
                return None
            recording.finish()
        except (GameOnError, OSError) as error:
            recording.close()
            return f"{recording.prefix}: {error}"
        self._register(recording)
        return f"{recording.prefix}: completed, {recording.samples} samples"

    def _forget(self, recording: Recording) -> None:
        with self._guard:
            self._left.discard(recording.prefix)
            self._open.pop(recording.prefix, None)
        recording.close()
        shutil.rmtree(recording.folder)

    def _register(self, recording: Recording) -> None:
        with self._guard:
            self._left.discard(recording.prefix)
            if self._open.pop(recording.prefix, None) is None and self.registrar.settled(recording):
                return
        self.registrar.add(recording)

    def _complete_left(self) -> None:
        while not self._closing.wait(min(1.0, self._grace_s / 4)):
            for name in list(self._left):
                recording = self._open.get(name)
                if recording is None:
                    continue  # its page has finished it meanwhile
                if time.monotonic() - recording.touched > self._grace_s:
                    _LOG.info("%s", self._complete(recording))
                    self._left.discard(name)  # where that failed, once more at the end, or by the next server

    def _drop_oldest(self) -> None:
        oldest = min(self._open.values(), key=lambda each: each.touched)
        if time.monotonic() - oldest.touched < RECENT_S:
            raise RequestError(
                HTTPStatus.TOO_MANY_REQUESTS, f"{MAX_OPEN} games are being recorded already: end one in its tab"
            )
        oldest.finish()
        self._open.pop(oldest.prefix)
        self.registrar.add(oldest)

    def _check_room(self, folder: Path) -> None:
        while not folder.exists():
            folder = folder.parent
        free = shutil.disk_usage(folder).free
        if free < self.min_free_bytes:
            raise RequestError(
                HTTPStatus.INSUFFICIENT_STORAGE,
                f"the disk of {folder} has {free >> 20} MiB left, and {self.min_free_bytes >> 20} MiB are kept free. "
                "Free disk space, or name another folder: gameon web --data-dir FOLDER",
            )
