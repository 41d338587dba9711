"""The file that an export makes: it appears complete or not at all."""

from __future__ import annotations

import contextlib
import os
import platform
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil

from gameon_env.data_processing.atomic_file import sync_folder
from gameon_env.datasets.remote_file import check_writable, local_path, upload
from gameon_env.errors import DatasetError, StorageError

PART_SUFFIX = ".part"
"""Of what is written until it is complete."""


@contextmanager
def output_at(output: str | Path) -> Iterator[Path]:
    """The local path of the file to make; for a URL it is in a folder for the time being, and put there at the end.

    Raises:
        StorageError, DatasetError: as :func:`check_output`; or the URL cannot be written.
        MissingPartError: what writes such URLs is not installed.
    """
    local = local_path(output)
    if local is not None:
        yield check_output(local)
        return
    url = str(output)
    name = url.rpartition("/")[2]
    if not name:
        raise DatasetError(f"{url} names no file: expected one such as {url}dataset.h5")
    check_writable(url)
    with tempfile.TemporaryDirectory(prefix="gameon-export-") as folder:
        made = Path(folder) / name
        yield made
        upload(made, url)


def check_output(path: str | Path) -> Path:
    """The file's path where a file can be made; a link is followed.

    Raises:
        StorageError: its folder is missing or cannot be written.
        DatasetError: it is a folder.
    """
    given, path = path, Path(path).expanduser().resolve()
    if path.is_dir():
        raise DatasetError(f"{given} is a folder: name the file to make, such as {Path(given) / 'dataset.h5'}")
    if path.exists() and not path.is_file():
        raise DatasetError(f"{given} is no ordinary file: name another")
    check_writable_folder(path.parent)
    return path


def check_writable_folder(folder: Path) -> None:
    """See that something can be made in it.

    Raises:
        StorageError: it is missing or cannot be written.
    """
    if not folder.is_dir():
        raise StorageError(f"the folder {folder} does not exist: make it (mkdir -p '{folder}'), or name another")
    try:
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise StorageError(
            f"nothing can be written into {folder}: {error.strerror or error}. Name one in another folder."
        ) from error


def parts_folder(path: Path) -> Path:
    """Where that is made which becomes ``path``: in a folder that is there already, which may be another disk, and
    otherwise beside it."""
    return path if path.is_dir() else path.parent


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A new empty file beside ``path``, to be written and closed; it takes the place of ``path`` at the end, and goes
    where that is not reached.

    Raises:
        StorageError: the disk refuses.
    """
    new: Path | None = None
    try:
        remove_forgotten(path)
        handle, name = tempfile.mkstemp(
            prefix=f"{part_prefix(path)}{os.getpid()}.", suffix=PART_SUFFIX, dir=path.parent
        )
        new = Path(name)
        os.close(handle)
        yield new
        with new.open("rb+") as file:
            os.fsync(file.fileno())
        # mkstemp lets nobody else read; an export is as readable as any new file, or as the one before it.
        new.chmod(path.stat().st_mode & 0o777 if path.exists() else 0o666 & ~umask())
        new.replace(path)
        sync_folder(path.parent)
    except OSError as error:
        if isinstance(error, StorageError):
            raise
        raise StorageError(
            f"{path} could not be written: {error.strerror or error}. "
            + ("What it held before is as it was. " if path.exists() else "")
            + "Free some space, or name a file on another disk."
        ) from error
    finally:
        if new is not None:
            with contextlib.suppress(FileNotFoundError):
                new.unlink()


def part_prefix(path: Path) -> str:
    """How the name of what becomes ``path`` begins; with this machine's name, for others may share the folder."""
    return f".{path.name[:100]}.{platform.node()[:60]}."


def is_part(entry: Path, path: Path) -> bool:
    """Whether it is what an export to ``path`` made, and did not complete so far."""
    return entry.name.startswith(part_prefix(path)) and entry.name.endswith(PART_SUFFIX)


def remove_forgotten(path: Path) -> None:
    """Delete what killed exports to the same file left."""
    for left in parts_folder(path).iterdir():
        if is_part(left, path):
            pid = left.name[len(part_prefix(path)) :].split(".")[0]
            if pid.isdecimal() and not psutil.pid_exists(int(pid)):
                if left.is_dir():
                    shutil.rmtree(left, ignore_errors=True)
                else:
                    left.unlink(missing_ok=True)


def umask() -> int:
    """This process's, of the files that it makes."""
    mask = os.umask(0o077)
    os.umask(mask)
    return mask
