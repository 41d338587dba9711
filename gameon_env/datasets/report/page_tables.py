"""The page's tables, warnings and contact sheets."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from datetime import datetime
from html import escape

import numpy as np

from gameon_env.datasets.report.charts import clock, number, spark
from gameon_env.datasets.report.control_figures import button_figures, length_counts
from gameon_env.datasets.report.evidence import Evidence
from gameon_env.datasets.report.finding import Finding
from gameon_env.datasets.report.spans import total

MOST_ROWS = 500
MOST_SPANS = 6


def session_table(recordings: Sequence[Evidence], links: Mapping[str, str], findings: Sequence[Finding]) -> str:
    """A row for each; ``links``: id -> the anchor of those that are shown in detail."""
    has_rewards = any(r.rewards is not None for r in recordings)
    kind = "session" if any(r.kind == "session" for r in recordings) else "episode"
    heads = [kind, "began", *_RIGHT, "who", "ended by"]
    numbers = {*_RIGHT}
    if has_rewards:
        heads.insert(-2, "reward")
        numbers.add("reward")
    rows = []
    for r in recordings[:MOST_ROWS]:
        name = escape(r.name)
        link = f'<a href="#{links[r.id]}">{name}</a>' if r.id in links else name
        cells = [
            link,
            escape(_local(r.started_at)),
            clock(r.duration_s),
            f"{len(r.frame_s):,}",
            f"{_rate(r):,.1f}",
            f"{len(r.dropped_s):,}" if r.kind == "session" else "",
            _gaps(r),
            "" if r.num_events is None else f"{r.num_events:,}",
            "" if r.size_bytes is None else f"{r.size_bytes / 1e6:,.1f}",
            str(sum(f.recording == r.id for f in findings)),
            *([number(float(r.rewards.sum())) if r.rewards is not None else ""] if has_rewards else []),
            escape(r.who),
            escape(r.reason or r.status),
        ]
        rows.append(cells)
    used = [i for i, _ in enumerate(heads) if any(cells[i] for cells in rows)]
    heads = [heads[i] for i in used]
    table = _table(heads, [_row([cells[i] for i in used], heads, numbers) for cells in rows], numbers)
    more = len(recordings) - MOST_ROWS
    note = f'<p class="soft">And {more:,} more; the figures below are of all.</p>' if more > 0 else ""
    return table + note


_RIGHT = ("length", "frames", "frames/s", "dropped", "gaps", "events", "MB", "warnings")


def control_table(recordings: Sequence[Evidence]) -> str:
    """How often and how long each key and button was used."""
    figures = button_figures(recordings)
    if not figures:
        return ""
    numbers = {"presses", "a minute", "median", "longest"}
    heads = ["control", "time held", "presses", "a minute", "median", "longest", "press lengths, 16 ms to 16 s, log"]
    rows = []
    for f in figures:
        percent = 100 * f.share
        bar = f'<span class="share"><i style="width:{min(percent, 100):.1f}%"></i></span>{percent:.1f} %'
        name = escape(f.name) if f.listed else f'{escape(f.name)} <span class="soft small">not a control</span>'
        median, longest = (
            (f"{_length(np.median(f.lengths_s))}", _length(f.lengths_s[-1])) if len(f.lengths_s) else ("", "")
        )
        chart = spark(length_counts(f.lengths_s), f"{f.name}: lengths of {len(f.lengths_s)} presses")
        cells = [name, bar, f"{f.presses:,}", f"{f.per_minute:,.1f}", median, longest, chart]
        rows.append(_row(cells, heads, numbers, "middle"))
    return _table(heads, rows, numbers)


def finding_list(findings: Sequence[Finding], names: Mapping[str, str], links: Mapping[str, str] | None = None) -> str:
    """Warnings; ``links`` where they are not told within their own recording's section."""
    if not findings:
        return '<p class="clear">No warnings.</p>'
    items = []
    for f in findings:
        where = []
        if links is not None:
            name = escape(names.get(f.recording, f.recording) or f"all of {f.game or 'unnamed game'}")
            where.append(f'<a href="#{links[f.recording]}">{name}</a>' if f.recording in links else name)
        elif not f.recording:
            where.append("all recordings")
        where += [spans_text(f.spans)] if f.spans else []
        items.append(
            f'<li class="{f.level}"><b>{escape(f.kind)}</b> <span class="where">{" · ".join(where)}</span>'
            f'<span class="what">{escape(_sentence(f.what))}</span>'
            f'<span class="remedy">{escape(f.remedy)}</span></li>'
        )
    return f'<ul class="findings">{"".join(items)}</ul>'


