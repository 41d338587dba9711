"""A recording whose pictures are drawn from their row's number, and which notes each time that it is decoded."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt

from gameon_env.datasets.recording import AudioFeatures, AudioSource, Floats, Mask, Pixels, RecordedSteps, Recording


class DrawnRecording(Recording):
    game, group, controls = "drawn", "drawn", ("key:w",)
    mouse_scale_px = wheel_scale = fps = None
    duration_ns = 10**9

    def __init__(
        self, path: Path, num_frames: int = 40, size: tuple[int, int] = (48, 64), name: str = "a", slow_s: float = 0.0
    ) -> None:
        self.path, self.num_frames, self.size, self.id, self.fingerprint = path, num_frames, size, name, "1"
        self.slow_s = slow_s

    @property
    def decoded(self) -> int:
        """How often its frames were asked for."""
        notes = self.path / f"{self.id}.decoded"
        return len(notes.read_text()) if notes.exists() else 0

    def steps(self, *, fps: float | None = None, frame_skip: int = 1, latency_ms: float = 0.0) -> RecordedSteps:
        raise NotImplementedError

    def frames(self, rows: npt.ArrayLike, size: tuple[int, int] | None = None, letterbox: bool = False) -> Pixels:
        height, width = size or self.size
        pictures = [draw(int(row), (height, width)) for row in np.asarray(rows)]
        return np.array(pictures, np.uint8).reshape(-1, height, width, 3)

    def stream(
        self, rows: npt.ArrayLike, size: tuple[int, int] | None = None, letterbox: bool = False, threads: int = 1
    ) -> Iterator[Pixels]:
        with (self.path / f"{self.id}.decoded").open("a") as notes:
            notes.write("x")
        for frame in super().stream(rows, size, letterbox, threads):
            time.sleep(self.slow_s)
            yield frame

    def audio_sources(self) -> tuple[AudioSource, ...]:
        return ()

    def audio(
        self,
        step_t_ns: npt.ArrayLike,
        step_end_ns: npt.ArrayLike,
        source: AudioSource = "system",
        features: AudioFeatures = "mel",
        rate_hz: float | None = None,
        interval_ns: float | None = None,
    ) -> tuple[Floats, Mask]:
        raise NotImplementedError


def draw(row: int, size: tuple[int, int]) -> Pixels:
    """The picture of this row."""
    return np.random.default_rng(row).integers(0, 256, (*size, 3), np.uint8)
