"""What an export did, and what it left out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class LeftOut:
    """A recording, or a part of one, that is not in the export: its name, and why."""

    name: str
    reason: str


@dataclass(frozen=True, slots=True)
class ExportSummary:
    """What an export did.

    Attributes:
        path: what was made; a text where that is a URL.
        recordings: the ids of what is in it.
        episodes: how many.
        rows: observations in it; one more than actions in each episode.
        controls: the names of the columns of ``inputs``.
        size: ``(height, width)`` of its pictures.
        has_audio: whether it holds sound.
        size_bytes: on the disk.
        estimated_bytes: what was expected before.
        seconds: that it took.
        left_out: what is not in it, and why.
        notes: what else its person should know.
        report: the page about the recordings, where one was written.
    """

    path: Path | str
    recordings: tuple[str, ...]
    episodes: int
    rows: int
    controls: tuple[str, ...]
    size: tuple[int, int]
    has_audio: bool
    size_bytes: int
    estimated_bytes: int
    seconds: float
    left_out: tuple[LeftOut, ...] = ()
    notes: tuple[str, ...] = ()
    report: Path | None = None


@dataclass(frozen=True, slots=True)
class ExportProgress:
    """How far an export is: ``rows`` of ``total_rows`` written, of a file that will have ``estimated_bytes`` or so."""

    rows: int
    total_rows: int
    estimated_bytes: int


ProgressCallback = Callable[[ExportProgress], None]
"""Called once before the first row is written, and then after each block of rows."""


def human_bytes(count: float) -> str:
    """``1.5 GB``."""
    for unit in ("bytes", "kB", "MB", "GB"):
        if abs(count) < 1000:
            return f"{count:.0f} {unit}" if unit == "bytes" or count >= 100 else f"{count:.1f} {unit}"
        count /= 1000
    return f"{count:.1f} TB"
