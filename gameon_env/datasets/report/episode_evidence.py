"""What a report looks at in an episode of a trajectory file."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from gameon_env.datasets.recordings import EpisodeRecording
from gameon_env.datasets.report.evidence import Evidence, Pictures, Sound
from gameon_env.datasets.report.picture_samples import sample_pictures
from gameon_env.datasets.report.sound_samples import MOST_WINDOWS, row_levels
from gameon_env.datasets.report.spans import Floats, true_stretches
from gameon_env.datasets.report.step_figures import StepFigures, figures_of, held_names
from gameon_env.errors import GameOnError
from gameon_env.keys import BUTTONS

MEL_BINS = 128


def examine_episode(recording: EpisodeRecording, most_pictures: int, stills: int) -> Evidence:
    """Look at an episode: all of its vectors and rewards, and some of its pictures and sound.

    Raises:
        TrajectoryError: it cannot be read.
    """
    steps = recording.steps()
    figures = figures_of(recording, steps)
    metadata = recording.episode.metadata
    edges = np.append(steps.t_ns, steps.end_ns[-1:]) / 1e9
    held, presses = {}, {}
    for i, name in enumerate(recording.controls):
        if name in BUTTONS:
            held[name] = edges[true_stretches(steps.inputs[:, i] >= 0.5)]
            presses[name] = max(int(steps.presses[:, i].astype(np.int64).sum()), len(held[name]))
    frame_s = recording.episode.timestamps / 1e9
    faults: list[str] = []
    return Evidence(
        id=recording.id,
        name=recording.id,
        game=recording.game,
        kind="episode",
        where=str(recording.path),
        started_at=_text(metadata.get("start_time")),
        who=_who(metadata.get("played_by")),
        status="terminated" if bool(recording.episode.is_terminal[-1]) else "truncated",
        reason=_text(metadata.get("end_reason")),
        duration_s=recording.duration_ns / 1e9,
        picture_size=recording.size,
        fps=recording.fps,
        frame_s=frame_s,
        event_s=_input_times(steps.inputs, steps.t_ns / 1e9),
        controls=recording.controls,
        held=held,
        presses=presses,
        motion=figures.motion,
        motion_unit="counts" if recording.mouse_scale_px else "of the action's range",
        pointer=figures.pointer,
        step_s=figures.t_s,
        run_s=figures.run_s,
        rewards=None if steps.rewards is None else steps.rewards.astype(np.float64),
        pictures=_pictures(recording, frame_s, held, figures, most_pictures, stills, faults),
        sounds=_sounds(recording, frame_s),
        faults=tuple(faults),
    )


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


def _who(value: object) -> str:
    names = [name for name in value if isinstance(name, str)] if isinstance(value, list) else [_text(value)]
    return ", ".join(name for name in names if name) or "unknown"


def _input_times(inputs: npt.NDArray[np.float32], t_s: Floats) -> Floats:
    """Steps whose vector is another than the one before."""
    changed = np.any(np.diff(inputs, axis=0, prepend=np.zeros((1, inputs.shape[1]), inputs.dtype)) != 0, axis=1)
    return t_s[changed]


def _pictures(
    recording: EpisodeRecording,
    frame_s: Floats,
    held: dict[str, Floats],
    figures: StepFigures,
    most: int,
    stills: int,
    faults: list[str],
) -> Pictures | None:
    try:
        return sample_pictures(
            recording,
            frame_s,
            most,
            stills,
            lambda row: held_names(held, float(frame_s[row]) + 1e-9, float(frame_s[min(row + 1, len(frame_s) - 1)])),
            lambda row: figures.pointer_at(float(frame_s[row])),
        )
    except GameOnError as error:
        faults.append(f"its pictures cannot be read: {error}")
        return None


def _sounds(recording: EpisodeRecording, frame_s: Floats) -> tuple[Sound, ...]:
    sources = recording.audio_sources()
    if not sources:
        return ()
    rows = np.unique(np.linspace(0, len(frame_s) - 1, min(len(frame_s), MOST_WINDOWS)).astype(np.int64))
    values = recording.episode.column("audio", rows).astype(np.float64)
    if values.ndim != 2 or values.shape[1] != MEL_BINS:
        power = np.mean(np.square(values.reshape(len(rows), -1), dtype=np.float64), axis=1)
        level = np.maximum(-100.0, 10 * np.log10(np.maximum(power, 1e-12)))
        return (Sound(" and ".join(sources), frame_s[rows], level, 0.0, f"{len(rows)} steps spread evenly"),)
    return (row_levels(" and ".join(sources), frame_s[rows], values),)
