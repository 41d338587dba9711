"""Hyperparameters: the library's names, the profile's values, and what is asked for instead."""

from __future__ import annotations

import inspect
import json
from dataclasses import asdict, replace
from pathlib import Path

import pytest
import sb3_contrib
import stable_baselines3

from gameon_env.errors import PolicyError, ProfileError, UnknownNameError
from gameon_env.games.profile import load_profile
from gameon_env.games.training_table import HYPERPARAMETERS, OWN
from gameon_env.learning.rl_run import RunSpec
from gameon_env.learning.rl_settings import USUAL, Settings, read_pairs, settings_for
from gameon_env.learning.rl_training import training_env
from gameon_env.learning.sb3 import ALGORITHMS, export_policy, make_agent, make_sb3_env, start_from_policy
from tests.unit.learning.dot_env import SIZE, DotEnv


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_every_hyperparameter_is_one_of_the_library_or_ours(algorithm: str) -> None:
    made = sb3_contrib.RecurrentPPO if algorithm == "recurrent_ppo" else getattr(stable_baselines3, algorithm.upper())
    known = set(inspect.signature(made).parameters)
    assert set(HYPERPARAMETERS[algorithm]) - set(OWN) <= known
    assert set(USUAL[algorithm]) <= set(HYPERPARAMETERS[algorithm])


def test_what_is_asked_for_comes_before_the_profile_and_that_before_the_usual() -> None:
    profile = load_profile("rescue")
    plain = settings_for(profile, "ppo")
    assert {**USUAL["ppo"], **profile.training.hyperparameters["ppo"]}.items() >= plain.hyperparameters.items()
    changed = settings_for(profile, "ppo", ["learning_rate=2e-5", "value_steps = 7", "normalize_advantage=false"])
    assert changed.hyperparameters["learning_rate"] == 2e-5
    assert changed.hyperparameters["normalize_advantage"] is False
    assert changed.own["value_steps"] == 7
    assert changed.observation_size == profile.training.observation_size
    assert Settings.from_json(json.loads(json.dumps(asdict(changed)))) == changed


@pytest.mark.parametrize(
    ("pair", "said"),
    [
        ("learning_rate", "expected NAME=VALUE"),
        ("learning_rate=fast", "is no number"),
        ("learnin_rate=1", "--set: learnin_rate is no hyperparameter of ppo.*Did you mean 'learning_rate'"),
        ("learning_rate=-1", "--set: learning_rate must be more than 0"),
        ("tau=0.1", "tau is no hyperparameter of ppo"),
    ],
)
def test_a_wrong_pair_is_refused(pair: str, said: str) -> None:
    with pytest.raises(ProfileError, match=said):
        read_pairs([pair], "ppo")


def test_from_nothing_nothing_stands_still_unless_it_is_asked_for() -> None:
    settings = settings_for(load_profile("rescue"), "ppo")
    assert settings.own["frozen_sight"]
    assert settings.own["value_steps"] > 0
    plain = settings.from_nothing()
    assert not plain.own.get("frozen_sight", False)
    assert plain.own["value_steps"] == 0
    assert plain.hyperparameters == settings.hyperparameters
    assert plain.changed(["value_steps=5"]).own["value_steps"] == 5


def test_a_policy_brings_its_bins_for_every_axis(tmp_path: Path) -> None:
    controls = ("key:a", "key:d", "mouse:dx", "mouse:wheel")
    env = make_sb3_env(
        lambda: DotEnv(controls), "ppo", observation_size=(SIZE, SIZE), mouse_bins={"mouse:wheel": 21, "mouse:dx": 21}
    )
    export_policy(make_agent("ppo", env, device="cpu"), tmp_path / "policy.safetensors")
    settings = settings_for(load_profile("rescue"), "ppo").like_policy(tmp_path / "policy.safetensors")
    assert settings.mouse_bins == {"mouse:dx": 21, "mouse:wheel": 21}
    assert Settings.from_json(json.loads(json.dumps(asdict(settings)))) == settings
    spec = RunSpec("dots", "dots", "real", 1, "private", 3, "cpu", replace(settings, exclusive=()))
    agent = make_agent(
        "ppo", training_env(spec, lambda: DotEnv(controls)), network_kwargs=settings.network, device="cpu"
    )
    start_from_policy(agent, tmp_path / "policy.safetensors")


def test_an_unknown_algorithm_and_policy_are_refused() -> None:
    with pytest.raises(UnknownNameError, match="there is no algorithm 'a3c'"):
        settings_for(load_profile("rescue"), "a3c")
    with pytest.raises(PolicyError, match="there is no policy"):
        settings_for(load_profile("rescue"), "ppo").like_policy("nowhere.safetensors")
