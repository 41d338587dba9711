"""What python-xlib lacks, put right in the module itself: whoever uses it in this process is served."""

from __future__ import annotations

import select
from functools import cache
from typing import Any

_ANY_HOST = 65535
"""FamilyWild of Xauthority files: an entry for every host, such as people make for containers."""
_SCHEME = b"MIT-MAGIC-COOKIE-1"


@cache
def mend() -> None:
    """Before the first connection. Raises ``ImportError`` where python-xlib is not installed."""
    import Xlib.error
    import Xlib.protocol.display
    import Xlib.xauth

    Xlib.protocol.display.select = _Poll
    find_exactly = Xlib.xauth.Xauthority.get_best_auth

    def find(authority: Any, family: int, address: bytes, number: int, *schemes: Any) -> tuple[bytes, bytes]:
        try:
            exact: tuple[bytes, bytes] = find_exactly(authority, family, address, number, *schemes)
        except Xlib.error.XNoAuthError:
            for its_family, _, its_number, scheme, cookie in authority.entries:
                fits = its_family == _ANY_HOST and its_number in (b"", str(number).encode())
                if fits and scheme == _SCHEME:
                    return scheme, cookie
            raise
        return exact

    Xlib.xauth.Xauthority.get_best_auth = find


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
