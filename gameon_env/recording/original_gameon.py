"""Importing recordings of the original GameOn: its database and its folders become sessions of ours, once."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path
from typing import Literal

from gameon_env.errors import AudioError, SessionError, StorageError, VideoError
from gameon_env.recording.catalogue import Catalogue
from gameon_env.recording.import_folder import catalogue_for_import, import_folder, move_in
from gameon_env.recording.model import AUDIO_FILES, VIDEO_FILE, FrameRow, SessionEnd, SessionInfo, Stream
from gameon_env.recording.original_events import Tally, Translation
from gameon_env.recording.original_media import BroughtVideo, bring_sound, bring_video, copy_file, fits, video_length_s
from gameon_env.recording.original_store import OriginalSession, OriginalStore
from gameon_env.recording.session import Session
from gameon_env.recording.session_writer import SessionWriter
from gameon_env.recording.verification import media_checksums

LEFT_OVER_FILE = "original_events.jsonl"
"""In a session's folder: the original's rows of input that have no words here, as JSON lists of their columns."""

_BATCH = 20_000
_DEFAULT_FPS = 60.0


@dataclass(frozen=True, slots=True)
class Imported:
    """What became of one session of the original.

    Attributes:
        number: its id in the original's database.
        game: its name.
        result: ``imported``; ``there already``; ``failed``, and nothing of it is left here.
        folder: where it is now.
        rows: rows of input that the original has; ``taken + repeated + unknown`` are as many.
        taken: those that became events.
        repeated: presses of what was down already, which are not stored.
        unknown: those without words here, by what they are; kept in ``original_events.jsonl``.
        events: events in the session now; a row of the mouse may be several.
        frames_in: frames in the original's video.
        frames: frames in the session now.
        notes: what else there is to say, in words; for a failed one, why.
    """

    number: int
    game: str
    result: Literal["imported", "there already", "failed"]
    folder: Path | None = None
    rows: int = 0
    taken: int = 0
    repeated: int = 0
    unknown: Mapping[str, int] = field(default_factory=dict)
    events: int = 0
    frames_in: int = 0
    frames: int = 0
    notes: tuple[str, ...] = ()


def import_original(path: str | Path, data_dir: str | Path | None = None) -> Iterator[Imported]:
    """Import all sessions of the original's database ``path``, or of the folder that holds it, into ``data_dir``.

    The original is only read. A session is recognised by its game, start and events, wherever it lies: another
    import of it does nothing. What is wrong with one session does not keep the others.

    Yields:
        one :class:`Imported` for each session, when it is done.

    Raises:
        SessionError: the database is damaged or foreign, or the catalogue cannot be used.
        StorageError: the disk is full, or cannot be written; sessions yielded before that are complete.
    """
    with OriginalStore(Path(path)) as store, catalogue_for_import(data_dir) as catalogue:
        known = {entry.id: entry.folder for entry in catalogue.sessions()}
        for session in store.sessions():
            if session.identity in known:
                folder = known[session.identity]
                yield Imported(session.number, session.game, "there already", folder, rows=session.events)
                continue
            try:
                imported = _import(store, session, catalogue)
            except (SessionError, VideoError, AudioError) as error:
                yield Imported(session.number, session.game, "failed", rows=session.events, notes=(str(error),))
                continue
            known[session.identity] = catalogue.find(session.identity).folder
            yield imported


def _import(store: OriginalStore, session: OriginalSession, catalogue: Catalogue) -> Imported:
    with import_folder(catalogue, session.identity) as filled:
        imported = _fill(store, session, filled)
        return replace(imported, folder=move_in(filled, catalogue, session.game, session.started))


def _fill(store: OriginalStore, session: OriginalSession, folder: Path) -> Imported:
    missing: list[str] = []
    counted = Translation()
    for _ in counted.events(store.events(session.number)):
        counted.left_over.clear()
    tally = counted.tally
    session = _timed(store, session, tally.last_ns / 1e9)
    video = _bring_video(store, session, folder, missing)
    info = _info(session, video, tally)
    writer = SessionWriter.create(folder, info, note=str(session.columns.get("notes") or ""))
    try:
        last_ns = tally.last_ns
        for stream, name in AUDIO_FILES.items():
            last_ns = max(last_ns, _bring_audio(store, session, writer, stream, folder / name, missing))
        if video is not None:
            last_ns = max(last_ns, int(video.times_ns[-1]))
            writer.add_frames(FrameRow(t_ns, number) for number, t_ns in enumerate(video.times_ns.tolist()))
        _write_events(store, session, writer, folder / LEFT_OVER_FILE)
        writer.finish(*_end(session, last_ns, folder, missing))
    finally:
        writer.close()
    imported = Imported(
        session.number, session.game, "imported", folder, tally.rows, tally.taken, tally.repeated,
        dict(tally.unknown), tally.events, video.frames_in if video else 0,
        len(video.times_ns) if video else 0, (*_notes(video, tally), *missing),
    )  # fmt: skip
    _check(imported, session)
    return imported


def _timed(store: OriginalStore, session: OriginalSession, last_s: float) -> OriginalSession:
    """With the one of its spans that its video fits; where none does, that its last event comes closest to."""
    if len(session.spans) < 2:
        return session
    source, length_s = store.file(session, "video_path"), 0.0
    if source is not None:
        with suppress(VideoError):  # told when it is brought
            length_s = video_length_s(source)
    lasting = {(ended - begun).total_seconds(): (begun, ended) for begun, ended in reversed(session.spans)}
    fitting = [lasts_s for lasts_s in lasting if fits(length_s, lasts_s)]
    lasts_s = min(fitting or lasting, key=lambda lasts_s: abs(lasts_s - (length_s if fitting else last_s)))
    return replace(session, span=lasting[lasts_s])


def _check(imported: Imported, session: OriginalSession) -> None:
    """Counts in are counts out, in what is on the disk."""
    assert imported.folder is not None
    with Session(imported.folder) as written:
        counts = written.counts
    accounted = imported.taken + imported.repeated + sum(imported.unknown.values())
    if (accounted, counts["events"], counts["frames"]) != (session.events, imported.events, imported.frames_in):
        raise SessionError(
            f"session {session.number}: of {session.events} rows of input and {imported.frames_in} frames, {accounted} "
            f"and {counts['frames']} arrived. The original changed meanwhile, or its video is damaged: import again"
        )


def _bring_video(
    store: OriginalStore, session: OriginalSession, folder: Path, missing: list[str]
) -> BroughtVideo | None:
    source = store.file(session, "video_path")
    if source is None:
        missing.append(f"video: not found, the database says {session.columns.get('video_path')!r}")
        return None
    finished = session.status == "completed"
    try:
        return bring_video(source, folder / VIDEO_FILE, session.duration_s if finished else None)
    except VideoError as error:
        (folder / VIDEO_FILE).unlink(missing_ok=True)
        copy_file(source, folder / f"original_{source.name}")
        missing.append(f"video: cannot be read, kept as original_{source.name} ({error})")
        return None


def _bring_audio(
    store: OriginalStore, session: OriginalSession, writer: SessionWriter, stream: Stream, target: Path,
    missing: list[str],
) -> int:  # fmt: skip
    """Returns the time of the last row of its clock."""
    source = store.file(session, f"{stream}_path")
    if source is None:
        if session.columns.get(f"{stream}_path"):
            missing.append(f"{stream}: not found, the database says {session.columns[f'{stream}_path']!r}")
        return 0
    try:
        rows = bring_sound(source, target, stream)
    except AudioError as error:
        target.unlink(missing_ok=True)
        copy_file(source, target.with_name(f"original_{source.name}"))
        missing.append(f"{stream}: cannot be read, kept as original_{source.name} ({error})")
        return 0
    if not rows:
        missing.append(f"{stream}: the file is empty, a header without sound")
        return 0
    writer.add_audio_clock(rows)
    return rows[-1].t_ns


def _write_events(store: OriginalStore, session: OriginalSession, writer: SessionWriter, left_over: Path) -> None:
    translation = Translation()
    events = translation.events(store.events(session.number))
    while True:
        batch = list(itertools.islice(events, _BATCH))
        writer.add_events(batch)
        writer.commit()
        if translation.left_over:
            lines = "".join(row.as_json() + "\n" for row in translation.left_over)
            translation.left_over.clear()
            try:
                with left_over.open("a", encoding="utf-8") as file:
                    file.write(lines)
            except OSError as error:
                raise StorageError(f"{left_over} cannot be written: {error}") from error
        if len(batch) < _BATCH:
            return


def _info(session: OriginalSession, video: BroughtVideo | None, tally: Tally) -> SessionInfo:
    said = (session.number_in("video_height"), session.number_in("video_width"))
    columns = {name: value for name, value in session.columns.items() if not isinstance(value, bytes)}
    return SessionInfo(
        id=session.identity,
        game=session.game,
        started_at=session.started.isoformat(timespec="microseconds"),
        start_ns=0,
        controls=(),
        mouse_scale_px=100.0,
        wheel_scale=1.0,
        fps=session.number_in("fps") or _DEFAULT_FPS,
        picture_size=video.size if video else (int(said[0] or 0), int(said[1] or 0)),
        picture_origin=(0, 0),
        codec=video.codec if video else str(session.columns.get("video_codec") or ""),
        held=tuple(sorted(tally.held)),
        who="human",
        recorder="GameOn (original)",
        details={
            "original": {
                "session": columns,
                "video": video.how if video else None,
                "repeated": tally.repeated,
                "unknown": dict(tally.unknown),
                "before_start": tally.clamped,
                "times": "whole ms since input began, latency_offset_ms already added; local time of the import's zone",
                "mouse": "x, y: pixels of the whole screen, dx, dy: their differences",
            }
        },
    )


def _end(
    session: OriginalSession, last_ns: int, folder: Path, missing: list[str]
) -> tuple[SessionEnd, Literal["completed", "recovered"]]:
    lasted_ns = max(last_ns, round((session.duration_s or 0.0) * 1e9))
    ended = session.ended or session.started + timedelta(microseconds=lasted_ns / 1000)
    completed = session.status == "completed"
    end = SessionEnd(
        ended_at=ended.isoformat(timespec="microseconds"),
        duration_ns=lasted_ns,
        reason="stopped" if completed else f"killed: the original says {session.status!r}",
        missing=tuple(missing),
        checksums=media_checksums(folder),
        who="human",
    )
    return end, "completed" if completed else "recovered"


def _notes(video: BroughtVideo | None, tally: Tally) -> Iterator[str]:
    if video is not None and video.how != "copied":
        yield f"video: {video.how}"
    if tally.clamped:
        yield f"{tally.clamped} rows from before the start count as at the start"
    if tally.held:
        yield f"held at the start: {', '.join(sorted(tally.held))}"
