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


def reserve(path: Path, needed: int, max_bytes: int, what: str) -> None:
    """Make the file ``path`` of ``needed`` bytes, and remove others for it where it must be. Call it under the folder's
    lock, and hold the file's own.

    Args:
        max_bytes: what all files of the folder may take together.
        what: is to be kept there; for the message.

    Raises:
        StorageError: there is no room, even without all files that no process uses. Then none was removed.
    """
    folder = path.parent
    remedy = "choose a smaller target_size or a lower fps, or another folder (cache='...')"
    if needed > max_bytes:
        raise StorageError(
            f"{what} need {needed:,} bytes, and the frame cache in {folder} may hold {max_bytes:,}: "
            f"raise its bound (max_bytes), {remedy}"
        )
    present = entries(folder)
    free = shutil.disk_usage(folder).free
    taken = sum(entry.bytes for entry in present) + _being_built(folder)
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
            f"{what} need {needed:,} bytes in the frame cache {folder}: {free:,} bytes are free on its disk, and of its "
            f"bound of {max_bytes:,} bytes {taken:,} are taken, {in_use:,} by running processes. "
            f"Free {surplus:,} bytes or raise the bound (max_bytes), {remedy}"
        )
    for entry in removed:
        with contextlib.suppress(PermissionError):  # where a mapped file cannot be removed: a process that has no lease
            entry.path.unlink(missing_ok=True)
    try:
        with path.open("wb") as file:
            allocate(file.fileno(), needed)
    except OSError as error:
        path.unlink(missing_ok=True)
        raise StorageError(
            f"{what} need {needed:,} bytes in the frame cache {folder}, "
            f"where {shutil.disk_usage(folder).free:,} bytes are free ({error}): {remedy}"
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
