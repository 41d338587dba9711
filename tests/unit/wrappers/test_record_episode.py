"""RecordEpisode over an environment with named vectors and over many of Gymnasium's own kinds."""

from __future__ import annotations

import copy
import pickle
import resource
import subprocess
import sys
import warnings
from functools import partial
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import numpy.typing as npt
import pytest
from gymnasium import spaces
from gymnasium.utils.env_checker import check_env
from gymnasium.wrappers import AddRenderObservation, TimeLimit

from gameon_env.data_processing.trajectory import load_episodes, recover
from gameon_env.errors import ActionError, ObservationError, StorageError, TrajectoryError, UnknownNameError
from wrappers import RecordEpisode

CONTROLS = ["key:w", "key:space", "mouse:dx"]
PERIOD_NS = 33_333_333
ANY = spaces.Box(-1, 1, (3,), np.float32)


class NamedVectorEnv(gym.Env[npt.NDArray[np.uint8], Any]):
    """Frames and named vectors as GameOn-Desktop-v0 gives them; frame i of episode e is all ``10 * e + i``."""

    metadata: dict[str, Any] = {"render_modes": [], "render_fps": 30}  # noqa: RUF012  # Gymnasium's own convention

    def __init__(self, steps: int = 8, fail_at: int | None = None, audio: int = 0) -> None:
        self.observation_space = spaces.Box(0, 255, (20, 24, 3), np.uint8)
        self.action_space = ANY
        self.recording_metadata = {"game": "fake: game/1", "fps": 30, "controls": CONTROLS, "mouse_scale_px": 100}
        self.steps, self.fail_at, self.audio = steps, fail_at, audio
        self.episode, self.step_number = -1, 0
        self.frame = np.zeros((20, 24, 3), np.uint8)  # reused, as a capture backend may

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        super().reset(seed=seed)
        self.episode, self.step_number = self.episode + 1, 0
        return self._observe()

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        if self.step_number == self.fail_at:
            raise ValueError("the game is gone")
        self.step_number += 1
        observation, info = self._observe()
        info |= {
            "action": np.asarray(action, np.float32) * 2,
            "presses": np.array([self.step_number % 256, 0, 0], np.uint8),
            "actor": "human" if self.step_number % 2 else "agent",
        }
        if self.audio:
            info["audio"] = np.full(self.audio, self.step_number, np.float32)
        terminated = self.step_number == self.steps
        if terminated:
            info["end_reason"] = "game over"
        return observation, float(self.step_number), terminated, False, info

    def _observe(self) -> tuple[npt.NDArray[np.uint8], dict[str, Any]]:
        self.frame[...] = (10 * self.episode + self.step_number) % 256
        return self.frame, {"t_ns": 5_000_000_000 + self.episode * 10**9 + self.step_number * PERIOD_NS}


class SpacesEnv(gym.Env[Any, Any]):
    """Any spaces; every observation is a sample. Remembers what it gave and got."""

    metadata: dict[str, Any] = {"render_modes": []}  # noqa: RUF012  # Gymnasium's own convention

    def __init__(self, observation_space: spaces.Space[Any], action_space: spaces.Space[Any]) -> None:
        self.observation_space, self.action_space = observation_space, action_space
        self.given_space = observation_space
        self.observations: list[Any] = []
        self.actions: list[Any] = []

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        super().reset(seed=seed)
        self.observations, self.actions = [self.given_space.sample()], []
        return self.observations[0], {}

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        self.actions.append(copy.deepcopy(action))
        self.observations.append(self.given_space.sample())
        return self.observations[-1], 0.5, False, len(self.actions) == 6, {}


def play(env: gym.Env[Any, Any], steps: int = 1000, seed: int | None = None) -> int:
    env.reset(seed=seed)
    for step in range(steps):
        _, _, terminated, truncated, _ = env.step(env.action_space.sample())
        if terminated or truncated:
            return step + 1
    return steps


def play_on(env: gym.Env[Any, Any], steps: int) -> None:
    for _ in range(steps):
        env.step(env.action_space.sample())


@pytest.fixture(autouse=True)
def no_screen(monkeypatch: pytest.MonkeyPatch) -> None:
    """CartPole draws by pygame, and needs no OpenGL library in this process for it."""
    monkeypatch.setenv("SDL_VIDEODRIVER", "dummy")


