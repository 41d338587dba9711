"""What a profile says of training: ``[training]`` for all agents, ``[training.ppo]`` for the hyperparameters of one."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from gameon_env.controls import Controls
from gameon_env.errors import UnknownNameError, suggest
from gameon_env.games.table import Table
from gameon_env.keys import BUTTONS

INFINITE = math.inf


@dataclass(frozen=True, slots=True)
class Allowed:
    """Values of a hyperparameter: whole numbers, numbers (``above``: more than ``low``), or yes and no."""

    kind: type[int] | type[float] | type[bool]
    low: float = 0
    high: float = INFINITE
    above: bool = False

    def read(self, table: Table, key: str) -> int | float | bool:
        """The value of ``key``.

        Raises:
            ProfileError: it is of another kind, or out of bounds.
        """
        if self.kind is bool:
            return table.take(key, bool)
        value: int | float = table.take(key, int) if self.kind is int else table.number(key)
        if value < self.low or value > self.high or (self.above and value == self.low):
            bounds = f"{'more than' if self.above else 'at least'} {self.low:g}"
            bounds += f" and at most {self.high:g}" if self.high < INFINITE else ""
            raise table.error(key, f"must be {bounds}; it is {value:g}")
        return value


_COUNT, _STEPS = Allowed(int, 1), Allowed(int, 0)
_POSITIVE, _WEIGHT, _SHARE = Allowed(float, 0, above=True), Allowed(float, 0), Allowed(float, 0, 1)

_ALL = {
    "learning_rate": _POSITIVE,
    "final_learning_rate": _WEIGHT,
    "gamma": _SHARE,
    "clone_epochs": _COUNT,
}
_ON_POLICY = {
    **_ALL,
    "n_steps": Allowed(int, 2),
    "gae_lambda": _SHARE,
    "ent_coef": _WEIGHT,
    "vf_coef": _WEIGHT,
    "max_grad_norm": _POSITIVE,
    "normalize_advantage": Allowed(bool),
    "sharpness": _POSITIVE,
    "value_steps": _STEPS,
    "separate_values": Allowed(bool),
    "frozen_sight": Allowed(bool),
}
_PROXIMAL = {
    **_ON_POLICY,
    "batch_size": Allowed(int, 2),
    "n_epochs": _COUNT,
    "clip_range": _POSITIVE,
    "clip_range_vf": _POSITIVE,
    "target_kl": _POSITIVE,
}
_OFF_POLICY = {
    **_ALL,
    "buffer_size": _COUNT,
    "learning_starts": _STEPS,
    "batch_size": Allowed(int, 2),
    "tau": Allowed(float, 0, 1, above=True),
    "train_freq": _COUNT,
    "gradient_steps": Allowed(int, -1),
    "offline_steps": _STEPS,
    "imitation_steps": _STEPS,
}

HYPERPARAMETERS: dict[str, dict[str, Allowed]] = {
    "ppo": _PROXIMAL,
    "recurrent_ppo": _PROXIMAL,
    "a2c": {**_ON_POLICY, "rms_prop_eps": _POSITIVE, "use_rms_prop": Allowed(bool)},
    "sac": {**_OFF_POLICY, "ent_coef": _POSITIVE, "target_entropy": Allowed(float, -INFINITE)},
    "dqn": {
        **_OFF_POLICY,
        "target_update_interval": _COUNT,
        "exploration_fraction": _SHARE,
        "exploration_initial_eps": _SHARE,
        "exploration_final_eps": _SHARE,
        "max_grad_norm": _POSITIVE,
    },
}
"""By algorithm, the names of Stable-Baselines3 and those that are ours (:data:`OWN`)."""

OWN: dict[str, str] = {
    "final_learning_rate": "what the learning rate falls to, evenly, until the end",
    "clone_epochs": "passes over recordings, where there are any, before it plays",
    "sharpness": "what a cloned player's logits are multiplied by: more is nearer to its most likely action",
    "value_steps": "steps at the start in which a cloned player plays and only the value function learns",
    "separate_values": "the value function sees the game by a network of its own",
    "frozen_sight": "PPO and A2C: the convolutions stay as they were learned from recordings",
    "offline_steps": "updates from recordings in the replay buffer before it plays",
    "imitation_steps": "updates towards the recordings after each train_freq steps of play",
}


@dataclass(frozen=True, slots=True)
class Training:
    """What a profile says of training.

    Attributes:
        observation_size: ``(height, width)`` that an agent sees.
        stack: frames seen at once.
        reward_scale: rewards are multiplied by it for the agent; scores are told as they are.
        mouse_bins: values of each axis, an odd number.
        exclusive: groups of keys that are one choice.
        network: of the :class:`~gameon_env.learning.network.CloneNetwork`, as ``lines = true``.
        hyperparameters: by algorithm.
    """

    observation_size: tuple[int, int] = (64, 64)
    stack: int = 1
    reward_scale: float = 1.0
    mouse_bins: int = 21
    exclusive: tuple[tuple[str, ...], ...] = ()
    network: Mapping[str, Any] = field(default_factory=dict)
    hyperparameters: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)


def read_training(table: Table, controls: Controls, screen_size: tuple[int, int] | None) -> Training:
    """The table ``[training]``.

    Raises:
        ProfileError: the message names the file, the key and what is allowed.
    """
    usual = Training()
    size = table.integers("observation_size", "height, width", usual.observation_size)
    assert size is not None
    high = screen_size or (10_000, 10_000)
    if min(size) < 36 or size[0] > high[0] or size[1] > high[1]:
        raise table.error(
            "observation_size", f"must lie between [36, 36] and {list(high)} (height, width); it is {list(size)}"
        )
    bins = table.take("mouse_bins", int, usual.mouse_bins)
    if bins < 3 or bins % 2 == 0:
        raise table.error("mouse_bins", f"must be odd, at least 3; it is {bins}")
    made = Training(
        observation_size=(size[0], size[1]),
        stack=_stack(table, usual.stack),
        reward_scale=table.number("reward_scale", usual.reward_scale, low=0, above=True),
        mouse_bins=bins,
        exclusive=_exclusive(table, controls),
        network=_network(table),
        hyperparameters={
            name: read_hyperparameters(rows, name)
            for name in HYPERPARAMETERS
            if (rows := table.table(name)) is not None
        },
    )
    table.done()
    return made


def read_hyperparameters(table: Table, algorithm: str) -> dict[str, int | float | bool]:
    """All keys of a table as hyperparameters of an algorithm.

    Raises:
        ProfileError: one that it does not have, or a value that cannot be.
    """
    allowed = HYPERPARAMETERS[algorithm]
    read = {name: rule.read(table, name) for name, rule in allowed.items() if name in table}
    for name in table.rest():
        raise table.error(
            name, f"is no hyperparameter of {algorithm}; it has {', '.join(sorted(allowed))}.{suggest(name, allowed)}"
        )
    return read


def check_trained_by(algorithm: str) -> None:
    """Raises:
    UnknownNameError: no such algorithm."""
    if algorithm not in HYPERPARAMETERS:
        raise UnknownNameError(
            f"there is no algorithm {algorithm!r}; there are {', '.join(HYPERPARAMETERS)}."
            f"{suggest(algorithm, HYPERPARAMETERS)}"
        )


def _exclusive(table: Table, controls: Controls) -> tuple[tuple[str, ...], ...]:
    groups = table.take("exclusive", list, [])
    seen: list[str] = []
    for group in groups:
        if not isinstance(group, list) or not all(name in controls.index and name in BUTTONS for name in group):
            raise table.error("exclusive", f"must hold lists of this game's keys and buttons; it holds {group!r}")
        seen += group
    if len(set(seen)) < len(seen):
        raise table.error("exclusive", "names a key twice: a key can be in one group only")
    return tuple(tuple(group) for group in groups)


def _stack(table: Table, usual: int) -> int:
    stack = table.take("stack", int, usual)
    if stack < 1:
        raise table.error("stack", f"must be at least 1; it is {stack}")
    return stack


def _network(table: Table) -> dict[str, Any]:
    section = table.table("network")
    if section is None:
        return {}
    counts = ("keypoints", "grid")
    read: dict[str, Any] = {name: _COUNT.read(section, name) for name in counts if name in section}
    if "lines" in section:
        read["lines"] = section.take("lines", bool)
    for name in section.rest():
        raise section.error(name, f"is unknown; allowed here: lines, {', '.join(counts)}")
    return read
