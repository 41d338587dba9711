"""One way through every export: plan, estimate, check the disk, write episode by episode, sum up."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing
from dataclasses import replace
from pathlib import Path
from typing import Any, Protocol, TypeVar

from gameon_env.datasets.recordings import find
from gameon_env.datasets.remote_file import local_path
from gameon_env.errors import AudioError, SessionError, TrajectoryError, VideoError
from gameon_env.export.blocks import Block, BlockReader, Pack, Reading
from gameon_env.export.episodes import EpisodeSteps, episodes_of
from gameon_env.export.estimate import StoredBytes, check_space, estimate_bytes
from gameon_env.export.options import ExportOptions
from gameon_env.export.output_file import output_at, parts_folder, replacing
from gameon_env.export.output_folder import folder_at, new_folder, stored_size
from gameon_env.export.plan import ExportPlan, make_plan, sound_width
from gameon_env.export.report_page import check_page, write_page
from gameon_env.export.summary import ExportProgress, ExportSummary, LeftOut, ProgressCallback

T = TypeVar("T")

_DAMAGED = (AudioError, SessionError, TrajectoryError, VideoError)
"""What a recording raises that turns out damaged while it is read."""


class EpisodeWriter(Protocol):
    """What writes one file, or folder, of one format."""

    def append(self, rows: dict[str, Any]) -> None:
        """Append rows of the open episode: for each column ``(n, ...)`` values, ``video`` as the pack function made it.

        An episode's first rows open it.
        """

    def end_episode(self, metadata: dict[str, Any]) -> None:
        """End the open episode; the metadata has its ``first_row`` and ``last_row``."""

    def finish(self) -> None:
        """Write what is left. Nothing comes after it but :meth:`close`."""

    def close(self) -> None:
        """Let go of the file, finished or not."""


def write_export(
    options: ExportOptions,
    open_writer: Callable[[Path, ExportPlan], EpisodeWriter],
    *,
    stored_bytes: StoredBytes,
    pack: Pack | None = None,
    folder: bool = False,
    note: Callable[[ExportPlan], tuple[str, ...]] | None = None,
    progress: ProgressCallback | None = None,
) -> ExportSummary:
    """Write one file, or folder, of a format.

    A recording that turns out damaged in the middle is left out, and the file begun again without it.

    Args:
        options: what to export.
        open_writer: makes the writer of a new empty file, or folder, that is there already.
        stored_bytes: how many bytes pictures take in the file, for the estimate.
        pack: makes of pictures what :meth:`EpisodeWriter.append` takes, beside the writing.
        folder: the format is a folder, which must be new.
        note: what else to tell of an export as planned.
        progress: called as it goes on.

    Raises:
        DatasetError, UnknownNameError: nothing to export, or a wrong option.
        StorageError: the file cannot be made there, or the disk has no room for it; no part of it is left, and a
            file that was there before is as it was.
    """
    check_page(options.report)
    with (folder_at if folder else output_at)(options.output_path) as path:
        plan, summary = _write_to(
            path, new_folder if folder else replacing, options, open_writer, stored_bytes, pack, progress
        )
    if note is not None:
        summary = replace(summary, notes=summary.notes + note(plan))
    if local_path(options.output_path) is None:
        summary = replace(summary, path=str(options.output_path))
    if options.report is not None:
        summary = replace(summary, report=write_page(options.report, plan.recordings, summary))
    return summary


def _write_to(
    path: Path,
    made: Callable[[Path], AbstractContextManager[Path]],
    options: ExportOptions,
    open_writer: Callable[[Path, ExportPlan], EpisodeWriter],
    stored_bytes: StoredBytes,
    pack: Pack | None,
    progress: ProgressCallback | None,
) -> tuple[ExportPlan, ExportSummary]:
    """Write the local file or folder ``path``, leaving out what turns out damaged.

    ``made`` gives what is written to, and puts it in the place of ``path`` at its end.
    """
    start = time.monotonic()
    found = find(options.db_path, game_name=options.game_name, sessions=options.sessions)
    plan = make_plan(options, found.recordings, [LeftOut(name, why) for name, why in found.left_out.items()])
    estimated = estimate_bytes(plan, stored_bytes)
    check_space(parts_folder(path), estimated, plan)
    with BlockReader(options.workers, pack) as reader:
        while True:
            try:
                with made(path) as new:
                    _write(plan, open_writer, new, reader, estimated, progress)
                break
            except _Broken as broken:
                plan = plan.without(broken.index, str(broken.error))
    summary = ExportSummary(
        path=path,
        recordings=tuple(recording.id for recording in plan.recordings),
        episodes=sum(plan.episodes),
        rows=plan.total_rows,
        controls=plan.controls,
        size=plan.size,
        has_audio=plan.audio_width > 0,
        size_bytes=stored_size(path),
        estimated_bytes=estimated,
        seconds=time.monotonic() - start,
        left_out=plan.left_out,
        notes=plan.notes,
    )
    return plan, summary


class _Broken(Exception):
    """A recording of the plan is damaged."""

    def __init__(self, index: int, error: Exception) -> None:
        super().__init__(str(error))
        self.index, self.error = index, error


def _write(
    plan: ExportPlan,
    open_writer: Callable[[Path, ExportPlan], EpisodeWriter],
    path: Path,
    reader: BlockReader,
    estimated: int,
    progress: ProgressCallback | None,
) -> None:
    tell = progress or (lambda _: None)
    tell(ExportProgress(0, plan.total_rows, estimated))
    row = 0
    writer = open_writer(path, plan)
    try:
        for index, recording in enumerate(plan.recordings):
            reading = Reading(
                recording,
                plan.size,
                plan.letterbox,
                plan.audio_width,
                bool(plan.audio_width and sound_width(recording, plan.options)),
                plan.options,
            )
            episodes = episodes_of(recording, index, plan.alignment, plan.options, plan.letterbox)
            while (episode := _next(episodes, index)) is not None:
                first_row = row
                with closing(reader.blocks(reading, episode)) as blocks:
                    while (block := _next(blocks, index)) is not None:
                        writer.append(_rows(episode, block))
                        row += block.count
                        tell(ExportProgress(row, plan.total_rows, estimated))
                writer.end_episode(episode.metadata | {"first_row": first_row, "last_row": row - 1})
        writer.finish()
    finally:
        writer.close()


def _next(items: Iterator[T], index: int) -> T | None:
    """The next item; None at the end. What a damaged recording raises says which it is, what a writer raises does not
    come this way."""
    try:
        return next(items, None)
    except _DAMAGED as error:
        raise _Broken(index, error) from error


def _rows(episode: EpisodeSteps, block: Block) -> dict[str, Any]:
    first, stop = block.first, block.first + block.count
    rows = {"video": block.video} | {name: values[first:stop] for name, values in episode.columns.items()}
    if block.audio is not None and block.audio_mask is not None:
        audio, mask = block.audio, block.audio_mask
        if stop == len(episode):  # the row that ends it has no sound, as it has no action
            audio, mask = audio.copy(), mask.copy()
            audio[-1], mask[-1] = 0, False
        rows |= {"audio": audio, "audio_mask": mask}
    return rows
