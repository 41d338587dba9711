"""The folder of a training: what was asked for, how far it is, and all that it needs to go on."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from gameon_env.errors import PolicyError, StorageError
from gameon_env.learning.augmentation import Mirror
from gameon_env.learning.rl_settings import Settings
from gameon_env.learning.sb3_agents import spec_of
from gameon_env.learning.sb3_replay_file import load_replay_buffer, replay_buffer_of, save_replay_buffer
from gameon_env.learning.sb3_storage import load_agent, save_agent
from gameon_env.optional import require

require("stable_baselines3", "Training agents")
from stable_baselines3.common.base_class import BaseAlgorithm  # noqa: E402
from stable_baselines3.common.vec_env import VecEnv  # noqa: E402

FORMAT_VERSION = 1
MAX_SEED = 2**31
RUN, CHECKPOINT, OLDER, NEWER = "run.json", "checkpoint", ".checkpoint.old", ".checkpoint.new"
AGENT, REPLAY, PROGRESS = "agent.safetensors", "replay.safetensors", "progress.json"
BEST = "best.json"


@dataclass(frozen=True)
class RunSpec:
    """What is trained on what.

    Attributes:
        game: a profile's name, or the path of its file.
        game_name: the profile's name.
        time: ``real`` or ``lockstep``.
        envs: games side by side.
        display: of the environments.
        seed: of weights, draws and episodes.
        device: PyTorch's name of it.
        settings: see there.
        data, mirror: recordings that it learns from while it plays, as :class:`~gameon_env.learning.sb3_imitation
            .Imitation` takes them; None: none.
        evaluate_every: steps between evaluations; 0: never.
        evaluation_episodes: in each, always the same: the best is told by them.
    """

    game: str
    game_name: str
    time: str
    envs: int
    display: str
    seed: int
    device: str
    settings: Settings
    data: str | None = None
    mirror: Mirror = "none"
    evaluate_every: int = 10_000
    evaluation_episodes: int = 3


@dataclass(frozen=True)
class Progress:
    """How far a training is.

    Attributes:
        steps: taken.
        seconds: it took.
        best_return: mean sum of rewards of the best evaluation; None before the first.
        best_steps: after so many steps.
        evaluated_steps: when it was evaluated last; -1 before the first time.
    """

    steps: int = 0
    seconds: float = 0.0
    best_return: float | None = None
    best_steps: int = 0
    evaluated_steps: int = -1

    def moved(self, **changes: Any) -> Progress:
        return replace(self, **changes)


@dataclass
class RunFolder:
    """A training's folder.

    ``run.json`` says what it is; ``checkpoint/`` is where it goes on (agent, replay buffer, progress: all of one
    moment); ``policy.safetensors`` is the best policy as ``gameon play`` takes it, ``best_agent.safetensors`` the same
    as an agent, and ``best.json`` how good it was; ``curve.jsonl`` and TensorBoard's events the learning curve;
    ``videos/`` the evaluations.
    """

    path: Path
    spec: RunSpec
    progress: Progress = field(default_factory=Progress)

    @classmethod
    def create(cls, path: Path, spec: RunSpec) -> RunFolder:
        """A new folder, which is made by :meth:`begin`.

        Raises:
            StorageError: it is there already.
        """
        if path.exists() and any(path.iterdir() if path.is_dir() else [path]):
            raise StorageError(f"{path} is there already: go on with it by --resume {path}, or choose another --output")
        return cls(path, spec)

    @classmethod
    def open(cls, path: Path) -> RunFolder:
        """A folder that a training left.

        Raises:
            PolicyError: it is none, or damaged, or of a newer version.
        """
        data = _read_json(path / RUN, f"{path} is no folder of a training: 'gameon train ppo --output DIR' makes one")
        try:
            version = int(data.pop("version"))
            if version > FORMAT_VERSION:
                raise PolicyError(f"{path} has format version {version}, this gameon-env reads up to {FORMAT_VERSION}")
            spec = RunSpec(**{**data, "settings": Settings.from_json(data["settings"])})
        except (KeyError, TypeError, ValueError) as error:
            if isinstance(error, PolicyError):
                raise
            raise PolicyError(f"{path / RUN} is damaged: {error!r}") from error
        folder = cls(path, spec)
        said = _read_json(
            folder.checkpoint / PROGRESS,
            f"{path} holds no checkpoint: that training ended before its first one; begin anew",
        )
        try:
            folder.progress = Progress(**said)
        except TypeError as error:
            raise PolicyError(f"{folder.checkpoint / PROGRESS} is damaged: {error}") from error
        if (path / BEST).exists():  # it may be newer than the checkpoint
            found = _read_json(path / BEST, "")
            try:
                folder.progress = folder.progress.moved(
                    best_return=float(found["return"]), best_steps=int(found["steps"])
                )
            except (KeyError, TypeError, ValueError) as error:
                raise PolicyError(f"{path / BEST} is damaged: {error!r}") from error
        return folder

    def begin(self) -> None:
        """Make the folder, with ``run.json``: before this, nothing is left of a training that could not begin.

        Raises:
            StorageError: it cannot be made.
        """
        try:
            (self.path / "videos").mkdir(parents=True, exist_ok=True)
            _write_json(self.path / RUN, {"version": FORMAT_VERSION, **asdict(self.spec)})
        except OSError as error:
            raise StorageError(f"{self.path} cannot be made: {error.strerror}") from error

    @property
    def checkpoint(self) -> Path:
        """Where the newest whole checkpoint lies; a kill while one takes the other's place leaves the older."""
        newest = self.path / CHECKPOINT
        return newest if newest.exists() or not (self.path / OLDER).exists() else self.path / OLDER

    @property
    def policy(self) -> Path:
        return self.path / "policy.safetensors"

    @property
    def best_agent(self) -> Path:
        return self.path / "best_agent.safetensors"

    def video(self, steps: int) -> Path:
        """Where the video of the evaluation after ``steps`` goes; an older one there is dropped."""
        path = self.path / "videos" / f"step_{steps:09d}.mp4"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.unlink(missing_ok=True)
        return path

    def change(self, **changes: Any) -> None:
        """Go on with another device, other evaluations or settings, from here on and after the next resume.

        Raises:
            StorageError: it cannot be written.
        """
        self.spec = replace(self.spec, **changes)
        self.begin()

    def keep_best(self, mean_return: float, steps: int) -> None:
        """Note how good the policy and the agent are that lie here as the best.

        Raises:
            StorageError: it cannot be written.
        """
        self.progress = self.progress.moved(best_return=mean_return, best_steps=steps)
        try:
            _write_json(self.path / BEST, {"return": mean_return, "steps": steps})
        except OSError as error:
            raise StorageError(f"{self.path / BEST} cannot be written: {error.strerror}") from error

    def save(self, agent: BaseAlgorithm, seconds: float) -> None:
        """Keep the agent, its replay buffer and the progress. A kill meanwhile leaves the last whole checkpoint.

        Raises:
            StorageError: it cannot be written; the last one is still there.
        """
        self.progress = self.progress.moved(steps=agent.num_timesteps, seconds=round(seconds, 2))
        newer, newest, older = (self.path / name for name in (NEWER, CHECKPOINT, OLDER))
        try:
            shutil.rmtree(newer, ignore_errors=True)
            newer.mkdir(parents=True)
            save_agent(agent, newer / AGENT)
            buffer = replay_buffer_of(agent)
            if buffer is not None:
                save_replay_buffer(buffer, newer / REPLAY)
            _write_json(newer / PROGRESS, asdict(self.progress))
            if newest.exists():
                shutil.rmtree(older, ignore_errors=True)
                newest.rename(older)
            newer.rename(newest)
            shutil.rmtree(older, ignore_errors=True)
        except OSError as error:
            if isinstance(error, StorageError):
                raise
            raise StorageError(f"no checkpoint could be written to {self.path}: {error.strerror}") from error

    def load(self, env: VecEnv, changes: Mapping[str, Any] | None = None) -> BaseAlgorithm:
        """The agent of the checkpoint, with its replay buffer.

        Args:
            env: of the same game, actions and frames.
            changes: hyperparameters in place of those that were kept.

        Raises:
            PolicyError: it is damaged, or the environment is another one.
        """
        agent = load_agent(self.checkpoint / AGENT, env, **{"device": self.spec.device, **(changes or {})})
        # Other draws and episodes than those that it began with.
        agent.set_random_seed((self.spec.seed + agent.num_timesteps) % MAX_SEED)
        if agent.num_timesteps != self.progress.steps or spec_of(agent).algorithm != self.spec.settings.algorithm:
            raise PolicyError(
                f"{self.checkpoint} is damaged: its agent is {spec_of(agent).algorithm} after {agent.num_timesteps} "
                f"steps, expected {self.spec.settings.algorithm} after {self.progress.steps}"
            )
        buffer = replay_buffer_of(agent)
        if buffer is not None:
            load_replay_buffer(buffer, self.checkpoint / REPLAY)
        return agent


def _write_json(path: Path, data: Mapping[str, Any]) -> None:
    partial = path.with_name(f".{path.name}.partial")
    with partial.open("w", encoding="utf-8") as file:
        file.write(json.dumps(data, indent=1))
        file.flush()
        os.fsync(file.fileno())
    partial.replace(path)


def _read_json(path: Path, otherwise: str) -> dict[str, Any]:
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise PolicyError(otherwise) from error
    except (OSError, ValueError) as error:
        raise PolicyError(f"{path} cannot be read: {error}") from error
    if not isinstance(data, dict):
        raise PolicyError(f"{path} is damaged: expected a JSON object")
    return data
