"""Synchronised steps on the disk: one HDF5 file per session, which a kill leaves readable."""

from __future__ import annotations

import contextlib
import json
import re
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import h5py

from gameon_env.data_processing.atomic_file import AtomicFile, sync_folder
from gameon_env.data_processing.storage_layout import (
    FORMAT_NAME,
    FORMAT_VERSION,
    append,
    encode,
    lay_out,
    read_steps,
    to_json,
)
from gameon_env.data_processing.synchronizer import SyncedData
from gameon_env.errors import SessionError, StorageError, UnknownNameError, suggest

DATA_FILE = "data.h5"
_LIBVER = ("v108", "v108")  # later ones mark a file as open for writing, and refuse it after a kill


class DataStorage:
    """Keeps sessions of :class:`SyncedData` under ``base_path``, each in ``session_<id>/data.h5``.

    Each call of :meth:`save_synced_data` is one commit: when the process is killed later on, or the disk fills, all
    that was saved before loads. The file has the attributes ``session_id``, ``metadata`` (JSON), ``start_time``
    (microseconds since 1970) and ``controls`` (JSON, names of the vectors), and one row per step in:

    - ``frames/frame_id``, ``frames/timestamp`` (int64, microseconds), ``frames/inputs`` (JSON list),
      ``frames/metadata`` (JSON object);
    - ``features/values (F, ...)``, and ``features/row (N,) int64``: which of them is a step's, -1 for none;
    - ``vectors/inputs (N, A) float32`` and ``vectors/presses (N, A) uint8``, where the session has controls;
    - ``audio/samples (S, channels) float32`` and ``audio/blocks (B, 4) int64``: step, time, first sample, one past
      the last, where there is sound.

    Args:
        base_path: folder, made if need be.
        compression: of features, ``"gzip"``, ``"lzf"`` or ``None``.

    Raises:
        StorageError: the folder cannot be made.
    """

    def __init__(self, base_path: str | Path, compression: str | None = "gzip") -> None:
        self.base_path = Path(base_path)
        if compression not in ("gzip", "lzf", None):
            raise UnknownNameError(f"unknown compression {compression!r}: there are 'gzip', 'lzf' and None")
        self._compression = compression
        self._current: Path | None = None
        with _writing(self.base_path):
            self.base_path.mkdir(parents=True, exist_ok=True)

    @property
    def current_session(self) -> str | None:
        """The id of the session that is saved to."""
        return None if self._current is None else self._current.parent.name.removeprefix("session_")

    def sessions(self) -> list[str]:
        """The ids of all sessions here, in order of their names."""
        return sorted(
            path.parent.name.removeprefix("session_") for path in self.base_path.glob(f"session_*/{DATA_FILE}")
        )

    def start_session(self, session_id: str, metadata: Mapping[str, Any], controls: Sequence[str] = ()) -> str:
        """Start a session and return its id.

        Args:
            session_id: letters, digits, ``_``, ``-``, ``.`` and spaces.
            metadata: what JSON can hold; NumPy's numbers and arrays too.
            controls: names of the vectors' elements, where the steps will have vectors.

        Raises:
            SessionError: there is such a session already, or its id or metadata cannot be stored.
            StorageError: the disk refuses.
        """
        if not re.fullmatch(r"\w(?:[\w .-]*\w)?", session_id):
            raise SessionError(
                f"{session_id!r} cannot name a session: use letters, digits, '_', '-', '.' and spaces within"
            )
        path = self._path(session_id)
        if path.exists():
            raise SessionError(
                f"session {session_id!r} is already in {self.base_path}: nothing is overwritten. Choose another id, "
                f"or delete {path.parent} first."
            )
        attributes = {
            "format": FORMAT_NAME,
            "version": FORMAT_VERSION,
            "session_id": session_id,
            "start_time": time.time_ns() // 1000,
            "metadata": to_json(metadata, "the session's metadata"),
            "controls": to_json(list(controls), "controls"),
        }
        new = path.with_name(f".{DATA_FILE}.new")
        with _writing(path):
            path.parent.mkdir(exist_ok=True)
            with h5py.File(new, "w", libver=_LIBVER) as file:
                lay_out(file, attributes, len(controls))
            new.replace(path)
            sync_folder(path.parent)
        self._current = path
        return session_id

    def save_synced_data(self, data: Iterable[SyncedData]) -> None:
        """Append steps to the current session. All of ``data`` is saved, or an error is raised and none is.

        A call costs some milliseconds, however many steps it saves: pass what ``sync_data`` returned, a second's worth.

        Raises:
            SessionError: there is no current session; inputs or metadata that JSON cannot hold; features, vectors or
                sound of another shape than those before.
            StorageError: the disk refuses. What earlier calls saved stays.
        """
        if self._current is None:
            raise SessionError("No active session: call start_session first")
        rows = [encode(step) for step in data]
        if not rows:
            return
        path = self._current
        with _writing(path), contextlib.closing(AtomicFile(path, writable=True)) as storage:
            with _unless_failed(storage), h5py.File(storage, "r+", libver=_LIBVER) as file:
                append(file, rows, self._compression)
            storage.check()
            storage.commit(durable=False)

    def load(self, session_id: str) -> list[SyncedData]:
        """All steps of a session. Errors are those of :meth:`iterate`."""
        return list(self.iterate(session_id))

    def iterate(self, session_id: str) -> Iterator[SyncedData]:
        """The steps of a session, one after the other.

        Raises:
            UnknownNameError: there is no such session.
            SessionError: its file is damaged.
        """
        with self._reading(session_id) as file:
            yield from read_steps(file)

    def metadata(self, session_id: str) -> dict[str, Any]:
        """The metadata that a session was started with. Errors are those of :meth:`iterate`."""
        with self._reading(session_id) as file:
            metadata: dict[str, Any] = json.loads(file.attrs["metadata"])
            return metadata

    def close(self) -> None:
        """End the current session: all of it is on the disk itself when this returns. Callable twice."""
        path, self._current = self._current, None
        if path is not None:
            with _writing(path), contextlib.closing(AtomicFile(path, writable=True)) as storage:
                storage.commit(durable=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _path(self, session_id: str) -> Path:
        return self.base_path / f"session_{session_id}" / DATA_FILE

    @contextlib.contextmanager
    def _reading(self, session_id: str) -> Iterator[h5py.File]:
        path = self._path(session_id)
        if not path.is_file():
            raise UnknownNameError(
                f"no session {session_id!r} in {self.base_path}.{suggest(session_id, self.sessions())}"
            )
        with contextlib.closing(AtomicFile(path, writable=False)) as storage:
            try:
                file = h5py.File(storage, "r")
            except (OSError, RuntimeError) as error:
                raise SessionError(f"{path} cannot be read: {error}") from error
            with file:
                try:
                    found = file.attrs.get("format"), file.attrs.get("version")
                    if found != (FORMAT_NAME, FORMAT_VERSION):
                        raise SessionError(
                            f"{path} is {found[0]} version {found[1]}, expected {FORMAT_NAME} version "
                            f"{FORMAT_VERSION}: read it with the release that wrote it"
                        )
                    yield file
                except (OSError, RuntimeError, KeyError, json.JSONDecodeError) as error:
                    raise SessionError(f"{path} is damaged: {error}") from error


@contextlib.contextmanager
def _writing(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise StorageError(
            f"{path} could not be written: {error.strerror or error}. What was saved before is safe; free some space "
            "there, or use another folder."
        ) from error


@contextlib.contextmanager
def _unless_failed(storage: AtomicFile) -> Iterator[None]:
    """After a failed write HDF5's own state may be in pieces, and its errors say nothing: the disk's error counts."""
    try:
        yield
    except SessionError:
        raise
    except (OSError, RuntimeError, ValueError):
        storage.check()
        raise
