"""What an export will hold, found out before anything is written: recordings, pictures, columns, rows."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from gameon_env.data_processing.trajectory import STEP_COLUMNS, Column
from gameon_env.datasets.alignment import Alignment, align
from gameon_env.datasets.recording import Recording
from gameon_env.errors import DatasetError, GameOnError
from gameon_env.export.episodes import count_rows
from gameon_env.export.options import ExportOptions
from gameon_env.export.summary import LeftOut

AUDIO_MASK = Column("audio_mask", "bool", ())
"""Whether a row's sound was recorded throughout."""


@dataclass(frozen=True, slots=True)
class ExportPlan:
    """What an export will hold.

    Attributes:
        options: what was asked for.
        recordings: those that will be in it, in order.
        episodes: of each recording, how many.
        rows: of each recording, how many; an episode of T actions has T + 1.
        alignment: how their vectors become vectors of one order.
        size: ``(height, width)`` of the pictures.
        letterbox: whether pictures keep their shape, with black around them.
        audio_width: of the ``audio`` column; 0: there is none.
        left_out: what will not be in it, and why.
        notes: what else its person should know.
    """

    options: ExportOptions
    recordings: tuple[Recording, ...]
    episodes: tuple[int, ...]
    rows: tuple[int, ...]
    alignment: Alignment
    size: tuple[int, int]
    letterbox: bool
    audio_width: int
    left_out: tuple[LeftOut, ...]
    notes: tuple[str, ...]

    @property
    def controls(self) -> tuple[str, ...]:
        """The names of the columns of ``inputs``."""
        return self.alignment.controls

    @property
    def total_rows(self) -> int:
        return sum(self.rows)

    @property
    def columns(self) -> tuple[Column, ...]:
        """The columns of the trajectory file that this makes; ``video`` is the first."""
        inputs = len(self.controls)
        sound = (Column("audio", "float32", (self.audio_width,)), AUDIO_MASK) if self.audio_width else ()
        vectors = (Column("inputs", "float32", (inputs,)), Column("presses", "uint8", (inputs,)))
        return (Column("video", "uint8", (*self.size, 3)), *vectors, *sound, *STEP_COLUMNS)

    def without(self, index: int, reason: str) -> ExportPlan:
        """The same without one recording.

        Raises:
            DatasetError: it was the last.
        """
        kept = [i for i in range(len(self.recordings)) if i != index]
        left_out = (*self.left_out, LeftOut(name_of(self.recordings[index]), reason))
        if not kept:
            raise nothing_left(left_out)
        return replace(
            self,
            recordings=tuple(self.recordings[i] for i in kept),
            episodes=tuple(self.episodes[i] for i in kept),
            rows=tuple(self.rows[i] for i in kept),
            alignment=align([self.recordings[i] for i in kept]),
            left_out=left_out,
        )


def make_plan(options: ExportOptions, recordings: Iterable[Recording], left_out: Sequence[LeftOut] = ()) -> ExportPlan:
    """Plan the export of ``recordings``; what is damaged, or too short for an episode, is left out.

    Raises:
        DatasetError: nothing is left, or recordings of one game have different controls.
    """
    kept: list[Recording] = []
    counts: list[tuple[int, int]] = []
    left, notes = list(left_out), list[str]()
    for recording in recordings:
        try:
            episodes, rows, short = count_rows(recording, options)
        except GameOnError as error:
            left.append(LeftOut(name_of(recording), str(error)))
            continue
        if not episodes:
            left.append(LeftOut(name_of(recording), "it has no two frames that follow on each other"))
            continue
        if short:
            left.append(LeftOut(name_of(recording), f"{short} stretches of a single frame between gaps"))
        kept.append(recording)
        counts.append((episodes, rows))
    if not kept:
        raise nothing_left(left)
    sizes = {recording.size for recording in kept}
    games = {recording.game.casefold() for recording in kept}
    # One game's pictures are stretched to the size that is asked for, as the live observation is.
    letterbox = len(games) > 1 or (len(sizes) > 1 and options.target_size is None)
    size = _common_size(sizes, options)
    if letterbox and len(sizes) > 1:
        listed = ", ".join(f"{height}x{width}" for height, width in sorted(sizes))
        notes.append(f"the pictures were recorded at {listed}: all are letterboxed to {size[0]}x{size[1]}")
    return ExportPlan(
        options=options,
        recordings=tuple(kept),
        episodes=tuple(episodes for episodes, _ in counts),
        rows=tuple(rows for _, rows in counts),
        alignment=align(kept),
        size=size,
        letterbox=letterbox,
        audio_width=_audio_width(kept, options),
        left_out=tuple(left),
        notes=tuple(notes),
    )


def name_of(recording: Recording) -> str:
    """The recording as its person knows it: by the name of its folder or file."""
    return recording.path.name if recording.path.is_dir() else recording.id


def nothing_left(left_out: Sequence[LeftOut]) -> DatasetError:
    reasons = "; ".join(f"{left.name}: {left.reason}" for left in left_out[:5])
    return DatasetError(f"there is nothing to export. Left out: {reasons}" + (" ..." if len(left_out) > 5 else ""))


def _common_size(sizes: set[tuple[int, int]], options: ExportOptions) -> tuple[int, int]:
    if options.target_size is not None:
        return options.target_size
    height, width = max(size[0] for size in sizes), max(size[1] for size in sizes)
    return max(1, height // options.downsample_factor), max(1, width // options.downsample_factor)


def _audio_width(recordings: Sequence[Recording], options: ExportOptions) -> int:
    """Numbers a step of the ``audio`` column; 0 where nothing of the asked source was recorded."""
    if not options.include_audio:
        return 0
    widths = {sound_width(recording, options) for recording in recordings} - {0}
    if len(widths) > 1:
        raise DatasetError(
            f"the sound of these recordings has {sorted(widths)} numbers a step: export them apart, or without sound"
        )
    return next(iter(widths), 0)


def sound_width(recording: Recording, options: ExportOptions) -> int:
    """Numbers a step of the asked sound; 0 where the recording has none of it."""
    sources = recording.audio_sources()
    if not sources or (options.audio_source != "both" and options.audio_source not in sources):
        return 0
    nothing = recording.audio([], [], options.audio_source)[0]
    return int(nothing.shape[1])
