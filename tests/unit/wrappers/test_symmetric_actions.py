"""A box around 0 for agents whose networks speak so."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gameon_env.errors import ActionError
from tests.unit.learning.dot_env import DotEnv
from wrappers import SymmetricActions


def applied(action: Any) -> list[float]:
    env = SymmetricActions(DotEnv())
    env.reset(seed=1)
    *_, info = env.step(action)
    return [float(value) for value in info["action"]]


def test_keys_are_held_from_the_middle_on_and_axes_are_as_they_are() -> None:
    assert applied(np.array([-1, 0, 0.3, -0.25], np.float32)) == [0, 1, 1, -0.25]


def test_what_explores_beyond_the_box_is_clipped_and_any_numbers_will_do() -> None:
    assert applied([-1.5, 1.0001, -0.1, 2]) == [0, 1, 0, 1]
    assert applied(np.array([-1.0, 1.0, -0.1, 0.5], np.float64)) == [0, 1, 0, 0.5]


@pytest.mark.parametrize("action", [[0, 0, 0], [0, 0, 0, np.nan], "left", [[0, 0, 0, 0]]])
def test_no_action_is_said(action: Any, tmp_path: Path) -> None:
    with pytest.raises(ActionError, match="must lie in"):
        applied(action)
