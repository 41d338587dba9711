"""Trainings on a task with a known answer: they go on from where they were, keep the best, and end when told to."""

from __future__ import annotations

import json
import os
import signal
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
import torch

from gameon_env.data_processing.trajectory import Episode
from gameon_env.errors import PolicyError, StorageError
from gameon_env.learning.evaluation import RandomFresh, evaluate
from gameon_env.learning.policy import Policy
from gameon_env.learning.rl_evaluation import Evaluation
from gameon_env.learning.rl_log import CURVE
from gameon_env.learning.rl_loop import Budget, Plan, StopWish, TrainingBar, TrainingLoop
from gameon_env.learning.rl_run import RunFolder, RunSpec
from gameon_env.learning.rl_settings import USUAL_OWN, Settings
from gameon_env.learning.rl_training import train, training_env
from gameon_env.learning.rl_warm_start import WarmStart, warm_start
from gameon_env.learning.sb3 import coding_of, export_policy, make_agent, make_sb3_env
from tests.unit.learning.dot_env import SIZE, DotEnv, record

pytestmark = pytest.mark.usefixtures("one_thread")

SMALL: dict[str, dict[str, Any]] = {
    "ppo": {"n_steps": 64, "batch_size": 32, "n_epochs": 2, "learning_rate": 1e-4},
    "sac": {"buffer_size": 400, "learning_starts": 20, "batch_size": 16, "train_freq": 8, "gradient_steps": 1},
    "dqn": {"buffer_size": 400, "learning_starts": 20, "batch_size": 16, "train_freq": 8},
}


class Dots(DotEnv):
    """With combinations, as a profile has them."""

    profile = SimpleNamespace(
        actions={"left": {"key:a": 1.0, "mouse:dx": -0.4}, "nothing": {}, "right": {"key:d": 1.0, "mouse:dx": 0.4}}
    )


def spec(algorithm: str = "ppo", **own: Any) -> RunSpec:
    settings = Settings(algorithm, (SIZE, SIZE), hyperparameters=SMALL[algorithm], own={**USUAL_OWN, **own})
    return RunSpec("dots", "dots", "real", 1, "private", 0, "cpu", settings)


def run(folder: RunFolder, steps: int, **options: Any) -> Any:
    options = {"plan": Plan(evaluate_every=100), "make_game": Dots, "say": lambda _: None, "progress": False, **options}
    return train(folder, Budget(steps=steps), evaluation_episodes=2, **options)


@pytest.fixture(scope="module")
def episodes(tmp_path_factory: pytest.TempPathFactory) -> list[Episode]:
    return record(tmp_path_factory.mktemp("dots"), 12)


@pytest.mark.parametrize("algorithm", SMALL)
def test_a_training_goes_on_from_where_it_was(algorithm: str, tmp_path: Path) -> None:
    folder = RunFolder.create(tmp_path / "run", spec(algorithm))
    first = run(folder, 192)
    assert (first.over, first.steps) == ("steps", 192)
    assert first.policy is not None
    assert Policy.load(first.policy, device="cpu").spec.controls == Dots().controls.names

    again = RunFolder.open(tmp_path / "run")
    assert again.spec == folder.spec
    assert again.progress == folder.progress
    env = training_env(again.spec, Dots)
    one, other = folder.load(env), again.load(env)
    assert one.num_timesteps == other.num_timesteps == 192
    for name, tensor in one.policy.state_dict().items():
        assert torch.equal(tensor, other.policy.state_dict()[name]), name
    assert _flat(one.get_parameters()) == _flat(other.get_parameters())
    if algorithm != "ppo":
        buffer: Any = other.replay_buffer  # type: ignore[attr-defined]
        assert buffer.size() == 192
        assert buffer.observations[:192].any(axis=(2, 3, 4)).all()

    second = run(again, 320, resume=True)
    assert second.steps == 320
    lines = [json.loads(line) for line in (tmp_path / "run" / CURVE).read_text().splitlines()]
    evaluated = [line["step"] for line in lines if "eval/mean_score" in line]
    assert evaluated[0] == 0
    assert evaluated == sorted(set(evaluated))
    assert evaluated[-1] == 320
    assert [line["seconds"] for line in lines] == sorted(line["seconds"] for line in lines)


def _flat(value: Any) -> Any:
    if isinstance(value, torch.Tensor):
        return [list(value.shape), float(value.double().sum())]
    if isinstance(value, dict):
        return {str(key): _flat(item) for key, item in value.items()}
    return [_flat(item) for item in value] if isinstance(value, list | tuple) else value


