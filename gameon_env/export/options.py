"""What is asked of an export, as one validated value that all formats share."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import KW_ONLY, dataclass
from pathlib import Path

from gameon_env.datasets.options import DatasetOptions
from gameon_env.datasets.ray_cluster import RayCluster
from gameon_env.datasets.recording import AudioSource
from gameon_env.errors import DatasetError

_MAX_WORKERS = 256


@dataclass(frozen=True)
class ExportOptions:
    """What to export, and as what.

    Attributes:
        db_path: ``gameon.db`` or its folder, a session's folder, a trajectory file (or its URL), or a folder of these.
        output_path: the file (or, of some formats, the folder) to make; a file's URL too. It is replaced only by a
            complete new one.
        game_name: only recordings of this game; None: all, aligned by their controls' names.
        downsample_factor: divides both sides of the pictures.
        sessions: only these: ids, beginnings of ids, or names of folders.
        fps: steps a second, before ``frame_skip``; None: each recorded frame is a step.
        frame_skip: recorded frames (of ``fps``) a step.
        target_size: ``(height, width)`` of the pictures; None: as recorded.
        include_audio: export the sound, as 128 mel bins a step.
        audio_source: ``system``, ``microphone`` or ``both``, which is their sum.
        latency_ms: how much later than its picture an action is taken.
        workers: processes that decode; or a Ray cluster, whose machines do.
        report: an HTML page about the recordings, to be written too; None: none.

    Raises:
        DatasetError: a value that is not allowed; the message says which are.
    """

    db_path: str | Path
    output_path: str | Path
    game_name: str | None = None
    downsample_factor: int = 1
    _: KW_ONLY
    sessions: Sequence[str] | None = None
    fps: float | None = None
    frame_skip: int = 1
    target_size: tuple[int, int] | None = None
    include_audio: bool = True
    audio_source: AudioSource = "system"
    latency_ms: float = 0.0
    workers: int | RayCluster = 1
    report: str | Path | None = None

    def __post_init__(self) -> None:
        checked = DatasetOptions(
            db_path=self.db_path,
            game_name=self.game_name,
            sessions=_as_tuple(self.sessions),
            fps=self.fps,
            frame_skip=self.frame_skip,
            target_size=(1, 1) if self.target_size is None else self.target_size,
            include_audio=self.include_audio,
            audio_source=self.audio_source,
            latency_ms=self.latency_ms,
        )
        for name in ("sessions", "fps", "frame_skip", "latency_ms"):
            object.__setattr__(self, name, getattr(checked, name))
        if self.target_size is not None:
            object.__setattr__(self, "target_size", checked.target_size)
        if not isinstance(self.output_path, str | Path) or not str(self.output_path):
            raise DatasetError(f"output_path must be the path of the file to make, got {self.output_path!r}")
        _check_whole("downsample_factor", self.downsample_factor, 8192)
        if not isinstance(self.workers, RayCluster):
            _check_whole("workers", self.workers, _MAX_WORKERS)
        if self.report is not None and (not isinstance(self.report, str | Path) or not str(self.report)):
            raise DatasetError(f"report must be the path of the page to write, or None; got {self.report!r}")
        if self.target_size is not None and self.downsample_factor != 1:
            raise DatasetError("give target_size or downsample_factor, not both: each says how large the pictures are")


def _check_whole(name: str, value: object, most: int) -> None:
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= most:
        raise DatasetError(f"{name} must be a whole number from 1 to {most}; got {value!r}")


def _as_tuple(names: Sequence[str] | None) -> tuple[str, ...] | None:
    """One name alone is taken for a list of it, as a text is a sequence too."""
    return None if names is None else (names,) if isinstance(names, str) else tuple(names)
