"""The learning curve of a training: a file beside the policy, with a line of JSON for each epoch."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path

from gameon_env.errors import StorageError
from gameon_env.learning.cloning_config import EpochRecord


class LearningCurve:
    """``<name>.curve.jsonl`` beside a policy; that of an earlier training stays until :meth:`begin`.

    Raises:
        StorageError: it cannot be written there; also from the methods, as where the disk is full.
    """

    def __init__(self, policy_path: Path) -> None:
        self.path = curve_path(policy_path)
        with self._writing():
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self.path.touch()

    def begin(self) -> None:
        """From here on it is about this training."""
        with self._writing():
            self.path.write_text("")

    def add(self, record: EpochRecord) -> None:
        """One more point."""
        with self._writing(), self.path.open("a") as file:
            file.write(json.dumps(asdict(record)) + "\n")

    @contextmanager
    def _writing(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise StorageError(f"nothing can be written to {self.path.parent}: {error}") from error


def curve_path(policy_path: Path) -> Path:
    """Where a policy's learning curve lies."""
    return policy_path.with_suffix(".curve.jsonl")
