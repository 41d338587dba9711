"""Evaluation: let an actor play live episodes, and say how it did beside others."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Protocol

import gymnasium as gym
import numpy as np
import numpy.typing as npt
from rich.table import Table

from gameon_env.keys import AXES

if TYPE_CHECKING:
    from gameon_env.data_processing.trajectory import Episode

Action = npt.NDArray[np.float32]
Env = gym.Env[Any, Any]


class Actor(Protocol):
    """Whoever plays: a :class:`~gameon_env.learning.policy.Policy`, or one of the random ones here."""

    name: str

    def reset(self, seed: int | None = None) -> None: ...

    def act(self, observation: npt.NDArray[np.uint8]) -> Action: ...


@dataclass(frozen=True)
class Result:
    """How an actor did.

    Attributes:
        name: who played.
        scores: final score of each episode: as read from the screen, or the sum of rewards where there is no such.
        returns: sum of rewards of each episode.
        lengths: steps of each episode.
        end_reasons: why each ended; ``""`` where the environment does not say.
        latencies_ms: per step, from an observation's capture to the injection of the action that answers it;
            empty for recordings and for environments that do not tell.
        seeds: of the episodes, where they are known.
    """

    name: str
    scores: tuple[float, ...]
    lengths: tuple[int, ...] = ()
    end_reasons: tuple[str, ...] = ()
    latencies_ms: tuple[float, ...] = ()
    seeds: tuple[int, ...] = ()
    returns: tuple[float, ...] = ()

    def by_rewards(self) -> Result:
        """The same with the sums of rewards for scores, to be compared with what has no other score."""
        return replace(self, scores=self.returns)

    @property
    def mean(self) -> float:
        return float(np.mean(self.scores)) if self.scores else math.nan

    @property
    def std(self) -> float:
        """Spread between episodes (of the sample; 0 for a single one)."""
        return float(np.std(self.scores, ddof=1)) if len(self.scores) > 1 else 0.0

    def latency_ms(self, percentile: float) -> float:
        """A percentile of the loop's latency, NaN where it is not known."""
        return float(np.percentile(self.latencies_ms, percentile)) if self.latencies_ms else math.nan


def evaluate(
    env: Env | Callable[[], Env],
    actor: Actor,
    seeds: Sequence[int],
    *,
    on_step: Callable[[Env, Action, float], None] | None = None,
    on_episode: Callable[[int, float], None] | None = None,
) -> Result:
    """Play one episode per seed.

    Args:
        env: an environment, left open; or what makes one, which is closed at the end.
        actor: who plays.
        seeds: of the episodes.
        on_step: called after each step with environment, action and reward, for pictures and progress.
        on_episode: called after each episode with its number from 0 and its score.

    Returns:
        the scores: the last readable ``info["raw_score"]``, or the sum of rewards where there is no such score.
    """
    if not isinstance(env, gym.Env):
        made = env()
        try:
            return evaluate(made, actor, seeds, on_step=on_step, on_episode=on_episode)
        finally:
            made.close()
    scores, returns, lengths, end_reasons, latencies_ms = [], [], [], [], []
    for number, seed in enumerate(seeds):
        observation, info = env.reset(seed=seed)
        actor.reset(seed)
        score, rewards, steps, over = math.nan, 0.0, 0, False
        while not over:
            action = actor.act(observation)
            seen_ns = info.get("t_ns")
            observation, reward, terminated, truncated, info = env.step(action)
            if seen_ns is not None and "inject_t_ns" in info:
                latencies_ms.append((info["inject_t_ns"] - seen_ns) / 1e6)
            rewards += float(reward)
            steps += 1
            score = _readable(info.get("raw_score"), score)
            over = terminated or truncated
            if on_step is not None:
                on_step(env, action, float(reward))
        scores.append(rewards if math.isnan(score) else score)
        returns.append(rewards)
        lengths.append(steps)
        end_reasons.append(str(info.get("end_reason", "")))
        if on_episode is not None:
            on_episode(number, scores[-1])
    return Result(
        actor.name,
        tuple(scores),
        tuple(lengths),
        tuple(end_reasons),
        tuple(latencies_ms),
        tuple(map(int, seeds)),
        tuple(returns),
    )


