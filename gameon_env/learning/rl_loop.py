"""What happens beside a training's steps: evaluations, checkpoints, the budget, the bar, and the wish to stop."""

from __future__ import annotations

import math
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from types import FrameType
from typing import Any

from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from gameon_env.learning.rl_evaluation import Evaluation, Stopped, TooLong
from gameon_env.learning.rl_freeze import freeze_actor, has_value_function
from gameon_env.learning.rl_run import RunFolder
from gameon_env.learning.sb3_export import export_policy, exportable
from gameon_env.learning.sb3_storage import save_agent
from gameon_env.optional import require

require("stable_baselines3", "Training agents")
import torch  # noqa: E402
from stable_baselines3 import DQN  # noqa: E402
from stable_baselines3.common.base_class import BaseAlgorithm  # noqa: E402
from stable_baselines3.common.callbacks import BaseCallback  # noqa: E402

FOREVER = 1_000_000_000


@dataclass(frozen=True)
class Budget:
    """When a training is over, whatever comes first.

    Attributes:
        steps: in all, those before a resume too.
        minutes: of this run.
    """

    steps: int | None = None
    minutes: float | None = None


@dataclass(frozen=True)
class Plan:
    """What is done meanwhile.

    Attributes:
        evaluate_every: steps; 0: never.
        save_every_s: seconds between checkpoints.
    """

    evaluate_every: int = 10_000
    save_every_s: float = 120.0


class StopWish:
    """Set by Ctrl+C or SIGTERM: the training saves and ends. A second one ends it at once."""

    def __init__(self) -> None:
        self.wanted = False

    def check(self) -> None:
        """Raises:
        Stopped: it is wanted."""
        if self.wanted:
            raise Stopped

    @contextmanager
    def listening(self) -> Iterator[StopWish]:
        """While this lasts, the signals are heard here; only in the main thread, which alone gets them."""
        if threading.current_thread() is not threading.main_thread():
            yield self
            return
        before = {number: signal.signal(number, self._hear) for number in (signal.SIGINT, signal.SIGTERM)}
        try:
            yield self
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def _hear(self, number: int, frame: FrameType | None) -> None:
        if self.wanted:
            raise KeyboardInterrupt
        self.wanted = True


