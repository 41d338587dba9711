"""Several live games at once, each in a process and on a display of its own: recorded players and scored agents."""

from __future__ import annotations

import multiprocessing
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
import numpy.typing as npt
from _taught import TaughtPlay, load_answer

import gameon_env
from gameon_env.learning.evaluation import RandomFresh, RandomHeld, Result, evaluate
from gameon_env.learning.policy import Policy
from wrappers import HumanControl, RecordEpisode

Frame = npt.NDArray[np.uint8]
Moment = tuple[Frame, npt.NDArray[np.float32], float]
"""The picture at full size, the action that led to it, and the score then."""


@dataclass(frozen=True)
class Job:
    """Episodes for one process.

    Attributes:
        game: the profile.
        who: ``player`` (another process at the keys), ``taught`` (a player that is asked at every step), ``random``,
            ``random held``, or a policy's file.
        seeds: one per episode.
        player: the player's command; ``{display}`` and ``{seed}`` are filled in. For ``taught``, its script.
        record_to: the folder for trajectories, or None.
        film: keep the frames of the first episode.
        observation_size: ``(height, width)`` of what is seen and recorded; a policy brings its own.
        sample_buttons: whether the policy presses with the predicted probability; None: as it says itself.
        time: ``real``, or ``lockstep``.
        disturbed: for ``taught``: what its disturbances hold, see :class:`_taught.TaughtPlay`.
        per_second: disturbances.
    """

    game: str
    who: str
    seeds: tuple[int, ...]
    player: tuple[str, ...] = ()
    record_to: str | None = None
    film: bool = False
    observation_size: tuple[int, int] = (128, 128)
    sample_buttons: bool | None = None
    time: str = "real"
    disturbed: tuple[str, ...] = ()
    per_second: float = 0.0


@dataclass(frozen=True)
class Played:
    """What came of a job: per episode its score and length, over all steps the loop's latency, and the film."""

    who: str
    seeds: tuple[int, ...]
    scores: tuple[float, ...]
    lengths: tuple[int, ...]
    latencies_ms: tuple[float, ...]
    film: tuple[Moment, ...] = ()


def share_out(job: Job, seeds: Sequence[int], processes: int) -> list[Job]:
    """The same job for several processes, each with its part of the seeds."""
    parts = [tuple(seeds[i::processes]) for i in range(processes)]
    return [Job(**{**vars(job), "seeds": part, "film": job.film and i == 0}) for i, part in enumerate(parts) if part]


def run(jobs: Sequence[Job], on_episode: Callable[[str, float], None] | None = None) -> dict[str, Played]:
    """Run jobs at once, each in its own process. Returns what came of them, joined by who played.

    However this process ends, by a signal too, the games end with it.
    """
    context = multiprocessing.get_context("spawn")
    told = context.SimpleQueue()
    with (
        sigterm_as_exit(),
        ProcessPoolExecutor(len(jobs), mp_context=context, initializer=_begin, initargs=(told,)) as pool,
    ):
        others = set(multiprocessing.active_children())
        futures = [pool.submit(_work, job) for job in jobs]
        teller = threading.Thread(target=_tell, args=(told, on_episode), daemon=True)
        teller.start()
        try:
            done = [future.result() for future in as_completed(futures)]
        except BaseException:
            for worker in set(multiprocessing.active_children()) - others:
                worker.terminate()
            raise
        told.put(None)
        teller.join()
    joined = {}
    for who in dict.fromkeys(played.who for played in done):
        mine = [played for played in done if played.who == who]
        joined[who] = Played(
            who,
            *(tuple(value for played in mine for value in getattr(played, field)) for field in _JOINED),  # type: ignore[arg-type]
            film=next((played.film for played in mine if played.film), ()),
        )
    return joined


_JOINED = ("seeds", "scores", "lengths", "latencies_ms")


@contextmanager
def sigterm_as_exit() -> Iterator[None]:
    """Meanwhile SIGTERM raises SystemExit, so that what is open gets closed."""
    before = signal.signal(signal.SIGTERM, _exit)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _exit(*_: object) -> None:
    sys.exit(128 + signal.SIGTERM)


_told: list[Any] = []
"""In a worker: the queue of episodes' scores."""


def _begin(told: Any) -> None:
    """A worker's first act: from now on it ends, its game closed, when it is asked to or its parent is gone."""
    _told.append(told)
    signal.signal(signal.SIGTERM, _exit)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl+C reaches the parent as well, which ends its workers
    threading.Thread(target=_follow_parent, daemon=True).start()


