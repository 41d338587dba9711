"""A 1000 Hz mouse in a session's database: room per event, time to write and to read, and how long a commit takes.

python scripts/bench/session_events.py [--events 1000000] [--folder DIR]
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path

import numpy as np

from gameon_env.events import InputEvent
from gameon_env.recording.model import SessionEnd, SessionInfo
from gameon_env.recording.session import Session
from gameon_env.recording.session_writer import SessionWriter

BATCH = 400
"""0.2 s of 1000 motions a second, each of them an event of ``mouse:dx`` and one of ``mouse:dy``."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=1_000_000)
    parser.add_argument("--folder", type=Path, help="on the disk to be measured; a temporary one without it")
    arguments = parser.parse_args()
    for name, fraction in (("whole counts", 0.0), ("fractions (XInput2 with acceleration)", 0.37)):
        with tempfile.TemporaryDirectory(dir=arguments.folder) as folder:
            measure(name, mouse(arguments.events, fraction), Path(folder))


def mouse(count: int, fraction: float) -> list[InputEvent]:
    """Motions a millisecond apart, as unpunctual as USB."""
    random = np.random.default_rng(0)
    values = (random.integers(-40, 41, count) + fraction).tolist()
    late = random.integers(0, 50_000, count // 2 + 1).tolist()
    axes = "mouse:dx", "mouse:dy"
    return [InputEvent(i // 2 * 1_000_000 + late[i // 2], axes[i % 2], values[i]) for i in range(count)]


def measure(name: str, events: list[InputEvent], folder: Path) -> None:
    info = SessionInfo(
        "0",
        "bench",
        "2026-01-01T00:00:00.000000Z",
        0,
        ("mouse:dx", "mouse:dy"),
        100,
        1,
        30,
        (720, 1280),
        (0, 0),
        "h264",
    )
    writer = SessionWriter.create(folder, info)
    commits = []
    start = time.perf_counter()
    for first in range(0, len(events), BATCH):
        began = time.perf_counter()
        writer.add_events(events[first : first + BATCH])
        writer.commit()
        commits.append((time.perf_counter() - began) * 1e3)
    writer.finish(SessionEnd("2026-01-01T00:10:00.000000Z", events[-1].t_ns, "stopped"))
    wrote = time.perf_counter() - start
    room = (folder / "session.db").stat().st_size / len(events)
    start = time.perf_counter()
    with Session(folder) as session:
        table = session.events()
    read = time.perf_counter() - start
    lost = len(events) - len(table)
    assert table.value.tolist() == [event.value for event in events]
    median, p99, worst = np.percentile(commits, (50, 99, 100))
    print(f"{name}: {len(events):,} events, {lost} lost, {room:.1f} bytes an event")
    print(f"  written in {wrote:.2f} s, read in {read:.2f} s")
    print(f"  a commit of {BATCH}: median {median:.2f} ms, p99 {p99:.2f} ms, worst {worst:.2f} ms")


if __name__ == "__main__":
    main()
