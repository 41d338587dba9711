"""Which process is recording an episode: so that nobody takes an episode for abandoned that is still being played."""

from __future__ import annotations

import os
import platform
from collections.abc import Mapping
from typing import Any

import psutil

KEY = "recording_process"
"""Where an open episode's metadata holds it; gone when the episode is finished."""


def this_process() -> dict[str, Any]:
    """What tells this process from all others, also later ones with the same number."""
    return {"host": platform.node(), "pid": os.getpid(), "started": psutil.Process().create_time()}


def recording_elsewhere(metadata: Mapping[str, Any]) -> int | None:
    """The number of the other process on this machine that is still recording the episode; None where none is."""
    mark = metadata.get(KEY)
    if not isinstance(mark, Mapping) or mark.get("host") != platform.node() or mark.get("pid") == os.getpid():
        return None
    try:
        process = psutil.Process(int(mark["pid"]))
        alive = process.status() != psutil.STATUS_ZOMBIE and abs(process.create_time() - float(mark["started"])) < 1
    except (psutil.NoSuchProcess, KeyError, TypeError, ValueError):
        return None
    return process.pid if alive else None
