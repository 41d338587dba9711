"""The pictures and the sound of an export, block by block in order, decoded here or by processes of their own."""

from __future__ import annotations

import multiprocessing
import os
from collections import deque
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import BrokenExecutor, Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from gameon_env.datasets.ray_cluster import RayCluster, check_here
from gameon_env.datasets.recording import Pixels, Recording
from gameon_env.errors import DatasetError
from gameon_env.export.episodes import EpisodeSteps
from gameon_env.export.options import ExportOptions

Pack = Callable[[Pixels], Any]
"""Makes of pictures ``(n, h, w, 3) uint8`` what the format stores; runs beside the writing, and in other processes:
a function of a module."""

_BLOCK_BYTES = 8 << 20
_MOST_THREADS = 8
"""That pack: with them 12 blocks wait at most, 100 MB."""
_DECODED_AHEAD = 2
_APART_BYTES = 32 << 20
_APART_LEAST_ROWS = 48
"""Of a block that a process of its own decodes. Reaching its first frame takes half a group of 30 frames."""


@dataclass(frozen=True, slots=True, eq=False)
class Block:
    """Rows that follow on each other within one episode.

    Attributes:
        first: their first row in the episode.
        count: how many.
        video: what the format's pack function made of the pictures; without one ``(n, h, w, 3) uint8``.
        audio: ``(n, F) float32``; None where the export has no sound.
        audio_mask: ``(n,) bool``.
    """

    first: int
    count: int
    video: Any
    audio: npt.NDArray[np.float32] | None
    audio_mask: npt.NDArray[np.bool_] | None


@dataclass(frozen=True, slots=True)
class Reading:
    """How a recording's pictures and sound are read.

    Attributes:
        recording: the recording.
        size: ``(height, width)`` of the pictures.
        letterbox: whether they keep their shape.
        audio_width: of the sound; 0: none is read.
        has_audio: whether this recording has sound; without, it is zeros.
        options: of the export.
    """

    recording: Recording
    size: tuple[int, int]
    letterbox: bool
    audio_width: int
    has_audio: bool
    options: ExportOptions


