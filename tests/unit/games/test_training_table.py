"""What a profile says of training, and how it says what is wrong."""

from __future__ import annotations

from pathlib import Path

import pytest

from gameon_env.errors import ProfileError, UnknownNameError
from gameon_env.games.profile import BUILT_IN, load_profile
from gameon_env.games.training_table import HYPERPARAMETERS, OWN, Training, check_trained_by

PROFILE = """
fps = 30
[launch]
command = ["{python}"]
screen_size = [120, 160]
[controls]
names = ["key:left", "key:right", "mouse:dx"]
"""


def read(tmp_path: Path, training: str) -> Training:
    file = tmp_path / "made.toml"
    file.write_text(PROFILE + training)
    return load_profile(file).training


def test_a_profile_may_say_nothing(tmp_path: Path) -> None:
    assert read(tmp_path, "") == Training()


def test_it_says_how_each_agent_is_trained(tmp_path: Path) -> None:
    made = read(
        tmp_path,
        """
        [training]
        observation_size = [60, 80]
        stack = 2
        reward_scale = 1
        mouse_bins = 11
        exclusive = [["key:left", "key:right"]]
        network = { lines = true, keypoints = 16 }
        [training.ppo]
        learning_rate = 1e-4
        n_steps = 256
        value_steps = 2000
        normalize_advantage = false
        [training.dqn]
        exploration_fraction = 0.5
        """,
    )
    assert made == Training(
        (60, 80),
        2,
        1.0,
        11,
        (("key:left", "key:right"),),
        {"keypoints": 16, "lines": True},
        {
            "ppo": {"learning_rate": 1e-4, "n_steps": 256, "value_steps": 2000, "normalize_advantage": False},
            "dqn": {"exploration_fraction": 0.5},
        },
    )


@pytest.mark.parametrize(
    ("training", "said"),
    [
        (
            "[training]\nobservation_size = [20, 80]",
            r"made.toml: training.observation_size must lie betw.* \[36, 36\]",
        ),
        ("[training]\nobservation_size = [121, 80]", r"and \[120, 160\]"),
        ("[training]\nmouse_bins = 4", "training.mouse_bins must be odd"),
        ("[training]\nstack = 0", "training.stack must be at least 1; it is 0"),
        ("[training]\nstack = 1.5", "training.stack must be a whole number"),
        ("[training]\nreward_scale = 0", "training.reward_scale must be more than 0"),
        ("[training]\nexclusive = [['key:w']]", "training.exclusive must hold lists of this game's keys"),
        ("[training]\nexclusive = [['mouse:dx']]", "training.exclusive must hold lists of this game's keys"),
        ("[training]\nexclusive = [['key:left'], ['key:left']]", "training.exclusive names a key twice"),
        ("[training]\nnetwork = { line = true }", "training.network.line is unknown; allowed here: lines"),
        ("[training]\nstak = 1", "training.stak is unknown.*Did you mean 'stack'"),
        ("[training.ppoo]\nn_steps = 2", "training.ppoo is unknown.*Did you mean 'ppo'"),
        (
            "[training.ppo]\nlearning_rat = 1",
            "training.ppo.learning_rat is no hyperparameter of ppo; it has batch",
        ),
        ("[training.ppo]\nlearning_rat = 1", "Did you mean 'learning_rate'"),
        ("[training.ppo]\nlearning_rate = 'much'", "training.ppo.learning_rate must be a number; it is 'much'"),
        ("[training.ppo]\nlearning_rate = nan", "must be a finite number"),
        ("[training.ppo]\ngamma = 1.5", "training.ppo.gamma must be at least 0 and at most 1; it is 1.5"),
        ("[training.ppo]\nn_epochs = 0", "training.ppo.n_epochs must be at least 1; it is 0"),
        ("[training.ppo]\nbuffer_size = 10", "buffer_size is no hyperparameter of ppo"),
        ("[training.sac]\nnormalize_advantage = true", "normalize_advantage is no hyperparameter of sac"),
    ],
)
def test_what_is_wrong_is_said_with_file_key_and_what_is_allowed(training: str, said: str, tmp_path: Path) -> None:
    with pytest.raises(ProfileError, match=said):
        read(tmp_path, training)


def test_there_are_just_the_algorithms_that_can_train() -> None:
    with pytest.raises(UnknownNameError, match="Did you mean 'ppo'"):
        check_trained_by("pppo")
    assert set(OWN) <= {name for names in HYPERPARAMETERS.values() for name in names}


@pytest.mark.parametrize("file", sorted(BUILT_IN.glob("*.toml")), ids=lambda file: file.stem)
def test_the_shipped_profiles_fit_the_library(file: Path) -> None:
    inspect = pytest.importorskip("inspect")
    sb3 = pytest.importorskip("stable_baselines3")
    for name, values in load_profile(file).training.hyperparameters.items():
        if name != "recurrent_ppo":
            known = inspect.signature(getattr(sb3, name.upper())).parameters
            assert set(values) - set(OWN) <= set(known), name
