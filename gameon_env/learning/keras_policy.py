"""A policy made with Keras: one ``.keras`` file with the description that every policy has, ready to play.

The file opens with ``keras.models.load_model`` anywhere. Here it is never opened that way: the network is built by code
of ours from the description, and only arrays are read from the file, so that nothing in it is run.
"""

from __future__ import annotations

import json
import warnings
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from gameon_env.errors import PolicyError, StorageError
from gameon_env.learning.keras_network import build_network, weights_of
from gameon_env.learning.policy import FORMAT_VERSION, Policy, PolicySpec
from gameon_env.optional import require

SUFFIX = ".keras"
SPEC_NAME = "gameon_policy.json"
_MOST_SPEC_BYTES = 1 << 24


class KerasPolicy(Policy):
    """Plays as :class:`~gameon_env.learning.policy.Policy` does, by TensorFlow."""

    @classmethod
    def load(cls, path: str | Path, device: str | None = None, **options: Any) -> KerasPolicy:
        """Load a policy's ``.keras`` file. No code in the file is run.

        Raises:
            PolicyError: there is no such file, it is damaged, or of a newer version.
            MissingPartError: TensorFlow is not installed.
        """
        spec, weights = read_keras_policy(path)
        return cls(spec, weights, device=device, **options)


def save_keras_policy(path: str | Path, spec: PolicySpec, network: Any) -> None:
    """Write a policy's file; an older one at ``path`` stays whole until the new one is complete.

    Args:
        network: of :func:`~gameon_env.learning.keras_network.build_network`, built as ``spec`` says.

    Raises:
        PolicyError: the name does not end with ``.keras``.
        StorageError: it cannot be written.
    """
    target = Path(path)
    check_suffix(target)
    partial = target.with_name(f".{target.stem}.partial{SUFFIX}")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        try:
            network.save(partial)
            with zipfile.ZipFile(partial, "a") as archive:
                archive.writestr(SPEC_NAME, spec.to_json())
            partial.replace(target)
        finally:
            partial.unlink(missing_ok=True)
    except OSError as error:
        raise StorageError(f"the policy cannot be written to {target}: {error}") from error


def read_keras_policy(path: str | Path) -> tuple[PolicySpec, Mapping[str, npt.NDArray[Any]]]:
    """What is in a policy's ``.keras`` file: its description and its arrays.

    Raises:
        PolicyError: there is no such file, it is damaged, no policy, or of a newer version.
    """
    require("tensorflow", "Loading a policy made with Keras")
    file = Path(path)
    check_suffix(file)
    if not file.is_file():
        raise PolicyError(
            f"there is no policy at {file}. 'gameon train bc DATA... --framework tensorflow --output {file}' makes one."
        )
    spec = _read_spec(file)
    try:
        network = build_network(**spec.network_kwargs)
        with warnings.catch_warnings():
            warnings.simplefilter("error", UserWarning)  # Keras warns of weights that are not there, and goes on
            network.load_weights(file)
    except (OSError, ValueError, TypeError, KeyError, zipfile.BadZipFile, UserWarning) as error:
        raise PolicyError(f"{file} is damaged: {_first_line(error)}. Train it again, or copy it anew.") from error
    if not all(np.isfinite(array).all() for array in weights_of(network).values()):
        raise PolicyError(f"{file} is damaged: some of its weights are no finite numbers. Train it again.")
    return spec, weights_of(network)


def check_suffix(path: Path) -> None:
    """Raises:
    PolicyError: the name is none that Keras takes.
    """
    if path.suffix != SUFFIX:
        raise PolicyError(f"a policy made with Keras is in a file named *{SUFFIX}; got {path}")


def _read_spec(file: Path) -> PolicySpec:
    try:
        with zipfile.ZipFile(file) as archive:
            if SPEC_NAME not in archive.namelist():
                raise PolicyError(
                    f"{file} is no policy of GameOn env: it holds no {SPEC_NAME}, which says what its outputs mean"
                )
            with archive.open(SPEC_NAME) as member:
                text = member.read(_MOST_SPEC_BYTES)
        version = json.loads(text)["version"]
        if version > FORMAT_VERSION:
            raise PolicyError(f"{file} has format version {version}, this gameon-env reads up to {FORMAT_VERSION}")
        return PolicySpec.from_json(text.decode())
    except (OSError, zipfile.BadZipFile) as error:
        raise PolicyError(f"{file} is damaged or no policy: {error}. Train it again, or copy it anew.") from error
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        if isinstance(error, PolicyError):
            raise
        raise PolicyError(f"{file} has a damaged {SPEC_NAME}: {error!r}. Train it again, or copy it anew.") from error


def _first_line(error: Exception) -> str:
    return str(error).strip().splitlines()[0] if str(error).strip() else repr(error)
