"""Measures sound recording on this machine: delay from play to capture, its drift, CPU, drops, true rate.

    python scripts/bench/sound.py [SECONDS]

A game of its own plays clicks at known times on a private sound server.
"""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import psutil

from gameon_env.clock import now_ns
from gameon_env.data_processing.audio_clock import AudioClock
from gameon_env.data_processing.audio_reader import AudioReader
from gameon_env.desktop.audio_devices import system_audio
from gameon_env.desktop.process import GameProcess
from gameon_env.desktop.sound_server import PrivateSoundServer
from gameon_env.recording.audio_track import AudioTrack
from gameon_env.recording.model import AudioClockRow, Gap

PLAYER = """
import sys, time
import numpy as np
import pygame
pygame.mixer.init(48000, -16, 2, 256)
click = pygame.sndarray.make_sound(np.full((48, 2), 20000, np.int16))
time.sleep(1)
for number in range(int(sys.argv[1])):
    time.sleep(0.2371)
    t = time.perf_counter_ns()
    click.play()
    print(t, flush=True)
"""


def main(seconds: float) -> None:
    rows: list[AudioClockRow] = []
    gaps: list[Gap] = []
    with tempfile.TemporaryDirectory() as folder, PrivateSoundServer() as server:
        path = Path(folder) / "a.wav"
        start_ns = now_ns()
        track = AudioTrack("system_audio", path, system_audio(server), start_ns, rows.append, gaps.append)
        track.start()
        track.wait_until_heard(30)
        command = [sys.executable, "-c", PLAYER, str(int(seconds / 0.2371))]
        with GameProcess.launch(command, display=None, env=server.environment) as game:
            recorder = next(c for c in psutil.Process().children() if "audio_process" in " ".join(c.cmdline()))
            programs = {"capture process": recorder, "sound server": psutil.Process(server.pid)}
            before = {name: sum(p.cpu_times()[:2]) for name, p in programs.items()}
            own, began = time.process_time(), time.monotonic()
            while game.poll() is None:
                time.sleep(1)
            took = time.monotonic() - began
            print(f"CPU: recorder's own thread {100 * (time.process_time() - own) / took:.1f} %", end="")
            for name, process in programs.items():
                print(f", {name} {100 * (sum(process.cpu_times()[:2]) - before[name]) / took:.1f} %", end="")
            print(f" of one core, over {took:.0f} s")
            played = np.array([int(line) for line in game.output_tail(10**6).splitlines() if line.isdigit()]) - start_ns
        time.sleep(0.5)
        track.close()
        samples, times = (np.array([getattr(r, n) for r in rows], np.int64) for n in ("sample", "t_ns"))
        clock = AudioClock.fit(samples, times, 48_000, track.samples)
        sound = AudioReader(path, clock)
        whole = np.fromfile(path, "<i2", offset=80).reshape(-1, 2)[:, 0]
        loud = np.flatnonzero(np.abs(whole) > 5000)
        onsets = loud[np.concatenate([[True], np.diff(loud) > 4800])]
        heard = clock.time_of(onsets)
        delay = np.array([(heard[heard > t - 5e6][0] - t) / 1e6 for t in played if np.any(heard > t - 5e6)])
        print(f"clicks played {len(played)}, heard {len(onsets)}; frames {len(sound)}, dropped {track.dropped}")
        print(
            f"play to capture: median {np.median(delay):.2f} ms, p1 {np.quantile(delay, 0.01):.2f}, "
            f"p99 {np.quantile(delay, 0.99):.2f}; first quarter {np.median(delay[: len(delay) // 4]):.2f}, "
            f"last quarter {np.median(delay[-len(delay) // 4 :]):.2f}"
        )
        print(
            f"rate {clock.rate_hz:.2f} Hz ({1e6 * (clock.rate_hz / 48000 - 1):+.0f} ppm), residual median "
            f"{clock.residual_ms[0]:.3f} ms, p99 {clock.residual_ms[1]:.3f} ms; gaps {gaps}; "
            f"pieces {len(clock.pieces)}"
        )


if __name__ == "__main__":
    main(float(sys.argv[1]) if len(sys.argv) > 1 else 60)
