"""``gameon train ppo`` and its like: make a policy by playing the game, from nothing or from recordings."""

from __future__ import annotations

import shlex
import time as clock
from collections.abc import Callable
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from gameon_env.cli.agents import check_device
from gameon_env.cli.console import is_given, open_console
from gameon_env.errors import GameOnError, PolicyError
from gameon_env.games.profile import Profile, load_profile
from gameon_env.optional import require

if TYPE_CHECKING:
    from gameon_env.learning.rl_run import RunFolder

ALGORITHMS = {
    "ppo": "Learn by playing: proximal policy optimization, the first to try.",
    "sac": "Learn by playing: soft actor-critic, from a replay buffer.",
    "dqn": "Learn by playing: Q-learning over the profile's [actions], from a replay buffer.",
    "a2c": "Learn by playing: advantage actor-critic.",
    "recurrent_ppo": "Learn by playing: PPO with memory (sb3-contrib).",
}
"""Algorithm -> its line in ``gameon train --help``."""


class Time(StrEnum):
    auto = "auto"
    lockstep = "lockstep"
    real = "real"


def make_command(algorithm: str) -> Callable[..., None]:
    """``gameon train ALGORITHM``."""

    def command(
        context: typer.Context,
        game: str | None = typer.Argument(None, help="A profile's name or file; not needed with --resume."),
        time: Time = typer.Option(Time.auto, help="auto: lockstep, faster than real time, where the game allows it."),
        envs: int = typer.Option(1, min=1, help="Games side by side."),
        steps: int | None = typer.Option(
            None,
            min=1,
            help="Steps in all, those before --resume too; PPO and A2C take n_steps of each game at a time.",
        ),
        minutes: float | None = typer.Option(
            None, min=0.01, help="Time budget of this run's play; what is learned from recordings before comes on top."
        ),
        resume: Path | None = typer.Option(None, metavar="DIR", help="Go on with a training that was stopped."),
        output: Path | None = typer.Option(None, "--output", "-o", help="Its folder; one in runs/ without it."),
        policy: Path | None = typer.Option(None, "--from", help="Begin as this policy, of 'gameon train bc'."),
        data: Path | None = typer.Option(None, help="Begin from recordings: files, a folder of them, or gameon.db."),
        mirror: str = typer.Option("none", help="Of recordings: none, horizontal or both."),
        changes: list[str] | None = typer.Option(
            None, "--set", metavar="NAME=VALUE", help="A hyperparameter in place of the profile's; may be repeated."
        ),
        evaluate_every: int = typer.Option(
            10_000, min=0, help="Steps between evaluations; 0: none, and the last policy is kept."
        ),
        evaluation_episodes: int = typer.Option(3, min=1, help="Episodes in each; the first is filmed."),
        save_every: float = typer.Option(2.0, min=0.01, help="Minutes between checkpoints."),
        seed: int = typer.Option(0, min=0, max=2**31 - 1, help="Of weights, draws and episodes."),
        display: str = typer.Option("private", help="private, current, or an X display such as :1."),
        device: str = typer.Option("auto", help="cpu, cuda, mps ...; the accelerator where there is one."),
    ) -> None:
        _check_words(algorithm, game, steps, minutes, resume, output, policy, data)
        if envs > 1 and display != "private":
            raise PolicyError(f"--envs {envs} needs a display for each game: --display private")
        require("stable_baselines3", f"gameon train {algorithm}")
        if device != "auto":
            check_device(device)
        from gameon_env.learning.augmentation import check_mirror
        from gameon_env.learning.rl_evaluation import check_evaluated
        from gameon_env.learning.rl_loop import Budget, Plan
        from gameon_env.learning.rl_run import RunFolder, RunSpec
        from gameon_env.learning.rl_settings import read_pairs, settings_for
        from gameon_env.learning.rl_training import train
        from gameon_env.learning.rl_warm_start import WarmStart

        console = open_console(soft_wrap=True)
        if resume is not None:
            folder = RunFolder.open(resume)
            _check_same(folder, algorithm, game)
            given = {name: value for name, value in context.params.items() if is_given(context, name)}
            _check_kept(folder, given)
            if changed := {name: given[name] for name in CHANGEABLE if name in given}:
                folder.change(**changed)
        else:
            assert game is not None
            profile = load_profile(game)
            if evaluate_every:
                check_evaluated(profile, display)
            settings = settings_for(profile, algorithm, changes or [])
            if policy is not None:
                settings = settings.like_policy(policy)
            elif data is None:
                asked, settings = settings, settings.from_nothing().changed(changes or [])
                if asked != settings:
                    console.print(
                        "from nothing: the profile's frozen_sight and value_steps, which are for agents that begin "
                        "from --from or --data, are left out"
                    )
            chosen = _choose_time(time, profile, console.print)
            spec = RunSpec(
                str(Path(game).resolve()) if game.endswith(".toml") else game,
                profile.name, chosen, envs, display, seed, device, settings,
                None if data is None else str(data.resolve()), check_mirror(mirror),
                evaluate_every, evaluation_episodes,
            )  # fmt: skip
            name = f"{algorithm}_{profile.name}_{clock.strftime('%Y%m%d_%H%M%S')}"
            folder = RunFolder.create(output or Path("runs") / name, spec)
        result = train(
            folder,
            Budget(steps, minutes),
            start=WarmStart(policy, data, check_mirror(mirror)),
            resume=resume is not None,
            changes=read_pairs(changes or [], algorithm) if resume is not None else None,
            plan=Plan(folder.spec.evaluate_every, 60 * save_every),
            evaluation_episodes=folder.spec.evaluation_episodes,
            say=console.print,
        )
        if not result.folder.exists():
            console.print("stopped before the first step: nothing is kept")
            return
        ended = "stopped" if result.over == "stopped" else f"all {result.over} are used up"
        go_on = f"gameon train {algorithm} --resume {shlex.quote(str(result.folder))}"
        console.print(f"{ended} after {result.steps} steps; go on: {go_on}")
        if result.policy is not None:
            best = "best" if result.best_return is not None else "last"
            profile_file = folder.spec.game
            where = f" --game {shlex.quote(profile_file)}" if profile_file.endswith(".toml") else ""
            console.print(f"the {best} policy: gameon play {shlex.quote(str(result.policy))}{where}")

    command.__doc__ = f"""{ALGORITHMS[algorithm]}

    The folder gets the learning curve (curve.jsonl, and events for tensorboard --logdir), videos of the evaluations,
    the best policy (policy.safetensors, for gameon play) and agent, and a checkpoint to go on from by --resume. Ctrl+C
    saves and ends. Hyperparameters come from the profile's [training]; --set changes them. --resume goes on with all
    that the training began with; --device, --display, --evaluate-every and --set may be others.
    """
    return command


