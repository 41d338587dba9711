"""Recordings as a PyTorch dataset of windows."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from gameon_env.datasets.frame_cache import Progress
from gameon_env.datasets.options import DatasetOptions, FrameType, Split, Target
from gameon_env.datasets.recording import AudioFeatures, AudioSource
from gameon_env.datasets.window_item import WindowBatch, WindowItem
from gameon_env.datasets.windows import Windows
from gameon_env.optional import require

require("torch", "GameOnDataset")
import torch  # noqa: E402
from torch.utils.data import Dataset, default_collate  # noqa: E402
from torch.utils.data._utils.collate import default_collate_fn_map  # noqa: E402

Sample = dict[str, Any]


class GameOnDataset(Dataset[Sample]):
    """Windows of T steps of recorded games: what was seen and heard, and what was done about it.

    >>> dataset = GameOnDataset("data/gameon.db", game_name="Doom", sequence_length=16)
    >>> loader = DataLoader(dataset, batch_size=32, shuffle=True, num_workers=4)

    Each item is a dict:

    - ``frames (T, C, H, W) float32`` in [0, 1], contiguous; with ``dtype="uint8"`` 0 to 255, a view of channels-last
      memory. With a transform, what it gives: pictures (arrays) are laid out the same, tensors are stacked as they are.
    - ``inputs (T, A) float32``: the recorded vectors, A controls in the order of :attr:`controls`; ``(A,)`` with
      ``target="last"``.
    - ``audio (T, F) float32``, zeros where nothing was recorded, and ``audio_mask (T,) bool`` that says where it was.
      Both are left out with ``include_audio=False``.
    - ``timestamps (T,) int64``: ns since the recording's start; ``session_id``: its id.
    - ``mask (T,) bool``: False where the window is padded; ``control_mask (A,) bool``: which controls this game has.

    With ``sequence_length=1`` there is no time axis: ``frames (C, H, W)``, ``inputs (A,)``, ``audio (F,)``.

    It may be pickled, and used in forked or spawned workers: files are opened where they are read.

    Args:
        db_path: ``gameon.db`` or its folder, a session's folder, a trajectory file, or a folder of these.
        game_name: only recordings of this game; None: all, aligned by their controls' names, letterboxed.
        transform: called with each frame ``(H, W, 3) uint8`` RGB, with the same random draw for all of a window.
        frame_skip: recorded frames (of ``fps``) a step; what was pressed in any of them counts.
        sequence_length: steps a window (T).
        augment: mirror (pictures and controls) half of the windows, and vary brightness and contrast a little.
        target_size: ``(height, width)`` of the frames, before the transform.
        fps: steps a second, before ``frame_skip``; None: each recorded frame is a step.
        include_audio: give sound with the frames.
        audio_source: ``system``, ``microphone`` or ``both``, which is their sum.
        audio_features: ``mel`` (128 bins) or ``waveform``.
        audio_rate: samples a second of the waveform; None: 16,000.
        stride: steps from one window's start to the next one's.
        split: ``train``, ``val`` or ``test``, by session; None: everything.
        split_fractions: of the sessions, for train, val and test.
        seed: of the split, and of the random draws where :meth:`set_epoch` is used.
        target: ``all``: an action for each step; ``last``: only that of the window's last step.
        sessions: only these: ids, beginnings of ids, or names of folders.
        latency_ms: how much later than its picture an action is taken.
        pad: also give the end of each run that no whole window holds.
        dtype: of the frames: ``float32``, or ``uint8``, a quarter of the bytes: several times faster to load, and made
            floating where the model is (``frames.to(device).float() / 255``).
        cache: folder of decoded frames; True: in the user's cache folder; None: decode each time.

    Attributes:
        windows: what it reads, without PyTorch.
        options: all of the above.

    Raises:
        DatasetError: a wrong argument, no recordings, none long enough, or such that do not fit each other.
        UnknownNameError: there is no such game or session; the message suggests the nearest.
        SessionError, VideoError, TrajectoryError: a recording that was asked for by name cannot be used.
    """

    def __init__(
        self,
        db_path: str | Path = "data/gameon.db",
        game_name: str | None = None,
        transform: Callable[[Any], Any] | None = None,
        frame_skip: int = 1,
        sequence_length: int = 16,
        *,
        augment: bool = False,
        target_size: tuple[int, int] = (224, 224),
        fps: float | None = None,
        include_audio: bool = True,
        audio_source: AudioSource = "system",
        audio_features: AudioFeatures = "mel",
        audio_rate: float | None = None,
        stride: int = 1,
        split: Split | None = None,
        split_fractions: tuple[float, float, float] = (0.8, 0.1, 0.1),
        seed: int = 0,
        target: Target = "all",
        sessions: Iterable[str] | None = None,
        latency_ms: float = 0.0,
        pad: bool = False,
        dtype: FrameType = "float32",
        cache: str | Path | bool | None = None,
    ) -> None:
        self.options = DatasetOptions(
            db_path=db_path,
            game_name=game_name,
            transform=transform,
            frame_skip=frame_skip,
            sequence_length=sequence_length,
            augment=augment,
            target_size=target_size,
            fps=fps,
            include_audio=include_audio,
            audio_source=audio_source,
            audio_features=audio_features,
            audio_rate=audio_rate,
            stride=stride,
            split=split,
            split_fractions=split_fractions,
            seed=seed,
            target=target,
            sessions=sessions,  # type: ignore[arg-type]  # any iterable becomes a tuple there
            latency_ms=latency_ms,
            pad=pad,
            dtype=dtype,
            cache=cache,
        )
        self.windows = Windows(self.options)
        # In shared memory, so that workers that live for many epochs see what is set.
        self._epoch = torch.full((), _NOT_SET, dtype=torch.int64)
        self._epoch.share_memory_()  # type: ignore[no-untyped-call]  # PyTorch's is untyped

    @property
    def controls(self) -> tuple[str, ...]:
        """The names of ``inputs``' columns."""
        return self.windows.controls

    @property
    def num_actions(self) -> int:
        """A."""
        return self.windows.num_actions

    def __len__(self) -> int:
        return len(self.windows)

    def __repr__(self) -> str:
        return f"GameOnDataset({len(self)} windows of {len(self.windows.recordings)} recordings, {self.controls})"

    def __getitem__(self, index: int) -> Sample:
        return self._sample(self.windows.item(index, epoch=self._draw()))

    def __getitems__(self, indices: Sequence[int]) -> BatchedSamples:
        """Items read together, as ``DataLoader`` asks for them."""
        return BatchedSamples(self._sample(self.windows.batch(indices, epoch=self._draw())))

    def __iter__(self) -> Iterator[Sample]:
        return (self[index] for index in range(len(self)))

    def set_epoch(self, epoch: int) -> None:
        """From here on, what is drawn at random depends on ``seed``, ``epoch`` and each window alone, in all workers.

        Without it, it is drawn from PyTorch's generator, which ``torch.manual_seed`` sets.
        """
        self._epoch.fill_(epoch)

    def prepare(self, progress: Progress | None = None, workers: int | None = None) -> None:
        """Decode all into the cache now, with ``workers`` processes; without a cache nothing happens.

        Otherwise each recording is decoded when its first window is asked for.
        """
        self.windows.prepare(progress, workers)

    def _draw(self) -> int | None:
        if not self.options.augment and self.options.transform is None:
            return None
        epoch = int(self._epoch)
        return int(torch.randint(1 << 62, ())) if epoch == _NOT_SET else epoch

    def _sample(self, windows: WindowItem | WindowBatch) -> Sample:
        """The tensors of one window, or of many with a leading axis."""
        many = isinstance(windows, WindowBatch)
        sample = {
            "frames": frames_tensor(windows.frames, 5 if many else 4, self.options.dtype),
            "inputs": torch.from_numpy(windows.inputs),
        }
        if windows.audio is not None and windows.audio_mask is not None:
            sample |= {"audio": _owned(windows.audio), "audio_mask": _owned(windows.audio_mask)}
        sample |= {"timestamps": _owned(windows.timestamps), "mask": _owned(windows.mask)}
        if self.options.sequence_length == 1:
            kept = () if self.options.target == "all" else ("inputs",)
            axis = 1 if many else 0
            sample = {name: tensor if name in kept else tensor.select(axis, 0) for name, tensor in sample.items()}
        return sample | {"control_mask": _owned(windows.control_mask), "session_id": windows.session_id}


