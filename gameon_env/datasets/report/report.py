"""Looking at recordings: figures, warnings, and a page of them."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path

import numpy as np

from gameon_env.datasets.recordings import EpisodeRecording, Recording, SessionRecording
from gameon_env.datasets.report.control_figures import button_figures
from gameon_env.datasets.report.episode_evidence import examine_episode
from gameon_env.datasets.report.evidence import Evidence
from gameon_env.datasets.report.finding import Finding
from gameon_env.datasets.report.game_findings import game_findings
from gameon_env.datasets.report.page import MOST_DETAILED, render
from gameon_env.datasets.report.recording_findings import recording_findings
from gameon_env.datasets.report.session_evidence import examine_session
from gameon_env.errors import DatasetError, GameOnError, StorageError

MOST_PICTURES = 3600
"""That are looked at in all recordings together, some more where there are many: a keyframe takes some 10 ms."""

PICTURES_EACH = (40, 600)
STILLS, STILLS_EACH = 250, (8, 24)
"""Of the contact sheets: some 10 KB each."""


@dataclass(frozen=True, slots=True, eq=False)
class Report:
    """What was found in some recordings.

    Attributes:
        title: its head.
        recordings: what was looked at, in order.
        findings: all warnings.
        left_out: recordings that could not be looked at -> why.
    """

    title: str
    recordings: tuple[Evidence, ...]
    findings: tuple[Finding, ...]
    left_out: dict[str, str]

    def html(self) -> str:
        """The page: one text that refers to nothing outside it."""
        made = f"Made {datetime.now().astimezone():%Y-%m-%d %H:%M}"
        return render(self.title, made, self.recordings, self.findings, self.left_out)

    def write(self, path: str | Path) -> Path:
        """Write the page; an older one is replaced when the new one is whole.

        Raises:
            StorageError: it cannot be written.
        """
        path = Path(path)
        unfinished = path.with_name(f".{path.name}.{os.getpid()}")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            unfinished.write_text(self.html(), encoding="utf-8")
            unfinished.replace(path)
        except OSError as error:
            with suppress(OSError):
                unfinished.unlink()
            raise StorageError(f"{path}: the report cannot be written ({error}). Name another file") from error
        return path

    def as_json(self) -> dict[str, object]:
        """The figures and warnings, JSON-safe."""
        games = dict.fromkeys(r.game for r in self.recordings)
        return {
            "recordings": [_facts(r) for r in self.recordings],
            "games": {game: _controls([r for r in self.recordings if r.game == game]) for game in games},
            "warnings": [asdict(finding) for finding in self.findings],
            "left_out": self.left_out,
        }


def make_report(
    recordings: Sequence[Recording],
    *,
    title: str = "Recordings",
    left_out: Mapping[str, str] | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Report:
    """Look at recordings: at all of their events and times, and at some of their pictures and sound.

    Args:
        recordings: sessions and episodes.
        title: of the page.
        left_out: others that are not among them -> why, to be told.
        progress: called with how many were looked at, and how many there are.

    Raises:
        DatasetError: nothing to look at: no recordings, and none left out.
    """
    if not recordings and not left_out:
        raise DatasetError("there is no recording to report on. Record one first: gameon record --game GAME")
    count = max(1, len(recordings))
    pictures = int(np.clip(MOST_PICTURES // count, *PICTURES_EACH))
    stills = int(np.clip(STILLS // min(count, MOST_DETAILED), *STILLS_EACH))
    missing = dict(left_out or {})
    found = []
    for number, recording in enumerate(recordings, start=1):
        try:
            found.append(_examine(recording, pictures, stills))
        except GameOnError as error:
            missing[recording.id] = str(error)
        if progress is not None:
            progress(number, len(recordings))
    findings = [finding for evidence in found for finding in recording_findings(evidence)]
    for game in dict.fromkeys(evidence.game for evidence in found):
        findings += game_findings(game, [evidence for evidence in found if evidence.game == game])
    return Report(title, tuple(found), tuple(findings), missing)


def write_report(
    path: str | Path,
    recordings: Sequence[Recording],
    *,
    title: str = "Recordings",
    left_out: Mapping[str, str] | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Report:
    """:func:`make_report`, written to ``path`` as a page.

    Raises:
        DatasetError: nothing to look at.
        StorageError: the page cannot be written.
    """
    report = make_report(recordings, title=title, left_out=left_out, progress=progress)
    report.write(path)
    return report


def _examine(recording: Recording, pictures: int, stills: int) -> Evidence:
    if isinstance(recording, SessionRecording):
        return examine_session(recording, pictures, stills)
    if isinstance(recording, EpisodeRecording):
        return examine_episode(recording, pictures, stills)
    raise DatasetError(f"{recording!r} is neither a session nor an episode: a report knows these two")


def _facts(r: Evidence) -> dict[str, object]:
    intervals = r.intervals_ms
    known = intervals[np.isfinite(intervals)]
    return {
        "id": r.id,
        "kind": r.kind,
        "game": r.game,
        "path": r.where,
        "started_at": r.started_at,
        "who": r.who,
        "status": r.status,
        "reason": r.reason,
        "duration_s": r.duration_s,
        "played_s": r.played_s,
        "frames": len(r.frame_s),
        "dropped": len(r.dropped_s),
        "events": r.num_events,
        "size_bytes": r.size_bytes,
        "gaps": [gap._asdict() for gap in r.gaps],
        "runs_s": r.run_s.tolist(),
        "reward": None if r.rewards is None else float(r.rewards.sum()),
        "frame_interval_ms": {
            name: float(np.quantile(known, q)) for name, q in (("median", 0.5), ("p99", 0.99), ("max", 1.0))
        }
        if len(known)
        else {},
        "pictures_looked_at": 0 if r.pictures is None else len(r.pictures.t_s),
        "controls": _controls([r]),
    }


def _controls(recordings: Sequence[Evidence]) -> dict[str, object]:
    return {
        f.name: {
            "listed": f.listed,
            "held_s": f.held_s,
            "held_share": f.share,
            "presses": f.presses,
            "presses_per_minute": f.per_minute,
            "median_press_s": float(np.median(f.lengths_s)) if len(f.lengths_s) else None,
        }
        for f in button_figures(recordings)
    }