def _check_words(
    algorithm: str,
    game: str | None,
    steps: int | None,
    minutes: float | None,
    resume: Path | None,
    output: Path | None,
    policy: Path | None,
    data: Path | None,
) -> None:
    """What can be seen from the words alone, before anything is begun."""
    if steps is None and minutes is None:
        raise PolicyError("say how long: --steps 200000, --minutes 30, or both")
    if resume is not None and (policy is not None or data is not None or output is not None):
        raise PolicyError("--resume goes on with what is in its folder: leave --from, --data and --output away")
    if resume is None and game is None:
        raise PolicyError(f"name the game: gameon train {algorithm} GAME ('gameon games' lists them)")
    if policy is not None and algorithm not in ("ppo", "a2c"):
        raise PolicyError(
            f"{algorithm} cannot begin from a cloned policy, whose network or actions it has not: give it the "
            "recordings by --data, or train ppo or a2c"
        )
    if data is not None and not data.exists():
        raise PolicyError(f"there are no recordings at {data}: gameon record --steps makes some")


CHANGEABLE = ("device", "display", "evaluate_every")
"""Of a training that goes on."""


def _check_kept(folder: RunFolder, given: dict[str, Any]) -> None:
    """Raises:
    PolicyError: an option says other than what the training began with, and cannot be changed."""
    spec = folder.spec
    kept = {
        "time": spec.time,
        "envs": spec.envs,
        "seed": spec.seed,
        "mirror": spec.mirror,
        "evaluation_episodes": spec.evaluation_episodes,
    }
    for name, value in kept.items():
        asked = given.get(name, value)
        if asked not in (value, Time.auto):
            raise PolicyError(
                f"{folder.path} is a training with --{name.replace('_', '-')} {value}, not {asked}: leave it away, or "
                "begin a new training"
            )


def _check_same(folder: RunFolder, algorithm: str, game: str | None) -> None:
    trained = folder.spec.settings.algorithm
    if trained != algorithm:
        raise PolicyError(f"{folder.path} is a training of {trained}: gameon train {trained} --resume {folder.path}")
    if game is not None and load_profile(game).name != folder.spec.game_name:
        raise PolicyError(
            f"{folder.path} is a training on {folder.spec.game_name}, not on {load_profile(game).name}: leave the game "
            "away, or begin a new training"
        )


def _choose_time(time: Time, profile: Profile, say: Callable[[str], None]) -> str:
    """``lockstep`` or ``real``; with ``auto`` lockstep where the game can be launched in it, which is tried."""
    if time is not Time.auto:
        return time.value
    from gameon_env.envs.desktop_env import DesktopEnv

    env: DesktopEnv | None = None
    try:
        env = DesktopEnv(game=profile.path, time="lockstep", display="private")
        env.reset(seed=0)
        env.step(env.controls.zeros())
    except GameOnError as error:
        say(f"in real time, as lockstep is not possible here: {error}")
        return "real"
    finally:
        if env is not None:
            env.close()
    say("in lockstep: faster than real time (--time real for the clock on the wall)")
    return "lockstep"
