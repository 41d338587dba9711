"""SAC and DQN learn from recordings while they play."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from gameon_env.errors import PolicyError
from gameon_env.learning.evaluation import RandomFresh, evaluate
from gameon_env.learning.rl_log import CURVE
from gameon_env.learning.rl_loop import Plan
from gameon_env.learning.rl_run import RunFolder
from gameon_env.learning.rl_warm_start import WarmStart
from gameon_env.learning.sb3 import AgentActor, Imitation, load_agent, make_agent, save_agent
from gameon_env.learning.sb3_losses import MARGIN, _margin
from tests.unit.learning.dot_env import DotEnv, record
from tests.unit.learning.test_rl_training import SMALL, Dots, run, spec, training_env


@pytest.fixture(scope="module")
def recordings(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("dots")
    record(folder, 12)
    return folder


def made(algorithm: str, **changed: Any) -> Any:
    values = {**SMALL[algorithm], **changed}
    return make_agent(algorithm, training_env(spec(algorithm), Dots), seed=1, device="cpu", **values)


@pytest.mark.parametrize("algorithm", ["sac", "dqn"])
def test_it_learns_what_was_recorded(algorithm: str, recordings: Path) -> None:
    agent = made(algorithm, learning_rate=1e-3)
    agent.learn(0)  # gives it a logger
    imitate = Imitation(agent, recordings, updates=50)
    for _ in range(8):
        imitate()
    env = DotEnv()
    played = evaluate(env, AgentActor(agent, deterministic=True), [100, 101, 102])
    random = evaluate(env, RandomFresh(env), [100, 101, 102])
    assert played.mean > random.mean + 3
    assert np.isfinite(agent.logger.name_to_value["train/imitation_loss"])
    assert not agent.policy.training


def curve(folder: RunFolder) -> list[dict[str, float]]:
    return [json.loads(line) for line in (folder.path / CURVE).read_text().splitlines()]


def test_a_training_goes_on_imitating_after_a_resume(recordings: Path, tmp_path: Path) -> None:
    data = shutil.copytree(recordings, tmp_path / "recordings")
    said: list[str] = []
    options: dict[str, Any] = {"plan": Plan(evaluate_every=0), "say": said.append}
    folder = RunFolder.create(tmp_path / "run", replace(spec("dqn"), data=str(data)))
    run(folder, 48, start=WarmStart(data=data), **options)
    assert all("train/imitation_loss" in line for line in curve(folder) if "train/loss" in line)
    before = len(curve(folder))
    folder = RunFolder.open(tmp_path / "run")
    assert folder.spec.data == str(data)
    run(folder, 96, resume=True, **options)
    assert any("train/imitation_loss" in line for line in curve(folder)[before:])

    shutil.rmtree(data)
    before = len(curve(folder))
    assert not any("is gone" in line for line in said)
    run(RunFolder.open(tmp_path / "run"), 144, resume=True, **options)
    assert any(f"{data} is gone" in line for line in said)
    assert not any("train/imitation_loss" in line for line in curve(folder)[before:])


def test_without_steps_of_it_there_is_none(recordings: Path, tmp_path: Path) -> None:
    folder = RunFolder.create(tmp_path / "run", spec("sac", imitation_steps=0))
    run(folder, 48, start=WarmStart(data=recordings), plan=Plan(evaluate_every=0))
    assert not any("train/imitation_loss" in line for line in curve(folder))


def test_recordings_of_another_game_are_refused(tmp_path: Path, recordings: Path) -> None:
    agent = make_agent(
        "dqn", training_env(spec("dqn"), lambda: Others()), seed=1, device="cpu", **SMALL["dqn"]
    )  # fmt: skip
    with pytest.raises(PolicyError, match="recordings are of the controls"):
        Imitation(agent, recordings)


class Others(Dots):
    """The same with a key more."""

    def __init__(self) -> None:
        super().__init__(("key:a", "key:d", "key:w", "mouse:dx"))


def test_the_margin_tells_of_every_action_where_all_are_worth_the_same() -> None:
    """As in the beginning: by the largest alone only one of the rivals, or the recorded one, would move."""
    values = torch.zeros(1, 5, requires_grad=True)
    loss = _margin(values, torch.tensor([[2]]))
    loss.backward()  # type: ignore[no-untyped-call]
    assert values.grad is not None
    slopes = values.grad[0].numpy()
    assert slopes[2] < -0.9
    np.testing.assert_allclose(np.delete(slopes, 2), 0.25, atol=0.01)
    far = torch.zeros(1, 5)
    far[0, 2] = MARGIN + 2
    assert float(_margin(far, torch.tensor([[2]]))) < 1e-3


def test_axes_of_sac_lean_and_older_agents_are_as_they_were(tmp_path: Path) -> None:
    agent = made("sac")
    assert agent.gameon_spec.network_kwargs["linear"] == 1
    save_agent(agent, tmp_path / "agent.safetensors")
    again = load_agent(tmp_path / "agent.safetensors", agent.get_env())
    for name, value in agent.actor.state_dict().items():
        assert torch.equal(value, again.actor.state_dict()[name]), name
    older = make_agent(
        "sac", agent.get_env(), network_kwargs={"linear": 0}, seed=1, device="cpu", **SMALL["sac"]
    )  # fmt: skip
    assert [tuple(part.weight.shape) for part in older.actor.latent_pi if hasattr(part, "weight")] == [(256, 256)]
