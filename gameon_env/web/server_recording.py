"""One recording of the page: it grows as parts in its folder, and ends as the five files."""

from __future__ import annotations

import json
import os
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from gameon_env.errors import StorageError
from gameon_env.recording.folder_lock import FolderLock
from gameon_env.web.server_parts import HEADER_BYTES, ITEM_BYTES, STREAMS, Parts, array_header
from gameon_env.web.server_readme import make_readme

FILES = ("metadata.json", "data.jsonl", "frames.npy", "timestamps.npy", "README.md")

_CHECKPOINT = "checkpoint.json"
_SO_FAR = "so_far.jsonl"


@dataclass(frozen=True)
class Piece:
    """A part of a file to be sent: bytes, or a stretch of a file on disk."""

    length: int
    content: bytes = b""
    path: Path | None = None
    start: int = 0


class Recording:
    """A recording that grows, or is complete, in ``folder``; its methods may be called from several threads.

    Raises:
        SessionError: another process records into the folder.
        StorageError: the folder cannot be written.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.prefix = folder.name
        self.touched = time.monotonic()
        self._parts = Parts(folder, self.prefix)
        self._guard = threading.Lock()
        self._so_far: tuple[int, bytes, bytes] | None = None
        self._lock: FolderLock | None = None if self.complete else FolderLock(folder)

    @property
    def complete(self) -> bool:
        """Whether it has its five files; metadata.json is made last."""
        return self.file("metadata.json").exists()

    @property
    def samples(self) -> int:
        """Whole samples so far."""
        return self._parts.size("frames") // ITEM_BYTES["frames"] if self.complete else self._parts.samples()

    def file(self, name: str) -> Path:
        """Where one of ``FILES`` is, or will be."""
        return self.folder / f"{self.prefix}_{name}"

    def append(self, stream: str, offset: int, data: bytes) -> int:
        """Add to a stream; returns its size.

        Raises:
            ValueError: there would be a gap before ``data``, or the recording is complete.
            StorageError: the disk is full, or cannot be written.
        """
        with self._guard:
            if self.complete:
                raise ValueError("this recording is complete: its page was left, or its server ended")
            self.touched = time.monotonic()
            return self._parts.append(stream, offset, data)

    def age_s(self) -> float:
        """How long ago the last of it arrived, by the clock on the wall."""
        times = [path.stat().st_mtime for path in self.folder.iterdir() if path.suffix in (".part", ".json", ".npy")]
        return time.time() - max(times, default=0.0)

    def size(self) -> int:
        """Bytes of all streams."""
        return sum(self._parts.size(stream) for stream in STREAMS)

    def checkpoint(self, metadata: Mapping[str, Any]) -> None:
        """Keep how the game stands, for the case that nobody ends the recording."""
        with self._guard:
            self.touched = time.monotonic()
            if not self.complete:
                _write(self.folder / _CHECKPOINT, _as_json(metadata))

    def snapshot(self, metadata: Mapping[str, Any]) -> None:
        """Make the files as they stand ready for :meth:`pieces`; the recording goes on."""
        with self._guard:
            self.touched = time.monotonic()
            if self.complete:
                return
            samples = self._parts.samples()
            rows, actions = self._parts.write_data(self.folder / _SO_FAR, samples)
            told = self._counted(metadata, samples, rows, actions)
            self._so_far = (samples, _as_json(told), make_readme(told).encode("utf-8", "replace"))

    def finish(self, metadata: Mapping[str, Any] | None = None) -> None:
        """Make the five files of what arrived; does nothing where they are there.

        Args:
            metadata: what metadata.json says, but for the counts; None: what the last checkpoint and the rows say.

        Raises:
            StorageError: the disk is full, or cannot be written; the parts are still there.
        """
        with self._guard:
            if self.complete:
                return
            try:
                self._finish(metadata)
            except OSError as error:
                raise StorageError(f"{self.folder}: {error}. Free disk space, and start the server again.") from error
            self._let_go()

    def close(self) -> None:
        """Let go of the folder, as it is."""
        with self._guard:
            self._let_go()

    def pieces(self, name: str) -> list[Piece] | None:
        """What one of ``FILES`` is made of: complete, or as it stood at the last snapshot; None: neither is there."""
        with self._guard:
            if self.complete:
                path = self.file(name)
                return [Piece(path.stat().st_size, path=path)]
            if self._so_far is None:
                return None
            samples, metadata, readme = self._so_far
            if name == "metadata.json":
                return [Piece(len(metadata), metadata)]
            if name == "README.md":
                return [Piece(len(readme), readme)]
            if name == "data.jsonl":
                path = self.folder / _SO_FAR
                return [Piece(path.stat().st_size, path=path)]
            stream = name.removesuffix(".npy")
            content = Piece(samples * ITEM_BYTES[stream], path=self._parts.path(stream), start=HEADER_BYTES)
            return [Piece(HEADER_BYTES, array_header(stream, samples)), content]

    def _finish(self, metadata: Mapping[str, Any] | None) -> None:
        samples = self._parts.samples()
        rows, actions = self._parts.write_data(self.folder / "data.part", samples)
        told = self._counted(metadata or self._interrupted(samples), samples, rows, actions)
        _write(self.file("README.md"), make_readme(told).encode("utf-8", "replace"))
        self._parts.close_arrays(samples)
        for stream in ITEM_BYTES:
            self._parts.path(stream).replace(self.file(f"{stream}.npy"))
        (self.folder / "data.part").replace(self.file("data.jsonl"))
        _write(self.file("metadata.json"), _as_json(told))
        self.tidy()

    def tidy(self) -> None:
        """Remove what a complete recording needs no longer."""
        for name in ("rows.part", "events.part", _CHECKPOINT, _SO_FAR):
            (self.folder / name).unlink(missing_ok=True)

    def _interrupted(self, samples: int) -> dict[str, Any]:
        path = self.folder / _CHECKPOINT
        told = _read_object(path.read_bytes())
        last = _read_object(self._parts.last_row(samples))
        result = told.get("game_result")
        told["game_result"] = {**(result if isinstance(result, dict) else {}), "completion_status": "interrupted"}
        if last:
            told["game_result"] |= {"final_health": last.get("health"), "final_fuel": last.get("fuel")}
            told["duration_s"] = last.get("time_elapsed_s")
            told["end_time"] = last.get("timestamp")
        told["completed_at"] = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        return told

    def _counted(self, metadata: Mapping[str, Any], samples: int, rows: int, actions: int) -> dict[str, Any]:
        stats = metadata.get("data_stats")
        counts = {"total_samples": rows, "total_frames": samples, "actions_logged": actions}
        return {
            **metadata,
            "session_id": self.prefix,
            "data_stats": {**(stats if isinstance(stats, dict) else {}), **counts},
        }

    def _let_go(self) -> None:
        if self._lock is not None:
            self._lock.release()
            self._lock = None


def _as_json(content: Mapping[str, Any]) -> bytes:
    """Half of a surrogate pair, which a row may hold, stays the escape that it was in its row."""
    return (json.dumps(content, indent=2, ensure_ascii=False) + "\n").encode("utf-8", "backslashreplace")


def _read_object(text: bytes) -> dict[str, Any]:
    """A JSON object; empty where it is none, for what can be completed must not fail by what describes it."""
    try:
        told = json.loads(text)
    except ValueError:
        return {}
    return told if isinstance(told, dict) else {}


def _write(path: Path, content: bytes) -> None:
    """All of it or nothing, also through a power cut."""
    part = path.with_name(f"{path.name}.new")
    with part.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    part.replace(path)
