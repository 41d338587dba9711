"""Cutting spans of time out of a session for good: picture, sound, input."""

from __future__ import annotations

import json
import math
import os
import shutil
import sqlite3
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from gameon_env.errors import SessionError, StorageError
from gameon_env.recording.database import explained, open_database
from gameon_env.recording.folder_lock import FolderLock
from gameon_env.recording.model import AUDIO_FILES, DATABASE_FILE, VIDEO_FILE, AudioClockRow, SessionEnd, Stream
from gameon_env.recording.redacted_database import Span, redacted_end, write_redacted
from gameon_env.recording.redacted_sound import redact_sound
from gameon_env.recording.session import Session
from gameon_env.recording.session_schema import SESSION_LAYOUT
from gameon_env.recording.verification import media_checksums
from gameon_env.recording.video_redact import redact_video

STAGE = ".redaction"
"""Where the new files are written, inside the session's folder: the same disk, so that they can change places."""

PLAN = "plan.json"
"""In it: there once all new files are complete. From then on a redaction is finished, never undone."""

ORIGINALS = "before_recovery"
"""What ``gameon recover`` keeps of a session as it found it."""

_US = 1_000


@dataclass(frozen=True, slots=True)
class Redaction:
    """What was cut out of a session.

    Attributes:
        folder: the session's.
        spans_s: ``(start, end)`` each, in seconds since the session's start, merged where they overlap.
        frames: pictures, dropped ones included.
        events: input events.
        sound_s: seconds of each stream.
        removed: files and folders that are gone altogether.
        unknown: other files in the folder, which were not looked into.
    """

    folder: Path
    spans_s: tuple[tuple[float, float], ...]
    frames: int
    events: int
    sound_s: Mapping[str, float]
    removed: tuple[str, ...]
    unknown: tuple[str, ...]


