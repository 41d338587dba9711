"""A recording's bytes as they arrive: four growing files, and how many whole samples they hold.

The parts of the two arrays have their .npy header's room in front from the start, so that finishing moves no data.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

import numpy as np

from gameon_env.errors import StorageError

STREAMS = ("frames", "timestamps", "rows", "events")
HEADER_BYTES = 128
FRAME_SHAPE = (128, 128, 3)
ITEM_BYTES = {"frames": int(np.prod(FRAME_SHAPE)), "timestamps": 4}


class Parts:
    """The streams of one recording in ``folder``. Not safe for several threads at once."""

    def __init__(self, folder: Path, prefix: str) -> None:
        self.folder = folder
        self.prefix = prefix
        self._samples_counted = (-1, 0)  # bytes of rows, and the lines in them

    def path(self, stream: str) -> Path:
        """Where a stream is: in its part, or in the final file if a finish got that far and no farther."""
        part = self.folder / f"{stream}.part"
        final = self.folder / f"{self.prefix}_{stream}.npy"
        return final if stream in ITEM_BYTES and not part.exists() and final.exists() else part

    def size(self, stream: str) -> int:
        """Bytes of the stream."""
        path = self.path(stream)
        whole = path.stat().st_size if path.exists() else 0
        return max(0, whole - HEADER_BYTES) if stream in ITEM_BYTES else whole

    def append(self, stream: str, offset: int, data: bytes) -> int:
        """Write ``data`` where it belongs; what is there already is the same, for a stream is only ever sent once.

        Returns: the stream's size.

        Raises:
            ValueError: there would be a gap before it.
            StorageError: the disk is full, or cannot be written.
        """
        size = self.size(stream)
        if offset > size:
            raise ValueError(f"{stream} holds {size} bytes; those from {offset} on cannot come yet")
        path = self.path(stream)
        at = offset + (HEADER_BYTES if stream in ITEM_BYTES else 0)
        try:
            with _open(path) as file:
                file.seek(at)
                file.write(data)
        except OSError as error:
            raise StorageError(
                f"{path}: {error.strerror}. Free disk space; what was recorded before is kept."
            ) from error
        return max(size, offset + len(data))

    def samples(self) -> int:
        """How many samples are whole in all streams that a sample is made of."""
        counts = [self.size(name) // ITEM_BYTES[name] for name in ITEM_BYTES]
        rows_bytes = self.size("rows")
        if self._samples_counted[0] != rows_bytes:
            self._samples_counted = (rows_bytes, sum(1 for _ in self.lines("rows")))
        return min(*counts, self._samples_counted[1])

    def lines(self, stream: str) -> Iterator[bytes]:
        """The whole lines of a stream of lines, each with its end."""
        path = self.path(stream)
        if not path.exists():
            return
        with path.open("rb") as file:
            for line in file:
                if line.endswith(b"\n"):
                    yield line

    def write_data(self, target: Path, samples: int) -> tuple[int, int]:
        """Write data.jsonl: the rows of the samples, and after them all other lines.

        Returns: how many rows of the robot's state and how many of the player's actions it has.
        """
        states = actions = 0
        with target.open("wb") as file:
            for i, line in enumerate(self.lines("rows")):
                if i == samples:
                    break
                file.write(line)
                states += 1
            for line in self.lines("events"):
                file.write(line)
                if _is_action(line):
                    actions += 1
                else:
                    states += 1
            file.flush()
            os.fsync(file.fileno())
        return states, actions

    def close_arrays(self, samples: int) -> None:
        """Give both arrays their headers, and cut what belongs to no whole sample."""
        for name in ITEM_BYTES:
            path = self.path(name)
            with _open(path) as file:
                file.write(array_header(name, samples))
                file.truncate(HEADER_BYTES + samples * ITEM_BYTES[name])
                file.flush()
                os.fsync(file.fileno())

    def last_row(self, samples: int) -> bytes:
        """The last sample's row; empty where there is none."""
        last = b""
        for i, line in enumerate(self.lines("rows")):
            if i == samples:
                break
            last = line
        return last


def array_header(stream: str, samples: int) -> bytes:
    """The first ``HEADER_BYTES`` of the .npy file of a stream of ``samples`` items."""
    descr, shape = ("|u1", (samples, *FRAME_SHAPE)) if stream == "frames" else ("<f4", (samples,))
    text = repr({"descr": descr, "fortran_order": False, "shape": shape})[:-1] + ", }"
    return (
        b"\x93NUMPY\x01\x00"
        + (HEADER_BYTES - 10).to_bytes(2, "little")
        + text.encode().ljust(HEADER_BYTES - 11)
        + b"\n"
    )


def _open(path: Path) -> BinaryIO:
    """For writing at any place; made where it is not there."""
    path.touch()
    return path.open("r+b")


def _is_action(line: bytes) -> bool:
    try:
        told = json.loads(line)
    except ValueError:
        return False
    return isinstance(told, dict) and told.get("type") == "player_action"