def recorded_result(episodes: Iterable[Episode], name: str = "recording") -> Result:
    """The scores of recorded episodes; sums of rewards where not all tell one (:func:`tells_scores`)."""
    known = list(episodes)
    returns = tuple(float(episode.rewards[episode.is_valid].sum()) for episode in known)
    return Result(
        name,
        scores=tuple(float(episode.metadata["score"]) for episode in known) if tells_scores(known) else returns,
        returns=returns,
        lengths=tuple(episode.num_steps for episode in known),
        end_reasons=tuple(str(episode.metadata.get("end_reason", "")) for episode in known),
    )


def tells_scores(episodes: Iterable[Episode]) -> bool:
    """Whether all of them tell the score that was last read from the screen, as those of games that have one do."""
    return all(episode.metadata.get("score") is not None for episode in episodes)


class RandomFresh:
    """A fresh sample of the action space at each step."""

    name = "random, fresh each step"

    def __init__(self, env: Env, seed: int | None = None) -> None:
        self._space = env.action_space
        self._space.seed(seed)

    def reset(self, seed: int | None = None) -> None:
        self._space.seed(seed)

    def act(self, observation: npt.NDArray[np.uint8]) -> Action:
        action: Action = self._space.sample()
        return action


class RandomHeld:
    """Each control gets a random value and keeps it for 0.25 to 1 s: a more human kind of random play.

    Keys and buttons are held half of the time; axes move evenly within their bounds.
    """

    name = "random, held 0.25-1 s"

    def __init__(self, env: Env, seed: int | None = None) -> None:
        controls, metadata = env.unwrapped.controls, env.unwrapped.recording_metadata  # type: ignore[attr-defined]
        self._is_axis = np.array([name in AXES for name in controls.names])
        self._fps = float(metadata["fps"])
        self.reset(seed)

    def reset(self, seed: int | None = None) -> None:
        self._rng = np.random.default_rng(seed)
        self._left = np.zeros(len(self._is_axis), dtype=np.int64)
        self._value = np.zeros(len(self._is_axis), dtype=np.float32)

    def act(self, observation: npt.NDArray[np.uint8]) -> Action:
        count = len(self._is_axis)
        axes, buttons = self._rng.uniform(-1, 1, count), self._rng.integers(0, 2, count)
        steps = np.ceil(self._rng.uniform(0.25, 1.0, count) * self._fps).astype(np.int64)
        new = self._left <= 0
        self._value = np.where(new, np.where(self._is_axis, axes, buttons), self._value).astype(np.float32)
        self._left = np.where(new, steps, self._left) - 1
        return self._value.copy()


def score_table(results: Sequence[Result], reference: str | None = None) -> Table:
    """Mean and spread of each, and, where ``reference`` names one of them, the share of its score.

    The last column puts the best random actor at 0 % and the reference at 100 %.
    """
    table = Table(title="Scores")
    for column in ("who", "episodes", "mean", "± std", "of reference", "above random", "loop latency p50 / p99"):
        table.add_column(column, justify="left" if column == "who" else "right")
    means = {result.name: result.mean for result in results}
    random = max((mean for name, mean in means.items() if name.startswith("random")), default=math.nan)
    best = means.get(reference, math.nan) if reference else math.nan
    for result in results:
        table.add_row(
            result.name,
            str(len(result.scores)),
            f"{result.mean:.1f}",
            f"{result.std:.1f}",
            _percent(result.mean, best),
            _percent(result.mean - random, best - random),
            f"{result.latency_ms(50):.1f} / {result.latency_ms(99):.1f} ms" if result.latencies_ms else "",
        )
    return table


def _percent(part: float, whole: float) -> str:
    # Of a reference that has lost more than it gained, or is no better than random play, there are no shares.
    if math.isnan(part) or math.isnan(whole) or whole <= 0:
        return ""
    return f"{100 * part / whole:.0f} %"


def _readable(score: Any, otherwise: float) -> float:
    return otherwise if score is None or math.isnan(float(score)) else float(score)
