"""``gameon train dagger``: a policy plays, somebody takes over where it goes wrong, and it learns from that."""

from __future__ import annotations

import datetime
import secrets
import shlex
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import typer
from rich.console import Console

from gameon_env.cli.agents import check_device, load_agent, shell_words
from gameon_env.cli.console import open_console
from gameon_env.data_processing.trajectory import Episode, load_episodes
from gameon_env.errors import EmergencyStop, InputError, TrajectoryError
from gameon_env.learning.dagger import CORRECTION_WEIGHT, aggregate, config_of, corrected_rows, retrain
from gameon_env.learning.evaluation import evaluate
from gameon_env.learning.policy import read_policy
from gameon_env.learning.steps import StepEpisode
from gameon_env.optional import require
from gameon_env.paths import data_dir as recordings_folder
from wrappers.human_takeover import HumanTakeover
from wrappers.record_episode import RecordEpisode


def command(
    policy: Path = typer.Argument(..., help="A policy that 'gameon train bc' made with PyTorch."),
    data: list[Path] | None = typer.Option(
        None, help="The recordings it was made of: a trajectory file, or a folder of them; may be repeated."
    ),
    db: Path | None = typer.Option(None, metavar="PATH", help="They are sessions: gameon.db, or a session's folder."),
    corrections: list[Path] | None = typer.Option(
        None, help="Corrections of earlier rounds, to learn from as well; may be repeated."
    ),
    output: Path | None = typer.Option(
        None, "--output", "-o", help="Where the new policy goes; POLICY.dagger.safetensors without it."
    ),
    game: str | None = typer.Option(None, help="A profile's name or file; the game it was trained on without it."),
    rounds: int = typer.Option(1, min=1, help="How often it plays, is corrected and learns."),
    episodes: int = typer.Option(3, min=1, help="Episodes in each round."),
    player: str | None = typer.Option(
        None,
        metavar="COMMAND",
        help="A program that takes over in place of a person, by the display's own devices; it is given {display} and "
        "{seed}, and plays until it is told to end.",
    ),
    display: str | None = typer.Option(
        None, help="current, private, or an X display such as :1; current for a person, private for a program."
    ),
    hand_back: str = typer.Option("key:f10", metavar="KEY", help="The key that gives the game back to the agent."),
    idle: float | None = typer.Option(
        None, min=0.1, metavar="SECONDS", help="Give it back after so long without input too."
    ),
    weight: float = typer.Option(
        CORRECTION_WEIGHT, min=0.01, help="How often a correction is shown for each time that a recorded step is."
    ),
    minutes: float | None = typer.Option(None, min=0.01, help="Time budget of each training."),
    epochs: int | None = typer.Option(None, min=1, help="Passes over the data, at most; as it was trained without it."),
    fresh: bool = typer.Option(False, help="Learn all anew in each round, instead of going on from the last policy."),
    seed: int = typer.Option(0, min=0, max=2**63 - 1, help="Of the split, the weights and the order."),
    device: str | None = typer.Option(None, help="cpu, cuda, mps ...; the accelerator where there is one."),
    data_dir: Path | None = typer.Option(None, help="Where recordings lie; ./data without it."),
) -> None:
    """DAgger: play, be corrected, learn from the corrections and the recordings together; again, for --rounds.

    The policy plays. Any key, button or motion of yours takes the game from it at once; F10 gives it back. What it
    does wrong is in none of the recordings: take over where it is lost, play on until all is well, and give back.
    """
    require("torch", "gameon train dagger")
    check_device(device)
    if not data and db is None:
        raise TrajectoryError(
            "say which recordings the policy was made of, --data PATH or --db PATH: from corrections alone it would "
            "forget what it can"
        )
    console, best = open_console(soft_wrap=True), policy
    spec, _ = read_policy(policy)
    config = config_of(spec)
    recordings: list[StepEpisode] = [*load_episodes(data)] if data else []
    if db is not None:
        from gameon_env.learning.recorded_runs import load_runs

        recordings += load_runs(
            db,
            game_name=game or spec.game,
            fps=spec.fps,
            size=spec.observation_size,
            latency_ms=config.latency_ms,
            cache=True,
        )
    corrected = load_episodes(corrections) if corrections else []
    target = output or policy.with_suffix(".dagger.safetensors")
    stamp = datetime.datetime.now().strftime("%Y%m%d_%H%M%S")
    folder = recordings_folder(data_dir) / "trajectories" / f"dagger_{stamp}"
    where = display or ("private" if player else "current")
    play = _Play(game, where, episodes, player, hand_back, idle, device, console)
    for number in range(1, rounds + 1):
        try:
            corrected += play.record(best, folder / f"round{number}")
        except (EmergencyStop, KeyboardInterrupt) as stop:
            console.print(f"stopped: {stop or 'Ctrl-C'}; everything is let go. What was played is in {folder}")
            raise typer.Exit(130) from stop
        lessons = aggregate(recordings, corrected, weight)
        console.print(
            f"round {number}: learning from {lessons.recorded_steps} recorded steps and "
            f"{lessons.corrected_steps} corrected ones"
        )
        result = retrain(best, lessons, target, minutes=minutes, epochs=epochs, fresh=fresh, seed=seed, device=device)
        best = target
        console.print(
            f"round {number}: {result.policy_path}: epoch {result.best.epoch} of {len(result.curve)} ({result.device})"
        )
    console.print(f"corrections: {folder}", markup=False)


@dataclass(frozen=True)
class _Play:
    """How the policy plays and who corrects it."""

    game: str | None
    display: str
    episodes: int
    player: str | None
    hand_back: str
    idle_s: float | None
    device: str | None
    console: Console

    def record(self, policy: Path, folder: Path) -> list[Episode]:
        """One round of episodes, recorded into ``folder``."""
        agent, plain = load_agent(policy, self.game, self.display, self.device)
        env: Any = plain
        seeds = [secrets.randbits(31) for _ in range(self.episodes)]
        try:
            env = RecordEpisode(HumanTakeover(env, hand_back_key=self.hand_back, idle_s=self.idle_s), folder)
            with shell_words():
                env.unwrapped.open_display()  # the player needs one to look at
                with player_at(self.player, env.unwrapped.display_name, seeds[0]) as check:
                    evaluate(env, agent, seeds, on_step=lambda *_: check(), on_episode=self._tell)
        finally:
            env.close()
        played = load_episodes(folder)
        corrected = sum(int(corrected_rows(episode).sum()) for episode in played)
        self.console.print(f"corrected: {corrected} of {sum(episode.num_steps for episode in played)} steps")
        return played

    def _tell(self, number: int, score: float) -> None:
        self.console.print(f"episode {number + 1}: score {score:g}")


@contextmanager
def player_at(command: str | None, display: str, seed: int) -> Iterator[Callable[[], None]]:
    """A program that plays as the person; yields what raises where it has ended by itself.

    Raises:
        InputError: it cannot be started, or ended by itself.
    """
    if command is None:
        yield lambda: None
        return
    words = [part.format(display=display, seed=seed, python=sys.executable) for part in shlex.split(command)]
    try:
        process = subprocess.Popen(words)
    except (OSError, IndexError) as error:
        raise InputError(f"the player cannot be started: {command!r}: {error}") from error

    def check() -> None:
        if process.poll() is not None:
            raise InputError(
                f"the player has ended by itself, with exit code {process.returncode}: {command}. It must go on "
                "through all episodes, until it is told to end"
            )

    try:
        yield check
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
