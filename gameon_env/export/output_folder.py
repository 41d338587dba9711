"""The folder that an export makes: it appears complete or not at all."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from gameon_env.data_processing.atomic_file import sync_folder
from gameon_env.datasets.remote_file import local_path
from gameon_env.errors import DatasetError, StorageError
from gameon_env.export.output_file import (
    PART_SUFFIX,
    check_writable_folder,
    is_part,
    part_prefix,
    parts_folder,
    remove_forgotten,
    umask,
)

_TELLS = "meta"
"""In the name of what describes a dataset, in all formats: nothing takes the other parts for one without it."""


@contextmanager
def folder_at(output: str | Path) -> Iterator[Path]:
    """The path of the folder to make: one that is not there yet, or empty.

    Raises:
        DatasetError: there is something already, or it is a URL.
        StorageError: it cannot be written, or the folder that it would be in is missing or cannot be.
    """
    local = local_path(output)
    if local is None:
        raise DatasetError(f"{output} is a URL, and this format is a folder: name one on this machine, and copy it")
    path = local.expanduser().resolve()
    _check_new(path)
    check_writable_folder(parts_folder(path))
    yield path


@contextmanager
def new_folder(path: Path) -> Iterator[Path]:
    """A new folder, to be filled; it becomes ``path`` at the end, and goes where that is not reached.

    It is beside ``path``; or in it where that is there already, for a mount point or somebody's working folder cannot
    be replaced: what is in it moves up at the end.

    Raises:
        StorageError: the disk refuses.
        DatasetError: ``path`` was filled by something else meanwhile.
    """
    new: Path | None = None
    try:
        remove_forgotten(path)
        prefix = f"{part_prefix(path)}{os.getpid()}."
        new = Path(tempfile.mkdtemp(prefix=prefix, suffix=PART_SUFFIX, dir=parts_folder(path)))
        yield new
        _sync(new)
        # mkdtemp lets nobody else read.
        new.chmod(0o777 & ~umask())
        _check_new(path)
        if path.is_dir():
            _move_up(new, path)
        else:
            new.rename(path)
            sync_folder(path.parent)
    except OSError as error:
        if isinstance(error, StorageError):
            raise
        raise StorageError(
            f"{path} could not be written: {error.strerror or error}. "
            "Free some space, or name a folder on another disk."
        ) from error
    finally:
        if new is not None:
            shutil.rmtree(new, ignore_errors=True)


def stored_size(path: Path) -> int:
    """Bytes of a file, or of all files in a folder."""
    files = path.rglob("*") if path.is_dir() else [path]
    return sum(file.stat().st_size for file in files if file.is_file())


def _check_new(path: Path) -> None:
    if path.is_dir():
        if any(not is_part(entry, path) for entry in path.iterdir()):
            raise DatasetError(
                f"{path} is there already, and is not empty: remove it (rm -r '{path}'), or name a new folder"
            )
    elif path.exists():
        raise DatasetError(f"{path} is there already, as a file, and this format is a folder: name a new folder")


def _move_up(new: Path, path: Path) -> None:
    """Move all that is in ``new`` into ``path``, which is empty, what describes it last; all or nothing."""
    names = sorted((entry.name for entry in new.iterdir()), key=lambda name: (_TELLS in name, name))
    try:
        for name in names:
            (new / name).rename(path / name)
        sync_folder(path)
    except BaseException:
        for name in reversed(names):
            if not (new / name).exists():
                (path / name).rename(new / name)
        raise


def _sync(folder: Path) -> None:
    """Wait until all that is in it is on the disk, so that a power cut leaves no folder of empty files."""
    for parent, _, names in os.walk(folder):
        for name in names:
            with (Path(parent) / name).open("rb+") as file:
                os.fsync(file.fileno())
        sync_folder(Path(parent))
