"""ReActure downloads as data: the five files of one play of the browser game, ours and the original's.

>>> dataset = ReActureDataset("reacture_1731177600000_metadata.json")
>>> dataset.frames_array.shape, dataset.frame_timestamps.shape
((600, 128, 128, 3), (600,))
>>> for batch in dataset.to_pytorch_dataloader(batch_size=32, shuffle=True):
...     loss = model(batch["frame"], batch["keys"])
"""

from __future__ import annotations

import operator
import sys
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, overload

import numpy as np

from gameon_env.errors import DatasetError
from gameon_env.export.reacture_batches import (
    FrameDtype,
    ReActureTorchDataset,
    pytorch_dataloader,
    tensorflow_dataset,
)
from gameon_env.export.reacture_checks import check_counts, look_at_frames, look_at_rows, mend_times
from gameon_env.export.reacture_files import find_reacture_files, read_reacture_metadata
from gameon_env.export.reacture_frames import FrameFile, open_frames, open_timestamps
from gameon_env.export.reacture_rows import MODEL_KEYS, read_rows, rows_at
from gameon_env.export.reacture_statistics import describe, statistics_of
from gameon_env.export.reacture_vector import AXES, Vector

_SAMPLE_VECTORS = ("position", "velocity", "accelerometer")


class ReActureWarning(UserWarning):
    """A download has a fault that was mended on reading, or that its person should know of. Files are never changed."""


