"""The main job, live: a player plays, its play is recorded, an agent learns from it and plays the game itself."""

from __future__ import annotations

import argparse
import secrets
import time
from datetime import datetime
from pathlib import Path

from _live import Job, Played, as_results, run, share_out
from _pictures import contact_sheet, learning_curve, video
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from gameon_env.controls import Controls
from gameon_env.data_processing.trajectory import load_episodes
from gameon_env.games.profile import load_profile
from gameon_env.learning.behavioral_cloning import CloningConfig, clone
from gameon_env.learning.evaluation import score_table

ROOT = Path(__file__).resolve().parents[1]
GAME = "rescue"
SIZE = (64, 64)
"""What the agent sees, height and width: learned from four times as fast as 128x128 on a machine without AVX-512."""

PLAYER = ("{python}", str(ROOT / "scripts" / "demo_player.py"), "--display", "{display}", "--seed", "{seed}")
console = Console(highlight=False)


def main() -> None:
    parser = argparse.ArgumentParser(prog="demo.py", description=__doc__)
    parser.add_argument("--games", type=int, default=12, help="games that the player plays for the recording")
    parser.add_argument("--at-once", type=int, default=4, help="games side by side, each on a display of its own")
    parser.add_argument("--minutes", type=float, default=2.5, help="of training")
    parser.add_argument("--episodes", type=int, default=3, help="that each is scored on")
    parser.add_argument("--output", type=Path, help="folder for recordings, policy and pictures")
    options = parser.parse_args()
    output = options.output or ROOT / "demo_output" / datetime.now().strftime("%Y%m%d_%H%M%S")
    output.mkdir(parents=True, exist_ok=True)
    started = time.monotonic()
    profile = load_profile(GAME)

    stage(1, f"A player plays {options.games} games of {profile.title}, by real key and mouse events; each is recorded")
    job = Job(GAME, "player", (), (*PLAYER, "--noise", "0.1"), str(output / "recordings"), observation_size=SIZE)
    recorded = played(share_out(job, range(1000, 1000 + options.games), options.at_once))["player"]
    console.print(f"   {sum(recorded.lengths)} steps in {output / 'recordings'}")

    stage(2, "An agent learns from the recordings (behavioral cloning in PyTorch)")
    policy = output / "policy.safetensors"
    learned = clone(
        load_episodes(output / "recordings"), policy, CloningConfig(epochs=1000, minutes=options.minutes, mirror="both")
    )
    console.print(f"   best epoch {learned.best.epoch} of {len(learned.curve)}: {policy}")

    stage(3, "On new seeds, drawn now: the agent, the player, and random play, on the live game")
    seeds = [secrets.randbelow(2**31) for _ in range(options.episodes)]
    jobs = [Job(GAME, str(policy), tuple(seeds), film=True), Job(GAME, "player", tuple(seeds), PLAYER)]
    scored = played([*jobs, Job(GAME, "random", tuple(seeds)), Job(GAME, "random held", tuple(seeds))])

    stage(4, "Pictures")
    agent = scored[str(policy)]
    draw(agent, profile.controls, profile.fps, output)
    learning_curve(learned.curve, output / "learning_curve.png")
    for name in ("agent_plays.png", "agent_plays.mp4", "learning_curve.png"):
        console.print(f"   {output / name}")

    console.print()
    results = as_results(scored)
    console.print(score_table(results, reference="player"))
    console.print(f"Done in {(time.monotonic() - started) / 60:.1f} minutes. Everything is in {output}")


def stage(number: int, title: str) -> None:
    """Announce a stage."""
    console.print(f"\n\\[{number}/4] {title}", style="bold")


def played(jobs: list[Job]) -> dict[str, Played]:
    """Run jobs with a progress bar."""
    total = sum(len(job.seeds) for job in jobs)
    columns = (TextColumn("   {task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console) as bar:
        task = bar.add_task("games", total=total)

        def on_episode(who: str, score: float) -> None:
            bar.update(task, advance=1, description=f"{Path(who).stem}: {score:.0f}")

        return run(jobs, on_episode)


def draw(agent: Played, controls: Controls, fps: float, output: Path) -> None:
    """The agent's first episode as pictures."""
    contact_sheet(agent.film, controls.names, output / "agent_plays.png")
    video(agent.film, controls.names, fps, output / "agent_plays.mp4")


if __name__ == "__main__":
    main()
