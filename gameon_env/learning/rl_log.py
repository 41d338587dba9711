"""What a training logs: a line of JSON for each moment, and the same scalars as TensorBoard reads them."""

from __future__ import annotations

import json
import math
import os
import struct
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from gameon_env.errors import StorageError
from gameon_env.optional import require

require("stable_baselines3", "Training agents")
from stable_baselines3.common.logger import KVWriter, Logger  # noqa: E402

CURVE = "curve.jsonl"


def open_logger(folder: Path, since_s: float = 0.0) -> Logger:
    """A logger of Stable-Baselines3 that goes on where the files in ``folder`` end.

    Args:
        folder: gets ``curve.jsonl`` and ``events.out.tfevents.*``.
        since_s: seconds that the training took before.
    """
    return Logger(str(folder), [CurveFile(folder / CURVE, since_s), EventFile(folder)])


class CurveFile(KVWriter):
    """Appends a line of JSON for each moment: ``step``, ``seconds`` and what was logged.

    Args:
        path: the file.
        since_s: seconds that passed before.
    """

    def __init__(self, path: Path, since_s: float = 0.0) -> None:
        self._path, self._start = path, time.monotonic() - since_s

    def write(self, key_values: dict[str, Any], key_excluded: dict[str, tuple[str, ...]], step: int = 0) -> None:
        scalars = {key: round(value, 6) for key, value in _scalars(key_values).items()}
        line = {"step": step, "seconds": round(time.monotonic() - self._start, 2), **scalars}
        try:
            with self._path.open("a", encoding="utf-8") as file:
                file.write(json.dumps(line) + "\n")
        except OSError as error:
            raise StorageError(f"{self._path} cannot be written: {error.strerror}") from error

    def close(self) -> None:
        """Nothing is kept open."""


class EventFile(KVWriter):
    """Scalars as TensorBoard reads them, written here: ``tensorboard --logdir`` shows them, wherever it is installed,
    and it is not needed to train.

    A file is a row of records as in a TFRecord file, each an ``Event`` of TensorFlow's ``event.proto``.

    Args:
        folder: gets a new file.
    """

    def __init__(self, folder: Path) -> None:
        self.path = folder / f"events.out.tfevents.{time.time():.6f}.{os.getpid()}"
        self._append(_double(1, time.time()) + _bytes(3, b"brain.Event:2"))

    def write(self, key_values: dict[str, Any], key_excluded: dict[str, tuple[str, ...]], step: int = 0) -> None:
        values = b"".join(
            _bytes(1, _bytes(1, key.encode()) + _float(2, value)) for key, value in _scalars(key_values).items()
        )
        self._append(_double(1, time.time()) + _varint(2 << 3) + _varint(step) + _bytes(5, values))

    def close(self) -> None:
        """Nothing is kept open."""

    def _append(self, event: bytes) -> None:
        length = struct.pack("<Q", len(event))
        record = length + _masked_crc(length) + event + _masked_crc(event)
        try:
            with self.path.open("ab") as file:
                file.write(record)
        except OSError as error:
            raise StorageError(f"{self.path} cannot be written: {error.strerror}") from error


def _scalars(key_values: Mapping[str, Any]) -> dict[str, float]:
    found = {}
    for key, value in key_values.items():
        if isinstance(value, bool) or not hasattr(value, "__float__") or getattr(value, "size", 1) != 1:
            continue
        number = float(value)
        if math.isfinite(number):
            found[key] = number
    return found


def _varint(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def _bytes(number: int, data: bytes) -> bytes:
    return _varint(number << 3 | 2) + _varint(len(data)) + data


def _double(number: int, value: float) -> bytes:
    return _varint(number << 3 | 1) + struct.pack("<d", value)


def _float(number: int, value: float) -> bytes:
    return _varint(number << 3 | 5) + struct.pack("<f", value)


def _crc_table() -> tuple[int, ...]:
    table = []
    for byte in range(256):
        for _ in range(8):
            byte = byte >> 1 ^ (0x82F63B78 if byte & 1 else 0)  # CRC-32C, reflected
        table.append(byte)
    return tuple(table)


_TABLE = _crc_table()


def _masked_crc(data: bytes) -> bytes:
    crc = 0xFFFFFFFF
    for byte in data:
        crc = crc >> 8 ^ _TABLE[(crc ^ byte) & 0xFF]
    crc ^= 0xFFFFFFFF
    return struct.pack("<I", ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF)