class BlockReader:
    """Reads the blocks of episodes, with as many processes as the options say.

    One process decodes in a thread as the file goes on, and packs in others; more, or the machines of a Ray cluster,
    take turns, each seeking to its own block. The blocks come in order, and few of them wait.

    Args:
        workers: processes that decode, or the cluster.
        pack: what is made of the pictures.
    """

    def __init__(self, workers: int | RayCluster = 1, pack: Pack | None = None) -> None:
        self._pack = pack
        self._pool: Executor
        self._read = _read_block_there if isinstance(workers, RayCluster) else _read_block
        self._decoder = ThreadPoolExecutor(1, "export-decode")
        self._apart = isinstance(workers, RayCluster) or workers > 1
        if isinstance(workers, RayCluster):
            self._pool = cluster = workers.connect()
            self._ahead = cluster.workers + 1
        elif self._apart:
            # Not forked: this process may have threads, and files of HDF5 open.
            self._pool = ProcessPoolExecutor(workers, multiprocessing.get_context("spawn"))
            self._ahead = workers + 1
        else:
            threads = min(_MOST_THREADS, os.cpu_count() or 1)
            self._pool = ThreadPoolExecutor(threads, "export-pack")
            self._ahead = threads + 1

    def blocks(self, reading: Reading, episode: EpisodeSteps) -> Generator[Block, None, None]:
        """The blocks of one episode, in order; to be closed where they are not read to their end.

        Raises:
            GameOnError: the recording is damaged.
            DatasetError: a process died.
        """
        jobs = self._read_apart(reading, episode) if self._apart else self._read_on(reading, episode)
        waiting: deque[Future[Block]] = deque()
        try:
            for job in jobs:
                waiting.append(job)
                if len(waiting) > self._ahead:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        except BrokenExecutor as error:
            raise DatasetError(
                f"one of the exporting processes died, most likely because memory ran out: use fewer workers. {error}"
            ) from error
        finally:
            jobs.close()
            for job in waiting:
                job.cancel()

    def close(self) -> None:
        """End the processes and threads; callable twice."""
        self._decoder.shutdown(cancel_futures=True)
        self._pool.shutdown(cancel_futures=True)

    def __enter__(self) -> BlockReader:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _read_on(self, reading: Reading, episode: EpisodeSteps) -> Generator[Future[Block], None, None]:
        """One decoder over the whole episode, in a thread of its own, ahead of the packing and the writing."""
        pictures = reading.recording.stream(episode.frame, reading.size, reading.letterbox)
        ahead: deque[Future[tuple[int, Pixels, _Sound]]] = deque()
        try:
            for first, stop in _spans(len(episode), max(1, _BLOCK_BYTES // _picture_bytes(reading.size))):
                ahead.append(self._decoder.submit(_decode, reading, episode, pictures, first, stop))
                if len(ahead) > _DECODED_AHEAD:
                    yield self._pool.submit(_block, *ahead.popleft().result(), self._pack)
            while ahead:
                yield self._pool.submit(_block, *ahead.popleft().result(), self._pack)
        finally:
            for job in ahead:
                job.cancel()
            # A video belongs to the thread that opened it, which closes it too.
            self._decoder.submit(_close, pictures).result()

    def _read_apart(self, reading: Reading, episode: EpisodeSteps) -> Generator[Future[Block], None, None]:
        """Each block read by whichever process is free."""
        rows = max(_APART_LEAST_ROWS, _APART_BYTES // _picture_bytes(reading.size))
        for first, stop in _spans(len(episode), rows):
            times = episode.t_ns[first:stop], episode.end_ns[first:stop], episode.interval_ns
            yield self._pool.submit(self._read, reading, first, episode.frame[first:stop], times, self._pack)


_Sound = tuple[npt.NDArray[np.float32], npt.NDArray[np.bool_]] | None


def _decode(
    reading: Reading, episode: EpisodeSteps, pictures: Iterator[Pixels], first: int, stop: int
) -> tuple[int, Pixels, _Sound]:
    video = np.empty((stop - first, *reading.size, 3), np.uint8)
    for i in range(stop - first):
        video[i] = next(pictures)
    return first, video, _sound(reading, episode.t_ns[first:stop], episode.end_ns[first:stop], episode.interval_ns)


def _close(pictures: Iterator[Pixels]) -> None:
    if isinstance(pictures, Generator):
        pictures.close()


def _read_block(
    reading: Reading,
    first: int,
    frame: npt.NDArray[np.int64],
    times: tuple[npt.NDArray[np.int64], npt.NDArray[np.int64], float],
    pack: Pack | None,
) -> Block:
    video = reading.recording.frames(frame, reading.size, reading.letterbox)
    return _block(first, video, _sound(reading, *times), pack)


def _read_block_there(
    reading: Reading,
    first: int,
    frame: npt.NDArray[np.int64],
    times: tuple[npt.NDArray[np.int64], npt.NDArray[np.int64], float],
    pack: Pack | None,
) -> Block:
    """On another machine, where a recording that is not there is no damaged one."""
    check_here(reading.recording.path)
    return _read_block(reading, first, frame, times, pack)


def _block(first: int, video: Pixels, sound: _Sound, pack: Pack | None) -> Block:
    audio, mask = sound if sound is not None else (None, None)
    return Block(first, len(video), video if pack is None else pack(video), audio, mask)


def _sound(reading: Reading, t_ns: npt.NDArray[np.int64], end_ns: npt.NDArray[np.int64], interval_ns: float) -> _Sound:
    if not reading.audio_width:
        return None
    if not reading.has_audio:
        return np.zeros((len(t_ns), reading.audio_width), np.float32), np.zeros(len(t_ns), bool)
    return reading.recording.audio(t_ns, end_ns, reading.options.audio_source, interval_ns=interval_ns)


def _spans(rows: int, most: int) -> list[tuple[int, int]]:
    """``[first, stop)`` of at most so many rows each."""
    return [(first, min(rows, first + most)) for first in range(0, rows, most)]


def _picture_bytes(size: tuple[int, int]) -> int:
    return size[0] * size[1] * 3
