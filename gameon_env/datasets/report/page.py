"""The page: all that was found, as one HTML file that needs nothing else."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from html import escape

from gameon_env.datasets.report.charts import clock, number
from gameon_env.datasets.report.evidence import Evidence
from gameon_env.datasets.report.finding import Finding
from gameon_env.datasets.report.page_charts import time_charts, use_charts
from gameon_env.datasets.report.page_style import STYLE
from gameon_env.datasets.report.page_tables import (
    contact_sheet,
    control_table,
    finding_list,
    left_out_table,
    session_table,
)
from gameon_env.datasets.report.timeline import timeline

MOST_DETAILED = 24
MOST_FINDINGS = 60

STILLS_BYTES, CHARTS_BYTES = 4_400_000, 120_000
"""The page stays under 5 MB: what its contact sheets may take, less what the charts of each recording do."""

_POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"


def render(
    title: str,
    made: str,
    recordings: Sequence[Evidence],
    findings: Sequence[Finding],
    left_out: Mapping[str, str],
) -> str:
    """The whole page.

    Args:
        title: its head.
        made: when and of what, one line.
        recordings: in the order of time.
        findings: of all of them.
        left_out: recordings that could not be looked at -> why.
    """
    games: dict[str, list[Evidence]] = {}
    for r in recordings:
        games.setdefault(r.game, []).append(r)
    detailed = _worth_detail(recordings, findings)
    links = {r.id: f"r{i}" for i, r in enumerate(recordings) if r.id in detailed}
    names = {r.id: r.name for r in recordings}
    thin = _thinned([r for r in recordings if r.id in links])
    parts = [_head(title, made, recordings, findings, left_out)]
    ordered = sorted(findings, key=lambda f: f.level != "problem")
    several = len(recordings) > 1
    if several or left_out:
        parts.append("<h4>What to look at</h4>")
        parts.append(finding_list(ordered[:MOST_FINDINGS], names, links))
        if len(ordered) > MOST_FINDINGS:
            parts.append(f'<p class="soft">And {len(ordered) - MOST_FINDINGS} more, in the sections below.</p>')
    if left_out:
        parts.append(f"<h4>Not looked at: {len(left_out)}</h4>{left_out_table(left_out)}")
    for game, mine in games.items():
        parts.append(_game(game, mine, [f for f in findings if f.game == game], links))
        parts += [_recording(r, findings, links[r.id], every=thin, alone=len(mine) == 1) for r in mine if r.id in links]
    hidden = len(recordings) - len(detailed)
    if hidden:
        parts.append(
            f'<p class="soft">{hidden} more recordings are not shown in detail: these {len(detailed)} have the most '
            "warnings, or are the longest. Name one to see it: gameon sessions stats ID</p>"
        )
    parts.append(_how(recordings))
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(title)}</title><style>{STYLE}</style></head><body><main>{''.join(parts)}</main></body></html>\n"
    )


def _head(
    title: str, made: str, recordings: Sequence[Evidence], findings: Sequence[Finding], left_out: Mapping[str, str]
) -> str:
    problems = sum(f.level == "problem" for f in findings)
    figures = {
        "recordings": f"{len(recordings):,}",
        "games": f"{len({r.game for r in recordings}):,}",
        "of play": clock(sum(r.duration_s for r in recordings)),
        "frames": f"{sum(len(r.frame_s) for r in recordings):,}",
        "problems": f"{problems + len(left_out):,}",
        "notices": f"{len(findings) - problems:,}",
    }
    cells = "".join(f"<div><b>{value}</b>{name}</div>" for name, value in figures.items())
    return f'<h1>{escape(title)}</h1><p class="soft">{escape(made)}</p><div class="totals">{cells}</div>'


def _worth_detail(recordings: Sequence[Evidence], findings: Sequence[Finding]) -> set[str]:
    weight = {r.id: 0 for r in recordings}
    for f in findings:
        if f.recording in weight:
            weight[f.recording] += 10 if f.level == "problem" else 1
    ranked = sorted(recordings, key=lambda r: (-weight[r.id], -r.duration_s))
    return {r.id for r in ranked[:MOST_DETAILED]}


def _thinned(recordings: Sequence[Evidence]) -> int:
    """Every how many-th still is shown."""
    sizes = [len(still.jpeg) * 4 / 3 + 300 for r in recordings if r.pictures is not None for still in r.pictures.stills]
    return max(1, math.ceil(sum(sizes) / (STILLS_BYTES - CHARTS_BYTES * len(recordings))))


def _game(game: str, recordings: Sequence[Evidence], findings: Sequence[Finding], links: Mapping[str, str]) -> str:
    together = [f for f in findings if not f.recording]
    parts = [f"<h2>{escape(game or 'Unnamed game')}</h2>", session_table(recordings, links, findings)]
    if together:
        parts.append(finding_list(together, {}))
    controls = control_table(recordings)
    if controls:
        played = clock(sum(r.played_s for r in recordings))
        parts.append(f'<h4>Controls</h4><p class="soft small">Of {played} in which input was recorded.</p>{controls}')
    parts.append(use_charts(recordings))
    return "".join(parts)


def _recording(r: Evidence, findings: Sequence[Finding], anchor: str, *, every: int, alone: bool) -> str:
    height, width = r.picture_size
    facts = [clock(r.duration_s), f"{width} x {height}", f"{len(r.frame_s):,} frames"]
    facts += [f"{number(r.fps)} steps/s"] if r.fps else []
    facts += [word for word in (r.who, r.reason or r.status, r.where) if word]
    sheet = contact_sheet(r, every)
    parts = [
        f'<h3 id="{anchor}">{escape(r.name)}</h3><p class="soft small">{escape(" · ".join(facts))}</p>',
        finding_list([f for f in findings if f.recording == r.id], {}),
        timeline(r),
    ]
    if sheet:
        parts.append(f"<h4>Pictures, and what was held</h4>{sheet}")
    parts.append(f"<h4>Times</h4>{time_charts(r)}")
    if not alone:
        inner = control_table([r]) + use_charts([r])
        parts.append(f"<details><summary>Controls of this recording alone</summary>{inner}</details>")
    return "".join(parts)


def _how(recordings: Sequence[Evidence]) -> str:
    looked = sum(len(r.pictures.t_s) for r in recordings if r.pictures is not None)
    there = sum(r.pictures.recorded for r in recordings if r.pictures is not None)
    apart = [r.duration_s / len(r.pictures.t_s) for r in recordings if r.pictures is not None and len(r.pictures.t_s)]
    ends = [number(value) for value in (min(apart), max(apart))] if apart else []
    every = f", one every {' to '.join(dict.fromkeys(ends))} s" if ends else ""
    sounds = sorted({s.how for r in recordings for s in r.sounds})
    lines = [
        f"Pictures: {looked:,} of {there:,} were looked at{every}, shrunk. Black and frozen stretches are as exact as "
        "that; a picture that changes only between two of them, or by less than 5 of 256 levels in all parts of an "
        "80 x 45 grid, counts as the same.",
        "Histograms run from the 0.5th to the 99.5th percentile; their outer bars hold what lies beyond.",
        "Events, frame times and steps: all of them. Held together: looked at 20 times a second.",
    ]
    if sounds:
        lines.append(f"Sound: {'; '.join(sounds[:3])}{' ...' if len(sounds) > 3 else ''}.")
    lines.append(
        "In the timelines a control's band is as high as the part of each moment in which it was down, against its "
        "highest; the figure at its right is its part of all the time. At the right of other rows stands what their "
        "full height is. A ring in a picture is the pointer."
    )
    return '<h2>How this was looked at</h2><p class="soft small">' + "</p><p class='soft small'>".join(lines) + "</p>"
