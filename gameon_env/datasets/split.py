"""Training, validation and test: by session, and for good."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Literal, TypeVar

from gameon_env.datasets.recording import Recording
from gameon_env.errors import DatasetError

R = TypeVar("R", bound=Recording)
SPLITS: tuple[Literal["train", "val", "test"], ...] = ("train", "val", "test")


def split_of(group: str, seed: int, fractions: tuple[float, float, float]) -> Literal["train", "val", "test"]:
    """In which split a session is: by a hash of its id and the seed alone, so that sessions recorded later move
    none."""
    digest = hashlib.sha256(f"{seed}/{group}".encode()).digest()
    place = int.from_bytes(digest[:8], "big") / 2**64
    for name, share in zip(SPLITS, fractions, strict=True):
        if place < share:
            return name
        place -= share
    return max(zip(fractions, SPLITS, strict=True))[1]  # by rounding of the sum only


def choose_split(
    recordings: Sequence[R],
    split: Literal["train", "val", "test"] | None,
    seed: int,
    fractions: tuple[float, float, float],
) -> list[R]:
    """The recordings of one split; all of them where it is None.

    Raises:
        DatasetError: none falls into it; the message says how many fall into each.
    """
    if split is None:
        return list(recordings)
    where = [split_of(recording.group, seed, fractions) for recording in recordings]
    chosen = [recording for recording, name in zip(recordings, where, strict=True) if name == split]
    if not chosen:
        sessions = {recording.group: name for recording, name in zip(recordings, where, strict=True)}
        counts = ", ".join(f"{list(sessions.values()).count(name)} in {name}" for name in SPLITS)
        raise DatasetError(
            f"of {len(sessions)} sessions none falls into the split {split!r} ({counts}; fractions {fractions}, seed "
            f"{seed}): record more sessions, give that split a larger fraction, or choose another seed"
        )
    return chosen
