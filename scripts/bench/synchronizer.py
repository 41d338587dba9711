"""What making steps costs: whole arrays at once, a stream item by item, and steps to the disk.

    .venv/bin/python scripts/bench/synchronizer.py [--events 1000000] [--frames 100000] [--controls 20]

The memory printed for the stream is what the synchronizer holds at most while the whole stream passes through it.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
import tracemalloc
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[2]))

from gameon_env.controls import Controls, StepBinner
from gameon_env.data_processing import DataStorage, DataSynchronizer, SyncedData
from gameon_env.data_processing.step_table import EventTable, bin_steps
from gameon_env.data_processing.step_times import steps_at_rate, steps_of_frames
from gameon_env.events import InputEvent
from gameon_env.keys import KEYS

BUTTON_SHARE = 0.05
"""Of all events; the rest is motion of the mouse, as in a first-person game."""


def make_data(frames: int, events: int, controls: int) -> tuple[Any, EventTable, Controls]:
    """Frames at 60 a second with jitter, and events spread over them."""
    random = np.random.default_rng(0)
    names = ["mouse:dx", "mouse:dy", *(f"key:{key}" for key in list(KEYS)[: controls - 2])]
    frames_ns = np.arange(frames) * 16_666_667 + random.integers(0, 4_000_000, frames)
    t_ns = np.sort(random.integers(0, int(frames_ns[-1]), events))
    is_button = random.random(events) < BUTTON_SHARE
    control = np.where(is_button, random.integers(2, len(names), events), random.integers(0, 2, events))
    value = np.where(is_button, random.integers(0, 2, events), random.integers(-9, 10, events)).astype(np.float32)
    return frames_ns, EventTable(t_ns, control.astype(np.int32), value, tuple(names)), Controls(names)


def best_of(count: int, function: Any) -> float:
    times = []
    for _ in range(count):
        start = time.perf_counter()
        function()
        times.append(time.perf_counter() - start)
    return min(times)


def stream(
    frames_ns: Any, events: EventTable, controls: Controls | None, every: int
) -> tuple[int, float, list[SyncedData]]:
    """Feed a synchronizer in order of time and ask it after every ``every`` frames."""
    sync = DataSynchronizer(controls=controls)
    feed = [
        (t // 1000, {"control": events.names[c], "value": v})
        for t, c, v in zip(events.t_ns.tolist(), events.control.tolist(), events.value.tolist(), strict=True)
    ]
    frames_us = (frames_ns // 1000).tolist()
    steps, last, at = 0, [], 0
    start = time.perf_counter()
    for number, t in enumerate(frames_us):
        while at < len(feed) and feed[at][0] < t:
            sync.add_input(*feed[at])
            at += 1
        sync.add_frame(str(number), t)
        if number % every == every - 1:
            last = sync.sync_data()
            steps += len(last)
    steps += len(sync.sync_data(final=True))
    return steps, time.perf_counter() - start, last


def binner(frames_ns: Any, events: EventTable, controls: Controls) -> float:
    """The live accumulator over the same data: what a plain loop costs."""
    rows = [
        InputEvent(t, events.names[c], v)
        for t, c, v in zip(events.t_ns.tolist(), events.control.tolist(), events.value.tolist(), strict=True)
    ]
    live, at = StepBinner(controls), 0
    start = time.perf_counter()
    for t in frames_ns.tolist():
        first = at
        while at < len(rows) and rows[at].t_ns < t:
            at += 1
        live.add(rows[first:at])
        live.take(t)
    return time.perf_counter() - start


def held_memory(frames_ns: Any, events: EventTable, controls: Controls) -> tuple[int, int]:
    """Most memory in bytes while a stream passes, over its first tenth and over all of it."""
    frames_us = (frames_ns // 1000).tolist()
    names, t_us = events.names, (events.t_ns // 1000).tolist()
    peaks = []
    sync, at = DataSynchronizer(controls=controls), 0
    tracemalloc.start()
    for number, t in enumerate(frames_us):
        while at < len(t_us) and t_us[at] < t:
            sync.add_input(t_us[at], {"control": names[events.control[at]], "value": float(events.value[at])})
            at += 1
        sync.add_frame(str(number), t)
        sync.sync_data()
        if number + 1 in (len(frames_us) // 10, len(frames_us)):
            peaks.append(tracemalloc.get_traced_memory()[1])
    tracemalloc.stop()
    return peaks[0], peaks[1]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--events", type=int, default=1_000_000)
    parser.add_argument("--frames", type=int, default=100_000)
    parser.add_argument("--controls", type=int, default=20)
    arguments = parser.parse_args()
    frames_ns, events, controls = make_data(arguments.frames, arguments.events, arguments.controls)
    end_ns = int(frames_ns[-1]) + 16_666_667
    print(f"{arguments.events} events, {arguments.frames} frames, {len(controls)} controls")

    times = best_of(3, lambda: steps_of_frames(frames_ns, end_ns=end_ns, max_interval_ns=100_000_000))
    print(f"steps_of_frames  {times * 1e3:8.1f} ms")
    times = best_of(3, lambda: steps_at_rate(frames_ns, 20, end_ns=end_ns, max_interval_ns=100_000_000))
    print(f"steps_at_rate 20 {times * 1e3:8.1f} ms")
    steps = steps_of_frames(frames_ns, end_ns=end_ns)
    print(f"bin_steps        {best_of(3, lambda: bin_steps(steps, events, controls)) * 1e3:8.1f} ms")

    part = slice(None, arguments.frames // 10)
    inside = events.t_ns < frames_ns[part][-1]
    few = EventTable(events.t_ns[inside], events.control[inside], events.value[inside], events.names)
    items = len(frames_ns[part]) + len(few.t_ns)
    for with_controls, every in ((None, 1), (controls, 1), (controls, 60)):
        count, seconds, last = stream(frames_ns[part], few, with_controls, every)
        what = "with vectors" if with_controls else "without vectors"
        print(
            f"stream, asked every {every:2d} frames, {what}: {seconds / items * 1e6:.2f} us an item, "
            f"{seconds / count * 1e6:.0f} us a step"
        )
    print(f"StepBinner on the same: {binner(frames_ns[part], few, controls) / items * 1e6:.2f} us an item")
    early, late = held_memory(frames_ns[part], few, controls)
    print(f"memory of the stream: at most {early / 1e3:.0f} kB in the first tenth, {late / 1e3:.0f} kB in all of it")

    for features in (512, 150_528):
        measure_storage(last, features, controls)


def measure_storage(steps: list[SyncedData], features: int, controls: Controls) -> None:
    """Save ``steps`` with so many random features each, all in a call and one in a call, and read them back."""
    array = np.random.default_rng(0).normal(size=features).astype(np.float32)
    batch = [replace(step, frame_features=array) for step in steps]
    with tempfile.TemporaryDirectory() as folder, DataStorage(folder) as storage:
        storage.start_session("bench", {}, controls=controls.names)
        seconds = best_of(10, lambda: storage.save_synced_data(batch))
        single = best_of(10, lambda: storage.save_synced_data(batch[:1]))
        start = time.perf_counter()
        read = sum(1 for _ in storage.iterate("bench"))
        print(
            f"storage, {features} features: {len(batch)} steps a call {seconds * 1e3:.1f} ms, 1 step a call "
            f"{single * 1e3:.1f} ms, reading {read / (time.perf_counter() - start):.0f} steps/s"
        )


if __name__ == "__main__":
    main()
