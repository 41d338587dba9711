"""Which sound a session records, and from where; what is not there is said, and the recording goes on."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from gameon_env.desktop.audio import AudioSource
from gameon_env.desktop.audio_devices import microphone, system_audio
from gameon_env.desktop.sound_server import PrivateSoundServer
from gameon_env.errors import AudioError, MissingPartError, MissingProgramError
from gameon_env.recording.audio_track import AudioTrack
from gameon_env.recording.model import AUDIO_FILES, AudioClockRow, Gap, Stream
from gameon_env.recording.recorder_options import RecorderOptions

NOT_HERE = (AudioError, MissingProgramError, MissingPartError)


class SoundSources:
    """The sources of a session, chosen before it begins.

    Args:
        options: which sound is wanted.
        server: the game's own sound server; None where it plays on this desktop's.
        fault: why a game that should have a server of its own has none; empty otherwise.

    Attributes:
        found: the stream and where it comes from.
        missing: the stream, and why it cannot be recorded, in words.

    Raises:
        AudioError: a device that was asked for by its name is not there; the message lists those that are.
    """

    def __init__(self, options: RecorderOptions, server: PrivateSoundServer | None, fault: str) -> None:
        self.found: dict[Stream, AudioSource] = {}
        self.missing: dict[Stream, str] = {}
        if fault and options.system_audio is True:
            self.missing["system_audio"] = fault
        elif options.system_audio:
            name = options.system_audio
            self._look("system_audio", name, lambda: system_audio(server, None if name is True else str(name)))
        if options.microphone:
            voice = options.microphone
            self._look("microphone_audio", voice, lambda: microphone(None if voice is True else str(voice)))

    def _look(self, stream: Stream, wanted: bool | str, choose: Callable[[], AudioSource]) -> None:
        try:
            self.found[stream] = choose()
        except NOT_HERE as error:
            if wanted is not True:
                raise
            self.missing[stream] = str(error)

    def open_tracks(
        self, folder: Path, start_ns: int, on_clock: Callable[[AudioClockRow], None], on_gap: Callable[[Gap], None]
    ) -> list[AudioTrack]:
        """Begin to record all that was found; what is missing is one gap as long as the session."""
        for stream, why in self.missing.items():
            on_gap(Gap(0, None, stream, why))
        tracks = [
            AudioTrack(stream, folder / AUDIO_FILES[stream], source, start_ns, on_clock, on_gap)
            for stream, source in self.found.items()
        ]
        for track in tracks:
            track.start()
        return tracks
