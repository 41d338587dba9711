"""What RecordEpisode costs: time per step beside the same environment bare, and memory over a long episode.

    .venv/bin/python scripts/bench/record_cost.py [--steps 10000] [--size 128] [--fps 0]

Without --fps the environment runs as fast as it can; with it, it waits for its ticks as a live game does, and commits
fall on a larger part of the steps.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import psutil

sys.path.insert(0, str(Path(__file__).parents[2]))

from gameon_env.data_processing.trajectory import load_episodes
from wrappers import RecordEpisode


class FramesEnv(gym.Env[Any, Any]):
    """Random frames and named vectors, at no cost; ``fps`` paces it."""

    def __init__(self, size: int, fps: float) -> None:
        self.observation_space = gym.spaces.Box(0, 255, (size, size, 3), np.uint8)
        self.action_space = gym.spaces.Box(-1, 1, (10,), np.float32)
        self.recording_metadata = {"game": "bench", "fps": fps or None, "controls": [f"key:{c}" for c in "abcdefghij"]}
        self.frames = np.random.default_rng(0).integers(0, 256, (64, size, size, 3), dtype=np.uint8)
        self.presses = np.zeros(10, np.uint8)
        self.period_s = 1 / fps if fps else 0.0
        self.number, self.due = 0, 0.0

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        super().reset(seed=seed)
        self.number, self.due = 0, time.perf_counter()
        return self.frames[0], {"t_ns": time.monotonic_ns()}

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        self.due += self.period_s
        time.sleep(max(0.0, self.due - time.perf_counter())) if self.period_s else None
        self.number += 1
        info = {"action": action, "presses": self.presses, "t_ns": time.monotonic_ns()}
        self.stepped_at = time.perf_counter()
        return self.frames[self.number % 64], 0.0, False, False, info


def measure(env: gym.Env[Any, Any], steps: int) -> tuple[np.ndarray[Any, Any], float]:
    """Time in ms that each step takes beyond the environment's own waiting, and how many MB the process grew."""
    inner = env.unwrapped
    assert isinstance(inner, FramesEnv)
    process, action = psutil.Process(), env.action_space.sample()
    env.reset()
    for _ in range(100):
        env.step(action)
    before = peak = process.memory_info().rss
    costs = np.empty(steps)
    for i in range(steps):
        env.step(action)
        costs[i] = time.perf_counter() - inner.stepped_at
        if i % 100 == 0:
            peak = max(peak, process.memory_info().rss)
    return costs * 1e3, (max(peak, process.memory_info().rss) - before) / 1e6


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=10_000)
    parser.add_argument("--size", type=int, default=128)
    parser.add_argument("--fps", type=float, default=0.0)
    args = parser.parse_args()
    print(f"{args.steps} steps of {args.size}x{args.size}, {f'{args.fps:g} fps' if args.fps else 'flat out'}")
    bare, _ = measure(FramesEnv(args.size, args.fps), args.steps)
    for format in ("hdf5", "npz"):
        with tempfile.TemporaryDirectory() as folder:
            env = RecordEpisode(FramesEnv(args.size, args.fps), folder, format)
            costs, grown_mb = measure(env, args.steps)
            before = psutil.Process().memory_info().rss
            start = time.perf_counter()
            env.close()
            close_s = time.perf_counter() - start
            close_mb = (psutil.Process().memory_info().rss - before) / 1e6
            (episode,) = load_episodes(folder)
            assert episode.num_steps == args.steps + 100
            p50, p99, p999 = np.percentile(costs, [50, 99, 99.9]) - np.median(bare)
            print(
                f"{format}: {p50:.3f} ms a step (median), p99 {p99:.3f}, p99.9 {p999:.3f}, max {costs.max():.1f}; "
                f"memory +{grown_mb:.1f} MB while recording, {close_mb:+.1f} MB at the end; "
                f"ending the episode {close_s:.2f} s"
            )


if __name__ == "__main__":
    main()
