"""Export to one HDF5 trajectory file, which plain h5py reads.

>>> export_to_hdf5(db_path="data/gameon.db", output_path="doom.h5", game_name="Doom", compression="gzip")
>>> with h5py.File("doom.h5") as file:
...     video = file["video"][:]        # (N, H, W, 3) uint8 RGB
...     inputs = file["inputs"][:]      # (N, A) float32
...     metadata = file["metadata"][:]  # a JSON text for each episode, with the names of the controls
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from gameon_env.datasets.ray_cluster import RayCluster
from gameon_env.datasets.recording import AudioSource
from gameon_env.export.arguments import add_compression, compression_of
from gameon_env.export.command import ExportCommand
from gameon_env.export.hdf5_file import Hdf5EpisodeWriter
from gameon_env.export.hdf5_rows import Compression, check_compression, pack_of, stored_bytes_of
from gameon_env.export.options import ExportOptions
from gameon_env.export.plan import ExportPlan
from gameon_env.export.summary import ExportSummary, ProgressCallback
from gameon_env.export.writing import write_export


def export_to_hdf5(
    db_path: str | Path = "data/gameon.db",
    output_path: str | Path = "dataset.h5",
    game_name: str | None = None,
    compression: Compression | None = "gzip",
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
    """Export recordings to one HDF5 file, in flat memory however long they are.

    The columns, N rows each: ``video (N, H, W, 3) uint8`` RGB, one frame a chunk; ``inputs (N, A) float32``;
    ``presses (N, A) uint8``; where there is sound ``audio (N, 128) float32`` and ``audio_mask (N,) bool``;
    ``timestamps (N,) int64`` ns since the episode's first row; ``rewards (N,) float32``; ``is_first``, ``is_last``,
    ``is_terminal``, ``is_valid (N,) bool``. Each stretch of a session without a gap is an episode, whose last row has
    no action (``is_valid`` False); ``metadata`` holds a JSON text for each, with its first and last row.

    Args:
        db_path: ``gameon.db`` or its folder, a session's folder, a trajectory file (or its URL), or a folder of these.
        output_path: the file, or its URL (``s3://...``); one that is there is replaced when the new one is complete.
        game_name: only recordings of this game; None: all, aligned by their controls' names.
        compression: of the frames and all else: ``"gzip"`` packs best, ``"lzf"`` reads faster (with h5py only), None
            reads fastest.
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
    check_compression(compression)
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

    def open_writer(path: Path, plan: ExportPlan) -> Hdf5EpisodeWriter:
        return Hdf5EpisodeWriter(path, plan, compression)

    return write_export(
        options,
        open_writer,
        stored_bytes=stored_bytes_of(compression),
        pack=pack_of(compression),
        progress=progress,
    )


command = ExportCommand(
    export_to_hdf5,
    what="one HDF5 file, which plain h5py reads",
    example="dataset.h5",
    add_arguments=add_compression,
    arguments_of=compression_of,
)

if __name__ == "__main__":
    sys.exit(command.main())
