"""Writing sound: a WAV file that is valid at every moment while it grows, and mending one that was cut."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Self

import numpy as np
import numpy.typing as npt

from gameon_env.data_processing.wav_file import HEADER_BYTES, wav_header, wav_layout
from gameon_env.errors import AudioError, StorageError

HEADER_EVERY_S = 0.25


class WavWriter:
    """16-bit PCM. Samples go to the file at once, the header that counts them follows within 0.25 s: a reader never
    sees more than there is, and a killed writer leaves a valid file. Beyond 4 GB it becomes an RF64 file in place.

    Args:
        path: the file; it must not exist yet.
        rate_hz: frames a second.
        channels: samples a frame.

    Raises:
        StorageError: the file exists, or cannot be written.
    """

    def __init__(self, path: Path, rate_hz: int, channels: int) -> None:
        self.path = path
        self.rate_hz, self.channels = rate_hz, channels
        self._data_bytes = 0
        self._header_at = 0.0
        self._fd: int | None = None
        flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0)
        try:
            self._fd = os.open(path, flags, 0o644)
            self._write_header()
        except OSError as error:
            self._let_go()
            raise StorageError(f"{path} cannot be written: {error}") from error

    @property
    def frames(self) -> int:
        """Frames written."""
        return self._data_bytes // (2 * self.channels)

    def write(self, samples: npt.NDArray[np.int16]) -> None:
        """Append ``(n, channels) int16``.

        Raises:
            StorageError: the disk is full or gone; all whole frames up to here are in the file, which is valid.
        """
        if self._fd is None:
            raise StorageError(f"{self.path} is closed")
        if samples.dtype != np.int16 or samples.ndim != 2 or samples.shape[1] != self.channels:
            raise AudioError(f"samples are {samples.dtype} {samples.shape}, expected int16 (n, {self.channels})")
        data = memoryview(samples.astype("<i2", copy=False).tobytes())
        end = HEADER_BYTES + self._data_bytes
        written = 0
        try:
            os.lseek(self._fd, end, os.SEEK_SET)
            while written < len(data):
                written += os.write(self._fd, data[written:])
        except OSError as error:
            self._keep_whole_frames(written)
            raise StorageError(f"{self.path} cannot be written on: {error}. What was written is valid.") from error
        self._data_bytes += written
        if time.monotonic() - self._header_at >= HEADER_EVERY_S:
            try:
                self._write_header()
            except OSError as error:
                raise StorageError(f"{self.path} cannot be written on: {error}") from error

    def close(self) -> None:
        """Bring the header up to date and let go of the file; more calls do nothing.

        Raises:
            StorageError: the last header could not be written.
        """
        if self._fd is None:
            return
        try:
            self._write_header()
            os.fsync(self._fd)
        except OSError as error:
            raise StorageError(f"{self.path} could not be closed properly: {error}") from error
        finally:
            self._let_go()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _keep_whole_frames(self, written: int) -> None:
        frame = 2 * self.channels
        self._data_bytes += written // frame * frame
        assert self._fd is not None
        try:
            os.ftruncate(self._fd, HEADER_BYTES + self._data_bytes)
            self._write_header()  # in place: needs no new block of the disk
        except OSError:
            pass  # the file system is gone: the error that led here is raised

    def _write_header(self) -> None:
        assert self._fd is not None
        os.lseek(self._fd, 0, os.SEEK_SET)
        os.write(self._fd, wav_header(self.rate_hz, self.channels, self._data_bytes))
        self._header_at = time.monotonic()

    def _let_go(self) -> None:
        if self._fd is not None:
            os.close(self._fd)
            self._fd = None


def repair_wav(path: Path, rate_hz: int | None = None, channels: int | None = None) -> int:
    """Make the header of one of our WAV files agree with the samples that are in it; they are never touched.

    A header that a power cut left as zeros is written anew where ``rate_hz`` and ``channels`` are given.

    Returns:
        frames that the file holds now; a file that was right already stays as it is, byte for byte.

    Raises:
        AudioError: it is no WAV file of ours.
        StorageError: it cannot be written.
    """
    try:
        with path.open("rb") as file:
            head = file.read(HEADER_BYTES)
    except OSError as error:
        raise StorageError(f"{path} cannot be read: {error}") from error
    if not head.strip(b"\0") and rate_hz is not None and channels is not None:
        size = max(0, path.stat().st_size - HEADER_BYTES) // (2 * channels) * 2 * channels
    else:
        layout = wav_layout(path)
        if layout.data_start != HEADER_BYTES:
            if layout.declared_bytes <= layout.present_bytes:
                return layout.frames
            raise AudioError(f"{path} is cut short and not written by this project: its header is laid out otherwise")
        rate_hz, channels, size = layout.rate_hz, layout.channels, layout.present_bytes
    right = wav_header(rate_hz, channels, size)
    if head != right:
        try:
            with path.open("r+b") as file:
                file.write(right)
        except OSError as error:
            raise StorageError(f"{path} cannot be repaired: {error}") from error
    return size // (2 * channels)
