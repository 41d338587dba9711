"""What a recording of the calibration window says, beside what the window itself says: press by press, and in all."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from gameon_env.data_processing.audio_clock import AudioClock
from gameon_env.data_processing.audio_reader import AudioReader
from gameon_env.data_processing.video_reader import VideoReader
from gameon_env.recording.calibration_beep import find_beep
from gameon_env.recording.session import Session

KEY = "key:space"
KEY_WITHIN_NS = 100_000_000
"""A key event and the press that the window received belong together when they are so near."""
SEEN_BEFORE_NS, SEEN_WITHIN_NS = 5_000_000, 400_000_000
"""Of a picture: searched for from a little before the key, for the times of both have their errors."""
HEARD_BEFORE_NS, HEARD_WITHIN_NS = 20_000_000, 500_000_000
"""Of a beep: searched for from so long before the key to so long after it."""
BRIGHT_FROM = 128.0

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Spread:
    """How a time is distributed, in ms: ``median``, ``p99`` of its absolute value, ``jitter`` (standard deviation),
    over ``count`` presses."""

    median_ms: float
    p99_ms: float
    jitter_ms: float
    count: int

    @classmethod
    def of(cls, values_ns: Floats) -> Spread | None:
        """Of those that are not NaN; None where there are none."""
        kept = values_ns[np.isfinite(values_ns)] / 1e6
        if not len(kept):
            return None
        return cls(float(np.median(kept)), float(np.quantile(np.abs(kept), 0.99)), float(np.std(kept)), len(kept))


@dataclass(frozen=True, eq=False)
class Presses:
    """All presses that the window received during the recording, in their order.

    All are ``(N,) float64``, ns since the session's start, NaN where there is nothing.

    Attributes:
        key_ns: the key event of the recording.
        frame_ns: the first picture of the video that shows the press.
        onset_ns: the beginning of the beep in the recorded sound.
        received_ns, flip_from_ns, flip_ns, heard_ns: what the window itself says: when the key reached it, when it
            called the flip and when that had returned, when its beep left the sound server's output. The picture came
            on the display somewhere within the flip, which on a busy machine returns late; its end counts.
            ``heard_ns`` is NaN where the server's word was not steady.
    """

    key_ns: Floats
    frame_ns: Floats
    onset_ns: Floats
    received_ns: Floats
    flip_from_ns: Floats
    flip_ns: Floats
    heard_ns: Floats

    def __len__(self) -> int:
        return len(self.received_ns)

    @property
    def key_to_picture_ns(self) -> Floats:
        """As recorded: what an agent sees of the delay between act and picture."""
        return self.frame_ns - self.key_ns

    @property
    def picture_to_sound_ns(self) -> Floats:
        """As recorded."""
        return self.onset_ns - self.frame_ns

    @property
    def key_to_picture_error_ns(self) -> Floats:
        """The same without what the window takes: the recorder's own error."""
        return self.key_to_picture_ns - (self.flip_ns - self.received_ns)

    @property
    def picture_to_sound_error_ns(self) -> Floats:
        """The same without what the window and the sound server take: the recorder's own error."""
        return self.picture_to_sound_ns - (self.heard_ns - self.flip_ns)


def read_presses(folder: Path, log: Sequence[dict[str, Any]]) -> Presses:
    """Hold a finished session of the calibration window against the window's own log.

    Args:
        folder: the session's folder.
        log: the lines of the window's log, as :mod:`gameon_env.recording.calibration_window` names them.

    Raises:
        SessionError, VideoError, AudioError: the session cannot be read.
    """
    with Session(folder) as session:
        start_ns = session.info.start_ns
        presses = [line for line in log if line["kind"] == "press" and line["received_ns"] >= start_ns]
        heard = {
            line["number"]: line["heard_ns"] - start_ns for line in log if line["kind"] == "beep" and line["steady"]
        }
        received = np.array([line["received_ns"] - start_ns for line in presses], np.float64)
        events = session.events()
        names = np.array([*events.names, ""])
        is_press = (names[events.control] == KEY) & (events.value >= 0.5) if len(events) else np.zeros(0, bool)
        key_ns = pair(received, events.t_ns[is_press].astype(np.float64), KEY_WITHIN_NS)
        return Presses(
            key_ns,
            _seen(session, key_ns, [line["bright"] for line in presses]),
            _heard(session, key_ns),
            received,
            np.array([line["flip_from_ns"] - start_ns for line in presses], np.float64),
            np.array([line["flip_ns"] - start_ns for line in presses], np.float64),
            np.array([heard.get(line["number"], np.nan) for line in presses], np.float64),
        )


