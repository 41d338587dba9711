"""One round of corrections: what a weak clone of `rescue` gains by a player who takes over where it is in trouble.

    python scripts/bench/dagger.py

A policy is cloned from few recorded games. Then it plays, a player (a process that sees the screen, and acts by the
physical keyboard and mouse) takes over where the score does not rise, and the policy is trained on with those
corrections; and, as the control, for as many updates with the recordings alone. All play the same fresh seeds. Exits 1
where the corrected policy is not better than the control.
"""

from __future__ import annotations

import argparse
import os
import secrets
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

from rich.console import Console

SCRIPTS = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(SCRIPTS))
from _live import Job, run, share_out  # noqa: E402

from gameon_env.data_processing.trajectory import Column, load_episodes, open_writer  # noqa: E402
from gameon_env.learning.behavioral_cloning import CloningConfig, clone  # noqa: E402
from gameon_env.learning.dagger import aggregate  # noqa: E402
from gameon_env.learning.evaluation import Result, recorded_result, score_table  # noqa: E402

PLAYER = ("{python}", str(SCRIPTS / "demo_player.py"), "--display", "{display}", "--seed", "{seed}", "--noise", "0.1")
CORRECTOR = f"{{python}} {SCRIPTS / 'bench' / '_takeover_player.py'} --display {{display}} --seed {{seed}}"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--games", type=int, default=4, help="recorded games that the weak policy is made of")
    parser.add_argument("--recordings", type=Path, help="take them from here instead of recording some")
    parser.add_argument("--epochs", type=int, default=40, help="of its training")
    parser.add_argument("--corrected", type=int, default=6, help="games in which it is corrected")
    parser.add_argument("--more-epochs", type=int, default=40, help="of training on, with corrections and without")
    parser.add_argument("--size", type=int, default=96, help="height and width of what it sees")
    parser.add_argument("--threads", type=int, help="of each training; all of the processor without it")
    parser.add_argument("--weight", type=float, default=2.0, help="of corrections")
    parser.add_argument("--episodes", type=int, default=20, help="fresh games for each")
    parser.add_argument("--at-once", type=int, default=2, help="games at a time")
    parser.add_argument("--time", choices=("real", "lockstep"), default="lockstep", help="of the scoring")
    parser.add_argument("--output", type=Path, default=Path("demo_output"))
    options = parser.parse_args()
    console, start = Console(highlight=False, soft_wrap=True, width=120), time.monotonic()
    folder = options.output / f"dagger_{time.strftime('%Y%m%d_%H%M%S')}"

    def say(text: str) -> None:
        console.print(f"{time.monotonic() - start:6.0f} s  {text}", markup=False)

    say(f"load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")
    if options.recordings is None:
        say(f"recording {options.games} games into {folder}")
        size = (options.size, options.size)
        job = Job("rescue", "player", (), PLAYER, record_to=str(folder / "recordings"), observation_size=size)
        run(share_out(job, _fresh(options.games), options.at_once))
    else:
        say(f"taking {options.games} games of {options.recordings} into {folder}")
        _take(options.recordings, options.games, folder / "recordings")
    recordings = load_episodes(folder / "recordings")
    played = recorded_result(recordings, "the player, in the recordings")
    say(f"{sum(played.lengths)} steps; the player's scores: {sorted(played.scores)}")
    weak = folder / "weak.safetensors"
    config = CloningConfig(epochs=options.epochs, mirror="both", threads=options.threads)
    clone(recordings, weak, config, progress=False)

    say(f"{options.corrected} games with corrections")
    corrected, control = folder / "corrected.safetensors", folder / "uncorrected.safetensors"
    command = [sys.executable, "-m", "gameon_env", "train", "dagger", str(weak), "--data", str(folder / "recordings")]
    command += ["--output", str(corrected), "--episodes", str(options.corrected), "--player", CORRECTOR]
    command += ["--epochs", str(options.more_epochs), "--weight", str(options.weight), "--data-dir", str(folder)]
    subprocess.run(command, check=True)
    rounds = load_episodes(folder / "trajectories")
    lessons = aggregate(recordings, rounds, options.weight)
    say(f"{lessons.recorded_steps} recorded steps, {lessons.corrected_steps} corrected ones")
    rate = sum(e.num_steps for e in rounds) / sum(float(e.timestamps[-1]) * 1e-9 for e in rounds)
    say(f"corrected at {rate:.1f} steps a second; where that is less than {rounds[0].fps:g}, the machine is too busy")
    # As many updates: an epoch with corrections is longer.
    shown = sum(float(w[k].sum()) for w, k in zip(lessons.weights, lessons.keep, strict=True))
    more = round(options.more_epochs * shown / lessons.recorded_steps)
    clone(recordings, control, replace(config, epochs=more), start=weak, progress=False)

    seeds, results = _fresh(options.episodes), []
    for name, policy in (("weak", weak), ("trained on, no corrections", control), ("trained on, corrected", corrected)):
        job = Job("rescue", str(policy), (), time=options.time)
        scored = run(share_out(job, seeds, options.at_once))[str(policy)]
        results.append(Result(name, scored.scores, scored.lengths, (), scored.latencies_ms))
        say(f"{name}: {sorted(results[-1].scores)}")
    results.append(played)
    console.print(score_table(results))
    say(f"load {os.getloadavg()[0]:.1f}")
    return 0 if results[2].mean > results[1].mean else 1


def _take(source: Path, games: int, folder: Path) -> None:
    """Copy the first recorded games of a file or a folder."""
    taken = load_episodes(source)[:games]
    columns = [Column(name, str(v.dtype), v.shape[1:]) for name in taken[0].columns for v in [taken[0].column(name, 0)]]
    writer = open_writer(folder, "rescue", columns)
    for episode in taken:
        metadata = {key: value for key, value in episode.metadata.items() if key not in ("first_row", "last_row")}
        writer.start_episode(metadata)
        values = {column.name: episode.column(column.name) for column in columns}
        for row in range(episode.num_steps + 1):
            writer.append({name: value[row] for name, value in values.items()})
        writer.end_episode(metadata)
    writer.close()


def _fresh(count: int) -> list[int]:
    return [secrets.randbits(31) for _ in range(count)]


if __name__ == "__main__":
    sys.exit(main())
