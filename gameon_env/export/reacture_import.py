"""Importing ReActure downloads: each becomes a session in the catalogue, once, and all that works on sessions works.

The session's video keeps every pixel, and its events make the steps that the rows say. Of what the rows say beside that
(the robot, its sensors, events of the game) nothing becomes a part of the session, but the rows themselves stay in its
folder, from where ``gameon export reacture`` takes them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from gameon_env.controls import Controls
from gameon_env.errors import SessionError
from gameon_env.events import InputEvent
from gameon_env.export.reacture import ReActureDataset
from gameon_env.export.reacture_events import (
    CONTROLS,
    action_taps,
    ascending_ns,
    is_before,
    key_rows,
    table_events,
)
from gameon_env.export.reacture_files import find_reacture_files
from gameon_env.export.reacture_inputs import told_controls, told_events
from gameon_env.export.reacture_known import identity_of, look_up
from gameon_env.export.reacture_rows import rows_at
from gameon_env.export.reacture_video import write_lossless
from gameon_env.games.profile import load_profile, profile_paths
from gameon_env.recording.catalogue_rows import SessionEntry
from gameon_env.recording.import_folder import catalogue_for_import, import_folder, move_in
from gameon_env.recording.model import VIDEO_FILE, FrameRow, Gap, SessionEnd, SessionInfo, Who
from gameon_env.recording.original_media import copy_file
from gameon_env.recording.session import Session
from gameon_env.recording.session_writer import SessionWriter
from gameon_env.recording.verification import media_checksums

GAME = "reacture"
"""The browser game's name, as its profile has it."""

KEPT_METADATA, KEPT_ROWS, KEPT_TIMES = "reacture.metadata.json", "reacture.data.jsonl", "reacture.timestamps.npy"
"""The download's own files in the session's folder, under names that no download has."""

MOUSE_SCALE_PX = 100.0

PAUSE_NS = 1_000_000_000
"""Longer between two frames is a pause; intervals of 0.4 s were seen without one."""

_LONGEST = 200
_YEARS = range(1970, 5200)  # what a file's name can say too; any time zone and any duration can be added
_UNIX_MS = re.compile(r"(?:.*_)?(\d{12,14})")


@dataclass(frozen=True, slots=True)
class ImportedReActure:
    """What became of one download.

    Attributes:
        prefix: what its files' names begin with.
        game: the session's game.
        result: ``imported``, or ``there already``.
        folder: where the session is.
        frames: frames in it, as many as the download has.
        events: input events in it.
        other_rows: rows that no frame belongs to; they are kept in the session's folder, as all rows are.
        notes: what was mended or is odd, in words.
    """

    prefix: str
    game: str
    result: Literal["imported", "there already"]
    folder: Path
    frames: int = 0
    events: int = 0
    other_rows: int = 0
    notes: tuple[str, ...] = ()


def import_reacture(
    path: str | Path, data_dir: str | Path | None = None, *, who: Who | None = None, partial: bool = False
) -> ImportedReActure:
    """Make a session of one ReActure download. The download is only read.

    It is recognised by its rows, whatever its files are called: another import of it does nothing, nor does one of what
    was downloaded of the same play before it was over.

    Args:
        path: one of its files, the others beside it; or their folder.
        data_dir: the data folder; ``$GAMEON_DATA_DIR`` or ``./data`` where it is None.
        who: who played; None: an agent where the files name one, as those of :func:`export_reacture`, else a human.
        partial: of files that were cut short, import what is whole.

    Raises:
        DatasetError: it cannot be read; the message says why, and what to do.
        SessionError: the catalogue cannot be used.
        StorageError: the disk is full, or cannot be written; nothing is left of the session.
    """
    files = find_reacture_files(path)
    identity = identity_of(files.data)
    with catalogue_for_import(data_dir) as catalogue:
        dataset = ReActureDataset(files.metadata, partial=partial, warn=False)
        known = look_up(catalogue, identity, dataset.metadata, len(dataset))
        if known.whole is not None:
            return ImportedReActure(files.prefix, known.whole.game, "there already", known.whole.folder)
        info = _info(identity, dataset, who or ("agent" if dataset.metadata.get("player_name") == "agent" else "human"))
        with import_folder(catalogue, identity) as filled:
            imported = _fill(filled, dataset, info)
            copy_file(files.metadata, filled / KEPT_METADATA)
            copy_file(files.data, filled / KEPT_ROWS)
            copy_file(files.timestamps, filled / KEPT_TIMES)
            folder = move_in(filled, catalogue, info.game, datetime.fromisoformat(info.started_at))
        return replace(imported, folder=folder, notes=imported.notes + tuple(map(_shorter, known.shorter)))


