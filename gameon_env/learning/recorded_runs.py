"""Recorded sessions as episodes to learn from: each stretch without a gap is one, at the rate the agent will play at.

>>> runs = load_runs("data/gameon.db", game_name="rescue", size=(128, 128))
>>> clone(runs, "policy.safetensors")
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from gameon_env.datasets.cached_frames import CachedFrames
from gameon_env.datasets.frame_cache import FrameCache
from gameon_env.datasets.options import DatasetOptions
from gameon_env.datasets.recording import Recording
from gameon_env.datasets.recordings import find_recordings
from gameon_env.datasets.windows import Windows
from gameon_env.errors import DatasetError


class RecordedRun:
    """One stretch of T steps of a recording; see :class:`gameon_env.learning.steps.StepEpisode`.

    Attributes:
        path: the session's folder, or the trajectory file.
        metadata: ``game``, ``mouse_scale_px``, and ``session``, the recording's id.
        controls: A names.
        fps: steps a second.
        num_steps: T.
        inputs: ``(T + 1, A) float32``; the last row is no action.
        is_valid: ``(T + 1,) bool``, False in the last row.
        latency_ms: how much later than its frame each action was taken already.
    """

    def __init__(
        self,
        pictures: _Pictures,
        frame: npt.NDArray[np.int64],
        inputs: npt.NDArray[np.float32],
        controls: tuple[str, ...],
        fps: float,
        metadata: Mapping[str, Any],
        latency_ms: float = 0.0,
    ) -> None:
        self.path: Path = pictures.recording.path
        self.metadata = metadata
        self.latency_ms = latency_ms
        self.controls: tuple[str, ...] | None = controls
        self.fps: float | None = fps
        self.num_steps = len(frame)
        self.inputs: npt.NDArray[Any] = np.concatenate([inputs, np.zeros((1, inputs.shape[1]), np.float32)])
        self.is_valid = np.arange(self.num_steps + 1) < self.num_steps
        self._pictures, self._frame = pictures, frame

    def video(self, rows: Any = slice(None)) -> npt.NDArray[np.uint8]:
        """Frames ``(n, H, W, 3) uint8`` of steps ``rows (n,)``, in any order."""
        wanted, place = np.unique(self._frame[rows], return_inverse=True)
        frames: npt.NDArray[np.uint8] = self._pictures.read(wanted)[place]
        return frames


class _Pictures:
    """The frames of a recording that its runs show; with a cache, only these are decoded, and once."""

    def __init__(
        self, recording: Recording, rows: npt.NDArray[np.int64], size: tuple[int, int], cache: FrameCache | None
    ) -> None:
        self.recording = recording
        self._rows, self._size, self._cache = np.unique(rows), size, cache
        self._cached: CachedFrames | None = None

    def read(self, rows: npt.NDArray[np.int64]) -> npt.NDArray[np.uint8]:
        """``(n, H, W, 3) uint8``."""
        if self._cache is None:
            return self.recording.frames(rows, self._size)
        if self._cached is None:
            self._cached = self._cache.open(self.recording, self._size, rows=self._rows)
        return self._cached.frames(rows)


def load_runs(
    db_path: str | Path = "data/gameon.db",
    *,
    game_name: str | None = None,
    sessions: Sequence[str] | None = None,
    fps: float | None = None,
    size: tuple[int, int] = (128, 128),
    latency_ms: float = 0.0,
    cache: str | Path | bool | None = None,
) -> list[RecordedRun]:
    """The runs of all recordings of one game.

    Args:
        db_path: ``gameon.db`` or its folder, a session's folder, a trajectory file, or a folder of these.
        game_name: of this game; None: of the only one there is.
        sessions: only these: ids, beginnings of ids, or names of folders.
        fps: steps a second; None: the rate that the game's profile had when it was recorded.
        size: ``(height, width)`` of the frames, as the live observation will have.
        latency_ms: how much later than its frame an action answers it.
        cache: folder of decoded frames; True: in the user's cache folder; None: decode when asked.

    Raises:
        DatasetError: no recordings, of several games, or without a common rate.
        UnknownNameError: there is no such game or session.
    """
    recordings = find_recordings(db_path, game_name=game_name, sessions=sessions)
    games = sorted({recording.game for recording in recordings}, key=str.casefold)
    if len({game.casefold() for game in games}) > 1:
        raise DatasetError(f"{db_path} holds recordings of {', '.join(games)}: choose one of them (--game)")
    if fps is None:
        fps = _common_fps(recordings)
    options = DatasetOptions(
        db_path=db_path,
        game_name=game_name,
        sessions=None if sessions is None else tuple(sessions),
        fps=fps,
        target_size=size,
        latency_ms=latency_ms,
        cache=cache,
        sequence_length=1,
        include_audio=False,
    )
    windows = Windows(options)
    folder = None if options.cache is None else FrameCache(None if options.cache is True else str(options.cache))
    columns, runs = windows.columns, []
    for number, recording in enumerate(windows.recordings):
        spans = [slice(first, stop) for first, stop, owner in columns.runs.tolist() if owner == number]
        shown = np.concatenate([columns.frame[span] for span in spans])
        pictures = _Pictures(recording, shown, options.target_size, folder)
        about = {"game": windows.games[0], "mouse_scale_px": windows.mouse_scale_px, "session": recording.id}
        runs += [
            RecordedRun(pictures, columns.frame[span], columns.inputs[span], windows.controls, fps, about, latency_ms)
            for span in spans
        ]
    return runs


def _common_fps(recordings: Sequence[Recording]) -> float:
    rates = sorted({recording.fps for recording in recordings if recording.fps is not None})
    if len(rates) != 1:
        found = "none of the recordings says its rate" if not rates else f"the recordings have {rates} steps a second"
        raise DatasetError(f"{found}: say at which the agent will play (--fps)")
    return rates[0]
