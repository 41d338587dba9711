"""The episodes of an export: a recording's steps, run by run, as rows of a trajectory file."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from gameon_env.data_processing.trajectory import STEP_COLUMNS
from gameon_env.datasets.alignment import Alignment
from gameon_env.datasets.episode_recording import EpisodeRecording
from gameon_env.datasets.recording import RecordedSteps, Recording
from gameon_env.datasets.session_recording import SessionRecording
from gameon_env.export.options import ExportOptions
from gameon_env.keys import MOUSE_MOTION, MOUSE_WHEEL
from gameon_env.recording.session import Session


@dataclass(frozen=True, slots=True, eq=False)
class EpisodeSteps:
    """One episode of an export: N rows, the last of them without an action.

    Attributes:
        frame: ``(N,) int64`` rows for :meth:`Recording.frames`.
        t_ns: ``(N,) int64`` since the recording's start.
        end_ns: ``(N,) int64`` when each row's step ended.
        interval_ns: length of the recording's usual step, which the sound of a step takes.
        columns: every column but ``video`` and sound, by name, N rows each.
        metadata: its row of ``metadata``, without ``first_row`` and ``last_row``.
    """

    frame: npt.NDArray[np.int64]
    t_ns: npt.NDArray[np.int64]
    end_ns: npt.NDArray[np.int64]
    interval_ns: float
    columns: dict[str, npt.NDArray[Any]]
    metadata: dict[str, Any]

    def __len__(self) -> int:
        return len(self.frame)


def episodes_of(
    recording: Recording, number: int, alignment: Alignment, options: ExportOptions, letterbox: bool = False
) -> Iterator[EpisodeSteps]:
    """A recording's episodes; ``number``: its place in the alignment.

    Raises:
        GameOnError: it is damaged.
    """
    steps = _steps_of(recording, options)
    interval_ns = float(np.median(steps.end_ns - steps.t_ns)) if len(steps) else 0.0
    inputs = alignment.align(number, steps.inputs, scaled=True)
    presses = alignment.align(number, steps.presses)
    told = _told(recording, options, interval_ns)
    told |= _told_of_controls(recording, number, alignment) | {"letterbox": letterbox}
    before = _earlier(recording)
    runs = steps.runs.tolist()
    for place, (first, stop) in enumerate(runs):
        closing = _closing_row(recording, steps, stop)
        count = stop - first + (closing is not None)
        if count < 2:
            continue
        taken = slice(first, stop)
        frame, t_ns, end_ns = steps.frame[taken], steps.t_ns[taken], steps.end_ns[taken]
        if closing is not None:
            end_row, end_t_ns = closing
            frame, t_ns, end_ns = np.append(frame, end_row), np.append(t_ns, end_t_ns), np.append(end_ns, end_t_ns)
        columns = _empty_columns(count, len(alignment.controls))
        acted = slice(first, first + count - 1)
        columns["inputs"][:-1] = inputs[acted]
        columns["presses"][:-1] = presses[acted]
        if steps.rewards is not None:
            columns["rewards"][:-1] = steps.rewards[acted]
        columns["timestamps"][:] = t_ns - t_ns[0]
        columns["is_terminal"][-1] = terminal = _is_terminal(recording, int(frame[-1]))
        metadata = told | {
            "part": before.part + place,
            "offset_ns": before.offset_ns + int(t_ns[0]),
            "terminated": terminal,
            "truncated": not terminal,
            "end_reason": told["end_reason"] if place == len(runs) - 1 else "gap",
        }
        yield EpisodeSteps(frame, t_ns, end_ns, interval_ns, columns, metadata)


def count_rows(recording: Recording, options: ExportOptions) -> tuple[int, int, int]:
    """Episodes and rows that a recording will have, and how many of its runs are too short for one.

    Raises:
        GameOnError: it is damaged.
    """
    steps = _steps_of(recording, options)
    lengths = [stop - first + (_closing_row(recording, steps, stop) is not None) for first, stop in steps.runs.tolist()]
    long = [length for length in lengths if length >= 2]
    return len(long), sum(long), len(lengths) - len(long)


def _closing_row(recording: Recording, steps: RecordedSteps, stop: int) -> tuple[int, int] | None:
    """Row and time of the observation that followed on the last action before ``stop``, where that was recorded.

    A session's run ends with an observation; the input after it led to nothing that was seen. A trajectory's steps
    leave out the row that closes it.
    """
    if not isinstance(recording, EpisodeRecording):
        return None
    times = recording.episode.timestamps
    row = int(np.searchsorted(times, steps.end_ns[stop - 1]))
    row = max(row, int(steps.frame[stop - 1]) + 1)
    return row, int(times[row])


def _is_terminal(recording: Recording, row: int) -> bool:
    return isinstance(recording, EpisodeRecording) and bool(recording.episode.is_terminal[row])


def _empty_columns(count: int, controls: int) -> dict[str, npt.NDArray[Any]]:
    columns: dict[str, npt.NDArray[Any]] = {column.name: np.zeros(count, column.dtype) for column in STEP_COLUMNS}
    columns["inputs"] = np.zeros((count, controls), np.float32)
    columns["presses"] = np.zeros((count, controls), np.uint8)
    columns["is_first"][0] = columns["is_last"][-1] = True
    columns["is_valid"][:-1] = True
    return columns


def _steps_of(recording: Recording, options: ExportOptions) -> RecordedSteps:
    return recording.steps(fps=options.fps, frame_skip=options.frame_skip, latency_ms=options.latency_ms)


def _told(recording: Recording, options: ExportOptions, interval_ns: float) -> dict[str, Any]:
    """What all episodes of a recording say of it."""
    before = _earlier(recording)
    return _told_before(recording) | {
        "session": recording.group,
        "game": recording.game,
        "fps": round(1e9 / interval_ns, 3) if interval_ns > 0 else recording.fps,
        "frame_skip": before.frame_skip * options.frame_skip,
        "latency_ms": before.latency_ms + options.latency_ms,
        "audio_source": options.audio_source,
        "recorded_size": list(recording.size),
        "has_rewards": recording.has_rewards,
    }


def _told_of_controls(recording: Recording, number: int, alignment: Alignment) -> dict[str, Any]:
    """The names of ``inputs``' columns, which of them this game has, and what 1.0 of its motion is."""
    factors = dict(zip(alignment.controls, alignment.factors[number].tolist(), strict=True))
    mouse, wheel = recording.mouse_scale_px, recording.wheel_scale
    mouse_factor = next((factors[name] for name in MOUSE_MOTION if name in factors), 1.0)
    of_game = alignment.mask[number]
    return {
        "controls": list(alignment.controls),
        "game_controls": list(dict.fromkeys([*recording.controls, *np.array(alignment.controls)[of_game].tolist()])),
        "mouse_scale_px": None if mouse is None else mouse / mouse_factor,
        "wheel_scale": None if wheel is None else wheel / factors.get(MOUSE_WHEEL, 1.0),
    }


@dataclass(frozen=True, slots=True)
class _Earlier:
    """What an earlier export did to an episode that is exported again: this one comes on top."""

    part: int = 0
    offset_ns: int = 0
    frame_skip: int = 1
    latency_ms: float = 0.0


def _earlier(recording: Recording) -> _Earlier:
    if not isinstance(recording, EpisodeRecording):
        return _Earlier()
    told = recording.episode.metadata
    return _Earlier(**{name: told[name] for name in _Earlier.__slots__ if isinstance(told.get(name), int | float)})


_KEPT = ("seed", "start_time", "env_id", "played_by", "end_reason")
"""What is passed on of an episode's own metadata."""


def _told_before(recording: Recording) -> dict[str, Any]:
    """Who played, when, and how it ended, where that is known."""
    known: dict[str, Any] = {"end_reason": "unknown"}
    if isinstance(recording, EpisodeRecording):
        return known | {key: recording.episode.metadata[key] for key in _KEPT if key in recording.episode.metadata}
    if isinstance(recording, SessionRecording):
        with Session(recording.path) as session:
            info, end = session.info, session.end
        known |= {"seed": info.seed, "start_time": info.started_at, "played_by": [info.who]}
        known |= {"end_reason": end.reason} if end is not None else {}
    return known
