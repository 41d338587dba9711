"""Games in processes of their own: their errors arrive as they were raised, and nothing is left of a lost one."""

from __future__ import annotations

import os
from collections.abc import Iterator
from functools import partial
from typing import Any

import numpy as np
import psutil
import pytest

from gameon_env.errors import GameCrashError, WindowError
from gameon_env.learning.sb3_side_by_side import SideBySide
from tests.unit.learning.dot_env import LENGTH, DotEnv


class Fails(DotEnv):
    """Does so in one step, or in one reset."""

    def __init__(self, how: str, at_step: int = -1, at_reset: int = -1) -> None:
        super().__init__()
        self._how, self._at_step, self._at_reset = how, at_step, at_reset

    def reset(self, **options: Any) -> Any:
        self._at_reset -= 1
        self._fail(self._at_reset)
        return super().reset(**options)

    def step(self, action: np.ndarray) -> Any:
        self._at_step -= 1
        self._fail(self._at_step)
        return super().step(action)

    def _fail(self, left: int) -> None:
        if left == 0:
            if self._how == "exit":
                os._exit(1)
            raise WindowError("it was closed")


@pytest.fixture(autouse=True)
def _no_process_is_left() -> Iterator[None]:
    before = set(psutil.Process().children(recursive=True))
    yield
    left = set(psutil.Process().children(recursive=True)) - before
    # Python's own process that looks after shared memory stays.
    assert not [process for process in left if "resource_tracker" not in " ".join(process.cmdline())]


@pytest.mark.parametrize(("how", "error", "message"), [
    ("raise", WindowError, "it was closed"), ("exit", GameCrashError, "the process of one of the games"),
])  # fmt: skip
@pytest.mark.parametrize("where", [{"at_step": 3}, {"at_reset": 2}])
def test_the_error_of_one_game(how: str, error: type[Exception], message: str, where: dict[str, int]) -> None:
    games = SideBySide([DotEnv, partial(Fails, how, **where)])
    actions = np.zeros((2, *games.action_space.shape), np.float32)  # type: ignore[misc]
    try:
        games.reset()
        for _ in range(2 if "at_step" in where else LENGTH - 1):
            games.step(actions)
        with pytest.raises(error, match=message):
            games.step(actions)
        if how == "raise":
            games.reset()
            games.step(actions)
    finally:
        games.close()