def test_the_best_is_kept_not_the_last(tmp_path: Path) -> None:
    folder = RunFolder.create(tmp_path / "run", spec())
    folder.begin()
    env = training_env(folder.spec, Dots)
    agent = make_agent("ppo", env, device="cpu", **SMALL["ppo"])
    returns = iter([1.0, 5.0, 2.0, 3.0, 4.0])
    weights: dict[int, float] = {}

    def evaluated(agent: Any, steps: int) -> Evaluation:
        value = next(returns)
        weights[steps] = float(agent.policy.action_net.weight.detach().double().sum())
        return Evaluation((value,), (value,), (25,), None)

    budget = Budget(steps=256)
    bar = TrainingBar(budget, 0, shown=False)
    loop = TrainingLoop(folder, budget, Plan(evaluate_every=64), evaluated, StopWish(), bar, lambda _: None)
    agent.learn(256, callback=loop)
    loop.finish()
    assert (folder.progress.best_return, folder.progress.best_steps) == (5.0, 64)
    assert len(set(weights.values())) == 5
    best = torch.from_numpy(_array(folder.best_agent, "p.policy.action_net.weight"))
    assert float(best.double().sum()) == weights[64]
    assert RunFolder.open(folder.path).progress.best_steps == 64


def _array(path: Path, name: str) -> Any:
    from safetensors import safe_open

    with safe_open(str(path), framework="numpy") as file:
        return file.get_tensor(name)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_saves_and_ends(number: int, tmp_path: Path) -> None:
    class Interrupted(Dots):
        steps_in_all = 0

        def step(self, action: Any) -> Any:
            Interrupted.steps_in_all += 1
            if Interrupted.steps_in_all == 150:
                os.kill(os.getpid(), number)
            return super().step(action)

    before = signal.getsignal(number)
    folder = RunFolder.create(tmp_path / "run", spec())
    result = run(folder, 10_000, make_game=Interrupted, plan=Plan(evaluate_every=0))
    assert result.over == "stopped"
    assert signal.getsignal(number) is before
    again = RunFolder.open(tmp_path / "run")
    assert again.progress.steps == result.steps == 128  # of the last 22 nothing was learned
    assert run(again, 200, resume=True).steps == 256


def test_an_evaluation_without_an_end_is_given_up(tmp_path: Path) -> None:
    class Endless(Dots):
        def step(self, action: Any) -> Any:
            observation, reward, _, _, info = super().step(action)
            return observation, reward, False, False, info

    said: list[str] = []
    folder = RunFolder.create(tmp_path / "run", spec())
    result = train(
        folder, Budget(minutes=0.02), plan=Plan(evaluate_every=100), say=said.append, progress=False, make_game=Endless
    )
    assert result.over == "minutes"
    assert [line for line in said if "no evaluation: it did not end within the 0.02 minutes" in line]
    assert result.best_return is None
    assert Policy.load(tmp_path / "run" / "policy.safetensors", device="cpu").spec.controls == Dots().controls.names


def test_a_clone_stands_still_while_its_values_are_learned(episodes: list[Episode], tmp_path: Path) -> None:
    folder = RunFolder.create(tmp_path / "run", spec(value_steps=128))
    env = training_env(folder.spec, Dots)
    agent: Any = make_agent("ppo", env, device="cpu", **SMALL["ppo"])
    before = {name: tensor.clone() for name, tensor in agent.policy.state_dict().items()}
    budget = Budget(steps=128)
    bar = TrainingBar(budget, 0, shown=False)
    loop = TrainingLoop(
        folder, budget, Plan(evaluate_every=0), _never, StopWish(), bar, lambda _: None, value_steps=128
    )  # fmt: skip
    agent.learn(128, callback=loop)
    after = agent.policy.state_dict()
    changed = {name for name in before if not torch.equal(before[name], after[name])}
    assert changed == {"value_net.weight", "value_net.bias"}
    loop.finish()
    assert all(parameter.requires_grad for parameter in agent.policy.parameters())


def _never(agent: Any, steps: int) -> Evaluation:
    raise AssertionError("no evaluation was asked for")


