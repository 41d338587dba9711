"""One stream of sound of a session: from its device to its WAV file, with the clock of the session beside it."""

from __future__ import annotations

import math
import threading
from collections import deque
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Protocol, Self

import numpy as np

from gameon_env.clock import now_ns
from gameon_env.desktop.audio import RecordedBlock, Samples
from gameon_env.errors import AudioError
from gameon_env.recording.audio_pieces import PieceTracker
from gameon_env.recording.model import AudioClockRow, Gap, Stream
from gameon_env.recording.wav_writer import WavWriter

SILENCE_DBFS = -120.0
LEVEL_BLOCKS = 5
"""The level is that of the last 100 ms."""

RETRY_S = (1.0, 5.0)
"""A device that is away is tried again after a second, later less often."""

LAST_BLOCKS_S = 0.3
"""``close`` waits this long for what was heard before it and is still on its way."""

_NEVER = 2**63


class BlockStream(Protocol):
    """An open device, as :class:`gameon_env.desktop.audio.AudioStream` is one."""

    def read(self) -> RecordedBlock: ...

    def end(self) -> None: ...

    def close(self) -> None: ...


class BlockSource(Protocol):
    """What can be opened, also again, as :class:`gameon_env.desktop.audio.AudioSource` is one."""

    @property
    def rate_hz(self) -> int: ...

    @property
    def channels(self) -> int: ...

    def open(self) -> BlockStream: ...


