"""Games in lockstep: steps a second, where the time goes, and whether the same actions give the same frames.

    python scripts/bench/lockstep.py [--games doom aliens rescue] [--steps 2000] [--runs 3] [--size 128]

Each run resets with the same seed and plays the same seeded actions; a last one plays others, and must differ.
Prints, per run, steps/s and times real time; per game, the CPU time of a step by process and the wall time of its
parts (of the last run); and whether all frames agree, or at which step and where in the picture they part.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from typing import Any

import gymnasium
import numpy as np
import numpy.typing as npt
import psutil

import gameon_env
from gameon_env.envs.desktop_env import DesktopEnv

Frame = npt.NDArray[np.uint8]
KEPT = 200
"""So many frames of the first run are kept whole, to say where another run parts; of the others a checksum."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--games", nargs="+", default=["doom", "aliens", "rescue"])
    parser.add_argument("--steps", type=int, default=2000)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--size", type=int, default=128)
    options = parser.parse_args()
    for game in options.games:
        measure(game, options.steps, options.runs, options.size)


def measure(game: str, steps: int, runs: int, size: int) -> None:
    made = gymnasium.make(
        gameon_env.ENV_ID, game=game, time="lockstep", observation_size=(size, size), render_mode="rgb_array",
        disable_env_checker=True,
    )  # fmt: skip
    env = made.unwrapped
    assert isinstance(env, DesktopEnv)
    print(f"{game}: {size}x{size} observations, {env.fps:g} steps per second of game time")
    try:
        played = [Run(env, steps, actions=1) for _ in range(runs)]
        other = Run(env, steps, actions=2)
    finally:
        made.close()
    first = played[0]
    for run in (*played, other):
        print("  " + run.speed())
    print("  " + first.parts())
    for number, run in enumerate(played[1:], 2):
        print(f"  run {number} and run 1: {first.compare(run)}")
    print(f"  other actions: {first.compare(other)}")


class Run:
    """One reset and the steps that follow, over as many episodes as they take."""

    def __init__(self, env: DesktopEnv, steps: int, actions: int) -> None:
        self.fps = env.fps
        self.sums: list[int] = []
        self.frames: list[Frame] = []
        self.wall: dict[str, float] = {}
        self.cpu: dict[str, float] = {}
        self.reset_s: list[float] = []
        self.passes: list[str] = []
        self._env = env
        rng = np.random.default_rng(actions)
        shape = env.action_space.shape
        assert shape is not None
        seed, playing, action, spent = 7, False, np.zeros(shape, np.float32), 0.0
        for step in range(steps):
            if not playing:
                self._reset(seed)
                seed, playing = seed + 1, True
                before = self._cpu()
            if step % 8 == 0:
                action = (rng.random(shape) < 0.4).astype(np.float32)
            start, own = time.perf_counter(), time.process_time()
            _, _, terminated, truncated, _ = env.step(action)
            spent += time.perf_counter() - start
            self.cpu["python"] = self.cpu.get("python", 0) + time.process_time() - own
            self._keep()
            if terminated or truncated or step == steps - 1:
                playing = False
                for name, value in self._cpu().items():
                    self.cpu[name] = self.cpu.get(name, 0) + max(value - before.get(name, 0), 0)
                self.passes += env._time.unseen_waits
        self.steps, self.spent_s = steps, spent

    def speed(self) -> str:
        rate = self.steps / self.spent_s
        unseen = f"; waits not seen: {self.passes}" if self.passes else ""
        return (
            f"{rate:.0f} steps/s, {rate / self.fps:.1f} x real time; {len(self.reset_s)} resets of "
            f"{np.mean(self.reset_s):.2f} s; {len(set(self.sums))} different frames of {len(self.sums)}{unseen}"
        )

    def parts(self) -> str:
        def row(of: dict[str, float]) -> str:
            return ", ".join(f"{name} {value / self.steps * 1e3:.2f}" for name, value in of.items())

        rest = self.spent_s - sum(self.wall.values())
        return f"ms per step: {row(self.wall)}, rest {rest / self.steps * 1e3:.2f}; of CPU: {row(self.cpu)}"

    def compare(self, other: Run) -> str:
        count = min(len(self.sums), len(other.sums))
        parted = [i for i in range(count) if self.sums[i] != other.sums[i]]
        if not parted:
            return f"all {count} frames agree"
        text = f"part at frame {parted[0]}; {len(parted)} of {count} differ"
        if parted[0] < min(len(self.frames), len(other.frames)):
            here, there = self.frames[parted[0]], other.frames[parted[0]]
            if here.shape == there.shape:
                rows, columns = np.nonzero((here != there).any(axis=2))
                text += f"; {len(rows)} pixels in x {columns.min()}-{columns.max()}, y {rows.min()}-{rows.max()}"
        return text

    def _reset(self, seed: int) -> None:
        for timed in _TIMED:
            timed.part_of = ({}, "")
        start = time.perf_counter()
        self._env.reset(seed=seed)
        self.reset_s.append(time.perf_counter() - start)
        self._keep()
        game, referee = self._env._game, self._env._referee
        for owner, name, part in (
            (self._env._time, "advance", "game"), (game, "inject", "inject"), (game, "grab", "capture"),
            (self._env, "_see", "resize"), (referee, "judge", "readers"),
        ):  # fmt: skip
            if not hasattr(getattr(owner, name), "part_of"):
                setattr(owner, name, _Timed(getattr(owner, name)))
                _TIMED.append(getattr(owner, name))
            getattr(owner, name).part_of = (self.wall, part)

    def _keep(self) -> None:
        frame = self._env.render()
        assert frame is not None
        self.sums.append(hash(frame.tobytes()))
        if len(self.frames) < KEPT:
            self.frames.append(frame.copy())

    def _cpu(self) -> dict[str, float]:
        """Of the display and the game; that of the watchdog, which sleeps, counts as the game's."""
        times: dict[str, float] = {}
        for process in psutil.Process().children(recursive=True):
            try:
                used = process.cpu_times()
                name = "X server" if process.name() == "Xvfb" else "game"
            except psutil.NoSuchProcess:
                continue
            times[name] = times.get(name, 0) + used.user + used.system
        return times


class _Timed:
    """A method that adds the time of each call to the run that is being played."""

    def __init__(self, method: Callable[..., Any]) -> None:
        self._method = method
        self.part_of: tuple[dict[str, float], str] = ({}, "")

    def __call__(self, *arguments: Any, **named: Any) -> Any:
        start = time.perf_counter()
        try:
            return self._method(*arguments, **named)
        finally:
            sums, part = self.part_of
            sums[part] = sums.get(part, 0) + time.perf_counter() - start


_TIMED: list[_Timed] = []


if __name__ == "__main__":
    main()
