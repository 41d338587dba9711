"""Training an agent on a game, from the first step or from where it was stopped. Read from top to bottom."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np

from gameon_env import ENV_ID
from gameon_env.errors import GameOnError, PolicyError, StorageError
from gameon_env.games.profile import load_profile
from gameon_env.games.training_table import OWN
from gameon_env.learning.evaluation import Actor
from gameon_env.learning.idle_cores import idle_cores
from gameon_env.learning.policy import Policy
from gameon_env.learning.rl_evaluation import Evaluation, Stopped, check_evaluated, evaluate_agent
from gameon_env.learning.rl_log import open_logger
from gameon_env.learning.rl_loop import FOREVER, Budget, Plan, StopWish, TrainingBar, TrainingLoop
from gameon_env.learning.rl_run import MAX_SEED, RunFolder, RunSpec
from gameon_env.learning.rl_warm_start import WarmStart, warm_start
from gameon_env.learning.sb3_agents import AgentActor, make_agent
from gameon_env.learning.sb3_env import make_sb3_env
from gameon_env.learning.sb3_export import export_policy, exportable
from gameon_env.learning.sb3_imitation import Imitation
from gameon_env.optional import require

require("stable_baselines3", "Training agents")
import torch  # noqa: E402
from stable_baselines3.common.base_class import BaseAlgorithm  # noqa: E402
from stable_baselines3.common.off_policy_algorithm import OffPolicyAlgorithm  # noqa: E402
from stable_baselines3.common.vec_env import VecEnv  # noqa: E402

Env = gym.Env[Any, Any]


@dataclass(frozen=True)
class TrainingResult:
    """What came of a training.

    Attributes:
        folder: of the training.
        over: why it ended: ``steps``, ``minutes`` or ``stopped``.
        steps: in all.
        best_return: mean sum of rewards of the best evaluation; None without one.
        policy: the best, without evaluations the last, as ``gameon play`` takes it; None where the agent cannot be one.
    """

    folder: Path
    over: str
    steps: int
    best_return: float | None
    policy: Path | None


def train(
    folder: RunFolder,
    budget: Budget,
    *,
    start: WarmStart | None = None,
    resume: bool = False,
    changes: Mapping[str, Any] | None = None,
    plan: Plan | None = None,
    evaluation_episodes: int = 3,
    say: Callable[[str], None] = print,
    progress: bool = True,
    make_game: Callable[[], Env] | None = None,
) -> TrainingResult:
    """Train until the budget is used up, or until Ctrl+C or SIGTERM, after which it has saved all as well.

    Args:
        folder: new, or of a training that ended, with ``resume``.
        budget: when it is over.
        start: what the agent begins from, in a new training.
        resume: goes on with the checkpoint.
        changes: hyperparameters in place of those that were kept, with ``resume``.
        plan: evaluations and checkpoints.
        evaluation_episodes: in each evaluation, always with the same seeds.
        say: prints a line.
        progress: shows bars.
        make_game: makes an environment with named controls in place of the profile's game.

    Raises:
        PolicyError: the checkpoint is damaged, or what it begins from does not fit.
        GameOnError: the game cannot be played (what was learned until then is saved), or not be evaluated as planned.
    """
    spec, plan = folder.spec, plan or Plan()
    if plan.evaluate_every and make_game is None:
        check_evaluated(load_profile(spec.game), spec.display)
    wish = StopWish()
    threads = torch.get_num_threads()
    torch.set_num_threads(min(threads, idle_cores()))
    with wish.listening():
        env = training_env(spec, make_game)
        try:
            if resume:
                agent = folder.load(env, _changed(folder, changes or {}))
                say(f"goes on after {agent.num_timesteps} steps")
            else:
                agent = _new_agent(spec, env)
                warm_start(agent, spec.settings, start or WarmStart(), say=say, progress=progress, check=wish.check)
                folder.begin()
            imitate = _imitation(agent, spec, None if resume else start, say)
            over = _learn(folder, agent, budget, plan, wish, evaluation_episodes, say, progress, make_game, imitate)
        except Stopped:
            over = "stopped"  # before the first step
        finally:
            torch.set_num_threads(threads)
            env.close()
    policy = folder.policy if folder.policy.exists() else None
    return TrainingResult(folder.path, over, folder.progress.steps, folder.progress.best_return, policy)


AT_THE_START = ("clone_epochs", "sharpness", "offline_steps")
SHAPES = ("separate_values", "frozen_sight")


def _changed(folder: RunFolder, changes: Mapping[str, Any]) -> dict[str, Any]:
    """Keep changed hyperparameters in the folder; returns those of the library.

    Raises:
        PolicyError: one that was of use at the start alone, or that the network was made by.
    """
    for names, why in ((AT_THE_START, "is of use only before the first step"), (SHAPES, "is how the network was made")):
        for name in names:
            if name in changes:
                raise PolicyError(f"--set {name} {why}: leave it away, or begin a new training")
    own = {name: value for name, value in changes.items() if name in OWN}
    theirs = {name: value for name, value in changes.items() if name not in OWN}
    if changes:
        settings = folder.spec.settings
        folder.change(
            settings=replace(
                settings, own={**settings.own, **own}, hyperparameters={**settings.hyperparameters, **theirs}
            )
        )
    return theirs


def training_env(spec: RunSpec, make_game: Callable[[], Env] | None = None) -> VecEnv:
    """The games that the agent learns in."""
    settings = spec.settings
    options: dict[str, Any] = {} if make_game else {"time": spec.time, "display": spec.display}
    return make_sb3_env(
        make_game or spec.game,
        settings.algorithm,
        mouse_bins=settings.mouse_bins,
        exclusive=settings.exclusive,
        stack=settings.stack,
        envs=spec.envs,
        observation_size=settings.observation_size,
        reward_scale=settings.reward_scale,
        **options,
    )


def evaluation_env(spec: RunSpec) -> Env:
    """The game that it is evaluated in, with named controls and full-size pictures."""
    made: Env = gym.make(
        ENV_ID,
        game=spec.game,
        time=spec.time,
        display=spec.display,
        observation_size=spec.settings.observation_size,
        render_mode="rgb_array",
    )
    return made


def _new_agent(spec: RunSpec, env: VecEnv) -> BaseAlgorithm:
    settings = spec.settings
    return make_agent(
        settings.algorithm,
        env,
        network_kwargs=settings.network,
        device=spec.device,
        seed=spec.seed,
        separate_values=bool(settings.own.get("separate_values", False)),
        frozen_sight=bool(settings.own.get("frozen_sight", False)),
        **settings.hyperparameters,
    )


def _imitation(
    agent: BaseAlgorithm, spec: RunSpec, start: WarmStart | None, say: Callable[[str], None]
) -> Callable[[], None]:
    """What SAC and DQN learn from recordings beside their own play; nothing for others, and without recordings."""
    data, mirror = (start.data, start.mirror) if start else (spec.data, spec.mirror)
    updates = int(spec.settings.own.get("imitation_steps", 0))
    if data is None or not updates or not isinstance(agent, OffPolicyAlgorithm):
        return lambda: None
    if not Path(data).exists():  # of a training that goes on; a new one has learned from them just now
        say(f"{data} is gone: from here on it learns from what it plays, and no more from those recordings")
        return lambda: None
    return Imitation(agent, Path(data), mirror=mirror, updates=updates)


def _learn(
    folder: RunFolder,
    agent: BaseAlgorithm,
    budget: Budget,
    plan: Plan,
    wish: StopWish,
    episodes: int,
    say: Callable[[str], None],
    progress: bool,
    make_game: Callable[[], Env] | None,
    imitate: Callable[[], None],
) -> str:
    own = folder.spec.settings.own
    rate, last = agent.learning_rate, own.get("final_learning_rate")
    seeds = _evaluation_seeds(folder.spec.seed, episodes)
    bar = TrainingBar(budget, agent.num_timesteps, progress)

    def evaluate_now(agent: BaseAlgorithm, steps: int) -> Evaluation:
        make = make_game or (lambda: evaluation_env(folder.spec))
        with as_played(agent) as actor:
            return evaluate_agent(make, actor, seeds, folder.video(steps), check=loop.check)

    loop = TrainingLoop(
        folder,
        budget,
        plan,
        evaluate_now,
        wish,
        bar,
        say,
        value_steps=int(own.get("value_steps", 0)),
        rates=None if last is None else (float(rate), float(last)),  # type: ignore[arg-type]
        imitate=imitate,
    )
    agent.set_logger(open_logger(folder.path, folder.progress.seconds))
    ends = FOREVER if budget.steps is None else max(budget.steps - agent.num_timesteps, 0)
    with bar.progress:
        try:
            agent.learn(ends, callback=loop, log_interval=1, reset_num_timesteps=False)
            loop.finish()
        except StorageError:
            raise  # nothing more can be written
        except GameOnError:
            folder.save(agent, loop.seconds)  # what fails is the game: what was learned is as good as ever
            say(
                f"an error ended it after {agent.num_timesteps} steps, which are kept; go on: gameon train "
                f"{folder.spec.settings.algorithm} --resume {folder.path}"
            )
            raise
    return loop.over or "steps"


@contextmanager
def as_played(agent: BaseAlgorithm) -> Iterator[Actor]:
    """The agent as ``gameon play`` would have it: read back from its file, which says whether its actions are drawn."""
    if not exportable(agent):
        with torch.random.fork_rng(devices=[agent.device] if agent.device.type == "cuda" else []):
            yield AgentActor(agent, deterministic=True)  # whose episodes are seeded
        return
    threads = torch.get_num_threads()
    with tempfile.TemporaryDirectory() as place:
        export_policy(agent, Path(place) / "policy.safetensors")
        policy = Policy.load(Path(place) / "policy.safetensors", device=str(agent.device))
    try:
        yield policy
    finally:
        torch.set_num_threads(threads)


def _evaluation_seeds(seed: int, count: int) -> list[int]:
    """Always the same ones, and others than any episode of the training is likely to have."""
    return [int(drawn) for drawn in np.random.default_rng([seed, 0xE7A1]).integers(MAX_SEED, size=count)]