class ReActureDataset:
    """One ReActure download. Sample i is ``frames_array[i]``, ``frame_timestamps[i]`` and the row that belongs to them.

    In our own files that is line i of ``data.jsonl``. The original's files are mended while they are read, which a
    :class:`ReActureWarning` tells: headers that ``np.load`` refuses, frames that are upside down, rows without a frame
    between those that have one.

    Args:
        metadata_path: ``..._metadata.json``, with the other files beside it; or their folder.
        partial: of files that were cut short, or whose counts differ, take what is whole from the beginning on.
        warn: False: faults are only in :attr:`repairs`.

    Attributes:
        metadata: what ``metadata.json`` says.
        prefix: what the files' names begin with.
        frames_array: ``(N, 128, 128, 3) uint8 RGB``, read-only, upright; on the disk until it is looked at. Of the
            original's files it is a flipped view, whose frames ``torch.from_numpy`` refuses: take those of samples, of
            :meth:`gather`, or ``np.ascontiguousarray``.
        frame_timestamps: ``(N,) float32``, ms since the game's start.
        repairs: what was mended or is odd, in words.

    Raises:
        DatasetError: a file is missing, cut short, damaged, or holds what are no frames; or they do not fit each other.
    """

    def __init__(self, metadata_path: str | Path, *, partial: bool = False, warn: bool = True) -> None:
        files = find_reacture_files(metadata_path)
        self.prefix = files.prefix
        self.metadata = read_reacture_metadata(files.metadata)
        self._frame_file: FrameFile = open_frames(files.frames)
        times = open_timestamps(files.timestamps)
        self.rows = read_rows(files.data)
        framed = np.flatnonzero(self.rows.has_frame)
        count = check_counts(self._frame_file, times, len(framed), self.rows.cut, partial=partial)
        framed = framed[:count]
        repairs = list(self._frame_file.repairs)
        if partial and (self._frame_file.claimed, times.claimed, self.rows.cut) != (count, count, ""):
            repairs.append(f"only the first {count} samples are whole in all files")
        self.sample_rows: np.ndarray = framed
        """``(N,) int64``: of each sample, its place in :attr:`rows`."""
        self._frame_file = self._frame_file.first(count)
        self.frames_array: np.ndarray = self._frame_file.map()
        self.frame_timestamps, told = mend_times(times.values[:count], self.rows.column("timestamp_ms")[framed])
        repairs += told
        repairs += look_at_rows(self.rows, framed, self.metadata)
        repairs += look_at_frames(self.frames_array)
        self._numbers = self._columns(framed)
        self.repairs = tuple(repairs)
        for repair in repairs if warn else ():
            warnings.warn(f"{files.prefix}: {repair}", ReActureWarning, stacklevel=2)

    def __len__(self) -> int:
        return len(self.frame_timestamps)

    @overload
    def __getitem__(self, index: int) -> dict[str, Any]: ...

    @overload
    def __getitem__(self, index: slice) -> list[dict[str, Any]]: ...

    def __getitem__(self, index: int | slice) -> dict[str, Any] | list[dict[str, Any]]:
        """Sample ``index``, or a list of the samples of a slice; negative ones count from the end.

        Returns:
            All that the row says (``timestamp_ms``, ``event``, ``key_presses``, ``robot``, ``sensors`` ...), and
            ``frame (128, 128, 3) uint8`` in memory of its own, ``frame_timestamp_ms``, ``keys (6,)``, ``position``,
            ``velocity``, ``accelerometer (3,) float32``, whose numbers are also ``["x"]``, ``["y"]`` and ``["z"]``,
            ``battery`` (0-100), ``damage`` (0-1). What the row does not say is NaN.
        """
        count = len(self)
        if isinstance(index, slice):
            return list(self._samples(range(count)[index]))
        place = operator.index(index)
        if not -count <= place < count:
            raise IndexError(f"{self.prefix} has {count} samples: there is no sample {place}")
        return next(self._samples([place % count]))

    def __iter__(self) -> Iterator[dict[str, Any]]:
        return self._samples(range(len(self)))

    def numbers(self, name: str) -> np.ndarray:
        """``(N, n) float32`` of ``keys`` (W, A, S, D, inspect, destroy), ``position``, ``velocity``,
        ``accelerometer``, ``battery`` or ``damage``."""
        return self._numbers[name]

    def gather(self, indices: np.ndarray) -> np.ndarray:
        """The frames of ``indices (n,) int64`` in new memory, ``(n, 128, 128, 3) uint8 RGB``."""
        return self._frame_file.gather(self.frames_array, indices)

    def other_rows(self) -> Iterator[dict[str, Any]]:
        """The rows that no frame belongs to: events, and what the player did, in the order of the file."""
        offsets = np.concatenate([self.rows.offsets[~self.rows.has_frame], self.rows.other_offsets])
        return rows_at(self.rows.path, np.sort(offsets).tolist())

    def to_pytorch_dataloader(
        self,
        batch_size: int = 32,
        shuffle: bool = True,
        *,
        frame_dtype: FrameDtype = "float32",
        indices: Sequence[int] | None = None,
        **options: Any,
    ) -> Any:
        """A ``torch.utils.data.DataLoader`` of dicts: ``frame (B, 3, 128, 128)``, ``keys (B, 6)``, ``position``,
        ``velocity``, ``accelerometer (B, 3)``, ``battery``, ``damage (B, 1)``, ``timestamp (B,)``, all float32.

        Args:
            batch_size: samples a batch; the last one may have fewer.
            shuffle: in another order each time.
            frame_dtype: ``float32``: frames from 0 to 1, contiguous, as networks take them; ``uint8``: as stored,
                from 0 to 255, several times as fast, to become floats on the GPU. In memory their channels stay last.
            indices: only these samples, such as those of :meth:`indices_between`.
            options: any others of ``DataLoader``: ``num_workers``, ``drop_last``, ``generator`` ...

        Raises:
            MissingPartError: PyTorch is not installed.
            DatasetError: a wrong argument.
        """
        return pytorch_dataloader(self, batch_size, shuffle, frame_dtype, indices, **options)

    def to_pytorch_dataset(self, *, frame_dtype: FrameDtype = "float32") -> ReActureTorchDataset:
        """The samples one by one, for ``ConcatDataset``, ``random_split`` and the like."""
        return ReActureTorchDataset(self, frame_dtype)

    def to_tensorflow_dataset(
        self,
        batch_size: int = 32,
        shuffle: bool = True,
        *,
        seed: int | None = None,
        indices: Sequence[int] | None = None,
    ) -> Any:
        """A ``tf.data.Dataset`` of the same batches without ``timestamp``; ``frame (B, 128, 128, 3)`` from 0 to 1.

        Args:
            batch_size: samples a batch; the last one may have fewer.
            shuffle: all samples, in another order each time.
            seed: makes the orders the same in each run.
            indices: only these samples.

        Raises:
            MissingPartError: TensorFlow is not installed.
            DatasetError: a wrong argument.
        """
        return tensorflow_dataset(self, batch_size, shuffle, seed, indices)

    def indices_between(self, start_s: float, end_s: float) -> np.ndarray:
        """``(n,) int64``: the samples from ``start_s`` to ``end_s`` seconds of the game, in the order of time."""
        seconds = self.frame_timestamps.astype(np.float64) / 1000.0
        order = np.argsort(seconds, kind="stable")
        first = np.searchsorted(seconds[order], start_s, side="left")
        return order[first : np.searchsorted(seconds[order], end_s, side="right")]

    def get_time_range(self, start_s: float, end_s: float) -> list[dict[str, Any]]:
        """The samples from ``start_s`` to ``end_s`` seconds of the game, in the order of time."""
        return list(self._samples(self.indices_between(start_s, end_s).tolist()))

    def get_sample_at_time(self, time_s: float) -> dict[str, Any]:
        """The sample whose time is nearest to ``time_s`` seconds of the game."""
        return self[int(np.argmin(np.abs(self.frame_timestamps.astype(np.float64) / 1000.0 - time_s)))]

    def extract_trajectory(self) -> np.ndarray:
        """``(N, 3) float32``: where the robot was, x, y and z."""
        return self._numbers["position"].copy()

    def extract_key_presses(self) -> np.ndarray:
        """``(N, 6) float32``: W, A, S, D, inspect, destroy; 1 is pressed."""
        return self._numbers["keys"].copy()

    def extract_accelerometer(self) -> np.ndarray:
        """``(N, 3) float32``."""
        return self._numbers["accelerometer"].copy()

    def extract_battery_damage(self) -> tuple[np.ndarray, np.ndarray]:
        """Both ``(N,) float32``."""
        return self._numbers["battery"][:, 0].copy(), self._numbers["damage"][:, 0].copy()

    def get_statistics(self) -> dict[str, Any]:
        """Counts, times, rates, and mean, deviation, least and most of what the robot did; reads every frame once."""
        return statistics_of(self)

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in self.__dict__.items() if name != "frames_array"}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__ |= state
        self.frames_array = self._frame_file.map()  # a worker reads the file itself, and is not sent what is in it

    def __repr__(self) -> str:
        return f"ReActureDataset({self.prefix!r}, {len(self)} samples)"

    def _columns(self, framed: np.ndarray) -> dict[str, np.ndarray]:
        names = {"keys": MODEL_KEYS, "battery": ("battery",), "damage": ("damage",)}
        names |= {vector: tuple(f"{vector}_{axis}" for axis in AXES) for vector in _SAMPLE_VECTORS}
        chosen = {name: self.rows.column(*columns)[framed] for name, columns in names.items()}
        return {
            name: np.ascontiguousarray(values.reshape(len(framed), -1), np.float32) for name, values in chosen.items()
        }

    def _samples(self, indices: Sequence[int]) -> Iterator[dict[str, Any]]:
        rows = rows_at(self.rows.path, self.rows.offsets[self.sample_rows[indices]].tolist())
        for index, row in zip(indices, rows, strict=True):
            numbers: dict[str, Any] = {name: values[index].copy() for name, values in self._numbers.items()}
            numbers |= {name: numbers[name].view(Vector) for name in _SAMPLE_VECTORS}
            numbers |= {name: float(numbers[name][0]) for name in ("battery", "damage")}
            numbers |= {name: row[name] for name in ("battery", "damage") if isinstance(row.get(name), (int, float))}
            times = {"frame_timestamp_ms": float(self.frame_timestamps[index])}
            yield row | numbers | times | {"frame": np.array(self.frames_array[index], order="C")}


def main(argv: Sequence[str] | None = None) -> int:
    """Print what a download holds: ``python load_reacture_dataset.py reacture_..._metadata.json``."""
    words = list(sys.argv[1:] if argv is None else argv)
    partial = "--partial" in words
    paths = [word for word in words if word != "--partial"]
    if len(paths) != 1 or paths[0] in ("-h", "--help"):
        print(f"usage: {Path(sys.argv[0]).name} [--partial] reacture_..._metadata.json")
        return 0 if "-h" in words or "--help" in words else 2
    try:
        text = describe(ReActureDataset(paths[0], partial=partial, warn=False))
        # A terminal may not know a player's letters, and half of a surrogate pair is in no encoding.
        encoding = sys.stdout.encoding or "utf-8"
        print(text.encode(encoding, "backslashreplace").decode(encoding))
    except DatasetError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
