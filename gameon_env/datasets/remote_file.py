"""Trajectory files that lie elsewhere, by URL: ``s3://``, ``gs://``, ``https://``, ``memory://`` and what else fsspec
knows. They are read from a local copy, and written as a whole.

Sessions are folders of a database, a video and sounds, which are read at random: they have to be local.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any
from uuid import uuid4

from gameon_env.data_processing.trajectory import SUFFIXES_READ
from gameon_env.errors import DatasetError, GameOnError, MissingPartError, StorageError
from gameon_env.optional import require
from gameon_env.paths import cache_dir

_IDENTITY = (
    ("size", "ETag", "etag", "mtime", "LastModified", "last_modified", "updated", "created", "generation", "md5Hash")
    + ("content_settings", "version_id", "VersionId", "checksum", "ino")
)  # fmt: skip
"""What a file system tells of a file that changes when its content does; which of these, each has its own way."""
_RENAMING = ("memory", "sftp", "ssh", "hdfs", "webhdfs", "smb")
"""Where a file is there before all of it is written. Object stores show it when it is complete."""
_KEPT_S = 7 * 24 * 3600
"""That an older version stays after its last use: a training may still have it open."""


def is_url(path: object) -> bool:
    """Whether this is a URL rather than a path."""
    return isinstance(path, str) and "://" in path


def local_path(url: str | Path) -> Path | None:
    """The path that this is, or that a ``file://`` URL means; None: it lies elsewhere."""
    if not isinstance(url, str) or not is_url(url):
        return Path(url)
    scheme, _, _ = url.partition("://")
    if scheme.lower() not in ("file", "local"):
        return None
    system, path = _system(url)
    return Path(system._strip_protocol(path))


def local_copy(url: str | Path) -> Path:
    """The path itself, or the local file with this URL's content, fetched when it is not there yet or changed since.

    Copies lie in the user's cache folder. What says whether it changed is what the file system tells: its size, and its
    ETag or its time.

    Raises:
        DatasetError: it is no trajectory file by its name, or does not exist.
        StorageError: it cannot be read, or there is no room for it here.
        MissingPartError: what reads such URLs is not installed.
    """
    local = local_path(url)
    if local is not None:
        return local
    url = str(url)
    name = url.partition("://")[2].rsplit("/", 1)[-1]
    if Path(name).suffix not in SUFFIXES_READ:
        raise DatasetError(
            f"{url}: only single trajectory files ({', '.join(SUFFIXES_READ)}) are read from elsewhere. Copy a "
            "session's folder or a catalogue to this machine first, or export it: gameon export hdf5"
        )
    system, path = _system(url)
    with _naming(url, "read"):
        info = dict(system.info(path))
        if info.get("type") == "directory":
            raise DatasetError(f"{url} is a folder: name one trajectory file in it")
    known = {key: info[key] for key in _IDENTITY if key in info}
    identity = hashlib.sha256(repr(known).encode()).hexdigest()[:16]
    folder = cache_dir() / "remote" / hashlib.sha256(url.encode()).hexdigest()[:16]
    target = folder / identity / name
    if not (target.is_file() and info.get("size") in (None, target.stat().st_size)):
        _fetch(system, path, url, target, info.get("size"))
    # Its time is part of what a copy is known by (caches of its frames are kept by it), and so follows the content;
    # when it was last used is its time of access.
    os.utime(target, (time.time(), int(identity, 16) % (1 << 30)))
    _forget_older(folder, identity)
    return target


def upload(local: Path, url: str) -> None:
    """Put a complete file where the URL says; it appears there whole wherever the file system can do that.

    Raises:
        StorageError: it cannot be written there.
        MissingPartError: what writes such URLs is not installed.
    """
    system, path = _system(url)
    part = f"{path}.{uuid4().hex[:12]}.part"
    with _naming(url, "written"):
        if not _renames(system):
            system.put_file(str(local), path)
            return
        try:
            system.put_file(str(local), part)
            system.mv(part, path)
        except BaseException:
            with suppress(FileNotFoundError):
                system.rm_file(part)
            raise


def check_writable(url: str) -> None:
    """See whether anything can be written there, before the work.

    Raises:
        StorageError, MissingPartError: as :func:`upload`.
    """
    system, path = _system(url)
    probe = f"{path}.{uuid4().hex[:12]}.part"
    with _naming(url, "written"):
        system.pipe_file(probe, b"")
        system.rm_file(probe)


def _system(url: str) -> tuple[Any, str]:
    fsspec = require("fsspec", "Reading and writing URLs")
    try:
        system, path = fsspec.core.url_to_fs(url)
    except ImportError as error:
        raise MissingPartError(f"{url}: {error}") from error
    except ValueError as error:
        raise DatasetError(f"{url} is no URL that fsspec knows ({error})") from error
    return system, path


def _renames(system: Any) -> bool:
    protocols = (system.protocol,) if isinstance(system.protocol, str) else system.protocol
    return any(protocol in _RENAMING for protocol in protocols)


def _fetch(system: Any, path: str, url: str, target: Path, size: int | None) -> None:
    part = target.with_name(f".{uuid4().hex[:12]}.part")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        free = shutil.disk_usage(target.parent).free
        if size is not None and size > free:
            raise StorageError(f"{url} has {size} bytes, and {target.parent} has room for {free}: free some space")
        with _naming(url, "read"):
            system.get_file(path, str(part))
        found = part.stat().st_size
        if size is not None and found != size:
            raise StorageError(f"{url} has {size} bytes, {found} of them arrived: try again")
        part.replace(target)
    except OSError as error:
        if isinstance(error, GameOnError):
            raise
        raise StorageError(f"{url} cannot be copied to {target.parent}: {error}") from error
    finally:
        part.unlink(missing_ok=True)


def _forget_older(folder: Path, identity: str) -> None:
    for other in folder.iterdir():
        if other.name == identity:
            continue
        with suppress(OSError):  # another process may forget it too
            if all(time.time() - file.stat().st_atime > _KEPT_S for file in other.iterdir()):
                shutil.rmtree(other)


@contextmanager
def _naming(url: str, what: str) -> Iterator[None]:
    """Each file system raises errors of its own kinds: ours name the URL."""
    try:
        yield
    except GameOnError:
        raise
    except FileNotFoundError as error:
        if what == "read":
            raise DatasetError(f"{url} does not exist") from error
        raise StorageError(f"{url} cannot be written: there is no such place ({error})") from error
    except Exception as error:
        raise StorageError(f"{url} cannot be {what}: {type(error).__name__}: {error}") from error
