"""All windows of all recordings, for any framework: numpy in, numpy out.

>>> windows = Windows(DatasetOptions(db_path="data/gameon.db", game_name="Doom", sequence_length=4, cache=True))
>>> item = windows.item(0)              # frames (4, 224, 224, 3) uint8, inputs (4, A) float32 ...
>>> batch = windows.batch([5, 17, 3])   # the same with a leading axis of 3
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from gameon_env.data_processing.mel import MEL_BINS, MEL_RATE_HZ
from gameon_env.datasets.alignment import align
from gameon_env.datasets.frame_cache import CachedFrames, FrameCache
from gameon_env.datasets.options import DatasetOptions
from gameon_env.datasets.recording import Floats, Int64, Mask, Pixels, RecordedSteps, Recording, waveform_samples
from gameon_env.datasets.recordings import find
from gameon_env.datasets.split import choose_split
from gameon_env.datasets.transforms import Augmentation, transformed
from gameon_env.datasets.window_table import StepColumns, windows_of
from gameon_env.errors import DatasetError, GameOnError

Progress = Callable[[str, int, int], None]


@dataclass(frozen=True, slots=True, eq=False)
class WindowItem:
    """One window of T steps, or B of them where every array has a leading axis B.

    Attributes:
        frames: ``(T, H, W, 3) uint8`` RGB; with a transform what it gives, stacked: an array or a PyTorch tensor.
        inputs: ``(T, A) float32``; with ``target="last"`` ``(A,)``, of the window's last step that is there.
        audio: ``(T, F) float32``, zeros where there is none; None where it was not asked for.
        audio_mask: ``(T,) bool``: recorded throughout; None likewise.
        timestamps: ``(T,) int64`` ns since the recording's start.
        mask: ``(T,) bool``: False where the window is padded.
        control_mask: ``(A,) bool``: which controls the window's game has.
        session_id: the recording's id; of a batch B of them.
        index: the window's number; of a batch ``(B,) int64``.
    """

    frames: Any
    inputs: Floats
    audio: Floats | None
    audio_mask: Mask | None
    timestamps: Int64
    mask: Mask
    control_mask: Mask
    session_id: str | tuple[str, ...]
    index: int | Int64


class Windows:
    """All windows of the recordings that ``options`` choose. Picklable; opens files anew in each process.

    Args:
        options: what to read, and how.

    Attributes:
        options: as given.
        recordings: those that windows are of.
        left_out: why others are not, by id.
        controls: A names, the columns of inputs.
        num_actions: A.
        games: the games' names.
        size: ``(H, W)`` of the frames.
        letterbox: whether pictures keep their shape within them: so it is with several games.
        mouse_scale_px, wheel_scale: what 1.0 is on ``mouse:dx`` and ``mouse:wheel``; None where not known or not the
            same in all games.
        audio_width: F.
        columns: the steps of all recordings.
        table: where each window begins.
        epoch: of the random draws.

    Raises:
        DatasetError: no recordings, none in this split, none that is long enough, or such that do not fit each other.
        UnknownNameError: there is no such game or session.
        SessionError, VideoError, TrajectoryError: what was asked for by name cannot be used.
    """

    def __init__(self, options: DatasetOptions) -> None:
        self.options = options
        found = find(options.db_path, game_name=options.game_name, sessions=options.sessions)
        self.left_out = dict(found.left_out)
        # Before the split, so that all splits have the same vector.
        alignment = align(found.recordings)
        self.controls, self.games = alignment.controls, alignment.games
        self.mouse_scale_px, self.wheel_scale = alignment.mouse_scale_px, alignment.wheel_scale
        self.num_actions = len(self.controls)
        self.size = options.target_size
        self.letterbox = len(self.games) > 1
        self._interval_ns = _interval_ns(options, found.recordings)
        mel = options.audio_features == "mel"
        self.audio_width = MEL_BINS if mel else waveform_samples(options.audio_rate or MEL_RATE_HZ, self._interval_ns)
        numbers = {id(recording): number for number, recording in enumerate(found.recordings)}
        chosen = choose_split(found.recordings, options.split, options.seed, options.split_fractions)
        usable, steps = self._steps(chosen)
        self.recordings: list[Recording] = usable
        places = [numbers[id(recording)] for recording in usable]
        self._control_mask = alignment.mask[places]
        self.columns = StepColumns.of(steps, places, alignment)
        self.table = windows_of(self.columns.runs, options.sequence_length, options.stride, options.pad)
        self._augmentation: Augmentation | None = None
        if options.augment:
            games = [[name for name, has in zip(self.controls, row, strict=True) if has] for row in alignment.mask]
            self._augmentation = Augmentation(self.controls, games)
        self.epoch = 0
        self._offsets = np.arange(options.sequence_length)
        self._cache = _cache(options)
        self._opened: dict[int, CachedFrames] = {}

    def __len__(self) -> int:
        return len(self.table)

    def __repr__(self) -> str:
        return f"Windows({len(self)} of {len(self.recordings)} recordings, {self.num_actions} controls)"

    def set_epoch(self, epoch: int) -> None:
        """Draw other random numbers from here on. What is drawn depends on seed, epoch and window alone: not on the
        order, the process, or how many there are."""
        self.epoch = operator.index(epoch)

    def item(self, index: int, *, epoch: int | None = None) -> WindowItem:
        """Window ``index``; negative numbers count from the end.

        Raises:
            IndexError: there is no such window.
            DatasetError: the transform gives what it must not.
            VideoError, TrajectoryError, StorageError: a file is damaged.
        """
        at = operator.index(index)
        if not -len(self) <= at < len(self):
            raise IndexError(f"there are {len(self)} windows; asked for {index}")
        batch = self._untransformed(np.array([at % len(self)], np.int64), None)
        return self._changed(_row(batch, 0), epoch)

    def batch(
        self, indices: npt.ArrayLike, *, epoch: int | None = None, out: Pixels | None = None
    ) -> WindowItem:
        """Windows ``indices (B,)``, stacked.

        Args:
            indices: numbers of windows, in any order; negative ones count from the end.
            epoch: in place of :attr:`epoch`.
            out: ``(B, T, H, W, 3) uint8``, contiguous: where the frames go, if nothing transforms them.
        """
        wanted = self._numbers(indices)
        batch = self._untransformed(wanted, out)
        if self._augmentation is None and self.options.transform is None:
            return batch
        return _stacked([self._changed(_row(batch, row), epoch) for row in range(len(wanted))], batch)

    def prepare(self, progress: Progress | None = None, threads: int | None = None) -> None:
        """Fill the cache with all that is not in it yet; without a cache there is nothing to do.

        Args:
            progress: called with a recording's id, frames done and frames in all.
            threads: that decode.
        """
        for number, recording in enumerate(self.recordings):
            if self._cache is not None and number not in self._opened:
                told = None if progress is None else lambda done, all_, r=recording: progress(r.id, done, all_)  # type: ignore[misc]  # the default binds the loop's recording
                self._opened[number] = self._cache.open(
                    recording, self.size, self.letterbox, progress=told, threads=threads
                )

    def __getstate__(self) -> dict[str, Any]:
        return self.__dict__ | {"_opened": {}}

    def _steps(self, chosen: Sequence[Recording]) -> tuple[list[Recording], list[RecordedSteps]]:
        """The recordings that have windows, and their steps."""
        options = self.options
        usable, tables, longest = [], [], 0
        for recording in chosen:
            try:
                steps = recording.steps(fps=options.fps, frame_skip=options.frame_skip, latency_ms=options.latency_ms)
            except GameOnError as error:
                if options.sessions is not None or len(chosen) == 1:
                    raise
                self.left_out[recording.id] = str(error)
                continue
            run = int(np.diff(steps.runs).max(initial=0))
            longest = max(longest, run)
            if run >= options.sequence_length or (run and options.pad):
                usable.append(recording)
                tables.append(steps)
            else:
                self.left_out[recording.id] = f"its longest run has {run} steps, a window {options.sequence_length}"
        if not usable:
            reasons = "; ".join(f"{name}: {why}" for name, why in list(self.left_out.items())[:5])
            raise DatasetError(
                f"no window of sequence_length={options.sequence_length} fits: the longest run without a gap has "
                f"{longest} steps (frame_skip={options.frame_skip}, fps={options.fps}). Choose a shorter window, or "
                f"pad=True. {reasons}"
            )
        return usable, tables

    def _numbers(self, indices: npt.ArrayLike) -> Int64:
        wanted = np.asarray(indices)
        if wanted.ndim != 1 or (wanted.size and wanted.dtype.kind not in "iu"):
            raise IndexError(f"indices must be (B,) whole numbers, got {wanted.dtype} {wanted.shape}")
        wanted = wanted.astype(np.int64)
        if len(wanted) and not -len(self) <= wanted.min() <= wanted.max() < len(self):
            raise IndexError(f"there are {len(self)} windows; asked for {wanted.min()} to {wanted.max()}")
        return np.where(wanted < 0, wanted + len(self), wanted)

    def _untransformed(self, wanted: Int64, out: Pixels | None) -> WindowItem:
        options, columns = self.options, self.columns
        length = self.table.length[wanted]
        recording = self.table.recording[wanted]
        rows = self.table.start[wanted][:, None] + np.minimum(self._offsets, length[:, None] - 1)
        mask = self._offsets < length[:, None]
        inputs = columns.inputs[rows[:, -1] if options.target == "last" else rows]
        if options.target == "all" and options.pad:
            inputs[~mask] = 0
        frames = self._frames(recording, columns.frame[rows], out)
        audio, audio_mask = self._audio(recording, rows, mask) if options.include_audio else (None, None)
        return WindowItem(
            frames=frames,
            inputs=inputs,
            audio=audio,
            audio_mask=audio_mask,
            timestamps=columns.t_ns[rows],
            mask=mask,
            control_mask=self._control_mask[recording],
            session_id=tuple(self.recordings[number].id for number in recording.tolist()),
            index=wanted,
        )

    def _frames(self, recording: Int64, rows: Int64, out: Pixels | None) -> Pixels:
        shape = (*rows.shape, *self.size, 3)
        if out is None:
            out = np.empty(shape, np.uint8)
        elif out.shape != shape or out.dtype != np.uint8:
            raise DatasetError(f"out must be {shape} uint8, it is {out.shape} {out.dtype}")
        if self._cache is not None:
            for window, (number, its_rows) in enumerate(zip(recording.tolist(), rows, strict=True)):
                cached = self._opened.get(number)
                if cached is None:
                    cached = self._opened[number] = self._cache.open(
                        self.recordings[number], self.size, self.letterbox
                    )
                cached.gather(its_rows, out[window])
            return out
        for number in np.unique(recording).tolist():
            mine = np.flatnonzero(recording == number)
            needed, where = np.unique(rows[mine], return_inverse=True)
            pictures = self.recordings[number].frames(needed, self.size, self.letterbox)
            for window, places in zip(mine.tolist(), where.reshape(len(mine), -1), strict=True):
                np.take(pictures, places, axis=0, out=out[window], mode="clip")
        return out

    def _audio(self, recording: Int64, rows: Int64, mask: Mask) -> tuple[Floats, Mask]:
        options, columns = self.options, self.columns
        audio = np.zeros((*rows.shape, self.audio_width), np.float32)
        recorded = np.zeros(rows.shape, bool)
        for window, number in enumerate(recording.tolist()):
            its = self.recordings[number]
            if its.audio_sources():
                there = rows[window][mask[window]]
                audio[window, : len(there)], recorded[window, : len(there)] = its.audio(
                    columns.t_ns[there],
                    columns.end_ns[there],
                    options.audio_source,
                    options.audio_features,
                    options.audio_rate,
                    self._interval_ns,
                )
        return audio, recorded

    def _changed(self, item: WindowItem, epoch: int | None) -> WindowItem:
        """With what is drawn at random for it, and the transform."""
        transform = self.options.transform
        if self._augmentation is None and transform is None:
            return item
        rng = np.random.default_rng((self.options.seed, self.epoch if epoch is None else epoch, int(item.index)))  # type: ignore[arg-type]  # of one window it is a number
        frames, inputs = item.frames, item.inputs
        if self._augmentation is not None:
            frames, inputs = self._augmentation(frames, inputs, rng)
        if transform is not None:
            frames = transformed(frames, transform, int(rng.integers(1 << 62)))
        return _with(item, frames, inputs)


def _interval_ns(options: DatasetOptions, recordings: Sequence[Recording]) -> float:
    """How long a step lasts by what was asked for, or by what the recordings were played at."""
    known = [recording.fps for recording in recordings if recording.fps is not None]
    return options.frame_skip * 1e9 / (options.fps or (known[0] if known else 30.0))


def _cache(options: DatasetOptions) -> FrameCache | None:
    if options.cache is None:
        return None
    return FrameCache(None if options.cache is True else Path(str(options.cache)))


def _row(batch: WindowItem, row: int) -> WindowItem:
    audio = (None, None) if batch.audio is None or batch.audio_mask is None else (batch.audio[row], batch.audio_mask[row])
    return WindowItem(
        batch.frames[row],
        batch.inputs[row],
        *audio,
        batch.timestamps[row],
        batch.mask[row],
        batch.control_mask[row],
        batch.session_id[row],
        int(batch.index[row]),  # type: ignore[index]  # of a batch it is an array
    )


def _with(item: WindowItem, frames: Any, inputs: Floats) -> WindowItem:
    rest = item.audio, item.audio_mask, item.timestamps, item.mask, item.control_mask, item.session_id, item.index
    return WindowItem(frames, inputs, *rest)
