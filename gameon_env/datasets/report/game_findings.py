"""What deserves a warning in all recordings of a game together."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from gameon_env.datasets.report.control_figures import button_figures, combinations, joined_motion
from gameon_env.datasets.report.evidence import Evidence
from gameon_env.datasets.report.finding import Finding

ENOUGH_S = 10.0
"""Less play than this says nothing about habits."""

DOMINANT_SHARE = 0.8
LOPSIDED = 3.0
LOPSIDED_LEAST_S = 2.0
SIDES = (
    ("key:left", "key:right"),
    ("key:a", "key:d"),
    ("key:q", "key:e"),
    ("pad:dpad_left", "pad:dpad_right"),
)
DRIFT_SHARE, DRIFT_LEAST_STEPS = 0.5, 100


def game_findings(game: str, recordings: Sequence[Evidence]) -> list[Finding]:
    """All warnings; ``recordings`` are all of ``game``."""
    played_s = sum(r.played_s for r in recordings)
    found: list[Finding] = []
    if len({frozenset(r.controls) for r in recordings if r.declared}) > 1:
        names = sorted({name for r in recordings for name in r.controls})
        odd = [name for name in names if not all(name in r.controls for r in recordings)]
        what = f"its recordings have different controls: {', '.join(odd)}"
        remedy = "Choose recordings of one profile: sessions=[...]; or record the others again."
        found.append(_of_game(game, "different controls", what, remedy))
    if played_s >= ENOUGH_S:
        for kind, what, remedy in (*_unused(recordings), *_dominant(recordings), *_sides(recordings)):
            found.append(_of_game(game, kind, what, remedy))
    return found


def _of_game(game: str, kind: str, what: str, remedy: str) -> Finding:
    return Finding("problem" if kind == "different controls" else "notice", kind, game, "", (), what, remedy)


def _unused(recordings: Sequence[Evidence]) -> Iterator[tuple[str, str, str]]:
    figures = button_figures(recordings)
    never = [f.name for f in figures if f.listed and not f.presses and not f.held_s]
    never += [
        name
        for name in dict.fromkeys(name for r in recordings for name in r.motion)
        if not joined_motion(recordings, name).any()
    ]
    if never:
        yield (
            "never used",
            f"{', '.join(never)} {'was' if len(never) == 1 else 'were'} never used",
            "Record play that uses them, or take them out of the profile's controls: they cannot be learned.",
        )
    others = [f"{f.name} ({f.presses} times)" for f in figures if not f.listed and f.presses]
    if others:
        yield (
            "unlisted keys",
            f"pressed, but not among the game's controls: {', '.join(others)}",
            "If the game needs them, add them to the profile's controls and record again.",
        )


def _dominant(recordings: Sequence[Evidence]) -> Iterator[tuple[str, str, str]]:
    if not any(r.buttons for r in recordings) or any(r.motion for r in recordings):
        return  # a mouse acts without any button
    (names, share), *_ = combinations(recordings) or [((), 0.0)]
    if share > DOMINANT_SHARE:
        words = " + ".join(names) or "doing nothing"
        yield (
            "imbalance",
            f"one action takes {100 * share:.0f} % of the time: {words}",
            "A policy that always does it scores well in training and plays badly: weigh the rare actions "
            "(gameon train does), and judge it on the live game.",
        )


def _sides(recordings: Sequence[Evidence]) -> Iterator[tuple[str, str, str]]:
    mirror = "Record more of the other side, or train with augment=True, which mirrors pictures and controls."
    by_name = {f.name: f for f in button_figures(recordings)}
    for left, right in SIDES:
        if left in by_name and right in by_name and by_name[left].listed and by_name[right].listed:
            low, high = sorted((by_name[left], by_name[right]), key=lambda f: f.held_s)
            if high.held_s >= max(LOPSIDED_LEAST_S, LOPSIDED * low.held_s):
                what = f"{high.name} was held {high.held_s:.1f} s, {low.name} only {low.held_s:.1f} s"
                yield "imbalance", what, mirror
    dx = joined_motion(recordings, "mouse:dx")
    moved = dx[dx != 0]
    if len(moved) >= DRIFT_LEAST_STEPS and abs(moved.sum()) > DRIFT_SHARE * np.abs(moved).sum():
        side = "right" if moved.sum() > 0 else "left"
        part = 50 + 50 * abs(moved.sum()) / np.abs(moved).sum()
        yield "imbalance", f"{part:.0f} % of the mouse's way sideways is to the {side}", mirror