@pytest.fixture(params=["hdf5", "npz"])
def fmt(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def test_named_vectors_are_recorded_by_the_step_rule(tmp_path: Path, fmt: str) -> None:
    env = RecordEpisode(NamedVectorEnv(audio=4), tmp_path, fmt)
    actions = np.random.default_rng(0).uniform(-1, 1, (2, 8, 3)).astype(np.float32)
    for episode_actions in actions:
        env.reset(seed=int(episode_actions[0, 0] > 0))
        for action in episode_actions:
            env.step(action)
    episodes = load_episodes(tmp_path)  # a finished episode is there before close
    env.close()
    env.close()
    assert len(episodes) == 2
    for number, episode in enumerate(episodes):
        assert episode.num_steps == 8
        assert episode.controls == tuple(CONTROLS)
        assert episode.fps == 30
        np.testing.assert_array_equal(episode.video()[:, 3, 3, 1], 10 * number + np.arange(9))
        np.testing.assert_array_equal(episode.inputs, np.concatenate([actions[number] * 2, np.zeros((1, 3))]))
        np.testing.assert_array_equal(episode.presses[:, 0], [1, 2, 3, 4, 5, 6, 7, 8, 0])
        np.testing.assert_array_equal(episode.column("audio")[:, 3], [1, 2, 3, 4, 5, 6, 7, 8, 0])
        np.testing.assert_array_equal(episode.rewards, [1, 2, 3, 4, 5, 6, 7, 8, 0])
        np.testing.assert_array_equal(episode.timestamps, np.arange(9) * PERIOD_NS)
        assert episode.is_first.tolist() == [True] + [False] * 8
        assert episode.is_last.tolist() == [False] * 8 + [True]
        assert episode.is_terminal.tolist() == [False] * 8 + [True]
        assert episode.is_valid.tolist() == [True] * 8 + [False]
        metadata = episode.metadata
        assert metadata["game"] == "fake: game/1"
        assert metadata["mouse_scale_px"] == 100
        assert metadata["end_reason"] == "game over"
        assert metadata["terminated"]
        assert not metadata["truncated"]
        assert metadata["played_by"] == ["human", "agent"]
        assert metadata["start_ns"] == 5_000_000_000 + number * 10**9
        assert metadata["seed"] in (0, 1)
        assert "actions" not in episode.columns
    files = list(tmp_path.iterdir())
    assert len(files) == (1 if fmt == "hdf5" else 2)
    assert all(file.name.startswith("fake-game-1_2") for file in files)


def test_an_episode_that_is_not_over_is_finished_as_truncated(tmp_path: Path, fmt: str) -> None:
    env = RecordEpisode(NamedVectorEnv(), tmp_path, fmt)
    play(env, 3)
    env.reset()  # ends the first
    env.reset()  # without a step there is nothing to keep
    play(env, 5)
    env.close()
    episodes = load_episodes(tmp_path)
    assert [(e.num_steps, e.metadata["end_reason"]) for e in episodes] == [(3, "reset"), (5, "closed")]
    for episode in episodes:
        assert episode.metadata["truncated"]
        assert not episode.is_terminal.any()
        assert episode.video(-1)[0, 0, 0, 0] % 10 == episode.num_steps


def test_an_exception_of_the_environment_keeps_the_episode_and_goes_on(tmp_path: Path, fmt: str) -> None:
    env = RecordEpisode(NamedVectorEnv(fail_at=4), tmp_path, fmt)
    with pytest.raises(ValueError, match="the game is gone"):
        play(env)
    (episode,) = load_episodes(tmp_path)
    assert episode.num_steps == 4
    assert episode.metadata["end_reason"] == "error: ValueError: the game is gone"
    assert episode.metadata["truncated"]
    env.unwrapped.fail_at = None  # type: ignore[attr-defined]
    assert play(env) == 8
    env.close()
    assert [e.num_steps for e in load_episodes(tmp_path)] == [4, 8]


NESTED = spaces.Dict(
    {
        "pixels": spaces.Box(0, 255, (10, 12, 3), np.uint8),
        "inner": spaces.Dict({"x/y": spaces.Box(-np.inf, np.inf, (2, 3), np.float64), "on": spaces.MultiBinary(4)}),
        "pair": spaces.Tuple([spaces.Discrete(5, start=-2), spaces.MultiDiscrete([3, 4])]),
    }
)


@pytest.mark.parametrize(
    "space",
    [
        spaces.Box(-1, 1, (4,), np.float32),
        spaces.Box(np.array([0, -5]), np.array([1, np.inf]), dtype=np.float64),
        spaces.Box(0, 255, (6, 7), np.uint8),
        spaces.Box(-1, 1, (0,), np.float32),
        spaces.Box(0, 1, (60, 70), np.float32),
        spaces.Discrete(7),
        spaces.MultiBinary((2, 3)),
        spaces.MultiDiscrete([5, 6]),
        NESTED,
    ],
    ids=lambda space: type(space).__name__,
)
def test_all_fixed_size_spaces_are_recorded(tmp_path: Path, fmt: str, space: spaces.Space[Any]) -> None:
    inner = SpacesEnv(space, space)
    env = RecordEpisode(inner, tmp_path, fmt)
    assert play(env) == 6
    env.close()
    (episode,) = load_episodes(tmp_path)
    assert "video" not in episode.columns
    assert episode.controls is None
    if isinstance(space, spaces.Dict):
        read = episode.observations("inner/x%2Fy")
        np.testing.assert_array_equal(read, [o["inner"]["x/y"] for o in inner.observations])
        np.testing.assert_array_equal(episode.observations("pixels"), [o["pixels"] for o in inner.observations])
        np.testing.assert_array_equal(episode.observations("pair/0"), [o["pair"][0] for o in inner.observations])
        assert isinstance(episode.actions, dict)
        np.testing.assert_array_equal(episode.actions["inner/on"][:-1], [a["inner"]["on"] for a in inner.actions])
        np.testing.assert_array_equal(episode.actions["pair/1"][:-1], [a["pair"][1] for a in inner.actions])
        assert not any(values[-1].any() for values in episode.actions.values())
    else:
        np.testing.assert_array_equal(episode.observations(), inner.observations)
        assert isinstance(episode.actions, np.ndarray)
        np.testing.assert_array_equal(episode.actions[:-1], inner.actions)
        assert episode.actions.dtype == space.dtype
    kind = episode.metadata["action_space"]["type"]
    assert kind == type(space).__name__


@pytest.mark.parametrize("env_id", ["CartPole-v1", "Pendulum-v1", "FrozenLake-v1", "Blackjack-v1", "CliffWalking-v1"])
def test_gymnasium_own_environments(tmp_path: Path, fmt: str, env_id: str) -> None:
    env = RecordEpisode(TimeLimit(gym.make(env_id), 40), tmp_path, fmt)
    lengths = [play(env, seed=seed) for seed in range(3)]
    env.close()
    episodes = load_episodes(tmp_path)
    assert [episode.num_steps for episode in episodes] == lengths
    assert [episode.metadata["seed"] for episode in episodes] == [0, 1, 2]
    assert {episode.metadata["env_id"] for episode in episodes} == {env_id}
    replay = gym.make(env_id)
    for episode in episodes:
        first, _ = replay.reset(seed=episode.metadata["seed"])
        key = "0" if isinstance(first, tuple) else None
        np.testing.assert_array_equal(episode.observations(key)[0], first[0] if isinstance(first, tuple) else first)
        for i, action in enumerate(np.asarray(episode.actions)[:-1]):
            observation, reward, terminated, _, _ = replay.step(action)
            observation = observation[0] if isinstance(observation, tuple) else observation
            np.testing.assert_array_equal(episode.observations(key)[i + 1], observation)
            assert episode.rewards[i] == np.float32(reward)
        assert terminated == episode.is_terminal[-1]


def test_rendered_frames_become_the_video(tmp_path: Path, fmt: str) -> None:
    env: gym.Env[Any, Any] = AddRenderObservation(gym.make("CartPole-v1", render_mode="rgb_array"))
    env = RecordEpisode(env, tmp_path, fmt)
    first, _ = env.reset(seed=1)
    second, *_ = env.step(1)
    env.close()
    (episode,) = load_episodes(tmp_path)
    np.testing.assert_array_equal(episode.video(), [first, second])
    np.testing.assert_array_equal(episode.actions, [1, 0])


def test_a_space_without_a_fixed_shape_is_refused_at_once(tmp_path: Path) -> None:
    with pytest.raises(ObservationError, match=r"observations/words is a Text space.*TransformObservation"):
        RecordEpisode(SpacesEnv(spaces.Dict({"words": spaces.Text(5)}), ANY), tmp_path)
    with pytest.raises(UnknownNameError, match="npy"):
        RecordEpisode(NamedVectorEnv(), tmp_path, "npy")
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError, match="Choose another output_dir"):
        RecordEpisode(NamedVectorEnv(), tmp_path / "file")