def _follow_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os.kill(os.getpid(), signal.SIGTERM)


def _work(job: Job) -> Played:
    try:
        return work(job, _told[0])
    except SystemExit as end:
        os._exit(int(end.code or 0))  # the pool would take it for a result, and wait for more work


def work(job: Job, told: Any) -> Played:
    """One process' part: play the episodes one after the other."""
    agent = None
    if job.who.endswith(".safetensors"):
        agent = Policy.load(Path(job.who), sample_buttons=job.sample_buttons)
    size = agent.spec.observation_size if agent else job.observation_size
    env = gymnasium.make(
        gameon_env.ENV_ID, game=job.game, display="private", time=job.time, observation_size=size,
        render_mode="rgb_array",
    )  # fmt: skip
    try:
        if job.who == "player":
            return play_by_player(env, job, told)
        if job.who == "taught":
            answer = load_answer(Path(job.player[0]))
            taught = TaughtPlay(env, answer, job.disturbed, job.per_second, job.seeds[0])
            return play_through(taught, job, told)
        actor = agent or (RandomHeld(env) if job.who == "random held" else RandomFresh(env))
        film: list[Moment] = []

        def keep(env: gymnasium.Env[Any, Any], action: Any, reward: float) -> None:
            if job.film:
                film.append((np.asarray(env.render()), action, env.unwrapped.raw_score))  # type: ignore[attr-defined]

        scores, lengths, latencies = [], [], []
        for number, seed in enumerate(job.seeds):
            result = evaluate(env, actor, [seed], on_step=keep if number == 0 else None)
            scores += result.scores
            lengths += result.lengths
            latencies += result.latencies_ms
            told.put((job.who, result.scores[0]))
        return Played(job.who, job.seeds, tuple(scores), tuple(lengths), tuple(latencies), tuple(film))
    finally:
        env.close()


def play_by_player(env: gymnasium.Env[Any, Any], job: Job, told: Any) -> Played:
    """Let another process play; record it where the job says so."""
    human = HumanControl(env)
    human.reset(seed=job.seeds[0])  # the player needs a display to look at
    return play_through(human, job, told, player_at(human.unwrapped.display_name, job))  # type: ignore[attr-defined]


def play_through(
    env: gymnasium.Env[Any, Any], job: Job, told: Any, player: AbstractContextManager[None] | None = None
) -> Played:
    """Play an environment that chooses its own actions, recorded where the job says so, while the player is there."""
    watched: gymnasium.Env[Any, Any] = RecordEpisode(env, job.record_to) if job.record_to else env
    scores, lengths = [], []
    with player or nullcontext():
        for seed in job.seeds:
            watched.reset(seed=seed)
            score, steps, over = 0.0, 0, False
            while not over:
                *_, terminated, truncated, info = watched.step(None)
                score, steps, over = info.get("raw_score", score), steps + 1, terminated or truncated
            scores.append(float(score))
            lengths.append(steps)
            told.put((job.who, scores[-1]))
    watched.close()
    return Played(job.who, job.seeds, tuple(scores), tuple(lengths), ())


@contextmanager
def player_at(display: str, job: Job) -> Iterator[None]:
    """The player's process, from when it looks at the display until it has let go of everything."""
    command = [part.format(display=display, seed=job.seeds[0], python=sys.executable) for part in job.player]
    player = subprocess.Popen(command)
    try:
        time.sleep(1.0)
        if player.poll() is not None:
            raise RuntimeError(f"the player ended at once, with exit code {player.returncode}: {' '.join(command)}")
        yield
    finally:
        player.terminate()
        player.wait(10)


def as_results(scored: Mapping[str, Played]) -> list[Result]:
    """What each came to, for a table: the player, the agent, and random play."""
    names = {"player": "player", "random": "random, fresh", "random held": "random, held"}
    results = [
        Result(names.get(who, "agent"), played.scores, played.lengths, (), played.latencies_ms)
        for who, played in scored.items()
    ]
    return sorted(results, key=lambda result: ["player", "agent", *names.values()].index(result.name))


def _tell(told: Any, on_episode: Callable[[str, float], None] | None) -> None:
    while (message := told.get()) is not None:
        if on_episode is not None:
            on_episode(*message)
