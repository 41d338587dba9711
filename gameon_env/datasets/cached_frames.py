"""A recording's decoded frames, mapped from the cache."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol, Self

import numpy as np
import numpy.typing as npt

from gameon_env.datasets.cache_file import DamagedError, FrameFile
from gameon_env.datasets.recording import Int64, Pixels
from gameon_env.errors import StorageError

_FEW = 64


class Owner(Protocol):
    """The cache that a file belongs to."""

    def reopen(self, path: Path) -> CachedFrames: ...

    def forget(self, frames: CachedFrames) -> None: ...

    def discard(self, path: Path) -> None: ...


class CachedFrames:
    """Frames of one recording in the cache. Picklable: it opens the file anew where it is unpickled.

    Attributes:
        path: the file.
        rows: ``(N,) int64``, rising: which of the recording's frames these are.
        size: ``(height, width)``.
    """

    def __init__(self, cache: Owner, path: Path) -> None:
        self._cache = cache
        self._file = FrameFile(path)
        self.path = path
        self.rows = self._file.rows
        self.size: tuple[int, int] = self._file.array.shape[1:3]
        self._limit = int(self.rows[-1]) + 1 if len(self.rows) else 0
        self._position: npt.NDArray[np.intp] | None = None
        if self._limit != len(self.rows):
            self._position = np.full(self._limit, -1, np.intp)
            self._position[self.rows] = np.arange(len(self.rows))

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def array(self) -> Pixels:
        """``(N, h, w, 3) uint8`` RGB, mapped and read-only, in the order of :attr:`rows`. Not compared with the
        checksums: :meth:`check` does that."""
        return self._file.array

    def frames(self, rows: npt.ArrayLike) -> Pixels:
        """``(n, h, w, 3) uint8`` RGB of the recording's ``rows (n,)``, in any order, in memory of their own.

        Raises:
            IndexError: a row that is not among :attr:`rows`.
            StorageError: the file is damaged.
        """
        wanted = np.asarray(rows, np.int64)
        out = np.empty((len(wanted), *self.size, 3), np.uint8)
        self.gather(wanted, out)
        return out

    def gather(self, rows: npt.ArrayLike, out: Pixels) -> None:
        """The same into ``out (n, h, w, 3) uint8``, best contiguous."""
        wanted = np.asarray(rows, np.int64)
        if not len(wanted):
            return
        # NumPy's reductions take 2 us each, a window's copy 30: of a few rows Python finds the ends faster.
        numbers = wanted.tolist() if len(wanted) <= _FEW else (int(wanted.min()), int(wanted.max()))
        if min(numbers) < 0 or max(numbers) >= self._limit:
            raise self._missing(wanted)
        positions = wanted.astype(np.intp, copy=False)
        if self._position is not None:
            positions = self._position[wanted]
            if positions.min() < 0:
                raise self._missing(wanted)
        try:
            self._file.take(positions, out)
        except DamagedError as error:
            raise self._damaged(error) from error

    def check(self) -> None:
        """Compare all pixels with their checksums.

        Raises:
            StorageError: the file is damaged.
        """
        try:
            self._file.check()
        except DamagedError as error:
            raise self._damaged(error) from error

    def close(self) -> None:
        """The file may be removed when others need room. What is mapped stays readable."""
        self._cache.forget(self)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __reduce__(self) -> tuple[object, ...]:
        return self._cache.reopen, (self.path,)

    def _missing(self, wanted: Int64) -> IndexError:
        absent = np.setdiff1d(wanted, self.rows)
        return IndexError(f"{self.path} holds {len(self.rows)} rows of its recording, and not row {absent[0]}")

    def _damaged(self, error: DamagedError) -> StorageError:
        self._cache.discard(self.path)
        return StorageError(f"{error}. It was removed: start again, and it is made anew from the recording")