def test_an_environment_that_resets_itself_is_recorded_on(tmp_path: Path, fmt: str) -> None:
    env = RecordEpisode(gym.wrappers.Autoreset(NamedVectorEnv(steps=4)), tmp_path, format=fmt)
    env.reset(seed=5)
    play_on(env, 12)  # 4 steps, one that resets, 4 steps, one that resets, 2 of the third
    env.close()
    episodes = load_episodes(tmp_path)
    assert [episode.num_steps for episode in episodes] == [4, 4, 2]
    assert [episode.metadata["terminated"] for episode in episodes] == [True, True, False]
    assert [episode.metadata["seed"] for episode in episodes] == [5, None, None]
    assert [int(episode.video()[0].max()) for episode in episodes] == [0, 10, 20]


def test_steps_after_the_end_are_no_episode(tmp_path: Path, fmt: str) -> None:
    env = RecordEpisode(NamedVectorEnv(steps=4), tmp_path, format=fmt)
    env.reset()
    play_on(env, 4)
    env.unwrapped.step_number = 3  # type: ignore[attr-defined]  # its end, once more
    env.step(env.action_space.sample())
    env.close()
    assert [episode.num_steps for episode in load_episodes(tmp_path)] == [4]


def test_numbers_of_numpy_are_no_hindrance(tmp_path: Path, fmt: str) -> None:
    class Numbered(NamedVectorEnv):
        def _observe(self) -> tuple[npt.NDArray[np.uint8], dict[str, Any]]:
            frame, info = super()._observe()
            return frame, {**info, "seed": np.int64(77), "raw_score": np.float32(2.5)}

    made = Numbered()
    made.metadata = {"render_modes": [], "render_fps": np.float64(30)}
    env = RecordEpisode(made, tmp_path, format=fmt)
    play(env)
    env.close()
    (episode,) = load_episodes(tmp_path)
    assert (episode.metadata["seed"], episode.metadata["score"]) == (77, 2.5)


