"""Agents of Stable-Baselines3 on a task with a known answer: they clone it, go on from there, and are kept."""

from __future__ import annotations

import json
import zipfile
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from stable_baselines3.common.env_checker import check_env
from stable_baselines3.common.vec_env import VecEnv

from gameon_env.data_processing.trajectory import Episode
from gameon_env.datasets.options import DatasetOptions
from gameon_env.datasets.recordings import find_recordings
from gameon_env.datasets.split import split_of
from gameon_env.datasets.windows import Windows
from gameon_env.errors import ActionError, ObservationError, PolicyError, UnknownNameError
from gameon_env.learning.evaluation import RandomFresh, evaluate
from gameon_env.learning.policy import Policy
from gameon_env.learning.sb3 import (
    ALGORITHMS,
    AgentActor,
    PretrainConfig,
    coding_of,
    export_policy,
    fill_replay_buffer,
    load_agent,
    make_agent,
    make_sb3_env,
    pretrain,
    read_agent_spec,
    save_agent,
    start_from_policy,
)
from tests.unit.learning.dot_env import CONTROLS, LENGTH, SIZE, DotEnv, record
from wrappers import DiscreteActions, MultiDiscreteActions, SymmetricActions

pytestmark = pytest.mark.usefixtures("one_thread")

COMBINATIONS = {
    "nothing": {"mouse:dx": 0.0},
    "left": {"key:a": 1, "mouse:dx": -0.4},
    "right": {"key:d": 1, "mouse:dx": 0.4},
    "fire": {"mouse:left": 1},
    "fire_left": {"key:a": 1, "mouse:left": 1, "mouse:dx": -0.4},
    "fire_right": {"key:d": 1, "mouse:left": 1, "mouse:dx": 0.4},
}
QUICK = PretrainConfig(epochs=8, batch_size=32, learning_rate=3e-3, shift_px=0, averaging=0.95, threads=1)
SMALL: dict[str, dict[str, Any]] = {
    "ppo": {"n_steps": 64, "batch_size": 32, "n_epochs": 2, "learning_rate": 1e-4},
    "a2c": {"n_steps": 16, "learning_rate": 1e-5},
    "recurrent_ppo": {"n_steps": 64, "batch_size": 32, "n_epochs": 2, "learning_rate": 1e-4},
    "sac": {"buffer_size": 500, "learning_starts": 20, "batch_size": 16, "train_freq": 8, "gradient_steps": 1},
    "dqn": {"buffer_size": 500, "learning_starts": 20, "batch_size": 16, "train_freq": 8, "learning_rate": 1e-5},
}


@pytest.fixture(scope="module")
def episodes(tmp_path_factory: pytest.TempPathFactory) -> list[Episode]:
    return record(tmp_path_factory.mktemp("dots"), 30)


def environment(algorithm: str, **options: Any) -> VecEnv:
    actions = COMBINATIONS if algorithm == "dqn" else None
    return make_sb3_env(DotEnv, algorithm, actions=actions, **options)


def score(agent: Any, *, deterministic: bool = True) -> float:
    """Mean reward per step, 0 to 1."""
    result = evaluate(DotEnv(), AgentActor(agent, deterministic=deterministic), [100, 101, 102, 103])
    return result.mean / result.lengths[0]


@pytest.fixture(scope="module")
def random_score() -> float:
    result = evaluate(DotEnv(), RandomFresh(DotEnv()), [100, 101, 102, 103])
    return result.mean / result.lengths[0]


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_an_agent_clones_a_recording_and_goes_on_from_there(
    algorithm: str, episodes: list[Episode], random_score: float, tmp_path: Path
) -> None:
    env = environment(algorithm)
    agent = make_agent(algorithm, env, seed=1, device="cpu", **SMALL[algorithm])
    result = pretrain(agent, episodes, QUICK, progress=False)
    cloned = score(agent)
    assert cloned > 0.85 > random_score + 0.25, (cloned, random_score, result.curve)
    assert result.best.validation_loss < result.curve[0].train_loss

    agent.learn(128)
    assert agent.num_timesteps >= 128
    assert score(agent) > random_score + 0.2

    save_agent(agent, tmp_path / "agent.safetensors")
    again = load_agent(tmp_path / "agent.safetensors", environment(algorithm))
    assert again.num_timesteps == agent.num_timesteps
    assert score(again) == score(agent)
    for name, state in agent.get_parameters().items():
        assert json.dumps(_shape_of(state)) == json.dumps(_shape_of(again.get_parameters()[name])), name
    again.learn(32, reset_num_timesteps=False)
    assert again.num_timesteps > agent.num_timesteps


