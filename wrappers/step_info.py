"""What an environment says in ``info`` that is recorded with a step.

Environments that are not ours may mean other things by these keys, of any type: what is none of ours is left out.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from gameon_env.clock import now_ns
from gameon_env.data_processing.trajectory_layout import ACTOR_COLUMNS, ACTORS

VECTORS = {
    "inputs": ("action", "float32", 1),
    "presses": ("presses", "uint8", 1),
    "audio": ("audio", "float32", 1),
    "agent_inputs": ("agent_action", "float32", 1),
    "human_share": ("human_share", "float32", 0),
}
"""Columns that an environment may give in ``info``: by column, the key there, the dtype, how many dimensions."""


def vectors(info: Mapping[str, Any]) -> dict[str, npt.NDArray[Any]]:
    """What the environment gives in ``info`` of the columns in ``VECTORS``; only a vector is taken for an action."""
    taken = {}
    for name, (key, dtype, dimensions) in VECTORS.items():
        value = _numbers(info.get(key))
        if value is not None and value.ndim == dimensions:
            taken[name] = value.astype(dtype)
    if "inputs" not in taken:
        taken = {name: value for name, value in taken.items() if name == "audio"}
    elif "presses" in taken and taken["presses"].shape != taken["inputs"].shape:
        del taken["presses"]
    if "agent_inputs" in taken and info.get("actor") in ACTORS:
        taken["actor"] = np.array(ACTORS.index(info["actor"]), "uint8")
    else:
        taken = {name: value for name, value in taken.items() if name not in ACTOR_COLUMNS}
    return taken


def single(reward: Any) -> float:
    """The reward as a number; some environments give an array of one."""
    return float(reward.item() if isinstance(reward, np.ndarray) else reward)


def time_of(info: Mapping[str, Any]) -> int:
    """When the observation was there; now, where the environment does not say."""
    t_ns = info.get("t_ns")
    return int(t_ns) if isinstance(t_ns, int | float | np.number) else now_ns()


def end_reason(info: Mapping[str, Any], terminated: bool) -> str:
    """Why an episode that is over ended."""
    said = info.get("end_reason")
    return said if isinstance(said, str) and said else "terminated" if terminated else "truncated"


def score_of(info: Mapping[str, Any]) -> float | None:
    """The score that the environment read; None where there is none."""
    score = info.get("raw_score")
    return float(score) if isinstance(score, int | float | np.number) and math.isfinite(score) else None


def _numbers(value: Any) -> npt.NDArray[Any] | None:
    try:
        array = np.asarray(value)
    except ValueError:  # lists of different lengths
        return None
    return array if array.dtype.kind in "biuf" else None
