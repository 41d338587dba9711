"""One episode of a LeRobot dataset while it is written, and the files in which it lies beside others."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np

from gameon_env.datasets.recording import Pixels
from gameon_env.export.lerobot_stats import Statistics
from gameon_env.export.lerobot_tables import ParquetFile, file_name
from gameon_env.export.lerobot_video import LeRobotVideo, PixelFormat

PICTURES = "observation.images.screen"
DATA_PATH = "data/chunk-{chunk_index:03d}/file-{file_index:03d}.parquet"
VIDEO_PATH = "videos/{video_key}/chunk-{chunk_index:03d}/file-{file_index:03d}.mp4"

_LAST_S = 1000
"""Of a video with several episodes. LeRobot looks a frame up by its time in the video as float32, to 0.1 ms; from
1024 s on these numbers are further apart, and the sum of where an episode begins and a time in it may be the next one.
An episode that begins at 0 can be of any length."""
FULL_MB = {"data": 100, "video": 200}
"""Where no other episode begins in a file; LeRobot's own."""
_GROUP_ROWS = 4096


class DatasetFiles:
    """The videos and the tables of steps, each with several episodes.

    Args:
        folder: of the dataset.
        size: ``(height, width)`` of the pictures.
        fps: steps a second.
        pixels: how the pictures are stored.
    """

    def __init__(self, folder: Path, size: tuple[int, int], fps: int, pixels: PixelFormat) -> None:
        self._folder, self._size, self.fps, self._pixels = folder, size, fps, pixels
        self.data_number = self.video_number = -1
        self.data: ParquetFile | None = None
        self.video: LeRobotVideo | None = None

    def start_episode(self, most_rows: int) -> tuple[ParquetFile, LeRobotVideo]:
        """Where the next episode goes, which has at most so many rows."""
        if self.data is not None and self.data.size_bytes >= FULL_MB["data"] << 20:
            self.data.finish()
            self.data = None
        if self.video is not None and (
            self.video.frames + most_rows > _LAST_S * self.fps or self.video.size_bytes >= FULL_MB["video"] << 20
        ):
            self.video.finish()
            self.video = None
        if self.data is None:
            self.data_number += 1
            self.data = ParquetFile(self._path(DATA_PATH, self.data_number))
        if self.video is None:
            self.video_number += 1
            file = self._path(VIDEO_PATH, self.video_number).open("wb")
            self.video = LeRobotVideo(file, self._size, self.fps, self._pixels)
        return self.data, self.video

    def finish(self) -> None:
        """End the files that are open."""
        for file in (self.data, self.video):
            if file is not None:
                file.finish()

    def close(self) -> None:
        """Let go of them, finished or not."""
        with ExitStack() as stack:
            for file in (self.data, self.video):
                if file is not None:
                    stack.callback(file.close)

    def _path(self, pattern: str, number: int) -> Path:
        path = self._folder / pattern.format(video_key=PICTURES, **file_name(number))
        path.parent.mkdir(parents=True, exist_ok=True)
        return path


class LeRobotEpisode:
    """One episode.

    Args:
        files: where it goes.
        number: of the episode.
        first: row of the dataset at which it begins.
        most_rows: how many it has at most.
        task: number of its task.
        all_statistics: of the dataset, to which it is added.
    """

    def __init__(
        self, files: DatasetFiles, number: int, first: int, most_rows: int, task: int, all_statistics: Statistics
    ) -> None:
        self._files, self._number, self._first, self._task = files, number, first, task
        self._data, self._video = files.start_episode(most_rows)
        self._begin = self._video.frames
        self._statistics, self._all_statistics = Statistics(), all_statistics
        self._waiting: list[dict[str, Any]] = []
        self.length = 0

    def append(self, pictures: Pixels, columns: dict[str, Any]) -> None:
        """Append rows: pictures ``(n, h, w, 3) uint8``, and ``(n, ...)`` of each recorded column."""
        # What is written can be changed no more, and the last row tells how the episode ended.
        if sum(len(rows["index"]) for rows in self._waiting) >= _GROUP_ROWS:
            self._write()
        count = len(pictures)
        place = np.arange(self.length, self.length + count)
        ends = {"next.done": np.zeros(count, bool), "next.truncated": np.zeros(count, bool)}
        made = {
            "timestamp": (place / self._files.fps).astype(np.float32),
            "frame_index": place,
            "episode_index": np.full(count, self._number),
            "index": self._first + place,
            "task_index": np.full(count, self._task),
        }
        self._waiting.append(columns | ends | made)
        self._video.append(pictures)
        self._statistics.add_pictures(PICTURES, pictures)
        self.length += count

    def end(self, *, terminated: bool, task: str) -> dict[str, Any]:
        """Write what is left. Returns the episode's row of ``meta/episodes``."""
        self._waiting[-1]["next.done"][-1] = terminated
        self._waiting[-1]["next.truncated"][-1] = not terminated
        self._write()
        data, video = (file_name(number) for number in (self._files.data_number, self._files.video_number))
        self._all_statistics.merge_pictures(self._statistics)
        found = self._statistics.result()
        return {
            "episode_index": self._number,
            "tasks": [task],
            "length": self.length,
            "data/chunk_index": data["chunk_index"],
            "data/file_index": data["file_index"],
            "dataset_from_index": self._first,
            "dataset_to_index": self._first + self.length,
            f"videos/{PICTURES}/chunk_index": video["chunk_index"],
            f"videos/{PICTURES}/file_index": video["file_index"],
            f"videos/{PICTURES}/from_timestamp": self._begin / self._files.fps,
            f"videos/{PICTURES}/to_timestamp": (self._begin + self.length) / self._files.fps,
            **{f"stats/{name}/{key}": value for name, each in found.items() for key, value in each.items()},
        }

    def _write(self) -> None:
        columns = {name: np.concatenate([rows[name] for rows in self._waiting]) for name in self._waiting[0]}
        self._waiting = []
        self._data.append(columns)
        for statistics in (self._statistics, self._all_statistics):
            statistics.add(columns)