def _shape_of(state: Any) -> Any:
    if isinstance(state, torch.Tensor):
        return [list(state.shape), float(state.double().sum())]
    if isinstance(state, dict):
        return {str(key): _shape_of(value) for key, value in state.items()}
    return [_shape_of(value) for value in state] if isinstance(state, list | tuple) else state


def test_an_agent_learns_by_itself(random_score: float) -> None:
    env = make_sb3_env(DotEnv, "ppo", mouse_bins=3)
    agent = make_agent(
        "ppo", env, seed=0, device="cpu", n_steps=128, batch_size=64, n_epochs=4, learning_rate=1e-3, gamma=0.0
    )
    agent.learn(3000)
    assert score(agent) > random_score + 0.2


def test_values_of_recordings_are_learned_with_the_actions(episodes: list[Episode]) -> None:
    agent = make_agent("ppo", environment("ppo"), seed=0, device="cpu", gamma=0.5)
    pretrain(agent, episodes, QUICK, progress=False)
    frames = episodes[0].video(np.arange(5)).transpose(0, 3, 1, 2)
    with torch.no_grad():
        values = agent.policy.predict_values(torch.from_numpy(np.ascontiguousarray(frames)))  # type: ignore[operator]
    np.testing.assert_allclose(values.numpy().ravel(), 2.0, atol=0.4)  # a perfect player's 1 + 1/2 + 1/4 ...


def test_sharper_choices_are_drawn_nearer_to_the_most_likely(episodes: list[Episode]) -> None:
    drawn = []
    for sharpness in (0.1, 5.0):
        agent = make_agent("ppo", environment("ppo"), seed=0, device="cpu")
        pretrain(agent, episodes, replace(QUICK, sharpness=sharpness), progress=False)
        drawn.append(score(agent, deterministic=False))
    assert drawn[1] > drawn[0] + 0.1


def test_a_policys_file_and_an_agent_are_carried_over_both_ways(episodes: list[Episode], tmp_path: Path) -> None:
    agent = make_agent("ppo", environment("ppo", stack=2), seed=0, device="cpu")
    pretrain(agent, episodes, QUICK, progress=False)
    export_policy(agent, tmp_path / "policy.safetensors", {"game": "dots", "fps": 15.0})
    assert Policy.load(tmp_path / "policy.safetensors").spec.play == {"sample_buttons": True, "axis_decoding": "sample"}
    policy = Policy.load(tmp_path / "policy.safetensors", axis_decoding="mode", sample_buttons=False)
    policy.check_env(DotEnv())
    actor = AgentActor(agent, deterministic=True)
    policy.reset(), actor.reset()
    frames = np.concatenate([episode.video() for episode in episodes[:4]])
    np.testing.assert_allclose([policy.act(f) for f in frames], [actor.act(f) for f in frames], atol=1e-5)

    other = make_agent("a2c", environment("a2c", stack=2), seed=5, device="cpu")
    start_from_policy(other, tmp_path / "policy.safetensors")
    assert score(other) == pytest.approx(score(agent), rel=0.03)

    with pytest.raises(PolicyError, match="stack: policy 2, agent 1"):
        start_from_policy(make_agent("ppo", environment("ppo"), device="cpu"), tmp_path / "policy.safetensors")
    few = make_sb3_env(DotEnv, "ppo", mouse_bins=11, stack=2)
    with pytest.raises(PolicyError, match="environment with mouse_bins=21"):
        start_from_policy(make_agent("ppo", few, device="cpu"), tmp_path / "policy.safetensors")
    grouped = make_agent("ppo", environment("ppo", stack=2, exclusive=None), device="cpu")
    start_from_policy(grouped, tmp_path / "policy.safetensors")
    assert score(grouped) == pytest.approx(score(agent), rel=0.03)
    export_policy(grouped, tmp_path / "grouped.safetensors")
    drawn = evaluate(DotEnv(), Policy.load(tmp_path / "grouped.safetensors"), [100, 101, 102, 103])
    assert drawn.mean / drawn.lengths[0] == pytest.approx(score(grouped, deterministic=False), abs=0.1)
    nature = make_agent("ppo", environment("ppo", stack=2), network="nature", device="cpu")
    with pytest.raises(PolicyError, match="network='clone'"):
        start_from_policy(nature, tmp_path / "policy.safetensors")
    with pytest.raises(PolicyError, match="network='clone'"):
        export_policy(nature, tmp_path / "no.safetensors")