def redact(folder: str | Path, spans: Sequence[tuple[float, float]]) -> Redaction:
    """Cut spans of time out of a session: video, sound, input, and when the picture changed.

    All files are written anew beside the old ones, then they change places; the old ones are deleted, also those that
    a recovery kept. Until they begin to change places the session is as it was. A redaction that is cut off while they
    do leaves a session that counts as unfinished; it is completed by the next call, or by :func:`finish_redaction`.

    Args:
        folder: the session's.
        spans: ``(start, end)`` each, in seconds since the session's start.

    Raises:
        SessionError: no session there, one that is being recorded or was not finished, or no such span.
        StorageError: no room, or the folder cannot be written.
        VideoError, AudioError: a file is damaged; nothing was changed.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise SessionError(f"{folder}: there is no session here.")
    lock = FolderLock(folder)
    try:
        _finish(folder)
        return _redact(folder, spans)
    finally:
        lock.release()


def redaction_pending(folder: str | Path) -> bool:
    """Whether a redaction of the session was cut off while the files changed places."""
    return (Path(folder) / STAGE / PLAN).is_file()


def finish_redaction(folder: str | Path) -> bool:
    """Complete a redaction that was cut off, and remove what one left that had not come so far.

    Returns whether there was one to complete.

    Raises:
        SessionError: the session is being recorded or redacted now.
        StorageError: the folder cannot be written.
    """
    folder = Path(folder)
    if not (folder / STAGE).is_dir():
        return False
    lock = FolderLock(folder)
    try:
        return _finish(folder)
    finally:
        lock.release()


def _redact(folder: Path, spans: Sequence[tuple[float, float]]) -> Redaction:
    _settle(folder / DATABASE_FILE)
    stage = folder / STAGE
    try:
        with Session(folder) as session:
            end = _end_of(session)
            cuts = _spans_ns(folder, spans, end.duration_ns)
            stage.mkdir()
            done = _stage(session, end, cuts)
        _sync(stage)
        _write_plan(stage, done.removed)
    except OSError as error:
        shutil.rmtree(stage, ignore_errors=True)
        raise StorageError(
            f"{folder}: cannot be redacted ({error}), and is as it was. Make room, or writable."
        ) from error
    except BaseException:
        shutil.rmtree(stage, ignore_errors=True)
        raise
    _finish(folder)
    return done


def _end_of(session: Session) -> SessionEnd:
    end = session.end
    if end is None or session.status == "recording":
        raise SessionError(
            f"{session.folder}: its recorder ended without finishing it. Bring it back first, then redact it: "
            f"gameon recover {session.folder}"
        )
    return end


def _spans_ns(folder: Path, spans: Sequence[tuple[float, float]], duration_ns: int) -> list[Span]:
    """In whole microseconds, as the video counts, outwards; one that reaches the end takes the last moment with it."""
    merged: list[Span] = []
    for start_s, end_s in sorted(spans):
        if not (0 <= start_s < end_s < math.inf) or start_s * 1e9 >= duration_ns:
            raise SessionError(
                f"{folder.name}: {start_s:g} s to {end_s:g} s is no span of this session, which lasts "
                f"{duration_ns / 1e9:.3f} s: give where it begins and where it ends, in seconds from the start"
            )
        start_ns, end_ns = math.floor(start_s * 1e6) * _US, math.ceil(end_s * 1e6) * _US
        if end_ns >= duration_ns:
            end_ns = duration_ns + 1
        if merged and merged[-1][1] >= start_ns:
            start_ns, end_ns = merged[-1][0], max(end_ns, merged.pop()[1])
        merged.append((start_ns, end_ns))
    if not merged:
        raise SessionError(f"{folder.name}: say what to cut out: at least one span of seconds")
    return merged


def _stage(session: Session, end: SessionEnd, cuts: Sequence[Span]) -> Redaction:
    """Write all new files."""
    folder, stage = session.folder, session.folder / STAGE
    numbers: Sequence[int | None] = ()
    if session.counts["frames"]:
        _link(session.video, stage / VIDEO_FILE)
        # A time of the video may be rounded: a microsecond more on each side, and the rows follow what was cut.
        numbers = redact_video(stage / VIDEO_FILE, [(a - _US, b + _US) for a, b in cuts]).frames
    elif session.video.is_file():
        _link(session.video, stage / VIDEO_FILE)
    rows: list[AudioClockRow] = []
    sound_s: dict[str, float] = {}
    removed = [ORIGINALS] if (folder / ORIGINALS).exists() else []
    for stream in AUDIO_FILES:
        rows += _stage_sound(session, stream, cuts, sound_s, removed)
    new_end = redacted_end(end, cuts, media_checksums(stage))
    gone = write_redacted(session, stage / DATABASE_FILE, cuts, numbers, rows, new_end, session.status)
    known = {VIDEO_FILE, DATABASE_FILE, *AUDIO_FILES.values(), ORIGINALS, STAGE}
    unknown = [p.name for p in folder.iterdir() if p.name not in known and not p.name.startswith("recording.lock")]
    return Redaction(
        folder,
        tuple((a / 1e9, min(b, end.duration_ns) / 1e9) for a, b in cuts),
        gone.frames, gone.events, sound_s, tuple(removed), tuple(sorted(unknown)),
    )  # fmt: skip


def _stage_sound(
    session: Session, stream: Stream, cuts: Sequence[Span], sound_s: dict[str, float], removed: list[str]
) -> Sequence[AudioClockRow]:
    path = session.audio(stream)
    if not path.is_file():
        return ()
    done = redact_sound(path, session.folder / STAGE / path.name, stream, session.audio_clock(stream), cuts)
    sound_s[stream] = done.removed_s
    if not done.kept:
        removed.append(path.name)
    return done.rows


def _finish(folder: Path) -> bool:
    """Let the new files take the places of the old ones, where all of them are there; forget them where not."""
    stage = folder / STAGE
    if not stage.exists():
        return False
    complete = (stage / PLAN).is_file()
    try:
        if complete:
            _swap(folder, stage)
        shutil.rmtree(stage)
    except OSError as error:
        raise StorageError(
            f"{folder}: the redaction could not be finished ({error}). Mend that, and call gameon sessions redact "
            f"{folder.name} again: it goes on where it stopped."
        ) from error
    return complete


def _swap(folder: Path, stage: Path) -> None:
    """May be done again at any point. The database comes last: up to there the session counts as unfinished."""
    if (stage / DATABASE_FILE).exists():
        _settle(folder / DATABASE_FILE)
        _mark_unfinished(folder / DATABASE_FILE)
        for name in json.loads((stage / PLAN).read_text(encoding="utf-8"))["removed"]:
            path = folder / name
            if path.is_dir():
                shutil.rmtree(path)
            else:
                path.unlink(missing_ok=True)
        for name in (*AUDIO_FILES.values(), VIDEO_FILE):
            if (stage / name).exists():
                (stage / name).replace(folder / name)
        _sync(folder)
        (stage / DATABASE_FILE).replace(folder / DATABASE_FILE)
        _sync(folder)
    (stage / PLAN).unlink()


def _settle(path: Path) -> None:
    """Bring the newest version and all that a write-ahead log holds into the one file: a log that stays would be
    taken for that of the new database.

    Raises:
        SessionError: somebody reads the session at this moment.
    """
    with closing(open_database(path, SESSION_LAYOUT, "write")) as connection, explained(path, SESSION_LAYOUT):
        try:
            mode = connection.execute("PRAGMA journal_mode = DELETE").fetchone()[0]
        except sqlite3.OperationalError:
            mode = "busy"
    if mode != "delete":
        raise SessionError(f"{path.parent}: a program reads this session at this moment. Close it, and do it again.")
    for suffix in ("-wal", "-shm"):
        path.with_name(path.name + suffix).unlink(missing_ok=True)


def _mark_unfinished(path: Path) -> None:
    with closing(open_database(path, SESSION_LAYOUT, "write")) as connection, explained(path, SESSION_LAYOUT):
        connection.execute("UPDATE session SET status = 'recording', ended_at = NULL")


def _write_plan(stage: Path, removed: Sequence[str]) -> None:
    part = stage / f"{PLAN}.part"
    with part.open("w", encoding="utf-8") as file:
        json.dump({"removed": list(removed)}, file)
        file.flush()
        os.fsync(file.fileno())
    part.replace(stage / PLAN)
    _sync(stage)


def _link(source: Path, target: Path) -> None:
    try:
        target.hardlink_to(source)
    except OSError:  # this file system knows no links
        shutil.copyfile(source, target)


def _sync(folder: Path) -> None:
    """Names reach the disk, where folders can be waited for (not on Windows)."""
    try:
        handle = os.open(folder, os.O_RDONLY)
    except OSError:
        return
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
