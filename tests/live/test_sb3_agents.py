"""Agents of Stable-Baselines3 on the live game: each algorithm trains some steps; a clone does what was recorded."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
import torch
from gymnasium.utils.env_checker import check_env as check_gymnasium_env
from stable_baselines3.common.env_checker import check_env as check_sb3_env

import gameon_env
from gameon_env.data_processing.trajectory import load_episodes
from gameon_env.desktop.inject import open_injector
from gameon_env.envs.desktop_env import DesktopEnv
from gameon_env.learning.sb3 import (
    ALGORITHMS,
    AgentActor,
    PretrainConfig,
    fill_replay_buffer,
    load_agent,
    make_agent,
    make_sb3_env,
    pretrain,
    save_agent,
)
from wrappers import (
    DiscreteActions,
    HumanControl,
    MultiDiscreteActions,
    RecordEpisode,
    StickyKeys,
    SymmetricActions,
)

GAME = Path(__file__).with_name("small_game.py")
PROFILE = f"""
fps = 60
time_limit_s = 1
[launch]
command = ["{{python}}", "{GAME}"]
screen_size = [240, 320]
gl = false
[controls]
names = ["key:left", "key:right", "key:space", "mouse:dx"]
[actions]
nothing = []
left = ["key:left"]
right = ["key:right"]
jump_right = ["key:right", "key:space"]
[readers.place]
kind = "bar"
region = [0, 0, 320, 6]
color = [240, 240, 240]
[[reward]]
reader = "place"
on = "increase"
[reset]
mode = "keys"
[[reset.steps]]
tap = "key:enter"
"""
SMALL: dict[str, dict[str, Any]] = {
    "ppo": {"n_steps": 64, "batch_size": 32, "n_epochs": 1},
    "a2c": {"n_steps": 16},
    "recurrent_ppo": {"n_steps": 64, "batch_size": 32, "n_epochs": 1},
    "sac": {"buffer_size": 300, "learning_starts": 20, "batch_size": 8, "train_freq": 16, "gradient_steps": 1},
    "dqn": {"buffer_size": 300, "learning_starts": 20, "batch_size": 8, "train_freq": 16},
}
STEPS = 192


@pytest.fixture(scope="module")
def game(tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("profile") / "boxes.toml"
    path.write_text(PROFILE)
    return str(path)


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def live(game: str, **options: Any) -> gym.Env[Any, Any]:
    return gym.make(gameon_env.ENV_ID, game=game, display="private", observation_size=(40, 48), **options)


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_each_algorithm_trains_on_a_live_game_and_goes_on_from_its_file(
    algorithm: str, game: str, tmp_path: Path
) -> None:
    env = make_sb3_env(game, algorithm, observation_size=(40, 48), stack=2, display="private")
    try:
        assert env.observation_space.shape == (6, 40, 48)
        agent = make_agent(algorithm, env, seed=0, device="cpu", **SMALL[algorithm])
        before = {name: tensor.clone() for name, tensor in agent.policy.state_dict().items()}
        agent.learn(STEPS)
        assert agent.num_timesteps >= STEPS
        after = agent.policy.state_dict()
        assert any(not torch.equal(before[name], after[name]) for name in before)
        assert all(tensor.isfinite().all() for tensor in after.values())
        assert agent.ep_info_buffer, "no episode was counted"
        save_agent(agent, tmp_path / "agent.safetensors")
        load_agent(tmp_path / "agent.safetensors", env).learn(16, reset_num_timesteps=False)
    finally:
        env.close()


@pytest.mark.filterwarnings("ignore:.*is different from the unwrapped version")
@pytest.mark.parametrize("wrapper", [DiscreteActions, MultiDiscreteActions, SymmetricActions])
def test_the_wrapped_live_environment_passes_both_checks(wrapper: Any, game: str) -> None:
    env = wrapper(live(game))
    try:
        check_sb3_env(env)
        check_gymnasium_env(env, skip_render_check=True)
    finally:
        env.close()


def test_recordings_through_the_wrappers_hold_what_the_game_was_given(game: str, tmp_path: Path) -> None:
    env = RecordEpisode(DiscreteActions(StickyKeys(live(game), hold=2)), tmp_path)
    try:
        env.reset(seed=1)
        for number in (2, 0, 0, 3, 1):
            env.step(number)
    finally:
        env.close()
    (episode,) = load_episodes(tmp_path)
    assert episode.inputs[:5, :3].tolist() == [[0, 1, 0], [0, 1, 0], [0, 0, 0], [0, 1, 1], [1, 1, 1]]


def test_a_person_plays_inside_the_wrappers(game: str) -> None:
    env = DiscreteActions(HumanControl(live(game)))
    try:
        env.reset(seed=1)
        desktop = env.unwrapped
        assert isinstance(desktop, DesktopEnv)
        injector = open_injector(desktop.display_name, "x11")
        injector.press("key:right")
        injector.flush()
        infos = [env.step(None)[4] for _ in range(10)]
        injector.release("key:right")
        injector.flush()
        injector.close()
        assert infos[-1]["actor"] == "human"
        assert env.to_action(infos[-1]["action"]) == 2
    finally:
        env.close()


def test_a_clone_does_on_the_live_game_what_was_recorded(game: str, tmp_path: Path) -> None:
    env = RecordEpisode(live(game), tmp_path / "recording")
    try:
        for seed in range(4):
            env.reset(seed=seed)
            over = False
            while not over:
                _, _, terminated, truncated, _ = env.step(np.array([0, 1, 0, 0], np.float32))
                over = terminated or truncated
    finally:
        env.close()
    episodes = load_episodes(tmp_path / "recording")
    agent = make_agent("ppo", make_sb3_env(game, "ppo", observation_size=(40, 48), display="private"), device="cpu")
    pretrain(agent, episodes, PretrainConfig(epochs=6, batch_size=16, averaging=0.9, threads=1), progress=False)
    env = live(game)
    try:
        actor = AgentActor(agent, deterministic=True)
        observation, _ = env.reset(seed=9)
        actor.reset(9)
        held = []
        for _ in range(30):
            observation, *_, info = env.step(actor.act(observation))
            held.append(info["action"][:3].tolist())
    finally:
        env.close()
    assert np.mean([row == [0, 1, 0] for row in held]) > 0.9

    sac_env = make_sb3_env(game, "sac", observation_size=(40, 48), display="private")
    sac: Any = make_agent("sac", sac_env, device="cpu", buffer_size=300)
    steps = sum(episode.num_steps for episode in episodes)
    assert len(fill_replay_buffer(sac, episodes).actions) == steps == sac.replay_buffer.size()
    assert sac.replay_buffer.timeouts[:steps].sum() == len(episodes)  # the time limit ended them, not the game
