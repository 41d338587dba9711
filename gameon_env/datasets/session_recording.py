"""A recorded session as a recording: its video by row, its events binned into steps, its sound by time."""

from __future__ import annotations

import hashlib
import itertools
import math
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt

from gameon_env.controls import Controls
from gameon_env.data_processing import step_table
from gameon_env.data_processing.audio_reader import AudioReader
from gameon_env.data_processing.step_table import InputState, bin_steps
from gameon_env.data_processing.step_times import Span, StepTimes, steps_at_rate, steps_of_frames
from gameon_env.data_processing.video_reader import VideoReader
from gameon_env.datasets.open_files import OpenFiles
from gameon_env.datasets.pictures import inner_size, place, resized
from gameon_env.datasets.recording import (
    AudioFeatures,
    AudioSource,
    Floats,
    Int64,
    Mask,
    Pixels,
    RecordedSteps,
    Recording,
)
from gameon_env.datasets.session_checks import MAX_NS, MAX_PIXELS, MAX_SIDE, MAX_VALUE, check_info, plainly, reading
from gameon_env.datasets.sound import STREAM_OF, session_sound
from gameon_env.errors import SessionError
from gameon_env.keys import CONTROLS
from gameon_env.recording.model import AUDIO_FILES
from gameon_env.recording.session import FrameTable, Session

BREAKS = ("all", "video", "input")
"""Streams whose gaps part a session: without pictures or input there is nothing to learn from."""

MAX_STEP_BYTES = 4 << 30
_OPEN_VIDEOS = 8
_videos: OpenFiles[VideoReader] = OpenFiles(_OPEN_VIDEOS)


