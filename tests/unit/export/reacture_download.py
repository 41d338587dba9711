"""ReActure downloads for tests: as our page writes them, and as the original did, with what was odd about those."""

from __future__ import annotations

import io
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

START_MS = 1_731_177_600_000
PREFIX = f"reacture_{START_MS}"
SIZE = (128, 128)


def picture(number: int, height: int = 128, width: int = 128) -> np.ndarray:
    """``(H, W, 3) uint8``: an upright scene that differs everywhere and from number to number; its top is light."""
    y, x = np.mgrid[0:height, 0:width]
    scene = np.stack([250 - y, (x + 3 * number) % 256, (x * y // 7 + 11 * number) % 256], axis=-1)
    scene[:8] = 255
    return scene.astype(np.uint8)


def held_in(number: int) -> dict[str, Any]:
    """What is pressed in the interval that row ``number`` covers."""
    return {
        "W": number % 4 != 3,
        "A": number % 3 == 0,
        "S": False,
        "D": number % 5 in (1, 2),
        "Space": number % 7 == 6,
        "E": number % 6 == 4,
        "R": 8 <= number < 11,
        "mouse_dx": number - 5,
        "mouse_dy": -(number % 3),
        "inspect": number % 6 == 4,
        "destroy": number % 4 == 1,
    }


def state(number: int, t_ms: float, **changes: Any) -> dict[str, Any]:
    """A row of the robot's state."""
    row = {
        "type": "robot_state",
        "timestamp": "2024-11-09T18:40:00.100Z",
        "timestamp_ms": t_ms,
        "time_elapsed_s": t_ms / 1000,
        "event": "periodic_update_10hz",
        "key_presses": held_in(number),
        "robot": {
            "position": {"x": number * 0.5, "y": 1.0, "z": -number * 0.25},
            "rotation": {"x": 0.0, "y": 0.1 * number, "z": 0.0},
            "velocity": {"x": 5.0, "y": 0.0, "z": -2.5},
            "isJumping": False,
        },
        "accelerometer": {"x": 0.0, "y": 9.81, "z": 0.125 * number},
        "battery": 100 - number * 0.5,
        "damage": min(1.0, number / 100),
        "health": 100,
        "fuel": 100 - number * 0.5,
        "zone": "green",
        "camera": {"position": {"x": 0, "y": 1.7, "z": 0}, "rotation": {"x": 0, "y": 0, "z": 0}, "yaw": 0, "pitch": 0},
        "sensors": {"proximity": 3.5, "victimsDetected": 0, "victims": [], "zone": "green"},
    }
    return row | changes


@dataclass
class Download:
    """Five files to be; tests change what they like, and :meth:`write` them."""

    folder: Path
    rows: list[dict[str, Any]]
    frames: np.ndarray
    times: np.ndarray
    metadata: dict[str, Any]
    prefix: str = PREFIX
    broken: bool = False
    paths: dict[str, Path] = field(default_factory=dict)

    def write(self) -> Path:
        """Write the files; returns the path of ``metadata.json``."""
        self.folder.mkdir(parents=True, exist_ok=True)
        npy = broken_npy if self.broken else good_npy
        stored = self.frames[:, ::-1] if self.broken else self.frames
        contents = {
            "metadata.json": json.dumps(self.metadata, indent=2).encode(),
            "data.jsonl": "".join(json.dumps(row) + "\n" for row in self.rows).encode(),
            "frames.npy": npy(stored, "|u1"),
            "timestamps.npy": npy(self.times, "<f4"),
            "README.md": b"# ReActure\n",
        }
        for part, content in contents.items():
            self.paths[part] = self.folder / f"{self.prefix}_{part}"
            self.paths[part].write_bytes(content)
        return self.paths["metadata.json"]


def marked(download: Download, mark: str) -> Path:
    """Write the files as a browser names those of a second download: ``..._metadata (1).json``."""
    download.write()
    for part, path in download.paths.items():
        download.paths[part] = path.rename(path.with_name(f"{path.stem}{mark}{path.suffix}"))
    return download.paths["metadata.json"]


def our_download(folder: Path, frames: int = 24, **metadata: Any) -> Download:
    """As our page writes them: row i is frame i, keys cover the interval before; events and actions at the end."""
    times = np.float32(100) * np.arange(1, frames + 1, dtype=np.float32)
    rows = [state(i, float(t), visual_frame_path=f"{PREFIX}_frames.npy#{i}") for i, t in enumerate(times)]
    events = [
        state(3, 366.7, event="zone_change", zone="yellow"),
        state(9, 983.3, event="rescue", action="rescue", success=True),
        {"type": "player_action", "timestamp": 983, "action": "rescue", "robot": {}, "sensors": {}},
    ]
    facts = _metadata(frames) | {"format_version": 1, "key_interval": "before", "generator": "gameon-env 0", "seed": 7}
    return Download(folder, rows + events, np.stack([picture(i) for i in range(frames)]), times, facts | metadata)


def original_download(folder: Path, frames: int = 24, **metadata: Any) -> Download:
    """As the original wrote them: a broken header, upside down, events between the rows, some rows not in order."""
    times = np.cumsum(np.tile([100, 71, 160, 372], frames // 4 + 1)[:frames]).astype(np.float32)
    rows: list[dict[str, Any]] = [state(0, 0.0, event="game_start")]
    for i, t in enumerate(times):
        rows.append(state(i, float(t), visual_frame_path=f"frames/frame_{i:06d}.npy"))
        if i % 5 == 4:
            rows.append(state(i, float(t) - 30.0, event="inspect", action="inspect", success=True))
        if i % 7 == 6:
            rows.append({"type": "player_action", "timestamp": int(t), "action": "inspect", "robot": {}})
    facts = _metadata(frames) | {"session_id": "session_1731177599123_abc"}
    pictures = np.stack([picture(i) for i in range(frames)])
    return Download(folder, rows, pictures, times, facts | metadata, broken=True)


def good_npy(values: np.ndarray, descr: str = "") -> bytes:
    sink = io.BytesIO()
    np.save(sink, np.ascontiguousarray(values))
    return sink.getvalue()


def broken_npy(values: np.ndarray, descr: str) -> bytes:
    """As the original's page wrote it: the magic through a text encoder, JavaScript's ``false``, no line's end."""
    shape = ", ".join(map(str, values.shape)) + ("," if values.ndim == 1 else "")
    header = f"{{'descr': '{descr}', 'fortran_order': false, 'shape': ({shape}), }}"
    header += " " * (-(10 + len(header)) % 64)
    return b"\xc2\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header.encode() + values.tobytes()


def _metadata(frames: int) -> dict[str, Any]:
    return {
        "session_id": f"session_{START_MS}",
        "start_time": "2024-11-09T18:40:00.000Z",
        "end_time": "2024-11-09T18:41:00.000Z",
        "duration_s": frames / 10,
        "sampling_rate_hz": 10,
        "player_id": "local",
        "player_name": "Ada",
        "robot_model": "rescue-1",
        "environment": "earthquake",
        "environment_name": "Earthquake",
        "game_result": {"victims_total": 5, "victims_saved": 1, "final_score": 120, "completion_status": "time_up"},
        "data_stats": {"total_samples": frames + 2, "total_frames": frames, "actions_logged": 1},
    }
