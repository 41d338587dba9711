"""Games side by side in lockstep: throughput, and what one game costs, for 1, 2, 4 and 8 of them.

    python scripts/bench/many_games.py [--game doom] [--games 1 2 4 8] [--steps 400] [--modes native pinned async]
                                       [--frame-skip 1]

``native`` is this project's vector environment (a thread a game), ``pinned`` the same with each game kept to one
processor core, ``turns`` two such environments with half of the games each: one steps while the results of the other
are taken (``step_async``, ``step_wait``). ``async`` is Gymnasium's (a process a game, observations in shared memory).
``--frame-skip`` makes a step of so many periods of the game, as most agents learn: the longer a game keeps its core,
the less of its memory has to come back into the caches.
Random actions; resets are left out. All of a mode are open at once and play one after the other, so that whatever else
the machine does hits all alike; a rate is the median of the rounds. Each row says how many times the throughput of its
mode's first row it reaches (the median of the rounds' own ratios).
"""

from __future__ import annotations

import argparse
import os
import statistics
import time
from contextlib import ExitStack
from typing import Any

import gymnasium
import numpy as np
import psutil

import gameon_env

HOLD_STEPS = 8
MODES: dict[str, dict[str, Any]] = {"native": {}, "pinned": {"pinned": True}, "turns": {"pinned": True}, "async": {}}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--game", default="doom")
    parser.add_argument("--games", type=int, nargs="+", default=[1, 2, 4, 8])
    parser.add_argument("--steps", type=int, default=400, help="of all games together, in each round")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--modes", nargs="+", default=["native", "async"], choices=MODES)
    parser.add_argument("--size", type=int, default=84)
    parser.add_argument("--frame-skip", type=int, default=1)
    options = parser.parse_args()
    settings = {"game": options.game, "observation_size": (options.size,) * 2, "frame_skip": options.frame_skip}
    print(
        f"{options.game}, {options.size}x{options.size} observations, {options.frame_skip} periods a step, "
        f"{os.cpu_count()} cores"
    )
    print(
        "mode    games  steps/s  of one (lowest, highest)  CPU ms a step   of it game, X, Python   first reset s   load"
    )
    for mode in options.modes:
        with ExitStack() as stack:
            players = [Player(mode, settings, games, stack) for games in options.games]
            for _ in range(options.rounds):
                for player in players:
                    player.play(options.steps)
        for player in players:
            print(player.row(players[0].rates), flush=True)


class Player:
    """So many games that are played together."""

    def __init__(self, mode: str, settings: dict[str, Any], games: int, stack: ExitStack) -> None:
        self.mode, self.games = mode, games
        self._parts: list[Any] = []
        entry = "async" if mode == "async" else "vector_entry_point"
        for share in [games - games // 2, games // 2] if mode == "turns" and games > 1 else [games]:
            envs = gymnasium.make_vec(
                gameon_env.ENV_ID, num_envs=share, vectorization_mode=entry, time="lockstep", **settings, **MODES[mode]
            )  # fmt: skip
            stack.callback(envs.close)
            self._parts.append(envs)
        start = time.perf_counter()
        for number, envs in enumerate(self._parts):
            envs.reset(seed=7 + number * games)
        self._reset_s = time.perf_counter() - start
        self._rng = np.random.default_rng(1)
        self._done = 0
        self._used = dict.fromkeys(("game", "X", "Python"), 0.0)
        self.rates: list[float] = []

    def play(self, steps: int) -> None:
        """A round; others wait meanwhile."""
        before, spent = cpu_s(), 0.0
        for step in range(steps // self.games):
            if step % HOLD_STEPS == 0:
                actions = [(self._rng.random(e.action_space.shape) < 0.4).astype(np.float32) for e in self._parts]
            for envs, action in zip(self._parts, actions, strict=True):
                start = time.perf_counter()
                over = step > 0 and is_over(envs.step_wait())
                spent += time.perf_counter() - start
                if over:
                    envs.reset()
                start = time.perf_counter()
                envs.step_async(action)
                spent += time.perf_counter() - start
        start = time.perf_counter()
        overs = [is_over(envs.step_wait()) for envs in self._parts]
        spent += time.perf_counter() - start
        for envs, over in zip(self._parts, overs, strict=True):
            if over:
                envs.reset()
        for name, seconds in cpu_s().items():
            self._used[name] += max(seconds - before[name], 0.0)
        done = steps // self.games * self.games
        self._done += done
        self.rates.append(done / spent)

    def row(self, ones: list[float]) -> str:
        ratios = [rate / one for rate, one in zip(self.rates, ones, strict=True)]
        used = {name: seconds / self._done * 1e3 for name, seconds in self._used.items()}
        of_one = f"{statistics.median(ratios):5.2f} ({min(ratios):.2f}, {max(ratios):.2f})"
        parts = f"{used['game']:6.2f} {used['X']:5.2f} {used['Python']:7.2f}"
        return (
            f"{self.mode:<7} {self.games:5}  {statistics.median(self.rates):7.0f}  {of_one:<24}  "
            f"{sum(used.values()):13.2f}   {parts:>22}   {self._reset_s:13.1f}   {os.getloadavg()[0]:5.1f}"
        )


def is_over(results: Any) -> bool:
    """Whether the episode of one of the games is over."""
    _, _, terminated, truncated, _ = results
    return bool((terminated | truncated).any())


def cpu_s() -> dict[str, float]:
    """Seconds of processor time so far: of the games and of the displays that run, and of this process and workers."""
    own = os.times()
    used = {"game": 0.0, "X": 0.0, "Python": own.user + own.system}
    workers = {process.pid for process in psutil.Process().children() if process.name().startswith("python")}
    for process in psutil.Process().children(recursive=True):
        try:
            times, command = process.cpu_times(), process.cmdline()
        except psutil.NoSuchProcess:
            continue
        if command and command[0].endswith("Xvfb"):
            kind = "X"
        elif process.pid in workers and not any("reaper" in word for word in command) and "-m" not in command:
            kind = "Python"
        else:
            kind = "game"
        used[kind] += times.user + times.system
    return used


if __name__ == "__main__":
    main()
