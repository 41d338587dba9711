"""Writing a LeRobot dataset, version 3.0: videos, tables of steps and of episodes, and what tells of them."""

from __future__ import annotations

import json
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from gameon_env.data_processing.trajectory import to_json
from gameon_env.export.lerobot_episode import DATA_PATH, FULL_MB, PICTURES, VIDEO_PATH, DatasetFiles, LeRobotEpisode
from gameon_env.export.lerobot_stats import Statistics
from gameon_env.export.lerobot_tables import CHUNKS_SIZE, ParquetFile, write_tasks
from gameon_env.export.lerobot_video import CODEC, PixelFormat
from gameon_env.export.plan import ExportPlan
from gameon_env.export.step_rows import OneRowLater, with_action

VERSION = "v3.0"

_EPISODES_PATH = "meta/episodes/chunk-000/file-000.parquet"
_EPISODES_AT_ONCE = 64


class LeRobotWriter:
    """Writes all episodes of an export to a new folder.

    Args:
        folder: an empty folder.
        plan: of the export.
        fps: steps a second.
        pixels: how the pictures are stored.

    Attributes:
        fps: steps a second.
        drift_s: how far the time of a step, as LeRobot counts it, is at most from when it was recorded.

    Raises (all methods):
        OSError: the disk refuses. The folder is of no use then.
    """

    def __init__(self, folder: Path, plan: ExportPlan, fps: int, pixels: PixelFormat) -> None:
        self.drift_s = 0.0
        self._folder, self._plan, self.fps, self._pixels = folder, plan, fps, pixels
        self._tasks = list(dict.fromkeys(f"Play {recording.game}." for recording in plan.recordings))
        each = zip(plan.recordings, plan.episodes, plan.rows, strict=True)
        self._next = ((f"Play {recording.game}.", rows) for recording, count, rows in each for _ in range(count))
        self._later = OneRowLater()
        self._files = DatasetFiles(folder, plan.size, fps, pixels)
        self._table = ParquetFile(folder / _EPISODES_PATH)
        self._statistics = Statistics()
        self._episode: LeRobotEpisode | None = None
        self._task = ""
        self._told: list[dict[str, Any]] = []
        self._episodes = self._frames = 0

    def append(self, rows: dict[str, Any]) -> None:
        """Append rows, ``(n, ...)`` of each column. The row that ends an episode is left out: it has no action."""
        if rows["is_first"][0]:
            self._begin()
        assert self._episode is not None, "an episode's first rows open it"
        columns = {
            "action": rows["inputs"],
            "next.reward": rows["rewards"],
            "presses": rows["presses"],
            "capture_time_ns": rows["timestamps"],
        }
        if "audio" in rows:
            columns["observation.audio"] = self._later.move(rows, "audio")
            columns["audio_mask"] = self._later.move(rows, "audio_mask")
        acted = with_action(rows)
        if acted.stop:
            self._episode.append(rows["video"][acted], {name: values[acted] for name, values in columns.items()})
            counted_s, recorded_s = (self._episode.length - 1) / self.fps, rows["timestamps"][acted][-1] / 1e9
            self.drift_s = max(self.drift_s, abs(counted_s - recorded_s))

    def end_episode(self, metadata: dict[str, Any]) -> None:
        """End the open episode, and tell what is known of it."""
        assert self._episode is not None, "an episode's first rows open it"
        told = self._episode.end(terminated=metadata["terminated"], task=self._task)
        self._told.append(told | {"gameon": to_json(metadata)})
        self._episodes += 1
        self._frames += self._episode.length
        self._episode = None
        if len(self._told) >= _EPISODES_AT_ONCE:
            self._tell()

    def finish(self) -> None:
        """Write what is known of all episodes, and what the files still hold."""
        self._files.finish()
        self._tell()
        self._table.finish()
        write_tasks(self._folder / "meta" / "tasks.parquet", self._tasks)
        for name, content in (("stats", self._statistics.result()), ("info", self._info())):
            text = json.dumps(content, indent=4, ensure_ascii=False)
            (self._folder / "meta" / f"{name}.json").write_text(text, encoding="utf-8")

    def close(self) -> None:
        """Let go of the files, finished or not."""
        with ExitStack() as stack:
            stack.callback(self._table.close)
            stack.callback(self._files.close)

    def _begin(self) -> None:
        self._task, most_rows = next(self._next)
        number = self._tasks.index(self._task)
        self._episode = LeRobotEpisode(self._files, self._episodes, self._frames, most_rows, number, self._statistics)

    def _tell(self) -> None:
        if self._told:
            place = {"meta/episodes/chunk_index": 0, "meta/episodes/file_index": 0}
            rows = [told | place for told in self._told]
            self._table.append({name: [row[name] for row in rows] for name in rows[0]})
        self._told = []

    def _info(self) -> dict[str, Any]:
        return {
            "codebase_version": VERSION,
            "robot_type": "gameon",
            "total_episodes": self._episodes,
            "total_frames": self._frames,
            "total_tasks": len(self._tasks),
            "chunks_size": CHUNKS_SIZE,
            "data_files_size_in_mb": FULL_MB["data"],
            "video_files_size_in_mb": FULL_MB["video"],
            "fps": self.fps,
            "splits": {"train": f"0:{self._episodes}"},
            "data_path": DATA_PATH,
            "video_path": VIDEO_PATH,
            "features": _features(self._plan, self.fps, self._pixels),
        }


def _features(plan: ExportPlan, fps: int, pixels: PixelFormat) -> dict[str, dict[str, Any]]:
    """Type, shape and names of each column."""
    height, width = plan.size
    controls = list(plan.controls)
    video = {
        "video.height": height,
        "video.width": width,
        "video.codec": CODEC,
        "video.pix_fmt": pixels,
        "video.is_depth_map": False,
        "video.fps": fps,
        "video.channels": 3,
        "has_audio": False,
    }
    sound = {}
    if plan.audio_width:
        sound = {"observation.audio": _feature("float32", plan.audio_width), "audio_mask": _feature("bool")}
    return {
        PICTURES: {
            "dtype": "video",
            "shape": [height, width, 3],
            "names": ["height", "width", "channels"],
            "info": video,
        },
        "action": _feature("float32", len(controls), controls),
        "next.reward": _feature("float32"),
        "presses": _feature("uint8", len(controls), controls),
        "capture_time_ns": _feature("int64"),
        **sound,
        "next.done": _feature("bool"),
        "next.truncated": _feature("bool"),
        "timestamp": _feature("float32"),
        **{name: _feature("int64") for name in ("frame_index", "episode_index", "index", "task_index")},
    }


def _feature(dtype: str, width: int = 1, names: list[str] | None = None) -> dict[str, Any]:
    return {"dtype": dtype, "shape": [width], "names": names}
