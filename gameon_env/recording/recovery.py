"""Bringing back sessions whose recorder was killed, whose disk filled, or whose machine lost power."""

from __future__ import annotations

import shutil
import sqlite3
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from gameon_env.errors import GameOnError, SessionError, UnknownNameError
from gameon_env.recording.catalogue import Catalogue
from gameon_env.recording.catalogue_rows import SessionEntry
from gameon_env.recording.database_rebuild import rebuild
from gameon_env.recording.database_salvage import Salvaged, salvage
from gameon_env.recording.folder_lock import LOCK_FILE, FolderLock, is_locked
from gameon_env.recording.media_recovery import RECOVERED_VIDEO, Clock, recover_media
from gameon_env.recording.model import AUDIO_FILES, DATABASE_FILE, VIDEO_FILE, SessionEnd, Stream
from gameon_env.recording.originals import Originals, forget_unfinished
from gameon_env.recording.redaction import finish_redaction
from gameon_env.recording.session import Session
from gameon_env.recording.session_completion import complete
from gameon_env.recording.session_folder import CATALOGUE_FILE, SESSIONS
from gameon_env.recording.session_guess import guess_info
from gameon_env.recording.session_schema import SESSION_LAYOUT, STREAMS
from gameon_env.recording.verification import verify

FILES = (DATABASE_FILE, VIDEO_FILE, RECOVERED_VIDEO, *AUDIO_FILES.values())
WORK = ".recovering"

Outcome = Literal["recovered", "whole", "live", "empty", "failed"]


@dataclass(frozen=True, slots=True)
class Recovered:
    """What became of one session.

    Attributes:
        folder: the session's.
        outcome: ``recovered``; ``whole``: there was nothing to do; ``live``: it is being recorded; ``empty``: the
            recorder ended before it recorded anything; ``failed``.
        note: in words, what it lasts or why it failed.
        missing: what is not in a recovered session, in words.
    """

    folder: Path
    outcome: Outcome
    note: str
    missing: tuple[str, ...] = ()


def recover_sessions(data_dir: Path) -> list[Recovered]:
    """Recover every session under ``<data_dir>/sessions``, or in ``data_dir`` itself, that needs it; what is whole is
    left as it is.

    Looks at finished sessions less closely than :func:`recover_session`: at the database, not at every row. One that
    cannot be recovered does not keep the others from it: it comes back as ``failed``.
    """
    folders = [*sorted((data_dir / SESSIONS).glob("*/")), *sorted(data_dir.glob("*/"))]
    return [_attempt(folder) for folder in folders if is_session_folder(folder)]


def recover_cut_off(catalogue: Catalogue) -> list[Recovered]:
    """Recover the sessions of a data folder that their recorders did not finish; quick where there are none.

    For the start of another recorder: what cannot be recovered comes back as ``failed`` and is left for later.
    """
    folders = {entry.folder for entry in catalogue.sessions(status="recording") if entry.present}
    folders |= {lock.parent for lock in (catalogue.data_dir / SESSIONS).glob(f"*/{LOCK_FILE}")}
    done = [_attempt(folder) for folder in sorted(folders) if is_session_folder(folder) and not is_locked(folder)]
    for found in done:
        if found.outcome == "whole":  # its recorder was killed at its very last steps
            FolderLock(found.folder).release()
            catalogue.add(found.folder)
    return [found for found in done if found.outcome not in ("whole", "live")]


def is_session_folder(folder: Path) -> bool:
    """Whether anything of a session is in it."""
    return any((folder / name).is_file() for name in FILES)


def recover_session(folder: Path, *, thorough: bool = True) -> Recovered:
    """Make a complete session of what is in ``folder``, and bring it into the catalogue beside it.

    What is changed is kept first, in ``<folder>/before_recovery``. It may be killed at any moment and run again.

    Args:
        folder: the session's.
        thorough: look at every row of a session that says it is complete; about a second per million events.

    Raises:
        SessionError: no session is there, or its database is of a newer version or kept locked.
        StorageError: no room for the originals; all is as it was.
    """
    if not is_session_folder(folder):
        raise SessionError(f"{folder}: there is no session here: no {', '.join(FILES[:2])} or sound.")
    if is_locked(folder):
        return Recovered(folder, "live", "it is being recorded")
    finish_redaction(folder)  # first of all: what was to be cut out must not come back
    if _is_sound(folder, thorough):
        forget_unfinished(folder)
        return Recovered(folder, "whole", "the session is complete")
    notes: tuple[str, ...] = ()
    for anew in (False, True):
        try:
            lock = FolderLock(folder)
        except SessionError:
            return Recovered(folder, "live", "it is being recorded or recovered")
        try:
            if _is_empty(folder):
                lock.release()
                return Recovered(folder, "empty", "the recorder ended before it recorded anything: delete the folder")
            end = _recover(folder, lock, anew, notes)
        except BaseException:
            lock.release()
            raise
        problems = verify(folder, checksums=False)
        if not problems:
            break
        notes = end.missing
    forget_unfinished(folder)
    note = f"{end.duration_ns * 1e-9:.3f} s" + _catalogue_it(folder)
    if problems:
        return Recovered(folder, "failed", f"{note}; still wrong: {'; '.join(p.what for p in problems)}", end.missing)
    return Recovered(folder, "recovered", note, end.missing)