def test_it_begins_from_a_policy_or_recordings_or_both(episodes: list[Episode], tmp_path: Path) -> None:
    settings = replace(spec(clone_epochs=6).settings, hyperparameters={**SMALL["ppo"], "gamma": 0.0})
    said: list[str] = []

    def begin(algorithm: str, start: WarmStart, **own: Any) -> Any:
        chosen = replace(settings, algorithm=algorithm, own={**settings.own, **own})
        env = training_env(replace(spec(algorithm), settings=chosen), Dots)
        agent = make_agent(algorithm, env, seed=1, device="cpu", **SMALL[algorithm])
        warm_start(agent, chosen, start, say=said.append, progress=False)
        return agent

    data = episodes[0].path
    cloned = begin("ppo", WarmStart(data=data))
    assert _score(cloned, tmp_path) > 0.8 > _random() + 0.2
    export_policy(cloned, tmp_path / "policy.safetensors")
    carried = begin("ppo", WarmStart(policy=tmp_path / "policy.safetensors"))
    assert _score(carried, tmp_path) == pytest.approx(_score(cloned, tmp_path), abs=0.02)
    both = begin("ppo", WarmStart(policy=tmp_path / "policy.safetensors", data=data))
    assert _score(both, tmp_path) == _score(carried, tmp_path)
    assert not torch.equal(both.policy.value_net.weight, carried.policy.value_net.weight)

    steps = sum(episode.num_steps for episode in episodes)
    for algorithm in ("sac", "dqn"):
        off = begin(algorithm, WarmStart(data=data), offline_steps=70)
        assert off.replay_buffer.size() == min(steps, 400)
        assert off._n_updates == 70
        with pytest.raises(PolicyError, match="cannot begin from a cloned policy"):
            begin(algorithm, WarmStart(policy=tmp_path / "policy.safetensors"))
    assert any("replay buffer" in line for line in said)


class Unrewarded:
    """An episode as of a session."""

    def __init__(self, episode: Episode) -> None:
        self._episode = episode

    def __getattr__(self, name: str) -> Any:
        if name in ("rewards", "is_terminal"):
            raise AttributeError(name)
        return getattr(self._episode, name)


def test_recordings_without_rewards_are_imitated(episodes: list[Episode]) -> None:
    said: list[str] = []
    plain: Any = [Unrewarded(episode) for episode in episodes]
    for algorithm in ("sac", "dqn"):
        chosen = spec(algorithm, clone_epochs=1, offline_steps=70)
        agent: Any = make_agent(algorithm, training_env(chosen, Dots), seed=1, device="cpu", **SMALL[algorithm])
        warm_start(agent, chosen.settings, WarmStart(data=plain), say=said.append, progress=False)
        assert (agent.replay_buffer.size(), agent._n_updates) == (0, 0)
        assert "the replay buffer begins empty" in said[-1]


def test_rewards_that_never_differ_leave_the_clone_alone(episodes: list[Episode], tmp_path: Path) -> None:
    class Worthless(Unrewarded):
        @property
        def rewards(self) -> Any:
            return np.zeros_like(self._episode.rewards)

    chosen = spec(clone_epochs=6)
    agent = make_agent("ppo", training_env(chosen, Dots), seed=1, device="cpu", **SMALL["ppo"])
    data: Any = [Worthless(episode) for episode in episodes]
    warm_start(agent, chosen.settings, WarmStart(data=data), say=lambda _: None, progress=False)
    assert _score(agent, tmp_path) > 0.8


def _score(agent: Any, folder: Path) -> float:
    export_policy(agent, folder / "scored.safetensors")
    policy = Policy.load(folder / "scored.safetensors", device="cpu", sample_buttons=False, axis_decoding="mode")
    result = evaluate(Dots(), policy, [100, 101, 102, 103])
    return result.mean / result.lengths[0]


def _random() -> float:
    result = evaluate(Dots(), RandomFresh(Dots()), [100, 101, 102, 103])
    return result.mean / result.lengths[0]


@pytest.mark.parametrize("algorithm", ["sac", "dqn"])
def test_the_policy_of_an_off_policy_agent_does_what_the_agent_does(algorithm: str, tmp_path: Path) -> None:
    agent = make_agent(algorithm, training_env(spec(algorithm), Dots), seed=3, device="cpu", **SMALL[algorithm])
    export_policy(agent, tmp_path / "policy.safetensors")
    policy = Policy.load(tmp_path / "policy.safetensors", device="cpu")
    env, coding = Dots(), coding_of(agent)
    policy.check_env(env)
    observation, _ = env.reset(seed=5)
    for _ in range(20):
        action, _ = agent.predict(observation.transpose(2, 0, 1)[None], deterministic=True)
        vector = policy.act(observation)
        np.testing.assert_allclose(vector, coding.to_vector(action[0]), atol=1e-3)
        observation, *_ = env.step(vector)


def test_drawn_actions_repeat_with_their_seed(tmp_path: Path) -> None:
    chosen = spec()
    exclusive = replace(chosen, settings=replace(chosen.settings, exclusive=(("key:a", "key:d"),)))
    agent = make_agent("ppo", training_env(exclusive, Dots), seed=3, device="cpu", **SMALL["ppo"])
    export_policy(agent, tmp_path / "policy.safetensors")
    policy = Policy.load(tmp_path / "policy.safetensors", device="cpu")
    observation, _ = Dots().reset(seed=5)

    def drawn(policy: Policy, seed: int) -> list[list[float]]:
        policy.reset(seed)
        return [policy.act(observation).tolist() for _ in range(20)]

    assert drawn(policy, 7) == drawn(policy, 7) != drawn(policy, 8)
    surest = Policy.load(tmp_path / "policy.safetensors", device="cpu", sample_buttons=False)
    assert len({tuple(action) for action in drawn(surest, 7)}) == 1


