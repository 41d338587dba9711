"""Which sounds can be heard on this machine: the outputs' monitors and the microphones."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from gameon_env.desktop.audio import AudioSource, explain, start_audio_process
from gameon_env.desktop.sound_server import PrivateSoundServer
from gameon_env.errors import AudioError, MissingProgramError, suggest

Kind = Literal["system", "microphone"]

_MONITOR = ".monitor"
_LOOPBACK_MARKS = ("blackhole", "loopback", "soundflower", "stereo mix", "vb-cable", "cable output")
"""Names of devices by which Windows and macOS hand on what is played."""


@dataclass(frozen=True, slots=True)
class AudioDevice:
    """Something that can be recorded: ``kind`` ``"system"`` is what an output plays, ``"microphone"`` an input."""

    name: str
    kind: Kind
    is_default: bool


def list_devices(server: PrivateSoundServer | None = None) -> list[AudioDevice]:
    """What can be recorded here, or on a private server.

    Raises:
        AudioError: PortAudio or the sound server does not answer.
        MissingProgramError: ``pactl`` is not installed.
    """
    environment = server.environment if server is not None else {}
    if server is not None or _pulse_is_used():
        return _pulse_devices(environment)
    return _portaudio_devices()


def system_audio(server: PrivateSoundServer | None = None, name: str | None = None) -> AudioSource:
    """What is played: on a private server, or by this desktop's default output.

    Args:
        server: the game's own; ``None``: this desktop's.
        name: another output's, as :func:`list_devices` gives it.

    Raises:
        AudioError: there is nothing of that name, or this system does not hand on what it plays.
        MissingProgramError: ``pactl`` is not installed.
    """
    if server is not None and name is None:
        return _pulse_source(server.source, "the private sound server", 2, server.environment)
    device = _choose(list_devices(server), "system", name)
    if server is not None or _pulse_is_used():
        followed = "@DEFAULT_MONITOR@" if name is None else device.name
        return _pulse_source(followed, device.name, 2, server.environment if server is not None else {})
    silent = sys.platform == "win32" and "[loopback]" in device.name.lower()
    return AudioSource(device.name, device.name, silence_is_loss=not silent)


def microphone(name: str | None = None) -> AudioSource:
    """The default microphone, or that of the name, recorded in mono.

    Raises:
        AudioError: there is none, or none of that name.
        MissingProgramError: ``pactl`` is not installed.
    """
    device = _choose(list_devices(), "microphone", name)
    if _pulse_is_used():
        return _pulse_source(device.name, device.name, 1, {})
    return AudioSource(device.name, device.name, channels=1)


def _pulse_source(pulse_name: str, label: str, channels: int, environment: Mapping[str, str]) -> AudioSource:
    return AudioSource(label, "pulse", {**environment, "PULSE_SOURCE": pulse_name}, channels=channels)


def _choose(devices: list[AudioDevice], kind: Kind, name: str | None) -> AudioDevice:
    known = [device for device in devices if device.kind == kind]
    listing = ", ".join(repr(device.name) for device in known) or "none"
    if name is None:
        for device in known:
            if device.is_default:
                return device
        raise AudioError(_nothing(kind, listing))
    exact = [device for device in known if device.name == name]
    near = exact or [device for device in known if name.lower() in device.name.lower()]
    if len(near) == 1:
        return near[0]
    found = "more than one device" if near else "no device"
    hint = "" if near else suggest(name, [device.name for device in known])
    raise AudioError(f"there is {found} {name!r} to record as {kind}; known are: {listing}.{hint}")


def _nothing(kind: Kind, listing: str) -> str:
    if kind == "microphone":
        return f"there is no default microphone (known: {listing}): connect one, or name one of these"
    remedy = {
        "darwin": "macOS hands it on only through a virtual device: install BlackHole and choose it as output",
        "win32": "enable 'Stereo Mix' in the sound settings, or install VB-CABLE",
    }.get(sys.platform, "it needs PulseAudio or PipeWire with pipewire-pulse, and a running output")
    return f"what this system plays cannot be recorded (known: {listing}): {remedy}"


def _pulse_is_used() -> bool:
    if not sys.platform.startswith("linux"):
        return False
    if os.environ.get("PULSE_SERVER"):
        return True
    runtime = os.environ.get("XDG_RUNTIME_DIR") or f"/run/user/{os.getuid()}"
    return os.path.exists(f"{runtime}/pulse/native")  # noqa: PTH110 - may hold anything that a person set


def _pulse_devices(environment: Mapping[str, str]) -> list[AudioDevice]:
    info = dict(line.split(": ", 1) for line in _pactl(["info"], environment).splitlines() if ": " in line)
    names = [line.split("\t")[1] for line in _pactl(["list", "short", "sources"], environment).splitlines()]
    default_output = info.get("Default Sink", "") + _MONITOR
    default_input = info.get("Default Source", "")
    # A server without any microphone names a monitor as its default source: that one is no microphone.
    return [
        AudioDevice(name, "system", name == default_output)
        if name.endswith(_MONITOR)
        else AudioDevice(name, "microphone", name == default_input)
        for name in names
    ]


def _pactl(arguments: list[str], environment: Mapping[str, str]) -> str:
    program = shutil.which("pactl")
    if program is None:
        raise MissingProgramError("listing sound devices needs pactl: apt-get install pulseaudio-utils")
    variables = {**os.environ, **environment, "LC_ALL": "C"}
    try:
        done = subprocess.run(
            [program, *arguments], env=variables, capture_output=True, text=True, timeout=10, stdin=subprocess.DEVNULL
        )
    except subprocess.TimeoutExpired as error:
        raise AudioError("the sound server does not answer (pactl waited 10 s): restart it") from error
    if done.returncode:
        raise AudioError(f"the sound server does not answer: {done.stderr.strip() or 'pactl failed'}")
    return done.stdout


def _portaudio_devices() -> list[AudioDevice]:
    with tempfile.TemporaryFile() as errors:
        process = start_audio_process("list", {}, errors)
        try:
            output = process.communicate(timeout=20)[0]
        except subprocess.TimeoutExpired as error:
            process.kill()
            process.communicate()
            raise AudioError("PortAudio did not list its devices within 20 s: unplug the device that hangs") from error
        if process.returncode:
            errors.seek(0)
            said = errors.read().decode(errors="replace").strip().splitlines()
            raise AudioError(f"sound devices cannot be listed: {explain(said[-1] if said else 'no reason given')}")
    found: list[dict[str, Any]] = json.loads(output)
    outputs = [device["name"] for device in found if device["default_output"]]
    return [_from_portaudio(device, outputs) for device in found if device["inputs"] > 0]


def _from_portaudio(device: dict[str, Any], default_outputs: list[str]) -> AudioDevice:
    name = device["name"]
    if not any(mark in name.lower() for mark in _LOOPBACK_MARKS):
        return AudioDevice(name, "microphone", device["default_input"])
    # On macOS a virtual device is all there is; a loopback of WASAPI bears the name of its output.
    of_default = any(name.startswith(output) for output in default_outputs)
    return AudioDevice(name, "system", of_default or "[loopback]" not in name.lower())