_NOT_SET = -1


class BatchedSamples(list[Sample]):
    """Samples that were read together: a list of them for any collate function, and all stacked for :func:`collate`.

    Attributes:
        stacked: the tensors with a leading axis; ``session_id`` is a list of texts.
    """

    def __init__(self, stacked: Sample) -> None:
        names = stacked["session_id"] = list(stacked["session_id"])
        rows = range(len(names))
        super().__init__(_ReadTogether((name, values[row]) for name, values in stacked.items()) for row in rows)
        self.stacked = stacked


class _ReadTogether(Sample):
    """A sample of :class:`BatchedSamples`: by its type PyTorch's default collate function finds ours."""


def collate(samples: list[Sample]) -> Sample:
    """``DataLoader(dataset, collate_fn=collate)``: the default's result without its copy of what was read together.

    The default itself copies only what is not contiguous here, which are frames of ``dtype="uint8"``.
    """
    if isinstance(samples, BatchedSamples):
        return samples.stacked
    collated: Sample = default_collate(list(map(dict, samples)))
    return collated


def _collate_contiguous(samples: list[Sample], **_: Any) -> Sample:
    """What ``default_collate`` does with such samples."""
    if isinstance(samples, BatchedSamples) and samples.stacked["frames"].is_contiguous():
        return samples.stacked
    return collate(list(samples))


