"""Times as people write them."""

from __future__ import annotations

import re

from gameon_env.errors import GameOnError

_TIME = re.compile(r"(?:(?:(\d+):)?(\d{1,2}):)?(\d+(?:\.\d*)?|\.\d+)")


def seconds_of(text: str) -> float:
    """``12.5``, ``1:20``, ``1:02:03.5`` in seconds.

    Raises:
        GameOnError: it is no time.
    """
    found = _TIME.fullmatch(text.strip())
    if found is None:
        raise GameOnError(f"a time is written as seconds (12.5), m:ss (1:20) or h:mm:ss (1:02:03.5); it is {text!r}")
    hours, minutes, seconds = found.groups()
    return int(hours or 0) * 3600 + int(minutes or 0) * 60 + float(seconds)


def clock_time(seconds: float) -> str:
    """``1:02:03.500``."""
    minutes, rest = divmod(seconds, 60)
    hours, minutes = divmod(int(minutes), 60)
    return f"{hours}:{minutes:02}:{rest:06.3f}"