class TrainingLoop(BaseCallback):
    """The callback of a training.

    Args:
        folder: of the training.
        budget: when it is over.
        plan: what is done meanwhile.
        evaluate: an evaluation of the agent as it is now, as its policy will be played.
        stop: the person's wish.
        bar: the progress bar.
        say: prints a line.
        value_steps: until then only the value function learns.
        rates: learning rate at the start and at the end, where it falls.
        imitate: what is done before each turn of play.
    """

    def __init__(
        self,
        folder: RunFolder,
        budget: Budget,
        plan: Plan,
        evaluate: Callable[[BaseAlgorithm, int], Evaluation],
        stop: StopWish,
        bar: TrainingBar,
        say: Callable[[str], None],
        *,
        value_steps: int = 0,
        rates: tuple[float, float] | None = None,
        imitate: Callable[[], None] = lambda: None,
    ) -> None:
        super().__init__()
        self._folder, self._budget, self._plan, self._evaluate = folder, budget, plan, evaluate
        self._stop, self._bar, self._say = stop, bar, say
        self._threads = 1
        self._value_steps, self._rates, self._imitate = value_steps, rates, imitate
        self._start = self._saved = self._evaluating = time.monotonic()
        self._first = self._learned = 0
        self._seconds_before = folder.progress.seconds
        self.over = ""
        """Why it was ended before its steps were taken: ``minutes`` or ``stopped``; empty otherwise."""

    @property
    def seconds(self) -> float:
        """That the whole training took."""
        return self._seconds_before + time.monotonic() - self._start

    def check(self) -> None:
        """At each step of an evaluation.

        Raises:
            Stopped: the person wants it.
            TooLong: it takes longer than the training may.
        """
        self._stop.check()
        minutes = self._budget.minutes
        if minutes is not None and time.monotonic() - self._evaluating >= 60 * minutes:
            raise TooLong

    def _on_training_start(self) -> None:
        self._start = self._saved = time.monotonic()
        self._first = self._learned = self.num_timesteps
        self._seconds_before = self._folder.progress.seconds
        self._threads = torch.get_num_threads()
        model: Any = self.model
        if self._rates is not None:
            first, last = self._rates
            model.lr_schedule = lambda _: last + (first - last) * (1 - self._share())
        if isinstance(model, DQN):
            explore = model.exploration_schedule
            model.exploration_schedule = lambda _: explore(1 - self._share())

    def _on_rollout_start(self) -> None:
        self._learned = self.num_timesteps
        if has_value_function(self.model):
            freeze_actor(self.model, self.num_timesteps < self._value_steps)
        self._imitate()
        try:
            self._evaluate_if_due()
        except Stopped:
            return  # the next step ends the training
        if time.monotonic() - self._saved >= self._plan.save_every_s:
            self.save()
        torch.set_num_threads(1)  # one picture at a time gains nothing from more, and the game needs the other cores

    def _on_rollout_end(self) -> None:
        torch.set_num_threads(self._threads)

    def _on_step(self) -> bool:
        self._bar.step(self.num_timesteps, self._score())
        if self._stop.wanted:
            self.over = "stopped"
        elif self._is_late() and not self._nearly_learns():
            self.over = "minutes"
        return not self.over  # the library itself counts the steps, and learns from the last of them, too

    def _is_late(self) -> bool:
        minutes = self._budget.minutes
        return minutes is not None and time.monotonic() - self._start >= 60 * minutes

    def _nearly_learns(self) -> bool:
        """Whether more than half of the steps are there that PPO and A2C learn from together: those would be lost."""
        rollout = getattr(self.model, "rollout_buffer", None)
        return rollout is not None and 2 * rollout.pos > rollout.buffer_size

    def finish(self) -> None:
        """Evaluate what came of it, unless the person wants it to stop, and save.

        Without evaluations the policy is the last one.
        """
        torch.set_num_threads(self._threads)
        if has_value_function(self.model):
            freeze_actor(self.model, False)
            self._forget_unlearned()
        try:
            if not self._stop.wanted and self._plan.evaluate_every:
                self._evaluate_now()
        except Stopped:
            self.over = "stopped"
        if not self._plan.evaluate_every and self._folder.progress.best_return is None and exportable(self.model):
            export_policy(self.model, self._folder.policy)
        self.save()

    def _forget_unlearned(self) -> None:
        """Steps of a rollout that was ended before anything was learned from it do not count."""
        unlearned = self.num_timesteps - self._learned if self.over else 0
        self.model.num_timesteps = self.num_timesteps = self.num_timesteps - unlearned
        if unlearned and self._learned == self._first:
            self._say(
                f"nothing was learned: PPO and A2C learn from n_steps={self.model.n_steps} steps of each game at a "  # type: ignore[attr-defined]
                "time, and fewer were taken. Give it more --minutes, or --set n_steps=128"
            )

    def save(self) -> None:
        """Keep a checkpoint."""
        self._folder.save(self.model, self.seconds)
        self._saved = time.monotonic()

    def _share(self) -> float:
        """Of the budget that is used up, 0 to 1: the library knows steps alone."""
        shares = [0.0]
        if self._budget.steps is not None:
            shares.append(self.num_timesteps / self._budget.steps)
        if self._budget.minutes is not None:
            shares.append(self.seconds / (self._seconds_before + 60 * self._budget.minutes))
        return min(max(shares), 1.0)

    def _evaluate_if_due(self) -> None:
        every, last = self._plan.evaluate_every, self._folder.progress.evaluated_steps
        if every and (last < 0 or self.num_timesteps - last >= every):
            self._evaluate_now()

    def _evaluate_now(self) -> None:
        agent, steps = self.model, self.num_timesteps
        if self._folder.progress.evaluated_steps == steps:
            return
        agent.policy.set_training_mode(False)
        self._evaluating = time.monotonic()
        try:
            found = self._evaluate(agent, steps)
        except TooLong:
            self._plan = replace(self._plan, evaluate_every=0)
            self._say(
                f"no evaluation: it did not end within the {self._budget.minutes:g} minutes that the training has"
            )
            return
        before = self._folder.progress
        best = before.best_return is None or found.mean_return > before.best_return
        self._folder.progress = before.moved(evaluated_steps=steps)
        if best:
            save_agent(agent, self._folder.best_agent)
            if exportable(agent):
                export_policy(agent, self._folder.policy)
            self._folder.keep_best(found.mean_return, steps)
        for name, value in (
            ("eval/mean_score", found.mean_score),
            ("eval/mean_return", found.mean_return),
            ("eval/mean_length", sum(found.lengths) / len(found.lengths)),
            ("eval/best_return", self._folder.progress.best_return),
        ):
            self.logger.record(name, value)
        self.logger.dump(steps)
        spread = f" ({min(found.scores):g} to {max(found.scores):g})" if len(found.scores) > 1 else ""
        self._say(f"step {steps}: score {found.mean_score:.1f}{spread}{', the best so far' if best else ''}")

    def _score(self) -> float:
        episodes = self.model.ep_info_buffer
        return sum(episode["r"] for episode in episodes) / len(episodes) if episodes else math.nan


class TrainingBar:
    """The progress bar of a training.

    Args:
        budget: what its end is.
        start: steps that were taken before.
        shown: or not.
    """

    def __init__(self, budget: Budget, start: int, shown: bool) -> None:
        self.progress = Progress(
            TextColumn("{task.completed:.0f} steps"), BarColumn(), TimeElapsedColumn(),
            TextColumn("{task.fields[speed]:.0f} steps/s, episodes {task.fields[score]:.1f}"), disable=not shown,
        )  # fmt: skip
        self._first, self._start = start, time.monotonic()
        self._budget = budget
        self._task: TaskID = self.progress.add_task("", total=budget.steps, completed=start, speed=0.0, score=math.nan)

    def step(self, steps: int, score: float) -> None:
        """So many steps by now; ``score``: mean sum of rewards of the last episodes."""
        seconds = time.monotonic() - self._start
        total: float | None = self._budget.steps
        if self._budget.minutes is not None and steps > self._first:
            by_time = self._first + (steps - self._first) / max(seconds / (60 * self._budget.minutes), 1e-6)
            total = min(by_time, total or math.inf)
        speed = (steps - self._first) / max(seconds, 1e-6)
        self.progress.update(self._task, completed=steps, total=total, speed=speed, score=score)
