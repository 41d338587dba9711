"""A real sound server, real games that make sound, and what is recorded of them."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
import wave
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import psutil
import pytest

from gameon_env.clock import now_ns
from gameon_env.desktop.audio import AudioSource, AudioStream
from gameon_env.desktop.audio_devices import AudioDevice, list_devices, microphone, system_audio
from gameon_env.desktop.display import PrivateDisplay
from gameon_env.desktop.process import GameProcess
from gameon_env.desktop.sound_server import PrivateSoundServer
from gameon_env.desktop.watchdog import Watchdog
from gameon_env.errors import AudioError, MissingProgramError
from gameon_env.recording.audio_track import AudioTrack
from gameon_env.recording.model import AudioClockRow, Gap
from gameon_env.recording.wav_writer import repair_wav

pytestmark = pytest.mark.skipif(
    shutil.which("pulseaudio") is None, reason="PulseAudio is not installed: apt-get install pulseaudio"
)

TONE = """
import sys, time
import numpy as np
import pygame
pygame.mixer.init(48000, -16, 2, 512)
t = np.arange(48000) / 48000
wave = (10000 * np.sin(2 * np.pi * float(sys.argv[1]) * t)).astype(np.int16)
pygame.sndarray.make_sound(np.stack([wave, wave], axis=1)).play(-1)
print("playing", flush=True)
time.sleep(600)
"""


def wait_for(done: Callable[[], bool], timeout_s: float = 30.0) -> bool:
    deadline = time.monotonic() + timeout_s
    while not done() and time.monotonic() < deadline:
        time.sleep(0.01)
    return done()


def play_tone(server: PrivateSoundServer, frequency_hz: float) -> GameProcess:
    command = [sys.executable, "-c", TONE, str(frequency_hz)]
    game = GameProcess.launch(command, display=None, env=server.environment)
    assert wait_for(lambda: "playing" in game.output_tail()), game.output_tail()
    return game


def stored(path: Path) -> np.ndarray:
    with wave.open(str(path)) as file:
        return np.frombuffer(file.readframes(file.getnframes()), np.int16).reshape(-1, file.getnchannels())


def loudest_hz(samples: np.ndarray) -> float:
    spectrum = np.abs(np.fft.rfft(samples[:, 0] * np.hanning(len(samples))))
    return float(spectrum.argmax() * 48_000 / len(samples))


def read_to_the_end(stream: AudioStream) -> None:
    while True:
        stream.read()


class Recording:
    def __init__(self, path: Path, source: AudioSource) -> None:
        self.path = path
        self.rows: list[AudioClockRow] = []
        self.gaps: list[Gap] = []
        self.start_ns = now_ns()
        self.track = AudioTrack("system_audio", path, source, self.start_ns, self.rows.append, self.gaps.append)
        self.track.start()
        assert self.track.wait_until_heard(30), self.track.fault

    def go_on_for(self, seconds: float) -> None:
        target = self.track.samples + int(48_000 * seconds)
        assert wait_for(lambda: self.track.samples >= target), self.track.fault

    def close(self) -> None:
        self.track.close()


@pytest.fixture
def server() -> Iterator[PrivateSoundServer]:
    with PrivateSoundServer() as server:
        yield server


@pytest.fixture
def recording(server: PrivateSoundServer, tmp_path: Path) -> Iterator[Recording]:
    recording = Recording(tmp_path / "a.wav", system_audio(server))
    yield recording
    recording.close()


def test_a_tone_is_recorded_as_it_was_played(server: PrivateSoundServer, recording: Recording) -> None:
    with play_tone(server, 440):
        assert wait_for(lambda: recording.track.level > -14)
        recording.go_on_for(2)
        assert recording.track.level == pytest.approx(-13.3, abs=0.2)  # 10000 / 32768, a sine
        recording.close()
    heard = stored(recording.path)[-48_000:]
    assert loudest_hz(heard) == pytest.approx(440, abs=1)
    assert 9_900 <= np.abs(heard.astype(int)).max() <= 10_100
    assert recording.track.dropped == 0
    times = np.array([row.t_ns for row in recording.rows])
    assert np.all(np.diff(times) > 0)
    assert all(gap.reason == "starting" for gap in recording.gaps)


def test_two_games_do_not_hear_each_other(server: PrivateSoundServer, recording: Recording, tmp_path: Path) -> None:
    with PrivateSoundServer() as other_server:
        other = Recording(tmp_path / "b.wav", system_audio(other_server))
        with play_tone(server, 500), play_tone(other_server, 2000):
            assert wait_for(lambda: min(recording.track.level, other.track.level) > -14)
            recording.go_on_for(1.5)
            other.go_on_for(1.5)
        recording.close()
        other.close()
    for path, frequency_hz in ((recording.path, 500), (other.path, 2000)):
        heard = stored(path)[-72_000:-24_000]
        assert loudest_hz(heard) == pytest.approx(frequency_hz, abs=2)


@pytest.mark.skipif(shutil.which("chocolate-doom", path="/usr/games") is None, reason="chocolate-doom is not installed")
def test_doom_is_heard(server: PrivateSoundServer, recording: Recording) -> None:
    command = ["chocolate-doom", "-iwad", "/usr/share/games/doom/freedoom1.wad", "-window", "-geometry", "320x240"]
    command += ["-nogui", "-warp", "1", "1"]
    recording.go_on_for(0.2)
    assert recording.track.level == -120
    env = {**server.environment, "SDL_RENDER_DRIVER": "software"}
    with (
        PrivateDisplay((240, 320)) as display,
        GameProcess.launch(command, display=display.name, env=env) as game,
    ):
        assert wait_for(lambda: recording.track.level > -60, 60), game.output_tail()


def test_a_server_that_dies_is_a_gap_and_its_return_goes_on(server: PrivateSoundServer, recording: Recording) -> None:
    recording.go_on_for(0.5)
    os.kill(server.pid, signal.SIGKILL)
    assert wait_for(lambda: recording.track.fault is not None)
    assert not server.alive
    assert "private sound server cannot be heard" in str(recording.track.fault)
    frames = recording.track.samples
    server.restart()
    assert server.alive
    assert wait_for(lambda: recording.track.samples > frames)
    assert recording.track.fault is None
    with play_tone(server, 700):
        assert wait_for(lambda: recording.track.level > -14)
        recording.go_on_for(1.2)
        recording.close()
    assert loudest_hz(stored(recording.path)[-48_000:]) == pytest.approx(700, abs=1)
    lost = [gap for gap in recording.gaps if gap.reason == "device lost"]
    assert len(lost) == 1
    breaks = [(a, b) for a, b in zip(recording.rows, recording.rows[1:], strict=False) if a.sample == b.sample]
    assert len(breaks) == 1
    assert (lost[0].start_ns, lost[0].end_ns) == (breaks[0][0].t_ns, breaks[0][1].t_ns)


def test_a_server_that_hangs_and_a_capture_that_is_killed(
    server: PrivateSoundServer, recording: Recording, tmp_path: Path
) -> None:
    os.kill(server.pid, signal.SIGSTOP)
    try:
        assert wait_for(lambda: recording.track.fault is not None)
        stuck = AudioTrack("system_audio", tmp_path / "b.wav", system_audio(server), now_ns(), id, id)  # type: ignore[arg-type]
        stuck.start()
        assert not stuck.wait_until_heard(0.5)
        stuck.close()
    finally:
        os.kill(server.pid, signal.SIGCONT)
    frames = recording.track.samples
    assert wait_for(lambda: recording.track.samples > frames + 48_000)
    (capture,) = (
        child for child in psutil.Process().children() if any("audio_process" in word for word in child.cmdline())
    )
    capture.kill()
    assert wait_for(lambda: recording.track.fault is not None)
    frames = recording.track.samples
    recording.go_on_for(0.5)
    recording.close()
    lost = [gap for gap in recording.gaps if gap.reason == "device lost"]
    assert len(lost) == 2


def test_a_killed_recorder_leaves_sound_and_no_process(server: PrivateSoundServer, tmp_path: Path) -> None:
    path = tmp_path / "a.wav"
    script = (
        "import sys, time\n"
        "from pathlib import Path\n"
        "from gameon_env.clock import now_ns\n"
        "from gameon_env.desktop.audio_devices import system_audio\n"
        "from gameon_env.desktop.sound_server import PrivateSoundServer\n"
        "from gameon_env.recording.audio_track import AudioTrack\n"
        "server = PrivateSoundServer()\n"
        "track = AudioTrack('system_audio', Path(sys.argv[1]), system_audio(server), now_ns(), id, id)\n"
        "track.start(); track.wait_until_heard(30)\n"
        "print(server._folder, flush=True)\n"
        "while True: print(track.samples, flush=True); time.sleep(0.05)\n"
    )
    process = subprocess.Popen([sys.executable, "-c", script, str(path)], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    folder = Path(process.stdout.readline().strip())
    written = 0
    while written < 48_000:
        written = int(process.stdout.readline())
    family = psutil.Process(process.pid).children(recursive=True)
    assert len(family) == 3  # the sound server, its watchdog and what records
    process.kill()
    written = max([written, *map(int, process.stdout.read().split())])
    process.stdout.close()
    process.wait()
    assert len(stored(path)) >= written - 24_000  # half a second
    assert repair_wav(path) >= written
    _, alive = psutil.wait_procs(family, 15)
    assert alive == []
    assert wait_for(lambda: not folder.exists())


def test_the_server_keeps_to_itself(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Nothing of the person's is read or written, and two servers live side by side."""
    for name in ("HOME", "XDG_RUNTIME_DIR", "XDG_CONFIG_HOME", "PULSE_RUNTIME_PATH", "PULSE_CONFIG_PATH"):
        monkeypatch.setenv(name, str(tmp_path))
    (tmp_path / "default.pa").write_text("this would be an error\n")
    with PrivateSoundServer() as one, PrivateSoundServer() as two:
        assert one.environment["PULSE_SERVER"] != two.environment["PULSE_SERVER"]
        folders = [Path(server.environment["PULSE_SERVER"].removeprefix("unix:")).parent for server in (one, two)]
        assert all(folder.stat().st_mode & 0o777 == 0o700 for folder in folders)
        assert list_devices(one) == [AudioDevice("game.monitor", "system", True)]
    assert [path.name for path in tmp_path.iterdir()] == ["default.pa"]
    assert not any(folder.exists() for folder in folders)
    one.close()
    with pytest.raises(AudioError, match="closed"):
        one.restart()


