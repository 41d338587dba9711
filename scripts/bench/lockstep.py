"""Games in lockstep: do the same actions give the same frames, how fast, and where the time of a step goes.

    python scripts/bench/lockstep.py [--games doom rescue pyxel_snake pyxel_jump] [--runs 20] [--steps 2000]

Each run resets with the same seed and plays the same seeded actions, as ``gameon games NAME --check`` does; a last one
plays others, and must differ. Then one episode is played for the table of the time. --parts 0 leaves that out, and
--runs 0 all but that.
"""

from __future__ import annotations

import argparse
import json
from contextlib import closing
from pathlib import Path

import numpy as np
from _step_parts import StepParts

from gameon_env.cli.console import open_console
from gameon_env.cli.game_check import as_data, describe_run, print_verdict
from gameon_env.envs.determinism import check_determinism, open_lockstep
from gameon_env.games.profile import load_profile


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--games", nargs="+", default=["doom", "rescue", "pyxel_snake", "pyxel_jump"])
    parser.add_argument("--runs", type=int, default=20)
    parser.add_argument("--steps", type=int, default=2000)
    parser.add_argument("--parts", type=int, default=500, help="so many steps for the table of the time")
    parser.add_argument("--size", type=int, default=84, help="of the observations in that table")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    console, found = open_console(soft_wrap=True), []
    for game in options.games:
        profile = load_profile(game)
        console.print(f"{profile.title}: {options.runs} runs of {options.steps} steps")
        if options.runs:
            seen = check_determinism(
                game,
                runs=options.runs,
                steps=options.steps,
                on_run=lambda run, fps=profile.fps: console.print(describe_run(run, fps)),
            )
            print_verdict(seen, console)
            found.append(as_data(seen))
        if options.parts:
            with closing(open_lockstep(game, (options.size, options.size))) as env:
                env.reset(seed=1)
                console.print(f"ms of a step, {options.size}x{options.size} observations:")
                console.print(StepParts(env).measure(options.parts, np.random.default_rng(1)))
    if options.json:
        options.json.write_text(json.dumps(found, indent=2))


if __name__ == "__main__":
    main()