@pytest.mark.parametrize("algorithm", ["sac", "dqn"])
@pytest.mark.parametrize("stack", [1, 2])
def test_recordings_fill_a_replay_buffer(algorithm: str, stack: int, episodes: list[Episode]) -> None:
    agent: Any = make_agent(algorithm, environment(algorithm, stack=stack), device="cpu", **SMALL[algorithm])
    chosen = episodes[:4]
    conversion = fill_replay_buffer(agent, chosen)
    buffer, length = agent.replay_buffer, chosen[0].num_steps
    assert buffer.size() == len(conversion.actions) == sum(episode.num_steps for episode in chosen)
    assert buffer.rewards[: buffer.size()].sum() == pytest.approx(sum(episode.rewards.sum() for episode in chosen))
    assert np.flatnonzero(buffer.dones[: buffer.size(), 0]).tolist() == [length * (i + 1) - 1 for i in range(4)]
    assert not buffer.timeouts.any()  # the game was over
    frames = chosen[1].video().transpose(0, 3, 1, 2)
    np.testing.assert_array_equal(buffer.observations[length + 3, 0, -3:], frames[3])
    np.testing.assert_array_equal(buffer.next_observations[length + 3, 0, -3:], frames[4])
    np.testing.assert_array_equal(buffer.observations[length, 0, :3], frames[0])
    decoded = coding_of(agent).decode(
        buffer.actions[:length, 0].squeeze() if algorithm == "dqn" else buffer.actions[:length, 0]
    )
    assert ((decoded[:, :3] >= 0.5) == (chosen[0].inputs[:length, :3] >= 0.5)).mean() > 0.95
    agent.learn(0)
    agent.train(gradient_steps=2, batch_size=16)


def test_recordings_are_read_from_their_folder_and_from_windows(tmp_path: Path) -> None:
    record(tmp_path, 6)
    agent = make_agent("ppo", environment("ppo"), seed=1, device="cpu")
    config = PretrainConfig(epochs=1, batch_size=32, threads=1)
    halves = (0.5, 0.5, 0.0)
    groups = [recording.group for recording in find_recordings(tmp_path)]
    # The split goes by a hash of the files' names: a seed by which both parts have some.
    seed = next(seed for seed in range(100) if len({split_of(group, seed, halves) for group in groups}) == 2)
    options = DatasetOptions(
        db_path=tmp_path, sequence_length=1, include_audio=False, split="train", split_fractions=halves, seed=seed
    )
    windows = Windows(options)
    of_all = pretrain(agent, tmp_path, config, progress=False)
    of_some = pretrain(agent, windows, config, progress=False)
    assert of_all.training_steps + of_all.validation_steps == 6 * LENGTH
    assert of_some.training_steps + of_some.validation_steps == len(windows) < 6 * LENGTH


def test_what_does_not_fit_is_said(episodes: list[Episode], tmp_path: Path) -> None:
    env = environment("ppo")
    agent = make_agent("ppo", env, device="cpu")
    with pytest.raises(PolicyError, match="no replay buffer"):
        fill_replay_buffer(agent, episodes)
    with pytest.raises(UnknownNameError, match="Did you mean 'ppo'"):
        make_agent("pppo", env)
    with pytest.raises(UnknownNameError, match="sac can only have actions='box'"):
        make_sb3_env(DotEnv, "sac", actions="discrete")
    with pytest.raises(UnknownNameError, match="actions must be"):
        make_sb3_env(DotEnv, "ppo", actions="discreet")
    with pytest.raises(ActionError, match="from_dataset"):
        make_sb3_env(DotEnv, "dqn")
    with pytest.raises(ObservationError, match="at least 36x36"):
        make_sb3_env("rescue", "ppo", observation_size=(32, 32))
    with pytest.raises(PolicyError, match="cannot be made with"):
        make_agent("ppo", env, stepz=3)
    with pytest.raises(UnknownNameError, match="network"):
        make_agent("ppo", env, network="resnet")
    other = make_sb3_env(lambda: DotEnv(("key:a", "key:d", "key:w", "mouse:dx")), "ppo")
    with pytest.raises(PolicyError, match="controls"):
        pretrain(make_agent("ppo", other, device="cpu"), episodes, QUICK, progress=False)
    with pytest.raises(PolicyError, match="time budget"):
        pretrain(agent, episodes, PretrainConfig(minutes=1e-9), progress=False)


