"""What the commands share that make policies and let them play: the device, the policy, the environment it is for."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import gymnasium as gym

from gameon_env.errors import GameOnError, PolicyError, UnknownNameError
from gameon_env.games.profile import profile_paths
from gameon_env.learning.policy import Policy
from gameon_env.optional import require


def check_device(name: str | None) -> None:
    """Refuse a device that PyTorch does not have here; None is whatever it has.

    Raises:
        UnknownNameError: no such device; the message names those there are.
        MissingPartError: PyTorch is not installed.
    """
    if name is None:
        return
    torch = require("torch", "Training and playing a policy")
    devices = ["cpu"]
    accelerator = torch.accelerator.current_accelerator(check_available=True)
    if accelerator is not None:
        devices += [accelerator.type, *(f"{accelerator.type}:{i}" for i in range(torch.accelerator.device_count()))]
    if name not in devices:
        raise UnknownNameError(
            f"--device must be one of those that PyTorch {torch.__version__} has here: {', '.join(devices)}; "
            f"it is {name!r}"
        )


def load_policy(path: Path, device: str | None) -> Policy:
    """The policy in ``path``: one made with Keras where the name ends with ``.keras``, else one made with PyTorch.

    Raises:
        PolicyError: it cannot be loaded, or TensorFlow has no such device.
        UnknownNameError: PyTorch has no such device.
        MissingPartError: TensorFlow, or PyTorch, is not installed.
    """
    if path.suffix == ".keras":
        from gameon_env.learning.keras_policy import KerasPolicy

        return KerasPolicy.load(path, device=device)
    check_device(device)
    return Policy.load(path, device=device)


def load_agent(path: Path, game: str | None, display: str, device: str | None) -> tuple[Policy, gym.Env[Any, Any]]:
    """Load a policy and make the environment it plays in, checked against it.

    Raises:
        PolicyError: the policy cannot be loaded, names no known game, or was trained for other controls.
        GameOnError: the environment cannot be made, or there is no such device.
    """
    agent = load_policy(path, device)
    name = game or agent.spec.game
    if name is None:
        raise PolicyError(f"{path} does not say which game it is for: name one with --game")
    if game is None and name not in profile_paths():
        raise PolicyError(
            f"{path} was trained on the game {name!r}, which is none of the profiles known here "
            f"({', '.join(profile_paths())}): give the profile's file with --game FILE.toml"
        )
    size = agent.spec.observation_size
    env = gym.make("GameOn-Desktop-v0", game=name, display=display, fps=agent.spec.fps, observation_size=size)
    try:
        agent.check_env(env)
    except PolicyError:
        env.close()
        raise
    return agent, env


@contextmanager
def shell_words() -> Iterator[None]:
    """Errors that advise ``display="private"`` advise ``--display private`` instead: these are for the command line.

    Raises:
        GameOnError: the same, said anew.
    """
    try:
        yield
    except GameOnError as error:
        said = re.sub(r"""display=(['"])(.+?)\1""", r"--display \2", str(error))
        if said == str(error):
            raise
        raise type(error)(said) from error