default_collate_fn_map[_ReadTogether] = _collate_contiguous


def frames_tensor(frames: Any, dimensions: int, dtype: FrameType) -> torch.Tensor:
    """Frames with their channels before their rows.

    Args:
        frames: an array ``(..., H, W, C)`` or ``(..., H, W)``, or a tensor ``(..., C, H, W)`` or ``(..., H, W)``.
        dimensions: of the result.
        dtype: ``float32`` makes uint8 into [0, 1]; numbers that are floating already stay as they are.
    """
    if isinstance(frames, np.ndarray):
        pictures: npt.NDArray[Any] = frames if frames.ndim == dimensions else frames[..., None]
        tensor = torch.from_numpy(pictures).movedim(-1, -3)
    else:
        tensor = frames if frames.dim() == dimensions else frames.unsqueeze(-3)
    if dtype == "uint8":
        return tensor
    if tensor.dtype == torch.uint8:
        return _scaled(tensor)
    return tensor.to(torch.float32).contiguous()


def _scaled(frames: torch.Tensor) -> torch.Tensor:
    """``(..., C, H, W) uint8`` as contiguous float32 in [0, 1], one picture at a time, so that each stays in the
    processor's cache between the steps: by PyTorch's strided copy of all it takes twice as long, for a large batch five
    times. NumPy's memory is in huge pages where the system has them, PyTorch's is not."""
    scaled = np.empty(tuple(frames.shape), np.float32)
    pictures = frames.movedim(-3, -1).numpy()
    planes = np.empty(scaled.shape[-3:], np.uint8)
    for place in np.ndindex(scaled.shape[:-3]):
        cv2.split(pictures[place], list(planes))
        picture = scaled[place]
        np.copyto(picture, planes)
        np.divide(picture, _WHITE, out=picture)
    return torch.from_numpy(scaled)


_WHITE = np.float32(255)


def _owned(array: npt.NDArray[Any]) -> torch.Tensor:
    """A tensor of the array, in memory that may be written."""
    return torch.from_numpy(array if array.flags.writeable and array.flags.c_contiguous else array.copy())
