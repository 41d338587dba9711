"""Looking at pictures of a recording, some of them: bright, moving, and as a contact sheet."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import av
import cv2
import numpy as np
import numpy.typing as npt

from gameon_env.datasets.recording import Int64, Pixels, Recording
from gameon_env.datasets.report.evidence import Pictures, Still
from gameon_env.datasets.report.spans import Floats
from gameon_env.errors import StorageError

STILL_WIDTH = 240
_LOOK_SIZE = (45, 80)
"""Of the grey picture that is compared, (height, width): a mark of 10 pixels in 720p is still 16 levels in one cell."""

MOVED_LEVELS = 5
"""A cell that changes by more than this moved: encoding a standing picture again changes none by more than 3."""

_FEWEST_KEYFRAMES = 60
"""Fewer than these say too little, and the whole of so short a video is decoded fast."""


def sample_pictures(
    recording: Recording,
    frame_s: Floats,
    most: int,
    stills: int,
    held_at: Callable[[int], tuple[str, ...]],
    pointer_at: Callable[[int], tuple[float, float] | None],
    keyframe_s: Floats | None = None,
) -> Pictures:
    """Look at ``most`` pictures or fewer, and make a contact sheet of ``stills`` of them.

    Args:
        recording: where they come from.
        frame_s: ``(F,)`` times of all its pictures, row by row.
        keyframe_s: times of pictures that need no other one to be decoded; None: all are like that.
        held_at, pointer_at: row -> what :class:`~gameon_env.datasets.report.evidence.Still` says of it.

    Raises:
        VideoError, TrajectoryError: they cannot be read.
    """
    rows = _chosen(frame_s, keyframe_s, most)
    shown = set(rows[np.unique(np.linspace(0, len(rows) - 1, min(stills, len(rows))).round().astype(int))].tolist())
    height, width = recording.size
    scale = STILL_WIDTH / width
    size = max(1, round(height * scale)), STILL_WIDTH
    brightness, contrast, change, moved = (np.zeros(len(rows)) for _ in range(4))
    sheet: list[Still] = []
    before: npt.NDArray[np.int16] | None = None
    for i, picture in enumerate(recording.stream(rows, size)):
        grey = cv2.resize(cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY), _LOOK_SIZE[::-1], interpolation=cv2.INTER_AREA)
        look = np.asarray(grey, np.int16)
        brightness[i], contrast[i] = look.mean(), look.std()
        if before is not None:
            apart = np.abs(look - before)
            change[i], moved[i] = apart.mean(), apart.max() > MOVED_LEVELS
        before = look
        row = int(rows[i])
        if row in shown:
            sheet.append(Still(float(frame_s[row]), _jpeg(picture), size, held_at(row), pointer_at(row)))
    return Pictures(frame_s[rows], brightness, contrast, change, moved > 0, tuple(sheet), len(frame_s))


def keyframe_times(video: Path) -> Floats:
    """``(K,)`` seconds in the video, by its index; empty where it has none."""
    try:
        with av.open(str(video), metadata_errors="replace") as container:
            stream = container.streams.video[0]
            stamps = [entry.timestamp for entry in stream.index_entries if entry.is_keyframe]
            return np.array(stamps, np.float64) * float(stream.time_base or 0)
    except (av.FFmpegError, OSError, IndexError):
        return np.zeros(0)  # what is wrong with it is told by whoever reads its pictures


def _chosen(frame_s: Floats, keyframe_s: Floats | None, most: int) -> Int64:
    """Rows spread evenly, key frames where there are enough of them: decoding all that lies between takes its time."""
    if keyframe_s is not None:
        rows = np.searchsorted(frame_s, keyframe_s - 1e-5)
        rows = rows[rows < len(frame_s)]
        rows = np.unique(rows[np.abs(frame_s[rows] - keyframe_s[: len(rows)]) < 1e-4])
        if len(rows) >= min(_FEWEST_KEYFRAMES, most):
            if len(rows) <= most:
                return rows
            wanted = np.linspace(frame_s[rows[0]], frame_s[rows[-1]], most)
            return np.unique(rows[np.clip(np.searchsorted(frame_s[rows], wanted - 1e-6), 0, len(rows) - 1)])
    return np.unique(np.linspace(0, len(frame_s) - 1, min(len(frame_s), most)).round().astype(np.int64))


def _jpeg(picture: Pixels) -> bytes:
    done, data = cv2.imencode(".jpg", cv2.cvtColor(picture, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, 72])
    if not done:
        raise StorageError("a picture of the contact sheet cannot be encoded as JPEG by OpenCV")
    return bytes(data)
