"""``gameon train bc``: make a policy from recordings."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path

import typer

from gameon_env.cli.agents import check_device
from gameon_env.cli.console import is_given, open_console
from gameon_env.data_processing.trajectory import load_episodes
from gameon_env.errors import TrajectoryError
from gameon_env.learning.steps import StepEpisode
from gameon_env.optional import require


class Framework(StrEnum):
    torch = "torch"
    tensorflow = "tensorflow"


def command(
    context: typer.Context,
    data: list[Path] | None = typer.Argument(None, help="Trajectory files (.hdf5, .npz), or folders of them."),
    db: Path | None = typer.Option(
        None, metavar="PATH", help="Learn from sessions instead: gameon.db, or a session's folder."
    ),
    game: str | None = typer.Option(None, help="Of the sessions, those of this game."),
    sessions: list[str] | None = typer.Option(None, "--session", help="Of the sessions, this one; may be repeated."),
    fps: float | None = typer.Option(None, min=0.1, help="Steps a second made of sessions; the profile's without it."),
    size: str = typer.Option("128x128", metavar="HxW", help="Of the frames made of sessions."),
    cache: bool = typer.Option(True, help="Keep the sessions' decoded frames in the user's cache folder."),
    output: Path | None = typer.Option(
        None, "--output", "-o", help="Where the policy goes; policy.safetensors (torch) or policy.keras without it."
    ),
    epochs: int = typer.Option(20, min=1, help="Passes over the data, at most."),
    minutes: float | None = typer.Option(None, min=0.01, help="Time budget; ends the training if it comes first."),
    batch_size: int = typer.Option(64, min=1),
    learning_rate: float = typer.Option(1e-3, min=0.0),
    stack: int = typer.Option(1, min=1, help="Frames seen at once: more show motion, but invite inertia."),
    spacing: int = typer.Option(1, min=1, help="Steps between them."),
    latency_ms: float = typer.Option(0.0, min=0.0, help="How much later than its frame an action answers it."),
    mirror: str = typer.Option("none", help="none, horizontal or both: learn from mirrored pictures too."),
    seed: int = typer.Option(0, min=0, max=2**63 - 1, help="Of the split, the weights and the order."),
    threads: int | None = typer.Option(
        None, min=1, help="Of the processor; as many as there are cores with nothing else to do without it."
    ),
    device: str | None = typer.Option(None, help="cpu, cuda, mps ...; the accelerator where there is one."),
    framework: Framework = typer.Option(Framework.torch, help="What trains and plays it: PyTorch, or Keras."),
) -> None:
    """Behavioral cloning: learn to do what the recorded player did, given what they saw.

    With PyTorch several processes train together: torchrun --nproc-per-node 2 -m gameon_env train bc ...
    """
    if bool(data) == (db is not None):
        raise TrajectoryError("say what to learn from: trajectory files, or sessions by --db data/gameon.db; not both")
    if db is None:
        _check_files_only(context)
    from gameon_env.learning.augmentation import check_mirror
    from gameon_env.learning.cloning_config import CloningConfig

    if framework is Framework.tensorflow:
        os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")  # its remarks about the processor
        require("tensorflow", "gameon train --framework tensorflow")
        from gameon_env.learning.keras_cloning import clone

        tells = True
    else:
        require("torch", "gameon train")
        check_device(device)
        from gameon_env.learning.behavioral_cloning import clone
        from gameon_env.learning.distributed import is_main_process

        tells = is_main_process()

    config = CloningConfig(
        epochs=epochs,
        minutes=minutes,
        batch_size=batch_size,
        learning_rate=learning_rate,
        stack=stack,
        spacing=spacing,
        latency_ms=latency_ms,
        mirror=check_mirror(mirror),
        seed=seed,
        threads=threads,
        device=device,
    )
    path = output or Path("policy.keras" if framework is Framework.tensorflow else "policy.safetensors")
    episodes: Sequence[StepEpisode]
    if db is None:
        episodes = load_episodes(data or [])
    else:
        from gameon_env.learning.recorded_runs import load_runs

        episodes = load_runs(
            db, game_name=game, sessions=sessions or None, fps=fps, size=_size(size), latency_ms=latency_ms, cache=cache
        )
    before = _written_ns(path)
    try:
        result = clone(episodes, path, config)
    except KeyboardInterrupt:
        kept = f"{path} has the best policy so far" if _written_ns(path) != before else "nothing was learned yet"
        open_console(soft_wrap=True).print(f"stopped: {kept}")
        raise
    if not tells:
        return
    open_console(soft_wrap=True).print(
        f"{result.policy_path}: epoch {result.best.epoch} of {len(result.curve)}, trained on {result.training_steps} "
        f"steps, validated on {result.validation_steps} ({result.device}). Learning curve: {result.curve_path}"
    )


def _written_ns(path: Path) -> int | None:
    return path.stat().st_mtime_ns if path.exists() else None


def _check_files_only(context: typer.Context) -> None:
    options = {"game": "--game", "sessions": "--session", "fps": "--fps", "size": "--size", "cache": "--cache"}
    given = [option for name, option in options.items() if is_given(context, name)]
    if given:
        raise TrajectoryError(
            f"{', '.join(given)} {'are' if len(given) > 1 else 'is'} about sessions (--db): trajectory files have "
            "frames and a rate of their own; leave it away"
        )


def _size(text: str) -> tuple[int, int]:
    found = re.fullmatch(r"(\d{1,4})x(\d{1,4})", text)
    if found is None:
        raise typer.BadParameter(f"{text!r} is no size: expected HEIGHTxWIDTH, such as 128x128", param_hint="--size")
    return int(found[1]), int(found[2])