class SessionRecording(Recording):
    """One session's folder.

    Raises:
        SessionError: no finished session, damaged, or without what learning needs; the message says what and why.
        VideoError: its video is missing or cannot be read.
    """

    def __init__(self, folder: str | Path) -> None:
        with reading(folder) as session:
            self.path = session.folder
            if session.status == "recording":
                raise SessionError(
                    f"{self.path}: this session is still being recorded"
                    if session.live
                    else f"{self.path}: this session was cut off. Bring back what can be: gameon recover {self.path}"
                )
            info, end = session.info, session.end
            check_info(info, self.path)
            self.id = self.group = info.id
            self.game = info.game
            self.mouse_scale_px, self.wheel_scale = float(info.mouse_scale_px), float(info.wheel_scale)
            self.fps = float(info.fps)
            self.duration_ns = session.duration_ns
            self.controls_declared = bool(info.controls)
            self.controls = info.controls or _seen(session)
            self._rows = _kept_frames(session)
            checksums = dict(end.checksums) if end is not None else {}
            self._sounds: tuple[AudioSource, ...] = tuple(
                name for name in ("system", "microphone") if session.audio(STREAM_OF[name]).is_file()
            )
        if not self.controls:
            raise SessionError(f"{self.path}: no input was recorded, so that there is nothing to learn from it")
        self.num_frames = len(self._rows)
        self._video = session.video
        self.size = self._check_video()
        media = [self._video, *(session.audio(STREAM_OF[name]) for name in self._sounds)]
        stats = [(path.stat().st_size, path.stat().st_mtime_ns, checksums.get(path.name)) for path in media]
        text = f"{self.id} {self.num_frames} {stats}"
        self.fingerprint = hashlib.sha256(text.encode()).hexdigest()[:32]

    def steps(self, *, fps: float | None = None, frame_skip: int = 1, latency_ms: float = 0.0) -> RecordedSteps:
        with reading(self.path) as session:
            info, frames, events = session.info, session.frames(), session.events()
            gaps = _breaks(session, frames)
        if len(events) and not (np.abs(events.value).max() < MAX_VALUE and np.abs(events.t_ns).max() <= MAX_NS):
            raise SessionError(f"{self.path}: an event has a time or a value that no device gives: it is damaged")
        controls = Controls(
            self.controls,
            mouse_scale_px=info.mouse_scale_px,
            wheel_scale=info.wheel_scale,
            window_size=info.picture_size,
        )
        times = self._step_times(_kept(frames), fps, frame_skip, gaps)
        latency_ns = round(latency_ms * 1e6)
        start = InputState(frozenset(info.held), dict(zip(("mouse:x", "mouse:y"), info.pointer, strict=True)))
        table = step_table.EventTable(events.t_ns, events.control, events.value, events.names)
        binned = bin_steps(times, table, controls, start=start, latency_ns=latency_ns)
        runs = _runs(times, latency_ns)
        return RecordedSteps(
            times.t_ns, times.frame, binned.inputs, binned.presses, None, runs, np.maximum(times.end_ns, times.t_ns)
        )

    def frames(self, rows: npt.ArrayLike, size: tuple[int, int] | None = None, letterbox: bool = False) -> Pixels:
        wanted = self._video_frames(rows)
        pictures = np.zeros((len(wanted), *(size or self.size), 3), np.uint8)
        reader = _videos.get((self._video, self.fingerprint), lambda: VideoReader(self._video))
        for picture, number in zip(pictures, wanted.tolist(), strict=True):
            self._read(reader, number, picture, letterbox)
        return pictures

    def stream(
        self, rows: npt.ArrayLike, size: tuple[int, int] | None = None, letterbox: bool = False, threads: int = 1
    ) -> Iterator[Pixels]:
        wanted = self._video_frames(rows)
        with VideoReader(self._video, threads=threads) as reader:
            for number in wanted.tolist():
                picture = np.zeros((*(size or self.size), 3), np.uint8)
                self._read(reader, number, picture, letterbox)
                yield picture

    def audio_sources(self) -> tuple[AudioSource, ...]:
        return self._sounds

    def audio(
        self,
        step_t_ns: npt.ArrayLike,
        step_end_ns: npt.ArrayLike,
        source: AudioSource = "system",
        features: AudioFeatures = "mel",
        rate_hz: float | None = None,
        interval_ns: float | None = None,
    ) -> tuple[Floats, Mask]:
        times, ends = np.asarray(step_t_ns, np.int64), np.asarray(step_end_ns, np.int64)
        if interval_ns is None:
            interval_ns = float(np.median(ends - times)) if len(times) else 1e9 / (self.fps or 30)
        with plainly(self.path):
            return session_sound(self.path, self._wanted(source), times, features, rate_hz, interval_ns)

    def check_audio(
        self, source: AudioSource, features: AudioFeatures, rate_hz: float | None, interval_ns: float
    ) -> None:
        for name in self._wanted(source):
            AudioReader(self.path / AUDIO_FILES[STREAM_OF[name]])

    def _wanted(self, source: AudioSource) -> tuple[AudioSource, ...]:
        return self._sounds if source == "both" else tuple(name for name in self._sounds if name == source)

    def _step_times(self, frames_ns: Int64, fps: float | None, frame_skip: int, gaps: list[Span]) -> StepTimes:
        rate = None if fps is None else fps / frame_skip
        count = len(frames_ns) if rate is None else self.duration_ns * rate / 1e9
        if count * (32 + 5 * len(self.controls)) > MAX_STEP_BYTES:
            raise SessionError(
                f"{self.path}: {count:.0f} steps of {len(self.controls)} controls would take more than "
                f"{MAX_STEP_BYTES >> 30} GiB: choose a lower fps, or record shorter sessions"
            )
        if rate is None:
            return steps_of_frames(frames_ns, end_ns=self.duration_ns, gaps=gaps, frame_skip=frame_skip)
        return steps_at_rate(frames_ns, rate, end_ns=self.duration_ns, gaps=gaps)

    def _video_frames(self, rows: npt.ArrayLike) -> Int64:
        wanted = np.asarray(rows, np.int64)
        if wanted.ndim != 1 or (len(wanted) and not 0 <= wanted.min() <= wanted.max() < self.num_frames):
            raise IndexError(f"{self.path} has frames 0 to {self.num_frames - 1}; asked for {wanted}")
        return self._rows[wanted]

    def _read(self, reader: VideoReader, number: int, target: Pixels, letterbox: bool) -> None:
        size = target.shape[0], target.shape[1]
        # Not by the decoder's scaler, which is up to 100 levels off an average over the area (measured): what the live
        # loop shows is such an average.
        place(resized(reader.frame(number), inner_size(self.size, size, letterbox)), target)

    def _check_video(self) -> tuple[int, int]:
        """The size of the pictures; that all that the database names is there."""
        with plainly(self.path), VideoReader(self._video) as reader:
            if len(self._rows) and int(self._rows.max()) >= len(reader):
                raise SessionError(
                    f"{self.path}: the video holds {len(reader)} frames, the database names frame "
                    f"{int(self._rows.max())}: it was cut. Bring back what can be: gameon recover {self.path}"
                )
            if not all(0 < side <= MAX_SIDE for side in reader.size) or math.prod(reader.size) > MAX_PIXELS:
                raise SessionError(
                    f"{self.path}: its video claims pictures of {reader.size}: it is damaged, or not ours"
                )
            return reader.size