def spans_text(spans: Sequence[tuple[float, float]]) -> str:
    """The longest spans, in the order of time."""
    shown = sorted(spans[:MOST_SPANS])
    words = [clock(a) if clock(a) == clock(b) else f"{clock(a)} to {clock(b)}" for a, b in shown]
    more = f" and {len(spans) - MOST_SPANS} more" if len(spans) > MOST_SPANS else ""
    return ", ".join(words) + more


def contact_sheet(recording: Evidence, every: int = 1) -> str:
    """Each ``every``-th still with its time, the buttons that were down, and the pointer."""
    pictures = recording.pictures
    if pictures is None or not pictures.stills:
        return ""
    shots = []
    for still in pictures.stills[::every]:
        height, width = still.size
        held = ", ".join(still.held) or "nothing"
        keys = "".join(f"<kbd>{escape(short_name(name))}</kbd>" for name in still.held)
        at = ""
        if still.pointer is not None:
            x, y = (f"{100 * value:.1f}%" for value in still.pointer)
            at = f'<span class="at" style="left:{x};top:{y}"></span>'
        shots.append(
            f'<figure><div class="shot"><img width="{width}" height="{height}" '
            f'alt="at {clock(still.t_s)}, held: {escape(held)}" '
            f'src="data:image/jpeg;base64,{base64.b64encode(still.jpeg).decode()}">{at}</div>'
            f"<figcaption><time>{clock(still.t_s)}</time>{keys}</figcaption></figure>"
        )
    return f'<div class="sheet">{"".join(shots)}</div>'


def short_name(control: str) -> str:
    """As it stands on a key."""
    kind, _, name = control.partition(":")
    return name.replace("_", " ") if kind == "key" else control.replace(":", " ").replace("_", " ")


def left_out_table(left_out: Mapping[str, str]) -> str:
    """Recordings that cannot be used, and why."""
    rows = [
        f'<tr><td>{escape(name)}</td><td class="words">{escape(why)}</td></tr>'
        for name, why in list(left_out.items())[:MOST_ROWS]
    ]
    return _table(["recording", "why"], rows, set())


def _table(heads: Sequence[str], rows: Sequence[str], numbers: set[str]) -> str:
    head = "".join(f'<th class="n">{h}</th>' if h in numbers else f"<th>{h}</th>" for h in heads)
    return f'<div class="wide-table"><table><thead><tr>{head}</tr></thead><tbody>{"".join(rows)}</tbody></table></div>'


def _row(cells: Sequence[str], heads: Sequence[str], numbers: set[str], css: str = "") -> str:
    parts = []
    for cell, head in zip(cells, heads, strict=True):
        names = " ".join(word for word in ("n" if head in numbers else "", css) if word)
        parts.append(f'<td class="{names}">{cell}</td>' if names else f"<td>{cell}</td>")
    return f"<tr>{''.join(parts)}</tr>"


def _length(seconds: float) -> str:
    return f"{1000 * seconds:.0f} ms" if seconds < 0.9995 else f"{seconds:.1f} s" if seconds < 60 else clock(seconds)


def _rate(r: Evidence) -> float:
    recorded_s = r.duration_s - total(r.unrecorded("video"))
    return len(r.frame_s) / recorded_s if recorded_s > 0 else 0.0


def _gaps(r: Evidence) -> str:
    if r.kind != "session":
        return ""
    seconds = total(r.unrecorded("video", "input"))
    return f"{len(r.gaps)} ({clock(seconds)})" if seconds else str(len(r.gaps))


def _local(iso: str) -> str:
    try:
        return f"{datetime.fromisoformat(iso).astimezone():%Y-%m-%d %H:%M}" if iso else ""
    except ValueError:
        return iso


def _sentence(text: str) -> str:
    first = text.split(" ", 1)[0]
    return (text if ":" in first else text[:1].upper() + text[1:]) + ("" if text.endswith((".", "!", "?")) else ".")
