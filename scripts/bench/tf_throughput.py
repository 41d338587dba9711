"""Windows a second through tf.data, beside PyTorch's DataLoader on the same windows and the same machine.

    .venv/bin/python scripts/bench/tf_throughput.py [--seconds 8] [--length 4] [--size 240x320] [--rounds 3]

The session is Doom, really recorded for 20 s and kept at 640x480; frames come from the cache. Both give float32 batches
in random order, the PyTorch path with 0 and with 2 workers (the better counts), each in a process of its own, in turns.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[2]))

BATCH = 16


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=8.0, help="each measurement")
    parser.add_argument("--length", type=int, default=4, help="frames a window")
    parser.add_argument("--size", default="240x320")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--session", type=Path, help="one that is there, in place of a new one")
    parser.add_argument("--one", help=argparse.SUPPRESS)
    parsed = parser.parse_args()
    height, width = (int(side) for side in parsed.size.split("x"))
    if parsed.one:
        source, cache = parsed.one.split(":")[1:]
        rate = measure(parsed.one.split(":")[0], Path(source), Path(cache), (height, width), parsed)
        print(json.dumps(rate))
        return
    with tempfile.TemporaryDirectory() as folder:
        source = parsed.session or recorded(Path(folder))
        cache = Path(folder) / "cache"
        kinds = ["torch-0", "torch-2", "torch-uint8-0", "tf", "tf-uint8"]
        rates: dict[str, list[float]] = {kind: [] for kind in kinds}
        for _ in range(parsed.rounds):
            for kind in kinds:
                rates[kind].append(elsewhere(f"{kind}:{source}:{cache}", parsed))
    middle = {kind: statistics.median(values) for kind, values in rates.items()}
    print(f"windows of {parsed.length} frames {height}x{width} with actions, batches of {BATCH}, from the cache:")
    for kind, values in rates.items():
        print(f"  {kind:14} {middle[kind]:8.0f} windows/s   ({', '.join(f'{value:.0f}' for value in values)})")
    best = max(middle["torch-0"], middle["torch-2"])
    print(f"tf / best of torch, float32: {middle['tf'] / best:.2f}")
    print(f"tf / torch in one process, uint8: {middle['tf-uint8'] / middle['torch-uint8-0']:.2f}")


def recorded(folder: Path) -> Path:
    from _bench_sessions import record_doom, remake

    made = record_doom(folder / "doom", 20)
    return remake(made, folder / "session", (480, 640), 30, 20)


def elsewhere(what: str, parsed: argparse.Namespace) -> float:
    words = ["--one", what, "--size", parsed.size, "--length", str(parsed.length), "--seconds", str(parsed.seconds)]
    environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"}
    done = subprocess.run(
        [sys.executable, __file__, *words], capture_output=True, text=True, check=False, env=environment
    )
    if done.returncode:
        sys.exit(done.stderr)
    return float(json.loads(done.stdout.splitlines()[-1]))


def measure(kind: str, source: Path, cache: Path, size: tuple[int, int], parsed: argparse.Namespace) -> float:
    """Windows a second, after the first batches."""
    options: dict[str, Any] = {
        "db_path": source,
        "sequence_length": parsed.length,
        "target_size": size,
        "include_audio": False,
        "cache": cache,
        "dtype": "uint8" if "uint8" in kind else "float32",
    }
    batches = tf_batches(options) if kind.startswith("tf") else torch_batches(options, int(kind[-1]))
    for _ in range(20):
        next(batches)
    count, start = 0, time.perf_counter()
    while time.perf_counter() - start < parsed.seconds:
        count += next(batches)
    return count / (time.perf_counter() - start)


def tf_batches(options: dict[str, Any]) -> Iterator[int]:
    from gameon_env.export.tensorflow_export import create_tf_dataset

    data = create_tf_dataset(batch_size=BATCH, **options)
    data.windows.prepare()
    while True:
        for frames, _ in data:
            yield int(frames.shape[0])


def torch_batches(options: dict[str, Any], workers: int) -> Iterator[int]:
    from torch.utils.data import DataLoader

    from gameon_env.export.pytorch_export import GameOnDataset, collate

    data = GameOnDataset(**options)
    data.prepare()
    loader = DataLoader(
        data,
        batch_size=BATCH,
        shuffle=True,
        collate_fn=collate,
        num_workers=workers,
        persistent_workers=workers > 0,
        prefetch_factor=2 if workers else None,
    )
    while True:
        for batch in loader:
            yield len(batch["frames"])


if __name__ == "__main__":
    main()
