"""The window that calibration records: it changes its colour and beeps at each press of the space bar.

    python -m gameon_env.recording.calibration_window LOG [--size 640x480] [--fps 60] [--mute]

A process of its own, launched as any game is, which paints 60 pictures a second as games do. It writes into LOG, one
JSON object a line, times in ns of :func:`gameon_env.clock.now_ns`:

- ``{"kind": "ready", "display": ..., "sound": true, "why": ""}``: the first picture is there; ``why`` says what is
  missing where it has no sound.
- ``{"kind": "press", "number": n, "received_ns": ..., "flip_from_ns": ..., "flip_ns": ..., "bright": ...}``: when the
  key reached it; between which two moments the picture with the other colour came on the display (the flip was called,
  and had returned); and whether that picture is the bright one.
- ``{"kind": "beep", "number": n, "heard_ns": ..., "steady": true}``: when the first sample of the beep leaves the
  sound server's output by what the server itself says (the playback stream's own latency, buffers included), and
  whether it has said the same for some seconds: after an underrun its word is wrong by tens of ms for a while.
"""

from __future__ import annotations

import argparse
import json
import os
import threading
from collections import deque
from pathlib import Path
from typing import Any

import numpy as np

from gameon_env.clock import now_ns
from gameon_env.recording.calibration_beep import beep

RATE_HZ = 48_000
BLOCK_FRAMES = 480
SETTLING_BLOCKS = 10
"""The server's word on its latency jitters by some ms: the median over so many blocks counts."""

STEADY_BLOCKS, STEADY_NS = 500, 3_000_000
"""Steady: it lies no farther from the median over so many blocks, 5 s."""

DARK, BRIGHT, MARK = (16, 16, 24), (235, 235, 235), (90, 140, 220)


class Log:
    """Lines of JSON, from the window's thread and the sound's."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("a", encoding="utf-8")
        self._lock = threading.Lock()

    def write(self, kind: str, **values: object) -> None:
        with self._lock:
            self._file.write(json.dumps({"kind": kind, **values}) + "\n")
            self._file.flush()


class Beeper:
    """Plays a beep as soon as it is asked to, and says when it is heard."""

    def __init__(self, log: Log) -> None:
        import sounddevice

        self._log = log
        mono = np.round(beep(RATE_HZ) * 32767).astype(np.int16)
        self._sound = np.repeat(mono[:, None], 2, axis=1)
        self._wanted: deque[int] = deque()
        self._at = len(mono)
        self._written = 0
        self._heard_blocks = 0
        self._offsets: deque[float] = deque(maxlen=STEADY_BLOCKS)
        self._playing: tuple[int, int] | None = None
        self._stream: Any = sounddevice.RawOutputStream(
            samplerate=RATE_HZ, blocksize=BLOCK_FRAMES, device=_output(sounddevice), channels=2, dtype="int16",
            latency="low", callback=self._fill,
        )  # fmt: skip
        self._stream.start()

    def play(self, number: int) -> None:
        self._wanted.append(number)

    def close(self) -> None:
        self._stream.close()

    def _fill(self, data: Any, frames: int, times: Any, status: Any) -> None:
        """PortAudio's callback: never waits for long."""
        block = np.zeros((frames, 2), np.int16)
        if self._wanted and self._playing is None:
            self._playing, self._at, self._heard_blocks = (self._wanted.popleft(), self._written), 0, 0
        part = self._sound[self._at : self._at + frames]
        block[: len(part)] = part
        self._at += len(part)
        ahead_s = times.outputBufferDacTime - self._stream.time
        self._offsets.append(now_ns() + ahead_s * 1e9 - self._written * 1e9 / RATE_HZ)
        self._written += frames
        self._heard_blocks += 1
        data[:] = block.tobytes()
        if self._playing is not None and self._heard_blocks == SETTLING_BLOCKS:
            number, first = self._playing
            self._playing = None
            said = np.array(self._offsets)
            offset_ns = float(np.median(said[-SETTLING_BLOCKS:]))
            steady = bool(abs(offset_ns - np.median(said)) <= STEADY_NS)
            self._log.write("beep", number=number, heard_ns=round(offset_ns + first * 1e9 / RATE_HZ), steady=steady)


def _output(sounddevice: Any) -> int | None:
    """On Linux the sound server, by ALSA's plugin for it; elsewhere the default output."""
    for number, device in enumerate(sounddevice.query_devices()):
        if device["name"] == "pulse" and device["max_output_channels"] > 0:
            return number
    return None


def main() -> None:
    parser = argparse.ArgumentParser(prog="calibration_window", description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("log", type=Path)
    parser.add_argument("--size", default="640x480")
    parser.add_argument("--fps", type=float, default=60.0)
    parser.add_argument("--mute", action="store_true")
    options = parser.parse_args()
    os.environ["PYGAME_HIDE_SUPPORT_PROMPT"] = "1"
    # Without an OpenGL in between a flip returns when the X server has drawn the picture.
    os.environ.update(SDL_RENDER_DRIVER="software", SDL_FRAMEBUFFER_ACCELERATION="0")
    import pygame

    log = Log(options.log)
    pygame.display.init()
    width, height = map(int, options.size.split("x"))
    screen = pygame.display.set_mode((width, height))
    pygame.display.set_caption("GameOn calibration")
    beeper, why = (None, "muted") if options.mute else _beeper(log)
    period_ns = round(1e9 / options.fps)
    number, bright, ticks, due_ns = 0, False, 0, now_ns()
    while True:
        pressed_ns: list[int] = []
        waiting = True
        while waiting:
            left_ms = (due_ns - now_ns()) // 1_000_000
            waiting = left_ms > 0
            # Woken by the key itself: the time at which it was received is not that of a tick.
            events = [pygame.event.wait(int(left_ms))] if waiting else pygame.event.get()
            for event in events:
                if event.type == pygame.QUIT:
                    return
                if event.type == pygame.KEYDOWN and event.key == pygame.K_SPACE:
                    pressed_ns.append(now_ns())
                    if beeper is not None:
                        beeper.play(number + len(pressed_ns))
        due_ns = max(due_ns + period_ns, now_ns())
        bright ^= len(pressed_ns) % 2 == 1
        ticks += 1
        screen.fill(BRIGHT if bright else DARK)
        screen.fill(MARK, (ticks * 4 % width, height - 12, 40, 12))
        flip_from_ns = now_ns()
        pygame.display.flip()
        flip_ns = now_ns()
        if ticks == 1:
            log.write("ready", display=os.environ.get("DISPLAY"), sound=beeper is not None, why=why)
        for received_ns in pressed_ns:
            number += 1
            times = {"received_ns": received_ns, "flip_from_ns": flip_from_ns, "flip_ns": flip_ns}
            log.write("press", number=number, bright=bright, **times)


def _beeper(log: Log) -> tuple[Beeper | None, str]:
    try:
        return Beeper(log), ""
    except Exception as error:  # noqa: BLE001 - PortAudio raises several kinds; the log hands on what it is
        return None, f"{type(error).__name__}: {error}"


if __name__ == "__main__":
    main()
