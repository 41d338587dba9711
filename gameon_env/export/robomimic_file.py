"""Writing a robomimic file: a group for each episode, the frames as one of its observations."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from gameon_env.data_processing.trajectory import to_json
from gameon_env.export.hdf5_rows import Compression, Hdf5Rows, NewHdf5File
from gameon_env.export.plan import ExportPlan
from gameon_env.export.step_rows import OneRowLater, after_action, seed_of, with_action

PICTURES = "screen"
"""The observation that holds the frames."""

_GYM_TYPE = 2  # robomimic.envs.env_base.EnvType.GYM_TYPE


class RobomimicWriter:
    """Writes all episodes of an export to a new file.

    Args:
        path: an empty file.
        plan: of the export.
        compression: of all columns; ``video`` comes packed by what :func:`pack_of` it is.
        next_obs: whether to write ``next_obs``.

    Raises (all methods):
        OSError: the disk refuses. The file is of no use then.
    """

    def __init__(self, path: Path, plan: ExportPlan, compression: Compression | None, *, next_obs: bool) -> None:
        self._plan, self._compression, self._next_obs = plan, compression, next_obs
        self._new = NewHdf5File(path)
        self._data = self._new.file.create_group("data")
        self._later = OneRowLater()
        self._demo: Any = None
        self._demos = self._samples = 0
        self._games: set[str] = set()

    def append(self, rows: dict[str, Any]) -> None:
        """Append rows, ``(n, ...)`` of each column; ``video`` packed."""
        if rows["is_first"][0]:
            self._demo = self._data.create_group(f"demo_{self._demos}")
            self._rows = Hdf5Rows(self._demo, self._compression, len(rows["is_first"]))
        acted = with_action(rows)
        for name, column in (("actions", "inputs"), *((name, name) for name in ("rewards", "presses", "timestamps"))):
            self._rows.append(name, rows[column][acted])
        self._rows.append("dones", rows["is_terminal"][after_action(rows)].astype(np.int64))
        heard = {}
        if "audio" in rows:
            heard["audio"] = self._later.move(rows, "audio")
            # One number a row, as robomimic takes what is no picture.
            heard["audio_mask"] = self._later.move(rows, "audio_mask").astype(np.float32)[:, None]
        for group, part in (("obs", acted), *([("next_obs", after_action(rows))] if self._next_obs else [])):
            self._rows.append_pictures(f"{group}/{PICTURES}", rows["video"][part], self._plan.size)
            for name, values in heard.items():
                self._rows.append(f"{group}/{name}", values[part])
        self._new.check()

    def end_episode(self, metadata: dict[str, Any]) -> None:
        """End the open episode, and tell what is known of it."""
        samples = metadata["last_row"] - metadata["first_row"]
        self._demo.attrs["num_samples"] = samples
        self._demo.attrs["gameon"] = to_json(metadata)
        if (seed := seed_of(metadata)) is not None:
            self._demo.attrs["seed"] = seed
        self._games.add(str(metadata["game"]))
        self._demos += 1
        self._samples += samples
        self._new.check()

    def finish(self) -> None:
        """Write what is known of all episodes, and all that HDF5 still holds."""
        controls = list(self._plan.controls)
        about = {"env_name": ", ".join(sorted(self._games)), "type": _GYM_TYPE, "env_kwargs": {}, "controls": controls}
        self._data.attrs["total"] = self._samples
        self._data.attrs["env_args"] = json.dumps(about)
        self._data.attrs["controls"] = controls
        self._new.finish()

    def close(self) -> None:
        """Close the file, finished or not."""
        self._new.close()