def test_an_observation_unlike_its_space_is_refused(tmp_path: Path) -> None:
    inner = SpacesEnv(ANY, ANY)
    env = RecordEpisode(inner, tmp_path)
    env.reset()
    inner.given_space = spaces.Box(-1, 1, (4,), np.float32)
    with pytest.raises(ObservationError, match=r"observations has the shape \(4,\).*says \(3,\)"):
        env.step(ANY.sample())
    env.close()
    assert not any(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("space", "value"),
    [
        (spaces.Box(0, 255, (2, 2, 3), np.uint8), np.full((2, 2, 3), 0.5)),
        (spaces.Box(0, 255, (3,), np.uint8), np.array([300, -1, 2])),
        (spaces.Discrete(3), 1.5),
        (spaces.MultiDiscrete([3, 3]), np.array([1.0, np.nan])),
        (spaces.Box(-1, 1, (2,), np.float32), np.array(["left", "up"])),
    ],
)
def test_values_that_would_become_others_are_refused(tmp_path: Path, space: spaces.Space[Any], value: Any) -> None:
    inner = SpacesEnv(space, ANY)
    env = RecordEpisode(inner, tmp_path)
    env.reset()
    inner.given_space = spaces.Discrete(1)
    inner.given_space.sample = lambda *_: value  # type: ignore[method-assign]
    with pytest.raises(
        ObservationError, match=rf"is {np.asarray(value).dtype}, with values .* cannot hold".replace("<", ".")
    ):
        env.step(ANY.sample())
    env.close()


