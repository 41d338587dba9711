"""LeRobot's dataset, in a process of its own: it needs another Python and other libraries than ours.

    PYTHON _lerobot_peer.py FRAMES.npy ACTIONS.npy FOLDER FPS

Makes a dataset of the frames ``(N, h, w, 3) uint8`` and actions ``(N, A) float32`` with LeRobot's own writer and its
defaults. Then answers each line of JSON on standard input, ``{"backend": ..., "windows": [...]}``, with the seconds
that reading these windows of four frames and actions took, by the clock and of processor time, and the pixels' sum.
"""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path

import numpy as np

os.environ["HF_HUB_OFFLINE"] = "1"

import torch
from lerobot.datasets.lerobot_dataset import LeRobotDataset

LENGTH = 4
IMAGE = "observation.images.screen"


def write(frames: np.ndarray, actions: np.ndarray, folder: Path, fps: int) -> None:
    names = [str(i) for i in range(actions.shape[1])]
    features = {
        IMAGE: {"dtype": "video", "shape": frames.shape[1:], "names": ["height", "width", "channels"]},
        "action": {"dtype": "float32", "shape": (len(names),), "names": names},
    }
    dataset = LeRobotDataset.create("bench/windows", fps, features, root=folder, use_videos=True)
    for frame, action in zip(frames, actions, strict=True):
        dataset.add_frame({IMAGE: frame, "action": action, "task": "play"})
    dataset.save_episode()
    dataset.finalize()


def main() -> None:
    torch.set_num_threads(1)
    frames, actions = np.load(sys.argv[1], mmap_mode="r"), np.load(sys.argv[2])
    folder, fps = Path(sys.argv[3]), int(sys.argv[4])
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what libraries print must not get between the answers
    begun = time.perf_counter()
    if not folder.exists():
        write(frames, actions, folder, fps)
    print(json.dumps({"written_s": time.perf_counter() - begun}), file=answers, flush=True)
    steps = [step / fps for step in range(LENGTH)]
    datasets: dict[str, LeRobotDataset] = {}
    for line in sys.stdin:
        order = json.loads(line)
        backend = order["backend"]
        try:
            if backend not in datasets:
                datasets[backend] = LeRobotDataset(
                    "bench/windows",
                    root=folder,
                    delta_timestamps={IMAGE: steps, "action": steps},
                    video_backend=backend,
                    return_uint8=True,
                )
            dataset, total = datasets[backend], 0
            dataset[0]
            begun, processor = time.perf_counter(), time.process_time()
            items = [dataset[index] for index in order["windows"]]
            seconds, processor_s = time.perf_counter() - begun, time.process_time() - processor
        except (ImportError, RuntimeError, OSError) as error:
            print(json.dumps({"error": str(error).strip().splitlines()[0]}), file=answers, flush=True)
            continue
        for item in items:
            if tuple(item[IMAGE].shape) != (LENGTH, 3, *frames.shape[1:3]) or len(item["action"]) != LENGTH:
                raise SystemExit(f"LeRobot gave {item[IMAGE].shape}")
            total += int(item[IMAGE].sum())
        print(json.dumps({"seconds": seconds, "processor_s": processor_s, "sum": total}), file=answers, flush=True)


if __name__ == "__main__":
    main()
