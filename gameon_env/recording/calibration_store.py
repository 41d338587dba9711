"""What was measured of the recorder's sync on this machine, kept for the sessions that come later."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from gameon_env.errors import StorageError
from gameon_env.paths import cache_dir
from gameon_env.recording.calibration_figures import Spread

FIGURES = ("key_to_picture", "key_to_picture_error", "picture_to_sound", "picture_to_sound_error")


@dataclass(frozen=True, slots=True)
class Calibration:
    """The recorder's sync, measured.

    Attributes:
        display: ``private``, or ``desktop`` for one that a person uses.
        sound: what was recorded of the sound, as the session names it; None where there was none.
        measured_at: wall clock, ISO 8601 UTC.
        recorder: name and version of the program that was measured.
        presses: that the window received.
        recorded: of them, how many key events are in the session.
        seen: and how many of their pictures.
        heard: and how many of their beeps.
        key_to_picture: from the key event to the first picture that shows it, as recorded.
        key_to_picture_error: the same without what the test window takes: the recorder's own error.
        picture_to_sound: from that picture to the beginning of the beep, as recorded.
        picture_to_sound_error: the same without what the test window and the sound server take.
        flip: how long the window's flip took. The picture came somewhere within it, and its end counts, so that the
            picture's time is known to this only.
        missing: what could not be measured, and why, in words.
    """

    display: str
    sound: str | None
    measured_at: str
    recorder: str
    presses: int
    recorded: int
    seen: int
    heard: int
    key_to_picture: Spread | None
    key_to_picture_error: Spread | None
    picture_to_sound: Spread | None
    picture_to_sound_error: Spread | None
    flip: Spread | None
    missing: tuple[str, ...] = ()


def calibration_path() -> Path:
    """Where the machine's calibrations lie."""
    return cache_dir() / "calibration.json"


def store_calibration(calibration: Calibration) -> Path:
    """Keep it, in place of an older one of the same kind of display and the same sound. Returns the file.

    Raises:
        StorageError: the file cannot be written.
    """
    path = calibration_path()
    kept = _read(path)
    kept[_key(calibration.display, calibration.sound)] = asdict(calibration)
    unfinished = path.with_name(f"{path.name}.{os.getpid()}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        unfinished.write_text(json.dumps(kept, indent=1), encoding="utf-8")
        unfinished.replace(path)
    except OSError as error:
        raise StorageError(f"{path} cannot be written ({error}): set XDG_CACHE_HOME to a folder that can be") from error
    return path


def stated_error(display: str, sound: str | None) -> dict[str, object] | None:
    """What is known of the error of a session that is recorded on this machine.

    Args:
        display: ``private`` or ``desktop``.
        sound: the source of its sound, as :class:`Calibration` names it; None for none.

    Returns:
        the calibration as a dict, JSON-safe. Where this sound was not measured, but pictures on such a display were:
        that one, without the figures of the sound. None where nothing was measured.
    """
    kept = _read(calibration_path())
    exact = kept.get(_key(display, sound))
    if exact is not None:
        return dict(exact)
    others = [entry for entry in kept.values() if entry.get("display") == display]
    if not others:
        return None
    latest = max(others, key=lambda entry: str(entry.get("measured_at")))
    silent = {name: None for name in FIGURES if name.startswith("picture_to_sound")}
    return {**latest, **silent, "sound": None, "heard": 0}


def _key(display: str, sound: str | None) -> str:
    return f"{display}, {sound or 'no sound'}"


def _read(path: Path) -> dict[str, Mapping[str, object]]:
    """What is there; a file that is damaged is as good as none: it can be measured again."""
    with contextlib.suppress(OSError, ValueError):
        found = json.loads(path.read_text(encoding="utf-8"))
        if isinstance(found, dict):
            return {key: entry for key, entry in found.items() if isinstance(entry, dict)}
    return {}
