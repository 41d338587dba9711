"""The frames of many recordings decoded at once, by several processes."""

from __future__ import annotations

import multiprocessing
import os
import queue
from collections.abc import Sequence
from concurrent.futures import FIRST_COMPLETED, BrokenExecutor, Executor, Future, ProcessPoolExecutor, wait
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt

from gameon_env.datasets.cached_frames import CachedFrames
from gameon_env.datasets.frame_cache import FrameCache, Progress
from gameon_env.datasets.ray_cluster import RayCluster, RayPool, check_here
from gameon_env.datasets.recording import Recording
from gameon_env.errors import DatasetError, StorageError

_LOOK_S = 0.2
"""Between two reports."""
_reports: Any = None
"""In a worker process: where it tells what it has done. On another machine it cannot."""


def build_caches(
    recordings: Sequence[Recording],
    size: tuple[int, int] | None = None,
    letterbox: bool = False,
    rows: Sequence[npt.ArrayLike | None] | None = None,
    *,
    cache: FrameCache | None = None,
    workers: int | RayCluster | None = None,
    progress: Progress | None = None,
) -> list[CachedFrames]:
    """The frames of all recordings; those that are not in the cache yet are decoded, several recordings at a time.

    Args:
        recordings: whose frames.
        size, letterbox: as in :meth:`FrameCache.open`.
        rows: for each recording, those that are needed; None: all.
        cache: where to; None: the user's.
        workers: processes, one for each recording at most; None: one for each processor. Or a Ray cluster, whose
            machines all have the cache's folder and the recordings at the same paths.
        progress: told how many frames of how many are done, of all recordings that have to be decoded together.

    Raises:
        StorageError: no room for all of them, said before anything is decoded; or a worker died. What is finished is
            kept.
        MissingPartError: Ray is not installed.
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

    def open(self, progress: Progress | None, threads: int) -> CachedFrames:
        return self.cache.open(self.recording, self.size, self.letterbox, self.rows, progress=progress, threads=threads)


def _build_all(jobs: Sequence[_Job], workers: int | RayCluster | None, progress: Progress | None) -> list[CachedFrames]:
    report = _Report([job.count for job in jobs], progress)
    if isinstance(workers, RayCluster) and jobs:
        with workers.connect() as cluster:
            return _build_apart(jobs, cluster, 1, report, None)
    cores = os.cpu_count() or 1
    processes = min(cores if workers is None or isinstance(workers, RayCluster) else workers, len(jobs))
    threads = max(1, min(8, cores // max(1, processes)))
    if processes <= 1:
        return [job.open(partial(report, number), threads) for number, job in enumerate(jobs)]
    context = multiprocessing.get_context("spawn")  # a fork would copy the locks of other threads as they are held now
    reports = context.Queue()
    try:
        with ProcessPoolExecutor(processes, context, _begin, (reports,)) as pool:
            return _build_apart(jobs, pool, threads, report, reports)
    finally:
        reports.close()


def _build_apart(
    jobs: Sequence[_Job], pool: Executor, threads: int, report: _Report, reports: Any
) -> list[CachedFrames]:
    """``reports``: where the workers tell how far they are; None: they tell when they are done."""
    frames: dict[int, CachedFrames] = {}
    # The longest first: otherwise one may be left to run alone at the end.
    order = sorted(range(len(jobs)), key=lambda number: -jobs[number].count)
    waiting: dict[Future[None], int] = {}
    most = pool.workers if isinstance(pool, RayPool) else len(jobs)
    try:
        while order or waiting:
            while order and len(waiting) < most:
                number = order.pop(0)
                waiting[pool.submit(_work, number, jobs[number], threads)] = number
            done, _ = wait(waiting, _LOOK_S, FIRST_COMPLETED)
            if reports is not None:
                _pass_on(reports, report)
            for future in done:
                future.result()
                number = waiting.pop(future)
                frames[number] = jobs[number].open(partial(report, number), threads)
                report(number, jobs[number].count)
    except BrokenExecutor as error:
        raise StorageError(
            f"a process that filled the frame cache {jobs[0].cache.folder} died: killed, or out of memory. What "
            f"was finished is kept: start again, with fewer workers where memory is short. {error}"
        ) from error
    finally:
        pool.shutdown(cancel_futures=True)
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
    if _reports is None:
        check_here(job.recording.path)
    tell = None if _reports is None else lambda done, _: _reports.put((number, done))
    job.open(tell, threads).close()
