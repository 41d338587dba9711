"""Recognising a ReActure download that is in the catalogue already, whatever its files are called."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gameon_env.errors import DatasetError, GameOnError
from gameon_env.export.reacture_rows import MAX_LINE_BYTES
from gameon_env.recording.catalogue import Catalogue
from gameon_env.recording.catalogue_rows import SessionEntry
from gameon_env.recording.session import Session


def identity_of(data: Path) -> str:
    """Hexadecimal: by the rows of ``data.jsonl``, in whatever order they are.

    Raises:
        DatasetError: it cannot be read.
    """
    total = 0
    try:
        with data.open("rb") as file:
            while line := file.readline(MAX_LINE_BYTES):
                total += int.from_bytes(hashlib.sha256(line.strip()).digest()[:16], "big")
    except OSError as error:
        raise DatasetError(f"{data} cannot be read: {error.strerror or error}") from error
    return f"{total % (1 << 128):032x}"


@dataclass(frozen=True, slots=True)
class Known:
    """What the catalogue has of a download.

    Attributes:
        whole: the session that holds all of it.
        shorter: sessions of the same play that were downloaded before it was over.
    """

    whole: SessionEntry | None = None
    shorter: tuple[SessionEntry, ...] = ()


def look_up(catalogue: Catalogue, identity: str, metadata: Mapping[str, Any], frames: int) -> Known:
    """Find a download in the catalogue; folders that are gone count for nothing."""
    entries = [entry for entry in catalogue.sessions() if entry.present]
    shorter: list[SessionEntry] = []
    for entry in entries:
        if entry.id == identity:
            return Known(entry)
    for entry in entries:
        if _is_same_play(entry, metadata):
            if (entry.frames or 0) >= frames:
                return Known(entry)
            shorter.append(entry)
    return Known(shorter=tuple(shorter))


def _is_same_play(entry: SessionEntry, metadata: Mapping[str, Any]) -> bool:
    """Our page names each play once; the original's names say nothing of that."""
    play = metadata.get("session_id"), metadata.get("start_time"), metadata.get("part")
    if metadata.get("format_version") is None or not isinstance(play[0], str):
        return False
    try:
        with Session(entry.folder) as session:
            details = session.info.details.get("reacture")
    except GameOnError:
        return False
    told = details.get("metadata") if isinstance(details, dict) else None
    return isinstance(told, dict) and play == tuple(told.get(name) for name in ("session_id", "start_time", "part"))
