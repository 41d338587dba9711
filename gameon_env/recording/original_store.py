"""Reading the original GameOn's database, never writing to it: its sessions, their events, where their files are."""

from __future__ import annotations

import hashlib
import json
import math
import shutil
import sqlite3
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path, PurePath, PurePosixPath, PureWindowsPath

from gameon_env.errors import SessionError
from gameon_env.recording.original_times import Span, other_spans, read_time
from gameon_env.recording.session_completion import LONGEST_NS

LONGEST_S = LONGEST_NS / 1e9
VIDEO_ENDINGS = (".mp4", ".avi", ".mkv")
_NEEDED = {"sessions": {"id", "game_name", "start_time"}, "input_events": {"session_id", "timestamp_ms"}}
_EVENT_COLUMNS = ("timestamp_ms", "input_device", "button_key", "action", "value", "x_position", "y_position")


@dataclass(frozen=True, slots=True)
class OriginalEvent:
    """One row of ``input_events``; what the row, or an older database, does not have is None."""

    timestamp_ms: float
    device: str
    name: str | None
    action: str
    value: float | None
    x: float | None
    y: float | None

    def as_json(self) -> str:
        return json.dumps([getattr(self, name) for name in self.__slots__], ensure_ascii=False)


@dataclass(frozen=True, slots=True)
class OriginalSession:
    """One row of ``sessions``: the columns that the database has, and what they mean.

    Attributes:
        columns: the row as it is.
        identity: hexadecimal; the same wherever the store is moved to.
        events: how many rows of ``input_events`` belong to it.
        span: when it began and ended, where something else says so than its two times: one of :attr:`spans`.
    """

    columns: Mapping[str, object]
    identity: str
    events: int
    span: Span | None = None

    @property
    def number(self) -> int:
        return int(str(self.columns["id"]))

    @property
    def game(self) -> str:
        return str(self.columns["game_name"])

    @property
    def status(self) -> str:
        return str(self.columns.get("status") or "completed")

    @property
    def started(self) -> datetime:
        """The original stores local time without saying which: this machine's is taken."""
        if self.span is not None:
            return self.span[0]
        return read_time(self.columns["start_time"], f"session {self.number}: start_time")

    @property
    def ended(self) -> datetime | None:
        if self.span is not None:
            return self.span[1]
        end = self.columns.get("end_time")
        return read_time(end, f"session {self.number}: end_time") if end else None

    @property
    def duration_s(self) -> float | None:
        """Between its two times; whole seconds of ``duration_seconds`` where there is no second one.

        None where neither can be: nobody plays for longer than :data:`LONGEST_S`.
        """
        said = self.number_in("duration_seconds")
        between = None if self.ended is None else (self.ended - self.started).total_seconds()
        possible = [max(0.0, lasts_s) for lasts_s in (between, said) if lasts_s is not None and lasts_s < LONGEST_S]
        return possible[0] if possible else None

    @property
    def spans(self) -> tuple[Span, ...]:
        """When it may have begun and ended: as its two times say, and then as they may be meant otherwise."""
        if self.ended is None:
            return ()
        columns, first = self.columns, (self.started, self.ended)
        return first, *other_spans(
            columns["start_time"], columns["end_time"], self.number_in("duration_seconds"), first
        )

    def number_in(self, column: str) -> float | None:
        """A column that holds a number, or None where it is empty, text, no finite one, or not there."""
        value = self.columns.get(column)
        return float(value) if isinstance(value, (int, float)) and math.isfinite(value) else None