def test_recordings_and_policies_of_another_mouse_or_rate_are_told(episodes: list[Episode], tmp_path: Path) -> None:
    class Other(DotEnv):
        scale, rate = 200.0, 15.0

        def __init__(self) -> None:
            super().__init__()
            self.recording_metadata |= {"fps": self.rate, "mouse_scale_px": self.scale}

    class Quicker(Other):
        scale, rate = 50.0, 30.0

    export_policy(make_agent("ppo", environment("ppo"), device="cpu"), tmp_path / "policy.safetensors")
    sac = make_agent("sac", make_sb3_env(Other, "sac", observation_size=(SIZE, SIZE)), device="cpu", **SMALL["sac"])
    ppo = make_agent("ppo", make_sb3_env(Other, "ppo", observation_size=(SIZE, SIZE)), device="cpu")
    with pytest.raises(PolicyError, match="recorded has mouse_scale_px=50, the environment has 200"):
        fill_replay_buffer(sac, episodes)
    with pytest.raises(PolicyError, match="recorded has mouse_scale_px=50, the environment has 200"):
        pretrain(ppo, episodes, QUICK, progress=False)
    with pytest.raises(PolicyError, match="recorded has mouse_scale_px=50, the environment has 200"):
        start_from_policy(ppo, tmp_path / "policy.safetensors")
    quicker = make_agent("ppo", make_sb3_env(Quicker, "ppo", observation_size=(SIZE, SIZE)), device="cpu")
    with pytest.warns(UserWarning, match="15 steps a second, the environment 30: make it with fps=15"):
        start_from_policy(quicker, tmp_path / "policy.safetensors")


def test_an_agent_is_told_from_a_policy(tmp_path: Path) -> None:
    save_agent(make_agent("ppo", environment("ppo"), device="cpu"), tmp_path / "agent.safetensors")
    with pytest.raises(PolicyError, match=r"is an agent to go on training with, no policy: sb3\.export_policy"):
        Policy.load(tmp_path / "agent.safetensors")


def test_no_file_is_unpickled(tmp_path: Path) -> None:
    env = environment("ppo")
    agent = make_agent("ppo", env, device="cpu", n_steps=32, batch_size=32)
    path = tmp_path / "agent.safetensors"
    save_agent(agent, path)
    assert b"pickle" not in path.read_bytes()
    assert read_agent_spec(path).hyperparameters["n_steps"] == 32

    foreign = tmp_path / "agent.zip"
    with zipfile.ZipFile(foreign, "w") as archive:
        archive.writestr("data", '{"policy_class": {":serialized:": "gASVAAAA"}}')
    with pytest.raises(PolicyError, match="holds pickles"):
        load_agent(foreign, env)
    damaged = tmp_path / "damaged.safetensors"
    damaged.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(PolicyError, match="damaged"):
        load_agent(damaged, env)
    with pytest.raises(PolicyError, match="there is no agent"):
        load_agent(tmp_path / "none.safetensors", env)
    with pytest.raises(PolicyError, match="frames"):
        load_agent(path, environment("ppo", stack=2))
    with pytest.raises(PolicyError, match="bins differ"):
        load_agent(path, make_sb3_env(DotEnv, "ppo", mouse_bins=3))
    with pytest.raises(PolicyError, match="as JSON"):
        save_agent(make_agent("ppo", env, device="cpu", learning_rate=lambda left: 1e-3 * left), path)
    assert load_agent(path, env).num_timesteps == 0  # the older file stayed whole


