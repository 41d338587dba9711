"""Which device is chosen, on systems whose lists of devices are written down here."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from gameon_env.desktop import audio_devices
from gameon_env.desktop.audio import AudioSource
from gameon_env.desktop.audio_devices import list_devices, microphone, system_audio
from gameon_env.errors import AudioError

WINDOWS = [
    {"name": "Microphone (USB)", "inputs": 1, "outputs": 0, "default_input": True, "default_output": False},
    {"name": "Line In", "inputs": 2, "outputs": 0, "default_input": False, "default_output": False},
    {"name": "Speakers", "inputs": 0, "outputs": 2, "default_input": False, "default_output": True},
    {"name": "Television [Loopback]", "inputs": 2, "outputs": 0, "default_input": False, "default_output": False},
    {"name": "Speakers [Loopback]", "inputs": 2, "outputs": 0, "default_input": False, "default_output": False},
]
MACOS = [
    {"name": "MacBook Microphone", "inputs": 1, "outputs": 0, "default_input": True, "default_output": False},
    {"name": "MacBook Speakers", "inputs": 0, "outputs": 2, "default_input": False, "default_output": True},
]
BLACKHOLE = {"name": "BlackHole 2ch", "inputs": 2, "outputs": 2, "default_input": False, "default_output": False}


@pytest.fixture
def portaudio(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A program in place of the process that lists PortAudio's devices: prints the file that is returned."""
    listing = tmp_path / "devices.json"
    program = tmp_path / "audio_process.py"
    program.write_text(f"print(open({str(listing)!r}).read())")
    monkeypatch.setattr("gameon_env.desktop.audio.audio_process.__file__", str(program))
    return listing


def test_windows(portaudio: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "win32")
    portaudio.write_text(json.dumps(WINDOWS))
    source = system_audio()
    assert (source.device, source.channels) == ("Speakers [Loopback]", 2)
    assert not source.silence_is_loss
    assert system_audio(name="television").device == "Television [Loopback]"
    assert (microphone().device, microphone().channels) == ("Microphone (USB)", 1)
    assert microphone("line in").device == "Line In"
    with pytest.raises(AudioError, match=r"no device 'Line Im'.*Did you mean 'Line In'\?"):
        microphone("Line Im")


def test_macos(portaudio: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "darwin")
    portaudio.write_text(json.dumps(MACOS))
    assert microphone().device == "MacBook Microphone"
    with pytest.raises(AudioError, match="install BlackHole"):
        system_audio()
    portaudio.write_text(json.dumps([*MACOS, BLACKHOLE]))
    assert system_audio().device == "BlackHole 2ch"
    assert system_audio().silence_is_loss


def test_a_machine_without_any_sound(portaudio: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("PULSE_SERVER", raising=False)
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    portaudio.write_text("[]")
    assert list_devices() == []
    with pytest.raises(AudioError, match="needs PulseAudio or PipeWire"):
        system_audio()
    with pytest.raises(AudioError, match=r"no default microphone \(known: none\)"):
        microphone()


@pytest.mark.parametrize(
    ("module", "remedy"),
    [
        ("raise OSError('PortAudio library not found')", "apt-get install libportaudio2"),
        ("raise ModuleNotFoundError(\"No module named 'sounddevice'\")", "pip install sounddevice"),
        ("query_devices = lambda: []", "apt-get install libasound2-plugins"),
    ],
)
def test_what_is_missing_is_named(tmp_path: Path, module: str, remedy: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """What sounddevice meets on a bare machine, from a module of that name that meets it here."""
    (tmp_path / "sounddevice.py").write_text(module)
    source = AudioSource("the game", "pulse", {"PYTHONPATH": str(tmp_path)})
    with source.open() as stream, pytest.raises(AudioError, match=f"the game cannot be heard: .*{remedy}"):
        stream.read()
    if "lambda" not in module:
        monkeypatch.setenv("PYTHONPATH", str(tmp_path))
        with pytest.raises(AudioError, match=f"cannot be listed: .*{remedy}"):
            audio_devices._portaudio_devices()
