"""Batches of a ReActure download, gathered at once: for PyTorch with channels first, for TensorFlow with them last."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from gameon_env.errors import DatasetError
from gameon_env.optional import require

if TYPE_CHECKING:
    from gameon_env.export.reacture import ReActureDataset

FrameDtype = Literal["float32", "uint8"]

_WIDTHS = {"keys": 6, "position": 3, "velocity": 3, "accelerometer": 3, "battery": 1, "damage": 1}
_SPLIT = [*_WIDTHS.values(), 1]


class ReActureTorchDataset:
    """What a ``torch.utils.data.DataLoader`` reads: item i is sample i of ``dataset``, or of ``indices``.

    Several downloads become one by ``torch.utils.data.ConcatDataset``.
    """

    def __init__(
        self, dataset: ReActureDataset, frame_dtype: FrameDtype = "float32", indices: Sequence[int] | None = None
    ) -> None:
        self._torch: Any = None
        self._dataset = dataset
        self._frame_dtype = _checked_dtype(frame_dtype)
        self._indices = checked_indices(indices, len(dataset))
        self._numbers = np.hstack([*(dataset.numbers(name) for name in _WIDTHS), dataset.frame_timestamps[:, None]])

    def __len__(self) -> int:
        return len(self._indices)

    def __getitem__(self, index: int) -> dict[str, Any]:
        """One sample, without the first dimension of a batch."""
        return {name: values[0] for name, values in self._batch([index]).items()}

    def __getstate__(self) -> dict[str, Any]:
        return self.__dict__ | {"_torch": None}  # a module cannot be sent to another process

    def _batch(self, items: Sequence[int]) -> dict[str, Any]:
        torch = self._torch = self._torch or require("torch", "A PyTorch DataLoader")
        chosen = self._indices.take(items)
        frames = self._dataset.gather(chosen).transpose(0, 3, 1, 2)
        if self._frame_dtype == "float32":
            scaled = np.empty(frames.shape, np.float32)
            scaled[...] = frames
            frames = np.multiply(scaled, np.float32(1.0 / 255.0), out=scaled)
        numbers = torch.from_numpy(self._numbers.take(chosen, axis=0))
        batch = {"frame": torch.from_numpy(frames)}
        batch |= zip(_WIDTHS, numbers.split_with_sizes(_SPLIT, dim=1), strict=False)
        batch["timestamp"] = numbers[:, -1]
        return batch


class _Batches(ReActureTorchDataset):
    """The same for our own DataLoader, which takes a batch that is gathered at once for the list it asks for."""

    def __getitems__(self, items: Sequence[int]) -> dict[str, Any]:
        return self._batch(items)


def pytorch_dataloader(
    dataset: ReActureDataset,
    batch_size: int,
    shuffle: bool,
    frame_dtype: FrameDtype,
    indices: Sequence[int] | None,
    **options: Any,
) -> Any:
    """See :meth:`ReActureDataset.to_pytorch_dataloader`."""
    data = require("torch.utils.data", "A PyTorch DataLoader")
    own_collate = options.get("collate_fn") is not None  # it expects a list of samples
    torch_dataset = (ReActureTorchDataset if own_collate else _Batches)(dataset, frame_dtype, indices)
    options |= {} if own_collate else {"collate_fn": as_it_is}
    return data.DataLoader(torch_dataset, batch_size=checked_batch_size(batch_size), shuffle=shuffle, **options)


def tensorflow_dataset(
    dataset: ReActureDataset, batch_size: int, shuffle: bool, seed: int | None, indices: Sequence[int] | None
) -> Any:
    """See :meth:`ReActureDataset.to_tensorflow_dataset`."""
    tf = require("tensorflow", "A TensorFlow dataset")
    batch_size = checked_batch_size(batch_size)
    chosen = checked_indices(indices, len(dataset))
    random = np.random.default_rng(seed)

    def batches() -> Iterator[dict[str, np.ndarray]]:
        order = random.permutation(chosen) if shuffle else chosen
        for first in range(0, len(order), batch_size):
            rows = order[first : first + batch_size]
            frames = np.multiply(dataset.gather(rows), np.float32(1.0 / 255.0), dtype=np.float32)
            yield {"frame": frames} | {name: dataset.numbers(name)[rows] for name in _WIDTHS}

    height, width = dataset.frames_array.shape[1:3]
    signature = {"frame": tf.TensorSpec((None, height, width, 3), tf.float32)}
    signature |= {name: tf.TensorSpec((None, count), tf.float32) for name, count in _WIDTHS.items()}
    made = tf.data.Dataset.from_generator(batches, output_signature=signature)
    count = -(-len(chosen) // batch_size)
    return made.apply(tf.data.experimental.assert_cardinality(count)).prefetch(tf.data.AUTOTUNE)


def as_it_is(batch: Any) -> Any:
    """What a DataLoader does with a batch that is one already."""
    return batch


def checked_indices(indices: Sequence[int] | None, count: int) -> np.ndarray:
    """``(n,) int64``, all of them where none are named."""
    if indices is None:
        return np.arange(count)
    chosen = np.asarray(indices)
    if chosen.size == 0:
        raise DatasetError("no samples are chosen: indices is empty")
    if chosen.ndim != 1 or chosen.dtype.kind not in "iu" or not -count <= chosen.min() <= chosen.max() < count:
        raise DatasetError(f"indices must be whole numbers from 0 to {count - 1}, the samples there are")
    return chosen.astype(np.int64) % count


def checked_batch_size(batch_size: int) -> int:
    if isinstance(batch_size, bool) or not isinstance(batch_size, int) or batch_size < 1:
        raise DatasetError(f"batch_size must be a whole number, 1 or more; got {batch_size!r}")
    return batch_size


def _checked_dtype(frame_dtype: str) -> FrameDtype:
    if frame_dtype not in ("float32", "uint8"):
        raise DatasetError(f"frame_dtype must be 'float32' (0 to 1) or 'uint8' (0 to 255); got {frame_dtype!r}")
    return frame_dtype  # type: ignore[return-value]
