"""What a dataset is made of, as one validated value that all frameworks' datasets share."""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Iterable
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Literal, get_args

from gameon_env.datasets.recording import AudioFeatures, AudioSource
from gameon_env.errors import DatasetError, suggest

Split = Literal["train", "val", "test"]
Target = Literal["all", "last"]
FrameType = Literal["float32", "uint8"]

MAX_SIDE = 8192
MEL_RATE_HZ = 16_000


@dataclass(frozen=True, kw_only=True)
class DatasetOptions:
    """Options of a dataset; the same for PyTorch, TensorFlow and exports.

    Attributes:
        db_path: ``gameon.db`` or its folder, a session's folder, a trajectory file, or a folder of these.
        game_name: only recordings of this game; None: all, aligned by their controls' names.
        transform: called with each frame ``(H, W, 3) uint8`` RGB, with the same random draw for all of a window.
        augment: mirror (pictures and controls) half of the windows, and vary brightness and contrast a little.
        frame_skip: recorded frames (of ``fps``) a step; what was pressed in any of them counts.
        sequence_length: steps a window.
        stride: steps from one window's start to the next one's.
        fps: steps a second, before ``frame_skip``; None: each recorded frame is a step.
        target_size: ``(height, width)`` of the frames.
        include_audio: give sound with the frames.
        audio_source: ``system``, ``microphone`` or ``both``, which is their sum.
        audio_features: ``mel`` (128 bins) or ``waveform``.
        audio_rate: samples a second of the waveform; None: 16,000. Mel frames are of 16,000 always.
        split: ``train``, ``val`` or ``test``; None: everything.
        split_fractions: of the sessions, for train, val and test.
        seed: of the split and of all random draws.
        target: ``all``: an action for each step; ``last``: only that of the window's last step.
        sessions: only these: ids, beginnings of ids, or names of folders.
        latency_ms: how much later than its picture an action is taken.
        pad: also give the end of each run that no whole window holds: the last frame again, no input, mask False.
        dtype: of the frames in the frameworks' datasets: ``float32`` in [0, 1], or ``uint8``.
        cache: folder of decoded frames; True: in the user's cache folder; None: decode each time.
    """

    db_path: str | Path = "data/gameon.db"
    game_name: str | None = None
    transform: Callable[[Any], Any] | None = None
    augment: bool = False
    frame_skip: int = 1
    sequence_length: int = 16
    stride: int = 1
    fps: float | None = None
    target_size: tuple[int, int] = (224, 224)
    include_audio: bool = True
    audio_source: AudioSource = "system"
    audio_features: AudioFeatures = "mel"
    audio_rate: float | None = None
    split: Split | None = None
    split_fractions: tuple[float, float, float] = (0.8, 0.1, 0.1)
    seed: int = 0
    target: Target = "all"
    sessions: tuple[str, ...] | None = None
    latency_ms: float = 0.0
    pad: bool = False
    dtype: FrameType = "float32"
    cache: str | Path | bool | None = None

    def __post_init__(self) -> None:
        """Raises:
        DatasetError: a value that is not allowed; the message says which are.
        """
        if not isinstance(self.db_path, str | Path) or not str(self.db_path):
            raise DatasetError(f"db_path must be a path such as 'data/gameon.db', got {self.db_path!r}")
        if self.game_name is not None and not (isinstance(self.game_name, str) and self.game_name.strip()):
            raise DatasetError(f"game_name must be a game's name, or None for all games; got {self.game_name!r}")
        if self.transform is not None and not callable(self.transform):
            raise DatasetError(f"transform must be callable with one frame, got {self.transform!r}")
        for name in ("frame_skip", "sequence_length", "stride"):
            self._set(name, _count(name, getattr(self, name), 1))
        self._set("seed", _count("seed", self.seed, 0))
        if self.fps is not None:
            self._set("fps", _number("fps", self.fps, "a rate in steps a second greater than 0, or None", 1e-3, 1e5))
        if self.audio_rate is not None:
            self._set("audio_rate", _number("audio_rate", self.audio_rate, "from 100 to 192,000 Hz", 100, 192_000))
            if self.audio_features == "mel" and self.audio_rate != MEL_RATE_HZ:
                raise DatasetError(
                    f"audio_rate={self.audio_rate:g} is for audio_features='waveform': mel frames are of 16,000 Hz, "
                    "as the live ones are"
                )
        self._set("latency_ms", _number("latency_ms", self.latency_ms, "within 10,000 ms of 0", -10_000, 10_000))
        self._set("target_size", _size(self.target_size))
        self._set("split_fractions", _fractions(self.split_fractions))
        for name, allowed in _CHOICES.items():
            value = getattr(self, name)
            if value not in allowed:
                near = suggest(value, [str(a) for a in allowed if a]) if isinstance(value, str) else ""
                listed = ", ".join(repr(a) for a in allowed)
                raise DatasetError(f"{name} must be one of {listed}; got {value!r}.{near}")
        for name in ("augment", "include_audio", "pad"):
            if not isinstance(getattr(self, name), bool):
                raise DatasetError(f"{name} must be True or False, got {getattr(self, name)!r}")
        if self.sessions is not None:
            self._set("sessions", _names(self.sessions))
        if not (self.cache is None or isinstance(self.cache, bool | str | Path)):
            raise DatasetError(f"cache must be a folder, True for the user's cache folder, or None; got {self.cache!r}")
        if self.cache is False or self.cache == "":
            self._set("cache", None)

    def _set(self, name: str, value: object) -> None:
        object.__setattr__(self, name, value)


