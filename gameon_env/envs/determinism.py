"""Whether a game in lockstep is deterministic: the same seed and actions give the same frames, and others do not."""

from __future__ import annotations

import statistics
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from gameon_env.envs.compared_run import Comparison, Run
from gameon_env.envs.desktop_env import DesktopEnv

SEED = 7
"""Of the first episode of each run."""

SIZE = (84, 84)
"""Of the observations, ``(height, width)``; the frames that are compared have the game's own size."""


@dataclass(frozen=True)
class Determinism:
    """What :func:`check_determinism` saw.

    Attributes:
        runs: that played the same actions.
        other: that played others: where it does not part from the first, actions do not reach the game, or what was
            played is a menu or a film.
        fps: steps in a second of game time.
        fixed_layout: whether the game's memory was laid out the same each time.
    """

    game: str
    fps: float
    runs: tuple[Run, ...]
    other: Run
    fixed_layout: bool

    @property
    def same(self) -> bool:
        """Whether all frames, rewards and ends of the runs with the same actions agree."""
        return all(run.parting is None for run in self.runs)

    @property
    def actions_matter(self) -> bool:
        """Whether other actions gave other frames."""
        return self.other.parting is not None

    @property
    def unread(self) -> tuple[str, ...]:
        """Readers of the score and the rewards that read nothing in any run."""
        found = [run.unread or () for run in (*self.runs, self.other)]
        return tuple(name for name in found[0] if all(name in names for names in found))

    @property
    def steps_per_s(self) -> float:
        """The median over the runs."""
        return statistics.median(run.steps_per_s for run in self.runs)

    @property
    def times_real_time(self) -> float:
        """How much faster than real time the game was played."""
        return self.steps_per_s / self.fps

    @property
    def cold_starts_s(self) -> list[float]:
        """Real seconds from each launch to the first observation."""
        return [seconds for run in (*self.runs, self.other) for seconds in run.cold_starts_s]


def check_determinism(
    game: str | Path,
    *,
    runs: int = 3,
    steps: int = 500,
    seed: int = SEED,
    on_run: Callable[[Run], object] = lambda run: None,
) -> Determinism:
    """Play the same seeded actions several times in lockstep, then others, and compare the frames.

    All of it is played in one environment, one launch after the other, but for the last of three or more runs: that
    has an environment, and a display, of its own.

    Args:
        game: a profile's name, or the path of a TOML file.
        runs: how many times, 2 or more.
        steps: of each run; where an episode ends before, another one follows.
        seed: of the first episode of each run.
        on_run: called with each run when it is over.

    Raises:
        LockstepError: the game cannot be held to the virtual clock; the message says why.
        GameOnError: unknown profile, missing program, a game that does not get ready to play.
    """
    comparison = Comparison(steps, seed)
    played: list[Run] = []

    def play(env: DesktopEnv, name: str, actions: int = 1) -> Run:
        run = comparison.play(env, name, actions=actions)
        on_run(run)
        return run

    with closing(open_lockstep(game)) as env:
        for number in range(1, runs + 1 if runs < 3 else runs):
            played.append(play(env, str(number)))
        other = play(env, "other actions", actions=2)
        fps, name, fixed_layout = env.fps, env.profile.name, env.live_game.time.fixed_layout
    if runs >= 3:
        with closing(open_lockstep(game)) as env:
            played.append(play(env, f"{runs}, on a new display"))
    return Determinism(name, fps, tuple(played), other, fixed_layout)


def open_lockstep(game: str | Path, size: tuple[int, int] = SIZE) -> DesktopEnv:
    """The game in lockstep, with frames of its own size to look at; ``size`` is that of the observations."""
    return DesktopEnv(game, time="lockstep", observation_size=size, render_mode="rgb_array")
