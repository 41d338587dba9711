"""Injects counts and taps, and reads them back in a game that locks the pointer and in the listener.

    python scripts/bench/input_counts.py [--motions 1000] [--taps 1000]

The game is a small SDL window (tests/live/sdl_probe.py). Prints what was sent, what each side got, and what a flush
costs. Exit code 1 where anything differs.
"""

from __future__ import annotations

import argparse
import json
import random
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from gameon_env.desktop.display import PrivateDisplay
from gameon_env.desktop.inject import Injector, open_injector
from gameon_env.desktop.listen import Listener, open_listener
from gameon_env.desktop.process import GameProcess
from gameon_env.desktop.windows import wait_for_window

PROBE = Path(__file__).resolve().parents[2] / "tests" / "live" / "sdl_probe.py"
KEYS = "abcdefghijklmnopqrstuvwxyz0123456789"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--motions", type=int, default=1000)
    parser.add_argument("--taps", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    dice = random.Random(arguments.seed)
    with tempfile.TemporaryDirectory() as folder, PrivateDisplay((480, 640), gl=False) as display:
        log = Path(folder) / "probe.jsonl"
        command = [sys.executable, str(PROBE), str(log), "--locked", "--size", "640x480"]
        with GameProcess.launch(command, display=display.name) as game:
            wait_for_window(display.name, process=game, title=None, timeout_s=30).close()
            wait_for(log, lambda lines: bool(lines))
            listener, injector = open_listener(display.name), open_injector(display.name)
            listener.start()
            same = send_motions(injector, listener, log, arguments.motions, dice)
            same &= send_taps(injector, listener, log, arguments.taps, dice)
            injector.close()
            listener.close()
    return int(not same)


def send_motions(injector: Injector, listener: Listener, log: Path, count: int, dice: random.Random) -> bool:
    sent, costs_us = [0, 0], []
    for _ in range(count):
        dx, dy = dice.randint(-40, 40), dice.randint(-40, 40)
        sent[0] += dx
        sent[1] += dy
        began = time.perf_counter()
        injector.move(dx, dy)
        injector.flush()
        costs_us.append((time.perf_counter() - began) * 1e6)
        time.sleep(dice.uniform(0.0, 0.002))

    def in_game(lines: list[dict[str, Any]]) -> list[int]:
        return [sum(line["dx"] for line in lines if "dx" in line), sum(line["dy"] for line in lines if "dy" in line)]

    game = in_game(wait_for(log, lambda lines: in_game(lines) == sent))
    events = listener.drain()
    heard = [int(sum(e.value for e in events if e.control == control)) for control in ("mouse:dx", "mouse:dy")]
    print(f"{count} motions: sent {sent}, the game got {game}, the listener {heard}; ", end="")
    print(f"move + flush {statistics.median(costs_us):.0f} us median, {max(costs_us):.0f} us at most")
    return sent == game == heard


def send_taps(injector: Injector, listener: Listener, log: Path, count: int, dice: random.Random) -> bool:
    keys = [dice.choice(KEYS) for _ in range(count)]
    for key in keys:
        injector.press(f"key:{key}")
        injector.flush()
        # From the shortest tap there is to one of a step at 50 fps.
        time.sleep(dice.choice((0.0, 0.0, dice.uniform(0.0, 0.02))))
        injector.release(f"key:{key}")
        injector.flush()
        # SDL takes a key that is down again within 2 ms for auto-repeat; no finger is that fast.
        time.sleep(0.003)

    def in_game(lines: list[dict[str, Any]]) -> list[str]:
        return [line["key"] for line in lines if line["what"] == "key_down"]

    game = in_game(wait_for(log, lambda lines: len(in_game(lines)) == count))
    heard = [e.control.removeprefix("key:") for e in listener.drain() if e.control[:4] == "key:" and e.value == 1.0]
    print(f"{count} taps: the game got {len(game)}, the listener {len(heard)}, all in order: {keys == game == heard}")
    return keys == game == heard


def wait_for(log: Path, done: Any, timeout_s: float = 10.0) -> list[dict[str, Any]]:
    deadline = time.monotonic() + timeout_s
    while True:
        text = log.read_text() if log.exists() else ""
        lines = [json.loads(line) for line in text.splitlines(keepends=True) if line.endswith("\n")]
        if done(lines) or time.monotonic() > deadline:
            return lines
        time.sleep(0.02)


if __name__ == "__main__":
    sys.exit(main())
