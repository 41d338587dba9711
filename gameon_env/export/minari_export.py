"""Export to a Minari dataset, which ``minari.load_dataset`` reads.

>>> export_to_minari("data/gameon.db", Path.home() / ".minari/datasets/doom/human-v0", game_name="Doom")
>>> dataset = minari.load_dataset("doom/human-v0")
>>> for episode in dataset:
...     episode.observations, episode.actions, episode.rewards  # (T + 1, H, W, 3), (T, A), (T,)
"""

from __future__ import annotations

import argparse
import dataclasses
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from gameon_env.datasets.ray_cluster import RayCluster
from gameon_env.datasets.recording import AudioSource
from gameon_env.errors import DatasetError
from gameon_env.export.arguments import add_compression, compression_of
from gameon_env.export.command import ExportCommand
from gameon_env.export.hdf5_rows import Compression, check_compression, pack_of, stored_bytes_of
from gameon_env.export.minari_file import DATASET_ID, MinariWriter
from gameon_env.export.options import ExportOptions
from gameon_env.export.plan import ExportPlan
from gameon_env.export.step_rows import TRAINING_SIZE, picture_size
from gameon_env.export.summary import ExportSummary, ProgressCallback
from gameon_env.export.writing import write_export


def export_to_minari(
    db_path: str | Path = "data/gameon.db",
    output_path: str | Path = "recordings-v0",
    game_name: str | None = None,
    compression: Compression | None = "gzip",
    downsample_factor: int | None = None,
    *,
    dataset_id: str | None = None,
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
    """Export recordings to one Minari dataset, in flat memory however long they are. Minari is not needed for it.

    Each stretch of a session without a gap is an episode of T actions: ``observations (T + 1, H, W, 3) uint8`` RGB,
    lossless; ``actions (T, A) float32``, keys 0 or 1 and axes as recorded, not clipped; ``rewards (T,) float32``;
    ``terminations`` and ``truncations (T,) bool``: an episode that the game did not end is truncated. ``infos``, as
    ``reset`` and ``step`` give them with each observation: ``timestamps (T + 1,) int64`` ns since the first one; and
    of the step before it, zeros with the first, ``presses (T + 1, A) uint8``, and where there is sound
    ``audio (T + 1, 128) float32`` and ``audio_mask (T + 1,) bool``.

    ``dataset.storage.metadata["controls"]`` has the names of the actions' columns; each episode's metadata has
    its seed, unless it begins after a gap, and as the JSON text ``gameon`` all that is known of it.

    Args:
        db_path: ``gameon.db`` or its folder, a session's folder, a trajectory file (or its URL), or a folder of these.
        output_path: the dataset's folder, new or empty; its name ends with ``-vN``. Within ``$MINARI_DATASETS_PATH``
            (``~/.minari/datasets`` without it) Minari finds it by itself.
        game_name: only recordings of this game; None: all, aligned by their controls' names.
        compression: of the frames and all else: ``"gzip"`` packs best, ``"lzf"`` reads faster, None reads fastest.
        downsample_factor: divides both sides of the recorded pictures, which are averaged; 1: as recorded.
        dataset_id: its name, such as ``doom/human-v0``, with which the path must end; None: the path within Minari's
            folder, and elsewhere the folder's own name.
        sessions: only these: ids, beginnings of ids, or names of folders.
        fps: steps a second, before ``frame_skip``; None: each recorded frame is a step.
        frame_skip: recorded frames (of ``fps``) merged into one step.
        target_size: ``(height, width)`` of the pictures; None: 224x224 where there is no ``downsample_factor``. Minari
            writes the bounds of each pixel into ``metadata.json``: 1.3 MB for 224x224, 26 MB for 720p.
        include_audio: export the sound, as 128 mel bins a step.
        audio_source: ``system``, ``microphone`` or ``both``, which is their sum.
        latency_ms: how much later than its picture an action is taken.
        workers: processes that decode, or a Ray cluster. With more than one process, a script calls this under
            ``if __name__ == "__main__":``.
        report: a page about the recordings, to be written too: ``report.html``.
        progress: called as it goes on.

    Raises:
        DatasetError: nothing to export, a wrong argument, recordings of one game with different controls, or a folder
            that is not empty.
        UnknownNameError: there is no such game or session; the message suggests the nearest.
        StorageError: the folder cannot be made there, or the disk has no room; nothing is left of it.
        MissingPartError: Ray is not installed.
    """
    check_compression(compression)
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
    name = _name_of(Path(output_path), dataset_id)

    def open_writer(path: Path, plan: ExportPlan) -> MinariWriter:
        return MinariWriter(path, plan, name, compression)

    summary = write_export(
        options,
        open_writer,
        stored_bytes=stored_bytes_of(compression),
        pack=pack_of(compression),
        folder=True,
        progress=progress,
    )
    return dataclasses.replace(summary, notes=(*summary.notes, _how_to_load(Path(output_path), name)))


def _name_of(output: Path, dataset_id: str | None) -> str:
    """The dataset's name, with which its path ends as Minari wants it."""
    path = output.expanduser().absolute()
    if dataset_id is None:
        root = _minari_root()
        dataset_id = path.relative_to(root).as_posix() if path.is_relative_to(root) else path.name
    if DATASET_ID.fullmatch(dataset_id) is None:
        raise DatasetError(
            f"{dataset_id!r} is no name of a Minari dataset: expected letters, digits, '-', '_' and a version, such as "
            f"{path.parent / 'doom-v0'} or .../doom/human-v0"
        )
    if path.parts[-dataset_id.count("/") - 1 :] != tuple(dataset_id.split("/")):
        raise DatasetError(
            f"Minari finds {dataset_id} only in a folder of that name: name the output .../{dataset_id}, not {output}"
        )
    return dataset_id


def _minari_root() -> Path:
    """Where Minari keeps its datasets, as it finds it out itself."""
    return Path(os.environ.get("MINARI_DATASETS_PATH") or Path.home() / ".minari" / "datasets").absolute()


def _how_to_load(output: Path, name: str) -> str:
    root = output.expanduser().absolute().parents[name.count("/")]
    there = "" if root == _minari_root() else f", with MINARI_DATASETS_PATH={root}"
    return f"minari.load_dataset({name!r}) loads it{there}"


def _add_arguments(parser: argparse.ArgumentParser) -> None:
    add_compression(parser)
    parser.add_argument(
        "--dataset-id", metavar="ID", help="its name in Minari, with which the path must end, such as doom/human-v0"
    )


command = ExportCommand(
    export_to_minari,
    what="a Minari dataset, which minari.load_dataset reads",
    example="~/.minari/datasets/doom/human-v0/",
    add_arguments=_add_arguments,
    arguments_of=lambda parsed: compression_of(parsed) | {"dataset_id": parsed.dataset_id},
    size=TRAINING_SIZE,
)

if __name__ == "__main__":
    sys.exit(command.main())
