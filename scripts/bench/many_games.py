"""Games side by side in lockstep: throughput, and what one game costs, for 1, 2, 4 and 8 of them.

    python scripts/bench/many_games.py [--game doom] [--games 1 2 4 8] [--steps 1000] [--modes native pinned async]

``native`` is this project's vector environment (a thread a game), ``pinned`` the same with each game kept to one
processor core, ``async`` Gymnasium's (a process a game, observations in shared memory). Random actions; resets are left
out. Each row says how many times the throughput of its mode's first row it reaches.
"""

from __future__ import annotations

import argparse
import os
import statistics
import time
from typing import Any

import gymnasium
import numpy as np
import psutil

import gameon_env

HOLD_STEPS = 8
ROUNDS = 4


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--game", default="doom")
    parser.add_argument("--games", type=int, nargs="+", default=[1, 2, 4, 8])
    parser.add_argument("--steps", type=int, default=1000)
    parser.add_argument("--modes", nargs="+", default=["native", "async"], choices=["native", "pinned", "async"])
    parser.add_argument("--size", type=int, default=84)
    options = parser.parse_args()
    print(f"{options.game}, {options.size}x{options.size} observations, {os.cpu_count()} cores")
    print("mode    games  steps/s  of one   CPU ms a step   of it game, X, Python   first reset s   load")
    for mode in options.modes:
        one = 0.0
        for games in options.games:
            rate, row = measure(mode, options.game, games, options.steps, options.size)
            one = one or rate
            print(
                f"{mode:<7} {games:5}  {rate:7.0f}  {rate / one:6.2f}   {row}   {os.getloadavg()[0]:5.1f}", flush=True
            )


def measure(mode: str, game: str, games: int, steps: int, size: int) -> tuple[float, str]:
    """Steps a second of all games together, the median of some rounds; and the rest of the row."""
    more: dict[str, Any] = {"pinned": True} if mode == "pinned" else {}
    envs = gymnasium.make_vec(
        gameon_env.ENV_ID, num_envs=games, vectorization_mode="async" if mode == "async" else "vector_entry_point",
        game=game, time="lockstep", observation_size=(size, size), **more,
    )  # fmt: skip
    try:
        start = time.perf_counter()
        envs.reset(seed=7)
        reset_s = time.perf_counter() - start
        rng, shape = np.random.default_rng(1), envs.action_space.shape
        assert shape is not None
        rates, done = [], 0
        before = cpu_s()
        for _ in range(ROUNDS):
            spent, round_done = 0.0, 0
            for step in range(steps // ROUNDS):
                if step % HOLD_STEPS == 0:
                    actions = (rng.random(shape) < 0.4).astype(np.float32)
                start = time.perf_counter()
                _, _, terminated, truncated, _ = envs.step(actions)
                spent += time.perf_counter() - start
                round_done += games
                if (terminated | truncated).any():
                    envs.reset()
                    break
            rates.append(round_done / spent)
            done += round_done
        used = {name: max(seconds - before[name], 0.0) / done * 1e3 for name, seconds in cpu_s().items()}
    finally:
        envs.close()
    parts = f"{used['game']:6.2f} {used['X']:5.2f} {used['Python']:7.2f}"
    return statistics.median(rates), f"{sum(used.values()):13.2f}   {parts:>22}   {reset_s:13.1f}"


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
