"""Training on: a network begins with what a saved policy knows."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from gameon_env.errors import PolicyError
from gameon_env.learning.policy import PolicySpec, read_policy
from gameon_env.optional import require

if TYPE_CHECKING:
    from gameon_env.learning.network import CloneNetwork


def start_from(policy: str | Path, network: CloneNetwork, wanted: PolicySpec) -> None:
    """Give ``network`` the weights of a saved policy.

    Args:
        policy: its file.
        network: of the training that begins.
        wanted: what the training will save.

    Raises:
        PolicyError: the policy is of another kind, or plays, sees or answers otherwise than ``wanted``.
    """
    torch = require("torch", "Training a policy on")
    from gameon_env.learning.network import full_arguments

    known, weights = read_policy(policy)
    differing = [
        f"{what} {theirs} instead of {ours}"
        for what, theirs, ours in (
            ("network", known.network, wanted.network),
            ("controls", list(known.controls), list(wanted.controls)),
            ("observation_size", known.observation_size, wanted.observation_size),
            ("stack", known.stack, wanted.stack),
            ("spacing", known.spacing, wanted.spacing),
            ("axis bins", (known.head.bins, known.head.mu), (wanted.head.bins, wanted.head.mu)),
            ("network arguments", _plain(full_arguments(known.network_kwargs)), _plain(wanted.network_kwargs)),
        )
        if theirs != ours
    ]
    if differing:
        raise PolicyError(f"{policy} cannot be trained on here: it has {'; '.join(differing)}. Use its own settings")
    network.load_state_dict({name: torch.from_numpy(np.array(array)) for name, array in weights.items()})


def linear_of(policy: str | Path) -> int:
    """How many numbers go past the hidden layers of a saved policy: none in one that an older version made.

    Raises:
        PolicyError: it cannot be read.
    """
    spec, _ = read_policy(policy)
    return int(spec.network_kwargs.get("linear", 0))


def _plain(arguments: Mapping[str, Any]) -> dict[str, Any]:
    return {name: list(value) if isinstance(value, tuple) else value for name, value in arguments.items()}
