"""Writing ReActure downloads: five files for each stretch of play, frame by frame, in flat memory."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import IO, Any

import numpy as np
import numpy.typing as npt

from gameon_env import __version__
from gameon_env.controls import Controls
from gameon_env.export.plan import ExportPlan
from gameon_env.export.reacture_events import BEFORE
from gameon_env.export.reacture_inputs import SIZE, input_row
from gameon_env.export.reacture_page import page

RATE_HZ = 10.0
MISSING = ("position", "velocity", "accelerometer", "battery", "damage")
"""What other games do not have: null in each row, NaN where it is loaded."""

_HEADER_BYTES = 128
_UNKNOWN_START = datetime(1970, 1, 1, tzinfo=UTC)


class NpyFile:
    """A new .npy file whose first dimension is told when all of it is written."""

    def __init__(self, path: Path, descr: str, shape: tuple[int, ...]) -> None:
        self._descr, self._shape, self.rows = descr, shape, 0
        self._file: IO[bytes] = path.open("xb")
        self._file.write(self._header())

    def append(self, values: npt.NDArray[Any]) -> None:
        """Append ``(n, *shape)``."""
        self._file.write(np.ascontiguousarray(values).reshape(-1).view(np.uint8).data)
        self.rows += len(values)

    def finish(self) -> None:
        """Write the header anew, and close."""
        self._file.seek(0)
        self._file.write(self._header())
        self._file.close()

    def close(self) -> None:
        self._file.close()

    def _header(self) -> bytes:
        said = {"descr": self._descr, "fortran_order": False, "shape": (self.rows, *self._shape)}
        text = str(said).encode().ljust(_HEADER_BYTES - 11) + b"\n"
        return b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text


@dataclass
class _Open:
    """The stretch that is being written: its frames on the disk already, the rest, which is little, in memory."""

    frames: NpyFile
    prefix: str
    columns: list[dict[str, npt.NDArray[Any]]] = field(default_factory=list)


class ReActureWriter:
    """Writes all episodes of an export, each as five files, into one folder.

    Args:
        index: an empty file in the folder; the prefixes are written into it.
        plan: of the export.

    Raises (all methods):
        OSError: the disk refuses. What was written is of no use then.
    """

    def __init__(self, index: Path, plan: ExportPlan) -> None:
        self._index, self._plan = index, plan
        self._prefixes: list[str] = []
        self._open: _Open | None = None

    def append(self, rows: dict[str, Any]) -> None:
        """Append rows of the open episode, ``(n, ...)`` of each column."""
        if self._open is None:
            prefix = f"open_{len(self._prefixes)}"
            self._open = _Open(NpyFile(self._folder / f"{prefix}_frames.npy", "|u1", (*SIZE, 3)), prefix)
        self._open.frames.append(rows["video"])
        self._open.columns.append({name: rows[name] for name in ("inputs", "timestamps", "rewards")})

    def end_episode(self, metadata: dict[str, Any]) -> None:
        """Write the other files of the open episode, and give all of them their names."""
        assert self._open is not None
        self._open.frames.finish()
        columns = {name: np.concatenate([part[name] for part in self._open.columns]) for name in self._open.columns[0]}
        started = started_at(metadata)
        prefix = free_prefix(self._folder, round(started.timestamp() * 1000))
        (self._folder / f"{self._open.prefix}_frames.npy").rename(self._folder / f"{prefix}_frames.npy")
        self._open = None
        times_ms = columns["timestamps"] / 1e6
        names = [name for name in metadata["game_controls"] if name in metadata["controls"]]
        columns["inputs"] = columns["inputs"][:, [metadata["controls"].index(name) for name in names]]
        controls = Controls(
            names,
            mouse_scale_px=metadata["mouse_scale_px"] or 100.0,
            wheel_scale=metadata["wheel_scale"] or 1.0,
            window_size=SIZE,
        )
        told = self._told(metadata, controls, prefix, started, times_ms)
        lines = _lines(columns, controls, prefix, started, rewards=bool(metadata.get("has_rewards")))
        write_beside_frames(self._folder, prefix, times_ms, lines, told)
        self._prefixes.append(prefix)

    def finish(self) -> None:
        """Write which downloads there are."""
        self._index.write_text(json.dumps(self._prefixes), encoding="utf-8")

    def close(self) -> None:
        """Let go of the files, finished or not."""
        if self._open is not None:
            self._open.frames.close()

    @property
    def _folder(self) -> Path:
        return self._index.parent

    def _told(
        self,
        metadata: Mapping[str, Any],
        controls: Controls,
        prefix: str,
        started: datetime,
        times_ms: npt.NDArray[np.float64],
    ) -> dict[str, Any]:
        intervals = np.diff(times_ms)
        rate = 1000 / float(np.median(intervals)) if len(intervals) else RATE_HZ
        return {
            "session_id": f"session_{prefix.rpartition('_')[2]}",
            "start_time": iso(started),
            "end_time": iso(started + timedelta(milliseconds=float(times_ms[-1]))),
            "duration_s": float(times_ms[-1]) / 1000,
            "sampling_rate_hz": round(rate, 3),
            "player_id": None,
            "player_name": ", ".join(metadata.get("played_by") or ()) or None,
            "robot_model": None,
            "environment": None,
            "environment_name": metadata["game"],
            "game_result": {"completion_status": metadata["end_reason"]},
            "data_stats": {"total_samples": len(times_ms), "total_frames": len(times_ms), "actions_logged": 0},
            "format_version": 1,
            "key_interval": BEFORE,
            "generator": f"gameon-env {__version__}",
            "seed": metadata.get("seed"),
            "game": metadata["game"],
            "session": metadata["session"],
            "part": metadata["part"],
            "controls": list(controls.names),
            "mouse_scale_px": controls.mouse_scale_px,
            "wheel_scale": controls.wheel_scale,
            "recorded_size": metadata["recorded_size"],
            "letterbox": metadata["letterbox"],
            "latency_ms": metadata["latency_ms"],
            "missing": list(MISSING),
        }


def write_beside_frames(
    folder: Path,
    prefix: str,
    times_ms: npt.NDArray[Any],
    lines: Iterable[bytes],
    metadata: Mapping[str, Any],
    size: tuple[int, int] = SIZE,
) -> None:
    """Write the four files that belong to ``<prefix>_frames.npy``, whose frames are of ``size (height, width)``."""
    times = NpyFile(folder / f"{prefix}_timestamps.npy", "<f4", ())
    times.append(times_ms.astype(np.float32))
    times.finish()
    with (folder / f"{prefix}_data.jsonl").open("xb") as file:
        file.writelines(line + b"\n" for line in lines)
    (folder / f"{prefix}_metadata.json").write_text(json.dumps(metadata, indent=2) + "\n", encoding="ascii")
    text = page(prefix, metadata, len(times_ms), size)
    (folder / f"{prefix}_README.md").write_text(text, encoding="utf-8", errors="replace")


def started_at(metadata: Mapping[str, Any]) -> datetime:
    """When the episode began, by the wall clock; the epoch where nobody knows."""
    try:
        said = datetime.fromisoformat(str(metadata.get("start_time")))
        started = said if said.tzinfo else said.replace(tzinfo=UTC)
        return started.astimezone(UTC) + timedelta(microseconds=metadata["offset_ns"] / 1000)
    except (ValueError, OverflowError):
        return _UNKNOWN_START


def free_prefix(folder: Path, unix_ms: int) -> str:
    """``reacture_<unix_ms>``; a millisecond later wherever that is taken."""
    while (folder / f"reacture_{unix_ms}_frames.npy").exists():
        unix_ms += 1
    return f"reacture_{unix_ms}"


def iso(time: datetime) -> str:
    """As JavaScript writes it: ``2024-11-09T18:40:00.000Z``."""
    return time.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.") + f"{time.microsecond // 1000:03d}Z"


def _lines(
    columns: Mapping[str, npt.NDArray[Any]], controls: Controls, prefix: str, started: datetime, *, rewards: bool
) -> Iterable[bytes]:
    """Row i: the state at its frame's time, and what was pressed since the frame before it."""
    nothing = controls.zeros()
    nowhere = dict.fromkeys("xyz")
    for i, t_ns in enumerate(columns["timestamps"].tolist()):
        t_ms = t_ns / 1e6
        row: dict[str, Any] = {
            "type": "robot_state",
            "timestamp": iso(started + timedelta(milliseconds=t_ms)),
            "timestamp_ms": t_ms,
            "time_elapsed_s": t_ms / 1000,
            "event": "periodic_update_10hz",
            **input_row(controls, columns["inputs"][i - 1] if i else nothing),
            "robot": {"position": nowhere, "rotation": nowhere, "velocity": nowhere, "isJumping": None},
            "accelerometer": nowhere,
            **dict.fromkeys(("battery", "damage", "health", "fuel", "zone", "camera", "sensors")),
            "visual_frame_path": f"{prefix}_frames.npy[{i}]",
        }
        if rewards:
            row["reward"] = float(columns["rewards"][i - 1]) if i else 0.0
        yield json.dumps(row, allow_nan=False).encode("ascii")