def test_values_of_another_dtype_that_mean_the_same_are_recorded(tmp_path: Path, fmt: str) -> None:
    inner = SpacesEnv(spaces.Box(0, 255, (2,), np.uint8), spaces.Discrete(4))
    inner.given_space = spaces.Box(-1, 1, (2,), np.float64)
    inner.given_space.sample = lambda *_: np.array([255.0, 3.0])  # type: ignore[method-assign]
    env = RecordEpisode(inner, tmp_path, format=fmt)
    env.reset()
    env.step(2.0)
    env.close()
    (episode,) = load_episodes(tmp_path)
    assert episode.column("observations").tolist() == [[255, 3], [255, 3]]
    assert episode.column("actions")[0] == 2


@pytest.mark.parametrize(
    "said",
    [
        {"action": ["left", "up"]},
        {"action": np.array([None, None])},
        {"action": [[1], [1, 2]]},
        {"action": {"x": 1}},
        {"audio": "beep.wav"},
        {"audio": np.zeros((2, 3))},
        {"raw_score": float("inf"), "t_ns": "noon", "end_reason": np.array([1, 2]), "actor": None},
    ],
)
def test_what_another_environment_says_in_info_is_no_hindrance(tmp_path: Path, fmt: str, said: dict[str, Any]) -> None:
    class Talking(SpacesEnv):
        def step(self, action: Any) -> tuple[Any, Any, bool, bool, dict[str, Any]]:
            observation, reward, _, truncated, _ = super().step(action)
            return observation, np.array([reward]), False, truncated, said

    env = RecordEpisode(Talking(ANY, spaces.Discrete(4)), tmp_path, format=fmt)
    play(env)
    env.close()
    (episode,) = load_episodes(tmp_path)
    assert episode.num_steps == 6
    assert "actions" in episode.columns
    assert episode.rewards[:-1].tolist() == [0.5] * 6
    assert episode.metadata["end_reason"] == "truncated"


def test_presses_of_another_shape_than_the_vector_are_none(tmp_path: Path, fmt: str) -> None:
    class Talking(SpacesEnv):
        def step(self, action: Any) -> tuple[Any, Any, bool, bool, dict[str, Any]]:
            observation, reward, _, truncated, _ = super().step(action)
            return observation, reward, False, truncated, {"action": [0.0, 1.0], "presses": 3}

    env = RecordEpisode(Talking(ANY, spaces.Discrete(4)), tmp_path, format=fmt)
    play(env)
    env.close()
    (episode,) = load_episodes(tmp_path)
    assert episode.inputs[0].tolist() == [0.0, 1.0]
    assert "presses" not in episode.columns


def test_a_vector_that_changes_its_length_is_refused(tmp_path: Path) -> None:
    env = RecordEpisode(NamedVectorEnv(), tmp_path)
    env.reset()
    env.step(ANY.sample())
    with pytest.raises(ActionError, match=r"step 1 gives inputs \(2,\), the episode's first step gave \(3,\)"):
        env.step(np.zeros(2))
    env.close()
    (episode,) = load_episodes(tmp_path)
    assert episode.num_steps == 1
    assert episode.metadata["end_reason"].startswith("error: step 1 gives inputs")


def test_other_columns_in_a_later_episode_start_a_new_file(tmp_path: Path, fmt: str) -> None:
    inner = NamedVectorEnv()
    env = RecordEpisode(inner, tmp_path, fmt)
    play(env)
    inner.audio = 5
    play(env)
    env.close()
    episodes = load_episodes(tmp_path)
    assert [("audio" in episode.columns) for episode in episodes] == [False, True]
    assert len({episode.path for episode in episodes}) == 2


def test_metadata_that_is_no_json_is_refused_at_reset(tmp_path: Path) -> None:
    inner = NamedVectorEnv()
    inner.recording_metadata["profile"] = object()
    env = RecordEpisode(inner, tmp_path)
    with pytest.raises(TrajectoryError, match="JSON"):
        env.reset()
    env.close()


