"""Cutting spans of time out of a session for good: picture, sound, input."""

from __future__ import annotations

import math
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from gameon_env.errors import SessionError, StorageError
from gameon_env.recording.folder_lock import LOCK_FILE, FolderLock
from gameon_env.recording.model import AUDIO_FILES, DATABASE_FILE, VIDEO_FILE, AudioClockRow, SessionEnd, Stream
from gameon_env.recording.redacted_database import Span, redacted_end, write_redacted
from gameon_env.recording.redacted_sound import redact_sound
from gameon_env.recording.redaction_swap import PLAN, STAGE, finish, leftovers, settle, write_plan
from gameon_env.recording.session import Session
from gameon_env.recording.verification import media_checksums
from gameon_env.recording.video_redact import redact_video

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
        finish(folder)
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
        return finish(folder)
    finally:
        lock.release()


def _redact(folder: Path, spans: Sequence[tuple[float, float]]) -> Redaction:
    settle(folder / DATABASE_FILE)
    stage = folder / STAGE
    try:
        with Session(folder) as session:
            end = _end_of(session)
            cuts = _spans_ns(folder, spans, end.duration_ns)
            stage.mkdir()
            done = _stage(session, end, cuts)
        write_plan(stage, done.removed)
    except OSError as error:
        shutil.rmtree(stage, ignore_errors=True)
        raise StorageError(
            f"{folder}: cannot be redacted ({error}), and is as it was. Make room, or writable."
        ) from error
    except BaseException:
        shutil.rmtree(stage, ignore_errors=True)
        raise
    finish(folder)
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
        table = session.frames()
        # The rows say when a frame was; a microsecond more on each side for those who looked it up in the video.
        spans = [(a - _US, b + _US) for a, b in cuts]
        numbers = redact_video(stage / VIDEO_FILE, spans, table.t_ns[table.video_frame >= 0]).frames
    elif session.video.is_file():
        _link(session.video, stage / VIDEO_FILE)
    rows: list[AudioClockRow] = []
    sound_s: dict[str, float] = {}
    removed = [path.name for path in leftovers(folder)]
    for stream in AUDIO_FILES:
        rows += _stage_sound(session, stream, cuts, sound_s, removed)
    new_end = redacted_end(end, cuts, media_checksums(stage))
    gone = write_redacted(session, stage / DATABASE_FILE, cuts, numbers, rows, new_end, session.status)
    known = {VIDEO_FILE, DATABASE_FILE, *AUDIO_FILES.values(), STAGE, *removed}
    unknown = [p.name for p in folder.iterdir() if p.name not in known and not p.name.startswith(LOCK_FILE)]
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


def _link(source: Path, target: Path) -> None:
    try:
        target.hardlink_to(source)
    except OSError:  # this file system knows no links
        shutil.copyfile(source, target)
