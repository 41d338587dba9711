"""The layout of stored steps: how they become rows of an HDF5 file, and steps again."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePath
from typing import Any

import h5py
import numpy as np
import numpy.typing as npt

from gameon_env.data_processing.synchronizer import SyncedData
from gameon_env.errors import SessionError

FORMAT_NAME = "gameon-synced"
FORMAT_VERSION = 1
_TEXT_CHUNK = 256
_CHUNK_BYTES = 1 << 16
_BLOCK_ROWS = 256

Array = npt.NDArray[Any]


@dataclass(frozen=True, slots=True)
class StoredStep:
    """One step, ready to be written: its JSON texts, and its arrays."""

    frame_id: str
    timestamp: int
    inputs: str
    metadata: str
    features: Array | None
    vector: Array | None
    presses: Array | None
    audio: tuple[tuple[int, Array], ...]


def encode(step: SyncedData) -> StoredStep:
    """Make a step ready to be written.

    Raises:
        SessionError: JSON cannot hold its inputs or metadata, or its features are no array of numbers.
    """
    where = f"of frame {step.frame_id!r}"
    return StoredStep(
        step.frame_id,
        int(step.timestamp),
        to_json(step.inputs, f"the inputs {where}"),
        to_json(step.metadata, f"the metadata {where}"),
        None if step.frame_features is None else _numbers(step.frame_features, f"the features {where}"),
        step.vector,
        step.presses,
        tuple((int(t), _numbers(samples, f"the sound {where}")) for t, samples in step.audio),
    )


def lay_out(file: h5py.File, attributes: Mapping[str, Any], num_controls: int) -> None:
    """Make an empty session of a new file."""
    file.attrs.update(attributes)
    for name in ("frame_id", "inputs", "metadata"):
        file.create_dataset(f"frames/{name}", (0,), h5py.string_dtype(), maxshape=(None,), chunks=(_TEXT_CHUNK,))
    file.create_dataset("frames/timestamp", (0,), np.int64, maxshape=(None,), chunks=(_TEXT_CHUNK,))
    file.create_dataset("features/row", (0,), np.int64, maxshape=(None,), chunks=(_TEXT_CHUNK,))
    file.create_dataset("audio/blocks", (0, 4), np.int64, maxshape=(None, 4), chunks=(_TEXT_CHUNK, 4))
    if num_controls:
        _create_rows(file, "vectors/inputs", (num_controls,), np.dtype(np.float32), None)
        _create_rows(file, "vectors/presses", (num_controls,), np.dtype(np.uint8), None)


def append(file: h5py.File, steps: Sequence[StoredStep], compression: str | None) -> None:
    """Append steps.

    Raises:
        SessionError: arrays of another shape or dtype than the session's earlier ones. Nothing may be kept then.
    """
    first = len(file["frames/timestamp"])
    for name in ("frame_id", "inputs", "metadata", "timestamp"):
        _extend(file[f"frames/{name}"], [getattr(step, name) for step in steps])
    features = [step.features for step in steps if step.features is not None]
    start = _extend_rows(file, "features/values", features, compression)
    has = np.array([step.features is not None for step in steps])
    _extend(file["features/row"], np.where(has, start + np.cumsum(has) - 1, -1))
    vectors = [step.vector for step in steps if step.vector is not None]
    presses = [step.presses for step in steps if step.presses is not None]
    if "vectors" not in file and vectors:
        raise SessionError("the steps have vectors: name their controls in start_session(controls=...)")
    if "vectors" in file:
        if not len(vectors) == len(presses) == len(steps):
            raise SessionError("the session has controls, so that each step needs a vector and presses; some have none")
        _extend_rows(file, "vectors/inputs", vectors, None)
        _extend_rows(file, "vectors/presses", presses, None)
    _append_audio(file, steps, first)


def read_steps(file: h5py.File) -> Iterator[SyncedData]:
    """All steps of a session, in order; some hundred rows are in memory at a time."""
    rows = len(file["frames/timestamp"])
    for start in range(0, rows, _BLOCK_ROWS):
        yield from _read_block(file, start, min(start + _BLOCK_ROWS, rows))


def to_json(value: Any, what: str) -> str:
    """JSON text; NumPy's numbers and arrays, sets, tuples and paths become what JSON has for them.

    Raises:
        SessionError: something in it has no such form (bytes, NaN, objects).
    """
    try:
        return json.dumps(value, ensure_ascii=False, allow_nan=False, default=_plain)
    except (TypeError, ValueError, RecursionError) as error:
        raise SessionError(f"{what} cannot be stored as JSON: {error}") from error


def _plain(value: object) -> object:
    if isinstance(value, np.generic | np.ndarray):
        return value.tolist()
    if isinstance(value, set | frozenset):
        return sorted(value)
    if isinstance(value, PurePath):
        return str(value)
    raise TypeError(f"{value!r} is {type(value).__name__}")


def _numbers(value: Any, what: str) -> Array:
    if hasattr(value, "detach"):  # a tensor, perhaps on another device and with a gradient
        value = value.detach().cpu()
    array = np.asarray(value)
    if array.dtype.kind not in "biuf":
        raise SessionError(f"{what} must be an array of numbers, got {array.dtype}")
    return array


def _create_rows(
    file: h5py.File, name: str, shape: tuple[int, ...], dtype: np.dtype[Any], compression: str | None
) -> None:
    row_bytes = max(1, int(np.prod(shape)) * dtype.itemsize)
    rows = max(1, min(_CHUNK_BYTES // row_bytes, 4096))
    file.create_dataset(
        name,
        (0, *shape),
        dtype,
        maxshape=(None, *shape),
        chunks=(rows, *(max(1, n) for n in shape)),
        compression=compression,
        compression_opts=1 if compression == "gzip" else None,
        shuffle=compression is not None,
    )


def _extend(dataset: h5py.Dataset, values: Any) -> int:
    """Append values. Returns the row of the first."""
    start = len(dataset)
    dataset.resize(start + len(values), axis=0)
    if len(values):
        dataset[start:] = values
    return start


def _extend_rows(file: h5py.File, name: str, arrays: Sequence[Array], compression: str | None) -> int:
    """Append arrays of one shape, as one row each; the first one ever decides what they are."""
    if not arrays:
        return 0
    if name not in file:
        _create_rows(file, name, arrays[0].shape, arrays[0].dtype, compression)
    dataset = file[name]
    for array in arrays:
        if array.shape != dataset.shape[1:] or array.dtype != dataset.dtype:
            raise SessionError(
                f"{name} holds {dataset.shape[1:]} {dataset.dtype} a step in this session; got {array.shape} "
                f"{array.dtype}: start another session for another model or other controls"
            )
    return _extend(dataset, np.stack(arrays))


def _append_audio(file: h5py.File, steps: Sequence[StoredStep], first_step: int) -> None:
    blocks = [(first_step + i, t, samples) for i, step in enumerate(steps) for t, samples in step.audio]
    if not blocks:
        return
    name, sample = "audio/samples", blocks[0][2]
    if name not in file:
        _create_rows(file, name, sample.shape[1:], sample.dtype, None)
    dataset = file[name]
    for _, t, samples in blocks:
        if samples.ndim == 0 or samples.shape[1:] != dataset.shape[1:] or samples.dtype != dataset.dtype:
            raise SessionError(
                f"the session's sound is (n, *{dataset.shape[1:]}) {dataset.dtype}; the block at {t} us is "
                f"{samples.shape} {samples.dtype}"
            )
    start = _extend(dataset, np.concatenate([samples for _, _, samples in blocks]))
    ends = start + np.cumsum([len(samples) for _, _, samples in blocks])
    starts = np.append(start, ends[:-1])
    _extend(
        file["audio/blocks"],
        np.array([(row, t, a, b) for (row, t, _), a, b in zip(blocks, starts, ends, strict=True)], np.int64),
    )


def _read_block(file: h5py.File, start: int, stop: int) -> Iterator[SyncedData]:
    frames = file["frames"]
    frame_ids, inputs, metadata = (frames[name].asstr()[start:stop] for name in ("frame_id", "inputs", "metadata"))
    timestamps, feature_rows = frames["timestamp"][start:stop], file["features/row"][start:stop]
    stored = feature_rows[feature_rows >= 0]
    features = file["features/values"][stored[0] : stored[-1] + 1] if len(stored) else None
    vectors = file["vectors/inputs"][start:stop] if "vectors" in file else None
    presses = file["vectors/presses"][start:stop] if "vectors" in file else None
    step_of_block = file["audio/blocks"][:, 0]
    blocks = file["audio/blocks"][slice(*np.searchsorted(step_of_block, [start, stop]).tolist())]
    for i, row in enumerate(feature_rows.tolist()):
        audio = [(int(t), file["audio/samples"][a:b]) for step, t, a, b in blocks.tolist() if step == start + i]
        yield SyncedData(
            int(timestamps[i]),
            frame_ids[i],
            None if features is None or row < 0 else features[row - stored[0]],
            json.loads(inputs[i]),
            json.loads(metadata[i]),
            None if vectors is None else vectors[i],
            None if presses is None else presses[i],
            tuple(audio),
        )
