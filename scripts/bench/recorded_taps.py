"""Are all taps of a player in the recording? Another process taps keys of the live game, many shorter than a step.

    python scripts/bench/recorded_taps.py [--taps 1000]

Prints how often each key was tapped, and how often the recorded file (`presses`) says so.
Exit code 1 where they differ.
"""

from __future__ import annotations

import argparse
import random
import subprocess
import sys
import tempfile

import gymnasium

import gameon_env
from gameon_env.data_processing.trajectory import load_episodes
from wrappers import HumanControl, RecordEpisode

KEYS = ("key:w", "key:a", "key:s", "key:d", "key:r", "mouse:left")


def tap(display: str, count: int, seed: int) -> None:
    """The player's process: taps from no time at all to 80 ms, and how often each, on stdout."""
    import time

    from gameon_env.desktop.inject import open_injector

    dice, injector, taps = random.Random(seed), open_injector(display), dict.fromkeys(KEYS, 0)
    for _ in range(count):
        key = dice.choice(KEYS)
        injector.press(key)
        injector.flush()
        time.sleep(dice.choice((0.0, 0.001, 0.005, dice.uniform(0.0, 0.08))))
        injector.release(key)
        injector.flush()
        time.sleep(dice.uniform(0.0, 0.03))
        taps[key] += 1
    injector.close()
    print(*taps.values())


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--taps", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--as-player", metavar="DISPLAY", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.as_player:
        tap(options.as_player, options.taps, options.seed)
        return 0
    with tempfile.TemporaryDirectory() as folder:
        env = RecordEpisode(HumanControl(gymnasium.make(gameon_env.ENV_ID, game="rescue")), folder)
        env.reset(seed=0)
        command = [sys.executable, __file__, "--taps", str(options.taps), "--seed", str(options.seed), "--as-player"]
        player = subprocess.Popen([*command, env.unwrapped.display_name], stdout=subprocess.PIPE, text=True)
        steps = rest = 0
        while rest < 5:  # some steps after the last tap, so that nothing is on its way
            rest += player.poll() is not None
            *_, terminated, truncated, _ = env.step(None)
            steps += 1
            if terminated or truncated:
                env.reset()
        assert player.stdout is not None
        tapped = [int(word) for word in player.stdout.read().split()]
        env.close()
        recorded = [0] * len(KEYS)
        for episode in load_episodes(folder):
            assert episode.controls is not None
            columns = [episode.controls.index(key) for key in KEYS]
            recorded = [sum(pair) for pair in zip(recorded, episode.presses[:, columns].sum(axis=0), strict=True)]
    print(f"{options.taps} taps in {steps} steps at 15 fps, by key: {dict(zip(KEYS, tapped, strict=True))}")
    print(f"recorded: {sum(recorded)} presses, by key the same: {recorded == tapped}")
    return int(recorded != tapped)


if __name__ == "__main__":
    sys.exit(main())
