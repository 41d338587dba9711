"""The errors of GameOn env. Each message says what was found, what was expected and what mends it."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class GameOnError(Exception):
    """Root of all errors that GameOn env raises on purpose."""


class UnknownNameError(GameOnError, ValueError):
    """A name (control, profile, reader, session ...) that does not exist."""


class MissingPartError(GameOnError, ImportError):
    """An optional Python package is not installed; the message names the extra that brings it."""


class MissingProgramError(GameOnError, FileNotFoundError):
    """A program outside Python (Xvfb, a game ...) is not installed; the message says how to get it."""


class ProfileError(GameOnError, ValueError):
    """A game profile is wrong; the message names the file, the key and what is allowed."""


class DisplayError(GameOnError, RuntimeError):
    """A display cannot be started or reached, or went away."""


class CaptureError(DisplayError):
    """The screen cannot be captured."""


class InputError(GameOnError, RuntimeError):
    """Input events cannot be heard or injected."""


class GameCrashError(GameOnError, RuntimeError):
    """The game's process did not start, or ended when it should not have."""


class WindowError(GameOnError, RuntimeError):
    """The game's window was not found, or was closed."""


class OffScreenError(WindowError):
    """The game's window lies wholly outside the screen: there is no picture of it until it is back."""


class ActionError(GameOnError, ValueError):
    """An action has the wrong shape, holds NaN, or names other controls."""


class ObservationError(GameOnError, ValueError):
    """An observation size or frame that cannot be used."""


class TrajectoryError(GameOnError, ValueError):
    """A trajectory file is damaged, incomplete, or is no trajectory file."""


class StorageError(GameOnError, OSError):
    """Data could not be written: disk full, folder read-only."""


class SessionError(GameOnError, ValueError):
    """A recorded session is damaged, incomplete, locked, or of a newer version."""


class DatasetError(GameOnError, ValueError):
    """A dataset cannot be made as asked: a wrong option, no recordings, recordings that do not fit each other."""


class VideoError(GameOnError, ValueError):
    """A video cannot be written or read: no such codec, damaged, cut short."""


class AudioError(GameOnError, RuntimeError):
    """Sound cannot be recorded: no device, no sound server, a device that vanished."""


class PolicyError(GameOnError, ValueError):
    """A saved policy is damaged, or was trained for other controls than the environment's."""


class ServerError(GameOnError, OSError):
    """The local server cannot be started; the message says why, and what to do."""


class EmergencyStop(GameOnError, RuntimeError):
    """The person pressed the emergency-stop key: the agent lets go of everything and ends."""


def suggest(name: str, known: Iterable[str]) -> str:
    """The end of an error message: ``" Did you mean 'key:w'?"``, or an empty string where nothing is near."""
    near = difflib.get_close_matches(name, list(known), n=1, cutoff=0.5)
    return f" Did you mean {near[0]!r}?" if near else ""
