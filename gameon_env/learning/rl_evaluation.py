"""How good an agent is by now: some episodes on an environment of its own, the first of them filmed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import gymnasium as gym
import numpy as np

from gameon_env.envs.env_options import choose_display
from gameon_env.errors import PolicyError, ProfileError
from gameon_env.games.profile import Profile
from gameon_env.learning.evaluation import Action, Actor, evaluate
from gameon_env.recording.video import VideoWriter

Env = gym.Env[Any, Any]


class Stopped(Exception):
    """The person wants the training to end, in the middle of an evaluation."""


class TooLong(Exception):
    """An evaluation takes longer than the training itself may."""


@dataclass(frozen=True)
class Evaluation:
    """How an agent did.

    Attributes:
        scores: as read from the screen, or the sums of rewards where there is no score.
        returns: sums of rewards.
        lengths: steps.
        video: of the first episode, at full size; None where the environment has no picture.
    """

    scores: tuple[float, ...]
    returns: tuple[float, ...]
    lengths: tuple[int, ...]
    video: Path | None

    @property
    def mean_score(self) -> float:
        return float(np.mean(self.scores))

    @property
    def mean_return(self) -> float:
        return float(np.mean(self.returns))


def check_evaluated(profile: Profile, display: str) -> None:
    """Refuse a game in which no evaluation comes to an end, or would disturb the game that is learned in.

    Raises:
        ProfileError: nothing ends its episodes.
        PolicyError: both games would be on the one display that a person uses.
    """
    without = "--evaluate-every 0 trains without evaluations, and keeps the last policy in place of the best"
    if profile.time_limit_s is None and not profile.terminations:
        raise ProfileError(
            f"{profile.path}: nothing ends an episode of this game, and no evaluation would end: add time_limit_s or a "
            f"[[termination]]; or {without}"
        )
    if profile.launch is None or choose_display(display, launched=True) != "private":
        raise PolicyError(
            f"an evaluation plays a game of its own, and on the display {display} it would take keyboard and mouse "
            f"from the one that is learned in: --display private, for a game that is launched; or {without}"
        )


def evaluate_agent(
    make_env: Callable[[], Env],
    actor: Actor,
    seeds: Sequence[int],
    video: Path | None = None,
    *,
    check: Callable[[], object] = lambda: None,
) -> Evaluation:
    """Play an episode for each seed.

    Args:
        make_env: makes an environment with named controls; it is closed at the end.
        actor: who plays.
        seeds: of the episodes.
        video: where the first episode goes, as an MP4 of what ``render()`` gives, in the game's own time.
        check: called at each step; may raise.
    """
    returns = [0.0]
    film: Film | None = None
    env = make_env()

    def step(env: Env, action: Action, reward: float) -> None:
        check()
        returns[-1] += reward
        if film is not None and len(returns) == 1:
            film.add(env.render())

    try:
        if video is not None and env.render_mode == "rgb_array":
            film = Film(video, float(env.metadata.get("render_fps", 30)))
        result = evaluate(env, actor, seeds, on_step=step, on_episode=lambda *_: returns.append(0.0))
    finally:
        env.close()
        if film is not None:
            film.close()
    return Evaluation(result.scores, tuple(returns[:-1]), result.lengths, film.path if film is not None else None)


class Film:
    """An MP4 of one picture a step.

    Args:
        path: must not exist.
        fps: steps per second.
    """

    def __init__(self, path: Path, fps: float) -> None:
        self.path, self._fps = path, fps
        self._writer: VideoWriter | None = None
        self._frames = 0

    def add(self, picture: Any) -> None:
        """``(H, W, 3) uint8 RGB``; one of another size than the first is brought to its size."""
        if not isinstance(picture, np.ndarray):
            return
        if self._writer is None:
            self._writer = VideoWriter(self.path, (picture.shape[0], picture.shape[1]))
        height, width = self._writer.size
        if picture.shape[:2] != (height, width):
            picture = cv2.resize(picture, (width, height), interpolation=cv2.INTER_AREA)
        pixels = cv2.cvtColor(np.ascontiguousarray(picture), cv2.COLOR_RGB2BGRA)
        self._writer.write(np.asarray(pixels, np.uint8), round(self._frames * 1e9 / self._fps))
        self._frames += 1

    def close(self) -> None:
        if self._writer is not None:
            with closing(self._writer):
                self._writer = None
