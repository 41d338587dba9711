"""Plays of the same seeded actions, each compared with the first one, frame by frame at full size."""

from __future__ import annotations

import hashlib
import time
import zlib
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from gameon_env.envs.desktop_env import DesktopEnv

Picture = npt.NDArray[np.uint8]

HOLD_STEPS = 8
"""So many steps each random action is held: games see little of keys that change with every frame."""

PRESSED = 0.4
"""How likely each key is held."""

KEPT_BYTES = 400_000_000
"""So much of the first run's frames, compressed, is kept, to say where in the picture another run parts from it."""


@dataclass(frozen=True, slots=True)
class Parting:
    """Where a run parts from the first one.

    Attributes:
        frame: the first frame that differs; 0 is that of the first reset, and each step or reset is one more.
        count: how many frames differ in all, of ``frames``.
        what: ``picture``, ``size``, or ``reward or end``.
        pixels: how many pixels of that frame differ; 0 where it was not kept.
        box: ``(left, top, width, height)`` around those pixels; None where the frame was not kept.
    """

    frame: int
    count: int
    frames: int
    what: str
    pixels: int = 0
    box: tuple[int, int, int, int] | None = None

    def __str__(self) -> str:
        text = f"part at frame {self.frame} ({self.what}); {self.count} of {self.frames} differ"
        if self.box is not None:
            left, top, width, height = self.box
            text += f"; there {self.pixels} pixels, in x {left}-{left + width - 1}, y {top}-{top + height - 1}"
        return text


@dataclass
class Run:
    """One play of so many steps, over as many episodes as they take.

    Attributes:
        sums: a checksum of each frame, those of the resets included.
        results: ``(reward, terminated, truncated)`` of each frame.
        ends: why its episodes ended.
        cold_starts_s: real seconds of each reset that launched the game; ``warm_resets_s`` of the others.
        spent_s: real seconds of all steps together.
        compared: whether it was compared with the first one; that one itself is not.
        unseen_waits: what the game waited for that the virtual clock does not see.
        parting: where it differs from the first run; None where it does not.
        unread: readers of the score and the rewards that could be read in none of its episodes.
    """

    name: str
    steps: int = 0
    sums: list[bytes] = field(default_factory=list)
    results: list[tuple[float, bool, bool]] = field(default_factory=list)
    ends: list[str] = field(default_factory=list)
    cold_starts_s: list[float] = field(default_factory=list)
    warm_resets_s: list[float] = field(default_factory=list)
    spent_s: float = 0.0
    unseen_waits: list[str] = field(default_factory=list)
    compared: bool = False
    parting: Parting | None = None
    unread: tuple[str, ...] | None = None

    @property
    def starts_s(self) -> list[float]:
        """Real seconds of each reset, launches first."""
        return self.cold_starts_s + self.warm_resets_s

    @property
    def steps_per_s(self) -> float:
        """Steps in a second of real time, resets left out."""
        return self.steps / self.spent_s if self.spent_s else 0.0

    @property
    def different_frames(self) -> int:
        """How many of its frames are no copy of another one."""
        return len(set(self.sums))


