"""How fast the loader of ReActure downloads is, beside a gather from a memory map that makes the same batches by hand.

    .venv/bin/python scripts/bench/reacture_loader.py [--seconds 300] [--batch 32] [--rounds 15]

One process and one thread, the file in the page cache, epochs taken in turn, so that a busy machine is busy for all;
printed are medians over the rounds. By hand is what a person writes who knows how: ``np.load(mmap_mode="r")``, frames
and numbers indexed by a permutation, and the same tensors made of them.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from rich.console import Console
from rich.table import Table

sys.path.insert(0, str(Path(__file__).parents[2]))

from gameon_env.export.reacture import ReActureDataset
from tests.unit.export.reacture_download import our_download

Epoch = Callable[[], Iterator[dict[str, Any]]]


def by_hand(metadata: Path, dataset: ReActureDataset, batch: int, how: str) -> Epoch:
    """The epochs of somebody who does without the loader; ``how``: ``uint8``, ``float32``."""
    mapped = np.load(metadata.with_name(metadata.name.replace("metadata.json", "frames.npy")), mmap_mode="r")
    names = ("keys", "position", "velocity", "accelerometer", "battery", "damage")
    numbers = {name: torch.from_numpy(dataset.numbers(name)) for name in names}
    numbers["timestamp"] = torch.from_numpy(dataset.frame_timestamps)

    def epoch() -> Iterator[dict[str, Any]]:
        order = torch.randperm(len(mapped))
        for first in range(0, len(mapped), batch):
            chosen = order[first : first + batch]
            frames = torch.from_numpy(mapped[chosen.numpy()]).permute(0, 3, 1, 2)
            if how == "float32":
                frames = frames.contiguous().float().div_(255.0)
            yield {"frame": frames} | {name: values[chosen] for name, values in numbers.items()}

    return epoch


def gathered_alone(metadata: Path, batch: int) -> Epoch:
    """Frames alone, as arrays: the limit."""
    mapped = np.load(metadata.with_name(metadata.name.replace("metadata.json", "frames.npy")), mmap_mode="r")

    def epoch() -> Iterator[dict[str, Any]]:
        order = np.random.default_rng().permutation(len(mapped))
        for first in range(0, len(mapped), batch):
            yield {"frame": mapped[order[first : first + batch]]}

    return epoch


def rate(epoch: Epoch) -> float:
    """Frames a second over one epoch."""
    count, start = 0, time.perf_counter()
    for batch in epoch():
        count += len(batch["frame"])
    return count / (time.perf_counter() - start)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--seconds", type=int, default=300, help="of play (300)")
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--rounds", type=int, default=15)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        download = our_download(Path(folder), arguments.seconds * 10)
        download.frames[:] = np.random.default_rng(1).integers(0, 256, download.frames.shape, np.uint8)
        metadata = download.write()
        start = time.perf_counter()
        dataset = ReActureDataset(metadata)
        opened = time.perf_counter() - start
        loaders: dict[str, Epoch] = {
            f"loader, {how}": dataset.to_pytorch_dataloader(arguments.batch, shuffle=True, frame_dtype=how).__iter__
            for how in ("uint8", "float32")
        }
        epochs = {
            "gather of frames alone, no tensors": gathered_alone(metadata, arguments.batch),
            "by hand, uint8": by_hand(metadata, dataset, arguments.batch, "uint8"),
            "by hand, float32": by_hand(metadata, dataset, arguments.batch, "float32"),
            **loaders,
        }
        rates: dict[str, list[float]] = {name: [] for name in epochs}
        for number in range(arguments.rounds + 1):
            for name, epoch in epochs.items():
                measured = rate(epoch)
                if number:  # the first round fills the page cache
                    rates[name].append(measured)
    medians = {name: statistics.median(values) for name, values in rates.items()}
    table = Table("", "frames/s", "of by hand")
    for name, value in medians.items():
        against = medians.get(name.replace("loader", "by hand"), value)
        table.add_row(name, f"{value:,.0f}", f"{value / against:.2f}" if name in loaders else "")
    console = Console()
    console.print(f"{len(dataset)} samples, batches of {arguments.batch}; opened in {opened * 1000:.0f} ms")
    console.print(table)


if __name__ == "__main__":
    main()
