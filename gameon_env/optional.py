"""Optional parts: imported where they are used, with an error that says which extra brings them."""

from __future__ import annotations

import importlib
from types import ModuleType

from gameon_env.errors import MissingPartError

EXTRA_OF = {
    "torch": "torch",
    "safetensors": "torch",
    "safetensors.torch": "torch",
    "tensorflow": "tensorflow",
    "stable_baselines3": "sb3",
    "sb3_contrib": "sb3",
    "pynput": "pynput",
    "matplotlib": "all",
    "ray": "ray",
    "fsspec": "remote",
    "pyarrow": "lerobot",
    "pyarrow.parquet": "lerobot",
}
"""Which extra of the distribution ``gameon-env`` brings which package."""


def require(module: str, purpose: str) -> ModuleType:
    """Import and return the optional ``module``.

    Raises:
        MissingPartError: it is not installed; the message gives the command that installs it.
    """
    try:
        return importlib.import_module(module)
    except ImportError as error:
        extra = EXTRA_OF.get(module, "all")
        raise MissingPartError(
            f"{purpose} needs {module}, which cannot be imported ({error}). "
            f"Install it: pip install 'gameon-env[{extra}]'"
        ) from error
