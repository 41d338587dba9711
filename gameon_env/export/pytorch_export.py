"""Recordings for PyTorch: a dataset that reads them as they are, and a ``.pt`` file for those who have nothing of ours.

>>> dataset = GameOnDataset(db_path="data/gameon.db", game_name="Doom", sequence_length=16)
>>> loader = DataLoader(dataset, batch_size=32, shuffle=True, num_workers=4)

>>> export_to_pytorch(db_path="data/gameon.db", output_path="doom.pt", game_name="Doom", target_size=(224, 224))
>>> data = torch.load("doom.pt", weights_only=True, mmap=True)
>>> data["video"], data["inputs"], data["controls"]     # (N, H, W, 3) uint8, (N, A) float32, A names
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import psutil

from gameon_env.data_processing.trajectory import to_json
from gameon_env.datasets.recording import AudioSource, Pixels
from gameon_env.export.command import ExportCommand
from gameon_env.export.episodes import episodes_of
from gameon_env.export.options import ExportOptions
from gameon_env.export.plan import ExportPlan
from gameon_env.export.pytorch_dataset import GameOnDataset, collate
from gameon_env.export.pytorch_file import PtWriter
from gameon_env.export.resumable_sampler import ResumableSampler
from gameon_env.export.summary import ExportSummary, ProgressCallback, human_bytes
from gameon_env.export.writing import write_export

__all__ = ["GameOnDataset", "ResumableSampler", "collate", "export_to_pytorch"]

FORMAT = "gameon-trajectories-torch"
VERSION = 1


def export_to_pytorch(
    db_path: str | Path = "data/gameon.db",
    output_path: str | Path = "dataset.pt",
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
    workers: int = 1,
    progress: ProgressCallback | None = None,
) -> ExportSummary:
    """Export recordings to one ``.pt`` file, in flat memory however long they are.

    ``torch.load(path, weights_only=True)`` gives a dict anywhere, without this project. Its tensors, N rows each:
    ``video (N, H, W, 3) uint8`` RGB; ``inputs (N, A) float32``; ``presses (N, A) uint8``; where there is sound ``audio
    (N, 128) float32`` and ``audio_mask (N,) bool``; ``timestamps (N,) int64`` ns since the episode's first row;
    ``rewards (N,) float32``; ``is_first``, ``is_last``, ``is_terminal``, ``is_valid (N,) bool``. Beside them
    ``controls``, A names; ``metadata``, a dict for each episode with its first and last row; ``format`` and
    ``version``. Each stretch of a session without a gap is an episode, whose last row has no action.

    Nothing in the file is compressed: a file larger than memory is opened with ``mmap=True``, which reads rows when
    they are used.

    Args:
        db_path: ``gameon.db`` or its folder, a session's folder, a trajectory file, or a folder of these.
        output_path: the file; one that is there is replaced when the new one is complete.
        game_name: only recordings of this game; None: all, aligned by their controls' names.
        downsample_factor: divides both sides of the pictures, which are averaged.
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
        StorageError: the file cannot be made there, or the disk has no room; nothing is left of it.
    """
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
    )
    return write_export(options, _open_writer, stored_bytes=_plain_bytes, note=_note, progress=progress)


def _open_writer(path: Path, plan: ExportPlan) -> PtWriter:
    about = {
        "controls": list(plan.controls),
        "metadata": _metadata(plan),
        "format": FORMAT,
        "version": VERSION,
    }
    return PtWriter(path, plan.columns, plan.total_rows, about)


def _metadata(plan: ExportPlan) -> list[dict[str, Any]]:
    """What is known of each episode: it lies before the tensors in the file, and so is needed first."""
    told: list[dict[str, Any]] = []
    row = 0
    for index, recording in enumerate(plan.recordings):
        for episode in episodes_of(recording, index, plan.alignment, plan.options, plan.letterbox):
            told.append(episode.metadata | {"first_row": row, "last_row": row + len(episode) - 1})
            row += len(episode)
    plain: list[dict[str, Any]] = [json.loads(to_json(metadata)) for metadata in told]
    return plain


def _plain_bytes(pictures: Pixels) -> int:
    return pictures.nbytes


def _note(plan: ExportPlan) -> tuple[str, ...]:
    size = plan.total_rows * sum(column.row_bytes for column in plan.columns)
    memory = psutil.virtual_memory().total
    if size < memory / 2:
        return ()
    return (
        f"it takes {human_bytes(size)}, and this machine has {human_bytes(memory)} of memory: open it with "
        "torch.load(path, weights_only=True, mmap=True), or make the pictures smaller (--size, --downsample)",
    )


command = ExportCommand(
    export_to_pytorch,
    what="one .pt file, which torch.load(weights_only=True) opens",
    example="dataset.pt",
)

if __name__ == "__main__":
    sys.exit(command.main())
