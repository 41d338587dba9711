"""Reads this folder of TFRecord shards. It needs TensorFlow, and nothing else: copy it where you like.

>>> dataset = read_dataset("folder", batch_size=32, sequence_length=16)
>>> for frames, inputs in dataset:      # (B, T, H, W, 3) float32 in [0, 1], (B, T, A) float32
...     ...                             # and audio (B, T, F) float32 as a third, where the shards hold sound
>>> model.fit(read_dataset("folder", as_supervised=True))

The names of the A controls are in dataset_info.json. `python read_dataset.py` says what the shards hold.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import tensorflow as tf


def read_info(folder: str | Path = ".") -> dict[str, Any]:
    """What the shards hold: controls, episodes, size and kind of the frames, and the files."""
    info: dict[str, Any] = json.loads((Path(folder) / "dataset_info.json").read_text(encoding="utf-8"))
    return info


def read_rows(folder: str | Path = ".", files: Any = None) -> Any:
    """All rows, in order of time, as dictionaries of tensors; ``video`` still encoded.

    Args:
        files: those to read; all without them.
    """
    info = read_info(folder)
    kinds = {"bytes": tf.string, "float32": tf.float32, "int64": tf.int64}
    features = {
        name: tf.io.FixedLenFeature(feature["shape"], kinds[feature["type"]])
        for name, feature in info["features"].items()
    }
    records = tf.data.TFRecordDataset(_files(folder, info) if files is None else files)
    return records.map(lambda record: tf.io.parse_single_example(record, features))


def decode(video: Any, info: dict[str, Any]) -> Any:
    """``(T,)`` encoded frames as ``(T, H, W, 3) uint8`` RGB."""
    shape = (*info["frames"]["size"], 3)
    how = {
        "png": lambda frame: tf.io.decode_png(frame, channels=3),
        "jpeg": lambda frame: tf.io.decode_jpeg(frame, channels=3, dct_method="INTEGER_ACCURATE"),
        "raw": lambda frame: tf.reshape(tf.io.decode_raw(frame, tf.uint8), shape),
    }[info["frames"]["encoding"]]
    frames = tf.map_fn(how, video, fn_output_signature=tf.TensorSpec((None, None, 3), tf.uint8))
    return tf.ensure_shape(frames, (video.shape[0], *shape))


def read_windows(
    folder: str | Path = ".", sequence_length: int = 16, stride: int | None = None, shuffle: int = 256
) -> Any:
    """Windows of rows that follow on each other within one episode, each with an action: dictionaries of ``(T, ...)``.

    Args:
        stride: rows from one window's start to the next one's; as many as a window has without it.
        shuffle: windows to choose the next one from; 0: in order. Several shards are then read at once, and of windows
            that go on in the next shard there are none.
    """
    info = read_info(folder)
    stride = stride or sequence_length
    steps = tf.range(sequence_length, dtype=tf.int64)

    def windows_of(files: Any) -> Any:
        windows = read_rows(folder, files).window(sequence_length, stride, drop_remainder=True)
        windows = windows.flat_map(
            lambda parts: tf.data.Dataset.zip({name: part.batch(sequence_length) for name, part in parts.items()})
        )
        return windows.filter(
            lambda window: (
                tf.reduce_all(window["is_valid"] == 1)
                & tf.reduce_all(window["episode"] == window["episode"][0])
                & tf.reduce_all(window["row"] == window["row"][0] + steps)
            )
        )

    files = _files(folder, info)
    if shuffle:
        windows = tf.data.Dataset.from_tensor_slices(files).shuffle(len(files)).interleave(windows_of, cycle_length=4)
        windows = windows.shuffle(shuffle)
        lengths = [shard["rows"] for shard in info["shards"]]
    else:
        windows, lengths = windows_of(files), [info["rows"]]
    count, first = 0, 0
    for length in lengths:
        count += _count_windows(info, first, first + length, sequence_length, stride)
        first += length
    windows = windows.apply(tf.data.experimental.assert_cardinality(count))

    def decoded(window: dict[str, Any]) -> dict[str, Any]:
        shaped = {name: tf.ensure_shape(value, (sequence_length, *value.shape[1:])) for name, value in window.items()}
        return shaped | {"video": decode(shaped["video"], info)}

    return windows.map(decoded, num_parallel_calls=tf.data.AUTOTUNE)


def _files(folder: str | Path, info: dict[str, Any]) -> list[str]:
    return [str(Path(folder) / shard["file"]) for shard in info["shards"]]


def _count_windows(info: dict[str, Any], first: int, stop: int, length: int, stride: int) -> int:
    """Windows in rows ``[first, stop)`` that lie within an episode; its last row has no action."""
    count = 0
    for episode in info["episodes"]:
        begin, end = max(episode["first_row"], first), min(episode["last_row"], stop)
        earliest, latest = -((first - begin) // stride), (end - length - first) // stride
        count += max(0, latest - earliest + 1)
    return count


def read_dataset(
    folder: str | Path = ".",
    batch_size: int = 32,
    sequence_length: int = 16,
    stride: int | None = None,
    shuffle: int = 256,
    as_supervised: bool = False,
) -> Any:
    """Batches ``(frames, inputs, audio)``, or ``(frames, inputs)`` where there is no sound.

    Args:
        as_supervised: ``((frames, audio), inputs)``, or ``(frames, inputs)``, as Keras' ``fit`` takes it.
    """

    def element(window: dict[str, Any]) -> Any:
        frames, inputs = tf.cast(window["video"], tf.float32) / 255, window["inputs"]
        if "audio" not in window:
            return frames, inputs
        return ((frames, window["audio"]), inputs) if as_supervised else (frames, inputs, window["audio"])

    windows = read_windows(folder, sequence_length, stride, shuffle)
    return windows.batch(batch_size).map(element).prefetch(tf.data.AUTOTUNE)


if __name__ == "__main__":
    here = Path(__file__).resolve().parent
    about = read_info(here)
    print(f"{about['rows']} rows of {len(about['episodes'])} episodes in {len(about['shards'])} files")
    print(f"controls: {', '.join(about['controls'])}")
    for batch in read_dataset(here, batch_size=2, sequence_length=2).take(1):
        print(f"a batch: {', '.join(str(part.shape) for part in batch)}")
