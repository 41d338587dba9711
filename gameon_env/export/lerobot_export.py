"""Export to a LeRobot dataset, version 3.0, which ``LeRobotDataset`` reads.

>>> export_to_lerobot("data/gameon.db", "doom_lerobot/", game_name="Doom", fps=30)
>>> dataset = LeRobotDataset("me/doom", root="doom_lerobot/")
>>> dataset[0]["observation.images.screen"], dataset[0]["action"]  # (3, H, W) in [0, 1], (A,)
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import get_args

from gameon_env.datasets.ray_cluster import RayCluster
from gameon_env.datasets.recording import AudioSource, Pixels
from gameon_env.errors import DatasetError, suggest
from gameon_env.export.command import ExportCommand
from gameon_env.export.episodes import episodes_of
from gameon_env.export.lerobot_file import LeRobotWriter
from gameon_env.export.lerobot_tables import PURPOSE
from gameon_env.export.lerobot_video import PixelFormat, encoded_bytes
from gameon_env.export.options import ExportOptions
from gameon_env.export.plan import ExportPlan, name_of
from gameon_env.export.step_rows import TRAINING_SIZE, picture_size
from gameon_env.export.summary import ExportSummary, ProgressCallback
from gameon_env.export.writing import write_export
from gameon_env.optional import require


def export_to_lerobot(
    db_path: str | Path = "data/gameon.db",
    output_path: str | Path = "dataset_lerobot/",
    game_name: str | None = None,
    downsample_factor: int | None = None,
    *,
    pixels: PixelFormat = "yuv444p",
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
    """Export recordings to a LeRobot dataset, in flat memory however long they are. LeRobot is not needed for it.

    Each stretch of a session without a gap is an episode. A row is an observation and the action that followed; the
    last observation of a stretch, after which nothing was done, is left out. The features:
    ``observation.images.screen (H, W, 3)``, a video (H.264, lossy); ``action (A,) float32``, keys 0 or 1 and axes as
    recorded, not clipped, with the controls as its names; ``next.reward float32``; ``next.done bool`` where the game
    ended, and ``next.truncated bool`` where the recording did; ``presses (A,) uint8`` in the step; and where there is
    sound ``observation.audio (128,) float32`` and ``audio_mask bool``: what was heard since the row before, zeros in
    the first.

    LeRobot's ``timestamp`` is counted, ``frame_index / fps``; when the picture was really taken is
    ``capture_time_ns int64``, since the stretch's first row. The task is ``Play <game>.``; ``meta/episodes`` has for
    each episode as the JSON text ``gameon`` all that is known of it, its seed too.

    Args:
        db_path: ``gameon.db`` or its folder, a session's folder, a trajectory file (or its URL), or a folder of these.
        output_path: the dataset's folder, new or empty.
        game_name: only recordings of this game; None: all, aligned by their controls' names.
        downsample_factor: divides both sides of the recorded pictures, which are averaged; 1: as recorded.
        pixels: ``"yuv444p"`` keeps all colours (38 dB of the built-in game at 96x96); ``"yuv420p"`` half their
            resolution (32 dB, of the same size), which browsers and graphics cards play too, for even sides.
        sessions: only these: ids, beginnings of ids, or names of folders.
        fps: steps a second, before ``frame_skip``: a whole number must come out; None: each recorded frame is a step,
            and LeRobot counts them at the rate of most, which all recordings must have.
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
        DatasetError: nothing to export, a wrong argument, recordings of one game with different controls, recordings
            of different rates, or a folder that is not empty.
        UnknownNameError: there is no such game or session; the message suggests the nearest.
        StorageError: the folder cannot be made there, or the disk has no room; nothing is left of it.
        MissingPartError: pyarrow (the extra ``lerobot``) or Ray is not installed.
    """
    for module in ("pyarrow", "pyarrow.parquet"):
        require(module, PURPOSE)
    if pixels not in get_args(PixelFormat):
        near = suggest(pixels, get_args(PixelFormat)) if isinstance(pixels, str) else ""
        raise DatasetError(f"pixels must be 'yuv444p' or 'yuv420p'; got {pixels!r}.{near}")
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
    rate = None if options.fps is None else _whole_rate(options.fps / options.frame_skip)
    writers: list[LeRobotWriter] = []

    def open_writer(path: Path, plan: ExportPlan) -> LeRobotWriter:
        writers.append(LeRobotWriter(path, plan, _rate_of(plan) if rate is None else rate, pixels))
        return writers[-1]

    def stored_bytes(pictures: Pixels) -> int:
        return encoded_bytes(pictures, pixels)

    summary = write_export(options, open_writer, stored_bytes=stored_bytes, folder=True, progress=progress)
    return replace(summary, notes=(*summary.notes, *_drift(writers[-1])))


def _whole_rate(rate: float) -> int:
    if rate < 1 or rate != int(rate):
        raise DatasetError(
            f"LeRobot counts a whole number of steps a second, 1 or more, and fps / frame_skip is {rate:g}: choose "
            "others (--fps, --frame-skip)"
        )
    return int(rate)


def _rate_of(plan: ExportPlan) -> int:
    """Steps a second of all recordings, to the whole number that LeRobot takes."""
    rates: dict[int, str] = {}
    for number, recording in enumerate(plan.recordings):
        episode = next(episodes_of(recording, number, plan.alignment, plan.options))
        rates.setdefault(round(episode.metadata["fps"]), name_of(recording))
    if len(rates) > 1 or 0 in rates:
        listed = ", ".join(f"{rate} ({name})" for rate, name in sorted(rates.items()))
        raise DatasetError(
            "LeRobot counts the same whole number of steps a second, 1 or more, in all episodes; recorded were "
            f"{listed}: choose one (--fps 30), or export them apart (--sessions)"
        )
    return next(iter(rates))


def _drift(writer: LeRobotWriter) -> tuple[str, ...]:
    """What to tell of the time that LeRobot counts, where it is more than two steps off."""
    if writer.drift_s * writer.fps <= 2:
        return ()
    return (
        f"LeRobot counts {writer.fps} even steps a second, and so is up to {writer.drift_s:.2f} s off the time of the "
        "recording, which is in capture_time_ns: --fps makes the steps even",
    )


def _add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--pixels",
        choices=get_args(PixelFormat),
        default="yuv444p",
        help="of the video: yuv444p keeps all colours (default); yuv420p half, and browsers play it too",
    )


command = ExportCommand(
    export_to_lerobot,
    what="a LeRobot dataset (v3.0), which LeRobotDataset reads",
    example="dataset_lerobot/",
    add_arguments=_add_arguments,
    arguments_of=lambda parsed: {"pixels": parsed.pixels},
    size=TRAINING_SIZE,
)

if __name__ == "__main__":
    sys.exit(command.main())
