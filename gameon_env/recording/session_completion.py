"""Completing a session that was cut off: its frames agree with its video, its gaps and its end are stated."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path

from gameon_env.data_processing.wav_file import WavLayout
from gameon_env.recording.catalogue_rows import iso_utc
from gameon_env.recording.folder_lock import FolderLock
from gameon_env.recording.media_recovery import Clock, Media
from gameon_env.recording.model import AUDIO_FILES, AudioClockRow, FrameRow, Gap, SessionEnd, Stream, Who
from gameon_env.recording.session import EventTable, FrameTable, Session
from gameon_env.recording.session_writer import SessionWriter
from gameon_env.recording.verification import AUDIO_TAIL_S, media_checksums

LONGEST_NS = 30 * 24 * 3600 * 10**9
"""A time that is farther from the start is no time, but damage."""

TOUCHING_NS = 1_000_000
"""What ends so shortly before the session's end ends with it."""


def complete(folder: Path, lock: FolderLock, media: Media, notes: tuple[str, ...]) -> SessionEnd:
    """Finish the session in ``folder``, whose database is sound and whose media are whole.

    Args:
        folder: the session's.
        lock: held, and let go when it is finished.
        media: what there is of video and sound.
        notes: what is missing besides, in words.

    Raises:
        SessionError, StorageError: as :class:`gameon_env.recording.session_writer.SessionWriter`.
    """
    with Session(folder) as session:
        cut = _Cut(session, media)
    writer = SessionWriter.reopen(folder, lock)
    try:
        writer.lose_frames(len(media.times_ns))
        writer.add_frames(cut.frames_without_rows())
        writer.add_audio_clock(cut.clock_rows)
        for gap in cut.gaps():
            writer.add_gap(gap)
        end = cut.end(folder, notes)
        writer.finish(end, "recovered")
    except BaseException:
        writer.close()
        raise
    return end


class _Cut:
    """What a session that was cut off knows, and up to when."""

    def __init__(self, session: Session, media: Media) -> None:
        self._media = media
        self._info, self._before = session.info, session.end
        self._frames: FrameTable = session.frames()
        self._events: EventTable = session.events()
        self._gaps = session.gaps()
        self._clocks: dict[Stream, Clock] = {stream: session.audio_clock(stream) for stream in AUDIO_FILES}
        self.clock_rows: list[AudioClockRow] = []
        self._untimed: list[str] = []
        times = [self._frames.t_ns, self._events.t_ns, *(t_ns for _, t_ns in self._clocks.values())]
        known = [int(t_ns.max()) for t_ns in times if len(t_ns)]
        known += [health.t_ns for health in session.health()[-1:]]
        known += [gap.end_ns or gap.start_ns for gap in self._gaps]
        self._known_ns = max((t_ns for t_ns in known if t_ns < LONGEST_NS), default=0)
        self._sound_ends = {stream: self._end_of(stream, sound) for stream, sound in media.sounds.items()}
        last_frame_ns = int(media.times_ns[-1]) if len(media.times_ns) else 0
        ended_ns = 0 if self._before is None else self._before.duration_ns
        self._end_ns = max(self._known_ns, last_frame_ns, ended_ns, *self._sound_ends.values())
        self._lost = int((self._frames.video_frame >= len(media.times_ns)).sum()) + self._frames.reason.count("lost")

    def frames_without_rows(self) -> list[FrameRow]:
        """Of the frames that reached the video, and whose rows did not reach the database."""
        first = int(self._frames.video_frame.max(initial=-1)) + 1
        times = self._media.times_ns.tolist()
        return [FrameRow(times[number], number) for number in range(first, len(times))]

    def gaps(self) -> list[Gap]:
        """Of each stream, from what is known of it to the end."""
        reason = "killed" if self._before is None else "lost"
        known: dict[str, int] = {}
        frames, count = self._frames, len(self._media.times_ns)
        if self._before is None:
            last_ns = max(self._known_ns, int(self._media.times_ns[-1])) if count else 0
            known |= {"input": self._known_ns, "video": last_ns}
            known.update({str(stream): end_ns for stream, end_ns in self._sound_ends.items()})
        gone = frames.t_ns[frames.video_frame >= count]
        if len(gone):
            known["video"] = int(gone[0])
        known.update(dict.fromkeys(self._media.lost, 0))
        stated = {gap.stream for gap in self._gaps if gap.end_ns is None}
        return [
            Gap(start_ns, None, stream, reason)
            for stream, start_ns in known.items()
            if start_ns < self._end_ns - TOUCHING_NS and not {stream, "all"} & stated
        ]

    def end(self, folder: Path, notes: tuple[str, ...]) -> SessionEnd:
        missing: list[str] = []
        who: Who | None
        if self._before is None:
            reason, who = "killed", _who(self._events)
            ended_at = iso_utc(datetime.fromisoformat(self._info.started_at) + timedelta(seconds=self._end_ns * 1e-9))
            missing.append(
                f"the recorder was cut off: pictures and sound end at {self._end_ns * 1e-9:.3f} s, "
                f"input is known up to {self._known_ns * 1e-9:.3f} s"
            )
        else:
            reason, who, ended_at = self._before.reason, self._before.who, self._before.ended_at
            missing += self._before.missing
        if self._lost:
            missing.append(f"{self._lost} frames that were recorded did not reach the disk")
        return SessionEnd(
            ended_at=ended_at,
            duration_ns=self._end_ns,
            reason=reason,
            missing=tuple(dict.fromkeys([*missing, *notes, *self._untimed])),
            checksums=media_checksums(folder),
            who=who,
        )

    def _end_of(self, stream: Stream, sound: WavLayout) -> int:
        """When the last sample of a stream was heard. Adds to its clock what the file holds beyond it."""
        samples, t_ns = self._clocks[stream]
        if not sound.frames:
            return 0
        if not len(samples):
            self.clock_rows.append(AudioClockRow(stream, 0, 0))
            self._untimed.append(
                f"nobody knows when the {sound.frames} samples of {AUDIO_FILES[stream]} were heard: they are said to "
                "begin with the session"
            )
            return round(sound.frames * 1e9 / sound.rate_hz)
        beyond = sound.frames - int(samples[-1])
        end_ns = int(t_ns[-1]) + round(beyond * 1e9 / sound.rate_hz)
        if beyond > AUDIO_TAIL_S * sound.rate_hz:
            self.clock_rows.append(AudioClockRow(stream, sound.frames, end_ns))
        return end_ns


def _who(events: EventTable) -> Who:
    injected, by_hand = bool(events.injected.any()), not bool(events.injected.all())
    if injected and by_hand:
        return "mixed"
    return "agent" if injected else "human" if by_hand else "unknown"
