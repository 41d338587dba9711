"""How a session is recorded: the choices, checked."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

from gameon_env.errors import GameOnError, UnknownNameError
from gameon_env.games.profile import Attach
from gameon_env.keys import BUTTONS, check_control

WORST_QUALITY = {"h264": 51, "hevc": 51, "av1": 63}
CODECS = tuple(WORST_QUALITY)


@dataclass(frozen=True, slots=True)
class RecorderOptions:
    """Choices of :class:`gameon_env.recording.recorder.SessionRecorder`; its docstring says what each does."""

    display: str = "current"
    data_dir: str | Path | None = None
    title: str | None = None
    attach: Attach | None = None
    fps: float = 60.0
    codec: str = "h264"
    quality: int | None = None
    system_audio: bool | str = True
    microphone: bool | str = False
    gamepads: bool = True
    all_keys: bool = False
    only_focused: bool = True
    pause_key: str | None = "key:f9"
    stop_key: str | None = "key:f10"
    duration_s: float | None = None
    seed: int | None = None

    def check(self) -> None:
        """Raise ``UnknownNameError`` or ``GameOnError`` where a choice is none."""
        if not 1 <= self.fps <= 1000:
            raise GameOnError(f"fps must be from 1 to 1000, the most pictures a second that are kept; it is {self.fps}")
        if self.codec not in CODECS:
            raise UnknownNameError(f"codec must be one of {', '.join(CODECS)}; it is {self.codec!r}")
        most = WORST_QUALITY.get(self.codec, 0)
        if self.quality is not None and not 0 <= self.quality <= most:
            raise GameOnError(f"quality must be from 0 (best) to {most} for {self.codec}; it is {self.quality}")
        if self.duration_s is not None and not 0 < self.duration_s < math.inf:
            raise GameOnError(f"the duration must be seconds, more than 0; leave it out for no end: {self.duration_s}")
        for key in (self.pause_key, self.stop_key):
            if key is not None and check_control(key) not in BUTTONS:
                raise UnknownNameError(f"a hotkey must be a key or a button, such as 'key:f9'; it is {key!r}")
        if self.pause_key is not None and self.pause_key == self.stop_key:
            raise GameOnError(f"pause and stop need two different hotkeys; both are {self.pause_key!r}")
