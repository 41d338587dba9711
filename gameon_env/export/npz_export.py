"""Export to one npz file, which plain numpy reads; for data that fits into memory.

>>> export_to_npz(db_path="data/gameon.db", output_path="doom.npz", game_name="Doom", downsample_factor=4)
>>> with np.load("doom.npz") as file:
...     video = file["video"]        # (N, H, W, 3) uint8 RGB
...     inputs = file["inputs"]      # (N, A) float32
...     metadata = file["metadata"]  # a JSON text for each episode, with the names of the controls
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

import psutil

from gameon_env.datasets.ray_cluster import RayCluster
from gameon_env.datasets.recording import AudioSource
from gameon_env.errors import DatasetError
from gameon_env.export.command import ExportCommand
from gameon_env.export.npz_file import NpzEpisodeWriter, deflated_bytes, plain_bytes
from gameon_env.export.options import ExportOptions
from gameon_env.export.plan import ExportPlan
from gameon_env.export.summary import ExportSummary, ProgressCallback, human_bytes
from gameon_env.export.writing import write_export


def export_to_npz(
    db_path: str | Path = "data/gameon.db",
    output_path: str | Path = "dataset.npz",
    game_name: str | None = None,
    compressed: bool = False,
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
    report: str | Path | None = None,
    progress: ProgressCallback | None = None,
) -> ExportSummary:
    """Export recordings to one npz file. Written in flat memory; who reads it holds all of a column in memory.

    It has the columns of :func:`gameon_env.export.hdf5_export.export_to_hdf5`, and needs no pickle.

    Args:
        db_path: ``gameon.db`` or its folder, a session's folder, a trajectory file (or its URL), or a folder of these.
        output_path: the file, or its URL; its name ends with ``.npz``. One that is there is replaced when the new one
            is complete.
        game_name: only recordings of this game; None: all, aligned by their controls' names.
        compressed: as ``np.savez_compressed``: smaller, and slower to read.
        downsample_factor: divides both sides of the pictures, which are averaged.
        sessions: only these: ids, beginnings of ids, or names of folders.
        fps: steps a second, before ``frame_skip``; None: each recorded frame is a step.
        frame_skip: recorded frames (of ``fps``) merged into one step.
        target_size: ``(height, width)`` of the pictures; None: as recorded.
        include_audio: export the sound, as 128 mel bins a step.
        audio_source: ``system``, ``microphone`` or ``both``, which is their sum.
        latency_ms: how much later than its picture an action is taken.
        workers: processes that decode, or a Ray cluster. With more than one process, a script calls this under
            ``if __name__ == "__main__":``.
        report: a page about the recordings, to be written too: ``report.html``.
        progress: called as it goes on.

    Raises:
        DatasetError: nothing to export, a wrong argument, or recordings of one game with different controls.
        UnknownNameError: there is no such game or session; the message suggests the nearest.
        StorageError: the file cannot be made there, or the disk has no room; nothing is left of it.
        MissingPartError: Ray, or what writes the URL, is not installed.
    """
    if not isinstance(compressed, bool):
        raise DatasetError(f"compressed must be True or False, got {compressed!r}")
    options = ExportOptions(
        db_path,
        output_path,
        game_name,
        downsample_factor,
        sessions=sessions,
        fps=fps,
        frame_skip=frame_skip,
        target_size=target_size,
        include_audio=include_audio,
        audio_source=audio_source,
        latency_ms=latency_ms,
        workers=workers,
        report=report,
    )
    if Path(output_path).suffix != ".npz":
        raise DatasetError(f"{output_path}: an npz file's name ends with .npz: {Path(output_path).with_suffix('.npz')}")

    def open_writer(path: Path, plan: ExportPlan) -> NpzEpisodeWriter:
        return NpzEpisodeWriter(path, plan.columns, plan.total_rows, compressed=compressed)

    return write_export(
        options,
        open_writer,
        stored_bytes=deflated_bytes if compressed else plain_bytes,
        note=_advice,
        progress=progress,
    )


def _advice(plan: ExportPlan) -> tuple[str, ...]:
    unpacked = plan.total_rows * sum(column.row_bytes for column in plan.columns)
    memory = psutil.virtual_memory().total
    if unpacked < memory // 2:
        return ()
    return (
        f"to load it all takes {human_bytes(unpacked)} of memory, and this machine has {human_bytes(memory)}: "
        "a HDF5 file is read piece by piece (gameon export hdf5); smaller pictures take less (--size, --downsample)",
    )


def _add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--compressed", action="store_true", help="smaller, and slower to write and read")


command = ExportCommand(
    export_to_npz,
    what="one npz file, which plain numpy reads; for data that fits into memory",
    example="dataset.npz",
    add_arguments=_add_arguments,
    arguments_of=lambda parsed: {"compressed": parsed.compressed},
)

if __name__ == "__main__":
    sys.exit(command.main())
