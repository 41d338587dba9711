"""Random windows of four frames with their actions: how many a second, beside other ways to store and load them.

    .venv/bin/python scripts/bench/load_windows.py [--lerobot PYTHON] [--minari PYTHON] [--native 720p]

One process each, all from the same minute of Doom at 320x240, taken in turn, so that a busy machine is busy for all;
printed are medians over the rounds. LeRobot (0.6.1: Python 3.12, with ``lerobot[dataset]``; torchcodec also needs
FFmpeg's shared libraries, ``--libraries``) and Minari (``minari[hdf5]``) run where their Python is given. LeRobot's
dataset is written by its own writer with its defaults, from the same frames.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table

sys.path.insert(0, str(Path(__file__).parents[2]))
sys.path.insert(0, str(Path(__file__).parent))

from _bench_sessions import record_doom, remake
from _window_readers import (
    LENGTH,
    Peer,
    PeerError,
    Reader,
    memmap,
    memmap_reused,
    one_by_one,
    open_each_time,
    ours_in_batches,
    robomimic_style,
    windows_of,
)

SIZE = (240, 320)
NATIVE = {"240p": SIZE, "720p": (720, 1280)}
FPS = 30
EPISODE = 300
"""Frames in one of Minari's episodes: ten seconds."""
LIMIT, LIMIT_REUSED = "numpy memmap gather (the limit)", "numpy memmap gather into the same memory"
OURS, BATCHES = "ours, cache, item by item", "ours, cache, batches of 32 into the same memory"
DECODED, DECODED_BATCHES = "ours, no cache, item by item", "ours, no cache, batches of 32"
TORCHCODEC, PYAV = "LeRobot, torchcodec", "LeRobot, PyAV"


def readers_of(arguments: argparse.Namespace, folder: Path) -> tuple[dict[str, Reader], int, list[Peer]]:
    """What to compare, by name; how many windows there are; the processes to end."""
    source = arguments.session or record_doom(folder / "recorded", 60)
    session = remake(source, folder / "session", NATIVE[arguments.native], FPS, 60)
    cached, decoded = windows_of(session, SIZE, folder / "cache"), windows_of(session, SIZE, None)
    cached.prepare(workers=1)
    inputs = cached.columns.inputs
    frames = decoded.recordings[0].frames(cached.columns.frame, SIZE)
    np.save(folder / "frames.npy", frames)
    np.save(folder / "inputs.npy", inputs)
    mapped = np.load(folder / "frames.npy", mmap_mode="r")
    check = int(len(cached) // 2)
    if not np.array_equal(cached.item(check).frames, mapped[check : check + LENGTH]):
        raise SystemExit("the cache gives other frames than the recording")
    readers: dict[str, Reader] = {
        LIMIT: memmap(mapped, inputs),
        OURS: one_by_one(cached.item),
        LIMIT_REUSED: memmap_reused(mapped, inputs),
        BATCHES: ours_in_batches(cached, reuse=True),
        "ours, cache, batches of 32 in new memory": ours_in_batches(cached, reuse=False),
        DECODED: one_by_one(decoded.item),
        DECODED_BATCHES: ours_in_batches(decoded, reuse=False),
        "robomimic style HDF5": robomimic_style(folder / "robomimic.hdf5", frames, inputs),
        "video opened for each item (the original)": open_each_time(session / "video.mp4", SIZE, inputs),
    }
    peers = []
    files = (folder / "frames.npy", folder / "inputs.npy")
    if arguments.lerobot:
        lerobot = Peer(
            arguments.lerobot, "_lerobot_peer.py", *files, folder / "lerobot", FPS, libraries=arguments.libraries
        )
        readers |= {TORCHCODEC: lerobot.reader(backend="torchcodec"), PYAV: lerobot.reader(backend="pyav")}
        peers.append(lerobot)
    if arguments.minari:
        (folder / "minari").mkdir()
        minari = Peer(arguments.minari, "_minari_peer.py", *files, folder / "minari", EPISODE)
        readers["Minari (reads the episode)"] = minari.reader()
        peers.append(minari)
    return readers, len(cached), peers


def measure(
    readers: dict[str, Reader], count: int, rounds: int, seconds: float, console: Console
) -> dict[str, np.ndarray]:
    """Windows a second of each reader, ``(rounds, 2)``: by the clock, and of processor time; the same windows for all
    in a round, as far as they get."""
    rng = np.random.default_rng(0)
    amounts = {}
    for name, read in list(readers.items()):
        try:
            for amount in (4, 32):  # the first open files, and find out how long it takes
                taken, _ = read(rng.integers(0, count, amount).tolist())
        except PeerError as error:
            console.print(f"{name}: {error}")
            del readers[name]
            continue
        amounts[name] = int(np.clip(amount * seconds / taken, 4, 5 * count)) // 32 * 32 or 4
    for name in (name for name in readers if amounts[name] >= count):
        readers[name](range(0, count - count % 32))  # all pages are mapped, and all of the cache compared with its sums
    rates: dict[str, list[np.ndarray]] = {name: [] for name in readers}
    for _ in range(rounds):
        starts = rng.integers(0, count, 5 * count).tolist()
        for name, read in readers.items():
            rates[name].append(amounts[name] / np.array(read(starts[: amounts[name]])))
    return {name: np.array(values) for name, values in rates.items()}


def report(rates: dict[str, np.ndarray], console: Console) -> None:
    def ratio(name: str, other: str) -> str:
        """Of each round, so that both saw the same machine: by the clock / of processor time."""
        if name not in rates or other not in rates:
            return ""
        clock, processor = np.median(rates[name] / rates[other], axis=0)
        return f"{clock:.3g} / {processor:.3g}"

    table = Table("", "windows/s", "least - most", "per CPU s", "x limit", f"x {TORCHCODEC}", f"x {PYAV}")
    for name, values in rates.items():
        clock, processor = np.median(values, axis=0)
        bounds = f"{values[:, 0].min():,.0f} - {values[:, 0].max():,.0f}"
        ratios = (ratio(name, other) for other in (LIMIT, TORCHCODEC, PYAV))
        table.add_row(name, f"{clock:,.0f}", bounds, f"{processor:,.0f}", *ratios)
    console.print(table)
    console.print("Ratios are by the clock / of processor time: the second is what holds on a machine that others use.")
    console.print(f"{BATCHES} / {LIMIT_REUSED}: {ratio(BATCHES, LIMIT_REUSED)}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--session", type=Path, help="of this in place of Doom")
    parser.add_argument("--native", choices=NATIVE, default="240p", help="size of the session's video")
    parser.add_argument("--lerobot", help="a Python that has lerobot[dataset]")
    parser.add_argument("--libraries", help="LD_LIBRARY_PATH for it")
    parser.add_argument("--minari", help="a Python that has minari[hdf5]")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--seconds", type=float, default=0.5, help="for each reader in a round")
    arguments = parser.parse_args()
    console = Console(width=170)
    with tempfile.TemporaryDirectory() as temporary:
        load = os.getloadavg()
        readers, count, peers = readers_of(arguments, Path(temporary))
        rates = measure(readers, count, arguments.rounds, arguments.seconds, console)
        report(rates, console)
        for peer in peers:
            peer.close()
        busy = ", ".join(f"{value:.1f}" for value in (*load, *os.getloadavg()))
        console.print(
            f"{count} windows of {LENGTH} frames {SIZE[1]}x{SIZE[0]} from video of {arguments.native}; "
            f"{os.cpu_count()} cores; load averages before and after: {busy}; {time.strftime('%Y-%m-%d')}"
        )


if __name__ == "__main__":
    main()
