"""How well `env.step` keeps time, and what it costs: rescue at 1280x720, 30 steps a second, 128x128 observations.

    python scripts/bench/step.py [--seconds 30]

Prints lateness, CPU of this process and of the X server per step, and capture + resize beside a bare mss grab with
cv2's area resize (one step, and halved as here), all in the same run on the same display.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import cv2
import gymnasium
import mss
import numpy as np
import psutil

import gameon_env
from gameon_env.data_processing.resize import observe
from gameon_env.desktop.capture import open_capture
from gameon_env.desktop.region import Region
from gameon_env.envs.desktop_env import DesktopEnv
from gameon_env.games.profile import BUILT_IN

SIZE = (128, 128)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=30)
    seconds = parser.parse_args().seconds
    profile = (BUILT_IN / "rescue.toml").read_text().replace("[480, 640]", "[720, 1280]")
    profile = profile.replace('"rescue_digits.png"', f'"{BUILT_IN / "rescue_digits.png"}"')
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "rescue720.toml"
        path.write_text(profile)
        made = gymnasium.make(gameon_env.ENV_ID, game=str(path), fps=30, observation_size=SIZE)
        env = made.unwrapped
        assert isinstance(env, DesktopEnv)
        try:
            measure(env, seconds)
        finally:
            made.close()


def measure(env: DesktopEnv, seconds: float) -> None:
    env.reset(seed=0)
    env.action_space.seed(0)
    me = psutil.Process()
    server = next(p for p in me.children() if p.name() == "Xvfb")
    actions = [env.action_space.sample() for _ in range(int(seconds * 30))]
    late, captures = [], []
    mine, theirs = cpu(me), cpu(server)
    for action in actions:
        *_, terminated, truncated, info = env.step(action)
        late.append(info["late_ns"] / 1e6)
        captures.append(info["capture_ns"] / 1e6)
        if terminated or truncated:
            mine_before, theirs_before = cpu(me), cpu(server)
            env.reset()
            mine, theirs = mine + cpu(me) - mine_before, theirs + cpu(server) - theirs_before
    steps = len(actions)
    own_ms, server_ms = (cpu(me) - mine) * 1e3 / steps, (cpu(server) - theirs) * 1e3 / steps
    print(f"{steps} steps at 30 fps, 1280x720 -> {SIZE[0]}x{SIZE[1]}")
    print(f"lateness ms          {percentiles(late)}")
    print(f"CPU ms a step        this process {own_ms:.2f}, X server (the game's drawing included) {server_ms:.2f}")
    print(f"capture + resize ms  {percentiles(captures)}  (inside step)")
    compare(env.display_name)


def compare(display: str) -> None:
    region = Region(0, 0, 1280, 720)
    monitor = {"left": 0, "top": 0, "width": 1280, "height": 720}
    capture = open_capture(display, region)
    with mss.MSS(display=display) as bare:

        def ours() -> None:
            observe(capture.grab().pixels, SIZE)

        def grab() -> np.ndarray:
            shot = bare.grab(monitor)
            return np.frombuffer(shot.raw, np.uint8).reshape(720, 1280, 4)

        def area() -> None:
            cv2.cvtColor(cv2.resize(grab(), SIZE, interpolation=cv2.INTER_AREA), cv2.COLOR_BGRA2RGB)

        def halved() -> None:
            half = cv2.resize(grab(), (640, 360), interpolation=cv2.INTER_AREA)
            quarter = cv2.resize(half, (320, 180), interpolation=cv2.INTER_AREA)
            cv2.cvtColor(cv2.resize(quarter, SIZE, interpolation=cv2.INTER_AREA), cv2.COLOR_BGRA2RGB)

        def linear() -> None:
            cv2.cvtColor(cv2.resize(grab(), SIZE, interpolation=cv2.INTER_LINEAR), cv2.COLOR_BGRA2RGB)

        rivals: dict[str, Callable[[], object]] = {
            "ours (Capture + observe)": ours,
            "bare mss + area, halved first": halved,
            "bare mss + area": area,
            "bare mss + linear (skips 98 % of the pixels)": linear,
            "bare mss, no resize": grab,
        }
        times: dict[str, list[float]] = {name: [] for name in rivals}
        for _ in range(300):  # in turn, so that a noisy moment hits all of them
            for name, run in rivals.items():
                start = time.perf_counter()
                run()
                times[name].append((time.perf_counter() - start) * 1e3)
    capture.close()
    own = np.median(times["ours (Capture + observe)"])
    for name, values in times.items():
        print(f"{name:46s} {np.median(values):.3f} ms   ours / this = {own / np.median(values):.2f}")


def percentiles(values: list[float]) -> str:
    return f"p50 {np.percentile(values, 50):.3f}  p99 {np.percentile(values, 99):.3f}  max {max(values):.3f}"


def cpu(process: psutil.Process) -> float:
    used = process.cpu_times()
    return float(used.user + used.system)


if __name__ == "__main__":
    main()
