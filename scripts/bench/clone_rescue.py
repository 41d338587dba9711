"""Clone the player of `rescue` from its live games, then let the clone play live games of its own.

    python scripts/bench/clone_rescue.py --output out/clone_rescue

Records the teacher (a process that sees only the screen and makes real input events), trains, and then draws fresh
seeds that teacher, agent and both kinds of random play are all scored on. Prints the table, exits 1 where the agent
has less than 90 % of its teacher's mean score or random play more than 20 %.
"""

from __future__ import annotations

import argparse
import secrets
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import gymnasium as gym
from rich.console import Console

import gameon_env  # noqa: F401 - registers the environment
from gameon_env.data_processing.trajectory import load_episodes
from gameon_env.learning.behavioral_cloning import CloningConfig, clone
from gameon_env.learning.evaluation import (
    RandomFresh,
    RandomHeld,
    Result,
    evaluate,
    recorded_result,
    score_table,
)
from gameon_env.learning.policy import Policy
from wrappers.human_control import HumanControl
from wrappers.record_episode import RecordEpisode

PLAYER = Path(__file__).parents[1] / "demo_player.py"
Env = gym.Env[Any, Any]


def make_env() -> Env:
    return gym.make("GameOn-Desktop-v0", game="rescue", display="private", observation_size=(128, 128))


def record_teacher(folder: Path, seeds: Sequence[int], noise: float) -> Result:
    """Record one game of the teacher per seed into ``folder``."""
    env = RecordEpisode(HumanControl(make_env()), folder)
    try:
        for seed in seeds:
            env.reset(seed=seed)
            display = env.unwrapped.display_name
            player = subprocess.Popen(
                [sys.executable, PLAYER, "--display", display, "--noise", str(noise), "--seed", str(seed)]
            )
            try:
                over = False
                while not over:
                    _, _, terminated, truncated, _ = env.step(None)
                    over = terminated or truncated
            finally:
                player.terminate()
                player.wait()
    finally:
        env.close()
    return recorded_result(load_episodes(folder), "teacher")


def play_agent(policy: Path, seeds: Sequence[int]) -> Result:
    env = make_env()
    try:
        agent = Policy.load(policy, device="cpu")
        agent.check_env(env)
        return evaluate(env, agent, seeds)
    finally:
        env.close()


def play_random(kind: type[RandomFresh] | type[RandomHeld], seeds: Sequence[int]) -> Result:
    env = make_env()
    try:
        return evaluate(env, kind(env), seeds)
    finally:
        env.close()


def spread(work: Callable[[int, list[int]], Result], seeds: Sequence[int], processes: int) -> Result:
    """Share the seeds among processes, each with a display of its own, and join their results."""
    shares = [list(seeds[i::processes]) for i in range(processes)]
    shares = [share for share in shares if share]
    with ProcessPoolExecutor(len(shares), mp_context=get_context("spawn")) as pool:
        parts = list(pool.map(work, range(len(shares)), shares))
    joined = [sum((getattr(part, name) for part in parts), ()) for name in ("scores", "lengths", "end_reasons")]
    latencies = sum((part.latencies_ms for part in parts), ())
    return replace(parts[0], scores=joined[0], lengths=joined[1], end_reasons=joined[2], latencies_ms=latencies)


def _record(folder: Path, noise: float, number: int, seeds: list[int]) -> Result:
    return record_teacher(folder / str(number), seeds, noise)


def _agent(policy: Path, number: int, seeds: list[int]) -> Result:
    return play_agent(policy, seeds)


def _random(kind: type[RandomFresh] | type[RandomHeld], number: int, seeds: list[int]) -> Result:
    return play_random(kind, seeds)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output", type=Path, default=Path("out/clone_rescue"))
    parser.add_argument("--games", type=int, default=16, help="recorded games of the teacher")
    parser.add_argument("--noise", type=float, default=0.15, help="share of deliberate mistakes in recorded games")
    parser.add_argument("--minutes", type=float, default=2.5, help="of training")
    parser.add_argument("--episodes", type=int, default=20, help="fresh games of teacher, agent and random")
    parser.add_argument("--processes", type=int, default=3, help="games at a time")
    options = parser.parse_args()
    console, start = Console(), time.monotonic()

    def say(text: str) -> None:
        console.print(f"[{time.monotonic() - start:5.0f} s] {text}", highlight=False, markup=False)

    folder = options.output / time.strftime("%Y%m%d_%H%M%S")
    say(f"recording {options.games} games of the teacher into {folder}")
    seeds = [secrets.randbits(31) for _ in range(options.games)]
    recorded = spread(partial(_record, folder / "recording", options.noise), seeds, options.processes)
    say(f"recorded: mean score {recorded.mean:.0f} (with {options.noise:.0%} mistakes). Training")
    config = CloningConfig(epochs=1000, minutes=options.minutes)
    trained = clone(load_episodes(folder / "recording"), folder / "policy.safetensors", config)
    say(f"trained on {trained.training_steps} steps. Fresh games")
    seeds = [secrets.randbits(31) for _ in range(options.episodes)]
    results = []
    for name, work in (
        ("teacher", partial(_record, folder / "teacher", 0.0)),
        ("agent", partial(_agent, trained.policy_path)),
        ("random fresh", partial(_random, RandomFresh)),
        ("random held", partial(_random, RandomHeld)),
    ):
        results.append(replace(spread(work, seeds, options.processes), name=name))
        say(f"{name}: {results[-1].mean:.0f} ± {results[-1].std:.0f}")
    console.print(score_table(results, reference="teacher"))
    teacher, agent, *randoms = (result.mean for result in results)
    return 0 if agent >= 0.9 * teacher and max(randoms) < 0.2 * teacher else 1


if __name__ == "__main__":
    sys.exit(main())
