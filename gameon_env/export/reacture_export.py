"""Export to the five files of ReActure downloads, which plain numpy reads, at 10 Hz with frames of 128x128.

>>> export_to_reacture(db_path="data/gameon.db", output_path="doom_reacture/", game_name="Doom")
>>> dataset = ReActureDataset("doom_reacture/reacture_1731177600000_metadata.json")
"""

from __future__ import annotations

import dataclasses
import json
import math
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from gameon_env.datasets.ray_cluster import RayCluster
from gameon_env.datasets.recording import AudioSource, Recording
from gameon_env.datasets.recordings import find
from gameon_env.errors import DatasetError, GameOnError, StorageError
from gameon_env.export.command import ExportCommand
from gameon_env.export.npz_file import plain_bytes
from gameon_env.export.options import ExportOptions
from gameon_env.export.output_folder import folder_at, new_folder
from gameon_env.export.plan import ExportPlan, name_of, nothing_left
from gameon_env.export.reacture_inputs import SIZE
from gameon_env.export.reacture_restore import restorable, restore
from gameon_env.export.reacture_writer import MISSING, RATE_HZ, ReActureWriter
from gameon_env.export.summary import ExportProgress, ExportSummary, LeftOut, ProgressCallback
from gameon_env.export.writing import write_export


def export_to_reacture(
    db_path: str | Path = "data/gameon.db",
    output_path: str | Path = "dataset_reacture/",
    game_name: str | None = None,
    downsample_factor: int = 1,
    *,
    sessions: Sequence[str] | None = None,
    fps: float | None = None,
    frame_skip: int = 1,
    target_size: tuple[int, int] | None = None,
    include_audio: bool = True,
    audio_source: AudioSource = "system",
    latency_ms: float = 0.0,
    workers: int | RayCluster = 1,
    progress: ProgressCallback | None = None,
) -> ExportSummary:
    """Export recordings as ReActure downloads, five files for each stretch of a session without a gap.

    A session that was imported from a download becomes the download that it was: all frames and rows, whatever rate is
    asked for. Of other games' sessions the rows hold the input (``key_presses``, and ``inputs`` for all controls), and
    null for what only the browser game knows, which metadata and README say. Sound has no place in the format.

    Args:
        db_path: ``gameon.db`` or its folder, a session's folder, a trajectory file (or its URL), or a folder of these.
        output_path: the folder to make; new or empty.
        game_name: only recordings of this game; None: all.
        downsample_factor: 1; the frames' size is the format's.
        sessions: only these: ids, beginnings of ids, or names of folders.
        fps: steps a second, before ``frame_skip``; None: 10, the format's rate.
        frame_skip: steps merged into one.
        target_size: ``(128, 128)``, or None.
        include_audio: there is no sound either way.
        audio_source: not used.
        latency_ms: how much later than its picture an action is taken.
        workers: processes that decode, or a Ray cluster.
        progress: called as it goes on.

    Raises:
        DatasetError: nothing to export, a wrong argument, or a folder that is not empty.
        UnknownNameError: there is no such game or session; the message suggests the nearest.
        StorageError: the folder cannot be made there, or the disk has no room; nothing is left of it.
    """
    if target_size not in (None, SIZE) or downsample_factor != 1:
        raise DatasetError("the frames of this format are 128x128: leave out the size (--size, --downsample)")
    start = time.monotonic()
    folder = Path(output_path).expanduser()
    found = find(db_path, game_name=game_name, sessions=sessions)
    as_they_were = [recording for recording in found.recordings if restorable(recording)]
    others = [recording.id for recording in found.recordings if recording not in as_they_were]
    left_out = tuple(LeftOut(name, why) for name, why in found.left_out.items())
    with folder_at(folder) as made, new_folder(made) as stage:
        summary, broken = _restore(as_they_were, stage, progress)
        if not summary.recordings and not others:
            raise nothing_left([*left_out, *broken])
        if others:
            options = ExportOptions(
                db_path,
                stage / "index.json",
                game_name,
                sessions=others,
                fps=RATE_HZ if fps is None else fps,
                frame_skip=frame_skip,
                target_size=SIZE,
                include_audio=False,
                audio_source=audio_source,
                latency_ms=latency_ms,
                workers=workers,
            )
            summary = _sum(summary, write_export(options, _open_writer, stored_bytes=plain_bytes, progress=progress))
            count = len(json.loads((stage / "index.json").read_text(encoding="utf-8")))
            (stage / "index.json").unlink()
            told = f"{count} of {summary.episodes} downloads are of other games: {', '.join(MISSING)} are null in them"
            summary = dataclasses.replace(summary, notes=(*summary.notes, told))
        size_bytes = sum(path.stat().st_size for path in stage.iterdir())
    return dataclasses.replace(
        summary,
        path=folder,
        size_bytes=size_bytes,
        seconds=time.monotonic() - start,
        left_out=tuple(dict.fromkeys((*left_out, *broken, *summary.left_out))),
    )


def _open_writer(path: Path, plan: ExportPlan) -> ReActureWriter:
    return ReActureWriter(path, plan)


def _restore(
    recordings: Sequence[Recording], folder: Path, progress: ProgressCallback | None
) -> tuple[ExportSummary, list[LeftOut]]:
    broken, done, rows = list[LeftOut](), list[Recording](), 0
    total = sum(recording.num_frames for recording in recordings)
    total_bytes = sum(recording.num_frames * math.prod(recording.size) * 3 for recording in recordings)
    for recording in recordings:
        try:
            restore(recording, folder)
        except GameOnError as error:
            broken.append(LeftOut(name_of(recording), str(error)))
            continue
        except OSError as error:
            raise StorageError(
                f"{folder.parent}: cannot be written ({error.strerror or error}). Make room, or name another folder."
            ) from error
        done.append(recording)
        rows += recording.num_frames
        if progress is not None:
            progress(ExportProgress(rows, total, total_bytes))
    controls = tuple(dict.fromkeys(name for recording in done for name in recording.controls))
    ids = tuple(recording.id for recording in done)
    size = done[0].size if done else SIZE
    return ExportSummary(folder, ids, len(done), rows, controls, size, False, 0, total_bytes, 0.0), broken


def _sum(one: ExportSummary, other: ExportSummary) -> ExportSummary:
    return dataclasses.replace(
        other,
        recordings=one.recordings + other.recordings,
        episodes=one.episodes + other.episodes,
        rows=one.rows + other.rows,
        controls=tuple(dict.fromkeys(one.controls + other.controls)),
        estimated_bytes=one.estimated_bytes + other.estimated_bytes,
    )


command = ExportCommand(
    export_to_reacture,
    what="the five files of ReActure downloads, which plain numpy reads",
    example="dataset_reacture/",
)

if __name__ == "__main__":
    sys.exit(command.main())
