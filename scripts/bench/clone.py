"""Clone a player from its live games, and score the clone on the live game, on seeds drawn after the training.

    python scripts/bench/clone.py --game rescue
    python scripts/bench/clone.py --game aliens

A player (a process that sees only the screen and makes real input events) is recorded, a policy is trained, and then
the player, the agent and both kinds of random play have as many live episodes. Exits 1 where the agent has less than
``--share`` of its player's mean score, or the better random play more than 20 %.
"""

from __future__ import annotations

import argparse
import secrets
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console

SCRIPTS = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(SCRIPTS))
from _live import Job, as_results, run, share_out  # noqa: E402

from gameon_env.data_processing.trajectory import load_episodes  # noqa: E402
from gameon_env.learning.behavioral_cloning import CloningConfig, clone  # noqa: E402
from gameon_env.learning.evaluation import score_table  # noqa: E402


@dataclass(frozen=True)
class Player:
    """Who is cloned, and how.

    Attributes:
        script: plays the game.
        mistakes: makes it show mistakes, and how to mend them, while it is recorded.
        learning: of the :class:`~gameon_env.learning.behavioral_cloning.CloningConfig`.
        observation_size: ``(height, width)`` of what the clone sees.
        sample_buttons: the clone presses with the predicted probability, not from a threshold on.
    """

    script: Path
    mistakes: tuple[str, ...]
    learning: dict[str, Any]
    observation_size: tuple[int, int] = (128, 128)
    sample_buttons: bool = False


PLAYERS = {
    "rescue": Player(SCRIPTS / "demo_player.py", ("--noise", "0.1"), {"mirror": "both"}),
    "aliens": Player(
        SCRIPTS / "bench" / "aliens_player.py",
        ("--noise", "0.15"),
        {"mirror": "horizontal", "lines": True, "batch_size": 32, "shift_px": 3},
        observation_size=(64, 128),
        sample_buttons=True,
    ),
}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--game", choices=PLAYERS, default="rescue")
    parser.add_argument("--games", type=int, default=16, help="recorded games")
    parser.add_argument("--minutes", type=float, default=2.5, help="of training")
    parser.add_argument("--episodes", type=int, default=20, help="fresh games for each")
    parser.add_argument("--at-once", type=int, default=2, help="games at a time")
    parser.add_argument("--share", type=float, default=0.9, help="of the player's score that the agent must have")
    parser.add_argument("--output", type=Path, default=Path("demo_output"))
    options = parser.parse_args()
    console, start = Console(highlight=False), time.monotonic()
    folder = options.output / f"clone_{options.game}_{time.strftime('%Y%m%d_%H%M%S')}"
    cloned = PLAYERS[options.game]
    player = ("{python}", str(cloned.script), "--display", "{display}", "--seed", "{seed}")

    def say(text: str) -> None:
        console.print(f"{time.monotonic() - start:6.0f} s  {text}", markup=False)

    def fresh(count: int) -> list[int]:
        return [secrets.randbits(31) for _ in range(count)]

    say(f"recording {options.games} games into {folder}")
    job = Job(
        options.game,
        "player",
        (),
        (*player, *cloned.mistakes),
        record_to=str(folder / "recordings"),
        observation_size=cloned.observation_size,
    )
    recorded = run(share_out(job, fresh(options.games), options.at_once))["player"]
    say(f"{sum(recorded.lengths)} steps, mean score {sum(recorded.scores) / len(recorded.scores):.1f}")
    policy = folder / "policy.safetensors"
    config = CloningConfig(epochs=1000, minutes=options.minutes, **cloned.learning)
    learned = clone(load_episodes(folder / "recordings"), policy, config)
    say(f"trained: {len(learned.curve)} epochs, best {learned.best.epoch}")
    seeds = fresh(options.episodes)
    scored = {}
    for who in ("player", str(policy), "random", "random held"):
        command = player if who == "player" else ()
        job = Job(options.game, who, (), command, sample_buttons=cloned.sample_buttons)
        scored |= run(share_out(job, seeds, options.at_once))
        say(f"{Path(who).stem}: {sorted(scored[who].scores)}")
    results = as_results(scored)
    console.print(score_table(results, reference="player"))
    means = {result.name: result.mean for result in results}
    randoms = max(means["random, fresh"], means["random, held"])
    return 0 if means["agent"] >= options.share * means["player"] and randoms < 0.2 * means["player"] else 1


if __name__ == "__main__":
    sys.exit(main())
