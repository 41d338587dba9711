"""The five files of one ReActure download: found by their common prefix, and the one that tells of the others."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gameon_env.errors import DatasetError

METADATA = "metadata.json"
PARTS = (METADATA, "data.jsonl", "frames.npy", "timestamps.npy")
"""What is read, by how the files' names end; the fifth file is ``README.md``."""

MAX_METADATA_BYTES = 1 << 20

# Of Chromium and Firefox; of Safari and macOS; of copies that Windows, and macOS, make.
_MARK = r" ?\(\d+\)|[ -]\d+| - Copy(?: \(\d+\))?| copy(?: \d+)?"
_NAME = re.compile(
    rf"(?P<prefix>.+)_(?P<stem>metadata|data|frames|timestamps|README)(?P<mark>{_MARK})?(?P<ending>\.\w+)"
)
_COPY_MARK = re.compile(rf"(?:{_MARK})(?=\.\w+$)")
_PACKED = (".zip", ".gz", ".tgz", ".bz2", ".xz", ".zst", ".7z", ".rar", ".tar")


@dataclass(frozen=True)
class ReActureFiles:
    """Where the files of one download are.

    Attributes:
        prefix: what their names begin with: ``reacture_<unix_ms>``. A browser that has such files already gives those
            of another download a mark, ``..._metadata (1).json``, and so does a copy beside its original; files with
            the same mark belong together.
        metadata, data, frames, timestamps: their paths, absolute: they are opened again later.
    """

    prefix: str
    metadata: Path
    data: Path
    frames: Path
    timestamps: Path


def find_reacture_files(path: str | Path) -> ReActureFiles:
    """The files that belong to ``path``: one of them, or a folder that holds one download.

    Raises:
        DatasetError: it is none of them, or some are missing; the message says which, and what lies there instead.
    """
    given = Path(path).expanduser()
    if given.is_dir():
        given = _only_metadata(given)
    prefix, mark = _prefix_and_mark(given)
    paths = [given.with_name(_name(prefix, mark, part)) for part in PARTS]
    missing = [path.name for path in paths if not path.is_file()]
    if len(missing) == len(PARTS) and not given.exists():
        raise DatasetError(f"{given} is not there, nor is any other file of that download")
    if missing:
        raise DatasetError(_missing(given, prefix, mark, missing))
    return ReActureFiles(prefix, *(path.absolute() for path in paths))


def find_downloads(path: str | Path) -> list[Path]:
    """The paths of ``metadata.json`` of all downloads that ``path`` names: one of their files, or a folder of them.

    Raises:
        DatasetError: it names none.
    """
    given = Path(path).expanduser()
    if not given.is_dir():
        return [given.with_name(_name(*_prefix_and_mark(given), METADATA))]
    inside = _metadata_in(given)
    if not inside:
        raise DatasetError(f"{given} holds no file that ends with _metadata.json: name the folder of a download")
    return inside


def read_reacture_metadata(path: Path) -> dict[str, Any]:
    """What ``metadata.json`` says.

    Raises:
        DatasetError: it is no JSON object, cut short, or far too large.
    """
    try:
        if path.stat().st_size > MAX_METADATA_BYTES:
            raise DatasetError(f"{path} has {path.stat().st_size} bytes, a metadata.json 1000: it is another file")
        metadata = json.loads(path.read_bytes())
    except OSError as error:
        raise DatasetError(f"{path} cannot be read: {error.strerror or error}") from error
    except (ValueError, RecursionError) as error:
        raise DatasetError(
            f"{path} is no JSON ({error}): it was cut short, or is another file. Download the recording again."
        ) from error
    if not isinstance(metadata, dict):
        raise DatasetError(f"{path} holds a {type(metadata).__name__}, not an object: it is no metadata of a recording")
    return metadata


def _prefix_and_mark(path: Path) -> tuple[str, str]:
    found = _NAME.fullmatch(path.name)
    if found is None and path.name.lower().endswith(_PACKED):
        raise DatasetError(f"{path} is packed: unpack it first, and name the folder that its files are in then")
    if found is None or found["stem"] + found["ending"] not in (*PARTS, "README.md"):
        raise DatasetError(
            f"{path} is no file of a ReActure download: expected a name such as reacture_1731177600000_metadata.json."
        )
    return found["prefix"], found["mark"] or ""


def _name(prefix: str, mark: str, part: str) -> str:
    stem, ending = part.split(".")
    return f"{prefix}_{stem}{mark}.{ending}"


def _metadata_in(folder: Path) -> list[Path]:
    # macOS puts ._NAME beside NAME on disks of other systems: what it knows of the file, in the same ending.
    found = (path for path in folder.iterdir() if not path.name.startswith("."))
    return sorted(path for path in found if _COPY_MARK.sub("", path.name).endswith(f"_{METADATA}"))


def _only_metadata(folder: Path) -> Path:
    found = _metadata_in(folder)
    if len(found) == 1:
        return found[0]
    if not found:
        raise DatasetError(f"{folder} holds no file that ends with _metadata.json: name the folder of a download")
    names = ", ".join(path.name for path in found[:3])
    raise DatasetError(f"{folder} holds {len(found)} downloads: name the metadata of one of them ({names} ...)")


def _missing(given: Path, prefix: str, mark: str, missing: list[str]) -> str:
    text = f"{prefix}{mark} is not whole: beside its other files in {given.parent} there is no {', no '.join(missing)}"
    if mark:
        plain = _COPY_MARK.sub("", given.name)
        return f"{text}. The browser did not mark all of the files. Rename the browser's copies: {plain}."
    endings = tuple(name.removeprefix(f"{prefix}_") for name in missing)
    names = sorted(path.name for path in given.parent.iterdir() if not path.name.startswith("."))
    others = [name for name in names if name.endswith(endings)]
    copies = [name for name in names if _COPY_MARK.sub("", name) in missing]
    unready = [name for name in names if name.startswith(tuple(f"{part}." for part in missing))]
    if copies:
        return f"{text}. There is {copies[0]}, which the browser renamed: give it the name of the missing one."
    if unready and unready[0].lower().endswith(_PACKED):
        return f"{text}. There is {unready[0]}, which is packed: unpack it first."
    if unready:
        return f"{text}. There is {unready[0]}: the browser has not finished it. Wait for it, or download it again."
    if others:
        return f"{text}. There is {others[0]}, of another recording: the files of two downloads do not fit each other."
    return f"{text}. The download was interrupted, or the file was moved: download all five files again."
