"""All windows of all recordings, for any framework: numpy in, numpy out.

>>> windows = Windows(DatasetOptions(db_path="data/gameon.db", game_name="Doom", sequence_length=4, cache=True))
>>> item = windows.item(0)              # frames (4, 224, 224, 3) uint8, inputs (4, A) float32 ...
>>> batch = windows.batch([5, 17, 3])   # the same with a leading axis of 3
"""

from __future__ import annotations

import operator
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from gameon_env.datasets.alignment import align
from gameon_env.datasets.frame_cache import FrameCache, Progress
from gameon_env.datasets.frame_store import FrameStore
from gameon_env.datasets.options import DatasetOptions
from gameon_env.datasets.ray_cluster import RayCluster
from gameon_env.datasets.recording import Int64, Pixels, RecordedSteps, Recording
from gameon_env.datasets.recordings import find
from gameon_env.datasets.sound_store import SoundOptions, SoundStore
from gameon_env.datasets.split import choose_split
from gameon_env.datasets.transforms import Augmentation, transformed
from gameon_env.datasets.window_item import WindowBatch, WindowItem
from gameon_env.datasets.window_table import StepColumns, windows_of
from gameon_env.errors import DatasetError, GameOnError

MAX_SOUND_NS = 10e9


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
        sound = SoundOptions(
            options.audio_source, options.audio_features, options.audio_rate, _interval_ns(options, found.recordings)
        )
        if options.include_audio and sound.interval_ns > MAX_SOUND_NS:
            raise DatasetError(
                f"a step of {sound.interval_ns / 1e9:g} s would take more than {MAX_SOUND_NS / 1e9:g} s of sound: "
                "choose a higher fps, a lower frame_skip, or include_audio=False"
            )
        self.audio_width = sound.width
        numbers = {id(recording): number for number, recording in enumerate(found.recordings)}
        chosen = choose_split(found.recordings, options.split, options.seed, options.split_fractions)
        usable, steps = self._steps(chosen, sound)
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
        bounds = np.cumsum([0, *(len(table) for table in steps)])
        cache = _cache(options)
        needed = [table.frame for table in steps]
        self._frames = FrameStore(usable, needed, self.size, self.letterbox, cache)
        self._sound: SoundStore | None = None
        if options.include_audio:
            folder = None if cache is None else cache.folder
            self._sound = SoundStore(usable, self.columns.t_ns, self.columns.end_ns, bounds, sound, folder)

    def __len__(self) -> int:
        return len(self.table)

    def __repr__(self) -> str:
        return f"Windows({len(self)} of {len(self.recordings)} recordings, {self.num_actions} controls)"

    def set_epoch(self, epoch: int) -> None:
        """Draw other random numbers from here on. What is drawn depends on seed, epoch and window alone: not on the
        order, the process, or how many there are."""
        self.epoch = operator.index(epoch)
        if self.epoch < 0:
            raise DatasetError(f"an epoch is 0 or more, got {epoch}")

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
        return self._changed(self._window(at % len(self)), epoch)

    def batch(self, indices: npt.ArrayLike, *, epoch: int | None = None, out: Pixels | None = None) -> WindowBatch:
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
        return batch.with_items([self._changed(batch.item(row), epoch) for row in range(len(wanted))])

    def prepare(self, progress: Progress | None = None, workers: int | RayCluster | None = None) -> None:
        """Fill the cache with all that is not in it yet. Without a cache there is nothing to do; without this call
        a recording is decoded when its first window is asked for.

        Args:
            progress: told how many frames of how many are done.
            workers: processes, or a Ray cluster; None: one for each processor.

        Raises:
            StorageError: there is no room.
            VideoError, TrajectoryError, AudioError: a recording is damaged.
        """
        self._frames.prepare(progress, workers)
        if self._sound is not None:
            self._sound.prepare()

    def _steps(self, chosen: Sequence[Recording], sound: SoundOptions) -> tuple[list[Recording], list[RecordedSteps]]:
        """The recordings that have windows, and their steps."""
        options = self.options
        usable, tables, longest = [], [], 0
        for recording in chosen:
            try:
                if options.include_audio:
                    recording.check_audio(sound.source, sound.features, sound.rate_hz, sound.interval_ns)
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

    def _window(self, at: int) -> WindowItem:
        """One window: as a batch of one, by slices, which cost less than indexing by arrays does."""
        options, columns = self.options, self.columns
        first, number = self.table.start.item(at), self.table.recording.item(at)
        stop = first + options.sequence_length
        if self.table.length.item(at) < options.sequence_length:
            return self._untransformed(np.array([at]), None).item(0)
        frames = self._frames.read(self.table.recording[at : at + 1], columns.frame[None, first:stop])
        audio = audio_mask = None
        mask = np.ones(options.sequence_length, np.bool_)
        if self._sound is not None:
            rows = np.arange(first, stop)[None]
            sound, recorded = self._sound.read(self.table.recording[at : at + 1], rows, mask[None])
            audio, audio_mask = sound[0], recorded[0]
        return WindowItem(
            frames[0],
            (columns.inputs[stop - 1] if options.target == "last" else columns.inputs[first:stop]).copy(),
            audio,
            audio_mask,
            columns.t_ns[first:stop].copy(),
            mask,
            self._control_mask[number].copy(),
            self.recordings[number].id,
            at,
        )

    def _untransformed(self, wanted: Int64, out: Pixels | None) -> WindowBatch:
        options, columns = self.options, self.columns
        length = self.table.length[wanted]
        recording = self.table.recording[wanted]
        rows = self.table.start[wanted][:, None] + np.minimum(self._offsets, length[:, None] - 1)
        mask = self._offsets < length[:, None]
        inputs = columns.inputs[rows[:, -1] if options.target == "last" else rows]
        if options.target == "all" and options.pad:
            inputs[~mask] = 0
        frames = self._frames.read(recording, columns.frame[rows], out)
        audio, audio_mask = (None, None) if self._sound is None else self._sound.read(recording, rows, mask)
        return WindowBatch(
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

    def _changed(self, item: WindowItem, epoch: int | None) -> WindowItem:
        """With what is drawn at random for it, and the transform."""
        transform = self.options.transform
        if self._augmentation is None and transform is None:
            return item
        rng = np.random.default_rng((self.options.seed, self.epoch if epoch is None else epoch, item.index))
        frames, inputs = item.frames, item.inputs
        if self._augmentation is not None:
            frames, inputs = self._augmentation(frames, inputs, rng)
        if transform is not None:
            frames = transformed(frames, transform, int(rng.integers(1 << 62)))
        return replace(item, frames=frames, inputs=inputs)


def _interval_ns(options: DatasetOptions, recordings: Sequence[Recording]) -> float:
    """How long a step lasts by what was asked for, or by what the recordings were played at."""
    known = [recording.fps for recording in recordings if recording.fps is not None]
    return options.frame_skip * 1e9 / (options.fps or (known[0] if known else 30.0))


def _cache(options: DatasetOptions) -> FrameCache | None:
    if options.cache is None:
        return None
    return FrameCache(None if options.cache is True else Path(str(options.cache)))
