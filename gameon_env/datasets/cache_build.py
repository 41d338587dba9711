"""The frames of many recordings decoded at once, by several processes."""

from __future__ import annotations

import multiprocessing
import os
import queue
from collections.abc import Sequence
from concurrent.futures import FIRST_COMPLETED, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt

from gameon_env.datasets.cached_frames import CachedFrames
from gameon_env.datasets.dataset_error import DatasetError
from gameon_env.datasets.frame_cache import FrameCache, Progress
from gameon_env.datasets.recording import Recording
from gameon_env.errors import StorageError

_LOOK_S = 0.2
"""Between two reports."""
_reports: Any = None
"""In a worker: where it tells what it has done."""


def build_caches(
    recordings: Sequence[Recording],
    size: tuple[int, int] | None = None,
    letterbox: bool = False,
    rows: Sequence[npt.ArrayLike | None] | None = None,
    *,
    cache: FrameCache | None = None,
    workers: int | None = None,
    progress: Progress | None = None,
) -> list[CachedFrames]:
    """The frames of all recordings; those that are not in the cache yet are decoded, several recordings at a time.

    Args:
        recordings: whose frames.
        size, letterbox: as in :meth:`FrameCache.open`.
        rows: for each recording, those that are needed; None: all.
        cache: where to; None: the user's.
        workers: processes; None: one for each processor. One for each recording at most.
        progress: told how many frames of how many are done, of all recordings that have to be decoded together.

    Raises:
        StorageError: no room for all of them, said before anything is decoded; or a worker died. What is finished is
            kept.
        VideoError, TrajectoryError: a recording is damaged.
    """
    cache = cache or FrameCache()
    chosen: list[npt.ArrayLike | None] = [None] * len(recordings) if rows is None else list(rows)
    if len(chosen) != len(recordings):
        raise DatasetError(f"rows must be given for each of the {len(recordings)} recordings, got {len(chosen)}")
    ready = [cache.find(recording, size, letterbox, rows) for recording, rows in zip(recordings, chosen, strict=True)]
    jobs = [
        _Job(cache, recording, size, letterbox, rows)
        for recording, rows, frames in zip(recordings, chosen, ready, strict=True)
        if frames is None
    ]
    if jobs:
        cache.check_room([job.count for job in jobs], [job.size or job.recording.size for job in jobs])
    built = iter(_build_all(jobs, workers, progress))
    return [next(built) if frames is None else frames for frames in ready]


@dataclass(frozen=True, eq=False)
class _Job:
    cache: FrameCache
    recording: Recording
    size: tuple[int, int] | None
    letterbox: bool
    rows: npt.ArrayLike | None

    @property
    def count(self) -> int:
        return self.recording.num_frames if self.rows is None else len(np.unique(np.asarray(self.rows)))

    def open(self, progress: Progress, threads: int) -> CachedFrames:
        return self.cache.open(self.recording, self.size, self.letterbox, self.rows, progress=progress, threads=threads)


def _build_all(jobs: Sequence[_Job], workers: int | None, progress: Progress | None) -> list[CachedFrames]:
    cores = os.cpu_count() or 1
    workers = min(workers or cores, len(jobs))
    threads = max(1, min(8, cores // max(1, workers)))
    report = _Report([job.count for job in jobs], progress)
    if workers <= 1:
        return [job.open(partial(report, number), threads) for number, job in enumerate(jobs)]
    frames: dict[int, CachedFrames] = {}
    context = multiprocessing.get_context("spawn")  # a fork would copy the locks of other threads as they are held now
    reports = context.Queue()
    with ProcessPoolExecutor(workers, context, _begin, (reports,)) as pool:
        # The longest first: otherwise one may be left to run alone at the end.
        order = sorted(range(len(jobs)), key=lambda number: -jobs[number].count)
        waiting = {pool.submit(_work, number, jobs[number], threads): number for number in order}
        try:
            while waiting:
                done, _ = wait(waiting, _LOOK_S, FIRST_COMPLETED)
                _pass_on(reports, report)
                for future in done:
                    future.result()
                    number = waiting.pop(future)
                    frames[number] = jobs[number].open(partial(report, number), threads)
                    report(number, jobs[number].count)
        except BrokenProcessPool as error:
            raise StorageError(
                f"a process that filled the frame cache {jobs[0].cache.folder} died: killed, or out of memory. What "
                "was finished is kept: start again, with fewer workers where memory is short"
            ) from error
        finally:
            pool.shutdown(cancel_futures=True)
            reports.close()
    return [frames[number] for number in range(len(jobs))]


class _Report:
    """Adds up what each recording has done."""

    def __init__(self, counts: Sequence[int], progress: Progress | None) -> None:
        self._done = [0] * len(counts)
        self._total = sum(counts)
        self._progress = progress

    def __call__(self, number: int, done: int, _total: int = 0) -> None:
        if self._progress is not None and done > self._done[number]:
            self._done[number] = done
            self._progress(sum(self._done), self._total)


def _pass_on(reports: Any, report: _Report) -> None:
    while True:
        try:
            report(*reports.get_nowait())
        except queue.Empty:
            return


def _begin(reports: Any) -> None:
    global _reports
    _reports = reports


def _work(number: int, job: _Job, threads: int) -> None:
    job.open(lambda done, _: _reports.put((number, done)), threads).close()