class Comparison:
    """Plays runs, and compares each with the first one.

    Args:
        steps: of each run.
        seed: of the first episode of each run; the next episode has the next one.
    """

    def __init__(self, steps: int, seed: int) -> None:
        self.steps = steps
        self.seed = seed
        self._first: Run | None = None
        self._kept: list[tuple[bytes, tuple[int, ...]]] = []
        self._kept_bytes = 0
        self._seen: tuple[int, Picture] | None = None

    def play(self, env: DesktopEnv, name: str, *, actions: int) -> Run:
        """One run; the first one is what the others are compared with.

        Args:
            env: in lockstep, with ``render_mode="rgb_array"``.
            actions: the seed of the actions.

        Raises:
            GameOnError: the game cannot be launched, or not be played on.
        """
        run, seed, playing = Run(name), self.seed, False
        self._seen = None
        rng = np.random.default_rng(actions)
        action = draw_action(env, rng)
        for step in range(self.steps):
            if not playing:
                self._reset(env, run, seed)
                seed, playing = seed + 1, True
            if step % HOLD_STEPS == 0:
                action = draw_action(env, rng)
            start = time.perf_counter()
            _, reward, terminated, truncated, info = env.step(action)
            run.spent_s += time.perf_counter() - start
            run.steps += 1
            self._look(env, run, (reward, terminated, truncated))
            if terminated or truncated or step == self.steps - 1:
                playing = False
                run.ends += [info["end_reason"]] if "end_reason" in info else []
                run.unseen_waits += env.live_game.time.unseen_waits
                run.unread = tuple(name for name in env.unread if run.unread is None or name in run.unread)
                self.end_episode(env, run)
        if self._first is None:
            self._first = run
        else:
            run.compared, run.parting = True, self._compare(self._first, run)
        return run

    def begin_episode(self, env: DesktopEnv, run: Run) -> None:
        """For who measures more: called after each reset."""

    def end_episode(self, env: DesktopEnv, run: Run) -> None:
        """For who measures more: called after the last step of each episode."""

    def _reset(self, env: DesktopEnv, run: Run, seed: int) -> None:
        start = time.perf_counter()
        _, info = env.reset(seed=seed)
        spent = time.perf_counter() - start
        (run.cold_starts_s if "seed" in info else run.warm_resets_s).append(spent)
        self._look(env, run, (0.0, False, False))
        self.begin_episode(env, run)

    def _look(self, env: DesktopEnv, run: Run, result: tuple[float, bool, bool]) -> None:
        picture = env.render()
        assert picture is not None
        number = len(run.sums)
        run.sums.append(checksum(picture))
        run.results.append(result)
        first = self._first
        if first is None:
            self._keep(picture)
        elif self._seen is None and number < len(first.sums) and run.sums[number] != first.sums[number]:
            self._seen = number, picture.copy()

    def _keep(self, picture: Picture) -> None:
        if self._kept_bytes < KEPT_BYTES:
            packed = zlib.compress(picture.tobytes(), 1)
            self._kept.append((packed, picture.shape))
            self._kept_bytes += len(packed)

    def _compare(self, first: Run, run: Run) -> Parting | None:
        count = min(len(first.sums), len(run.sums))  # a run whose episodes are more has more resets
        seen = [number for number in range(count) if first.sums[number] != run.sums[number]]
        if not seen:
            judged = [number for number in range(count) if first.results[number] != run.results[number]]
            return Parting(judged[0], len(judged), count, "reward or end") if judged else None
        assert self._seen is not None
        number, there = self._seen
        if number >= len(self._kept):
            return Parting(number, len(seen), count, "picture")
        packed, shape = self._kept[number]
        if shape != there.shape:
            return Parting(number, len(seen), count, f"size: {shape[1]}x{shape[0]}, {there.shape[1]}x{there.shape[0]}")
        here = np.frombuffer(zlib.decompress(packed), np.uint8).reshape(shape)
        rows, columns = np.nonzero((here != there).any(axis=2))
        left, top = int(columns.min()), int(rows.min())
        box = left, top, int(columns.max()) - left + 1, int(rows.max()) - top + 1
        return Parting(number, len(seen), count, "picture", len(rows), box)


def draw_action(env: DesktopEnv, rng: np.random.Generator) -> npt.NDArray[np.float32]:
    """A random action: each key held or not, each axis anywhere."""
    buttons = env.controls.is_button
    drawn = rng.random(len(env.controls))
    return np.where(buttons, drawn < PRESSED, drawn * 2 - 1).astype(np.float32)


def checksum(picture: Picture) -> bytes:
    """Of a picture's size and pixels."""
    return hashlib.blake2b(picture.tobytes(), digest_size=16, salt=b"%dx%d" % picture.shape[:2]).digest()
