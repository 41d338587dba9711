"""Sessions for benches of data loading: Doom, really recorded while somebody plays it, and the same at another size."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
from _recording_runs import Game, record_by_gameon

from gameon_env.data_processing.video_reader import VideoReader
from gameon_env.games.profile import load_profile
from gameon_env.recording.model import FrameRow, SessionEnd
from gameon_env.recording.session import Session
from gameon_env.recording.session_writer import SessionWriter
from gameon_env.recording.verification import media_checksums
from gameon_env.recording.video import VideoWriter


def record_doom(folder: Path, seconds: float) -> Path:
    """A session of Doom, played by random keys. Returns its folder."""
    profile = load_profile("doom")
    launch = profile.launch
    assert launch is not None
    launch.check_installed(profile.path.parent)
    folder.mkdir(parents=True, exist_ok=True)
    keys = tuple(name for name in profile.controls.names if name.startswith("key:"))
    command = launch.fill(seed=0, folder=folder)
    game = Game("doom", command, launch.screen_size, 35, dict(launch.env), folder / "unused", keys)
    return record_by_gameon(game, folder, seconds).result.parent


def remake(source: Path, target: Path, size: tuple[int, int], fps: int, seconds: float) -> Path:
    """The session ``source`` once more in ``target``: its pictures scaled to ``size`` ``(height, width)`` and taken
    ``fps`` times a second, its input as it was; begun again from its start when it is shorter than ``seconds``."""
    with Session(source) as session:
        info, events, length_ns = session.info, list(session.input_events()), session.duration_ns
    info = replace(info, id=f"{info.id[:8]}-{target.name}", fps=float(fps), picture_size=size)
    writer = SessionWriter.create(target, info)
    frames = 0
    with VideoWriter(target / "video.mp4", size) as video:
        for t_ns, picture in _pictures(source, size, fps, seconds):
            video.write(picture, t_ns)
            writer.add_frames([FrameRow(t_ns, frames)])
            frames += 1
    for turn in range(-(-round(seconds * 1e9) // length_ns)):
        shifted = [replace(event, t_ns=info.start_ns + event.t_ns + turn * length_ns) for event in events]
        writer.add_events([event for event in shifted if event.t_ns < info.start_ns + seconds * 1e9])
    writer.finish(
        SessionEnd(
            ended_at=info.started_at,
            duration_ns=round(frames / fps * 1e9),
            reason="stopped",
            checksums=media_checksums(target),
        )
    )
    writer.close()
    return target


def _pictures(source: Path, size: tuple[int, int], fps: int, seconds: float) -> Iterator[tuple[int, np.ndarray]]:
    with VideoReader(source / "video.mp4") as reader:
        times = reader.times_ns
        length = int(times[-1])
        for tick in range(round(seconds * fps)):
            t_ns = round(tick * 1e9 / fps)
            row = max(0, int(np.searchsorted(times, t_ns % length, side="right")) - 1)
            rgb = cv2.resize(reader.frame(row), size[::-1], interpolation=cv2.INTER_AREA)
            yield t_ns, cv2.cvtColor(rgb, cv2.COLOR_RGB2BGRA)
