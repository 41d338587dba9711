"""Whether a session is whole: its files, counts, times and checksums agree with each other."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from gameon_env.data_processing.video_reader import VideoReader
from gameon_env.data_processing.wav_file import wav_layout
from gameon_env.errors import AudioError, GameOnError, VideoError
from gameon_env.recording.model import AUDIO_FILES, VIDEO_FILE, SessionEnd, Stream
from gameon_env.recording.session import FrameTable, Session

VIDEO_TIME_NS = 1_000
"""A video's times are microseconds."""

AUDIO_TAIL_S = 1.0
"""The last block that the audio clock knows of is shorter than that."""


@dataclass(frozen=True, slots=True)
class Problem:
    """What is wrong with a session, and what to do about it."""

    what: str
    remedy: str


RECOVER = "Bring back what can be: gameon recover FOLDER"
CUT = "Use a copy of it if you have one; else complete it without what is gone: gameon recover FOLDER"
DAMAGED = "Use a copy of it if you have one; else export it knowing that, or delete it: gameon sessions delete ID"


def verify(folder: str | Path, *, checksums: bool = True) -> list[Problem]:
    """All that is wrong with the session in ``folder``; an empty list for a sound one.

    Reads every byte of it, for the checksums; without them only what must agree with each other.
    """
    try:
        with Session(folder) as session:
            return list(_problems(session, checksums))
    except GameOnError as error:
        return [Problem(str(error), RECOVER)]


def media_checksums(folder: Path) -> dict[str, str]:
    """File name -> SHA-256 in hex, of the video and the sound that there are."""
    sums = {}
    for name in (VIDEO_FILE, *AUDIO_FILES.values()):
        if (folder / name).is_file():
            with (folder / name).open("rb") as file:
                sums[name] = hashlib.file_digest(file, "sha256").hexdigest()
    return sums


def _problems(session: Session, checksums: bool) -> Iterator[Problem]:
    for text in session.problems():
        yield Problem(f"the database is damaged: {text}", RECOVER)
    end = session.end
    if session.live:
        yield Problem("it is being recorded", "Stop its recorder, and verify it then.")
        return
    if session.status == "recording" or end is None:
        yield Problem("its recorder ended without finishing it", RECOVER)
        return
    if checksums:
        yield from _checksums(session.folder, end)
    yield from _frames(session.frames(), end.duration_ns)
    yield from _video(session)
    yield from _events(session, end.duration_ns)
    yield from _gaps(session, end.duration_ns)
    for stream in AUDIO_FILES:
        yield from _audio(session, stream, end.duration_ns)


def _checksums(folder: Path, end: SessionEnd) -> Iterator[Problem]:
    found = media_checksums(folder)
    for name, checksum in end.checksums.items():
        if name not in found:
            yield Problem(f"{name} is not there", DAMAGED)
        elif found[name] != checksum:
            yield Problem(f"{name} is not what was recorded: its checksum is another", DAMAGED)
    for name in found.keys() - end.checksums.keys():
        yield Problem(f"{name} came into the folder after the recording: it has no checksum", "Move it elsewhere.")


def _frames(frames: FrameTable, duration_ns: int) -> Iterator[Problem]:
    yield from _outside("frames", frames.t_ns, duration_ns)
    backwards = int((np.diff(frames.t_ns) <= 0).sum())
    if backwards:
        yield Problem(f"{backwards} frames have the time of another frame", DAMAGED)
    kept = frames.video_frame[frames.video_frame >= 0]
    if not np.array_equal(kept, np.arange(len(kept))):
        yield Problem("the frames' numbers in the video are not 0, 1, 2 ... in the order of their times", DAMAGED)
    silent = sum(frames.video_frame[i] < 0 and not reason for i, reason in enumerate(frames.reason))
    if silent:
        yield Problem(f"{silent} frames are not in the video, and no reason is given", DAMAGED)


def _video(session: Session) -> Iterator[Problem]:
    frames = session.frames()
    stored = frames.t_ns[frames.video_frame >= 0]
    if not session.video.is_file():
        if len(stored):
            yield Problem(f"{VIDEO_FILE} is not there, and {len(stored)} frames should be in it", CUT)
        return
    try:
        shown = _video_times(session.video)
    except VideoError as error:
        if len(stored):
            yield Problem(f"{VIDEO_FILE} cannot be read: {error}", CUT)
        return  # a video of no frame is no video to a reader
    if len(shown) != len(stored):
        yield Problem(f"{VIDEO_FILE} holds {len(shown)} frames, the database {len(stored)}", CUT)
        return
    apart = np.abs(shown - stored)
    if len(apart) and apart.max() > VIDEO_TIME_NS:
        count, worst = int((apart > VIDEO_TIME_NS).sum()), apart.max() / 1e6
        yield Problem(f"{count} frames have another time in the video, up to {worst:.3f} ms apart", DAMAGED)


def _video_times(path: Path) -> npt.NDArray[np.int64]:
    video = VideoReader(path)
    try:
        return video.times_ns
    finally:
        video.close()


def _events(session: Session, duration_ns: int) -> Iterator[Problem]:
    events = session.events()
    yield from _outside("input events", events.t_ns, duration_ns)
    strange = int((~np.isfinite(events.value)).sum())
    if strange:
        yield Problem(f"{strange} input events have no finite value", DAMAGED)


def _gaps(session: Session, duration_ns: int) -> Iterator[Problem]:
    for gap in session.gaps():
        end_ns = duration_ns if gap.end_ns is None else gap.end_ns
        if not 0 <= gap.start_ns <= end_ns <= duration_ns:
            times = f"{gap.start_ns / 1e9:.3f} s to {end_ns / 1e9:.3f} s"
            yield Problem(f"the gap of {gap.stream} ({gap.reason}) from {times} is no span of the session", DAMAGED)


def _audio(session: Session, stream: Stream, duration_ns: int) -> Iterator[Problem]:
    path = session.audio(stream)
    samples, t_ns = session.audio_clock(stream)
    if not path.is_file():
        if len(samples):
            yield Problem(f"{path.name} is not there, and there are times of {len(samples)} blocks of it", CUT)
        return
    try:
        layout = wav_layout(path)
    except AudioError as error:
        yield Problem(f"{path.name} cannot be read: {error}", DAMAGED)
        return
    if layout.declared_bytes > layout.present_bytes:
        yield Problem(f"{path.name} is cut short: its header promises more than there is", RECOVER)
    yield from _outside(f"blocks of {path.name}", t_ns, duration_ns)
    steps = np.diff(samples)  # 0 at a break: one piece ends and the next begins with the same sample
    if (steps < 0).any() or (np.diff(t_ns)[steps > 0] <= 0).any():
        yield Problem(f"the times of {path.name} run backwards", DAMAGED)
    if not len(samples):
        if layout.frames:
            yield Problem(f"{path.name} has no times: nobody knows when its samples were heard", DAMAGED)
        return
    last = int(samples[-1])
    too_long = len(samples) > 1 and layout.frames > last + AUDIO_TAIL_S * layout.rate_hz
    if layout.frames < last or too_long:
        yield Problem(
            f"{path.name} holds {layout.frames} samples, and the last block with a time begins at {last}", DAMAGED
        )


def _outside(what: str, t_ns: npt.NDArray[np.int64], duration_ns: int) -> Iterator[Problem]:
    count = int(((t_ns < 0) | (t_ns > duration_ns)).sum())
    if count:
        yield Problem(f"{count} {what} lie outside the session, which lasts {duration_ns / 1e9:.3f} s", DAMAGED)
