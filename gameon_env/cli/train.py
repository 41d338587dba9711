"""``gameon train``: make a policy from recordings."""

from __future__ import annotations

import os
from enum import StrEnum
from pathlib import Path

import typer

from gameon_env.cli.agents import check_device
from gameon_env.cli.console import open_console
from gameon_env.data_processing.trajectory import load_episodes
from gameon_env.optional import require


class Framework(StrEnum):
    torch = "torch"
    tensorflow = "tensorflow"


app = typer.Typer(help="Make a policy from recordings.", no_args_is_help=True)


@app.callback()
def train() -> None:
    """Make a policy from recordings."""


@app.command()
def bc(
    data: list[Path] = typer.Argument(..., help="Trajectory files (.hdf5, .npz), or folders of them."),
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
    device: str | None = typer.Option(None, help="cpu, cuda, mps ...; the accelerator where there is one."),
    framework: Framework = typer.Option(Framework.torch, help="What trains and plays it: PyTorch, or Keras."),
) -> None:
    """Behavioral cloning: learn to do what the recorded player did, given what they saw."""
    from gameon_env.learning.augmentation import check_mirror
    from gameon_env.learning.cloning_config import CloningConfig

    if framework is Framework.tensorflow:
        os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")  # its remarks about the processor
        require("tensorflow", "gameon train --framework tensorflow")
        from gameon_env.learning.keras_cloning import clone
    else:
        require("torch", "gameon train")
        check_device(device)
        from gameon_env.learning.behavioral_cloning import clone

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
        device=device,
    )
    path = output or Path("policy.keras" if framework is Framework.tensorflow else "policy.safetensors")
    result = clone(load_episodes(data), path, config)
    open_console(soft_wrap=True).print(
        f"{result.policy_path}: epoch {result.best.epoch} of {len(result.curve)}, trained on {result.training_steps} "
        f"steps, validated on {result.validation_steps} ({result.device}). Learning curve: {result.curve_path}"
    )
