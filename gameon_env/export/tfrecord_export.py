"""Export to TFRecord shards, which plain TensorFlow reads, with a reader beside them.

>>> export_to_tfrecord(db_path="data/gameon.db", output_path="doom_tf/", game_name="Doom", target_size=(224, 224))
"""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import json
from collections.abc import Sequence
from pathlib import Path
from typing import get_args

from gameon_env.datasets.recording import AudioSource
from gameon_env.errors import DatasetError, StorageError, suggest
from gameon_env.export.command import ExportCommand
from gameon_env.export.options import ExportOptions
from gameon_env.export.plan import ExportPlan
from gameon_env.export.summary import ExportSummary, ProgressCallback
from gameon_env.export.tfrecord_file import (
    ENCODERS,
    FORMAT,
    INFO,
    FrameEncoding,
    TFRecordWriter,
    encoded_bytes,
    remove_older,
)
from gameon_env.export.writing import write_export
from gameon_env.optional import require


def export_to_tfrecord(
    db_path: str | Path = "data/gameon.db",
    output_path: str | Path = "dataset_tf/",
    game_name: str | None = None,
    frame_encoding: FrameEncoding = "png",
    downsample_factor: int = 1,
    *,
    shard_mb: int = 256,
    sessions: Sequence[str] | None = None,
    fps: float | None = None,
    frame_skip: int = 1,
    target_size: tuple[int, int] | None = None,
    include_audio: bool = True,
    audio_source: AudioSource = "system",
    latency_ms: float = 0.0,
    workers: int = 1,
    progress: ProgressCallback | None = None,
) -> ExportSummary:
    """Export recordings to a folder of TFRecord shards, in flat memory however long they are.

    Each row is one ``tf.train.Example`` with the columns of :func:`gameon_env.export.hdf5_export.export_to_hdf5`, its
    ``video`` encoded, and its ``episode`` and ``row``. ``dataset_info.json`` says what there is; ``read_dataset.py``
    reads it with TensorFlow alone.

    Args:
        db_path: ``gameon.db`` or its folder, a session's folder, a trajectory file, or a folder of these.
        output_path: the folder; new, empty, or an older export, which is replaced when the new one is complete.
        game_name: only recordings of this game; None: all, aligned by their controls' names.
        frame_encoding: ``png`` (lossless), ``jpeg`` (quality 95) or ``raw``. Of 224x224 frames of Doom a second at 30
            steps takes 2.1, 0.75 and 4.5 MB.
        downsample_factor: divides both sides of the pictures, which are averaged.
        shard_mb: a shard is ended when it has so many megabytes.
        sessions: only these: ids, beginnings of ids, or names of folders.
        fps: steps a second, before ``frame_skip``; None: each recorded frame is a step.
        frame_skip: recorded frames (of ``fps``) merged into one step.
        target_size: ``(height, width)`` of the pictures; None: as recorded.
        include_audio: export the sound, as 128 mel bins a step.
        audio_source: ``system``, ``microphone`` or ``both``, which is their sum.
        latency_ms: how much later than its picture an action is taken.
        workers: processes that decode. With more than one, a script calls this under ``if __name__ == "__main__":``.
        progress: called as it goes on.

    Raises:
        DatasetError: nothing to export, a wrong argument, or recordings of one game with different controls.
        UnknownNameError: there is no such game or session; the message suggests the nearest.
        StorageError: the folder cannot be made there, or the disk has no room; nothing is left of it.
        MissingPartError: TensorFlow is not installed.
    """
    require("tensorflow", "Writing TFRecord files")
    if frame_encoding not in get_args(FrameEncoding):
        near = suggest(frame_encoding, get_args(FrameEncoding)) if isinstance(frame_encoding, str) else ""
        raise DatasetError(f"frame_encoding must be 'png', 'jpeg' or 'raw'; got {frame_encoding!r}.{near}")
    if isinstance(shard_mb, bool) or not isinstance(shard_mb, int) or not 1 <= shard_mb <= 1 << 20:
        raise DatasetError(f"shard_mb must be a whole number from 1 to {1 << 20}; got {shard_mb!r}")
    folder = Path(output_path).expanduser()
    options = ExportOptions(
        db_path,
        folder / INFO,
        game_name,
        downsample_factor,
        sessions=None if sessions is None else tuple(sessions),
        fps=fps,
        frame_skip=frame_skip,
        target_size=target_size,
        include_audio=include_audio,
        audio_source=audio_source,
        latency_ms=latency_ms,
        workers=workers,
    )
    new = _prepare(folder)

    def open_writer(path: Path, plan: ExportPlan) -> TFRecordWriter:
        return TFRecordWriter(path, plan, frame_encoding, shard_mb * 1_000_000)

    try:
        summary = write_export(
            options,
            open_writer,
            stored_bytes=encoded_bytes(frame_encoding),
            pack=ENCODERS[frame_encoding],
            progress=progress,
        )
    except BaseException:
        if new:
            with contextlib.suppress(OSError):  # it is empty but for what somebody else put there
                folder.rmdir()
        raise
    remove_older(folder)
    shards = json.loads((folder / INFO).read_text(encoding="utf-8"))["shards"]
    size_bytes = summary.size_bytes + sum(shard["bytes"] for shard in shards)
    note = f"{len(shards)} shard{'s' * (len(shards) != 1)}; read_dataset.py there reads them with TensorFlow alone"
    return dataclasses.replace(summary, path=folder, size_bytes=size_bytes, notes=(*summary.notes, note))


def _prepare(folder: Path) -> bool:
    """Make the folder, or see that it is empty or holds an export; tells whether it is new."""
    try:
        if folder.is_dir():
            if any(folder.iterdir()) and not _is_export(folder / INFO):
                raise DatasetError(
                    f"{folder} holds other files, and no export to TFRecord: name a new or an empty folder"
                )
            return False
        folder.mkdir()
    except FileNotFoundError as error:
        parent = folder.parent
        raise StorageError(
            f"the folder {parent} does not exist: make it (mkdir -p '{parent}'), or name another"
        ) from error
    except FileExistsError as error:
        raise DatasetError(
            f"{folder} is a file: name a folder, such as {folder.with_name(folder.stem + '_tf')}"
        ) from error
    except OSError as error:
        if isinstance(error, StorageError):
            raise
        raise StorageError(f"{folder} cannot be made: {error.strerror or error}. Name another folder.") from error
    return True


def _is_export(info: Path) -> bool:
    try:
        content = json.loads(info.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    return isinstance(content, dict) and content.get("format") == FORMAT


def _add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--frames",
        choices=get_args(FrameEncoding),
        default="png",
        help="png: lossless (default); jpeg: quality 95; raw",
    )
    parser.add_argument("--shard-mb", type=int, default=256, metavar="N", help="size of a shard in megabytes (256)")


command = ExportCommand(
    export_to_tfrecord,
    what="a folder of TFRecord shards, which plain TensorFlow reads",
    example="dataset_tf/",
    add_arguments=_add_arguments,
    arguments_of=lambda parsed: {"frame_encoding": parsed.frames, "shard_mb": parsed.shard_mb},
)
