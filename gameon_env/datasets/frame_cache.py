"""Decoded frames on the disk: each recording is decoded once, at training size, and mapped from then on.

>>> cache = FrameCache()
>>> frames = cache.open(recording, size=(224, 224), rows=steps.frame)   # decodes what is not there yet
>>> window = frames.frames(steps.frame[i : i + 16])                     # (16, 224, 224, 3) uint8
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import IO

import numpy as np
import numpy.typing as npt

from gameon_env.data_processing.atomic_file import sync_folder
from gameon_env.datasets.cache_file import LAYOUT, DamagedError, file_bytes, write_frames
from gameon_env.datasets.cache_locks import attempt, exclusive, lease_of, wait
from gameon_env.datasets.cache_space import (
    BUILDING_SUFFIX,
    FRAMES_SUFFIX,
    LOCK_SUFFIX,
    CacheEntry,
    entries,
    plan,
    reserve,
    touch,
)
from gameon_env.datasets.cached_frames import CachedFrames
from gameon_env.datasets.recording import Int64, Recording
from gameon_env.errors import DatasetError, StorageError
from gameon_env.paths import cache_dir

DEFAULT_MAX_BYTES = 64 * 2**30
"""Four hours at 30 pictures of 224x224 a second."""

Progress = Callable[[int, int], None]
"""Told how many frames of how many are done."""


class FrameCache:
    """A folder of decoded frames that any number of processes share. Picklable.

    What several want at once is decoded by one of them; the others wait. A process that dies meanwhile leaves nothing
    that is taken for whole. A file belongs to the recording's ``fingerprint``, the size and the rows: when one of them
    changes, frames are decoded anew. Files that were not opened for longest go first when room is needed; those that a
    living process has open are not removed.

    Args:
        folder: where; None: ``frames`` in the user's cache folder. Made when needed.
        max_bytes: of all its files together.
    """

    def __init__(self, folder: str | Path | None = None, max_bytes: int = DEFAULT_MAX_BYTES) -> None:
        if max_bytes < 1:
            raise DatasetError(f"the frame cache needs room: max_bytes must be 1 or more, got {max_bytes}")
        self.folder = (cache_dir() / "frames" if folder is None else Path(folder).expanduser()).absolute()
        self.max_bytes = int(max_bytes)

    def open(
        self,
        recording: Recording,
        size: tuple[int, int] | None = None,
        letterbox: bool = False,
        rows: npt.ArrayLike | None = None,
        *,
        progress: Progress | None = None,
        threads: int | None = None,
    ) -> CachedFrames:
        """The recording's frames, decoded now if they are not there.

        Args:
            recording: where the frames are from.
            size: ``(height, width)``; None: as recorded.
            letterbox: as in :meth:`Recording.frames`.
            rows: which frames are needed, in any order; None: all. Where all are there already, those serve.
            progress: called after each block of frames, if they are decoded here.
            threads: that decode; None: one for each processor, 8 at most.

        Raises:
            StorageError: the folder cannot be written, or has no room; said before anything is decoded.
            DatasetError: there are no such rows.
            VideoError, TrajectoryError: the recording is damaged.
        """
        size, wanted, whole, path = self._identify(recording, size, letterbox, rows)
        self._make_folder()
        while True:
            for ready in dict.fromkeys((whole, path)):
                frames = self._ready(ready)
                if frames is not None:
                    return frames
            with attempt(path.with_suffix(LOCK_SUFFIX)) as mine:
                if mine and not path.exists():
                    self._build(path, recording, size, letterbox, wanted, progress, threads or _threads())
            if not mine:
                wait()

    def find(
        self,
        recording: Recording,
        size: tuple[int, int] | None = None,
        letterbox: bool = False,
        rows: npt.ArrayLike | None = None,
    ) -> CachedFrames | None:
        """The same where it is there already, else None. Nothing is decoded."""
        _, _, whole, path = self._identify(recording, size, letterbox, rows)
        for ready in dict.fromkeys((whole, path)):
            frames = self._ready(ready)
            if frames is not None:
                return frames
        return None

    def check_room(self, counts: Sequence[int], sizes: Sequence[tuple[int, int]]) -> None:
        """Whether files of so many frames of these ``(height, width)`` find room together.

        Raises:
            StorageError: they do not; the message tells how many bytes are needed and how many are free.
        """
        needed = sum(file_bytes(count, size) for count, size in zip(counts, sizes, strict=True))
        self._make_folder()
        with exclusive(self._lock):
            plan(self.folder, needed, self.max_bytes, f"{sum(counts):,} frames of {len(counts)} recordings")

    def entries(self) -> list[CacheEntry]:
        """What is there, those not used for longest first."""
        if not self.folder.is_dir():
            return []
        with exclusive(self._lock):
            return entries(self.folder)

    def reopen(self, path: Path) -> CachedFrames:
        """The finished file ``path`` of this cache, in another process say.

        Raises:
            StorageError: it is not there any more.
        """
        frames = self._ready(path)
        if frames is None:
            raise StorageError(f"{path} was removed from the frame cache: make the dataset anew")
        return frames

    def forget(self, frames: CachedFrames) -> None:
        """This process does not use them any more."""
        if os.access(self.folder, os.W_OK):
            with exclusive(self._lock):
                lease_of(self.folder).remove(frames)

    def discard(self, path: Path) -> None:
        """Remove a damaged file."""
        if os.access(self.folder, os.W_OK):
            path.unlink(missing_ok=True)

    @property
    def _lock(self) -> Path:
        return self.folder / "cache.lock"

    def _identify(
        self, recording: Recording, size: tuple[int, int] | None, letterbox: bool, rows: npt.ArrayLike | None
    ) -> tuple[tuple[int, int], Int64, Path, Path]:
        """The size, the rows, the file that would hold all rows, and the one that holds these."""
        size = recording.size if size is None else (int(size[0]), int(size[1]))
        if min(size) < 1:
            raise DatasetError(f"frames of size {size} cannot be: expected (height, width) of at least one pixel")
        wanted = _rows(recording, rows)
        text = f"{LAYOUT} {recording.id} {recording.fingerprint} {size[0]}x{size[1]} {bool(letterbox)}"
        content = hashlib.sha256(text.encode()).hexdigest()[:32]
        whole = path = self.folder / f"{content}-all{FRAMES_SUFFIX}"
        if len(wanted) != recording.num_frames:
            chosen = hashlib.sha256(wanted.astype("<i8").tobytes()).hexdigest()[:16]
            path = self.folder / f"{content}-{chosen}{FRAMES_SUFFIX}"
        return size, wanted, whole, path

    def _make_folder(self) -> None:
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise StorageError(
                f"the frame cache {self.folder} cannot be made ({error}): make it writable, or name another folder"
            ) from error

    def _ready(self, path: Path) -> CachedFrames | None:
        """The finished file, if there is one; a damaged one is removed."""
        if not path.exists():
            return None
        if not os.access(self.folder, os.W_OK):  # shared from a read-only disk: nobody removes anything there
            return CachedFrames(self, path)
        with exclusive(self._lock):
            try:
                frames = CachedFrames(self, path)
            except FileNotFoundError:
                return None
            except DamagedError:
                path.unlink(missing_ok=True)
                return None
            touch(path)
            lease_of(self.folder).add(path.name, frames)
        return frames

    def _build(
        self,
        path: Path,
        recording: Recording,
        size: tuple[int, int],
        letterbox: bool,
        rows: Int64,
        progress: Progress | None,
        threads: int,
    ) -> None:
        """Decode into ``path``, whose lock is held."""
        building = path.with_suffix(BUILDING_SUFFIX)
        what = f"{len(rows):,} frames of {recording.id} at {size[0]}x{size[1]} (height x width)"
        needed = file_bytes(len(rows), size)
        building.unlink(missing_ok=True)
        with exclusive(self._lock):
            reserve(building, needed, self.max_bytes, what)
        try:
            with building.open("r+b") as file:
                frames = recording.stream(rows, size, letterbox, threads=threads)
                write_frames(file, frames, rows, size, lambda done: progress and progress(done, len(rows)))
                _to_disk(file)
            building.replace(path)
            sync_folder(self.folder)
        finally:
            building.unlink(missing_ok=True)


def _rows(recording: Recording, rows: npt.ArrayLike | None) -> Int64:
    if rows is None:
        return np.arange(recording.num_frames, dtype=np.int64)
    wanted = np.unique(np.asarray(rows, np.int64))
    if len(wanted) and not 0 <= wanted[0] <= wanted[-1] < recording.num_frames:
        raise DatasetError(
            f"rows {wanted[0]} to {wanted[-1]} of {recording.id} are asked for: it has rows 0 to "
            f"{recording.num_frames - 1}"
        )
    return wanted


def _threads() -> int:
    return min(8, os.cpu_count() or 1)


def _to_disk(file: IO[bytes]) -> None:
    """Before the file gets its name: what has it is whole after a power cut too."""
    try:
        file.flush()
        os.fsync(file.fileno())
    except OSError as error:
        raise StorageError(
            f"{file.name} cannot be written ({error}): free some space, or name another folder"
        ) from error
