"""What can be said of a session whose database is lost: by its folder's name, its video, and the catalogue."""

from __future__ import annotations

import re
import uuid
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import av
import numpy as np

from gameon_env.data_processing.video_reader import VideoReader
from gameon_env.recording.catalogue_rows import SessionEntry, iso_utc
from gameon_env.recording.media_recovery import Media
from gameon_env.recording.model import VIDEO_FILE, SessionInfo

_NAME = re.compile(r"(?P<game>.+)_(?P<when>\d{8}_\d{6})(_\d+)?")


def guess_info(folder: Path, media: Media, entry: SessionEntry | None) -> SessionInfo:
    """The beginning of a session as far as it can be known; ``details`` say that it was guessed.

    Args:
        folder: the session's.
        media: its video and sound.
        entry: what the catalogue knows of it.
    """
    named = _NAME.fullmatch(folder.name)
    when = datetime.strptime(named["when"], "%Y%m%d_%H%M%S") if named else datetime.fromtimestamp(_oldest_s(folder))
    size, codec = _video(folder / VIDEO_FILE) if len(media.times_ns) else ((0, 0), "h264")
    info = SessionInfo(
        id=uuid.uuid4().hex,
        game=named["game"] if named else folder.name,
        started_at=iso_utc(when),
        start_ns=0,
        controls=(),
        mouse_scale_px=1.0,
        wheel_scale=1.0,
        fps=_rate(media),
        picture_size=size,
        picture_origin=(0, 0),
        codec=codec,
        details={"guessed": "the database was lost: all that is said here is by the folder's name and the video"},
    )
    if entry is not None:
        info = replace(info, id=entry.id, game=entry.game, started_at=entry.started_at, who=entry.who)
    return info


def _oldest_s(folder: Path) -> float:
    return min(path.stat().st_mtime for path in folder.iterdir())


def _video(path: Path) -> tuple[tuple[int, int], str]:
    with VideoReader(path) as reader:
        size = reader.size
    with av.open(str(path)) as container:
        return size, container.streams.video[0].codec_context.codec.canonical_name


def _rate(media: Media) -> float:
    steps = np.diff(media.times_ns)
    return float(round(1e9 / max(float(np.median(steps)), 1e6))) if len(steps) else 30.0