class OriginalStore:
    """The database of an original GameOn: ``path`` is it, or a folder that holds it.

    Raises:
        SessionError: there is none, it is damaged, or it is something else.
    """

    def __init__(self, path: Path) -> None:
        self.path = _find_database(path)
        self._stack = ExitStack()
        try:
            with self._reading():
                self._connection = self._stack.enter_context(_open(self.path))
                self._columns = _columns_of(self._connection, self.path)
        except BaseException:
            self._stack.close()
            raise

    def sessions(self) -> list[OriginalSession]:
        """All sessions, in the order they were recorded."""
        with self._reading():
            cursor = self._connection.execute("SELECT * FROM sessions ORDER BY id")
            names = [column[0] for column in cursor.description]
            rows = [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]
        return [OriginalSession(row, *self._identity(row)) for row in rows]

    def events(self, number: object) -> Iterator[OriginalEvent]:
        """The input events of session ``number``, in the order of their times."""
        have = self._columns["input_events"]
        columns = ", ".join(name if name in have else "NULL" for name in _EVENT_COLUMNS)
        order = "timestamp_ms, id" if "id" in have else "timestamp_ms, rowid"
        with self._reading():
            sql = f"SELECT {columns} FROM input_events WHERE session_id = ? ORDER BY {order}"
            for t_ms, device, name, action, value, x, y in self._connection.execute(sql, (number,)):
                yield OriginalEvent(
                    _number(t_ms) or 0.0, str(device or "keyboard").lower(), None if name is None else str(name),
                    str(action or "").lower(), _number(value), _number(x), _number(y),
                )  # fmt: skip

    def file(self, session: OriginalSession, column: str) -> Path | None:
        """Where a file of a session is now, or None.

        The database has its path from the folder in which the recorder was started, which nobody knows: it is looked
        for from the database's folder upwards, and by the names of its folder and itself. A database may come from a
        stranger: what is no recording by its name, or leads elsewhere, is not looked for.
        """
        stored = session.columns.get(column)
        default = {"video_path": "video.mp4"}.get(column, f"{column.removesuffix('_path')}.wav")
        path = _pure_path(str(stored) if stored else default)
        if not path.name or ".." in path.parts:
            return None
        endings = VIDEO_ENDINGS if column == "video_path" else (".wav",)
        given = (path.suffix,) if path.suffix.lower() in endings else ()
        for candidate in self._places(session, path):
            for ending in dict.fromkeys((*given, *endings)):
                found = candidate.with_suffix(ending)
                if found.is_file():
                    return found
        return None

    def close(self) -> None:
        """Callable twice."""
        self._stack.close()

    def __enter__(self) -> OriginalStore:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _places(self, session: OriginalSession, path: PurePath) -> Iterator[Path]:
        above = [self.path.parent.absolute(), *self.path.parent.absolute().parents]
        parts = path.parts[1:] if path.anchor else path.parts
        named = parts[-2:] if len(parts) > 1 else ()
        stamp = session.started.astimezone().strftime("%Y%m%d_%H%M%S")
        if named and not path.anchor:
            for folder in above[:4]:
                yield folder.joinpath(*parts)
        elif parts[-3:-2] == ("sessions",) and parts[-2].endswith(f"_{stamp}"):
            yield Path(*path.parts)
        for folder in above[:2]:
            for home in (folder / "sessions", folder / "data" / "sessions", folder):
                if named:
                    yield home.joinpath(*named)
                for same_time in sorted(home.glob(f"*_{stamp}")):
                    yield same_time / path.name

    def _identity(self, row: Mapping[str, object]) -> tuple[str, int]:
        """What makes a session itself: its game, its start and its events; not its number, its files, its notes."""
        digest, count = hashlib.sha256(json.dumps([row["game_name"], row["start_time"]], default=str).encode()), 0
        for event in self.events(row["id"]):
            digest.update(event.as_json().encode())
            count += 1
        return digest.hexdigest()[:32], count

    @contextmanager
    def _reading(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            raise SessionError(
                f"{self.path}: this database cannot be read ({error}). Is it a copy that was cut short, or no SQLite "
                "file? Copy it again while nothing writes to it, or mend it: sqlite3 FILE .recover"
            ) from error


@contextmanager
def _open(path: Path) -> Iterator[sqlite3.Connection]:
    """Without a trace beside the original: SQLite reads a write-ahead log only where it may write, so in a copy."""
    with ExitStack() as stack:
        logs = [path.with_name(path.name + suffix) for suffix in ("-wal", "-journal")]
        options = "mode=ro"
        if any(log.exists() for log in logs):
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
            for file in (path, *logs):
                if file.exists():
                    shutil.copyfile(file, folder / file.name)
            path, options = folder / path.name, "mode=rw"
        elif _has_log_format(path):
            options = "mode=ro&immutable=1"
        connection = sqlite3.connect(f"{path.absolute().as_uri()}?{options}", uri=True)
        stack.callback(connection.close)
        connection.text_factory = lambda data: data.decode("utf-8", errors="replace")
        yield connection


def _has_log_format(path: Path) -> bool:
    """Whether the file is in WAL mode (https://sqlite.org/fileformat.html, bytes 18 and 19)."""
    with path.open("rb") as file:
        return file.read(20)[18:] == b"\x02\x02"


def _find_database(path: Path) -> Path:
    if path.is_file():
        return path
    for candidate in (path / "gameon.db", path / "data" / "gameon.db"):
        if candidate.is_file():
            return candidate
    raise SessionError(f"{path}: there is no database here. Name the original's file, such as GameOn/data/gameon.db.")


def _columns_of(connection: sqlite3.Connection, path: Path) -> dict[str, set[str]]:
    tables = [str(name) for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
    columns = {table: {str(row[1]) for row in connection.execute(f'PRAGMA table_info("{table}")')} for table in tables}
    if connection.execute("PRAGMA application_id").fetchone()[0]:
        raise SessionError(f"{path}: this is a database of GameOn env, or of another program; nothing to import.")
    lacks = [
        f"{table}.{column}"
        for table, needed in _NEEDED.items()
        for column in sorted(needed - columns.get(table, set()))
    ]
    if lacks:
        found = ", ".join(sorted(tables)) or "none"
        raise SessionError(
            f"{path}: this is no database of the original GameOn. It lacks {', '.join(lacks)}; its tables: {found}."
        )
    return columns


def _pure_path(stored: str) -> PurePath:
    """A path that another system may have written."""
    windows = "\\" in stored or stored[1:2] == ":"
    return PureWindowsPath(stored) if windows else PurePosixPath(stored)


def _number(value: object) -> float | None:
    if isinstance(value, (int, float)):
        return float(value)
    try:
        return float(str(value)) if value is not None else None
    except ValueError:
        return None