def _fill(folder: Path, dataset: ReActureDataset, info: SessionInfo) -> ImportedReActure:
    order = np.argsort(dataset.frame_timestamps, kind="stable")
    times_ns = ascending_ns(dataset.frame_timestamps[order])
    write_lossless(
        folder / VIDEO_FILE, info.picture_size, (dataset.frames_array[i] for i in order), (times_ns // 1000).tolist()
    )
    events = _events(dataset, info)
    # The last frame needs a step to be an observation, and where keys are samples, that of its own time needs one too.
    last_ns = max([int(times_ns[-1]), *(event.t_ns for event in events)]) + 1_000_000
    writer = SessionWriter.create(folder, info)
    try:
        writer.add_frames(FrameRow(t_ns, number) for number, t_ns in enumerate(times_ns.tolist()))
        writer.add_events(events)
        for gap in _gaps(times_ns):
            writer.add_gap(gap)
        writer.finish(_end(dataset, info, last_ns, folder))
    finally:
        writer.close()
    other_rows = int((~dataset.rows.has_frame).sum()) + len(dataset.rows.other_offsets)
    imported = ImportedReActure(
        dataset.prefix, info.game, "imported", folder, len(dataset), len(events), other_rows, dataset.repairs
    )
    _check(imported)
    return imported


def _events(dataset: ReActureDataset, info: SessionInfo) -> list[InputEvent]:
    rows, metadata = dataset.rows, dataset.metadata
    times_ms = rows.column("timestamp_ms").copy()
    times_ms[dataset.sample_rows] = dataset.frame_timestamps  # as float32 has it, or events would miss their frames
    chosen = key_rows(rows, times_ms, dataset.sample_rows, metadata)
    times_ns = ascending_ns(times_ms[chosen])
    before = is_before(metadata)
    if told_controls(metadata) is None:
        events = table_events(rows, chosen, times_ns, before=before)
        if not before and len(times_ns):
            actions = rows_at(rows.path, rows.other_offsets.tolist())
            events += action_taps(actions, int(times_ns[-1]), {event.control for event in events})
        return sorted(events, key=lambda event: event.t_ns)
    controls = Controls(
        info.controls,
        mouse_scale_px=info.mouse_scale_px,
        wheel_scale=info.wheel_scale,
        window_size=info.picture_size,
    )
    return told_events(rows.path, rows.offsets[chosen], times_ns, controls)


def _gaps(times_ns: npt.NDArray[np.int64]) -> Iterator[Gap]:
    """The original's clock went on while it was paused, and nothing was logged."""
    for i in np.flatnonzero(np.diff(times_ns) > PAUSE_NS):
        yield Gap(int(times_ns[i]) + PAUSE_NS, int(times_ns[i + 1]), "all", "paused")


def _check(imported: ImportedReActure) -> None:
    """Counts in are counts out, in what is on the disk."""
    with Session(imported.folder) as written:
        counts = written.counts
    if (counts["frames"], counts["events"]) != (imported.frames, imported.events):
        raise SessionError(
            f"{imported.prefix}: of {imported.frames} frames and {imported.events} events {counts['frames']} and "
            f"{counts['events']} arrived: the disk is not to be trusted"
        )


def _info(identity: str, dataset: ReActureDataset, who: Who) -> SessionInfo:
    metadata = dataset.metadata
    height, width = dataset.frames_array.shape[1:3]
    told = told_controls(metadata)
    game, controls = (GAME, _game_controls()) if told is None else (_text(metadata.get("game"), "unknown"), told)
    rate, seed = metadata.get("sampling_rate_hz"), metadata.get("seed")
    return SessionInfo(
        id=identity,
        game=game,
        started_at=_started(dataset).isoformat(timespec="microseconds"),
        start_ns=0,
        controls=controls.names,
        mouse_scale_px=controls.mouse_scale_px,
        wheel_scale=controls.wheel_scale,
        fps=float(rate) if isinstance(rate, int | float) and 0 < rate <= 1000 else 10.0,
        picture_size=(height, width),
        picture_origin=(0, 0),
        codec="h264",
        who=who,
        recorder=_text(metadata.get("generator"), "ReActure (original)"),
        seed=seed if isinstance(seed, int) and abs(seed) < 1 << 62 else None,
        details={
            "reacture": {
                "prefix": dataset.prefix,
                "samples": len(dataset),
                "metadata": metadata,
                "mended": list(dataset.repairs),
                "video": "every pixel as in frames.npy",
                "times": "of the game, which stands still while it is paused",
                "keys": "held in the interval before each row" if is_before(metadata) else "samples at each row's time",
            }
        },
    )


def _game_controls() -> Controls:
    """As the profile says, so that what is learned plays live."""
    if GAME in profile_paths():
        return load_profile(GAME).controls
    return Controls(CONTROLS, mouse_scale_px=MOUSE_SCALE_PX)


def _started(dataset: ReActureDataset) -> datetime:
    """As the metadata says, else as the files' names do, else when the file was made."""
    try:
        said = datetime.fromisoformat(str(dataset.metadata.get("start_time")))
        started = (said if said.tzinfo else said.replace(tzinfo=UTC)).astimezone(UTC)
        if started.year in _YEARS:
            return started
    except (ValueError, OverflowError):
        pass
    named = _UNIX_MS.fullmatch(dataset.prefix)
    seconds = int(named[1]) / 1000 if named else dataset.rows.path.stat().st_mtime
    return datetime.fromtimestamp(seconds, UTC)


def _end(dataset: ReActureDataset, info: SessionInfo, last_ns: int, folder: Path) -> SessionEnd:
    result: Any = dataset.metadata.get("game_result")
    how = result.get("completion_status") if isinstance(result, dict) else None
    ended = datetime.fromisoformat(info.started_at) + timedelta(microseconds=last_ns / 1000)
    return SessionEnd(
        ended_at=ended.isoformat(timespec="microseconds"),
        duration_ns=last_ns,
        reason=f"game ended: {_text(how)}" if how else "stopped",
        checksums=media_checksums(folder),
        who=info.who,
    )


def _text(said: object, default: str = "") -> str:
    """A text of a stranger's, such as databases and file names take it."""
    words = str(said) if said else default
    return words[:_LONGEST].encode("utf-8", "replace").decode()


def _shorter(entry: SessionEntry) -> str:
    return (
        f"{entry.folder.name} is the beginning of the same play, downloaded before it was over: delete it, or it "
        f"counts twice (gameon sessions delete {entry.id})"
    )