def _attempt(folder: Path) -> Recovered:
    try:
        return recover_session(folder, thorough=False)
    except GameOnError as error:
        return Recovered(folder, "failed", str(error))


def _is_sound(folder: Path, thorough: bool) -> bool:
    """Raises ``SessionError`` where a database cannot be read for another reason than damage."""
    if not _has_bytes(folder):
        return False
    try:
        with Session(folder) as session:
            if not thorough:
                no_video = session.counts["frames"] and not session.video.is_file()
                return session.status != "recording" and not no_video and not session.problems()
    except SessionError as error:
        cause = error.__cause__
        if isinstance(cause, sqlite3.Error) and cause.sqlite_errorname.startswith(("SQLITE_BUSY", "SQLITE_LOCKED")):
            raise
        if _is_foreign(folder / DATABASE_FILE):
            raise
        return False
    return not verify(folder, checksums=False)


def _is_foreign(path: Path) -> bool:
    """Whether it is a database of a newer version, or another program's (https://sqlite.org/fileformat.html)."""
    if not path.is_file():
        return False
    with path.open("rb") as file:
        head = file.read(100)
    if len(head) < 100 or not head.startswith(b"SQLite format 3\0"):
        return False
    version, mark = (int.from_bytes(head[at : at + 4], "big") for at in (60, 68))
    return mark not in (0, SESSION_LAYOUT.application_id) or version > len(SESSION_LAYOUT.steps)


def _has_bytes(folder: Path) -> bool:
    """SQLite deletes the log beside a database of none, and the log may hold all there is."""
    path = folder / DATABASE_FILE
    return path.is_file() and path.stat().st_size > 0


def _is_empty(folder: Path) -> bool:
    media = [folder / name for name in FILES[1:] if (folder / name).is_file()]
    if any(path.stat().st_size for path in media):
        return False
    try:
        if _has_bytes(folder):
            Session(folder).close()
            return False
    except SessionError:
        pass
    with _salvaged(folder, folder) as found:
        return not found.counts["session"]


def _recover(folder: Path, lock: FolderLock, anew: bool, notes: tuple[str, ...]) -> SessionEnd:
    """Mend and finish; where the database is damaged, or ``anew``, with a new one in its place."""
    originals = Originals(folder)
    originals.copy_database()
    clocks: dict[Stream, Clock] = {}
    try:
        with Session(folder) as session:
            damaged = bool(session.problems())
            clocks = {stream: session.audio_clock(stream) for stream in AUDIO_FILES}
    except SessionError:
        damaged = True
    if not damaged and not anew:
        media = recover_media(folder, originals, clocks)
        return complete(folder, lock, media, media.missing)
    with _salvaged(originals.folder, folder) as found:
        media = recover_media(folder, originals, clocks or _clocks(found))
        entry = _entry(folder)
        tags, note = (entry.tags, entry.note) if entry else ((), "")
        rebuild(folder, found, media, guess_info(folder, media, entry), tags=tags, note=note)
        notes = (*notes, *media.missing, _told(found, damaged))
    return complete(folder, lock, media, notes)


def _salvaged(source: Path, folder: Path) -> AbstractContextManager[Salvaged]:
    work = folder / WORK
    shutil.rmtree(work, ignore_errors=True)
    return salvage(source, work)


def _clocks(found: Salvaged) -> dict[Stream, Clock]:
    clocks: dict[Stream, Clock] = {}
    for number, stream in enumerate(STREAMS):
        rows = [(row["sample"], row["t_ns"]) for row in found.rows("audio_clock") if row["stream"] == number]
        samples, t_ns = np.array(sorted(rows), np.int64).reshape(-1, 2).T
        clocks[stream] = samples, t_ns
    return clocks


def _told(found: Salvaged, damaged: bool) -> str:
    if not damaged:
        return "rows of the database that contradicted video or sound were left out"
    if not len(found):
        return "the database was lost: input, gaps and what was known at the start are not there"
    rows = ", ".join(f"{found.counts[table]} {table.replace('_', ' ')}" for table in ("input_events", "frames"))
    begin = "" if found.counts["session"] else "; what was known at the start is guessed"
    if found.counts["input_events"] and not found.counts["controls"]:
        begin += "; of the input nobody knows which keys it was, it is left out"
    if found.whole:
        return f"the database was damaged; all its rows could be read ({rows}){begin}"
    return f"the database was damaged: {rows} could be read, others may be lost{begin}"


def _entry(folder: Path) -> SessionEntry | None:
    data_dir = _data_dir(folder)
    if data_dir is None:
        return None
    with Catalogue(data_dir, create=False) as catalogue:
        try:
            return catalogue.find(folder)
        except UnknownNameError:
            return None


def _catalogue_it(folder: Path) -> str:
    """Returns a remark where that failed: the catalogue is only an index."""
    data_dir = _data_dir(folder)
    if data_dir is None:
        return ""
    try:
        with Catalogue(data_dir, create=False) as catalogue:
            catalogue.add(folder)
    except GameOnError as error:
        return f" (not in the catalogue: {error})"
    return ""


def _data_dir(folder: Path) -> Path | None:
    """The data folder that a session lies in, where that has a catalogue."""
    data_dir = folder.absolute().parent.parent
    return data_dir if folder.absolute().parent.name == SESSIONS and (data_dir / CATALOGUE_FILE).is_file() else None
