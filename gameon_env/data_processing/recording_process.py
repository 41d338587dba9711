"""Which process is recording an episode: so that nobody takes an episode for abandoned that is still being played."""

from __future__ import annotations

import os
import platform
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import psutil

KEY = "recording_process"
"""Where an open episode's metadata holds it; gone when the episode is finished."""


def this_process() -> dict[str, Any]:
    """What tells this process from all others, also later ones with the same number."""
    mark = {"host": platform.node(), "pid": os.getpid(), "started": psutil.Process().create_time()}
    return mark | _kernel_start(os.getpid())


def recording_elsewhere(metadata: Mapping[str, Any]) -> int | None:
    """The number of the other process on this machine that is still recording the episode; None where none is."""
    mark = metadata.get(KEY)
    if not isinstance(mark, Mapping) or mark.get("host") != platform.node() or mark.get("pid") == os.getpid():
        return None
    try:
        pid = int(mark["pid"])
        return pid if _is_alive(pid, mark) else None
    except psutil.AccessDenied:  # it is there, and may be the one
        return pid
    except (psutil.Error, KeyError, TypeError, ValueError):
        return None


def _is_alive(pid: int, mark: Mapping[str, Any]) -> bool:
    process = psutil.Process(pid)
    if process.status() == psutil.STATUS_ZOMBIE:
        return False
    found = _kernel_start(pid)
    if found and "boot" in mark:
        return found == {name: mark.get(name) for name in found}
    return bool(abs(process.create_time() - float(mark["started"])) < 1)


def _kernel_start(pid: int) -> dict[str, Any]:
    """When a process started, where the kernel says it in ticks since its boot (``man 5 proc``: field 22 of ``stat``):
    the time of day, which psutil makes of it, moves when somebody sets the clock. Empty elsewhere."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text(errors="replace").rpartition(")")[2].split()
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return {}
    return {"boot": boot, "ticks": int(fields[19])} if len(fields) > 19 else {}
