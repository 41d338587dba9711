"""Recordings as an agent needs them: frames of its size, actions of its kind, rewards where there are any."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from gameon_env.datasets.recordings import EpisodeRecording, find_recordings
from gameon_env.datasets.windows import Windows
from gameon_env.learning.recorded_runs import RecordedRun, load_runs
from gameon_env.learning.steps import StepEpisode

Data = str | Path | Windows | Sequence[Any]


class Demonstration:
    """An episode of T steps with frames of one size.

    Attributes:
        path, metadata, controls, fps, num_steps, inputs, is_valid: see :class:`~gameon_env.learning.steps.StepEpisode`.
        rewards: ``(T + 1,) float32``; None where the recording has none.
        is_terminal: whether the game was over at its end.
    """

    def __init__(self, episode: StepEpisode, size: tuple[int, int]) -> None:
        self._episode, self._size = episode, size
        self.path: Path = episode.path
        self.metadata: Mapping[str, Any] = episode.metadata
        self.controls = episode.controls
        self.fps = episode.fps
        self.num_steps = episode.num_steps
        self.inputs = episode.inputs
        self.is_valid = episode.is_valid
        self.rewards: npt.NDArray[np.float32] | None = getattr(episode, "rewards", None)
        terminal = getattr(episode, "is_terminal", None)
        self.is_terminal = bool(terminal[-1]) if terminal is not None else False

    def video(self, rows: Any = slice(None)) -> npt.NDArray[np.uint8]:
        """Frames ``(n, H, W, 3) uint8`` of ``rows (n,)``."""
        frames = self._episode.video(rows)
        height, width = self._size
        if frames.shape[1:3] == self._size:
            return frames
        resized = [cv2.resize(frame, (width, height), interpolation=cv2.INTER_AREA) for frame in frames]
        return np.stack(resized).astype(np.uint8, copy=False)


def demonstrations(data: Data, size: tuple[int, int]) -> list[Demonstration]:
    """Recorded episodes with frames of ``size`` (height, width).

    Args:
        data: ``gameon.db`` or its folder, a session's folder, a trajectory file or a folder of these; ``Windows``,
            whose recordings and rate are taken; or episodes, as ``load_episodes`` and ``load_runs`` give them.
        size: of the frames.

    Raises:
        DatasetError: no recordings, or of several games.
    """
    if isinstance(data, str | Path):
        recordings = find_recordings(data)
        episodes: Sequence[Any] = [r.episode for r in recordings if isinstance(r, EpisodeRecording)]
        if len(episodes) < len(recordings):
            episodes = load_runs(data, size=size)  # sessions: their stretches without a gap
    elif isinstance(data, Windows):
        episodes = _runs_of(data, size)
    else:
        episodes = data
    return [Demonstration(episode, size) for episode in episodes]


def _runs_of(windows: Windows, size: tuple[int, int]) -> list[RecordedRun]:
    options = windows.options
    rate = {recording.fps for recording in windows.recordings}
    fps = options.fps or (rate.pop() if len(rate) == 1 else None)
    return load_runs(
        options.db_path,
        sessions=[recording.id for recording in windows.recordings],
        fps=None if fps is None else fps / options.frame_skip,
        size=size,
        latency_ms=options.latency_ms,
        cache=options.cache,
    )


def returns_of(episode: Demonstration, gamma: float) -> npt.NDArray[np.float32] | None:
    """Discounted sums of the rewards from each row on, ``(T + 1,)``; None without rewards."""
    if episode.rewards is None:
        return None
    returns, following = np.zeros(episode.num_steps + 1, np.float32), 0.0
    for row in range(episode.num_steps - 1, -1, -1):
        following = returns[row] = float(episode.rewards[row]) + gamma * following
    return returns
