"""Room for one more file in a folder of bounded size: what was not used for longest goes first."""

from __future__ import annotations

import contextlib
import os
import shutil
from dataclasses import dataclass
from pathlib import Path

from gameon_env.datasets.cache_locks import attempt, names_in_use
from gameon_env.errors import StorageError

FRAMES_SUFFIX = ".frames"
BUILDING_SUFFIX = ".building"
LOCK_SUFFIX = ".lock"
REMEDY = "choose a smaller target_size or a lower fps, or another folder (cache='...')"


@dataclass(frozen=True, slots=True)
class CacheEntry:
    """A finished file: its size in bytes, when it was last opened (wall clock, ns), and whether a process uses it."""

    path: Path
    bytes: int
    used_ns: int
    in_use: bool


def entries(folder: Path) -> list[CacheEntry]:
    """The finished files, those not used for longest first. Call it under the folder's lock."""
    used = names_in_use(folder)
    found = []
    for path in folder.glob(f"*{FRAMES_SUFFIX}"):
        with contextlib.suppress(FileNotFoundError):
            stat = path.stat()
            found.append(CacheEntry(path, stat.st_size, stat.st_mtime_ns, path.name in used))
    return sorted(found, key=lambda entry: (entry.used_ns, entry.path))


def touch(path: Path) -> None:
    """It is used now."""
    with contextlib.suppress(OSError):  # a folder that only others may write: they keep it in order
        os.utime(path)


def plan(folder: Path, needed: int, max_bytes: int, what: str) -> list[CacheEntry]:
    """Which files must go for ``needed`` bytes more. Call it under the folder's lock.

    Args:
        max_bytes: what all files of the folder may take together.
        what: is to be kept there; for the message.

    Raises:
        StorageError: there is no room, even without all files that no process uses.
    """
    present = entries(folder)
    taken = sum(entry.bytes for entry in present) + _being_built(folder)
    free = shutil.disk_usage(folder).free
    surplus = max(taken + needed - max_bytes, needed - free)
    removed: list[CacheEntry] = []
    for entry in present:
        if surplus <= 0:
            break
        if not entry.in_use:
            removed.append(entry)
            surplus -= entry.bytes
    if surplus > 0:
        in_use = sum(entry.bytes for entry in present if entry.in_use)
        raise StorageError(
            f"{what} need {needed:,} bytes in the frame cache {folder}: {free:,} bytes are free on its disk, and its "
            f"bound is {max_bytes:,} bytes, of which running processes use {in_use:,}. "
            f"Free some space or raise the bound (max_bytes), {REMEDY}"
        )
    return removed


def reserve(path: Path, needed: int, max_bytes: int, what: str) -> None:
    """Make the file ``path`` of ``needed`` bytes, and remove others for it where it must be. Call it under the folder's
    lock, and hold the file's own.

    Raises:
        StorageError: as :func:`plan`; then none was removed.
    """
    for entry in plan(path.parent, needed, max_bytes, what):
        with contextlib.suppress(PermissionError):  # where a mapped file cannot be removed: a process that has no lease
            entry.path.unlink(missing_ok=True)
    try:
        with path.open("wb") as file:
            allocate(file.fileno(), needed)
    except OSError as error:
        path.unlink(missing_ok=True)
        free = shutil.disk_usage(path.parent).free
        raise StorageError(
            f"{what} need {needed:,} bytes in the frame cache {path.parent}, "
            f"where {free:,} bytes are free ({error}): free some space, {REMEDY}"
        ) from error


def allocate(file: int, length: int) -> None:
    """Give an empty file its length, and its place on the disk where the system can say so beforehand."""
    if hasattr(os, "posix_fallocate"):
        os.posix_fallocate(file, 0, length)
    else:
        os.truncate(file, length)


def _being_built(folder: Path) -> int:
    """Bytes of unfinished files that living processes write. Those of dead ones are removed."""
    total = 0
    for path in folder.glob(f"*{BUILDING_SUFFIX}"):
        with attempt(path.with_suffix(LOCK_SUFFIX)) as nobody_builds:
            if nobody_builds:
                path.unlink(missing_ok=True)
            else:
                with contextlib.suppress(FileNotFoundError):
                    total += path.stat().st_size
    return total
