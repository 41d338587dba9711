"""The layout of our WAV files: 16-bit PCM, with room to become RF64 beyond 4 GB."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from pathlib import Path

from gameon_env.errors import AudioError

HEADER_BYTES = 80
"""RIFF (12), JUNK or ds64 (36), fmt (24), head of data (8)."""

RIFF_LIMIT = 2**32 - 1
"""Sizes in a RIFF header are 32 bits; beyond that it becomes RF64 (EBU Tech 3306), whose sizes lie in ds64."""

_UNKNOWN = 2**32 - 1


@dataclass(frozen=True, slots=True)
class WavLayout:
    """Where the samples of a WAV file lie.

    Attributes:
        rate_hz: frames a second.
        channels: samples a frame.
        data_start: byte at which the samples begin.
        declared_bytes: of samples, as the header says.
        present_bytes: of samples that are in the file, in whole frames; chunks behind the samples do not count.
    """

    rate_hz: int
    channels: int
    data_start: int
    declared_bytes: int
    present_bytes: int

    @property
    def frame_bytes(self) -> int:
        return 2 * self.channels

    @property
    def frames(self) -> int:
        """Frames that the header declares and the file holds."""
        return min(self.declared_bytes, self.present_bytes) // self.frame_bytes


def wav_header(rate_hz: int, channels: int, data_bytes: int) -> bytes:
    """The first ``HEADER_BYTES`` of a file with ``data_bytes`` of 16-bit samples."""
    riff_bytes = data_bytes + HEADER_BYTES - 8
    large = riff_bytes > RIFF_LIMIT
    if large:
        frames = data_bytes // (2 * channels)
        first = struct.pack("<4sI4s", b"RF64", _UNKNOWN, b"WAVE")
        first += struct.pack("<4sIQQQI", b"ds64", 28, riff_bytes, data_bytes, frames, 0)
    else:
        first = struct.pack("<4sI4s4sI28x", b"RIFF", riff_bytes, b"WAVE", b"JUNK", 28)
    sound = struct.pack("<4sIHHIIHH", b"fmt ", 16, 1, channels, rate_hz, rate_hz * 2 * channels, 2 * channels, 16)
    return first + sound + struct.pack("<4sI", b"data", _UNKNOWN if large else data_bytes)


def wav_layout(path: Path) -> WavLayout:
    """Read the header of a RIFF or RF64 file of 16-bit PCM.

    Raises:
        AudioError: it is no such file; an empty one is none either.
    """
    with path.open("rb") as file:
        size = path.stat().st_size
        riff, _, wave = struct.unpack("<4sI4s", file.read(12).ljust(12, b"\0"))
        if riff not in (b"RIFF", b"RF64") or wave != b"WAVE":
            raise AudioError(f"{path} is no WAV file: it begins with {riff!r}, expected were RIFF or RF64 and WAVE")
        sound: tuple[int, int] | None = None
        large_data = 0
        while len(head := file.read(8)) == 8:
            name, length = struct.unpack("<4sI", head)
            if name == b"data":
                start = file.tell()
                declared = large_data if riff == b"RF64" and length == _UNKNOWN else length
                if sound is None:
                    break
                whole = (size - start) // (2 * sound[1]) * 2 * sound[1]
                return WavLayout(*sound, start, declared, whole)
            body = file.read(length + length % 2) if length < 65536 else b""
            if len(body) < min(length, 65536):
                break
            if name == b"fmt ":
                sound = _sound_format(path, body)
            elif name == b"ds64":
                large_data = struct.unpack("<8xQ", body[:16])[0]
    raise AudioError(f"{path} is cut short: it holds no samples")


def _sound_format(path: Path, body: bytes) -> tuple[int, int]:
    kind, channels, rate, _, _, bits = struct.unpack("<HHIIHH", body[:16])
    # WAVE_FORMAT_EXTENSIBLE names its real kind further on; for 16 bits that is PCM.
    if kind not in (1, 0xFFFE) or bits != 16 or channels < 1 or rate < 1:
        raise AudioError(f"{path} holds {bits}-bit sound of kind {kind}, {channels} channels; expected is 16-bit PCM")
    return rate, channels
