"""A replay buffer in a file that holds arrays alone, so that a training goes on with all that it has seen."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from gameon_env.errors import PolicyError, StorageError
from gameon_env.optional import require

require("stable_baselines3", "Training agents")
from stable_baselines3.common.base_class import BaseAlgorithm  # noqa: E402
from stable_baselines3.common.buffers import ReplayBuffer  # noqa: E402

HEADER_KEY = "gameon_replay"
COLUMNS = ("observations", "next_observations", "actions", "rewards", "dones", "timeouts")


def replay_buffer_of(agent: BaseAlgorithm) -> ReplayBuffer | None:
    """The agent's replay buffer; None where it learns only from what it just did."""
    buffer = getattr(agent, "replay_buffer", None)
    return buffer if isinstance(buffer, ReplayBuffer) else None


def save_replay_buffer(buffer: ReplayBuffer, path: Path) -> None:
    """Write what a buffer holds.

    Raises:
        StorageError: it cannot be written.
    """
    size = buffer.size()
    arrays = {name: np.ascontiguousarray(getattr(buffer, name)[:size]) for name in COLUMNS}
    header = json.dumps({"version": 1, "buffer_size": buffer.buffer_size, "pos": buffer.pos, "full": buffer.full})
    safetensors = require("safetensors.numpy", "Saving a replay buffer")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        safetensors.save_file(arrays, path, metadata={HEADER_KEY: header})
    except (OSError, require("safetensors", "Saving a replay buffer").SafetensorError) as error:
        raise StorageError(f"the replay buffer cannot be written to {path}: {error}") from error


def load_replay_buffer(buffer: ReplayBuffer, path: Path) -> None:
    """Fill a buffer with what a file holds; of one that was larger, the newest steps.

    Raises:
        PolicyError: there is no such file, it is damaged, or of other frames or actions.
    """
    safetensors = require("safetensors", "Loading a replay buffer")
    try:
        with safetensors.safe_open(str(path), framework="numpy") as file:
            header: dict[str, Any] = json.loads((file.metadata() or {})[HEADER_KEY])
            arrays = {name: file.get_tensor(name) for name in COLUMNS}
        position, full = int(header["pos"]), bool(header["full"])
    except (OSError, KeyError, TypeError, ValueError, safetensors.SafetensorError) as error:
        raise PolicyError(f"{path} is no replay buffer, or damaged: {error}") from error
    for name, array in arrays.items():
        mine = getattr(buffer, name)
        if array.shape[1:] != mine.shape[1:] or array.dtype != mine.dtype:
            raise PolicyError(
                f"{path} holds {name} of shape {array.shape[1:]} {array.dtype}, the agent's are {mine.shape[1:]} "
                f"{mine.dtype}: it was kept with other frames, actions or another number of games side by side"
            )
        ordered = np.roll(array, -position, axis=0) if full else array
        kept = ordered[-buffer.buffer_size :]
        mine[: len(kept)] = kept
    count = min(len(arrays["rewards"]), buffer.buffer_size)
    buffer.pos, buffer.full = count % buffer.buffer_size, count == buffer.buffer_size
