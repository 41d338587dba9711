"""How an agent is trained: what the game's profile says, and what was asked for instead."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from gameon_env.errors import PolicyError, ProfileError
from gameon_env.games.profile import Profile
from gameon_env.games.table import Table
from gameon_env.games.training_table import OWN, check_trained_by, read_hyperparameters
from gameon_env.learning.policy import read_policy
from wrappers.axis_bins import MU

USUAL: dict[str, dict[str, Any]] = {
    "ppo": {"n_steps": 512, "batch_size": 128, "n_epochs": 4, "ent_coef": 0.003},
    "recurrent_ppo": {"n_steps": 512, "batch_size": 128, "n_epochs": 4, "ent_coef": 0.003},
    "a2c": {"n_steps": 16, "ent_coef": 0.003},
    "sac": {
        "buffer_size": 20_000,
        "learning_starts": 1000,
        "batch_size": 64,
        "train_freq": 4,
        "ent_coef": "auto_0.01",
    },
    "dqn": {
        "buffer_size": 20_000,
        "learning_starts": 1000,
        "batch_size": 64,
        "train_freq": 4,
        "target_update_interval": 1000,
        "exploration_fraction": 0.3,
        "learning_rate": 1e-4,
    },
}
"""Where they differ from Stable-Baselines3's own: smaller rollouts, buffers that fit in the memory, and a weight of
SAC's entropy that need not fall from 1 first, where it outweighs every reward."""

USUAL_OWN: dict[str, Any] = {
    "clone_epochs": 10, "sharpness": 1.0, "value_steps": 0, "offline_steps": 0, "imitation_steps": 1,
}  # fmt: skip


@dataclass(frozen=True)
class Settings:
    """All that makes one training differ from another, but for game, time and budget.

    Attributes:
        algorithm: a key of :data:`~gameon_env.learning.sb3.ALGORITHMS`.
        observation_size, stack, reward_scale, exclusive, network: see
            :class:`~gameon_env.games.training_table.Training`; mouse_bins: as there, or of each axis.
        hyperparameters: of Stable-Baselines3.
        own: those of :data:`~gameon_env.games.training_table.OWN`.
    """

    algorithm: str
    observation_size: tuple[int, int] = (64, 64)
    stack: int = 1
    reward_scale: float = 1.0
    mouse_bins: int | Mapping[str, int] = 21
    exclusive: tuple[tuple[str, ...], ...] = ()
    network: Mapping[str, Any] = field(default_factory=dict)
    hyperparameters: Mapping[str, Any] = field(default_factory=dict)
    own: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Settings:
        """What ``asdict`` made, read back from JSON."""
        height, width = data["observation_size"]
        groups = tuple(tuple(group) for group in data["exclusive"])
        return cls(**{**data, "observation_size": (int(height), int(width)), "exclusive": groups})

    def changed(self, given: Sequence[str]) -> Settings:
        """With ``name=value`` pairs in place of what is here.

        Raises:
            ProfileError: no such hyperparameter, or a value that cannot be.
        """
        read = read_pairs(given, self.algorithm)
        return replace(
            self,
            hyperparameters={**self.hyperparameters, **{k: v for k, v in read.items() if k not in OWN}},
            own={**self.own, **{k: v for k, v in read.items() if k in OWN}},
        )

    def from_nothing(self) -> Settings:
        """Without what only an agent that begins as a clone is helped by: convolutions that stay as recordings taught
        them, and steps in which the actor stands still."""
        own = {name: value for name, value in self.own.items() if name != "frozen_sight"}
        return replace(self, own={**own, "value_steps": 0})

    def like_policy(self, path: str | Path) -> Settings:
        """With the frames, the bins and the network of a cloned policy, so that it can be carried over.

        Raises:
            PolicyError: there is no such policy, or it sees frames some steps apart.
        """
        spec, _ = read_policy(path)
        if spec.spacing != 1 or spec.network != "clone_cnn" or spec.head.mu != MU:
            raise PolicyError(
                f"{path} cannot become an agent: its frames must follow on each other (spacing {spec.spacing}), its "
                f"network be clone_cnn ({spec.network}): train it by gameon train bc without --spacing"
            )
        usual = ("observation_size", "stack", "outputs", "hidden", "dropout")
        network = {"linear": 0, **{name: value for name, value in spec.network_kwargs.items() if name not in usual}}
        return replace(
            self,
            observation_size=spec.observation_size,
            stack=spec.stack,
            mouse_bins={spec.controls[axis]: spec.head.bins for axis in spec.head.axes} or self.mouse_bins,
            network={**network, "features_dim": spec.network_kwargs.get("hidden", 256)},
        )


def settings_for(profile: Profile, algorithm: str, given: Sequence[str] = ()) -> Settings:
    """What the profile's ``[training]`` says for an algorithm, with ``name=value`` pairs in place of it.

    Raises:
        UnknownNameError: no such algorithm.
        ProfileError: no such hyperparameter, or a value that cannot be.
    """
    check_trained_by(algorithm)
    training = profile.training
    values = {**USUAL[algorithm], **USUAL_OWN, **training.hyperparameters.get(algorithm, {})}
    made = Settings(
        algorithm,
        observation_size=training.observation_size,
        stack=training.stack,
        reward_scale=training.reward_scale,
        mouse_bins=training.mouse_bins,
        exclusive=training.exclusive,
        network=dict(training.network),
        hyperparameters={name: value for name, value in values.items() if name not in OWN},
        own={name: value for name, value in values.items() if name in OWN},
    )
    return made.changed(given)


def read_pairs(given: Sequence[str], algorithm: str) -> dict[str, int | float | bool]:
    """``["learning_rate=1e-4", ...]`` as hyperparameters.

    Raises:
        ProfileError: one that is no such pair, or that the algorithm does not have.
    """
    values: dict[str, Any] = {}
    for pair in given:
        name, equals, text = pair.partition("=")
        try:
            values |= tomllib.loads(f"{name.strip()} = {text.strip()}") if equals else {}
        except tomllib.TOMLDecodeError as error:
            raise ProfileError(f"--set {pair}: {text!r} is no number, and neither true nor false") from error
        if not equals:
            raise ProfileError(f"--set {pair}: expected NAME=VALUE, as learning_rate=1e-4")
    return read_hyperparameters(Table(values, Path("--set")), algorithm)
