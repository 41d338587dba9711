"""Training on: a network begins with what a saved policy knows."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

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
            ("network arguments", dict(known.network_kwargs), dict(wanted.network_kwargs)),
        )
        if theirs != ours
    ]
    if differing:
        raise PolicyError(f"{policy} cannot be trained on here: it has {'; '.join(differing)}. Use its own settings")
    network.load_state_dict({name: torch.from_numpy(np.array(array)) for name, array in weights.items()})