def test_it_ends_with_an_interpreter_that_forgets_it() -> None:
    script = "from gameon_env.desktop.sound_server import PrivateSoundServer as S; s = S(); print(s.pid)"
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert not psutil.pid_exists(int(run.stdout))


def test_it_may_share_a_watchdog() -> None:
    with Watchdog.start(None, private=False) as watchdog:
        before = len(psutil.Process().children())
        with PrivateSoundServer(watchdog) as server:
            assert server.alive
            assert len(psutil.Process().children()) == before + 1
        assert watchdog.alive


def test_without_pulseaudio(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(MissingProgramError, match="apt-get install pulseaudio"):
        PrivateSoundServer()


@pytest.fixture
def desktop(server: PrivateSoundServer, monkeypatch: pytest.MonkeyPatch) -> Callable[..., str]:
    """The private server taken for this desktop's; the function runs pactl on it."""
    monkeypatch.setenv("PULSE_SERVER", server.environment["PULSE_SERVER"])
    return lambda *arguments: subprocess.run(["pactl", *arguments], check=True, capture_output=True, text=True).stdout


def test_the_desktops_sound_and_its_devices_by_name(desktop: Callable[..., str], tmp_path: Path) -> None:
    assert system_audio().label == "game.monitor"
    with pytest.raises(AudioError, match=r"no device 'game.moniter'.*'game.monitor'.*Did you mean 'game.monitor'\?"):
        system_audio(name="game.moniter")
    with pytest.raises(AudioError, match=r"no default microphone \(known: none\)"):
        microphone()  # the monitor that PulseAudio names as its default source is none
    desktop("load-module", "module-null-sink", "sink_name=voice")
    desktop("load-module", "module-remap-source", "master=voice.monitor", "source_name=headset")
    desktop("set-default-source", "game.monitor")
    with pytest.raises(AudioError, match="known: 'headset'"):
        microphone()
    assert microphone("head").label == "headset"
    with pytest.raises(AudioError, match="more than one device 'monitor'"):
        system_audio(name="monitor")
    desktop("set-default-source", "headset")
    recording = Recording(tmp_path / "a.wav", microphone())
    voice = subprocess.Popen(
        [sys.executable, "-c", TONE, "300"],
        env={**os.environ, "PULSE_SINK": "voice", "SDL_AUDIODRIVER": "pulseaudio"},
        stdout=subprocess.DEVNULL,
    )
    try:
        assert wait_for(lambda: recording.track.level > -14)
        recording.go_on_for(1.2)
    finally:
        voice.kill()
        voice.wait()
        recording.close()
    heard = stored(tmp_path / "a.wav")
    assert heard.shape[1] == 1
    assert loudest_hz(heard[-48_000:-12_000]) == pytest.approx(300, abs=2)


def test_no_sound_server_at_all(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PULSE_SERVER", f"unix:{tmp_path}/nothing")
    with pytest.raises(AudioError, match="sound server does not answer"):
        system_audio()
    source = AudioSource("the loudspeaker", "pulse", {"PULSE_SOURCE": "nothing"})
    with source.open() as stream, pytest.raises(AudioError, match="the loudspeaker cannot be heard"):
        read_to_the_end(stream)


def test_a_stream_that_is_ended_says_so(server: PrivateSoundServer) -> None:
    stream = system_audio(server).open()
    stream.read()
    stream.end()
    with pytest.raises(AudioError, match="cannot be heard"):
        read_to_the_end(stream)
    stream.close()
    stream.close()
    with pytest.raises(AudioError, match="closed"):
        stream.read()
