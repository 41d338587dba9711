"""RecordEpisode: everything that happens in an environment, step by step, into trajectory files."""

from __future__ import annotations

import atexit
import contextlib
import datetime
import os
import re
import tempfile
import weakref
from collections.abc import Mapping
from pathlib import Path
from typing import Any, SupportsFloat

import gymnasium
import numpy as np
import numpy.typing as npt
from gymnasium.utils import RecordConstructorArgs

from gameon_env.data_processing.open_episode import OpenEpisode
from gameon_env.data_processing.space_columns import is_rgb, space_columns, space_to_json, space_values
from gameon_env.data_processing.trajectory import (
    STEP_COLUMNS,
    Column,
    TrajectoryWriter,
    check_format,
    open_writer,
    to_json,
)
from gameon_env.errors import ActionError, ObservationError, StorageError
from wrappers.step_info import VECTORS, end_reason, score_of, single, time_of, vectors


class RecordEpisode(gymnasium.Wrapper[Any, Any, Any, Any], RecordConstructorArgs):
    """Records all episodes of an environment, ours or any other, into ``output_dir``.

    Row i of an episode holds observation i, the action taken on it and the reward that came of it; the last row has
    no action. Frames ``(H, W, 3) uint8`` go to ``video``, other observations to ``observations``; the vector in
    ``info["action"]`` goes to ``inputs`` (with ``info["presses"]`` and ``info["audio"]`` beside it), without one the
    action itself to ``actions``. Where a person and an agent share the game (``info["agent_action"]`` is there),
    ``actor`` says who acted on a row, ``human_share`` in what part of the step it was the person, and ``agent_inputs``
    what the agent would have done. ``info["t_ns"]`` gives the time of an observation, ``info["actor"]`` who played,
    ``info["end_reason"]`` why an episode ended.

    A finished episode is on the disk when the step that ended it returns. After a kill
    ``gameon recover`` brings back the unfinished one. :meth:`close`, and :meth:`reset` in the middle of an episode,
    finish it as truncated.

    Args:
        env: the environment.
        output_dir: the folder for the files; made where it is missing.
        format: ``"hdf5"``: one growing file for all episodes; ``"npz"``: one file for each.

    Raises:
        ObservationError: a space of the environment has no fixed shape.
        StorageError: the folder cannot be written, or the disk is full; what was recorded before is safe.
        TrajectoryError: the environment's ``recording_metadata`` is not made of JSON's types.
    """

    def __init__(self, env: gymnasium.Env[Any, Any], output_dir: str | os.PathLike[str], format: str = "hdf5") -> None:
        RecordConstructorArgs.__init__(self, output_dir=os.fspath(output_dir), format=format)
        gymnasium.Wrapper.__init__(self, env)
        check_format(format)
        self.output_dir = Path(output_dir)
        self._format = format
        self._look_at_spaces()
        self._writer: TrajectoryWriter | None = None
        self._episode: OpenEpisode | None = None
        self._over = False
        self._pid = os.getpid()
        self._path: Path | None = None
        _check_writable(self.output_dir)

    @property
    def recording_path(self) -> Path | None:
        """The file that is being written, or was last; None before the first step."""
        return self._path if self._writer is None else self._writer.path

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        """Reset the environment; an episode that was not over is finished as truncated first."""
        self._leave_to_parent()
        self._over = False
        self._finish("reset")
        observation, info = self.env.reset(seed=seed, options=options)
        self._look_at_spaces()
        self._begin(observation, info, seed)
        return observation, info

    def step(self, action: Any) -> tuple[Any, SupportsFloat, bool, bool, dict[str, Any]]:
        """Step the environment and record the step. An exception of the environment finishes the episode."""
        self._leave_to_parent()
        try:
            observation, reward, terminated, truncated, info = self.env.step(action)
        except BaseException as error:
            try:
                self._finish(f"error: {type(error).__name__}: {error}")
            except StorageError as storage_error:
                error.add_note(str(storage_error))
            raise
        episode = self._episode
        if episode is not None:
            try:
                observed = self._observed(observation)
                self._record(episode, action, single(reward), info)
            except (ActionError, ObservationError) as error:
                self._finish(f"error: {error}")
                raise
            episode.observed, episode.t_ns = observed, time_of(info)
            if terminated or truncated:
                self._finish(end_reason(info, bool(terminated)), terminated=bool(terminated))
                self._over = True
        elif self._over and not (terminated or truncated):
            self._begin(observation, info, None)  # an environment that resets itself: this is the next one's first
        return observation, reward, terminated, truncated, info

    def close(self) -> None:
        """Finish an open episode as truncated, close the file and the environment."""
        try:
            self._close_file("closed")
        finally:
            super().close()

    def _look_at_spaces(self) -> None:
        space = self.env.observation_space
        self._observation_name = "video" if is_rgb(space) else "observations"
        self._observation_columns = space_columns(space, self._observation_name)
        self._action_columns = space_columns(self.env.action_space, "actions")

    def _begin(self, observation: Any, info: Mapping[str, Any], seed: int | None) -> None:
        t_ns = time_of(info)
        self._episode = OpenEpisode(
            metadata=self._episode_metadata(seed, info, t_ns),
            start_ns=t_ns,
            observed=self._observed(observation),
            t_ns=t_ns,
        )
        self._over = False

    def _record(self, episode: OpenEpisode, action: Any, reward: float, info: Mapping[str, Any]) -> None:
        """Write the row of the observation before this step, whose action and reward are known now."""
        taken = vectors(info)
        if "inputs" not in taken:
            taken |= space_values(self.env.action_space, "actions", action)
        try:
            if episode.steps == 0:
                episode.columns = self._columns(taken)
                self._writer = self._writer_for(episode)
                self._writer.start_episode(episode.metadata)
            assert self._writer is not None
            self._writer.append(episode.row(taken, reward))
        except StorageError:
            self._give_up()
            raise
        episode.steps += 1
        score = score_of(info)
        if score is not None:
            episode.score = score
        actor = str(info.get("actor", "agent"))
        if actor not in episode.played_by:
            episode.played_by.append(actor)

    def _finish(self, end_reason: str, *, terminated: bool = False) -> None:
        """Finish the open episode, if there is one and it has a step."""
        episode, self._episode = self._episode, None
        if episode is None or episode.steps == 0:
            return
        assert self._writer is not None
        try:
            self._writer.append(episode.last_row(terminated))
            self._writer.end_episode(
                {
                    **episode.metadata,
                    "terminated": terminated,
                    "truncated": not terminated,
                    "end_reason": end_reason,
                    "played_by": episode.played_by,
                    **({} if episode.score is None else {"score": episode.score}),
                }
            )
        except StorageError:
            self._give_up()
            raise

    def _close_file(self, end_reason: str) -> None:
        _recording.discard(self)
        self._leave_to_parent()
        try:
            self._finish(end_reason)
        finally:
            self._close_writer()

    def _close_writer(self) -> None:
        writer, self._writer = self._writer, None
        if writer is not None:
            self._path = writer.path
            writer.close()

    def _leave_to_parent(self) -> None:
        """In a forked process: the file and the open episode stay the parent's; the next episode starts a new file."""
        if self._pid != os.getpid():
            self._pid, self._writer, self._episode = os.getpid(), None, None

    def _give_up(self) -> None:
        """After the disk refused: leave the file as it is, so that the next episode can start another."""
        self._episode = None
        self._close_writer()

    def _writer_for(self, episode: OpenEpisode) -> TrajectoryWriter:
        """The current file, or a new one where there is none or its columns are others."""
        if self._writer is not None:
            if self._writer.columns == episode.columns:
                return self._writer
            self._close_writer()
        name = re.sub(r"[^A-Za-z0-9._-]+", "-", str(episode.metadata["game"])).strip(".-") or "env"
        stamp = datetime.datetime.now().strftime("%Y%m%d_%H%M%S")
        _recording.add(self)
        return open_writer(self.output_dir, f"{name}_{stamp}_{os.getpid()}", episode.columns, self._format)

    def _columns(self, taken: Mapping[str, npt.NDArray[Any]]) -> tuple[Column, ...]:
        given = tuple(Column(n, str(taken[n].dtype), taken[n].shape) for n in (*VECTORS, "actor") if n in taken)
        actions = () if "inputs" in taken else self._action_columns
        return (*self._observation_columns, *given, *actions, *STEP_COLUMNS)

    def _observed(self, observation: Any) -> dict[str, npt.NDArray[Any]]:
        return space_values(self.env.observation_space, self._observation_name, observation)

    def _episode_metadata(self, seed: int | None, info: Mapping[str, Any], t_ns: int) -> dict[str, Any]:
        env_id = None if self.spec is None else self.spec.id
        own = dict(getattr(self.unwrapped, "recording_metadata", None) or {})
        metadata = {
            "session": None,
            "game": env_id or type(self.unwrapped).__name__,
            "env_id": env_id,
            "fps": _plain(self.metadata.get("render_fps")),
            "controls": None,
            **own,
            "seed": _plain(info.get("seed")) if seed is None else int(seed),
            "observation_space": space_to_json(self.env.observation_space),
            "action_space": space_to_json(self.env.action_space),
            "start_ns": t_ns,
            "start_time": datetime.datetime.now(datetime.UTC).isoformat(),
        }
        to_json(metadata)  # what cannot be stored is found out here, not when the episode is over
        return metadata


def _plain(value: Any) -> Any:
    """A number as JSON has it, where it is one of NumPy's."""
    return value.item() if isinstance(value, np.generic) else value


_recording: weakref.WeakSet[RecordEpisode] = weakref.WeakSet()


@atexit.register
def _close_files() -> None:
    """Keep the episodes of environments that nobody closed."""
    with contextlib.ExitStack() as stack:  # all of them, whatever one raises
        for wrapper in list(_recording):
            stack.callback(wrapper._close_file, "the process ended")


def _check_writable(folder: Path) -> None:
    """Find out before the first step whether files can be made in ``folder``."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise StorageError(
            f"nothing can be recorded into {folder}: {error.strerror or error}. Choose another output_dir."
        ) from error
