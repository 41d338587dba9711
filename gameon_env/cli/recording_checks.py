"""What of a recording this machine can do: sound, gamepads, video, and how exact it was measured to be."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping

import av

from gameon_env.cli.check import Check
from gameon_env.desktop.audio import AudioSource
from gameon_env.desktop.audio_devices import microphone, system_audio
from gameon_env.desktop.gamepad import GamepadListener
from gameon_env.desktop.sound_server import INSTALL, PrivateSoundServer
from gameon_env.errors import AudioError, InputError, MissingPartError, MissingProgramError, VideoError
from gameon_env.optional import require
from gameon_env.recording.calibration_store import stated_error
from gameon_env.recording.video_encoder import CODECS, Encoder

NO_SERVER = f"start a sound server: {INSTALL}; a game on a private display gets one of its own"
PICTURE = 64
"""Pixels on each side: all encoders take that."""


def check_sound() -> Iterator[Check]:
    """The library, what this desktop plays, the microphone, and a sound server of a game's own."""
    try:
        require("sounddevice", "Sound")
    except OSError as error:  # sounddevice looks for the library while it is imported
        yield Check("audio", False, f"no sound can be recorded ({error})", "apt-get install libportaudio2")
        return
    except MissingPartError as error:
        yield Check("audio", False, str(error), "pip install sounddevice")
        return
    yield Check("audio", True, "PortAudio, by sounddevice")
    yield _source("system audio", system_audio, NO_SERVER)
    yield _source("microphone", microphone, "connect one, if your voice is to be recorded")
    yield _private_sound()


def _source(part: str, find: Callable[[], AudioSource], remedy: str) -> Check:
    try:
        return Check(part, True, find().label)
    except MissingProgramError as error:
        return Check(part, False, str(error), "apt-get install pulseaudio-utils")
    except AudioError as error:
        return Check(part, False, str(error), remedy)


def _private_sound() -> Check:
    """Start one, and hear a block of its silence."""
    part, started = "private sound", time.perf_counter()
    try:
        with PrivateSoundServer() as server:
            stream = system_audio(server).open()
            try:
                block = stream.read()
            finally:
                stream.close()
    except (AudioError, MissingProgramError) as error:
        return Check(part, False, str(error), INSTALL)
    took_ms = (time.perf_counter() - started) * 1e3
    found = f"PulseAudio for one game alone, heard after {took_ms:.0f} ms, blocks of {len(block.samples)} samples"
    return Check(part, True, found, figures={"heard_after_ms": took_ms})


def check_gamepads() -> Check:
    """SDL, and the pads that are connected."""
    try:
        listener = GamepadListener()
        try:
            listener.start()
            names = [pad.name for pad in listener.pads]
        finally:
            listener.close()
    except (InputError, MissingPartError) as error:
        return Check("gamepads", False, str(error), "pip install pygame-ce")
    return Check("gamepads", True, f"SDL; connected: {', '.join(names) or 'none'}")


def check_codecs() -> Iterator[Check]:
    """One picture encoded with each."""
    for name, codec in CODECS.items():
        try:
            encoder = Encoder(name, (PICTURE, PICTURE), (PICTURE, PICTURE))
            list(encoder.encode(av.VideoFrame(PICTURE, PICTURE, "yuv420p"), 0, key=True))
            list(encoder.flush())
            encoder.close()
        except VideoError as error:
            yield Check(f"video {name}", False, str(error), "pip install --upgrade --only-binary=av av")
        else:
            yield Check(f"video {name}", True, f"{codec.encoder} (PyAV {av.__version__})")


def check_calibration() -> Check:
    """What was measured of the recorder's sync on this machine."""
    measured = {display: stated_error(display, None) for display in ("private", "desktop")}
    words, figures = [], dict[str, float]()
    for display, entry in measured.items():
        spread = entry.get("key_to_picture_error") if entry is not None else None
        if entry is not None and isinstance(spread, Mapping):
            median_ms, p99_ms = float(spread["median_ms"]), float(spread["p99_ms"])
            figures |= {f"{display}_median_ms": median_ms, f"{display}_p99_ms": p99_ms}
            when = str(entry.get("measured_at"))[:10]
            words.append(f"{display} display: key to picture {median_ms:.1f} ms off, p99 {p99_ms:.1f} ms ({when})")
    if not words:
        return Check("sync", False, "not measured on this machine yet", "gameon calibrate --display private")
    return Check("sync", True, "; ".join(words), figures=figures)
