"""Hearing sound: what is played, or a microphone, as blocks with the time of their first sample."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Self

import numpy as np
import numpy.typing as npt

from gameon_env.desktop import audio_process
from gameon_env.desktop.process import OUT_OF_THE_TERMINAL
from gameon_env.errors import AudioError

RATE_HZ = 48_000
BLOCK_MS = 40

Samples = npt.NDArray[np.int16]


@dataclass(frozen=True, slots=True)
class RecordedBlock:
    """A block of sound as the device gave it.

    Attributes:
        samples: ``(n, channels) int16``; ``n`` is 0 for a mere sign of life of a device that gives nothing now.
        t_ns: when the first of them was heard, on :func:`gameon_env.clock.now_ns`.
        lost: frames (samples of every channel) that were lost before it because nobody read them.
    """

    samples: Samples
    t_ns: int
    lost: int = 0


@dataclass(frozen=True, slots=True)
class AudioSource:
    """Something that can be heard. Make one with :func:`~gameon_env.desktop.audio_devices.system_audio` or
    :func:`~gameon_env.desktop.audio_devices.microphone`; it may be away now and come back.

    Attributes:
        label: what it is, for people.
        device: the name of PortAudio's device; ``None``: its default input.
        environment: variables for the process that records.
        rate_hz: samples a second and channel that are asked for.
        channels: 1 or 2.
        silence_is_loss: whether a device that gives no samples is gone; a loopback of WASAPI gives none while
            nothing is played.
    """

    label: str
    device: str | None
    environment: Mapping[str, str] = field(default_factory=dict)
    rate_hz: int = RATE_HZ
    channels: int = 2
    silence_is_loss: bool = True

    def open(self) -> AudioStream:
        """Begin to record, in a process of its own. Returns at once: what fails later is told by ``read``."""
        return AudioStream(self)


class AudioStream:
    """Blocks of 40 ms from one source, on a pipe from the process that records them.

    It costs some 1.5 % of one core; blocks of 10 ms cost twice that.
    Made by :meth:`AudioSource.open`. One thread reads and closes it; any may end it.
    """

    def __init__(self, source: AudioSource) -> None:
        self.source = source
        wanted = {
            "device": source.device,
            "rate_hz": source.rate_hz,
            "channels": source.channels,
            "block_frames": source.rate_hz * BLOCK_MS // 1000,
            "silence_is_loss": source.silence_is_loss,
        }
        self._errors: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115 - closed with the stream
        self._process = start_audio_process(json.dumps(wanted), source.environment, self._errors)
        assert self._process.stdout is not None
        self._pipe = self._process.stdout

    def read(self) -> RecordedBlock:
        """The next block; waits for it, 0.5 s at most for a sign of life.

        Raises:
            AudioError: the device is gone, is not there, or the stream was closed.
        """
        header = self._exactly(audio_process.HEADER.size)
        _, t_ns, frames, lost = audio_process.HEADER.unpack(header)
        data = self._exactly(frames * self.source.channels * 2)
        return RecordedBlock(np.frombuffer(data, np.int16).reshape(frames, self.source.channels), t_ns, lost)

    def end(self) -> None:
        """End the recording: a ``read`` that waits in another thread raises."""
        self._process.kill()

    def close(self) -> None:
        """End it and let go of everything; not while another thread reads. More calls do nothing."""
        self.end()
        self._process.wait()
        self._pipe.close()
        self._errors.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _exactly(self, count: int) -> bytes:
        data = b""
        with contextlib.suppress(ValueError):  # a closed pipe
            data = self._pipe.read(count)
        if len(data) < count:
            self._process.wait()
            raise AudioError(f"{self.source.label} cannot be heard: {self._last_words()}")
        return data

    def _last_words(self) -> str:
        if self._errors.closed:
            return "it was closed"
        self._errors.seek(0)
        said = self._errors.read().decode(errors="replace").strip().splitlines()
        return explain(said[-1] if said else f"its process ended ({self._process.returncode})")


def start_audio_process(argument: str, environment: Mapping[str, str], errors: IO[bytes]) -> subprocess.Popen[bytes]:
    """Run :mod:`gameon_env.desktop.audio_process` by its path; see there."""
    variables = dict(os.environ)
    # Looking for devices must neither start a JACK server nor wait for one.
    variables |= {"JACK_NO_START_SERVER": "1"} | dict(environment)
    # -P: the folder of the script, with modules named as others are, is not searched.
    command = [sys.executable, "-P", str(Path(audio_process.__file__).resolve()), argument]
    return subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=errors, env=variables,
        start_new_session=True, creationflags=OUT_OF_THE_TERMINAL,
    )  # fmt: skip


def explain(reason: str) -> str:
    """What PortAudio or Python said, and the remedy where it is known."""
    if "PortAudio library not found" in reason:
        return f"{reason}. Install it: apt-get install libportaudio2"
    if "No module named 'sounddevice'" in reason:
        return f"{reason}. Install it: pip install sounddevice"
    if "no input device 'pulse'" in reason:
        return (
            f"{reason}: no sound server answers, or ALSA's plugin for it is missing "
            "(apt-get install libasound2-plugins)"
        )
    return reason
