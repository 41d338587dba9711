"""The sound of many windows at once: computed for each, or once for all steps and kept in the cache."""

from __future__ import annotations

import contextlib
import hashlib
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from gameon_env.data_processing.mel import MEL_BINS, MEL_RATE_HZ
from gameon_env.datasets.cache_space import touch
from gameon_env.datasets.recording import (
    AudioFeatures,
    AudioSource,
    Floats,
    Int64,
    Mask,
    Recording,
    waveform_samples,
)
from gameon_env.errors import StorageError

SUFFIX = ".sound.npy"
MAX_BYTES = 4 << 30
"""Of all sound in a cache together: 75 hours of mel frames at 30 steps a second."""


@dataclass(frozen=True, slots=True)
class SoundOptions:
    """What sound a dataset gives; the names are those of :meth:`Recording.audio`."""

    source: AudioSource
    features: AudioFeatures
    rate_hz: float | None
    interval_ns: float

    @property
    def width(self) -> int:
        """F."""
        mel = self.features == "mel"
        return MEL_BINS if mel else waveform_samples(self.rate_hz or MEL_RATE_HZ, self.interval_ns)


class SoundStore:
    """Sound of a dataset's recordings. Picklable.

    Args:
        recordings: whose sound.
        t_ns: ``(N,) int64``, the steps of all of them.
        end_ns: ``(N,) int64``.
        bounds: ``(R + 1,) int64``: which steps are whose.
        options: what to give.
        folder: of the cache; None: computed when it is asked for.
    """

    def __init__(
        self,
        recordings: Sequence[Recording],
        t_ns: Int64,
        end_ns: Int64,
        bounds: Int64,
        options: SoundOptions,
        folder: Path | None,
    ) -> None:
        self.options = options
        self._recordings = list(recordings)
        self._t_ns, self._end_ns, self._bounds = t_ns, end_ns, bounds
        self._folder = folder
        wanted = {"system", "microphone"} if options.source == "both" else {options.source}
        self._audible = [bool(wanted & set(recording.audio_sources())) for recording in recordings]
        self._tables: dict[int, Floats] = {}

    def read(self, recording: Int64, rows: Int64, mask: Mask) -> tuple[Floats, Mask]:
        """``(B, T, F) float32`` and ``(B, T) bool`` of windows; zero where ``mask (B, T)`` is False.

        Args:
            recording: ``(B,) int64``, a number for each window.
            rows: ``(B, T) int64``, of all steps.
            mask: ``(B, T) bool``: which of them count.

        Raises:
            AudioError, SessionError, TrajectoryError: a file is damaged.
            StorageError: the cache cannot be written.
        """
        audio = np.zeros((*rows.shape, self.options.width), np.float32)
        recorded = np.zeros(rows.shape, bool)
        for number in np.unique(recording).tolist():
            if not self._audible[number]:
                continue
            if self._folder is not None:
                mine = np.flatnonzero(recording == number)
                taken = self._table(number, self._folder)[rows[mine] - self._bounds[number]]
                audio[mine], recorded[mine] = taken[..., :-1], taken[..., -1] > 0
                continue
            for window in np.flatnonzero(recording == number).tolist():
                there = rows[window][mask[window]]
                audio[window, : len(there)], recorded[window, : len(there)] = self._compute(number, there)
        if self._folder is not None:
            audio[~mask], recorded[~mask] = 0, False
        return audio, recorded

    def prepare(self) -> None:
        """Compute into the cache, where there is one, all that is not in it yet."""
        if self._folder is not None:
            for number in np.flatnonzero(self._audible).tolist():
                self._table(number, self._folder)

    def __getstate__(self) -> dict[str, Any]:
        return self.__dict__ | {"_tables": {}}

    def _compute(self, number: int, rows: npt.NDArray[np.int64] | slice) -> tuple[Floats, Mask]:
        options = self.options
        return self._recordings[number].audio(
            self._t_ns[rows], self._end_ns[rows], options.source, options.features, options.rate_hz, options.interval_ns
        )

    def _table(self, number: int, folder: Path) -> Floats:
        """``(N, F + 1) float32``, mapped: the sound of each step, and 1 where it was recorded throughout."""
        if number not in self._tables:
            steps = slice(int(self._bounds[number]), int(self._bounds[number + 1]))
            path = folder / f"{self._name(number, steps)}{SUFFIX}"
            table = _mapped(path, (steps.stop - steps.start, self.options.width + 1))
            if table is None:
                values, recorded = self._compute(number, steps)
                table = np.concatenate([values, recorded[:, None]], axis=1, dtype=np.float32)
                _keep(path, table)
            self._tables[number] = table
        return self._tables[number]

    def _name(self, number: int, steps: slice) -> str:
        recording = self._recordings[number]
        digest = hashlib.sha256(f"1 {recording.id} {recording.fingerprint} {self.options}".encode())
        digest.update(self._t_ns[steps].tobytes())
        return digest.hexdigest()[:32]


def _mapped(path: Path, shape: tuple[int, int]) -> Floats | None:
    """The file where it is there and whole."""
    try:
        table = np.load(path, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError, EOFError):
        return None
    touch(path)
    return np.asarray(table) if table.shape == shape and table.dtype == np.float32 else None


def _keep(path: Path, table: Floats) -> None:
    """Write it under its name at once; who else writes it now writes the same."""
    building = path.with_suffix(f".{os.getpid()}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        _make_room(path.parent, table.nbytes)
        with building.open("wb") as file:
            np.save(file, table, allow_pickle=False)
            file.flush()
            os.fsync(file.fileno())
        building.replace(path)
    except OSError as error:
        raise StorageError(
            f"the sound of a recording cannot be kept in the cache {path.parent} ({error}): make room, or name another "
            "folder"
        ) from error
    finally:
        with contextlib.suppress(OSError):  # it has its name, or could not be made
            building.unlink()


def _make_room(folder: Path, needed: int) -> None:
    """Remove those that were not used for longest; what is mapped stays readable."""
    files = sorted(((p.stat().st_mtime_ns, p.stat().st_size, p) for p in folder.glob(f"*{SUFFIX}")), reverse=True)
    total = needed
    for _, size, path in files:
        total += size
        if total > MAX_BYTES:
            path.unlink(missing_ok=True)
