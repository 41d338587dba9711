"""A recorded session, read: its folder and what its database says."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, cast

import numpy as np
import numpy.typing as npt

from gameon_env.errors import SessionError
from gameon_env.events import InputEvent
from gameon_env.recording.database import BUSY_S, explained, open_database
from gameon_env.recording.folder_lock import is_locked
from gameon_env.recording.model import (
    AUDIO_FILES,
    DATABASE_FILE,
    VIDEO_FILE,
    Gap,
    Health,
    SessionEnd,
    SessionInfo,
    Status,
    Stream,
)
from gameon_env.recording.session_schema import SESSION_LAYOUT, STREAMS, end_of, info_of, read_row


@dataclass(frozen=True, eq=False)
class EventTable:
    """All input events of a session, in the order of their times.

    Attributes:
        t_ns: ``(N,) int64``, since the session's start.
        control: ``(N,) int16``, index into :attr:`names`.
        value: ``(N,) float64``, as in :class:`gameon_env.events.InputEvent`.
        injected: ``(N,) bool``.
        names: the controls.
    """

    t_ns: npt.NDArray[np.int64]
    control: npt.NDArray[np.int16]
    value: npt.NDArray[np.float64]
    injected: npt.NDArray[np.bool_]
    names: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.t_ns)


@dataclass(frozen=True, eq=False)
class FrameTable:
    """All frames that the game showed, as :class:`gameon_env.recording.model.FrameRow` says.

    Attributes:
        t_ns: ``(N,) int64``, since the session's start.
        video_frame: ``(N,) int64``, -1 where the video does not hold it.
        reason: why not, N texts; None where it does.
    """

    t_ns: npt.NDArray[np.int64]
    video_frame: npt.NDArray[np.int64]
    reason: tuple[str | None, ...]

    def __len__(self) -> int:
        return len(self.t_ns)


class Session:
    """One session's folder, for reading only: a finished one, one in progress, one on a medium that is read-only.

    Args:
        folder: the session's folder, or the ``session.db`` in it.
        busy_s: how long a lock of another program is waited for.

    Raises:
        SessionError: no session there, damaged, locked, or of a newer version.
    """

    def __init__(self, folder: str | Path, *, busy_s: float = BUSY_S) -> None:
        folder = Path(folder)
        self.folder = folder.parent if folder.name == DATABASE_FILE else folder
        self.path = self.folder / DATABASE_FILE
        if not self.folder.is_dir():
            raise SessionError(
                f"{self.folder}: this session's folder is not there. If it was deleted or moved away, "
                "bring the list up to date: gameon sessions reindex"
            )
        self._connection = open_database(self.path, SESSION_LAYOUT, "read", busy_s=busy_s)
        with self._reading() as connection:
            read_row(connection, self.path)

    @property
    def info(self) -> SessionInfo:
        """What was known at the start."""
        with self._reading() as connection:
            return info_of(connection, self.path)

    @property
    def end(self) -> SessionEnd | None:
        """What was known at the end; None for a session that is recorded now, or was cut off."""
        with self._reading() as connection:
            return end_of(connection, self.path)

    @property
    def status(self) -> Status:
        """``recording`` until it is finished, and after a kill until it is recovered: see :attr:`live`."""
        return cast(Status, self._row("status"))

    @property
    def live(self) -> bool:
        """Whether a recorder writes it right now."""
        return is_locked(self.folder)

    @property
    def note(self) -> str:
        return str(self._row("note"))

    @property
    def tags(self) -> tuple[str, ...]:
        """In alphabetical order."""
        return tuple(str(name) for (name,) in self._all("SELECT name FROM tags ORDER BY name"))

    @property
    def video(self) -> Path:
        """Where the video is, if there is one."""
        return self.folder / VIDEO_FILE

    def audio(self, stream: Stream) -> Path:
        """Where a stream's sound is, if it was recorded."""
        return self.folder / AUDIO_FILES[stream]

    @property
    def size_bytes(self) -> int:
        """Of all files in the folder."""
        return sum(path.stat().st_size for path in self.folder.iterdir() if path.is_file())

    @property
    def duration_ns(self) -> int:
        """From start to end; where it has none yet, up to the last thing in the database."""
        end = self.end
        if end is not None:
            return end.duration_ns
        last = " UNION ALL ".join(
            f"SELECT max(t_ns) FROM (SELECT t_ns FROM {table} ORDER BY rowid DESC LIMIT 1)"
            for table in ("frames", "input_events", "audio_clock", "health")
        )
        return max((int(t_ns) for (t_ns,) in self._all(last) if t_ns is not None), default=0)

    @property
    def counts(self) -> dict[str, int]:
        """How many: ``frames`` in the video, ``dropped`` (shown, and not in it), ``events``."""
        rows, kept = self._all("SELECT count(*), count(video_frame) FROM frames")[0]
        ((events,),) = self._all("SELECT count(*) FROM input_events")
        return {"frames": kept, "dropped": rows - kept, "events": events}

    def events(self) -> EventTable:
        """All input events as arrays; about a second per million."""
        rows = self._array("SELECT t_ns, control, value, injected FROM input_events", "i8,i2,f8,?")
        rows = rows[np.argsort(rows["f0"], kind="stable")]  # each source is in order, they take turns in batches
        names = tuple(str(name) for (name,) in self._all("SELECT name FROM controls ORDER BY id"))
        t_ns, control, value, injected = (np.ascontiguousarray(rows[field]) for field in ("f0", "f1", "f2", "f3"))
        return EventTable(t_ns, control, value, injected, names)

    def input_events(self) -> Iterator[InputEvent]:
        """The same one by one; ``t_ns`` is since the session's start."""
        table = self.events()
        columns = table.t_ns.tolist(), table.control.tolist(), table.value.tolist(), table.injected.tolist()
        for t_ns, control, value, injected in zip(*columns, strict=True):
            yield InputEvent(t_ns, table.names[control], value, injected)

    def frames(self) -> FrameTable:
        """All frames, in the order of their times."""
        rows = self._array("SELECT t_ns, ifnull(video_frame, -1) FROM frames ORDER BY t_ns, number", "i8,i8")
        why = self._all("SELECT reason FROM frames WHERE video_frame IS NULL ORDER BY t_ns, number")
        reason: list[str | None] = [None] * len(rows)
        for i, (text,) in zip(np.flatnonzero(rows["f1"] < 0), why, strict=True):
            reason[i] = text
        return FrameTable(np.ascontiguousarray(rows["f0"]), np.ascontiguousarray(rows["f1"]), tuple(reason))

    def gaps(self) -> tuple[Gap, ...]:
        """What was not recorded, in the order of time."""
        sql = "SELECT start_ns, end_ns, stream, reason FROM gaps ORDER BY start_ns, number"
        return tuple(Gap(*row) for row in self._all(sql))

    def audio_clock(self, stream: Stream) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
        """``(samples, t_ns)``, both ``(N,) int64``: when which sample of the stream's file was heard."""
        sql = f"SELECT sample, t_ns FROM audio_clock WHERE stream = {STREAMS.index(stream)} ORDER BY number"
        rows = self._array(sql, "i8,i8")
        return np.ascontiguousarray(rows["f0"]), np.ascontiguousarray(rows["f1"])

    def health(self) -> tuple[Health, ...]:
        """The recorder, second by second."""
        return tuple(Health(*row) for row in self._all("SELECT * FROM health ORDER BY t_ns"))

    def problems(self) -> tuple[str, ...]:
        """What SQLite finds wrong with the file itself."""
        found = [str(text) for (text,) in self._all("PRAGMA quick_check") if text != "ok"]
        orphans = self._all("PRAGMA foreign_key_check")
        return tuple(found + ([f"{len(orphans)} rows refer to a control that is not there"] if orphans else []))

    def close(self) -> None:
        """Callable twice."""
        self._connection.close()

    def __enter__(self) -> Session:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @contextmanager
    def _reading(self) -> Iterator[sqlite3.Connection]:
        with explained(self.path, SESSION_LAYOUT):
            yield self._connection

    def _row(self, column: str) -> object:
        with self._reading() as connection:
            return read_row(connection, self.path)[column]

    def _all(self, sql: str) -> list[tuple[Any, ...]]:
        with self._reading() as connection:
            return connection.execute(sql).fetchall()

    def _array(self, sql: str, dtype: str) -> npt.NDArray[np.void]:
        """The rows of a query as one structured array, without a list of them in between."""
        with self._reading() as connection:
            return np.fromiter(connection.execute(sql), dtype=np.dtype(dtype))
