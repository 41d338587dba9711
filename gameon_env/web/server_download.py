"""A file as an answer, whole or in the range that was asked for (RFC 9110)."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from gameon_env.web.server_recording import Piece

BLOCK_BYTES = 256 << 10

_RANGE = re.compile(r"bytes=(\d{0,18})-(\d{0,18})")


@dataclass(frozen=True)
class Span:
    """Bytes ``start`` to ``stop`` of ``size``; ``partial``: they were asked for by a range."""

    start: int
    stop: int
    size: int
    partial: bool


def find_span(asked: str | None, size: int) -> Span | None:
    """The span that a ``Range`` header asks for, the whole file where it is none; None: there are no such bytes."""
    found = _RANGE.fullmatch(asked.strip()) if asked else None
    if found is None or found.groups() == ("", ""):
        return Span(0, size, size, partial=False)
    first, last = found.groups()
    if first:
        start, stop = int(first), min(int(last) + 1, size) if last else size
        if last and int(last) < start:
            return Span(0, size, size, partial=False)
    else:
        start, stop = max(0, size - int(last)), size
    return Span(start, stop, size, partial=True) if start < stop else None


def read_span(pieces: Sequence[Piece], span: Span) -> Iterator[bytes]:
    """The bytes of a span, in blocks."""
    at = 0
    for piece in pieces:
        first, last = max(span.start, at) - at, min(span.stop, at + piece.length) - at
        at += piece.length
        if first >= last:
            continue
        if piece.path is None:
            yield piece.content[first:last]
            continue
        with piece.path.open("rb") as file:
            file.seek(piece.start + first)
            left = last - first
            while left > 0 and (block := file.read(min(BLOCK_BYTES, left))):
                left -= len(block)
                yield block
