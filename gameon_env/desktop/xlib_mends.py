"""What python-xlib lacks, put right in the module itself: whoever uses it in this process is served."""

from __future__ import annotations

import select
from functools import cache
from typing import Any


@cache
def mend() -> None:
    """Before the first connection. Raises ``ImportError`` where python-xlib is not installed."""
    import Xlib.protocol.display

    Xlib.protocol.display.select = _Poll


class _Poll:
    """All that python-xlib uses of the module ``select``: descriptors from 1024 on are too large for its select()."""

    error = OSError

    @staticmethod
    def select(reading: list[Any], writing: list[Any], _: list[Any], timeout_s: float | None) -> tuple[list[Any], ...]:
        poll = select.poll()
        for one in {*reading, *writing}:
            poll.register(one, (select.POLLIN if one in reading else 0) | (select.POLLOUT if one in writing else 0))
        found = dict(poll.poll(None if timeout_s is None else timeout_s * 1e3))
        failed = select.POLLERR | select.POLLNVAL
        readable, writable = select.POLLIN | select.POLLHUP | failed, select.POLLOUT | failed
        return (
            [one for one in reading if found.get(one.fileno(), 0) & readable],
            [one for one in writing if found.get(one.fileno(), 0) & writable],
            [],
        )
