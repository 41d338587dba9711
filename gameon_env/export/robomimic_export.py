"""Export to one robomimic HDF5 file, which ``robomimic.utils.dataset.SequenceDataset`` reads.

>>> export_to_robomimic("data/gameon.db", "doom_robomimic.hdf5", game_name="Doom", target_size=(84, 84))
>>> ObsUtils.initialize_obs_utils_with_obs_specs({"obs": {"rgb": ["screen"], "low_dim": []}})
>>> dataset = SequenceDataset("doom_robomimic.hdf5", ["screen"], ["actions", "rewards", "dones"], seq_length=10)
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from gameon_env.datasets.ray_cluster import RayCluster
from gameon_env.datasets.recording import AudioSource, Pixels
from gameon_env.errors import DatasetError
from gameon_env.export.arguments import add_compression, compression_of
from gameon_env.export.command import ExportCommand
from gameon_env.export.hdf5_rows import Compression, check_compression, pack_of, stored_bytes_of
from gameon_env.export.options import ExportOptions
from gameon_env.export.plan import ExportPlan
from gameon_env.export.robomimic_file import RobomimicWriter
from gameon_env.export.step_rows import TRAINING_SIZE, picture_size
from gameon_env.export.summary import ExportSummary, ProgressCallback
from gameon_env.export.writing import write_export


def export_to_robomimic(
    db_path: str | Path = "data/gameon.db",
    output_path: str | Path = "dataset_robomimic.hdf5",
    game_name: str | None = None,
    compression: Compression | None = "gzip",
    downsample_factor: int | None = None,
    *,
    next_obs: bool = True,
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
    """Export recordings to one robomimic file, in flat memory however long they are. robomimic is not needed for it.

    Each stretch of a session without a gap is a group ``data/demo_i``, of N actions: ``actions (N, A) float32``, keys
    0 or 1 and axes as recorded, not clipped; ``rewards (N,) float32``; ``dones (N,) int64``, 1 only where the game
    ended; ``presses (N, A) uint8``; ``timestamps (N,) int64`` ns since the first row; and in ``obs``
    ``screen (N, H, W, 3) uint8`` RGB, and where there is sound ``audio (N, 128) float32`` and
    ``audio_mask (N, 1) float32``: what was heard since the row before, zeros in the first. ``next_obs`` has the same a
    row later, up to the observation that the last action led to.

    ``data`` has the attributes ``total``, ``controls`` (the names of the actions' columns) and ``env_args``, which has
    these names too; each demo has ``num_samples``, its seed, unless it begins after a gap, and as the JSON text
    ``gameon`` all that is known of it.

    Args:
        db_path: ``gameon.db`` or its folder, a session's folder, a trajectory file (or its URL), or a folder of these.
        output_path: the file, or its URL (``s3://...``); one that is there is replaced when the new one is complete.
        game_name: only recordings of this game; None: all, aligned by their controls' names.
        compression: of the frames and all else: ``"gzip"`` packs best, ``"lzf"`` reads faster, None reads fastest.
        downsample_factor: divides both sides of the recorded pictures, which are averaged; 1: as recorded.
        next_obs: whether to write ``next_obs``, which makes the file twice as large; behavioral cloning does not read
            it.
        sessions: only these: ids, beginnings of ids, or names of folders.
        fps: steps a second, before ``frame_skip``; None: each recorded frame is a step.
        frame_skip: recorded frames (of ``fps``) merged into one step.
        target_size: ``(height, width)`` of the pictures; None: 224x224 where there is no ``downsample_factor``.
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
    if not isinstance(next_obs, bool):
        raise DatasetError(f"next_obs must be True or False, got {next_obs!r}")
    options = ExportOptions(
        db_path,
        output_path,
        game_name,
        **picture_size(target_size, downsample_factor),
        sessions=sessions,
        fps=fps,
        frame_skip=frame_skip,
        include_audio=include_audio,
        audio_source=audio_source,
        latency_ms=latency_ms,
        workers=workers,
        report=report,
    )
    once = stored_bytes_of(compression)

    def open_writer(path: Path, plan: ExportPlan) -> RobomimicWriter:
        return RobomimicWriter(path, plan, compression, next_obs=next_obs)

    def stored_bytes(pictures: Pixels) -> int:
        return once(pictures) * (1 + next_obs)

    return write_export(options, open_writer, stored_bytes=stored_bytes, pack=pack_of(compression), progress=progress)


def _add_arguments(parser: argparse.ArgumentParser) -> None:
    add_compression(parser)
    parser.add_argument(
        "--no-next-obs", action="store_true", help="half as large; enough for behavioral cloning, not for Q-learning"
    )


command = ExportCommand(
    export_to_robomimic,
    what="one HDF5 file in robomimic's layout, which its SequenceDataset reads",
    example="dataset_robomimic.hdf5",
    add_arguments=_add_arguments,
    arguments_of=lambda parsed: compression_of(parsed) | {"next_obs": not parsed.no_next_obs},
    size=TRAINING_SIZE,
)

if __name__ == "__main__":
    sys.exit(command.main())
