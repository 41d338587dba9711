"""Minari's dataset, in a process of its own, with its HDF5 storage.

    PYTHON _minari_peer.py FRAMES.npy ACTIONS.npy FOLDER EPISODE_LENGTH

Answers each line of JSON on standard input, ``{"windows": [...]}``, with the seconds that reading these windows of four
frames and actions took. Minari gives whole episodes: a window is a slice of one, which is read for it.
"""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path

import numpy as np

os.environ["MINARI_DATASETS_PATH"] = str(Path(sys.argv[3]).absolute())

import gymnasium
import minari
from minari.data_collector import EpisodeBuffer

LENGTH = 4
NAME = "bench/windows-v0"


def write(frames: np.ndarray, actions: np.ndarray, episode: int) -> minari.MinariDataset:
    buffers = []
    for number, first in enumerate(range(0, len(frames) - episode, episode)):
        observations = np.array(frames[first : first + episode + 1])
        flags = np.zeros(episode, bool)
        buffers.append(
            EpisodeBuffer(
                id=number,
                observations=observations,
                actions=actions[first : first + episode],
                rewards=np.zeros(episode, np.float32),
                terminations=flags,
                truncations=np.append(flags[1:], True),
            )
        )
    return minari.create_dataset_from_buffers(
        NAME,
        buffers,
        observation_space=gymnasium.spaces.Box(0, 255, frames.shape[1:], np.uint8),
        action_space=gymnasium.spaces.Box(-np.inf, np.inf, actions.shape[1:], np.float32),
        data_format="hdf5",
    )


def main() -> None:
    frames, actions, length = np.load(sys.argv[1], mmap_mode="r"), np.load(sys.argv[2]), int(sys.argv[4])
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    begun = time.perf_counter()
    dataset = write(frames, actions, length)
    print(json.dumps({"written_s": time.perf_counter() - begun}), file=answers, flush=True)
    for line in sys.stdin:
        windows = json.loads(line)["windows"]
        begun, processor = time.perf_counter(), time.process_time()
        for window in windows:
            number, first = divmod(window, length)
            number, first = min(number, len(dataset) - 1), min(first, length - LENGTH)
            episode = dataset[number]
            item = episode.observations[first : first + LENGTH], episode.actions[first : first + LENGTH]
        seconds, processor_s = time.perf_counter() - begun, time.process_time() - processor
        if item[0].shape != (LENGTH, *frames.shape[1:]):
            raise SystemExit(f"Minari gave {item[0].shape}")
        print(json.dumps({"seconds": seconds, "processor_s": processor_s}), file=answers, flush=True)


if __name__ == "__main__":
    main()
