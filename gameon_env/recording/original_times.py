"""The times of the original GameOn: of the clock on the wall, without a zone, and so without summer or winter."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from gameon_env.errors import SessionError

Span = tuple[datetime, datetime]

_HOUR, _ABOUT = timedelta(hours=1), timedelta(minutes=1)


def read_time(value: object, where: str) -> datetime:
    """A column's time in UTC; local time is this machine's.

    Raises:
        SessionError: it is none; ``where`` it stands is in the message.
    """
    try:
        if isinstance(value, (int, float)):
            return datetime.fromtimestamp(value, UTC)
        return datetime.fromisoformat(str(value)).astimezone(UTC)
    except (ValueError, OverflowError, OSError) as error:
        raise SessionError(f"{where} is {value!r}, expected a time such as 2023-11-27T14:30:22") from error


def other_spans(start: object, end: object, lasted_s: float | None, span: Span) -> list[Span]:
    """What else than ``span`` two columns may mean, where that lasts about an hour more or less: one hour comes twice
    where summer time ends, and the clock may have been of a zone that changed on another day, or did not.

    Args:
        start: the column, which :func:`read_time` reads as ``span[0]``.
        end: the same of ``span[1]``.
        lasted_s: what a third column says.
        span: as they are read first.
    """
    clocks = _clock_time(start), _clock_time(end)
    if clocks[0] is None or clocks[1] is None:
        return []
    try:
        maybe = [(begun, ended) for begun in _readings(clocks[0]) for ended in _readings(clocks[1])]
        lengths = [clocks[1] - clocks[0], *([timedelta(seconds=lasted_s)] if lasted_s else [])]
        maybe += [(span[0], span[0] + length) for length in lengths]
    except (OverflowError, ValueError):  # at the end of all time
        return []
    lasts = span[1] - span[0]
    there = [(begun, ended) for begun, ended in maybe if ended >= begun]
    return list(dict.fromkeys(each for each in there if abs(abs(each[1] - each[0] - lasts) - _HOUR) < _ABOUT))


def _clock_time(value: object) -> datetime | None:
    """None for a time that says its zone."""
    if isinstance(value, (int, float)):
        return None
    time = datetime.fromisoformat(str(value))
    return time if time.tzinfo is None else None


def _readings(clock: datetime) -> list[datetime]:
    return [clock.replace(fold=fold).astimezone(UTC) for fold in (0, 1)]
