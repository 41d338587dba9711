"""What a report looks at, the same for sessions and episodes; times are seconds since the recording's start."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from gameon_env.datasets.report.spans import NONE, Floats, as_spans, minus, rest, total, union
from gameon_env.keys import BUTTONS

Mask = npt.NDArray[np.bool_]

NO_TIMES: Floats = np.zeros(0)


class Gap(NamedTuple):
    """What was not recorded of ``stream``, and why."""

    start_s: float
    end_s: float
    stream: str
    reason: str


@dataclass(frozen=True, slots=True)
class Still:
    """A picture of the contact sheet: ``jpeg`` of ``size (height, width)``, the buttons held in its step, and where the
    pointer was, as parts of width and height."""

    t_s: float
    jpeg: bytes
    size: tuple[int, int]
    held: tuple[str, ...]
    pointer: tuple[float, float] | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Pictures:
    """P pictures that were looked at, spread evenly over the recording.

    Attributes:
        t_s: ``(P,)``.
        brightness: ``(P,)`` mean of the grey picture, 0 to 255.
        contrast: ``(P,)`` its standard deviation.
        change: ``(P,)`` mean difference from the picture before; 0 for the first.
        moved: ``(P,) bool``: it differs from the one before by more than the codec makes of a standing picture.
        stills: the contact sheet.
        recorded: pictures that there are in all.
    """

    t_s: Floats
    brightness: Floats
    contrast: Floats
    change: Floats
    moved: Mask
    stills: tuple[Still, ...]
    recorded: int


@dataclass(frozen=True, slots=True, eq=False)
class Sound:
    """One recorded sound, looked at in short windows.

    Attributes:
        source: ``system`` or ``microphone``.
        t_s: ``(n,)`` middles of the windows.
        level_db: ``(n,)`` dB below full scale, at least :data:`SILENCE_DB`.
        clipped: share of the samples looked at that are at full scale.
        how: what was looked at, in words.
    """

    source: str
    t_s: Floats
    level_db: Floats
    clipped: float
    how: str


SILENCE_DB = -100.0


@dataclass(frozen=True, slots=True, eq=False)
class SoundClock:
    """How the blocks of a sound lie on the clock that was fitted to them.

    Attributes:
        t_s, residual_ms: ``(n,)`` a block's time, and how far it is from the clock.
        nominal_hz, true_hz: rate as the file says and as fitted.
        p99_ms: of the residual's size, over all blocks.
        jumps: ``(t_s, ms)`` where the clock steps without a gap that the session names.
    """

    source: str
    t_s: Floats
    residual_ms: Floats
    nominal_hz: float
    true_hz: float
    p99_ms: float
    jumps: tuple[tuple[float, float], ...]


@dataclass(frozen=True, slots=True, eq=False)
class Evidence:
    """What was found in one recording.

    Attributes:
        id, name, game, kind: ``kind`` is ``session`` or ``episode``.
        where: the folder or file, as text.
        started_at: wall clock, ISO 8601 UTC; empty where not known.
        who, status, reason: who played; ``completed``, ``recovered``; why it ended.
        missing: what its recorder said is missing.
        size_bytes: on the disk; None for an episode, which shares its file.
        picture_size: ``(height, width)``.
        fps: steps a second that it was meant to be played at.
        frame_s: ``(F,)`` times of the recorded pictures.
        dropped_s: ``(D,)`` of those that the game showed and the recorder had no time for.
        num_events: input events; None for an episode.
        event_s: ``(E,)`` when there was input.
        gaps: what was not recorded.
        controls: names of the action vector; ``declared``: by a profile, not merely seen.
        held: control -> ``(n, 2)`` spans in which a button was down, for all buttons of the controls and others used.
        presses: control -> how often it was pressed.
        motion: motion axis -> ``(N,)`` per step, in counts or notches (in units of the vector where the scale is not
            known); ``pointer (N, 2)``: x and y in [-1, 1] per step.
        step_s: ``(N,)`` times of the steps.
        run_s: ``(R,)`` lengths of the runs without a gap.
        rewards: ``(N,)`` per step; None where there are none.
        video_apart_ms: ``(t_s, ms)``: the video's own times against the database's; None where there is no video.
        calibration: what a calibration said of the recorder's error: name -> ``(median ms, p99 ms)``.
        wall_clock_step_s: the wall clock's span less the recording's length; None where not known.
        faults: what could not be looked at, and why.
    """

    id: str
    name: str
    game: str
    kind: str
    where: str
    started_at: str
    who: str
    status: str
    reason: str
    duration_s: float
    picture_size: tuple[int, int]
    fps: float | None
    frame_s: Floats
    controls: tuple[str, ...]
    declared: bool = True
    missing: tuple[str, ...] = ()
    size_bytes: int | None = None
    dropped_s: Floats = field(default_factory=lambda: NO_TIMES)
    num_events: int | None = None
    event_s: Floats = field(default_factory=lambda: NO_TIMES)
    gaps: tuple[Gap, ...] = ()
    held: dict[str, Floats] = field(default_factory=dict)
    presses: dict[str, int] = field(default_factory=dict)
    motion: dict[str, Floats] = field(default_factory=dict)
    motion_unit: str = "counts"
    pointer: Floats | None = None
    step_s: Floats = field(default_factory=lambda: NO_TIMES)
    run_s: Floats = field(default_factory=lambda: NO_TIMES)
    rewards: Floats | None = None
    pictures: Pictures | None = None
    sounds: tuple[Sound, ...] = ()
    clocks: tuple[SoundClock, ...] = ()
    video_apart_ms: tuple[Floats, Floats] | None = None
    calibration: dict[str, tuple[float, float]] = field(default_factory=dict)
    wall_clock_step_s: float | None = None
    faults: tuple[str, ...] = ()

    @property
    def buttons(self) -> tuple[str, ...]:
        """Of the controls."""
        return tuple(name for name in self.controls if name in BUTTONS)

    def unrecorded(self, *streams: str) -> Floats:
        """Spans in which one of these streams was not recorded."""
        return union(as_spans([(g.start_s, g.end_s) for g in self.gaps if g.stream in ("all", *streams)]))

    @property
    def played(self) -> Floats:
        """Spans in which input was recorded."""
        return rest(self.unrecorded("input"), 0.0, self.duration_s)

    @property
    def played_s(self) -> float:
        return total(self.played)

    @property
    def still_frames(self) -> Floats:
        """Spans between one recorded picture and the next one, or the end, that no gap explains; ``(F, 2)`` at most."""
        if not len(self.frame_s):
            return NONE
        spans = np.stack([self.frame_s, np.append(self.frame_s[1:], max(self.duration_s, self.frame_s[-1]))], axis=1)
        return minus(spans, self.unrecorded("video"))

    @property
    def intervals_ms(self) -> Floats:
        """``(F - 1,)``: from each picture to the next, but across gaps; NaN there."""
        apart = np.diff(self.frame_s) * 1e3
        for start, end in self.unrecorded("video"):
            apart[(self.frame_s[1:] > start) & (self.frame_s[:-1] < end)] = np.nan
        return apart
