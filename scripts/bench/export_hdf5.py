"""What an HDF5 export costs: time against decoding and resizing alone, memory, and random reads from the file.

    .venv/bin/python scripts/bench/export_hdf5.py [--minutes 60] [--size 224x224] [--sound] [--workers 1]

The session is Doom at 1280x720 and 30 frames a second: 20 s that were really recorded, their packets repeated. Decoding
alone is measured before and after each export, in a process of its own as the export is, and their mean counts.
"""

from __future__ import annotations

import argparse
import multiprocessing
import re
import shutil
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import av
import h5py
import numpy as np

sys.path.insert(0, str(Path(__file__).parents[2]))

from _bench_sessions import record_doom, remake

from gameon_env.data_processing.trajectory import load_episodes
from gameon_env.datasets.recordings import find_recordings
from gameon_env.export.hdf5_export import export_to_hdf5
from gameon_env.recording.model import AudioClockRow, FrameRow, SessionEnd
from gameon_env.recording.session import Session
from gameon_env.recording.session_writer import SessionWriter
from gameon_env.recording.wav_writer import WavWriter

FPS, PICTURE, LOOP_S = 30, (720, 1280), 20
READS, ROUNDS = 300, 9


def lengthen(source: Path, target: Path, minutes: float, *, sound: bool) -> Path:
    """The session ``source`` in ``target``, repeated until it is so long: its packets as they are."""
    with Session(source) as session:
        info, events, length_ns = session.info, list(session.input_events()), session.duration_ns
    writer = SessionWriter.create(target, replace(info, id="be" + info.id[2:]))
    count, period_ns = round(minutes * 60 * FPS), round(1e9 / FPS)
    with av.open(str(source / "video.mp4")) as old, av.open(str(target / "video.mp4"), "w") as new:
        new.metadata["comment"] = old.metadata["comment"]
        stream = new.add_stream_from_template(old.streams.video[0])
        packets = [(bytes(p), p.is_keyframe, p.time_base) for p in old.demux(video=0) if p.size]
        for number in range(count):
            data, is_key, time_base = packets[number % len(packets)]
            packet = av.Packet(data)
            packet.pts = packet.dts = round(number * period_ns / 1e9 / time_base)
            packet.time_base, packet.is_keyframe, packet.stream = time_base, is_key, stream
            new.mux(packet)
    writer.add_frames([FrameRow(number * period_ns, number) for number in range(count)])
    end_ns = count * period_ns
    for turn in range(-(-end_ns // length_ns)):
        shifted = [replace(event, t_ns=info.start_ns + event.t_ns + turn * length_ns) for event in events]
        writer.add_events([event for event in shifted if event.t_ns < info.start_ns + end_ns])
    if sound:
        second = (np.random.default_rng(0).normal(size=(48_000, 1)) * 2000).astype(np.int16)
        with WavWriter(target / "system_audio.wav", 48_000, 1) as file:
            for _ in range(round(minutes * 60)):
                file.write(second)
        rows = [AudioClockRow("system_audio", s * 48_000, s * 1_000_000_000) for s in range(round(minutes * 60) + 1)]
        writer.add_audio_clock(rows)
    writer.finish(SessionEnd(ended_at=info.started_at, duration_ns=end_ns, reason="stopped"))
    writer.close()
    return target


def decode_alone(session: Path, size: tuple[int, int]) -> None:
    (recording,) = find_recordings(session)
    for _ in recording.stream(recording.steps().frame, size):
        pass


def export(session: Path, size: tuple[int, int], output: Path, compression: Any, workers: int) -> None:
    export_to_hdf5(session, output, compression=compression, target_size=size, workers=workers)


class Cost(NamedTuple):
    seconds: float
    cpu_s: float
    memory_mb: float


def apart(function: Callable[..., None], *arguments: Any) -> Cost:
    """What a call takes in a new process: its most memory, and the CPU of all its threads."""
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
        return pool.submit(_measured, function, arguments).result()


def _measured(function: Callable[..., None], arguments: tuple[Any, ...]) -> Cost:
    start, cpu = time.perf_counter(), time.process_time()
    function(*arguments)
    seconds, cpu_s = time.perf_counter() - start, time.process_time() - cpu
    highest = re.search(r"VmHWM:\s+(\d+)", Path("/proc/self/status").read_text())
    assert highest is not None
    return Cost(seconds, cpu_s, int(highest[1]) / 1e3)


def read_rates(path: Path) -> tuple[float, float]:
    """Random frames a second, by our loader and by h5py; the best of some rounds that take turns."""
    (episode,) = load_episodes(path)
    rows = np.random.default_rng(0).integers(0, episode.num_steps + 1, READS).tolist()
    ours, plain = [], []
    with h5py.File(path) as file:
        video = file["video"]
        for _ in range(ROUNDS):
            start = time.perf_counter()
            for row in rows:
                video[row]
            plain.append(time.perf_counter() - start)
            start = time.perf_counter()
            for row in rows:
                episode.video(slice(row, row + 1))
            ours.append(time.perf_counter() - start)
    return READS / min(ours), READS / min(plain)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=60)
    parser.add_argument("--size", default="224x224", metavar="HxW")
    parser.add_argument("--sound", action="store_true", help="the session has sound, which is exported")
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--compression", nargs="+", default=["gzip", "lzf", "none"])
    parser.add_argument("--folder", type=Path, help="where to work; a session made there before is used again")
    options = parser.parse_args()
    height, width = map(int, options.size.split("x"))
    folder = options.folder or Path(tempfile.mkdtemp(prefix="export-bench-"))
    try:
        loop = folder / "loop"
        if not loop.exists():
            remake(record_doom(folder / "doom", LOOP_S), loop, PICTURE, FPS, LOOP_S)
        session = folder / f"session_{options.minutes:g}{'_sound' if options.sound else ''}"
        if not session.exists():
            lengthen(loop, session, options.minutes, sound=options.sound)
        frames = round(options.minutes * 60 * FPS)
        print(f"{frames} frames of 1280x720 to {width}x{height}{', with sound' if options.sound else ''}")
        before = apart(decode_alone, session, (height, width))
        for name in options.compression:
            output = folder / f"{name}.h5"
            compression = None if name == "none" else name
            took = apart(export, session, (height, width), output, compression, options.workers)
            after = apart(decode_alone, session, (height, width))
            alone_s, alone_cpu_s = (before.seconds + after.seconds) / 2, (before.cpu_s + after.cpu_s) / 2
            before = after
            ours, plain = read_rates(output)
            print(
                f"{name:5s} {took.seconds:7.1f} s ({took.cpu_s:.1f} s of CPU), {frames / took.seconds:5.0f} frames/s; "
                f"decoding alone {alone_s:7.1f} s ({alone_cpu_s:.1f}): {took.seconds / alone_s:4.2f} x; "
                f"{took.memory_mb:4.0f} MB of memory; file {output.stat().st_size / 1e6:6.0f} MB; "
                f"random reads {ours:6.0f}/s, h5py {plain:6.0f}/s: {ours / plain:4.2f} x"
            )
            output.unlink()
    finally:
        if options.folder is None:
            shutil.rmtree(folder)


if __name__ == "__main__":
    main()