def _seen(session: Session) -> tuple[str, ...]:
    events = session.events()
    names = {events.names[i] for i in np.unique(events.control).tolist()} | set(session.info.held)
    return tuple(sorted(names & CONTROLS))


def _kept(frames: FrameTable) -> Int64:
    return frames.t_ns[_first_of_each_time(frames)]


def _kept_frames(session: Session) -> Int64:
    """``(F,) int64``: the number in the video of each row, checked."""
    frames, folder = session.frames(), session.folder
    kept = _first_of_each_time(frames)
    times, numbers = frames.t_ns[kept], frames.video_frame[kept]
    duration = session.duration_ns
    if not len(kept):
        raise SessionError(f"{folder}: no frame was recorded")
    if not 0 < duration <= MAX_NS or times[0] < 0 or times[-1] > MAX_NS:
        raise SessionError(
            f"{folder}: its times run from {times[0]} to {times[-1]} ns of {duration}: it is damaged, or not ours"
        )
    return numbers


def _first_of_each_time(frames: FrameTable) -> Int64:
    """Rows of frames that the video holds; of two at one time the first."""
    kept = np.flatnonzero(frames.video_frame >= 0)
    times = frames.t_ns[kept]
    first: Int64 = kept[np.append(True, times[1:] > times[:-1])[: len(kept)]]
    return first


def _breaks(session: Session, frames: FrameTable) -> list[Span]:
    """Spans that part the session: gaps, and frames that are not there for another reason than a busy encoder."""
    spans: list[Span] = []
    for gap in session.gaps():
        if gap.stream in BREAKS:
            start, end = int(gap.start_ns), None if gap.end_ns is None else int(gap.end_ns)
            if abs(start) > MAX_NS or (end is not None and not start <= end <= MAX_NS):
                raise SessionError(f"{session.folder}: a gap is said to last from {start} to {end} ns")
            spans.append((start, end))
    gone = np.array([reason not in (None, "dropped") for reason in frames.reason], bool)
    following = np.append(frames.t_ns[1:], session.duration_ns)[: len(frames)]
    spans += [(int(frames.t_ns[i]), int(max(following[i], frames.t_ns[i]))) for i in np.flatnonzero(gone)]
    return spans


def _runs(times: StepTimes, latency_ns: int) -> Int64:
    """Runs without a gap; at their ends only steps whose whole action lies within."""
    starts = np.flatnonzero(np.append(True, times.is_gap_before[1:])[: len(times)])
    runs = []
    for first, stop in itertools.pairwise([*starts.tolist(), len(times)]):
        begin, end = times.t_ns[first], times.end_ns[stop - 1]
        if latency_ns > 0:
            stop = first + int(np.searchsorted(times.end_ns[first:stop] + latency_ns, end, side="right"))
        elif latency_ns < 0:
            first += int(np.searchsorted(times.t_ns[first:stop] + latency_ns, begin, side="left"))
        if stop > first:
            runs.append((first, stop))
    return np.array(runs, np.int64).reshape(-1, 2)
