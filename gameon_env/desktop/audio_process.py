"""A process that records one sound device and writes its blocks to stdout; run by path, as a program.

Why a process: PortAudio keeps the list of devices that it met first, PulseAudio's plugin takes its server and source
from the environment, and both may hang when their server dies. It imports only the standard library and sounddevice,
and ends when its reader is gone, however that ended.

On stdout: records of ``HEADER`` (kind, t_ns, frames, frames lost before it), each followed by ``frames`` frames of
int16. Kind 1 is a block, kind 0 a sign of life. On a failure: the reason on stderr, exit code 3.
"""

from __future__ import annotations

import json
import os
import struct
import sys
import threading
import time
from collections import deque
from typing import Any, NoReturn

HEADER = struct.Struct("<IqII")
SIGN_OF_LIFE, BLOCK = 0, 1

QUEUE_LIMIT = 1000
"""Blocks that wait for a reader that is behind: some 20 s."""

SIGN_EVERY_S = 0.5
STALL_S = 2.0
"""A device that gives nothing for this long is gone."""

OPEN_LIMIT_S = 10.0


class _Capture:
    def __init__(self, wanted: dict[str, Any]) -> None:
        self.rate, self.channels, self.block_frames = wanted["rate_hz"], wanted["channels"], wanted["block_frames"]
        self.device, self.silence_is_loss = wanted["device"], wanted["silence_is_loss"]
        self.blocks: deque[tuple[int, int, int, bytes]] = deque()
        self.ready = threading.Semaphore(0)
        self.lost = 0
        self.opened = False
        self.error: str | None = None
        self.stream: Any = None

    def open(self) -> None:
        try:
            import sounddevice

            device = _find(sounddevice, self.device)
            self.stream = sounddevice.RawInputStream(
                samplerate=self.rate, blocksize=self.block_frames, device=device, channels=self.channels,
                dtype="int16", latency="low", callback=self.take, finished_callback=self.finished,
                extra_settings=_settings(sounddevice, device),
            )  # fmt: skip
            self.stream.start()
            self.opened = True
        except Exception as error:  # noqa: BLE001 - whatever it is, the reader is told and this process ends
            self.error = f"{type(error).__name__}: {error}"
            self.ready.release()

    def take(self, data: Any, frames: int, times: Any, status: Any) -> None:
        """PortAudio's callback: never waits."""
        age_s = self.stream.time - times.inputBufferAdcTime if times.inputBufferAdcTime else frames / self.rate
        t_ns = time.perf_counter_ns() - int(age_s * 1e9)
        # How much an overflow of the device lost is not told: the times show it.
        if len(self.blocks) >= QUEUE_LIMIT:
            self.lost += frames
            return
        lost, self.lost = self.lost, 0
        self.blocks.append((t_ns, frames, lost, bytes(data)))
        self.ready.release()

    def finished(self) -> None:
        self.error = "the device ended the stream"
        self.ready.release()

    def run(self) -> NoReturn:
        threading.Thread(target=self.open, daemon=True).start()
        started = last = time.monotonic()
        while True:
            if self.ready.acquire(timeout=SIGN_EVERY_S) and self.blocks:
                t_ns, frames, lost, data = self.blocks.popleft()
                _write(HEADER.pack(BLOCK, t_ns, frames, lost) + data)
                last = time.monotonic()
                continue
            if self.error is not None:
                _fail(self.error)
            now = time.monotonic()
            if self.opened and self.silence_is_loss and now - last > STALL_S:
                _fail(f"the device gave nothing for {STALL_S:.0f} s")
            if not self.opened and now - started > OPEN_LIMIT_S:
                _fail(f"the device did not open within {OPEN_LIMIT_S:.0f} s")
            _write(HEADER.pack(SIGN_OF_LIFE, time.perf_counter_ns(), 0, 0))


def _find(sounddevice: Any, wanted: str | None) -> int | None:
    """The number of an input device by its exact name."""
    if wanted is None:
        return None
    for number, device in enumerate(sounddevice.query_devices()):
        if device["name"] == wanted and device["max_input_channels"] > 0:
            return number
    raise ValueError(f"PortAudio has no input device {wanted!r}")


def _settings(sounddevice: Any, device: int | None) -> Any:
    """WASAPI takes the device's own rate only, unless asked to convert."""
    if device is None or os.name != "nt":
        return None
    hostapi = sounddevice.query_hostapis(sounddevice.query_devices(device)["hostapi"])
    return sounddevice.WasapiSettings(auto_convert=True) if "WASAPI" in hostapi["name"] else None


def _list() -> None:
    """All devices of PortAudio, as JSON."""
    import sounddevice

    hosts = [host["name"] for host in sounddevice.query_hostapis()]
    default_input = sounddevice.default.device[0]
    found = [
        {
            "name": device["name"],
            "host": hosts[device["hostapi"]],
            "inputs": device["max_input_channels"],
            "outputs": device["max_output_channels"],
            "default_input": number == default_input,
        }
        for number, device in enumerate(sounddevice.query_devices())
    ]
    default_output = sounddevice.default.device[1]
    for number, device in enumerate(found):
        device["default_output"] = number == default_output
    print(json.dumps(found))


def _write(data: bytes) -> None:
    view = memoryview(data)
    try:
        while view:
            view = view[os.write(1, view) :]
    except OSError:  # the reader is gone
        os._exit(0)


def _fail(reason: str) -> NoReturn:
    print(reason, file=sys.stderr, flush=True)
    os._exit(3)  # an orderly end would wait for a PortAudio that hangs


if __name__ == "__main__":
    if sys.argv[1] == "list":
        _list()
    else:
        _Capture(json.loads(sys.argv[1])).run()
