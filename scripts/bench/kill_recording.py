"""Kills a recording with -9 at random moments, and counts what is lost.

    .venv/bin/python scripts/bench/kill_recording.py [--kills 20] [--fps 60] [--format hdf5 --format npz]

The child logs each step, and each episode that it finished, in a file of its own after the step has returned. After
the kill every episode in that log must load (HDF5 by plain h5py as well), with the right frames; ``recover`` must bring
back the open one up to its last second.
"""

from __future__ import annotations

import argparse
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import gymnasium as gym
import h5py
import numpy as np

sys.path.insert(0, str(Path(__file__).parents[2]))

from gameon_env.data_processing.trajectory import Episode, load_episodes, recover
from wrappers import RecordEpisode


class CountingEnv(gym.Env[Any, Any]):
    """Each frame shows its episode and step; episodes are of random length."""

    observation_space = gym.spaces.Box(0, 255, (128, 128, 3), np.uint8)
    action_space = gym.spaces.Box(-1, 1, (4,), np.float32)

    def __init__(self, fps: float) -> None:
        self.recording_metadata = {"game": "kill", "fps": fps or None, "controls": ["key:a", "key:b", "key:c", "key:d"]}
        self.period_s = 1 / fps if fps else 0.0
        self.episode = -1

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        super().reset(seed=seed)
        self.episode, self.number, self.length = self.episode + 1, 0, random.randint(5, 120)
        self.due = time.perf_counter()
        return frame(self.episode, 0), {}

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        self.due += self.period_s
        time.sleep(max(0.0, self.due - time.perf_counter()))
        self.number += 1
        info = {"action": np.full(4, self.number, np.float32)}
        return frame(self.episode, self.number), 1.0, self.number == self.length, False, info


def frame(episode: int, step: int) -> np.ndarray[Any, Any]:
    return np.full((128, 128, 3), [episode % 256, step % 256, (episode + step) % 256], np.uint8)


def child(folder: str, format: str, fps: float, log: str) -> None:
    env = RecordEpisode(CountingEnv(fps), folder, format)
    inner = env.unwrapped
    assert isinstance(inner, CountingEnv)
    fd = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    while True:
        env.reset()
        done = False
        while not done:
            _, _, done, _, _ = env.step(env.action_space.sample())
            kind = "finished" if done else "step"
            os.write(fd, f"{kind} {inner.episode} {inner.number} {time.monotonic_ns()}\n".encode())


def one_kill(format: str, fps: float, moment_s: float) -> tuple[int, int, float, bool]:
    """Returns finished episodes, how many of them are lost, lost seconds of the open one, and if plain h5py failed."""
    with tempfile.TemporaryDirectory() as base:
        folder, log = Path(base) / "data", Path(base) / "log"
        process = subprocess.Popen(
            [sys.executable, __file__, "--child", str(folder), "--format", format, "--fps", str(fps), "--log", str(log)]
        )
        while not log.exists() or not log.stat().st_size:  # the first step is recorded
            time.sleep(0.01)
        time.sleep(moment_s)
        process.send_signal(signal.SIGKILL)
        process.wait()
        lines = [line.split() for line in log.read_text().splitlines()]
        finished = sum(line[0] == "finished" for line in lines)
        plain_failed = False
        if format == "hdf5":
            (path,) = folder.glob("*.hdf5")
            try:
                with h5py.File(path, "r") as file:
                    plain_failed = len(file["metadata"]) < finished
            except OSError:
                plain_failed = True
        any_file = any(folder.glob("*.hdf5")) or any(folder.glob("*.npz"))
        episodes = load_episodes(folder) if any_file else []
        good = sum(is_right(episode, number) for number, episode in enumerate(episodes))
        open_steps = [line for line in lines if line[0] == "step" and int(line[1]) == len(episodes)]
        lost_s = 0.0
        if open_steps:
            sources = folder.glob("*.hdf5") if format == "hdf5" else folder.glob("*.journal")
            targets = [found.target for found in map(recover, sources) if found.target and found.steps]
            kept = 0
            for target in targets:
                *_, recovered = load_episodes(target)
                assert is_right(recovered, len(episodes)), "the recovered episode is wrong"
                kept = recovered.num_steps
            # The time from the first lost step to the last one: steps kept + 1 to the end of the log.
            last_ns = int(open_steps[-1][3])
            lost = [int(line[3]) for line in open_steps if int(line[2]) > kept]
            lost_s = (last_ns - lost[0]) / 1e9 + 1 / (fps or 1000) if lost else 0.0
        return finished, max(0, finished - good), lost_s, plain_failed


def is_right(episode: Episode, number: int) -> bool:
    wanted = np.stack([frame(number, step)[0, 0] for step in range(episode.num_steps + 1)])
    seen = episode.video()[:, 7, 7]
    return bool((seen == wanted).all() and (episode.inputs[:-1, 0] == np.arange(1, episode.num_steps + 1)).all())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--fps", type=float, default=60.0, help="0: as fast as it goes")
    parser.add_argument("--format", action="append")
    parser.add_argument("--seed", type=int, default=None)
    parser.add_argument("--child", help=argparse.SUPPRESS)
    parser.add_argument("--log", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.child:
        child(args.child, args.format[0], args.fps, args.log)
    rng = random.Random(args.seed)
    for format in args.format or ["hdf5", "npz"]:
        outcomes = [one_kill(format, args.fps, rng.uniform(0.0, 4.0)) for _ in range(args.kills)]
        finished, lost, lost_s, plain_failed = (np.array(column) for column in zip(*outcomes, strict=True))
        print(
            f"{format}: {args.kills} kills, {finished.sum()} finished episodes, {lost.sum()} of them lost; "
            f"lost of the open one: {lost_s.mean():.2f} s on average, {lost_s.max():.2f} s at most"
            + (f"; plain h5py could not open {plain_failed.sum()}" if format == "hdf5" else "")
        )
        if lost.any() or lost_s.max() > 1.0:
            sys.exit(1)


if __name__ == "__main__":
    main()
