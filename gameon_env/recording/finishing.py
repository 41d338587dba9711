"""The end of a recording: its parts end in the order in which they feed each other, into one complete session."""

from __future__ import annotations

import datetime
from collections.abc import Callable, Sequence

from gameon_env.clock import now_ns
from gameon_env.errors import GameOnError, StorageError
from gameon_env.recording.catalogue import Catalogue
from gameon_env.recording.model import DATABASE_FILE, SessionEnd, Who
from gameon_env.recording.recorder_loop import GAME_GONE, Parts, RecorderLoop
from gameon_env.recording.verification import media_checksums


def finish_recording(
    parts: Parts,
    loop: RecorderLoop,
    catalogue: Catalogue,
    release: Callable[[], object],
    *,
    reason: str,
    missing: Sequence[str],
) -> BaseException | None:
    """End all parts and complete the session; in the loop's thread.

    Args:
        parts: what runs.
        loop: what the parts were fed by.
        catalogue: where the session is listed.
        release: lets go of the game and all else that is open.
        reason: why it ends.
        missing: what could not be recorded, in words.

    Returns:
        What kept the session from being complete, or is an error of the recorder's own; None where all is well.
    """
    ended: list[BaseException] = []
    unwritten: list[BaseException] = []

    def attempt(what: Callable[[], object], errors: list[BaseException]) -> None:
        try:
            what()
        except (GameOnError, OSError) as error:
            errors.append(error)

    now = now_ns()
    attempt(lambda: loop.flush(now), ended)
    attempt(parts.pump.close, ended)
    for track in parts.tracks:
        attempt(track.close, ended)

    # The end of the sound is fitted to the times of its blocks: of a short recording it may come out a little late.
    heard_ns = max((row.t_ns for row in parts.clock_rows), default=0)

    def finish() -> None:
        parts.writer.finish(
            SessionEnd(
                ended_at=wall_clock(),
                duration_ns=max(now_ns() - parts.start_ns, heard_ns),
                reason=reason,
                who=_who(loop),
                missing=tuple(missing),
                checksums=media_checksums(parts.folder),
            )
        )

    attempt(loop.commit, [])  # where it fails, finishing makes room and writes the same rows once more
    attempt(finish, unwritten)
    if not (parts.folder / DATABASE_FILE).is_file():
        gone = StorageError(
            f"{parts.folder}: the session's folder was deleted or moved away while it was recorded; what was recorded "
            "is where it went, not completed. If you moved it, bring it back: gameon recover FOLDER"
        )
        unwritten.insert(0, gone)
    else:
        attempt(lambda: catalogue.update(parts.folder), ended)
    attempt(release, ended)
    expected = (*GAME_GONE, StorageError) if reason.startswith("disk") else GAME_GONE
    if unwritten:
        return unwritten[0]
    return loop.error or next((error for error in ended if not isinstance(error, expected)), None)


def wall_clock() -> str:
    """The time of day, ISO 8601 UTC."""
    return datetime.datetime.now(datetime.UTC).isoformat(timespec="microseconds")


def _who(loop: RecorderLoop) -> Who:
    injected, by_hand = loop.injected > 0, loop.by_hand > 0
    if injected and by_hand:
        return "mixed"
    return "agent" if injected else "human" if by_hand else "unknown"
