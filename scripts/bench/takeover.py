"""How fast a person gets the game from an agent: from their key's event to the release of what the agent holds.

    python scripts/bench/takeover.py

On a private display, with `rescue` at 15 steps a second: the person presses a key at random moments of the step, by the
physical keyboard of the display, and another listener tells when the agent's keys went up.
"""

from __future__ import annotations

import argparse
import os
import random
import sys
import threading
import time
from pathlib import Path

import gymnasium
import numpy as np
from rich.console import Console

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
import gameon_env
from gameon_env.clock import now_ns
from gameon_env.desktop.listen import Listener, open_listener
from tests.physical import PhysicalDevices
from wrappers import HumanTakeover


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--times", type=int, default=100)
    options = parser.parse_args()
    env = HumanTakeover(gymnasium.make(gameon_env.ENV_ID, game="rescue", display="private"))
    env.reset(seed=1)
    desktop = env.unwrapped
    action = desktop.controls.vector(key_w=1, mouse_left=1)
    ear = open_listener(desktop.display_name)
    ear.start()
    rng, waits_ms, inside = random.Random(1), [], 0
    with PhysicalDevices(desktop.display_name) as person:
        while len(waits_ms) < options.times:
            *_, terminated, truncated, info = env.step(action)
            if terminated or truncated:
                env.reset()
            if info["actor"] == "human":
                continue
            ear.drain()
            found: list[float] = []
            thread = threading.Thread(target=interrupt, args=(person, ear, rng.uniform(0, 0.06), found))
            thread.start()
            *_, terminated, truncated, info = env.step(action)
            thread.join()
            inside += info["takeover"]
            waits_ms += found
            if terminated or truncated:
                env.reset()
    ear.close()
    env.close()
    low, high, most = np.percentile(waits_ms, (50, 99, 100))
    Console(highlight=False).print(
        f"{len(waits_ms)} takeovers, {inside} of them within the step that was under way: the agent's keys were up "
        f"{low:.2f} ms after the person's press (median), {high:.2f} ms (99 %), {most:.2f} ms at most; "
        f"load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores",
        soft_wrap=True,
    )


def interrupt(person: PhysicalDevices, ear: Listener, after_s: float, found: list[float]) -> None:
    """Press a key, wait until the agent's are up, release it, and give the game back."""
    time.sleep(after_s)
    pressed_ns = now_ns()
    person.press("key:d")
    waiting = {"key:w", "mouse:left"}
    while waiting:
        ear.wait(1.0)
        for event in ear.drain():
            if event.injected and event.value < 0.5:
                waiting.discard(event.control)
    found.append((now_ns() - pressed_ns) / 1e6)
    person.release("key:d")
    person.press("key:f10")
    person.release("key:f10")


if __name__ == "__main__":
    main()
