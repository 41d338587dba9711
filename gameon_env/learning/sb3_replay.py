"""Recordings in a replay buffer: an off-policy agent learns from what people did before it plays, and beside it."""

from __future__ import annotations

import warnings

import numpy as np
import numpy.typing as npt

from gameon_env.errors import PolicyError
from gameon_env.learning.sb3_demonstrations import Data, Demonstration, demonstrations
from gameon_env.learning.sb3_env import reward_scale_of
from gameon_env.learning.sb3_network import check_recorded, coding_of
from gameon_env.optional import require
from wrappers.action_coding import Conversion, recorded_vectors

require("stable_baselines3", "Training agents")
from stable_baselines3.common.base_class import BaseAlgorithm  # noqa: E402
from stable_baselines3.common.off_policy_algorithm import OffPolicyAlgorithm  # noqa: E402


class NoRewardsError(PolicyError):
    """Recordings without rewards, from which a replay buffer cannot be filled."""


def fill_replay_buffer(agent: BaseAlgorithm, data: Data) -> Conversion:
    """Put recorded steps into an agent's replay buffer, as if it had played them.

    ``agent.train(gradient_steps=...)`` after ``agent.learn(0)`` then learns offline; ``learn`` goes on with both.

    Args:
        agent: SAC or DQN, in an environment of :func:`~gameon_env.learning.sb3.make_sb3_env`.
        data: trajectory files with rewards (``RecordEpisode``, ``gameon record --steps``), a folder of them, or their
            episodes.

    Returns:
        the actions that went in, and what the agent's kind of actions cannot say of the recordings.

    Raises:
        NoRewardsError: recordings without rewards.
        PolicyError: an agent without a replay buffer, or a buffer that is too small for
            a single step of each environment.
        TrajectoryError: recordings of other controls.
    """
    buffer = agent.replay_buffer if isinstance(agent, OffPolicyAlgorithm) else None
    if buffer is None:
        raise PolicyError(f"{type(agent).__name__} has no replay buffer: fill that of SAC or DQN, or use pretrain()")
    if buffer.n_envs > 1 and getattr(agent, "n_steps", 1) > 1:
        raise PolicyError(
            f"with n_steps={agent.n_steps} the buffer needs each environment's steps in a row: make the agent with "  # type: ignore[attr-defined]
            "one environment (envs=1), or with n_steps=1"
        )
    coding = coding_of(agent)
    shape = agent.observation_space.shape
    assert shape is not None
    channels, height, width = shape
    episodes = demonstrations(data, (height, width))
    without = [str(episode.path) for episode in episodes if episode.rewards is None]
    if without:
        raise NoRewardsError(
            f"{without[0]} has no rewards, which a replay buffer needs: sessions have none. Record steps by "
            "RecordEpisode or gameon record --steps, or use pretrain(), which needs no rewards"
        )
    for episode in episodes:
        check_recorded(agent, episode.metadata.get("mouse_scale_px"), episode.fps)
    vectors = recorded_vectors(episodes, coding.controls)
    conversion = coding.to_actions(vectors)
    room = buffer.buffer_size * buffer.n_envs
    if len(vectors) > room:
        warnings.warn(
            f"the recordings have {len(vectors)} steps, the replay buffer room for {room}: the first are overwritten. "
            f"buffer_size={len(vectors)} keeps all",
            stacklevel=2,
        )
    scale = np.float32(reward_scale_of(agent.get_env()))
    rows: list[_Row] = []
    first = 0
    for episode in episodes:
        count = int(episode.is_valid.sum())
        rows += _rows(episode, conversion.actions[first : first + count], channels // 3)
        first += count
        while len(rows) >= buffer.n_envs:
            ready, rows = rows[: buffer.n_envs], rows[buffer.n_envs :]
            observations, following, actions, rewards, dones, infos = zip(*ready, strict=True)
            buffer.add(
                np.stack(observations),
                np.stack(following),
                np.stack(actions),
                np.array(rewards, np.float32) * scale,
                np.array(dones, np.float32),
                list(infos),
            )
    return conversion


_Row = tuple[npt.NDArray[np.uint8], npt.NDArray[np.uint8], npt.NDArray[np.generic], float, bool, dict[str, bool]]


def _rows(episode: Demonstration, actions: npt.NDArray[np.generic], stack: int) -> list[_Row]:
    """The steps of an episode; at its end, and before a gap, it is cut as by a time limit, but where the game was
    over."""
    assert episode.rewards is not None
    frames = episode.video()
    steps = np.flatnonzero(episode.is_valid)
    made = []
    for number, step in enumerate(steps.tolist()):
        last = number + 1 == len(steps)
        done = last or steps[number + 1] != step + 1
        terminal = last and episode.is_terminal
        made.append(
            (
                _stacked(frames, step, stack),
                _stacked(frames, step + 1, stack),
                np.asarray(actions[number]),
                float(episode.rewards[step]),
                done,
                {"TimeLimit.truncated": done and not terminal},
            )
        )
    return made


def _stacked(frames: npt.NDArray[np.uint8], row: int, stack: int) -> npt.NDArray[np.uint8]:
    """``(3 * stack, H, W)``, the oldest first; before the first frame it is repeated."""
    rows = np.maximum(np.arange(row - stack + 1, row + 1), 0)
    return np.concatenate(list(frames[rows]), axis=2).transpose(2, 0, 1)
