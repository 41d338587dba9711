"""How long the first pass over a recording takes: decoding it into the frame cache, at training size.

    .venv/bin/python scripts/bench/build_cache.py [--session FOLDER] [--seconds 60] [--size 240x320] [--rounds 3]

Doom, played and recorded, scaled to 1280x720 at 30 pictures a second, as two sessions of half the length each. Compared
in turn: decoding alone by one thread and by one for each processor, which is the limit; the cache by one process with
one thread, with one for each processor, and by two processes. ``x real time`` is by the clock, and what the processor
time alone would allow on one core.
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import psutil
from rich.console import Console
from rich.table import Table

sys.path.insert(0, str(Path(__file__).parents[2]))
sys.path.insert(0, str(Path(__file__).parent))

from _bench_sessions import record_doom, remake

from gameon_env.data_processing.video_reader import VideoReader
from gameon_env.datasets.cache_build import build_caches
from gameon_env.datasets.frame_cache import FrameCache
from gameon_env.datasets.session_recording import SessionRecording

NATIVE = (720, 1280)
FPS = 30
Pass = Callable[[], None]


def passes_of(recordings: list[SessionRecording], size: tuple[int, int], folder: Path) -> dict[str, Pass]:
    cores = os.cpu_count() or 1

    def decode(threads: int) -> None:
        for recording in recordings:
            with VideoReader(recording.path / "video.mp4", threads=threads) as reader:
                for number in range(len(reader)):
                    reader.decoded(number)

    @contextmanager
    def empty() -> Iterator[FrameCache]:
        with tempfile.TemporaryDirectory(dir=folder) as temporary:
            yield FrameCache(temporary)

    def fill(threads: int) -> None:
        with empty() as cache:
            for recording in recordings:
                cache.open(recording, size, threads=threads).close()

    def fill_by_processes(workers: int) -> None:
        with empty() as cache:
            build_caches(recordings, size, cache=cache, workers=workers)

    return {
        "decoding alone, 1 thread": lambda: decode(1),
        f"decoding alone, {cores} threads": lambda: decode(cores),
        "cache, 1 process, 1 thread": lambda: fill(1),
        f"cache, 1 process, {cores} threads": lambda: fill(cores),
        "cache, 2 processes (their start counts)": lambda: fill_by_processes(2),
    }


def timed(work: Pass) -> tuple[float, float]:
    """Seconds by the clock, and of processor time of this process and those that it started and that ended."""
    before, begun = psutil.Process().cpu_times(), time.perf_counter()
    work()
    seconds, after = time.perf_counter() - begun, psutil.Process().cpu_times()
    fields = ("user", "system", "children_user", "children_system")
    return seconds, sum(getattr(after, name) - getattr(before, name) for name in fields)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--session", type=Path, help="of this in place of Doom")
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--size", default="240x320", help="height x width of the cached frames")
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    height, width = map(int, arguments.size.split("x"))
    console = Console(width=130)
    folder = Path(tempfile.mkdtemp())
    try:
        source = arguments.session or record_doom(folder / "recorded", arguments.seconds / 2)
        half = arguments.seconds / 2
        recordings = [SessionRecording(remake(source, folder / name, NATIVE, FPS, half)) for name in ("one", "two")]
        passes = passes_of(recordings, (height, width), folder)
        load = os.getloadavg()
        taken: dict[str, list[tuple[float, float]]] = {name: [] for name in passes}
        for _ in range(arguments.rounds):
            for name, work in passes.items():
                taken[name].append(timed(work))
        table = Table("", "s", "best s", "x real time", "best", "processor s", "x real time, one core")
        for name, values in taken.items():
            seconds, processor = np.median(np.array(values), axis=0)
            best = min(value for value, _ in values)
            table.add_row(
                name,
                f"{seconds:.2f}",
                f"{best:.2f}",
                f"{arguments.seconds / seconds:.1f}",
                f"{arguments.seconds / best:.1f}",
                f"{processor:.2f}",
                f"{arguments.seconds / processor:.1f}",
            )
        console.print(table)
        busy = ", ".join(f"{value:.1f}" for value in (*load, *os.getloadavg()))
        console.print(
            f"{arguments.seconds:g} s of 1280x720 at {FPS} a second to {width}x{height}; {os.cpu_count()} cores; "
            f"load averages before and after: {busy}; {time.strftime('%Y-%m-%d')}"
        )
    finally:
        shutil.rmtree(folder)


if __name__ == "__main__":
    main()
