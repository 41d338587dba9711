"""What a report looks at in a session."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

import numpy as np

from gameon_env.data_processing.audio_clock import AudioClock
from gameon_env.data_processing.video_reader import VideoReader
from gameon_env.data_processing.wav_file import wav_layout
from gameon_env.datasets.recordings import SessionRecording
from gameon_env.datasets.report.evidence import Evidence, Gap, Pictures, Sound, SoundClock
from gameon_env.datasets.report.picture_samples import keyframe_times, sample_pictures
from gameon_env.datasets.report.sound_samples import MOST_POINTS, sample_sound, sound_clock
from gameon_env.datasets.report.spans import Floats, as_spans
from gameon_env.datasets.report.step_figures import StepFigures, held_names, step_figures
from gameon_env.datasets.sound import STREAM_OF
from gameon_env.errors import GameOnError, SessionError
from gameon_env.keys import BUTTONS
from gameon_env.recording.model import VIDEO_FILE, SessionEnd, SessionInfo
from gameon_env.recording.session import EventTable, FrameTable, Session


def examine_session(recording: SessionRecording, most_pictures: int, stills: int) -> Evidence:
    """Look at a session: all of its events and times, and some of its pictures and sound.

    Raises:
        SessionError: its database cannot be read. What is wrong with video or sound is told in ``faults``.
    """
    faults: list[str] = []
    try:
        with Session(recording.path) as session:
            info, end, status = session.info, session.end, session.status
            frames, events = session.frames(), session.events()
            duration_s = session.duration_ns / 1e9
            gaps = tuple(
                Gap(gap.start_ns / 1e9, duration_s if gap.end_ns is None else gap.end_ns / 1e9, gap.stream, gap.reason)
                for gap in session.gaps()
            )
            size_bytes = session.size_bytes
            sounds, clocks = _sounds(session, recording, faults)
    except GameOnError:
        raise
    except (ValueError, TypeError, OverflowError) as error:  # values of the wrong kind, in a database from anyone
        raise SessionError(
            f"{recording.path}: the session's database holds what none of ours does ({error})"
        ) from error
    frame_s = _kept(frames) / 1e9
    held = _held(info, events, duration_s)
    names = tuple(dict.fromkeys([*(name for name in recording.controls if name in BUTTONS), *held]))
    none = as_spans([])
    held = {name: held.get(name, none) for name in names}
    figures = _figures(recording, faults)
    pictures = _pictures(recording, frame_s, held, figures, most_pictures, stills, faults)
    return Evidence(
        id=recording.id,
        name=recording.path.name,
        game=recording.game,
        kind="session",
        where=str(recording.path),
        started_at=info.started_at,
        who=(end.who if end is not None and end.who else info.who),
        status=status,
        reason=end.reason if end is not None else "",
        missing=end.missing if end is not None else (),
        size_bytes=size_bytes,
        duration_s=duration_s,
        picture_size=recording.size,
        fps=recording.fps,
        frame_s=frame_s,
        dropped_s=frames.t_ns[[reason == "dropped" for reason in frames.reason]] / 1e9,
        num_events=len(events),
        event_s=events.t_ns / 1e9,
        gaps=gaps,
        controls=recording.controls,
        declared=recording.controls_declared,
        held=held,
        presses={name: _presses(name, held[name], info) for name in held},
        motion=figures.motion,
        motion_unit="counts",
        pointer=figures.pointer,
        step_s=figures.t_s,
        run_s=figures.run_s,
        pictures=pictures,
        sounds=sounds,
        clocks=clocks,
        video_apart_ms=_video_apart(recording, frames, faults),
        calibration=_calibration(info.details),
        wall_clock_step_s=_wall_clock_step(info, end, status),
        faults=tuple(faults),
    )


def _kept(frames: FrameTable) -> Floats:
    times = frames.t_ns[frames.video_frame >= 0].astype(np.float64)
    rising: Floats = times[np.append(True, times[1:] > times[:-1])[: len(times)]]
    return rising


def _held(info: SessionInfo, events: EventTable, duration_s: float) -> dict[str, Floats]:
    """For each button that was used or held at the start: the spans in which it was down."""
    found = {}
    used = {events.names[i] for i in np.unique(events.control).tolist()} | set(info.held)
    for name in sorted(used & BUTTONS):
        mine = events.control == events.names.index(name) if name in events.names else np.zeros(len(events), bool)
        t_s, down = events.t_ns[mine] / 1e9, events.value[mine] >= 0.5
        at_start = name in info.held
        changed = down != np.append(at_start, down[:-1])[: len(down)]
        starts, ends = t_s[changed & down], t_s[changed & ~down]
        starts = np.append(0.0, starts) if at_start else starts
        ends = np.append(ends, max(duration_s, float(starts[-1]))) if len(starts) > len(ends) else ends
        found[name] = np.stack([starts, ends], axis=1)
    return found


def _presses(name: str, spans: Floats, info: SessionInfo) -> int:
    """What was held at the start was pressed before it."""
    return max(0, len(spans) - (name in info.held))


def _figures(recording: SessionRecording, faults: list[str]) -> StepFigures:
    try:
        return step_figures(recording, recording.fps)
    except GameOnError as error:
        faults.append(f"no steps can be made of it: {error}")
        return StepFigures.none()


def _pictures(
    recording: SessionRecording,
    frame_s: Floats,
    held: dict[str, Floats],
    figures: StepFigures,
    most: int,
    stills: int,
    faults: list[str],
) -> Pictures | None:
    step_s = 1.0 / (recording.fps or 30.0)
    try:
        return sample_pictures(
            recording,
            frame_s,
            most,
            stills,
            lambda row: held_names(held, float(frame_s[row]), float(frame_s[row]) + step_s),
            lambda row: figures.pointer_at(float(frame_s[row])),
            keyframe_times(recording.path / VIDEO_FILE),
        )
    except GameOnError as error:
        faults.append(f"its pictures cannot be read: {error}")
        return None


def _sounds(
    session: Session, recording: SessionRecording, faults: list[str]
) -> tuple[tuple[Sound, ...], tuple[SoundClock, ...]]:
    sounds, clocks = [], []
    for source in recording.audio_sources():
        stream = STREAM_OF[source]
        path = session.audio(stream)
        try:
            layout = wav_layout(path)
            samples, t_ns = session.audio_clock(stream)
            clock = AudioClock.fit(samples, t_ns, layout.rate_hz, layout.frames) if len(samples) else None
            sounds.append(sample_sound(source, path, clock))
            if clock is not None:
                clocks.append(sound_clock(source, samples, t_ns, layout.rate_hz, clock))
        except GameOnError as error:
            faults.append(f"its {source} sound cannot be read: {error}")
    return tuple(sounds), tuple(clocks)


def _video_apart(recording: SessionRecording, frames: FrameTable, faults: list[str]) -> tuple[Floats, Floats] | None:
    """How far the video's own times lie from the database's; of some pictures spread evenly, and the worst one."""
    kept = frames.video_frame >= 0
    times, numbers = frames.t_ns[kept], frames.video_frame[kept]
    try:
        with VideoReader(recording.path / VIDEO_FILE) as video:
            shown = video.times_ns
    except GameOnError as error:
        faults.append(f"its video cannot be read: {error}")
        return None
    inside = numbers < len(shown)
    times, apart = times[inside], (shown[numbers[inside]] - times[inside]) / 1e6
    if not len(times):
        return None
    some = np.linspace(0, len(times) - 1, min(len(times), MOST_POINTS)).astype(np.int64)
    chosen = np.unique(np.append(some, np.argmax(np.abs(apart))))
    return times[chosen] / 1e9, apart[chosen]


def _calibration(details: Mapping[str, object]) -> dict[str, tuple[float, float]]:
    """What was measured of the recorder's own error on that machine, as the session keeps it."""
    stated = details.get("calibration")
    found = {}
    for name, figure in stated.items() if isinstance(stated, Mapping) else ():
        if str(name).endswith("_error") and isinstance(figure, Mapping):
            median, p99 = figure.get("median_ms"), figure.get("p99_ms")
            if isinstance(median, int | float) and isinstance(p99, int | float):
                found[str(name).removesuffix("_error").replace("_", " ")] = (float(median), float(p99))
    return found


def _wall_clock_step(info: SessionInfo, end: SessionEnd | None, status: str) -> float | None:
    """Only of a recording that its recorder ended: another one's end was found out later."""
    if end is None or status != "completed":
        return None
    try:
        span = datetime.fromisoformat(end.ended_at) - datetime.fromisoformat(info.started_at)
    except (ValueError, TypeError):
        return None
    return span.total_seconds() - end.duration_ns / 1e9
