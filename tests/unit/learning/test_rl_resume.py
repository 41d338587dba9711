"""Trainings that go on: with what they began with, on other draws, and with the best of all that was found."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from typer.testing import CliRunner

from gameon_env.cli import make_app
from gameon_env.errors import PolicyError
from gameon_env.learning.evaluation import RandomFresh
from gameon_env.learning.rl_loop import Budget, Plan
from gameon_env.learning.rl_run import RunFolder, RunSpec
from gameon_env.learning.rl_settings import USUAL_OWN, Settings
from gameon_env.learning.rl_training import as_played, train, training_env
from gameon_env.learning.sb3 import make_agent
from tests.unit.learning.dot_env import SIZE, DotEnv

pytestmark = pytest.mark.usefixtures("one_thread")

NO_EVALUATION = Plan(evaluate_every=0)


def new_folder(path: Path, **hyperparameters: Any) -> RunFolder:
    chosen = {"n_steps": 32, "batch_size": 16, "n_epochs": 1, **hyperparameters}
    settings = Settings("ppo", (SIZE, SIZE), hyperparameters=chosen, own=dict(USUAL_OWN))
    return RunFolder.create(path, RunSpec("dots", "dots", "real", 1, "private", 3, "cpu", settings))


def go_on(folder: RunFolder, steps: int | None = None, minutes: float | None = None, **options: Any) -> Any:
    options = {"plan": NO_EVALUATION, "make_game": DotEnv, "say": lambda _: None, "progress": False, **options}
    return train(folder, Budget(steps, minutes), **options)


def test_each_resume_draws_other_episodes(tmp_path: Path) -> None:
    begun: list[float] = []

    class Watched(DotEnv):
        def reset(self, **options: Any) -> Any:
            seen = super().reset(**options)
            begun.append(self._x)
            return seen

    go_on(new_folder(tmp_path / "run"), 32, make_game=Watched)
    for steps in (64, 96):
        go_on(RunFolder.open(tmp_path / "run"), steps, resume=True, make_game=Watched)
    assert len(begun) >= 6
    assert len(set(begun)) == len(begun)


def test_hyperparameters_that_are_changed_stay_so(tmp_path: Path) -> None:
    go_on(new_folder(tmp_path / "run"), 32)
    changes = {"value_steps": 7, "final_learning_rate": 1e-6, "learning_rate": 2e-5}
    go_on(RunFolder.open(tmp_path / "run"), 64, resume=True, changes=changes)
    again = RunFolder.open(tmp_path / "run")
    assert again.spec.settings.own.items() >= {"value_steps": 7, "final_learning_rate": 1e-6}.items()
    assert again.load(training_env(again.spec, DotEnv)).learning_rate == 2e-5
    for name, message in (("sharpness", "before the first step"), ("frozen_sight", "how the network was made")):
        with pytest.raises(PolicyError, match=message):
            go_on(again, 96, resume=True, changes={name: 1.0})


def test_the_best_outlives_a_kill_before_the_next_checkpoint(tmp_path: Path) -> None:
    folder = new_folder(tmp_path / "run")
    go_on(folder, 32)
    assert RunFolder.open(folder.path).progress.best_return is None
    folder.keep_best(5.0, 32)
    found = RunFolder.open(folder.path).progress
    assert (found.best_return, found.best_steps) == (5.0, 32)
    (folder.path / "best.json").write_text("{}")
    with pytest.raises(PolicyError, match=r"best\.json is damaged"):
        RunFolder.open(folder.path)


def test_minutes_end_a_training_between_what_it_learns_from(tmp_path: Path) -> None:
    said: list[str] = []
    folder = new_folder(tmp_path / "short", n_steps=100_000)
    before = policy_sum(go_on_and_open(folder, minutes=0.005, say=said.append))
    assert folder.progress.steps == 0
    assert [line for line in said if "nothing was learned" in line and "n_steps=100000" in line]
    again = RunFolder.open(folder.path)
    assert policy_sum(go_on_and_open(again, minutes=0.005, resume=True)) == before

    whole = new_folder(tmp_path / "whole")
    result = go_on(whole, minutes=0.03)
    assert (result.over, result.steps % 32) == ("minutes", 0)


def test_an_evaluation_leaves_the_draws_of_the_training_alone() -> None:
    pytest.importorskip("sb3_contrib")
    settings = Settings("recurrent_ppo", (SIZE, SIZE), own=dict(USUAL_OWN))
    spec = RunSpec("dots", "dots", "real", 1, "private", 3, "cpu", settings)
    agent = make_agent("recurrent_ppo", training_env(spec, DotEnv), device="cpu", seed=1, n_steps=32, batch_size=16)
    state = torch.get_rng_state()
    with as_played(agent) as actor:
        actor.reset(5)
    assert torch.equal(torch.get_rng_state(), state)
    assert not isinstance(actor, RandomFresh)


def go_on_and_open(folder: RunFolder, **options: Any) -> RunFolder:
    go_on(folder, **options)
    return RunFolder.open(folder.path)


def policy_sum(folder: RunFolder) -> float:
    agent = folder.load(training_env(folder.spec, DotEnv))
    return sum(float(tensor.double().sum()) for tensor in agent.policy.state_dict().values())


def test_options_that_a_resume_cannot_change_are_refused(tmp_path: Path) -> None:
    folder = new_folder(tmp_path / "run")
    go_on(folder, 32)
    folder.change(evaluate_every=500, evaluation_episodes=7)
    for words, message in (
        (["--envs", "2"], "--envs 1, not 2"),
        (["--time", "lockstep"], "--time real, not lockstep"),
        (["--seed", "4"], "--seed 3, not 4"),
        (["--mirror", "both"], "--mirror none, not both"),
        (["--evaluation-episodes", "3"], "--evaluation-episodes 7, not 3"),
    ):
        result = resume(folder, *words)
        assert isinstance(result.exception, PolicyError), result.output
        assert message in str(result.exception)
    # What can be changed is, and all else is as it was: the game of this folder is none that could be launched.
    result = resume(folder, "--evaluate-every", "0", "--time", "auto", "--device", "cpu")
    assert "no game profile 'dots'" in str(result.exception)
    assert RunFolder.open(folder.path).spec == replace(folder.spec, evaluate_every=0, evaluation_episodes=7)


def resume(folder: RunFolder, *words: str) -> Any:
    return CliRunner().invoke(
        make_app(["train"]), ["train", "ppo", "--resume", str(folder.path), "--steps", "64", *words]
    )
