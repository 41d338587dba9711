"""Recordings as a native ``tf.data`` pipeline, without PyTorch; and, as a program, as TFRecord shards.

>>> dataset = create_tf_dataset("data/gameon.db", game_name="Doom", batch_size=32, sequence_length=16)
>>> for frames, inputs, audio in dataset:   # (B, T, H, W, C), (B, T, A), (B, T, F), all float32
...     ...
>>> model.fit(create_tf_dataset("data/gameon.db", game_name="Doom", as_supervised=True), epochs=10)

``python -m gameon_env.export.tensorflow_export --game Doom --output doom_tf/`` writes shards for those who have nothing
of this project: see :mod:`gameon_env.export.tfrecord_export`.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from gameon_env.datasets.options import DatasetOptions, FrameType, Split, Target
from gameon_env.datasets.recording import AudioFeatures, AudioSource
from gameon_env.datasets.windows import Windows
from gameon_env.errors import DatasetError
from gameon_env.export.tensorflow_buffers import Buffers
from gameon_env.export.tensorflow_calls import calls
from gameon_env.export.tfrecord_export import command, export_to_tfrecord
from gameon_env.optional import require

__all__ = ["command", "create_tf_dataset", "export_to_tfrecord"]

_MOST_READERS = 4
"""Batches read at once: each holds its own decoder, which costs memory."""


def create_tf_dataset(
    db_path: str | Path = "data/gameon.db",
    game_name: str | None = None,
    batch_size: int = 32,
    sequence_length: int = 16,
    prefetch: bool | int = True,
    *,
    include_audio: bool = True,
    as_supervised: bool = False,
    as_dict: bool = False,
    shuffle: bool = True,
    deterministic: bool = True,
    drop_remainder: bool = False,
    workers: int | None = None,
    transform: Callable[[Any], Any] | None = None,
    augment: bool = False,
    frame_skip: int = 1,
    stride: int = 1,
    fps: float | None = None,
    target_size: tuple[int, int] = (224, 224),
    audio_source: AudioSource = "system",
    audio_features: AudioFeatures = "mel",
    audio_rate: float | None = None,
    split: Split | None = None,
    split_fractions: tuple[float, float, float] = (0.8, 0.1, 0.1),
    seed: int = 0,
    target: Target = "all",
    sessions: Iterable[str] | None = None,
    latency_ms: float = 0.0,
    pad: bool = False,
    dtype: FrameType = "float32",
    cache: str | Path | bool | None = None,
) -> Any:
    """A ``tf.data.Dataset`` of batches of windows, of known length and shapes.

    Args:
        db_path: ``gameon.db`` or its folder, a session's folder, a trajectory file, or a folder of these.
        game_name: only recordings of this game; None: all, with their controls aligned by name.
        batch_size: windows a batch (B).
        sequence_length: steps a window (T); 1: the elements have no axis of time.
        prefetch: make batches while the last one is used: as many as fit the pace, or as many as said.
        include_audio: give sound.
        as_supervised: ``((frames, audio), inputs)`` for Keras' ``fit``; with ``pad=True`` the mask follows, as the
            weights of the steps (with ``target="last"`` there is but one, which is there always).
        as_dict: all that is known of a window by its name, as the PyTorch dataset gives it.
        shuffle: the windows, anew in each epoch.
        deterministic: the same seed gives the same elements in the same order, run by run. False: whichever batch is
            ready first.
        drop_remainder: leave out the last batch where it is smaller, so that B is static.
        workers: batches that are read at once; None: as the processor has cores, 4 at most. With a transform it is
            one: what transforms draw at random is drawn from generators of the whole process.
        transform, augment, frame_skip, stride, fps, target_size, audio_source, audio_features, audio_rate, split,
            split_fractions, seed, target, sessions, latency_ms, pad, dtype, cache: see
            :class:`~gameon_env.datasets.options.DatasetOptions`. What a transform gives as a PyTorch tensor is taken
            to have its channels first, as torchvision's have, and turned.

    Returns:
        batches ``(frames, inputs, audio)``: ``(B, T, H, W, 3) float32`` in [0, 1] (or uint8), ``(B, T, A) float32``
        (with ``target="last"`` ``(B, A)``), ``(B, T, F) float32``; without sound ``(frames, inputs)``. The dataset has
        the attributes ``controls`` (A names), ``num_actions`` (A) and ``windows`` (what it reads).

    Raises:
        MissingPartError: TensorFlow is not installed.
        DatasetError: a value that is not allowed, or no window to give.
        UnknownNameError: there is no such game or session.
    """
    tf = require("tensorflow", "create_tf_dataset")
    options = DatasetOptions(
        db_path=db_path,
        game_name=game_name,
        transform=transform,
        augment=augment,
        frame_skip=frame_skip,
        sequence_length=sequence_length,
        stride=stride,
        fps=fps,
        target_size=target_size,
        include_audio=include_audio,
        audio_source=audio_source,
        audio_features=audio_features,
        audio_rate=audio_rate,
        split=split,
        split_fractions=split_fractions,
        seed=seed,
        target=target,
        sessions=None if sessions is None else (sessions,) if isinstance(sessions, str) else tuple(sessions),
        latency_ms=latency_ms,
        pad=pad,
        dtype=dtype,
        cache=cache,
    )
    for name, value in {
        "batch_size": batch_size,
        "prefetch": prefetch,
        "workers": 1 if workers is None else workers,
    }.items():
        least = 0 if name == "prefetch" else 1
        if not isinstance(value, int | np.integer) or (isinstance(value, bool) and least) or value < least:
            raise DatasetError(f"{name} must be a whole number, {least} or more; got {value!r}")
    if as_supervised and as_dict:
        raise DatasetError("as_supervised=True is for Keras, as_dict=True for loops of one's own: choose one of them")
    if pad and not (as_supervised or as_dict):
        raise DatasetError(
            "pad=True gives windows with steps that are not there, and (frames, inputs, audio) has no place for the "
            "mask that tells them: choose as_supervised=True (weights for Keras) or as_dict=True"
        )

    windows = Windows(options)
    reader = _Reader(tf, windows, None if not drop_remainder else int(batch_size))
    numbers = _numbers(tf, len(windows), seed, shuffle).batch(batch_size, drop_remainder=drop_remainder)
    at_once = 1 if transform is not None else workers or min(_MOST_READERS, os.cpu_count() or 1)
    dataset = numbers.map(reader.read, num_parallel_calls=at_once, deterministic=deterministic)
    weighted = pad and target == "all"  # with target="last" each window has its one action, which is there
    dataset = dataset.map(_element(include_audio, as_supervised, as_dict, weighted))
    if prefetch:
        dataset = dataset.prefetch(tf.data.AUTOTUNE if prefetch is True else prefetch)
    dataset.windows, dataset.controls, dataset.num_actions = windows, windows.controls, windows.num_actions
    return dataset


def _numbers(tf: Any, count: int, seed: int, shuffle: bool) -> Any:
    """``(number of the epoch's draw, number of a window)``, each ``() int64``.

    The order is one permutation an epoch: 8 bytes a window, where ``Dataset.shuffle`` holds a tensor for each.
    """

    def epoch(draw: Any) -> Any:
        order = tf.range(count, dtype=tf.int64)
        if shuffle:
            order = tf.random.experimental.stateless_shuffle(order, seed=tf.stack([draw, tf.constant(seed, tf.int64)]))
        return tf.data.Dataset.from_tensor_slices(order).map(lambda number: (draw, number))

    draws = tf.data.Dataset.random(seed=seed % 2**31, rerandomize_each_iteration=True).take(1)
    return draws.flat_map(epoch).apply(tf.data.experimental.assert_cardinality(count))


class _Reader:
    """Reads batches, called by TensorFlow's threads; and makes floats of bytes, in TensorFlow."""

    def __init__(self, tf: Any, windows: Windows, batch_size: int | None) -> None:
        self._tf, self._windows = tf, windows
        self._buffers = Buffers()
        options = windows.options
        length = options.sequence_length
        self._frame_type, picture = tf.uint8, (*windows.size, 3)
        if options.transform is not None:
            frames = _channels_last(windows.item(0).frames, 4)
            self._frame_type, picture = tf.as_dtype(frames.dtype), frames.shape[1:]
        width = windows.audio_width if options.include_audio else 0
        vector = (windows.num_actions,)
        self._parts = {
            "frames": (self._frame_type, (batch_size, length, *picture)),
            "inputs": (tf.float32, (batch_size, *((length,) if options.target == "all" else ()), *vector)),
            "audio": (tf.float32, (batch_size, length, width)),
            "audio_mask": (tf.bool, (batch_size, length)),
            "timestamps": (tf.int64, (batch_size, length)),
            "mask": (tf.bool, (batch_size, length)),
            "control_mask": (tf.bool, (batch_size, *vector)),
            "session_id": (tf.string, (batch_size,)),
        }
        if not options.include_audio:
            del self._parts["audio"], self._parts["audio_mask"]

    def read(self, draws: Any, numbers: Any) -> dict[str, Any]:
        """``(B,) int64`` each to the batch's tensors by name."""
        tf, options = self._tf, self._windows.options
        types = [kind for kind, _ in self._parts.values()]
        values = tf.numpy_function(self._read, (draws, numbers), types, stateful=False)
        batch = {}
        for (name, (_, shape)), value in zip(self._parts.items(), values, strict=True):
            value.set_shape(shape)
            one_step = options.sequence_length == 1 and name not in ("control_mask", "session_id")
            if one_step and not (name == "inputs" and options.target == "last"):
                value = tf.squeeze(value, 1)
            batch[name] = value
        if options.dtype == "float32":
            floats = tf.cast(batch["frames"], tf.float32)
            batch["frames"] = floats * (1 / 255) if self._frame_type == tf.uint8 else floats
        return batch

    def _shape(self, count: int) -> tuple[int, ...]:
        return (count, self._windows.options.sequence_length, *self._windows.size, 3)

    def _read(self, draws: Any, numbers: Any) -> list[Any]:
        with calls:
            return self._nothing() if calls.ended else self._batch(draws, numbers)

    def _nothing(self) -> list[Any]:
        return [np.empty((0, *shape[1:]), kind.as_numpy_dtype) for kind, shape in self._parts.values()]

    def _batch(self, draws: Any, numbers: Any) -> list[Any]:
        out = self._buffers.lend(self._shape(len(numbers))) if self._windows.options.transform is None else None
        batch = self._windows.batch(numbers, epoch=int(draws[0]), out=out)
        values = {
            "frames": np.ascontiguousarray(_channels_last(batch.frames, 5)),
            "session_id": np.array([name.encode() for name in batch.session_id], object),
        }
        return [values[name] if name in values else getattr(batch, name) for name in self._parts]


def _channels_last(frames: Any, dimensions: int) -> npt.NDArray[Any]:
    """What a transform gave, as an array of ``dimensions``; of a PyTorch tensor the channels are turned to the end."""
    array: npt.NDArray[Any] = frames if isinstance(frames, np.ndarray) else frames.numpy()
    if array.ndim < dimensions:  # grey pictures
        return array[..., None]
    return array if isinstance(frames, np.ndarray) else np.moveaxis(array, -3, -1)


def _element(
    include_audio: bool, as_supervised: bool, as_dict: bool, weighted: bool
) -> Callable[[dict[str, Any]], Any]:
    """What is given of a batch."""

    def element(batch: dict[str, Any]) -> Any:
        if as_dict:
            return batch
        if as_supervised:
            seen = (batch["frames"], batch["audio"]) if include_audio else batch["frames"]
            return (seen, batch["inputs"], batch["mask"]) if weighted else (seen, batch["inputs"])
        return (batch["frames"], batch["inputs"], *((batch["audio"],) if include_audio else ()))

    return element


if __name__ == "__main__":
    sys.exit(command.main())
