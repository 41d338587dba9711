"""Clone a player from its live games, and score the clone on the live game, on seeds drawn after the training.

    python scripts/bench/clone.py --game rescue
    python scripts/bench/clone.py --game aliens

A player (a process that sees only the screen and makes real input events) is recorded, a policy is trained, and then
the player, the agent and both kinds of random play have as many live episodes. Exits 1 where the agent has less than
``--share`` of its player's mean score, or the better random play more than 20 %.

The player of ``aliens`` is recorded in lockstep, asked at every step what it would do: what a clone must see there is
rare (a bomb right above), and a hundred games take minutes so. ``--time lockstep`` scores so too, which a busy machine
does not disturb; the default is real time.
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
        sample_buttons: whether the clone presses with the predicted probability; None: as it says itself.
        games, minutes: how many are recorded, and how long is learned from them, unless asked otherwise.
        disturbed: the player is recorded in lockstep, with these controls disturbed, see :class:`_taught.TaughtPlay`.
    """

    script: Path
    mistakes: tuple[str, ...]
    learning: dict[str, Any]
    observation_size: tuple[int, int] = (128, 128)
    sample_buttons: bool | None = None
    games: int = 16
    minutes: float = 2.5
    disturbed: tuple[str, ...] = ()


DISTURBANCES = 0.5
"""A second of game time, where a player is recorded in lockstep."""

PLAYERS = {
    "rescue": Player(
        SCRIPTS / "demo_player.py", ("--noise", "0.1"), {"mirror": "both"}, observation_size=(64, 64), minutes=2.6
    ),
    "aliens": Player(
        SCRIPTS / "bench" / "aliens_player.py",
        (),
        {"mirror": "horizontal", "lines": True, "shift_px": 3},
        observation_size=(64, 128),
        sample_buttons=True,
        games=300,
        minutes=12.0,
        disturbed=("key:left", "key:right"),
    ),
}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--game", choices=PLAYERS, default="rescue")
    parser.add_argument("--games", type=int, help="recorded games")
    parser.add_argument("--minutes", type=float, help="of training")
    parser.add_argument("--episodes", type=int, default=20, help="fresh games for each")
    parser.add_argument("--at-once", type=int, default=2, help="games at a time")
    parser.add_argument("--time", choices=("real", "lockstep"), default="real", help="in which they are scored")
    parser.add_argument("--policy", type=Path, help="only score this clone, made by an earlier run")
    parser.add_argument("--share", type=float, default=0.9, help="of the player's score that the agent must have")
    parser.add_argument("--output", type=Path, default=Path("demo_output"))
    options = parser.parse_args()
    console, start = Console(highlight=False), time.monotonic()
    cloned = PLAYERS[options.game]
    if options.time == "lockstep" and not cloned.disturbed:
        parser.error(f"the player of {options.game} is a process of its own, which lockstep leaves no time to look")
    folder = options.output / f"clone_{options.game}_{time.strftime('%Y%m%d_%H%M%S')}"
    player = ("{python}", str(cloned.script), "--display", "{display}", "--seed", "{seed}")

    def say(text: str) -> None:
        console.print(f"{time.monotonic() - start:6.0f} s  {text}", markup=False)

    def fresh(count: int) -> list[int]:
        return [secrets.randbits(31) for _ in range(count)]

    def taught(record_to: str | None, per_second: float) -> Job:
        return Job(
            options.game, "taught", (), (str(cloned.script),), record_to, observation_size=cloned.observation_size,
            time="lockstep", disturbed=cloned.disturbed, per_second=per_second,
        )  # fmt: skip

    def learn() -> Path:
        games, minutes = options.games or cloned.games, options.minutes or cloned.minutes
        say(f"recording {games} games into {folder}")
        recordings = str(folder / "recordings")
        if cloned.disturbed:
            job = taught(recordings, DISTURBANCES)
        else:
            job = Job(options.game, "player", (), (*player, *cloned.mistakes), recordings,
                      observation_size=cloned.observation_size)  # fmt: skip
        recorded = run(share_out(job, fresh(games), options.at_once))[job.who]
        say(f"{sum(recorded.lengths)} steps, mean score {sum(recorded.scores) / len(recorded.scores):.1f}")
        policy = folder / "policy.safetensors"
        config = CloningConfig(epochs=1000, minutes=minutes, **cloned.learning)
        learned = clone(load_episodes(folder / "recordings"), policy, config)
        say(f"trained: {len(learned.curve)} epochs, best {learned.best.epoch}")
        return policy

    policy = options.policy or learn()
    seeds = fresh(options.episodes)
    scored = {}
    for who in ("player", str(policy), "random", "random held"):
        command = player if who == "player" else ()
        job = Job(options.game, who, (), command, sample_buttons=cloned.sample_buttons, time=options.time)
        if who == "player" and options.time == "lockstep":
            job = taught(None, 0.0)
        played = run(share_out(job, seeds, options.at_once))
        scored |= {who: played[job.who]}
        say(f"{Path(who).stem}: {sorted(scored[who].scores)}")
    results = as_results(scored)
    console.print(score_table(results, reference="player"))
    means = {result.name: result.mean for result in results}
    randoms = max(means["random, fresh"], means["random, held"])
    return 0 if means["agent"] >= options.share * means["player"] and randoms < 0.2 * means["player"] else 1


if __name__ == "__main__":
    sys.exit(main())
