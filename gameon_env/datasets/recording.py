"""One recording, whatever kind it is: a session, or an episode of a trajectory file, as steps, frames and sound."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt

Pixels = npt.NDArray[np.uint8]
Floats = npt.NDArray[np.float32]
Int64 = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]

AudioSource = Literal["system", "microphone", "both"]
AudioFeatures = Literal["mel", "waveform"]

_FRAMES_AT_ONCE = 32


@dataclass(frozen=True, slots=True, eq=False)
class RecordedSteps:
    """The N steps of one recording, in order of time.

    Attributes:
        t_ns: ``(N,) int64`` since the recording's start: when the observation was visible.
        frame: ``(N,) int64``: the observation's row for :meth:`Recording.frames`.
        inputs: ``(N, A) float32``, the recorded vectors, not clipped.
        presses: ``(N, A) uint8``: how often each control was pressed in the step.
        rewards: ``(N,) float32``; None where the recording has none.
        runs: ``(R, 2) int64``: ``[first, stop)`` of steps that follow on each other without a gap.
        end_ns: ``(N,) int64``: when the step ended.
    """

    t_ns: Int64
    frame: Int64
    inputs: Floats
    presses: npt.NDArray[np.uint8]
    rewards: Floats | None
    runs: Int64
    end_ns: Int64

    def __len__(self) -> int:
        return len(self.t_ns)


class Recording(ABC):
    """What was recorded in one go. Picklable: files are opened when needed, and anew in each process and thread.

    Attributes:
        id: unique among recordings.
        group: what :mod:`.split` keeps together: the session; for an episode that belongs to none, its own id.
        game: the game's name; empty where it is not known.
        path: the session's folder, or the trajectory file.
        controls: the names of ``inputs``' columns.
        controls_declared: False where they are merely what was seen in the events, for want of a profile.
        mouse_scale_px: counts of motion that are 1.0 on ``mouse:dx`` and ``mouse:dy``; None where not known.
        wheel_scale: notches that are 1.0 on ``mouse:wheel``; None where not known.
        fps: steps a second it was meant to be played at; None where not known.
        size: ``(height, width)`` of its pictures in pixels.
        duration_ns: from its start to its end.
        num_frames: rows that :meth:`frames` has.
        has_rewards: whether its steps have rewards.
        fingerprint: hexadecimal; changes when the pictures may have changed.
    """

    id: str
    group: str
    game: str
    path: Path
    controls: tuple[str, ...]
    controls_declared: bool = True
    mouse_scale_px: float | None
    wheel_scale: float | None
    fps: float | None
    size: tuple[int, int]
    duration_ns: int
    num_frames: int
    has_rewards: bool = False
    fingerprint: str

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.id!r}, {self.game!r}, {self.num_frames} frames)"

    @abstractmethod
    def steps(self, *, fps: float | None = None, frame_skip: int = 1, latency_ms: float = 0.0) -> RecordedSteps:
        """Its steps.

        Args:
            fps: steps a second; None: each recorded frame is a step.
            frame_skip: frames (of ``fps``) merged into one step: held = any, motion and presses = sum.
            latency_ms: how much later than its picture an action is taken. Steps whose action would lie beyond the
                end of their run are left out.

        Raises:
            SessionError, TrajectoryError: damaged, or it has no steps at this rate.
        """

    @abstractmethod
    def frames(self, rows: npt.ArrayLike, size: tuple[int, int] | None = None, letterbox: bool = False) -> Pixels:
        """Pictures ``(n, h, w, 3) uint8 RGB`` of ``rows (n,)``; ascending rows are the fastest.

        Args:
            rows: 0 to ``num_frames - 1``.
            size: ``(height, width)``; None: as recorded.
            letterbox: keep the shape of the picture and fill up with black; otherwise it is stretched, as the live
                observation is.

        Raises:
            IndexError: there is no such row.
            VideoError, TrajectoryError: the file is damaged.
        """

    def stream(
        self, rows: npt.ArrayLike, size: tuple[int, int] | None = None, letterbox: bool = False, threads: int = 1
    ) -> Iterator[Pixels]:
        """The same pictures one after the other, ``(h, w, 3)`` each, in flat memory; ``threads`` decode."""
        wanted = np.asarray(rows, np.int64)
        for first in range(0, len(wanted), _FRAMES_AT_ONCE):
            yield from self.frames(wanted[first : first + _FRAMES_AT_ONCE], size, letterbox)

    @abstractmethod
    def audio_sources(self) -> tuple[AudioSource, ...]:
        """Which of ``system`` and ``microphone`` it holds sound of."""

    @abstractmethod
    def audio(
        self,
        step_t_ns: npt.ArrayLike,
        step_end_ns: npt.ArrayLike,
        source: AudioSource = "system",
        features: AudioFeatures = "mel",
        rate_hz: float | None = None,
        interval_ns: float | None = None,
    ) -> tuple[Floats, Mask]:
        """What was heard up to each step's moment; nothing of it was heard later, so that a live agent has it too.

        Args:
            step_t_ns: ``(N,) int64``, rising.
            step_end_ns: ``(N,) int64``.
            source: ``both`` is the sum.
            features: ``mel``: 128 bins of :func:`gameon_env.data_processing.mel.log_mel`; ``waveform``: samples.
            rate_hz: of the waveform; None: 16 kHz. Mel frames are of 16 kHz.
            interval_ns: length of sound for each step; None: the median length of these steps. Mel frames take 64 ms
                at least.

        Returns:
            ``(N, F) float32``, zeros where nothing was recorded, and ``(N,) bool``: recorded throughout. F is 128, or
            :func:`waveform_samples`.

        Raises:
            AudioError: a sound file is damaged.
        """

    def check_audio(
        self, source: AudioSource, features: AudioFeatures, rate_hz: float | None, interval_ns: float
    ) -> None:
        """Whether :meth:`audio` can give this; quick.

        Raises:
            AudioError: a sound file is damaged.
            TrajectoryError: the file holds sound of another kind.
        """
        self.audio([], [], source, features, rate_hz, interval_ns)


def waveform_samples(rate_hz: float, interval_ns: float) -> int:
    """Samples of a step's waveform."""
    return max(1, round(rate_hz * interval_ns / 1e9))