@pytest.mark.parametrize("actions", ["box", "discrete"])
def test_the_policy_of_an_agent_with_other_actions_does_what_the_agent_does(actions: str, tmp_path: Path) -> None:
    env = make_sb3_env(Dots, "ppo", actions=actions, observation_size=(SIZE, SIZE))
    agent: Any = make_agent("ppo", env, seed=3, device="cpu", **SMALL["ppo"])
    with torch.no_grad():
        agent.policy.action_net.bias.copy_(torch.linspace(-0.8, 1.5, len(agent.policy.action_net.bias)))
    export_policy(agent, tmp_path / "policy.safetensors")
    policy = Policy.load(tmp_path / "policy.safetensors", device="cpu")
    observation, _ = Dots().reset(seed=5)
    batch = observation.transpose(2, 0, 1)[None]
    if actions == "box":
        action, _ = agent.predict(batch, deterministic=True)
        np.testing.assert_allclose(policy.act(observation), coding_of(agent).to_vector(action[0]), atol=1e-3)
    else:
        policy.reset(1)
        taken = [tuple(policy.act(observation)) for _ in range(400)]
        shares = agent.policy.get_distribution(torch.from_numpy(batch)).distribution.probs[0].tolist()
        for choice, share in enumerate(shares):
            vector = tuple(coding_of(agent).to_vector(np.int64(choice)))
            found = sum(np.allclose(vector, action, atol=1e-3) for action in taken) / len(taken)
            assert found == pytest.approx(share, abs=0.1)


def test_what_cannot_be_gone_on_with_is_said(tmp_path: Path) -> None:
    with pytest.raises(PolicyError, match="no folder of a training"):
        RunFolder.open(tmp_path)
    folder = RunFolder.create(tmp_path / "run", spec())
    folder.begin()
    with pytest.raises(PolicyError, match="no checkpoint"):
        RunFolder.open(tmp_path / "run")
    with pytest.raises(StorageError, match="--resume"):
        RunFolder.create(tmp_path / "run", spec())
    assert not folder.checkpoint.exists()
    run(folder, 64, plan=Plan(evaluate_every=0))
    agent_file = folder.checkpoint / "agent.safetensors"
    agent_file.write_bytes(agent_file.read_bytes()[:-50])
    with pytest.raises(PolicyError, match="damaged"):
        run(RunFolder.open(tmp_path / "run"), 128, resume=True)


def test_no_checkpoint_is_half_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = RunFolder.create(tmp_path / "run", spec())
    folder.begin()
    agent = make_agent("ppo", training_env(folder.spec, Dots), device="cpu", **SMALL["ppo"])
    folder.save(agent, 1.0)
    rename = Path.rename

    def killed(self: Path, target: Any) -> Any:
        if self.name == ".checkpoint.new":
            raise KeyboardInterrupt
        return rename(self, target)

    agent.num_timesteps = 77
    with monkeypatch.context() as patch:
        patch.setattr(Path, "rename", killed)
        with pytest.raises(KeyboardInterrupt):
            folder.save(agent, 2.0)
    assert RunFolder.open(tmp_path / "run").progress.steps == 0
    folder.save(agent, 2.0)
    assert RunFolder.open(tmp_path / "run").progress.steps == 77
    assert [path.name for path in (tmp_path / "run").glob("*checkpoint*")] == ["checkpoint"]


def test_stopped_before_the_first_step_nothing_is_left(episodes: list[Episode], tmp_path: Path) -> None:
    def interrupted() -> gym.Env[Any, Any]:
        os.kill(os.getpid(), signal.SIGTERM)
        return Dots()

    folder = RunFolder.create(tmp_path / "run", spec())
    result = run(folder, 64, make_game=interrupted, start=WarmStart(data=episodes[0].path))
    assert (result.over, result.steps, result.policy) == ("stopped", 0, None)
    assert not (tmp_path / "run").exists()


def test_an_environment_of_another_game_is_refused(tmp_path: Path) -> None:
    folder = RunFolder.create(tmp_path / "run", spec())
    run(folder, 64, plan=Plan(evaluate_every=0))

    def other() -> gym.Env[Any, Any]:
        return DotEnv(("key:a", "key:d", "key:w", "mouse:dx"))

    with pytest.raises(PolicyError, match=r"actions of .* are others"):
        run(RunFolder.open(tmp_path / "run"), 128, resume=True, make_game=other)
