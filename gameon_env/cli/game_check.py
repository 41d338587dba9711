"""``gameon games NAME --check``: can it be played in lockstep, how fast, and are its frames the same each time."""

from __future__ import annotations

import json
import statistics
from dataclasses import asdict

import typer
from rich.console import Console

from gameon_env.cli.console import open_console
from gameon_env.envs.compared_run import Run
from gameon_env.envs.determinism import Determinism, check_determinism
from gameon_env.errors import GameOnError
from gameon_env.games.profile import Profile

DIFFERS = 1
"""The exit code of a game that is not deterministic, or cannot be played in lockstep."""


def check_game(profile: Profile, *, runs: int, steps: int, as_json: bool) -> None:
    """Check a game that is installed, and print what was seen.

    Raises:
        MissingProgramError: it is not installed.
        typer.Exit: with code 1 where it is not deterministic, or cannot be played in lockstep.
    """
    if profile.launch is not None:
        profile.launch.check_installed(profile.path.parent)
    console = open_console(soft_wrap=True)

    def show(run: Run) -> None:
        if not as_json:
            console.print(describe_run(run, profile.fps))

    if not as_json:
        console.print(f"{profile.title}: {runs} runs of {steps} steps with the same actions, and one with others")
    try:
        seen = check_determinism(profile.path, runs=runs, steps=steps, on_run=show)
    except GameOnError as error:
        if as_json:
            typer.echo(json.dumps({"game": profile.name, "lockstep": False, "why": str(error)}, indent=2))
        else:
            console.print(f"Not in lockstep: {error}")
        raise typer.Exit(DIFFERS) from error
    if as_json:
        typer.echo(json.dumps(as_data(seen), indent=2))
    else:
        print_verdict(seen, console)
    if not seen.same or not seen.actions_matter:
        raise typer.Exit(DIFFERS)


def describe_run(run: Run, fps: float) -> str:
    """One line: how fast it was, and whether it agrees with the first one."""
    text = (
        f"  run {run.name}: {run.steps_per_s:.0f} steps/s, {run.steps_per_s / fps:.1f} x real time; "
        f"{run.different_frames} different frames of {len(run.sums)}; {len(run.starts_s)} resets"
    )
    if run.parting is not None:
        text += f"; {run.parting}"
    elif run.compared:
        text += "; all frames as in run 1"
    if run.unseen_waits:
        text += f"; {len(run.unseen_waits)} waits that the virtual clock does not see, the first: {run.unseen_waits[0]}"
    return text


def print_verdict(seen: Determinism, console: Console) -> None:
    """What the runs say of the game."""
    starts = seen.cold_starts_s
    console.print(
        f"Cold start: {statistics.median(starts):.2f} s (median of {len(starts)} launches, "
        f"{min(starts):.2f} to {max(starts):.2f} s)"
    )
    console.print(f"Speed: {seen.steps_per_s:.0f} steps/s, {seen.times_real_time:.1f} x real time")
    if not seen.actions_matter:
        console.print("Other actions give the same frames: no action reaches the game, or this is a menu or a film")
    if seen.unread:
        names = ", ".join(f"readers.{name}" for name in seen.unread)
        console.print(f"Nothing was ever read by {names}: compare it with the game's picture")
    if seen.same:
        console.print("Deterministic: the same seed and actions gave the same frames, rewards and ends in all runs")
    else:
        parting = next(run.parting for run in seen.runs if run.parting is not None)
        console.print(f"Not deterministic: runs with the same seed and actions {parting}")
        console.print(
            "A game may take its seed from its process number, which is another one at each launch: give it one, as by "
            "{seed} in launch.command"
        )
        if not seen.fixed_layout:
            console.print("The system does not allow a fixed memory layout here (personality), which some games need")


def as_data(seen: Determinism) -> dict[str, object]:
    """What was seen, for programs."""
    return {
        "game": seen.game,
        "lockstep": True,
        "deterministic": seen.same,
        "actions_matter": seen.actions_matter,
        "unread": list(seen.unread),
        "fps": seen.fps,
        "steps_per_s": round(seen.steps_per_s, 1),
        "times_real_time": round(seen.times_real_time, 2),
        "cold_starts_s": [round(seconds, 3) for seconds in seen.cold_starts_s],
        "fixed_layout": seen.fixed_layout,
        "runs": [_run_data(run) for run in (*seen.runs, seen.other)],
    }


def _run_data(run: Run) -> dict[str, object]:
    return {
        "name": run.name,
        "steps": run.steps,
        "steps_per_s": round(run.steps_per_s, 1),
        "frames": len(run.sums),
        "different_frames": run.different_frames,
        "ends": run.ends,
        "unseen_waits": run.unseen_waits,
        "parting": asdict(run.parting) if run.parting is not None else None,
    }
