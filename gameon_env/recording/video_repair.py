"""Making a video playable whose recorder was killed, or whose end was lost. The original is never changed."""

from __future__ import annotations

import shutil
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from gameon_env.data_processing.video_boxes import boxes
from gameon_env.data_processing.video_fragments import Fragments, find_fragments
from gameon_env.data_processing.video_reader import VideoReader
from gameon_env.errors import StorageError, VideoError
from gameon_env.recording.video_file import finish


@dataclass(frozen=True, slots=True)
class RepairReport:
    """What became of one video file.

    Attributes:
        source: the file that was looked at.
        target: the finished file that was made beside it; None where the source is fine as it is.
        frames: how many frames are in the one to use.
        times_ns: ``(frames,) int64`` their times.
        whole: whether no part of a frame was left over: nothing that had been written is missing.
        message: what was found, for people.
    """

    source: Path
    target: Path | None
    frames: int
    times_ns: np.ndarray = field(repr=False, compare=False)
    whole: bool
    message: str


def repair(path: str | Path) -> RepairReport:
    """Make a finished video out of one that was not finished: ``video.recovered.mp4`` beside ``video.mp4``.

    No frame is encoded again. Done twice it makes the same file again. Nobody may be writing the video meanwhile.

    Raises:
        VideoError: it is no video, or not one whole frame is left of it.
        StorageError: the new file cannot be written.
    """
    path = Path(path)
    found = find_fragments(path) if path.is_file() else None
    if found is None or found.finished:
        with VideoReader(path) as reader:
            return RepairReport(path, None, len(reader), reader.times_ns, True, "the video is whole")
    count = len(found.samples)
    if not count:
        raise VideoError(f"{path} holds no whole frame: the recorder ended before the first was written")
    target = path.with_name(f"{path.stem}.recovered{path.suffix}")
    _copy_finished(path, target, found)
    message = f"the video was not finished; all {count} frames that were written are there"
    if found.torn:
        message = f"the video was cut short in frame {count}; the {count} frames before it are there"
    return RepairReport(path, target, count, found.samples.times_us * 1000, not found.torn, message)


def _copy_finished(path: Path, target: Path, found: Fragments) -> None:
    part = target.with_name(f".{target.name}.part")
    try:
        shutil.copyfile(path, part)
        with part.open("r+b", buffering=0) as file:
            file.truncate(found.end)
            finish(file.fileno(), found.room_at, found.end, dict(boxes(found.head))[b"moov"], found.samples)
        part.replace(target)
    except OSError as error:
        part.unlink(missing_ok=True)
        raise StorageError(
            f"{target} could not be written: {error.strerror or error}. Free some space there and run it again."
        ) from error
