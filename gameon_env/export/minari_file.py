"""Writing a Minari dataset: ``data/main_data.hdf5`` row by row, and ``data/metadata.json`` at the end.

Its layout is that of Minari 0.5.4, the first that reads frames which are not JPEG; Minari itself is not needed.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np

from gameon_env.data_processing.trajectory import to_json
from gameon_env.export.hdf5_rows import Compression, Hdf5Rows, NewHdf5File
from gameon_env.export.output_folder import stored_size
from gameon_env.export.plan import ExportPlan
from gameon_env.export.step_rows import OneRowLater, seed_of, with_action
from gameon_env.keys import BUTTONS

MINARI_VERSION = "0.5.4"
"""Of the layout. Older ones take all images for JPEG, and refuse a dataset of this version."""

DATASET_ID = re.compile(r"(?:[-\w][-\w/]*[-\w]+/)?[-\w]+?-v\d+")
"""As Minari's own, which here always needs its version."""

_LATER = ("presses", "audio", "audio_mask")


class MinariWriter:
    """Writes all episodes of an export to a new folder.

    Args:
        folder: an empty folder.
        plan: of the export.
        dataset_id: the dataset's name, as ``minari.load_dataset`` takes it.
        compression: of all columns; ``video`` comes packed by what :func:`pack_of` it is.

    Raises (all methods):
        OSError: the disk refuses. The folder is of no use then.
    """

    def __init__(self, folder: Path, plan: ExportPlan, dataset_id: str, compression: Compression | None) -> None:
        self._folder, self._plan, self._dataset_id, self._compression = folder / "data", plan, dataset_id, compression
        self._folder.mkdir()
        path = self._folder / "main_data.hdf5"
        path.touch()
        self._new = NewHdf5File(path)
        self._group: Any = None
        self._later = OneRowLater()
        self._episodes = self._steps = 0
        self._told: list[dict[str, Any]] = []

    def append(self, rows: dict[str, Any]) -> None:
        """Append rows, ``(n, ...)`` of each column; ``video`` packed."""
        if rows["is_first"][0]:
            self._group = self._new.file.create_group(f"episode_{self._episodes}")
            self._rows = Hdf5Rows(self._group, self._compression, len(rows["is_first"]))
        acted = with_action(rows)
        self._rows.append_pictures("observations", rows["video"], self._plan.size)
        self._rows.append("actions", rows["inputs"][acted])
        self._rows.append("rewards", rows["rewards"][acted])
        self._rows.append("infos/timestamps", rows["timestamps"])
        for name in _LATER:
            if name in rows:
                self._rows.append(f"infos/{name}", self._later.move(rows, name))
        self._new.check()

    def end_episode(self, metadata: dict[str, Any]) -> None:
        """End the open episode, and tell what is known of it."""
        steps = metadata["last_row"] - metadata["first_row"]
        for name, ended in (("terminations", metadata["terminated"]), ("truncations", metadata["truncated"])):
            flags = np.zeros(steps, bool)
            flags[-1] = ended
            self._rows.append(name, flags)
        attributes: dict[str, Any] = {"id": self._episodes, "total_steps": steps, "gameon": to_json(metadata)}
        if (seed := seed_of(metadata)) is not None:
            attributes["seed"] = seed
        self._group.attrs.update(attributes)
        self._told.append(metadata)
        self._episodes += 1
        self._steps += steps
        self._new.check()

    def finish(self) -> None:
        """Write ``metadata.json``, and all that HDF5 still holds."""
        self._new.finish()
        height, width = self._plan.size
        games = sorted({str(told["game"]) for told in self._told})
        controls = self._plan.controls
        metadata = {
            "total_episodes": self._episodes,
            "total_steps": self._steps,
            "data_format": "hdf5",
            "jpeg_encoding": False,
            "observation_space": json.dumps(_box("uint8", np.zeros((height, width, 3), int), 255)),
            "action_space": json.dumps(_action_space(controls)),
            "dataset_id": self._dataset_id,
            "minari_version": MINARI_VERSION,
            "dataset_size": round(stored_size(self._folder) / 1e6, 1),
            "algorithm_name": ", ".join(_players(self._told)) or "unknown",
            "description": (
                f"Recordings of {', '.join(games)}. Observations are frames ({height}, {width}, 3) uint8 RGB. The "
                f"columns of actions are {', '.join(controls)}. infos has, with the observation that came after a "
                "step, how often each was pressed in it (presses), and the time in ns (timestamps)."
            ),
            "controls": list(controls),
            "games": games,
        }
        (self._folder / "metadata.json").write_text(json.dumps(metadata), encoding="utf-8")

    def close(self) -> None:
        """Let go of the file, finished or not."""
        self._new.close()


def _players(told: list[dict[str, Any]]) -> list[str]:
    """Who played, each once."""
    return list(dict.fromkeys(str(player) for episode in told for player in episode.get("played_by") or ()))


def _action_space(controls: tuple[str, ...]) -> dict[str, Any]:
    """Keys and buttons in [0, 1]; what was recorded of an axis has no bounds."""
    button = np.array([name in BUTTONS for name in controls])
    return _box("float32", np.where(button, 0.0, -np.inf), np.where(button, 1.0, np.inf))


def _box(dtype: str, low: Any, high: Any) -> dict[str, Any]:
    """A Box as Minari writes it, with all its bounds."""
    low, high = np.broadcast_arrays(low, high)
    return {"type": "Box", "dtype": dtype, "shape": list(low.shape), "low": low.tolist(), "high": high.tolist()}
