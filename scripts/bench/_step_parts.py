"""Where the time of a step goes: the wall time of its parts, and the processor time of all who take part."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from gameon_env.envs.desktop_env import DesktopEnv

PARTS = (
    ("inject", "_game", "inject"), ("game (and the X server's drawing)", "_time", "advance"),
    ("capture", "_game", "grab"), ("resize", "", "_see"), ("process and log", "_game", "view"),
    ("readers", "_referee", "judge"),
)  # fmt: skip
"""What is timed: the part's name, the attribute of the environment, its method."""

TICKS = os.sysconf("SC_CLK_TCK")


class StepParts:
    """Measures one environment's steps.

    Args:
        env: in lockstep.
    """

    def __init__(self, env: DesktopEnv) -> None:
        self._env = env

    def measure(self, steps: int, rng: np.random.Generator) -> str:
        """Play up to so many steps of the episode that has begun. Returns a table, ms per step."""
        env, wall = self._env, dict.fromkeys([name for name, *_ in PARTS], 0.0)
        undo = []
        for name, owner, method in PARTS:
            place: Any = getattr(env, owner) if owner else env
            setattr(place, method, _timed(getattr(place, method), wall, name))
            undo.append((place, method))
        before, own, spent, played = self._cpu(), time.process_time(), 0.0, 0
        action = env.controls.zeros()
        try:
            for step in range(steps):
                if step % 8 == 0:
                    action = (rng.random(len(env.controls)) < 0.4).astype(np.float32)
                start = time.perf_counter()
                _, _, terminated, truncated, _ = env.step(action)
                spent += time.perf_counter() - start
                played += 1
                if step == steps - 2:  # before a game that ends takes its figures with it
                    after, own_after, counted = self._cpu(), time.process_time(), played
                if terminated or truncated:
                    break
        finally:
            for place, method in undo:
                delattr(place, method)
        if played < steps - 1:
            after, own_after, counted = before, own, 1
        rows = [f"  {name:<36}{value / played * 1e3:7.3f}" for name, value in wall.items()]
        rows.append(f"  {'the rest of Python':<36}{(spent - sum(wall.values())) / played * 1e3:7.3f}")
        rows.append(f"  {'together':<36}{spent / played * 1e3:7.3f}   ({played / spent:.0f} steps/s)")
        if counted > 1:
            used = {name: value - before.get(name, 0.0) for name, value in after.items()}
            used["this process"] = own_after - own
            rows += [f"  CPU: {name:<31}{value / counted * 1e3:7.3f}" for name, value in used.items() if value > 0]
        return "\n".join(rows)

    def _cpu(self) -> dict[str, float]:
        """Seconds of processor time so far, of the display and of each of the game's threads, by name."""
        used: dict[str, float] = {}
        game = self._env._game
        assert game._private is not None
        assert game._process is not None
        for pid in (game._private.pid, *game._process.pids()):
            for task in Path(f"/proc/{pid}/task").glob("*"):
                try:
                    name, _, fields = (task / "stat").read_text().partition(" (")[2].rpartition(") ")
                except OSError:
                    continue
                ticks = sum(map(int, fields.split()[11:13]))
                used[name] = used.get(name, 0.0) + ticks / TICKS
        return used


def _timed(method: Callable[..., Any], sums: dict[str, float], part: str) -> Callable[..., Any]:
    def timed(*arguments: Any, **named: Any) -> Any:
        start = time.perf_counter()
        try:
            return method(*arguments, **named)
        finally:
            sums[part] += time.perf_counter() - start

    return timed
