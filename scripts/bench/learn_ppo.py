"""PPO from pixels, from a clone on: does it get better than the clone, and is it as good in real time as in lockstep?

    python scripts/bench/learn_ppo.py --game rescue --seeds 3 --minutes 9
    python scripts/bench/learn_ppo.py --game pyxel_snake --seeds 3 --minutes 9

A player that sees only the screen is recorded in lockstep and cloned (``gameon train bc``); for each seed ``gameon
train ppo GAME --from CLONE --data RECORDINGS`` learns what those are worth, and goes on by playing. Then random play,
the clone and each seed's best policy have episodes with seeds that none of them was trained or chosen on, in lockstep
and in real time. Writes each seed's ``curve.jsonl``, ``learning_curve.png`` and ``result.json``. Exits 1 where a seed's
policy is not better than the clone and random play, or scores otherwise in real time than two standard errors allow.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import subprocess
import sys
import time
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
import torch
from rich.console import Console

sys.path.insert(0, str(Path(__file__).parent))
from _lockstep_players import PLAYERS, record_player

import gameon_env
from gameon_env.data_processing.trajectory import load_episodes
from gameon_env.games.profile import load_profile
from gameon_env.learning.behavioral_cloning import clone
from gameon_env.learning.cloning_config import CloningConfig
from gameon_env.learning.evaluation import RandomFresh, RandomHeld, Result, evaluate, score_table
from gameon_env.learning.policy import Policy

LEARNING: dict[str, dict[str, Any]] = {
    "rescue": {"mirror": "both"},
    "aliens": {"mirror": "horizontal", "lines": True, "batch_size": 32},
    "pyxel_snake": {"mirror": "both", "lines": True, "shift_px": 1, "batch_size": 128},
}
MOST_STEPS = {"pyxel_snake": 250}
"""Of a recorded game: a clone that does not know how games begin gets no further."""

NOISE = {"rescue": 0.1, "aliens": 0.15, "pyxel_snake": 0.2}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--game", choices=PLAYERS, default="rescue")
    parser.add_argument("--games", type=int, default=12, help="recorded games")
    parser.add_argument("--clone-minutes", type=float, default=2.0, help="of cloning")
    parser.add_argument("--minutes", type=float, default=9.0, help="of PPO, for each seed")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--at-once", type=int, default=1, help="seeds at a time")
    parser.add_argument("--envs", type=int, default=1, help="games side by side for each seed")
    parser.add_argument("--evaluate-every", type=int, default=8000, help="steps")
    parser.add_argument("--evaluation-episodes", type=int, default=6, help="in each: the best policy is kept")
    parser.add_argument("--set", action="append", default=[], metavar="NAME=VALUE", help="a hyperparameter")
    parser.add_argument("--episodes", type=int, default=10, help="of each at the end, in lockstep")
    parser.add_argument("--real-episodes", type=int, default=5, help="of each seed's policy, in real time")
    parser.add_argument("--output", type=Path, default=Path("demo_output"))
    parser.add_argument(
        "--clone",
        type=Path,
        help="begin from this policy, and the recordings beside it",
    )
    options = parser.parse_args()
    console, start = Console(highlight=False), time.monotonic()
    folder = options.output / f"learn_ppo_{options.game}_{time.strftime('%Y%m%d_%H%M%S')}"
    folder.mkdir(parents=True)

    def say(text: str) -> None:
        console.print(f"{time.monotonic() - start:6.0f} s  {text}  (load {os.getloadavg()[0]:.1f})", markup=False)

    policy = options.clone or make_clone(options, folder, say)
    began = time.monotonic()
    trained = train_seeds(options, policy, folder)
    say(f"{options.seeds} trainings done in {(time.monotonic() - began) / 60:.1f} min")

    seeds = [int(seed) for seed in np.random.default_rng(int.from_bytes(os.urandom(4), "big")).integers(2**31, size=99)]
    results = final_scores(options, policy, trained, seeds, say)
    console.print(score_table([*results["lockstep"], *results["real"]]))
    (folder / "result.json").write_text(
        json.dumps(
            {"options": {**vars(options)}, "results": {k: [asdict(r) for r in v] for k, v in results.items()}},
            default=str,
        )
    )
    draw(folder, trained, results["lockstep"], load_profile(options.game).title)
    say(f"{folder}/learning_curve.png")
    return judge(results, say)


def make_clone(options: argparse.Namespace, folder: Path, say: Any) -> Path:
    size = load_profile(options.game).training.observation_size
    seeds = list(range(1000, 1000 + options.games))
    noise, most_steps = NOISE[options.game], MOST_STEPS.get(options.game)
    scores = record_player(options.game, folder / "recordings", seeds, size, noise, most_steps)
    say(f"recorded {len(scores)} games of the player in lockstep: mean score {np.mean(scores):.1f}")
    config = CloningConfig(epochs=1000, minutes=options.clone_minutes, **LEARNING[options.game])
    learned = clone(load_episodes(folder / "recordings"), folder / "clone.safetensors", config, progress=False)
    say(f"cloned: {len(learned.curve)} epochs, best {learned.best.epoch}")
    return folder / "clone.safetensors"


def train_seeds(options: argparse.Namespace, policy: Path, folder: Path) -> list[Path]:
    """``gameon train ppo`` for each seed, so many at once; the folders."""
    folders = [folder / f"seed_{seed}" for seed in range(options.seeds)]
    recordings = policy.parent / "recordings"
    threads = max(1, (os.cpu_count() or 1) // options.at_once)
    for first in range(0, options.seeds, options.at_once):
        running = []
        for seed in range(first, min(first + options.at_once, options.seeds)):
            words = ["--from", policy, "--minutes", options.minutes, "--seed", seed, "--output", folders[seed]]
            words += ["--time", "lockstep", "--envs", options.envs, "--evaluate-every", options.evaluate_every]
            words += ["--evaluation-episodes", options.evaluation_episodes]
            words += ["--data", recordings] if recordings.exists() else []
            words += [word for pair in options.set for word in ("--set", pair)]
            command = [sys.executable, "-m", "gameon_env", "train", "ppo", options.game, *map(str, words)]
            running.append(subprocess.Popen(command, env={**os.environ, "OMP_NUM_THREADS": str(threads)}))
        if any(run.wait() for run in running):
            sys.exit("a training failed")
    return folders


def final_scores(
    options: argparse.Namespace, clone: Path, trained: list[Path], seeds: list[int], say: Any
) -> dict[str, list[Result]]:
    """Who scores what, by the time they play in."""
    threads = torch.get_num_threads()
    results: dict[str, list[Result]] = {"lockstep": [], "real": []}
    players = {"clone": clone, **{folder.name: folder / "policy.safetensors" for folder in trained}}
    for time_, episodes in (("lockstep", options.episodes), ("real", options.real_episodes)):
        for name, file in players.items():
            actor = Policy.load(file, device="cpu")
            size = actor.spec.observation_size
            found = evaluate(partial(make_env, options.game, time_, size), actor, seeds[:episodes])
            results[time_].append(renamed(found, f"{name}, {time_}"))
            say(f"{name} in {time_} time: {found.mean:.1f} ± {found.std:.1f} {[round(s, 1) for s in found.scores]}")
    for random in (RandomFresh, RandomHeld):
        env = make_env(options.game, "lockstep", (64, 64))
        found = evaluate(env, random(env), seeds[: options.episodes])
        env.close()
        results["lockstep"].append(found)
        say(f"{found.name}: {found.mean:.1f} ± {found.std:.1f}")
    torch.set_num_threads(threads)
    return results


def make_env(game: str, time: str, size: tuple[int, int]) -> gymnasium.Env[Any, Any]:
    made: gymnasium.Env[Any, Any] = gymnasium.make(gameon_env.ENV_ID, game=game, time=time, observation_size=size)
    return made


def renamed(result: Result, name: str) -> Result:
    return Result(**{**vars(result), "name": name})


def judge(results: dict[str, list[Result]], say: Any) -> int:
    clone, *rest = results["lockstep"]
    seeds, randoms = [r for r in rest if r.name.startswith("seed")], [r for r in rest if r.name.startswith("random")]
    worse = [r.name for r in seeds if r.mean <= max(clone.mean, *(other.mean for other in randoms))]
    say(f"better than the clone and random play: {len(seeds) - len(worse)} of {len(seeds)} seeds")
    apart = []
    for virtual, real in zip([clone, *seeds], results["real"], strict=True):
        if not real.scores:
            continue
        error = math.hypot(*(r.std / math.sqrt(len(r.scores)) for r in (virtual, real)))
        difference = real.mean - virtual.mean
        say(f"{virtual.name.split(',')[0]}: real time - lockstep = {difference:+.1f}, standard error {error:.1f}")
        if abs(difference) > 2 * error:
            apart.append(virtual.name)
    return 1 if worse or apart else 0


def draw(folder: Path, trained: list[Path], results: list[Result], title: str) -> None:
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(figsize=(8, 5))
    for run in trained:
        lines = [json.loads(line) for line in (run / "curve.jsonl").read_text().splitlines()]
        evaluated = [line for line in lines if "eval/mean_score" in line]
        axes.plot(
            [line["step"] for line in evaluated], [line["eval/mean_score"] for line in evaluated], "o-", label=run.name
        )
    for result in results:
        if result.name.startswith(("clone", "random")):
            style = "--" if result.name.startswith("clone") else ":"
            axes.axhline(result.mean, linestyle=style, color="gray", label=f"{result.name} {result.mean:.0f}")
    axes.set(title=f"PPO from a clone: {title}", xlabel="steps", ylabel="score")
    axes.legend()
    figure.tight_layout()
    figure.savefig(folder / "learning_curve.png", dpi=120)


if __name__ == "__main__":
    sys.exit(main())
