"""Who acted on each row, where a person and an agent share an environment."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
import pytest

from gameon_env.data_processing.trajectory import load_episodes, recover
from gameon_env.errors import TrajectoryError
from wrappers import RecordEpisode


class SharedEnv(gymnasium.Env[Any, Any]):
    """The person acts on every third step; an agent's answer is the negative of what is done."""

    observation_space = gymnasium.spaces.Box(0, 255, (6, 8, 3), np.uint8)
    action_space = gymnasium.spaces.Box(-1, 1, (2,), np.float32)

    def __init__(self, shared: bool = True) -> None:
        self.shared = shared
        self.recording_metadata = {"controls": ["mouse:dx", "mouse:dy"], "game": "shared", "fps": 10.0}

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        self.steps = 0
        return np.zeros((6, 8, 3), np.uint8), {"t_ns": 0}

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        self.steps += 1
        human = self.steps % 3 == 0
        info: dict[str, Any] = {"t_ns": self.steps, "action": action}
        if self.shared:
            info |= {"actor": "human" if human else "agent", "agent_action": -action, "human_share": human / 4}
        else:
            info |= {"actor": "human"}
        return np.full((6, 8, 3), self.steps, np.uint8), 1.0, False, False, info


KILLED = """
import os, sys, time
import numpy as np
from tests.unit.wrappers.test_record_actor import SharedEnv
from wrappers import RecordEpisode
env = RecordEpisode(SharedEnv(), sys.argv[1], sys.argv[2])
env.reset()
for i in range(40):
    env.step(np.full(2, 0.5, np.float32))
    time.sleep(0.05)  # a file is flushed every second
os._exit(9)
"""


@pytest.fixture(params=["hdf5", "npz"])
def fmt(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def test_each_row_says_who_acted_and_what_the_agent_would_have_done(tmp_path: Path, fmt: str) -> None:
    env = RecordEpisode(SharedEnv(), tmp_path, fmt)
    env.reset()
    for i in range(7):
        env.step(np.full(2, i / 10, np.float32))
    env.close()
    (episode,) = load_episodes(tmp_path)
    assert episode.metadata["played_by"] == ["agent", "human"]
    assert episode.by_human.tolist() == [False, False, True, False, False, True, False, False]
    np.testing.assert_array_equal(episode.agent_inputs, -episode.inputs)
    assert episode.column("human_share").tolist() == [0, 0, 0.25, 0, 0, 0.25, 0, 0]


def test_where_nobody_shares_the_columns_are_not_there(tmp_path: Path, fmt: str) -> None:
    env = RecordEpisode(SharedEnv(shared=False), tmp_path, fmt)
    env.reset()
    for _ in range(3):
        env.step(np.zeros(2, np.float32))
    env.close()
    (episode,) = load_episodes(tmp_path)
    assert not {"actor", "agent_inputs", "human_share"} & set(episode.columns)
    assert episode.by_human.tolist() == [True, True, True, False]  # as the episode says of itself
    with pytest.raises(TrajectoryError, match="agent_inputs"):
        _ = episode.agent_inputs


def test_what_a_kill_leaves_tells_it_too(tmp_path: Path, fmt: str) -> None:
    command = [sys.executable, "-c", KILLED, str(tmp_path), fmt]
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=60, check=False, cwd=Path(__file__).parents[3]
    )
    assert done.returncode == 9, done.stderr
    (left,) = [path for path in tmp_path.iterdir() if path.suffix in (".hdf5", ".journal")]
    found = recover(left)
    assert found.target is not None
    (episode,) = load_episodes(found.target)
    assert episode.metadata["end_reason"] == "recovered"
    assert 10 <= episode.num_steps <= 40
    expected = [(i + 1) % 3 == 0 for i in range(episode.num_steps)]
    assert episode.by_human.tolist() == [*expected, False]
    np.testing.assert_array_equal(episode.agent_inputs, -episode.inputs)
    for name in ("actor", "human_share"):
        assert episode.column(name)[-1] == 0
    assert json.dumps(episode.metadata)
