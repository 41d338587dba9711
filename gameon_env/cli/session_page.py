"""Sessions on the terminal and as JSON."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime

import numpy as np
from rich.console import Console, JustifyMethod
from rich.table import Table
from rich.text import Text

from gameon_env.recording.catalogue_rows import SessionEntry
from gameon_env.recording.model import AUDIO_FILES, Health
from gameon_env.recording.session import Session

COLUMNS = ("session", "game", "began", "length", "frames", "events", "size", "who", "state", "tags")
WIDE = 100
"""Columns of a terminal that all of them fit in."""
PIPE_WIDTH = 240
"""Columns of a table that goes to a file or another program."""


def state(entry: SessionEntry) -> str:
    """What a person wants to know of it first."""
    if not entry.present:
        return "folder gone: gameon sessions reindex"
    if entry.status == "recording":
        return "recording now" if entry.live else "cut off: gameon recover"
    return entry.status


def entry_json(entry: SessionEntry) -> dict[str, object]:
    """An entry of the catalogue as JSON."""
    facts = asdict(entry) | {"folder": str(entry.folder), "present": entry.present, "live": entry.live}
    return facts | {"tags": list(entry.tags)}


def session_json(entry: SessionEntry) -> dict[str, object]:
    """An entry and, where the folder is there, all that it says of itself but the streams."""
    facts = entry_json(entry)
    if not entry.present:
        return facts
    with Session(entry.folder) as session:
        info, end = session.info, session.end
        table, frames = session.events(), session.frames()
        counts = np.bincount(table.control, minlength=len(table.names)).tolist()
        return facts | {
            "info": asdict(info),
            "end": asdict(end) if end else None,
            "recorded_ns": session.duration_ns,
            "frames_not_in_video": _why_not(frames.reason),
            "events_by_control": dict(zip(table.names, counts, strict=True)),
            "gaps": [asdict(gap) for gap in session.gaps()],
            "health": health_facts(session.health()),
            "files": {path.name: path.stat().st_size for path in sorted(session.folder.iterdir()) if path.is_file()},
        }


def health_facts(rows: Sequence[Health]) -> dict[str, float]:
    """How the recorder did: mean and worst of what was looked at each second; empty where nothing was."""
    if not rows:
        return {}
    return {
        "cpu_percent_mean": round(sum(row.cpu_percent for row in rows) / len(rows), 1),
        "cpu_percent_max": round(max(row.cpu_percent for row in rows), 1),
        "memory_mb_max": round(max(row.memory_mb for row in rows), 1),
        "disk_free_mb_min": round(min(row.disk_free_mb for row in rows), 1),
        "waiting_max": max(row.waiting for row in rows),
    }


def print_table(entries: Sequence[SessionEntry], console: Console) -> None:
    """One line each; on a narrow terminal without what ``show`` says as well."""
    if not console.is_terminal:  # a file or a program has no width
        console.width = max(console.width, PIPE_WIDTH)
    table = Table(box=None, pad_edge=False, padding=(0, 1 if console.width < WIDE else 2, 0, 0), header_style="bold")
    names = [name for name in COLUMNS if console.width >= WIDE or name not in ("events", "size")]
    for name in names:
        least = {"game": 8, "state": 9}.get(name)
        justify: JustifyMethod = "right" if name in ("length", "frames", "events", "size") else "left"
        table.add_column(name, no_wrap=least is None and name != "tags", min_width=least, justify=justify)
    for entry in entries:
        cells = {
            "session": entry.id[:8],
            "game": entry.game,
            "began": local_time(entry.started_at)[:16],
            "length": length(entry.duration_ns),
            "frames": _number(entry.frames) + (f" (-{entry.dropped})" if entry.dropped else ""),
            "events": _number(entry.events),
            "size": size(entry.size_bytes),
            "who": entry.who,
            "state": state(entry),
            "tags": ", ".join(entry.tags),
        }
        table.add_row(*(cells[name] for name in names))
    console.print(table)


def print_page(entry: SessionEntry, console: Console) -> None:
    """A page on one session."""
    console.print(Text.assemble((entry.game, "bold"), f"  ({entry.folder})"), soft_wrap=True)
    table = Table(show_header=False, box=None)
    table.add_row("id", entry.id)
    table.add_row("state", state(entry))
    table.add_row("began", local_time(entry.started_at))
    table.add_row("length", length(entry.duration_ns))
    table.add_row("ended by", entry.reason or "-")
    table.add_row("played by", entry.who)
    table.add_row("frames", f"{_number(entry.frames)} in the video, {_number(entry.dropped)} not in it")
    table.add_row("input events", _number(entry.events))
    table.add_row("size", size(entry.size_bytes))
    table.add_row("tags", ", ".join(entry.tags) or "none: gameon sessions tag SESSION TAG")
    table.add_row("note", entry.note or "none")
    if entry.present:
        with Session(entry.folder) as session:
            _add_contents(table, session)
    console.print(table)


def _add_contents(table: Table, session: Session) -> None:
    info, end = session.info, session.end
    height, width = info.picture_size
    files = [session.video, *(session.audio(stream) for stream in AUDIO_FILES)]
    table.add_row("picture", f"{width} x {height}, {info.codec}")
    table.add_row("files", ", ".join(f"{p.name} ({size(p.stat().st_size)})" for p in files if p.is_file()) or "none")
    table.add_row("controls", ", ".join(info.controls) or "all")
    for reason, count in _why_not(session.frames().reason).items():
        table.add_row("frames", f"{count} {reason}")
    for gap in session.gaps():
        until = "the end" if gap.end_ns is None else f"{gap.end_ns / 1e9:.2f} s"
        table.add_row("gap", f"{gap.start_ns / 1e9:.2f} s to {until}: {gap.stream}, {gap.reason}")
    for text in end.missing if end else ():
        table.add_row("missing", text)
    facts = health_facts(session.health())
    if facts:
        table.add_row(
            "recorder",
            f"{facts['cpu_percent_mean']} % CPU (at most {facts['cpu_percent_max']} %), {facts['memory_mb_max']} MB, "
            f"at most {facts['waiting_max']:g} frames waiting, disk never below {facts['disk_free_mb_min']} MB free",
        )
    table.add_row("recorded with", info.recorder or "-")


def _why_not(reasons: Sequence[str | None]) -> dict[str, int]:
    counts: dict[str, int] = {}
    for reason in reasons:
        if reason:
            counts[reason] = counts.get(reason, 0) + 1
    return counts


def local_time(iso: str) -> str:
    """ISO 8601 as the person's clock had it."""
    return f"{datetime.fromisoformat(iso).astimezone():%Y-%m-%d %H:%M:%S}"


def length(duration_ns: int | None) -> str:
    """``h:mm:ss``."""
    if duration_ns is None:
        return "-"
    minutes, seconds = divmod(round(duration_ns / 1e9), 60)
    return f"{minutes // 60}:{minutes % 60:02d}:{seconds:02d}"


def size(count: int | None) -> str:
    """Bytes for people."""
    if count is None:
        return "?"
    return f"{count / 1e9:.2f} GB" if count >= 1e9 else f"{count / 1e6:.1f} MB"


def _number(count: int | None) -> str:
    return "?" if count is None else f"{count:,}"