def test_an_abandoned_recording_can_be_recovered(tmp_path: Path, fmt: str) -> None:
    env = RecordEpisode(NamedVectorEnv(), tmp_path, fmt)
    play(env, 6)
    writer = env._writer
    assert writer is not None
    writer.close()  # as at the end of a process that never closed the environment
    recovery = recover(writer.path if fmt == "hdf5" else writer.path.with_suffix(".journal"))
    assert recovery.target is not None
    (episode,) = load_episodes(recovery.target)
    assert episode.num_steps == 5
    assert episode.metadata["controls"] == CONTROLS


def test_it_is_a_good_gymnasium_wrapper(tmp_path: Path) -> None:
    env = gym.make("CartPole-v1", render_mode="rgb_array")
    wrapped = RecordEpisode(env, tmp_path)
    assert wrapped.metadata == env.metadata
    assert wrapped.observation_space == env.observation_space
    assert wrapped.render_mode == "rgb_array"
    assert wrapped.spec is not None
    again = gym.make(gym.envs.registration.EnvSpec.from_json(wrapped.spec.to_json()))
    assert isinstance(again, RecordEpisode)
    assert again.output_dir == tmp_path
    again.close()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # of CartPole's bounds, and that a wrapper is checked
        check_env(wrapped)
    wrapped.close()
    assert load_episodes(tmp_path)


def test_vector_environments_do_not_share_a_file(tmp_path: Path, fmt: str) -> None:
    recorded = [partial(RecordEpisode, output_dir=str(tmp_path), format=fmt)]
    for mode in ("sync", "async"):
        envs = gym.make_vec("CartPole-v1", num_envs=2, vectorization_mode=mode, wrappers=recorded)
        envs.reset(seed=0)
        for _ in range(60):
            envs.step(envs.action_space.sample())
        envs.close()
    episodes = load_episodes(tmp_path)
    if fmt == "hdf5":
        assert len({episode.path for episode in episodes}) == 4
    assert sum(episode.num_steps for episode in episodes) > 4 * 50
    for episode in episodes:
        assert pickle.loads(pickle.dumps(episode)).num_steps == episode.num_steps  # noqa: S301  # our own


def test_a_full_disk_stops_the_recording_but_not_the_environment(tmp_path: Path, fmt: str) -> None:
    env = RecordEpisode(NamedVectorEnv(steps=100_000), tmp_path, fmt)
    play(env, 20)
    env.reset()
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, hard))
    try:
        with pytest.raises(StorageError, match=r"could not be written: File too large.*1 .*safe.*gameon recover"):
            play_on(env, 3000)
        play_on(env, 1)  # the game goes on, unrecorded
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert [episode.num_steps for episode in load_episodes(tmp_path)] == [20]
    assert play(env, 30) == 30
    env.close()
    assert sorted(episode.num_steps for episode in load_episodes(tmp_path)) == [20, 30]


def test_a_closed_recording_can_go_on(tmp_path: Path, fmt: str) -> None:
    env = RecordEpisode(NamedVectorEnv(), tmp_path, fmt)
    for _ in range(2):
        play(env)
        env.close()
        assert env.recording_path in list(tmp_path.iterdir())
    assert len(load_episodes(tmp_path)) == 2


UNCLOSED = """
import gymnasium, os, sys
from wrappers import RecordEpisode
env = RecordEpisode(gymnasium.make("Pendulum-v1"), sys.argv[1], sys.argv[2])
for seed in range(2):
    env.reset(seed=seed)
    for _ in range(50):
        env.step(env.action_space.sample())
if os.fork() == 0:  # what a fork inherits stays the parent's
    if sys.argv[3] == "exit":
        env.close()
    else:
        env.reset()
        env.step(env.action_space.sample())
    sys.exit(0)
os.wait()
if sys.argv[3] == "error":
    raise SystemExit("an error")
"""


@pytest.mark.parametrize("ending", ["exit", "error"])
def test_an_environment_that_nobody_closes_loses_nothing(tmp_path: Path, fmt: str, ending: str) -> None:
    command = [sys.executable, "-c", UNCLOSED, str(tmp_path), fmt, ending]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == (ending == "error"), done.stderr
    found = sorted((e.num_steps, e.metadata["end_reason"]) for e in load_episodes(tmp_path))
    by_child = [(1, "the process ended")] if ending == "error" else []
    assert found == [*by_child, (50, "reset"), (50, "the process ended")]