class AudioTrack:
    """Records one source into one WAV file, on a thread of its own.

    The file holds what was heard, back to back; ``on_clock`` gets rows that say when: four a second, and two at each
    break (the end of one piece and the start of the next, with the same sample number). A device that is absent or
    vanishes becomes a gap, and is tried again until it is there. What was heard before ``start_ns`` is not stored.

    Args:
        stream: ``"system_audio"`` or ``"microphone_audio"``.
        path: the WAV file, which must not exist.
        source: what to record.
        start_ns: the session's start on :func:`gameon_env.clock.now_ns`.
        on_clock: is handed each row, on the track's thread, after the samples were written.
        on_gap: is handed each gap when it has ended, or at the end of the track, on the track's thread or in
            ``close``. A pause is not among them: it is the recorder's own.

    Attributes:
        dropped: frames that were lost because the recorder was behind.
        fault: why nothing is heard now, in words; None while the device works.

    Raises:
        StorageError: the file cannot be written.
    """

    def __init__(
        self,
        stream: Stream,
        path: Path,
        source: BlockSource,
        start_ns: int,
        on_clock: Callable[[AudioClockRow], None],
        on_gap: Callable[[Gap], None],
    ) -> None:
        self.stream = stream
        self.fault: str | None = None
        self.dropped = 0
        self._source, self._start_ns = source, start_ns
        self._wav = WavWriter(path, source.rate_hz, source.channels)
        self._pieces = PieceTracker(stream, source.rate_hz, on_clock, on_gap)
        self._squares: deque[float] = deque(maxlen=LEVEL_BLOCKS)
        self._pauses: deque[tuple[int, int | None]] = deque()
        self._lock = threading.Lock()
        self._ending = threading.Event()
        self._heard = threading.Event()
        self._open: BlockStream | None = None
        self._error: BaseException | None = None
        self._closed = False
        self._end_ns = _NEVER
        self._retry_s = RETRY_S[0]
        self._thread = threading.Thread(target=self._run, name=f"gameon-{stream}", daemon=True)

    def start(self) -> None:
        """Begin to record. Returns at once."""
        self._thread.start()

    def wait_until_heard(self, timeout_s: float) -> bool:
        """Wait for the device's first block; False where it did not come in time."""
        return self._heard.wait(timeout_s)

    def pause(self, t_ns: int | None = None) -> None:
        """Store nothing that is heard from ``t_ns`` on (of the clock; None: now)."""
        with self._lock:
            if not self._pauses or self._pauses[-1][1] is not None:
                self._pauses.append((now_ns() if t_ns is None else t_ns, None))

    def resume(self, t_ns: int | None = None) -> None:
        """Store again what is heard from ``t_ns`` on (None: now)."""
        with self._lock:
            if self._pauses and self._pauses[-1][1] is None:
                self._pauses[-1] = (self._pauses[-1][0], now_ns() if t_ns is None else t_ns)

    @property
    def level(self) -> float:
        """Loudness of the last 100 ms in dBFS: 0 is a full-scale square wave, -120 silence or no device."""
        squares = list(self._squares)
        mean = sum(squares) / len(squares) if squares else 0.0
        return max(SILENCE_DBFS, 10 * math.log10(mean)) if mean > 0 else SILENCE_DBFS

    @property
    def samples(self) -> int:
        """Frames (samples of every channel) in the file."""
        return self._wav.frames

    def check(self) -> None:
        """Raise what ended the recording, if anything did (``StorageError``: the disk is full)."""
        if self._error is not None:
            raise self._error

    def close(self) -> None:
        """End the recording, with what was heard up to this moment; more calls do nothing.

        Raises:
            StorageError: the recording had ended before, because the file could not be written.
        """
        if self._closed:
            return
        self._closed = True
        self._end_ns = now_ns()
        self._ending.set()
        try:
            if self._thread.ident is not None:
                self._thread.join(LAST_BLOCKS_S)
                with self._lock:
                    if self._open is not None:
                        self._open.end()
                self._thread.join()
            if self._error is None:
                self._pieces.finish(self._wav.frames)
        finally:
            self._wav.close()
        self.check()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _run(self) -> None:
        try:
            while not self._ending.is_set():
                try:
                    self._record()
                except AudioError as error:
                    self.fault = str(error)
                if self._ending.is_set():
                    return
                self._squares.clear()
                self._pieces.device_lost(self._wav.frames)
                self._ending.wait(self._retry_s)
                self._retry_s = min(1.5 * self._retry_s, RETRY_S[1])
        except BaseException as error:  # noqa: BLE001 - handed to whoever calls check or close
            self._error = error
            self.fault = str(error)

    def _record(self) -> None:
        """Record until the device is gone, which raises ``AudioError``, or until the end."""
        with self._lock:
            if self._ending.is_set():
                return
            stream = self._open = self._source.open()
        try:
            while True:
                block = stream.read()
                self._take(block)
                if self._ending.is_set() and block.t_ns >= self._end_ns:
                    return
        finally:
            with self._lock:
                self._open = None
            stream.close()

    def _take(self, block: RecordedBlock) -> None:
        self.dropped += block.lost
        if not len(block.samples):
            return
        self.fault, self._retry_s = None, RETRY_S[0]
        self._heard.set()
        scaled = block.samples.astype(np.float32) / 32768.0
        self._squares.append(float(np.mean(scaled * scaled)))
        lost = block.lost
        for samples, t_ns in self._stored_parts(block.samples, block.t_ns):
            if samples is None:
                self._pieces.cut(self._wav.frames, t_ns - self._start_ns)
                continue
            first = self._wav.frames
            self._wav.write(samples)
            self._pieces.block(first, t_ns - self._start_ns, lost)
            lost = 0

    def _stored_parts(self, samples: Samples, t_ns: int) -> Iterator[tuple[Samples | None, int]]:
        """What of a block is stored, with its times; None stands for what is left out."""
        rate = self._source.rate_hz
        with self._lock:
            while self._pauses and (self._pauses[0][1] or t_ns) < t_ns:
                self._pauses.popleft()
            left_out = [(0, self._start_ns), *self._pauses, (self._end_ns, None)]
        begin = 0
        for start_ns, end_ns in left_out:
            first = _clip((start_ns - t_ns) * rate / 1e9, begin, len(samples))
            last = len(samples) if end_ns is None else _clip((end_ns - t_ns) * rate / 1e9, begin, len(samples))
            if first >= last:
                continue
            if first > begin:
                yield samples[begin:first], t_ns + begin * 1_000_000_000 // rate
            yield None, t_ns + first * 1_000_000_000 // rate
            begin = last
        if begin < len(samples):
            yield samples[begin:], t_ns + begin * 1_000_000_000 // rate


def _clip(position: float, low: int, high: int) -> int:
    return max(low, min(high, math.ceil(position)))
