"""Does training wait for its data? A small network on windows of four frames, through ``DataLoader``.

    .venv/bin/python scripts/bench/train_loader.py [--session FOLDER] [--workers 2] [--batch 32] [--seconds 30]

Printed is the share of the time that the training loop spends in getting the next batch, from the frame cache and
without it. The network is as small as one that plays is: three convolutions and two layers on each frame at the
training size, with as many threads as there are processors. All on the processor: a faster device waits more.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from pathlib import Path

import torch
from rich.console import Console
from rich.table import Table
from torch import nn
from torch.utils.data import DataLoader

sys.path.insert(0, str(Path(__file__).parents[2]))
sys.path.insert(0, str(Path(__file__).parent))

from _bench_sessions import record_doom, remake

from gameon_env.export.pytorch_export import GameOnDataset

SIZE = (240, 320)
LENGTH = 4


def network(outputs: int) -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(3 * LENGTH, 32, 8, 4), nn.ReLU(),
        nn.Conv2d(32, 64, 4, 2), nn.ReLU(),
        nn.Conv2d(64, 64, 3, 2), nn.ReLU(),
        nn.Flatten(), nn.LazyLinear(512), nn.ReLU(), nn.Linear(512, outputs),
    )  # fmt: skip


def train(dataset: GameOnDataset, batch: int, workers: int, seconds: float) -> tuple[float, float, float]:
    """Windows a second, and the seconds spent waiting and training; the first ten batches are not counted."""
    loader = DataLoader(
        dataset, batch, shuffle=True, num_workers=workers, persistent_workers=workers > 0, drop_last=True
    )
    model = network(len(dataset.controls))
    model(torch.zeros(1, 3 * LENGTH, *SIZE))  # the lazy layer finds its width
    model.to(memory_format=torch.channels_last)
    loss_of, optimizer = nn.BCEWithLogitsLoss(), torch.optim.Adam(model.parameters(), 1e-4)
    waited = trained = 0.0
    counted = -10
    while waited + trained < seconds:
        begun = time.perf_counter()
        for item in loader:
            ready = time.perf_counter()
            frames = item["frames"].flatten(1, 2).contiguous(memory_format=torch.channels_last).float().div_(255)
            targets = item["inputs"][:, -1].clamp(0, 1)
            loss = loss_of(model(frames), targets)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            done = time.perf_counter()
            counted += 1
            if counted > 0:
                waited, trained = waited + ready - begun, trained + done - ready
            begun = done
            if waited + trained >= seconds:
                break
    return counted * batch / (waited + trained), waited, trained


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--session", type=Path, help="of this in place of Doom")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--seconds", type=float, default=30.0, help="for each")
    arguments = parser.parse_args()
    console = Console(width=110)
    table = Table("", "windows/s", "waiting s", "training s", "share of waiting")
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        source = arguments.session or record_doom(folder / "recorded", 60)
        session = remake(source, folder / "session", SIZE, 30, 60)
        load = os.getloadavg()
        for name, cache in (("cache", str(folder / "cache")), ("no cache", None)):
            dataset = GameOnDataset(
                session, sequence_length=LENGTH, target_size=SIZE, include_audio=False, dtype="uint8", cache=cache
            )
            dataset.windows.prepare(workers=1)
            rate, waited, trained = train(dataset, arguments.batch, arguments.workers, arguments.seconds)
            share = 100 * waited / (waited + trained)
            table.add_row(name, f"{rate:.0f}", f"{waited:.2f}", f"{trained:.2f}", f"{share:.1f} %")
    console.print(table)
    busy = ", ".join(f"{value:.1f}" for value in (*load, *os.getloadavg()))
    console.print(
        f"{arguments.workers} workers, batches of {arguments.batch} windows of {LENGTH} frames {SIZE[1]}x{SIZE[0]}; "
        f"{os.cpu_count()} cores; load averages before and after: {busy}; {time.strftime('%Y-%m-%d')}"
    )


if __name__ == "__main__":
    main()
