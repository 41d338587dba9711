"""``gameon evaluate``: how well a policy plays, beside random play and the recording it learned from."""

from __future__ import annotations

import secrets
from pathlib import Path

import numpy as np
import typer
from rich.markup import escape
from rich.progress import Progress

from gameon_env.cli.agents import load_agent, shell_words
from gameon_env.cli.console import open_console
from gameon_env.data_processing.trajectory import load_episodes
from gameon_env.learning.evaluation import (
    Actor,
    RandomFresh,
    RandomHeld,
    evaluate,
    recorded_result,
    score_table,
    tells_scores,
)


def command(
    policy: Path = typer.Argument(..., help="A policy that 'gameon train' made."),
    game: str | None = typer.Option(None, help="A profile's name or file; the game it was trained on without it."),
    episodes: int = typer.Option(5, min=1, help="How many episodes each plays."),
    recording: Path | None = typer.Option(None, help="Compare with the scores of this recording (file or folder)."),
    random: bool = typer.Option(True, help="Let random play have as many episodes."),
    seed: int | None = typer.Option(None, min=0, help="Draw the episodes' seeds from this one; fresh ones without it."),
    display: str = typer.Option("private", help="private, current, or an X display such as :1."),
    device: str | None = typer.Option(None, help="cpu, cuda, mps ...; the accelerator where there is one."),
) -> None:
    """Let a policy play live episodes and print mean and spread of its scores."""
    recorded = load_episodes(recording) if recording else []
    reference = recorded_result(recorded) if recording else None
    agent, env = load_agent(policy, game, display, device)
    seeds = [
        int(s)
        for s in np.random.default_rng(secrets.randbits(63) if seed is None else seed).integers(2**31, size=episodes)
    ]
    try:
        actors: list[Actor] = [agent, RandomFresh(env), RandomHeld(env)] if random else [agent]
        results = [reference] if reference else []
        with shell_words(), Progress() as progress:
            task = progress.add_task("playing", total=len(actors) * episodes)
            for actor in actors:
                progress.update(task, description=escape(actor.name))
                results.append(evaluate(env, actor, seeds, on_episode=lambda *_: progress.advance(task)))
    finally:
        env.close()
    console = open_console()
    if not tells_scores(recorded):
        console.print("The recording tells no scores: all are compared by the sums of their rewards.")
        results = [result.by_rewards() for result in results]
    console.print(score_table(results, reference="recording"))