def pair(received_ns: Floats, event_ns: Floats, within_ns: float) -> Floats:
    """The event of each receipt: each event once, nearest pairs first, NaN where none lies within ``within_ns``.

    Args:
        received_ns: ``(N,)``, rising.
        event_ns: ``(M,)``, rising.
        within_ns: farther apart they do not belong together.
    """
    found = np.full(len(received_ns), np.nan)
    apart = np.abs(event_ns[None, :] - received_ns[:, None])
    rows, columns = np.nonzero(apart <= within_ns)
    used: set[int] = set()
    for place in np.argsort(apart[rows, columns], kind="stable"):
        row, column = int(rows[place]), int(columns[place])
        if np.isnan(found[row]) and column not in used:
            found[row] = event_ns[column]
            used.add(column)
    return found


def _seen(session: Session, key_ns: Floats, bright: Sequence[bool]) -> Floats:
    """The time of the first picture after each key that has the colour of its press."""
    table = session.frames()
    kept = table.video_frame >= 0
    times, numbers = table.t_ns[kept], table.video_frame[kept]
    found = np.full(len(key_ns), np.nan)
    with VideoReader(session.video) as video:
        for press, key in enumerate(key_ns):
            if np.isnan(key):
                continue
            first, last = np.searchsorted(times, [key - SEEN_BEFORE_NS, key + SEEN_WITHIN_NS])
            before = first > 0 and _is_bright(video, int(numbers[first - 1]))
            if first > 0 and before == bright[press]:
                continue  # the press before it is not seen yet: which picture is whose cannot be told
            for place in range(first, last):
                if _is_bright(video, int(numbers[place])) == bright[press]:
                    found[press] = times[place]
                    break
    return found


def _is_bright(video: VideoReader, number: int) -> bool:
    """By the upper half of the picture: the rest holds the moving mark."""
    small = video.frame(number, size=(8, 8))
    return float(small[:4].mean()) >= BRIGHT_FROM


def _heard(session: Session, key_ns: Floats) -> Floats:
    found = np.full(len(key_ns), np.nan)
    path = session.audio("system_audio")
    if not path.is_file():
        return found
    samples, t_ns = session.audio_clock("system_audio")
    reader = AudioReader(path)
    clock = AudioClock.fit(samples, t_ns, reader.rate_hz, len(reader))
    reader = AudioReader(path, clock)
    ends = np.fmin(key_ns + HEARD_WITHIN_NS, np.append(key_ns[1:], np.inf))  # the next beep is another one's
    for press, (key, end) in enumerate(zip(key_ns, ends, strict=True)):
        if np.isfinite(key):
            begin = round(key) - HEARD_BEFORE_NS
            sound = reader.read(begin, round(end), mono=True)
            place = find_beep(sound.samples[:, 0], reader.rate_hz)
            if place is not None:
                found[press] = begin + place * 1e9 / reader.rate_hz
    return found


def read_log(path: Path) -> list[dict[str, Any]]:
    """The lines of the window's log that are whole; none where it has not begun."""
    if not path.is_file():
        return []
    text = path.read_text(encoding="utf-8")
    return [json.loads(line) for line in text[: text.rfind("\n") + 1].splitlines()]
