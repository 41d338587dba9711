"""The local leaderboard: the best games of each environment, in one small file."""

from __future__ import annotations

import json
import math
import re
import threading
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from datetime import UTC, datetime
from http import HTTPStatus
from pathlib import Path
from typing import Any

from gameon_env.errors import StorageError
from gameon_env.web.server_checks import RequestError

ENVIRONMENTS = ("earthquake", "tsunami", "wildfire")
MAX_PER_ENVIRONMENT = 50
MAX_NAME = 64
_UNFIT = re.compile("[\x00-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
"""Control characters, what turns the text around it, and halves of a character. Letters that join are text."""


@dataclass(frozen=True)
class Score:
    """One finished game."""

    name: str
    environment: str
    score: float
    seed: int
    played_at: str


class Scores:
    """The scores in ``path``, best first in each environment."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._guard = threading.Lock()

    def all(self) -> list[dict[str, Any]]:
        """The scores as JSON objects, the best first.

        Raises:
            StorageError: the file is damaged.
        """
        with self._guard:
            return [asdict(score) for score in self._load()]

    def add(self, told: Mapping[str, Any]) -> list[dict[str, Any]]:
        """Add one; returns all.

        Raises:
            RequestError: it is no score.
            StorageError: it cannot be written.
        """
        score = check_score(told)
        with self._guard:
            kept: list[Score] = []
            for each in sorted([*self._load(), score], key=lambda each: -each.score):
                if sum(other.environment == each.environment for other in kept) < MAX_PER_ENVIRONMENT:
                    kept.append(each)
            self._save(kept)
            return [asdict(each) for each in kept]

    def _load(self) -> list[Score]:
        try:
            told = json.loads(self._path.read_text("utf-8"))
            return [Score(**each) for each in told]
        except FileNotFoundError:
            return []
        except (ValueError, TypeError) as error:
            raise StorageError(
                f"{self._path} is no list of scores ({error}): move it away to begin a new one"
            ) from error

    def _save(self, scores: list[Score]) -> None:
        new = self._path.with_suffix(".new")
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            new.write_text(json.dumps([asdict(score) for score in scores], indent=1), "utf-8")
            new.replace(self._path)
        except OSError as error:
            raise StorageError(
                f"{self._path} cannot be written ({error}): free disk space, or make it writable"
            ) from error


def check_score(told: Mapping[str, Any]) -> Score:
    """What the page told of a game, checked.

    Raises:
        RequestError: it is no score; the message names the field.
    """
    values: dict[str, Any] = {"played_at": datetime.now(UTC).isoformat(timespec="seconds")}
    for field in fields(Score):
        if field.name in values:
            continue
        value = told.get(field.name)
        if field.type == "str":
            fits = isinstance(value, str) and 0 < len(value.strip()) <= MAX_NAME and not _UNFIT.search(value)
            value = value.strip() if isinstance(value, str) else value
        elif isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
            fits = False
        else:
            fits = 0 <= value <= 2**53
            value = int(value) if field.type == "int" and fits else value
        if not fits:
            raise RequestError(
                HTTPStatus.BAD_REQUEST, f"a score's {field.name} is missing or is none: {str(value)[:60]!r}"
            )
        values[field.name] = value
    if values["environment"] not in ENVIRONMENTS:
        raise RequestError(HTTPStatus.BAD_REQUEST, f"environment must be one of {', '.join(ENVIRONMENTS)}")
    return Score(**values)