def test_the_wrapped_environment_is_one_for_stable_baselines() -> None:
    for wrapped in (
        DiscreteActions(DotEnv(), COMBINATIONS),
        MultiDiscreteActions(DotEnv()),
        SymmetricActions(DotEnv()),
    ):
        check_env(wrapped)
    env = environment("ppo", stack=3)
    assert env.observation_space.shape == (9, SIZE, SIZE)
    assert env.reset().shape == (1, 9, SIZE, SIZE)  # type: ignore[union-attr]
    assert coding_of(make_agent("ppo", env, device="cpu")).controls == CONTROLS


def test_games_side_by_side() -> None:
    env = make_sb3_env(DotEnv, "ppo", envs=2)
    try:
        agent = make_agent("ppo", env, device="cpu", n_steps=16, batch_size=16, n_epochs=1)
        agent.learn(32)
        assert agent.num_timesteps == 32
        assert coding_of(agent).controls == CONTROLS
    finally:
        env.close()


def test_values_with_eyes_of_their_own_leave_the_actor_alone(episodes: list[Episode], tmp_path: Path) -> None:
    agent: Any = make_agent("ppo", environment("ppo"), seed=0, device="cpu", separate_values=True, gamma=0.5)
    actor = {name: tensor.clone() for name, tensor in agent.policy.pi_features_extractor.state_dict().items()}
    pretrain(agent, episodes, replace(QUICK, epochs=4, values_only=True), progress=False)
    after = agent.policy.pi_features_extractor.state_dict()
    assert all(torch.equal(actor[name], after[name]) for name in actor)
    frames = episodes[0].video(np.arange(5)).transpose(0, 3, 1, 2)
    with torch.no_grad():
        values = agent.policy.predict_values(torch.from_numpy(np.ascontiguousarray(frames)))
    np.testing.assert_allclose(values.numpy().ravel(), 2.0, atol=0.4)
    save_agent(agent, tmp_path / "agent.safetensors")
    assert read_agent_spec(tmp_path / "agent.safetensors").separate_values
    again: Any = load_agent(tmp_path / "agent.safetensors", environment("ppo"))
    assert not again.policy.share_features_extractor
    sessions = [SimpleNamespace(**{**_parts(episode), "rewards": None}) for episode in episodes]
    with pytest.raises(PolicyError, match="no rewards that a value function could learn from"):
        pretrain(agent, sessions, replace(QUICK, values_only=True), progress=False)


def test_frozen_sight_learns_by_its_last_layers_alone(episodes: list[Episode], tmp_path: Path) -> None:
    env = environment("ppo")
    agent: Any = make_agent("ppo", env, seed=0, device="cpu", frozen_sight=True, n_steps=64, batch_size=32, n_epochs=2)
    pretrain(agent, episodes, replace(QUICK, epochs=1), progress=False)
    before = {name: tensor.clone() for name, tensor in agent.policy.state_dict().items()}
    agent.learn(128)
    moved = {name for name, tensor in agent.policy.state_dict().items() if not torch.equal(before[name], tensor)}
    last = ("network.body", "network.straight", "action_net", "value_net")
    assert moved == {name for name in before if any(part in name for part in last)}
    observations = torch.from_numpy(env.reset()[:1])
    with torch.no_grad():
        actions, values, _ = agent.policy(observations, deterministic=True)
        assert torch.allclose(values, agent.policy.predict_values(observations), atol=1e-5)
        assert torch.equal(actions, agent.policy.get_distribution(observations).get_actions(deterministic=True))
    save_agent(agent, tmp_path / "agent.safetensors")
    again: Any = load_agent(tmp_path / "agent.safetensors", env)
    again.policy.set_training_mode(False)
    with torch.no_grad():
        assert torch.equal(actions, again.policy(observations, deterministic=True)[0])
    for algorithm, network in (("ppo", "nature"), ("recurrent_ppo", "clone")):
        with pytest.raises(PolicyError, match="frozen_sight is for ppo and a2c"):
            make_agent(algorithm, environment(algorithm), network=network, frozen_sight=True)


def _parts(episode: Episode) -> dict[str, Any]:
    names = ("path", "metadata", "controls", "fps", "num_steps", "inputs", "is_valid", "video")
    return {name: getattr(episode, name) for name in names}