_CHOICES: dict[str, tuple[object, ...]] = {
    "audio_source": get_args(AudioSource),
    "audio_features": get_args(AudioFeatures),
    "split": (None, *get_args(Split)),
    "target": get_args(Target),
    "dtype": get_args(FrameType),
}

OPTION_NAMES = tuple(field.name for field in fields(DatasetOptions))


def _count(name: str, value: object, least: int) -> int:
    try:
        if isinstance(value, bool):
            raise TypeError
        number = operator.index(value)  # type: ignore[arg-type]  # what is no whole number raises TypeError
    except TypeError:
        number = least - 1
    if not least <= number < 1 << 63:
        raise DatasetError(f"{name} must be a whole number, {least} or more; got {value!r}")
    return number


def _number(name: str, value: object, allowed: str, least: float, most: float) -> float:
    try:
        if isinstance(value, bool | str):
            raise TypeError
        number = float(value)  # type: ignore[arg-type]  # what is no number raises
    except (TypeError, ValueError, OverflowError):
        number = math.nan
    if not least <= number <= most:
        raise DatasetError(f"{name} must be {allowed}; got {value!r}")
    return number


def _size(value: object) -> tuple[int, int]:
    if isinstance(value, Iterable) and not isinstance(value, str | bytes):
        sides = tuple(value)
        try:
            if len(sides) == 2:
                height, width = (_count("target_size", side, 1) for side in sides)
                if max(height, width) <= MAX_SIDE:
                    return height, width
        except DatasetError:
            pass  # said below, with both sides
    raise DatasetError(f"target_size must be (height, width) in pixels, each from 1 to {MAX_SIDE}; got {value!r}")


def _fractions(value: object) -> tuple[float, float, float]:
    rule = "split_fractions must be three parts for train, val and test, none negative, that add up to 1"
    if not isinstance(value, Iterable) or isinstance(value, str | bytes):
        raise DatasetError(f"{rule}; got {value!r}")
    parts = tuple(value)
    if len(parts) != 3:
        raise DatasetError(f"{rule}; got {parts!r}")
    train, val, test = (_number("each of split_fractions", part, "from 0 to 1", 0.0, 1.0) for part in parts)
    if abs(train + val + test - 1.0) > 1e-6:
        raise DatasetError(f"{rule}; got {parts!r}")
    return train, val, test


def _names(value: object) -> tuple[str, ...]:
    names = (str(value),) if isinstance(value, str | Path) else tuple(value) if isinstance(value, Iterable) else ()
    if not names or not all(isinstance(name, str | Path) and str(name) for name in names):
        raise DatasetError(f"sessions must name at least one session (id, beginning of an id, folder); got {value!r}")
    return tuple(str(name) for name in names)
